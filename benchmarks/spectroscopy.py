"""All logit shifts at once against the loop over directions: python benchmarks/spectroscopy.py.

At d = 896, V = 151,936 as Qwen2.5-0.5B has them (``--shape`` for others). The loop is the
definition: for each direction i project it out of the average token, put that through the head
and compare the logits of the k most frequent tokens. It is run on a sample of the directions and
its time multiplied up to all d. A second loop puts it through the rows of those k tokens alone.

Then what else a page asks of a vocabulary, at 262,144 x 640 beside 49,152 x 576, which
has 5.3 times the rows and 5.9 times the numbers.
"""

import argparse
import time
from collections.abc import Callable

import numpy as np
from turns import in_turns, machine, same_threads, seconds, times_as_long

from embfilter_viz.embeddings.logit_lens import ranks_of, top_tokens
from embfilter_viz.models.head.frequencies import TokenFrequencies, smoothed
from embfilter_viz.models.head.unembedding import Unembedding
from embfilter_viz.spectral.average_token import average_token
from embfilter_viz.spectral.contrast import contrast
from embfilter_viz.spectral.edge_to_bulk import edge_to_bulk
from embfilter_viz.spectral.permutations import permuted_shifts
from embfilter_viz.spectral.spectroscopy import contributions, logit_shifts, token_rows
from embfilter_viz.spectral.spectrum import Spectrum, spectrum_of

TOP = 100
SAMPLE = 8
"""Directions of the loop that are run; the others take as long."""


def made(d_vocab: int, d_model: int) -> tuple[np.ndarray, Spectrum, TokenFrequencies]:
    """A head about a mean row, its spectrum, and frequencies that fall as words' do."""
    rng = np.random.default_rng(0)
    W_U = rng.standard_normal((d_vocab, d_model), dtype=np.float32)
    W_U *= np.geomspace(1, 0.1, d_model).astype(np.float32)
    W_U += rng.standard_normal(d_model).astype(np.float32)
    counts = rng.permutation(np.floor(1e7 / np.arange(1, d_vocab + 1)))
    return W_U, spectrum_of(W_U), smoothed(counts, 1.0, source="corpus", detail="made")


def closed_form_against_loop(d_vocab: int, d_model: int, runs: int) -> None:
    """Print the ratio, and that both say the same."""
    W_U, spectrum, frequencies = made(d_vocab, d_model)
    h = average_token(W_U, spectrum, frequencies.p).h
    ids = frequencies.most(TOP)
    V = spectrum.V
    sample = np.linspace(0, d_model - 1, SAMPLE).astype(int)
    found: dict[str, np.ndarray] = {}

    def ours() -> None:
        found["ours"] = logit_shifts(V, token_rows(W_U, ids), h)

    def loop(rows: np.ndarray) -> np.ndarray:
        """Δπ of the sampled directions by its definition; ``rows`` are W_U or those of ``ids``."""
        chosen = ids if len(rows) == d_vocab else np.arange(len(rows))
        state = h.astype(np.float32)
        before = (rows @ state)[chosen]
        shifts = []
        for i in sample:
            v = V[:, i]
            after = (rows @ (state - (state @ v) * v))[chosen]
            shifts.append(np.abs(after - before).sum() / np.abs(before).sum())
        return np.array(shifts)

    def all_tokens() -> None:
        found["loop"] = loop(W_U)

    few = np.ascontiguousarray(W_U[ids])
    sides: dict[str, Callable[[], object]] = {
        "ours": ours, "loop": all_tokens, "k rows": lambda: loop(few),
    }  # fmt: skip
    ours()
    taken = in_turns(sides, dict.fromkeys(sides, runs))
    print(f"{d_vocab:,} x {d_model:,}, k = {TOP}: the shifts of all {d_model} directions")
    print(f"  closed form        {seconds(taken['ours'])}")
    share = d_model / SAMPLE
    for name, words in (("loop", "through the head"), ("k rows", "through k rows  ")):
        whole = [share * one for one in taken[name]]
        print(f"  loop {words}  {seconds(whole)}, from {SAMPLE} of {d_model} directions")
        print(f"    loop / closed form {times_as_long(whole, taken['ours'])}")
    off = np.abs(found["loop"] / found["ours"][sample] - 1).max()
    print(f"  largest relative difference on the sample: {off:.1e}, from the loop's float32\n")


def what_a_page_asks(d_vocab: int, d_model: int, runs: int) -> dict[str, float]:
    """Median seconds of each question, at one size of vocabulary."""
    W_U, spectrum, frequencies = made(d_vocab, d_model)
    average = average_token(W_U, spectrum, frequencies.p)
    V, rows = spectrum.V, token_rows(W_U, frequencies.most(TOP))
    each = contributions(V, rows, average.h)
    others = contributions(V, token_rows(W_U, frequencies.random(20 * TOP)), average.h)
    permuted = permuted_shifts(W_U, spectrum, frequencies.p, top=TOP)
    head = Unembedding(W_U)
    states = np.stack([average.h, average.h[::-1]])
    logits = head.logits(states)
    top = top_tokens(logits[0], 10).ids

    def order_anew() -> None:
        TokenFrequencies(frequencies.p, "corpus", "made", 1.0, 1.0, 0).ranks.sum()

    questions: dict[str, Callable[[], object]] = {
        "spectrum": lambda: spectrum_of(W_U),
        "average token": lambda: average_token(W_U, spectrum, frequencies.p),
        "logit shifts": lambda: logit_shifts(V, rows, average.h),
        "999 permutations": lambda: permuted_shifts(W_U, spectrum, frequencies.p, top=TOP),
        "edge to bulk, resampled": lambda: edge_to_bulk(each, permuted),
        "contrast, resampled": lambda: contrast(each, others),
        "frequency ranks (once)": order_anew,
        "logits, raw and filtered": lambda: head.logits(states),
        "top 10 of both": lambda: [top_tokens(one, 10) for one in logits],
        "ranks of the top 10": lambda: ranks_of(logits[1], top),
        "tokens of a direction": lambda: top_tokens(W_U @ V[:, 3], 20),
    }
    medians = {}
    for name, ask in questions.items():
        ask()
        taken = []
        for _ in range(runs):
            begun = time.perf_counter()
            ask()
            taken.append(time.perf_counter() - begun)
        medians[name] = float(np.median(taken))
    return medians


def main() -> None:
    """Print both parts."""
    words = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    words.add_argument("--shape", default="151936x896")
    words.add_argument("--runs", type=int, default=7)
    asked = words.parse_args()
    print(f"{machine()}, {same_threads()} threads each")
    d_vocab, d_model = map(int, asked.shape.split("x"))
    closed_form_against_loop(d_vocab, d_model, asked.runs)
    small, large = (what_a_page_asks(V, d, asked.runs) for V, d in ((49152, 576), (262144, 640)))
    print(f"{'milliseconds, median':28s} 49,152 x 576  262,144 x 640")
    for name, taken in small.items():
        print(f"  {name:26s} {1e3 * taken:12.2f} {1e3 * large[name]:14.2f}")


if __name__ == "__main__":
    main()
