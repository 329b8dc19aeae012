"""Data whose truth is known, for every interval that the product prints.

``benchmarks/coverage.py`` draws each many times and prints how often the intervals held; tests
draw some of them a few hundred times, at exact binomial bounds. The intervals come from the product
itself. The truth of a measure is its mean over the draws, for IsoScore, the effective rank and
V-measure depend on how many texts there are; of a difference that must be zero it is zero.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats
from threadpoolctl import threadpool_limits

from embfilter_viz.analyses.sweep import sweep_of
from embfilter_viz.embeddings.interval import Interval
from embfilter_viz.embeddings.isotropy import isotropy
from embfilter_viz.embeddings.specificity import own_places
from embfilter_viz.embeddings.text_intervals import (
    TextCosines,
    difference_of_means,
    half_of_student,
    mean_difference,
)
from embfilter_viz.evaluation.classification import ClassificationTask
from embfilter_viz.evaluation.clustering import ClusteringTask
from embfilter_viz.evaluation.grids import windows_of_plane
from embfilter_viz.evaluation.pair_classification import PairTask
from embfilter_viz.evaluation.pair_cosines import cosines_of_windows
from embfilter_viz.evaluation.pooling import pooled
from embfilter_viz.evaluation.proposing.from_texts import propose_from_texts, softly_whitened
from embfilter_viz.evaluation.resampling import intervals
from embfilter_viz.evaluation.retrieval import RetrievalTask
from embfilter_viz.evaluation.spearman import spearman
from embfilter_viz.evaluation.sts import StsTask
from embfilter_viz.evaluation.task import Task
from embfilter_viz.spectral.windows import Window
from tests.analyses.hand_made import HandModel

Draw = Callable[[np.random.Generator], dict[str, Interval]]

N_RESAMPLES = 400


@dataclass(frozen=True)
class Simulation:
    """One way to draw data, and the intervals that are made of them."""

    kind: str
    """What is measured."""
    setting: str
    """How the data are drawn, in words."""
    draw: Draw
    """Data from a generator, to intervals by name."""
    promised: float = 0.93
    """What the product says that its 95 % intervals hold at least."""
    truth: float | None = None
    """What is true of all of them; None: the mean over the draws, each for itself."""
    together: bool = False
    """Whether all intervals of a draw must hold at once."""


@dataclass(frozen=True)
class Coverage:
    """How often intervals held."""

    name: str
    """Which interval."""
    held: int
    """Draws in which it held the truth."""
    count: int
    """Draws."""
    width: float
    """Median length over that of an interval of 1.96 true standard errors to either side."""

    @property
    def ends(self) -> tuple[float, float]:
        """Exact 95 % interval of the coverage (Clopper and Pearson 1934)."""
        low, high = stats.binomtest(self.held, self.count).proportion_ci(method="exact")
        return float(low), float(high)

    def keeps(self, promised: float) -> bool:
        """Whether so few would be as improbable as one in a thousand if the promise were kept."""
        return self.held >= stats.binom.ppf(1e-3, self.count, promised)


def run(simulation: Simulation, count: int, seed: int = 0) -> list[Coverage]:
    """Draw ``count`` times and count the intervals that held."""
    rng = np.random.default_rng(seed)
    with threadpool_limits(1):  # so small a problem mostly waits where threads must meet
        drawn = [simulation.draw(rng) for _ in range(count)]
    held, widths = {}, {}
    for name in drawn[0]:
        found = np.array([[d[name].value, d[name].low, d[name].high] for d in drawn])
        truth = found[:, 0].mean() if simulation.truth is None else simulation.truth
        held[name] = (found[:, 1] <= truth + 1e-12) & (truth <= found[:, 2] + 1e-12)
        spread = 2 * 1.96 * found[:, 0].std()
        widths[name] = float(np.median(found[:, 2] - found[:, 1]) / spread) if spread else np.nan
    if simulation.together:
        width = float(np.nanmedian(list(widths.values())))
        return [Coverage(f"all {len(held)}", int(np.all([*held.values()], 0).sum()), count, width)]
    return [Coverage(name, int(one.sum()), count, widths[name]) for name, one in held.items()]


# -- how evenly texts fill space -----------------------------------------------------------------

TAILS: dict[str, Callable[[np.random.Generator, int], Any]] = {
    "normal": lambda rng, n: 1.0,
    "t, 8 degrees": lambda rng, n: 1 / np.sqrt(rng.chisquare(8, size=(n, 1)) / 8),
    "t, 5 degrees": lambda rng, n: 1 / np.sqrt(rng.chisquare(5, size=(n, 1)) / 5),
    "lognormal": lambda rng, n: np.exp(0.7 * rng.normal(size=(n, 1))),
    "t, 3 degrees": lambda rng, n: 1 / np.sqrt(rng.chisquare(3, size=(n, 1)) / 3),
}
"""Of the lengths of texts about their mean; of t with 3 degrees fourth moments do not exist."""


def cloud(rng: np.random.Generator, tails: str, n: int, d: int) -> np.ndarray:
    """Texts with a common direction and a falling spectrum, (n, d)."""
    rows = rng.normal(size=(n, d)) * np.geomspace(2, 0.2, d) * TAILS[tails](rng, n)
    return rows + 3 * np.eye(d)[0]


def _isotropy(tails: str, n: int, d: int) -> Draw:
    def draw(rng: np.random.Generator) -> dict[str, Interval]:
        found = isotropy(cloud(rng, tails, n, d))
        return {
            "mean cosine": found.mean_cosine,
            "IsoScore": found.isoscore,
            "effective rank": found.effective_rank,
        }

    return draw


def _cosines(E: np.ndarray) -> TextCosines:
    U = E / np.linalg.norm(E, axis=1, keepdims=True)
    total = U.sum(axis=0)
    return TextCosines(U @ total, float(total @ total))


def _gap(tails: str, n: int, d: int) -> Draw:
    def draw(rng: np.random.Generator) -> dict[str, Interval]:
        E = cloud(rng, tails, n, d)
        return {"filtered − raw": difference_of_means(_cosines(E[:, 2:]), _cosines(E))}

    return draw


def _specificity(n: int, d: int = 20) -> Draw:
    """Top tokens a little nearer to the words of their own text, which vary from text to text."""

    def draw(rng: np.random.Generator) -> dict[str, Interval]:
        words = rng.normal(size=(n, d))
        tokens = words * rng.uniform(0, 0.5, size=(n, 1)) + rng.normal(size=(n, d))
        words /= np.linalg.norm(words, axis=1, keepdims=True)
        places = own_places(tokens @ words.T, np.arange(n))
        value, reach = float(places.mean()), half_of_student(places, 0.95)
        return {"specificity": Interval(value, value - reach, value + reach)}

    return draw


# -- scores of tasks -----------------------------------------------------------------------------


def scored(task: Task, variants: list[np.ndarray]) -> dict[str, Interval]:
    """The score of the first of some outcomes, and what the second differs by."""
    outcomes = np.stack(variants)
    how = task.resamples(count=N_RESAMPLES)
    values, again = task.scores(outcomes)[:, 0], task.scores(outcomes, how.counts)
    return {
        "score": task.score_intervals(values[:1], again[:1], how)[0],
        "difference": intervals(values[1:] - values[:1], again[1:] - again[:1], how)[0],
    }


DESIGNS: dict[str, Callable[[np.random.Generator], tuple[np.ndarray, np.ndarray]]] = {
    "160 pairs of different texts": lambda rng: (np.arange(160), 160 + np.arange(160)),
    "20 pairs of different texts": lambda rng: (np.arange(20), 20 + np.arange(20)),
    "12 texts, each with 30 others": lambda rng: (
        np.repeat(np.arange(12), 30), 12 + np.arange(360)),
    "30 texts, each with 10 others": lambda rng: (
        np.repeat(np.arange(30), 10), 30 + np.arange(300)),
    "20 texts, each with 20 others": lambda rng: (
        np.repeat(np.arange(20), 20), 20 + np.tile(np.arange(20), 20)),
    "40 texts, each with 20 of them": lambda rng: _some_of(40, 400, rng),
}  # fmt: skip
"""Which texts are paired."""


def _some_of(n: int, pairs: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    first, second = np.triu_indices(n, 1)
    chosen = rng.choice(len(first), pairs, replace=False)
    return first[chosen], second[chosen]


def pair_task(
    design: str, rng: np.random.Generator, *, of_text: float, binary: bool = False
) -> tuple[StsTask, list[np.ndarray]]:
    """Graded pairs and the cosines of two variants, both moved by what their texts have in common.

    ``of_text`` is the standard deviation of what a text adds to all its pairs, that of the noise
    of a single pair being 1.
    """
    first, second = DESIGNS[design](rng)
    n, n_texts = len(first), int(max(first.max(), second.max())) + 1
    meaning = rng.normal(size=n)
    own = rng.normal(size=(3, n_texts))

    def along(row: np.ndarray) -> np.ndarray:
        return of_text * (row[first] + row[second])

    grades = meaning + 0.5 * along(own[0]) + 0.5 * rng.normal(size=n)
    grades = (grades > np.median(grades)) * 1.0 if binary else np.round(2 * grades)
    variants = [meaning + along(one) + rng.normal(size=n) for one in own[1:]]
    texts = tuple(f"text {i}" for i in range(n_texts))
    return StsTask(texts, "a simulation", first, second, grades), variants


def _pairs(design: str, of_text: float, binary: bool = False) -> Draw:
    return lambda rng: scored(*pair_task(design, rng, of_text=of_text, binary=binary))


def _same(n: int, share: float) -> Draw:
    def draw(rng: np.random.Generator) -> dict[str, Interval]:
        same = rng.permutation(np.arange(n) < share * n)
        variants = [same + spread * rng.normal(size=n) for spread in (1.0, 0.8)]
        texts = tuple(f"text {i}" for i in range(2 * n))
        task = PairTask(texts, "a simulation", np.arange(n), n + np.arange(n), same)
        return scored(task, variants)

    return draw


def _queries(n: int) -> Draw:
    def draw(rng: np.random.Generator) -> dict[str, Interval]:
        ease = rng.beta(0.7, 1, size=n)
        found = np.clip(ease + 0.3 * rng.normal(size=(2, n)), 0, 1)
        found[rng.random((2, n)) < 0.2] = 0
        judged = [(f"query {i}", f"passage {i}", 1.0) for i in range(n)]
        task = RetrievalTask.of_judgements(judged, "a simulation")
        return scored(task, [np.stack([one, one], axis=1) for one in found])

    return draw


def _labels(task_of: Any, per_label: int, n_labels: int, apart: float) -> Draw:
    """New texts of the same labels; the second variant is the first with noise."""
    n = per_label * n_labels
    centres = np.random.default_rng(5).normal(size=(n_labels, 20)) * apart
    task = task_of.of_texts(
        [f"text {i}" for i in range(n)], [f"label {i % n_labels}" for i in range(n)], "a simulation"
    )

    def draw(rng: np.random.Generator) -> dict[str, Interval]:
        E = centres[task.label] + 1.5 * rng.normal(size=(n, 20)) + 1
        noisy = E + 0.7 * rng.normal(size=(n, 20))
        return scored(task, [task.outcomes(E), task.outcomes(noisy)])

    return draw


# -- a sweep -------------------------------------------------------------------------------------

D = 12
WINDOWS = windows_of_plane(6, D)
MODEL: Any = HandModel(np.diag(np.arange(D, 0, -1.0)))


def swept(rng: np.random.Generator, n: int = 120) -> Any:
    """A sweep over pairs whose likeness stands in the middle of the spectrum."""
    grades = rng.uniform(0, 5, n)
    texts = tuple(f"text {i}" for i in range(2 * n))
    task = StsTask(texts, "a simulation", np.arange(n), n + np.arange(n), grades)
    E = rng.normal(0, 2, size=(2 * n, D))
    E[n:, 3:9] = E[:n, 3:9] + rng.normal(0, 1, (n, 6)) * (5 - grades[:, None])
    return sweep_of(MODEL, task, "p", WINDOWS, E, n_resamples=N_RESAMPLES)


def _corrected(rng: np.random.Generator) -> dict[str, Interval]:
    return {str(one.window): one.corrected for one in swept(rng).windows}


def _reported(rng: np.random.Generator) -> dict[str, Interval]:
    """What the reporting half says of the window that the other half chose, less what is true."""
    best = swept(rng).best
    true = true_differences()[str(best.window)]
    gap = best.difference
    return {"chosen window": Interval(gap.value - true, gap.low - true, gap.high - true)}


_TRUE: dict[str, float] = {}


def true_differences() -> dict[str, float]:
    """The difference to raw of each window of :func:`swept`, from very many pairs."""
    if not _TRUE:
        found = swept(np.random.default_rng(99), n=10_000)
        _TRUE.update({str(one.window): one.difference.value for one in found.windows})
    return _TRUE


# -- a window proposed from texts ----------------------------------------------------------------

N_PROPOSED = 80


def _texts_of_proposal(rng: np.random.Generator) -> np.ndarray:
    """Texts that share both edges, (80, 12), unevenly; the middle tells them apart."""
    E = rng.normal(size=(N_PROPOSED, D))
    E[:, [0, D - 1]] += 6 * rng.normal(1, 0.3, size=(N_PROPOSED, 1))
    return E


def _gains(E: np.ndarray) -> dict[str, float]:
    """What each window gains in agreement with soft whitening over raw embeddings."""
    first, second = np.triu_indices(len(E), 1)
    wanted = softly_whitened(E, first, second)
    windows = [Window(a, b, D) for a in range(D) for b in range(a + D // 4, D + 1)]
    found = spearman(cosines_of_windows(E, first, second, windows), wanted)[:, 0]
    raw = found[windows.index(Window(0, D, D))]
    return {str(w): float(one - raw) for w, one in zip(windows, found, strict=True)}


_TRUE_GAINS: dict[str, float] = {}


def _proposed(rng: np.random.Generator) -> dict[str, Interval]:
    """The gain of the window chosen by these texts, less what it gains on average over others."""
    if not _TRUE_GAINS:
        other = np.random.default_rng(98)
        drawn = [_gains(_texts_of_proposal(other)) for _ in range(200)]
        _TRUE_GAINS.update({name: float(np.mean([d[name] for d in drawn])) for name in drawn[0]})
    found = propose_from_texts(_texts_of_proposal(rng), MODEL.spectrum)
    assert found.gain is not None
    assert found.worth, "these texts are drawn so that a window is worth it"
    true = _TRUE_GAINS[str(found.window)]
    gap = found.gain
    return {"gain of the chosen": Interval(gap.value - true, gap.low - true, gap.high - true)}


def _pooled(rng: np.random.Generator) -> dict[str, Interval]:
    """Three tasks of 60 texts whose true difference is 0; the first two share their texts."""
    texts = rng.normal(size=60)
    gaps = [texts + 0.3 * rng.normal(size=60) for _ in range(2)] + [rng.normal(size=60)]
    found = [mean_difference(one, np.zeros(60)) for one in gaps]
    return {"pooled": pooled(found, [0, 0, 1])}


def simulations() -> Iterator[Simulation]:
    """Every simulation, by what is measured."""
    for n, d in ((120, 12), (600, 60), (60, 100), (40, 288)):
        for tails in TAILS:
            promised = 0.8 if tails == "t, 3 degrees" else 0.93
            setting = f"{n} texts of {d} numbers, {tails}"
            yield Simulation("isotropy", setting, _isotropy(tails, n, d), promised)
    for tails in ("normal", "t, 3 degrees"):
        setting = f"60 texts of 40 numbers, {tails}"
        yield Simulation("mean cosine, difference", setting, _gap(tails, 60, 40))
    for n in (40, 200):
        yield Simulation("specificity", f"{n} texts", _specificity(n))
    for design in DESIGNS:
        for of_text in (0.0,) if "different" in design else (0.0, 0.5, 1.0):
            promised = 0.9 if design.startswith(("12 ", "30 ", "20 pairs")) else 0.93
            setting = f"{design}, {of_text:g} of a text's own"
            yield Simulation("Spearman", setting, _pairs(design, of_text), promised)
    yield Simulation(
        "Spearman", "160 pairs, two grades", _pairs("160 pairs of different texts", 0, True)
    )
    yield Simulation(
        "Spearman", "20 pairs, two grades", _pairs("20 pairs of different texts", 0, True), 0.9
    )
    for n, share in ((124, 0.5), (40, 0.25), (20, 0.5)):
        setting = f"{n} pairs, {share:.0%} of one meaning"
        yield Simulation("average precision", setting, _same(n, share), 0.9)
    for n in (60, 10):
        yield Simulation("nDCG@10", f"{n} queries", _queries(n), 0.9 if n < 20 else 0.93)
    for per_label, n_labels, apart in ((32, 10, 1.0), (32, 10, 2.0), (10, 4, 1.6)):
        setting = f"{per_label * n_labels} texts of {n_labels} labels, {apart:g} apart"
        tasks = (("accuracy", ClassificationTask, 0.9), ("V-measure", ClusteringTask, 0.85))
        for kind, task_of, promised in tasks:
            draw = _labels(task_of, per_label, n_labels, apart)
            yield Simulation(kind, setting, draw, promised)
    setting = f"{len(WINDOWS)} windows of 120 pairs, to raw"
    yield Simulation("a sweep, corrected", setting, _corrected, together=True)
    yield Simulation(
        "a sweep, reporting half", "60 of 120 pairs, to raw", _reported, truth=0.0, promised=0.9
    )
    yield Simulation(
        "claims, pooled over tasks", "3 tasks of 60 texts, two of the same", _pooled, truth=0.0
    )
    yield Simulation(
        "a proposal from texts", f"{N_PROPOSED} texts of {D} numbers", _proposed, truth=0.0,
        promised=0.9,
    )  # fmt: skip
