"""Is a U called where there is none? python benchmarks/u_null.py [--real smollm2-135m].

On heads without structure token frequencies mean nothing, whatever they are, so every U that is
called there is a false one. Each kind of head is made 100 times anew, each time with other
frequencies, and decided as the pages decide, against 999 permutations of p̂. With ``--real`` also
the head of a model, 100 times with its own p̂ permuted over the tokens, and once as it is.

Each end is tested at 2.5 %, so one of them stands out in about 5 of 100 runs by construction; a U
needs both at once.
"""

import argparse
import time
from collections import Counter
from collections.abc import Callable, Iterator

import numpy as np

from embfilter_viz import open_model
from embfilter_viz.spectral import (
    EdgeToBulk,
    Spectrum,
    average_token,
    contributions,
    edge_to_bulk,
    permuted_shifts,
    spectrum_of,
    token_rows,
)

RUNS = 100
TOP = 100

Head = Callable[[np.random.Generator], np.ndarray]


def gaussian(d_vocab: int, d_model: int) -> Head:
    """Independent normal numbers."""
    return lambda rng: rng.standard_normal((d_vocab, d_model), dtype=np.float32)


def decaying(d_vocab: int, d_model: int) -> Head:
    """Singular values that fall from 1 to a hundredth, steeply at both ends, as real ones do."""
    fall = np.exp(-4.6 * (0.5 + np.arcsin(np.linspace(-1, 1, d_model)) / np.pi)).astype(np.float32)
    return lambda rng: gaussian(d_vocab, d_model)(rng) * fall


def constant(d_vocab: int, d_model: int) -> Head:
    """The same about a mean row that takes the first singular value, as in language models."""

    def made(rng: np.random.Generator) -> np.ndarray:
        return decaying(d_vocab, d_model)(rng) + rng.standard_normal(d_model, dtype=np.float32)

    return made


def clustered(d_vocab: int, d_model: int) -> Head:
    """Tokens in fifty groups of other sizes and lengths, which frequency knows nothing of."""

    def made(rng: np.random.Generator) -> np.ndarray:
        group = rng.integers(50, size=d_vocab)
        middle = 2 * rng.standard_normal((50, d_model), dtype=np.float32)
        length = rng.lognormal(size=50).astype(np.float32)
        return (middle[group] + gaussian(d_vocab, d_model)(rng)) * length[group, None]

    return made


def words(rng: np.random.Generator, d_vocab: int) -> np.ndarray:
    """Frequencies that fall as words' do (Zipf), given to the tokens at random."""
    p = rng.permutation(1 / np.arange(1, d_vocab + 1) ** rng.uniform(0.8, 1.2))
    return p / p.sum()


def decided(
    W_U: np.ndarray, spectrum: Spectrum, p: np.ndarray, gauge: str, seed: int, top: int = TOP
) -> EdgeToBulk:
    """Whether the U is there, as the pages decide it."""
    h = average_token(W_U, spectrum, p, gauge).h
    rows = token_rows(W_U, np.argsort(-p, kind="stable")[:top], gauge, spectrum.mean_row)
    permuted = permuted_shifts(W_U, spectrum, p, gauge, top=top, seed=seed)
    return edge_to_bulk(contributions(spectrum.V, rows, h), permuted, n_resamples=1)


def told(name: str, verdicts: Iterator[str], runs: int) -> None:
    """Print how often each verdict came."""
    begun, counts = time.perf_counter(), Counter(verdicts)
    each = (time.perf_counter() - begun) / runs
    shown = "  ".join(f"{counts[one]:>10}" for one in ("both", "strong", "weak", "absent"))
    print(
        f"{name:34s} {runs - counts['both']:>5} of {runs}  {shown}  {each:6.2f} s each", flush=True
    )


def main() -> None:
    """Print a line a kind of head."""
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    asked.add_argument("--real", metavar="MODEL", help="also the head of this model")
    asked.add_argument("--frequencies", default="model", choices=("model", "wordfreq"))
    asked.add_argument("--gauge", default="centred", choices=("centred", "paper", "invariant"))
    asked.add_argument("--runs", type=int, default=RUNS)
    given = asked.parse_args()
    centre = given.gauge == "invariant"
    print(f"gauge {given.gauge}, 999 permutations, top {TOP}")
    print(f"{'head':34s} {'no U':>12}  {'both ends':>10}      strong        weak     neither")
    for make in (gaussian, decaying, constant, clustered):
        for shape in ((1000, 40), (4000, 64), (3000, 256)):

            def runs(make=make, shape=shape) -> Iterator[str]:
                for seed in range(given.runs):
                    rng = np.random.default_rng((seed, *shape))
                    W_U = make(*shape)(rng)
                    spectrum = spectrum_of(W_U, centre=centre)
                    yield decided(W_U, spectrum, words(rng, len(W_U)), given.gauge, seed).verdict

            told(f"{make.__name__}, {shape[0]:,} x {shape[1]}", runs(), given.runs)
    if given.real is None:
        return
    model = open_model(given.real)
    W_U, spectrum = model.unembedding.W_U, model.spectrum_of_head(centre=centre)
    p = model.frequencies(given.frequencies).p
    found = decided(W_U, spectrum, p, given.gauge, 0)
    for name, end in (("strong", found.strong), ("weak", found.weak)):
        print(
            f"{given.real} as it is, {name} end: {end.ratio:.2f} times the bulk; permuted "
            f"{end.permuted_median:.2f} (median), {end.permuted:.2f} (97.5 %)"
        )
    print(f"{given.real} as it is: {found.verdict}", flush=True)

    def shuffled() -> Iterator[str]:
        for seed in range(given.runs):
            other = np.random.default_rng((seed, 1)).permutation(p)
            yield decided(W_U, spectrum, other, given.gauge, seed).verdict

    told(f"{given.real}, p permuted", shuffled(), given.runs)


if __name__ == "__main__":
    main()
