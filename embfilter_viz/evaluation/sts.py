"""Semantic textual similarity: do cosines order pairs of sentences as people do?"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np

from embfilter_viz.embeddings.cosines import unit_rows
from embfilter_viz.embeddings.isotropy import Interval
from embfilter_viz.errors import InputError
from embfilter_viz.evaluation.cosine_pairs import CosinePairs
from embfilter_viz.evaluation.spearman import spearman
from embfilter_viz.evaluation.task import halves

__all__ = ["FEWEST_PAIRS", "StsTask", "numbered_pairs", "pair_cosines", "sts_spearman"]

FEWEST_PAIRS = 10
"""Pairs below which a task is refused: five to choose by and five to report on."""

# Resampled ranks held at once, in numbers of float64: 16 MB.
_NUMBERS_AT_ONCE = 2_000_000


def pair_cosines(E1: np.ndarray, E2: np.ndarray) -> np.ndarray:
    """Cosine of each row of E1 with the row of E2 in the same place, (n,) float64.

    Raises:
        InputError: the shapes differ, or a row is zero.

    >>> pair_cosines(np.array([[1.0, 0.0]]), np.array([[0.0, 2.0]]))
    array([0.])
    """
    if np.shape(E1) != np.shape(E2):
        raise InputError(
            f"pairs: embeddings of {np.shape(E1)} and {np.shape(E2)}; give two rows for each pair"
        )
    first, second = unit_rows(E1, "first sentences"), unit_rows(E2, "second sentences")
    return np.einsum("ij,ij->i", first, second, dtype=np.float64)


def sts_spearman(
    E1: np.ndarray,
    E2: np.ndarray,
    scores: np.ndarray,
    *,
    n_resamples: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> Interval:
    """Spearman's rank correlation of cosines with human scores, times 100.

    Args:
        E1: (n, d) embeddings of the first sentences, n >= 3.
        E2: (n, d) embeddings of the second sentences.
        scores: (n,) similarity as people judged it, on any scale.
        n_resamples: number of bootstrap resamples of the pairs.
        confidence: coverage of the percentile interval over them.
        seed: of the resamples; the same seed draws the same pairs for any embeddings, so that
            two results can be compared.

    Raises:
        InputError: fewer than 3 pairs, scores that are no numbers, or scores or cosines that are
            all the same and so order nothing.

    >>> E1, E2 = np.ones((4, 2)), np.array([[1.0, 1], [1, 2], [1, 4], [1, 9]])
    >>> sts_spearman(E1, E2, np.array([5.0, 4, 2, 1])).value
    100.0
    """
    from scipy.stats import rankdata, spearmanr

    try:
        scores = np.asarray(scores, dtype=np.float64)
    except ValueError as error:
        raise InputError(f"scores: must be numbers ({error}); check the column") from error
    cosines = pair_cosines(E1, E2)
    n = len(cosines)
    if scores.shape != (n,):
        raise InputError(f"scores: {scores.shape} for {n} pairs; give one score a pair")
    if n < 3:
        raise InputError(f"pairs: at least 3 are needed, not {n}; add some")
    if not np.isfinite(scores).all():
        row = int(np.flatnonzero(~np.isfinite(scores))[0])
        raise InputError(f"scores: pair {row} has {scores[row]}, not a number; leave it out")
    for what, values in (("scores", scores), ("cosines", cosines)):
        if np.ptp(values) == 0:
            raise InputError(f"{what}: all are {values[0]:g}, so they order nothing; use others")
    value = float(spearmanr(cosines, scores).statistic)

    rng = np.random.default_rng(seed)
    resampled = []
    step = max(1, _NUMBERS_AT_ONCE // n)
    for start in range(0, n_resamples, step):
        drawn = rng.integers(0, n, size=(min(step, n_resamples - start), n))
        x, y = (rankdata(values[drawn], axis=1) for values in (cosines, scores))
        x -= x.mean(axis=1, keepdims=True)
        y -= y.mean(axis=1, keepdims=True)
        spread = np.sqrt((x**2).sum(axis=1) * (y**2).sum(axis=1))
        # A resample of one pair over and over has no order; it says nothing.
        resampled.append((x * y).sum(axis=1)[spread > 0] / spread[spread > 0])
    tail = (1 - confidence) / 2
    low, high = np.quantile(np.concatenate(resampled), [tail, 1 - tail])
    return Interval(100 * value, 100 * float(low), 100 * float(high))


@dataclass(frozen=True, eq=False)
class StsTask(CosinePairs):
    """Graded pairs of sentences: do cosines order them as people do?

    >>> task = StsTask.of_pairs([("a", "b")] * 10, range(10), "by hand")
    >>> task.texts, task.n_units
    (('a', 'b'), 10)
    """

    kind: ClassVar[str] = "sts"
    measure: ClassVar[str] = "Spearman × 100"
    unit: ClassVar[str] = "pairs"
    bounds: ClassVar[tuple[float, float]] = (-100.0, 100.0)

    grades: np.ndarray
    """(n_pairs,) float64 likeness of meaning as people judged it."""

    @classmethod
    def of_pairs(
        cls,
        pairs: Iterable[tuple[str, str]],
        grades: Iterable[float],
        source: str,
        notes: Iterable[str] = (),
    ) -> "StsTask":
        """The task of pairs of sentences with a grade each, on any scale.

        Raises:
            InputError: fewer than 10 pairs, or grades that order nothing.
        """
        texts, first, second = numbered_pairs(pairs)
        scores = np.array(list(grades), dtype=np.float64)
        if len(scores) < FEWEST_PAIRS:
            raise InputError(
                f"{source}: at least {FEWEST_PAIRS} pairs are needed, and some hundreds for a "
                f"narrow interval; it holds {len(scores)}"
            )
        task = cls(texts, source, first, second, scores, notes=tuple(notes))
        for half in (scores[task.chooses], scores[~task.chooses]):
            if np.ptp(half) == 0:
                rest = "all" if np.ptp(scores) == 0 else "all but a few"
                raise InputError(
                    f"{source}: {rest} of the {len(scores):,} scores are {half[0]:g}, so they "
                    "order nothing; give pairs of different likeness"
                )
        return task

    @property
    def n_units(self) -> int:
        """How many pairs there are."""
        return len(self.grades)

    @cached_property
    def chooses(self) -> np.ndarray:
        """(n_pairs,) bool: every other pair along the scale of grades, by chance."""
        return halves(self.grades)

    def scores(self, outcomes: np.ndarray, counts: np.ndarray | None = None) -> np.ndarray:
        """Spearman's correlation of cosines with grades, times 100: (m, b)."""
        return 100 * spearman(outcomes, self.grades, counts)


def numbered_pairs(
    pairs: Iterable[tuple[str, str]],
) -> tuple[tuple[str, ...], np.ndarray, np.ndarray]:
    """Distinct texts of pairs, and where each pair's two are among them.

    >>> numbered_pairs([("a", "b"), ("b", "c")])
    (('a', 'b', 'c'), array([0, 1]), array([1, 2]))
    """
    place: dict[str, int] = {}
    ends = np.array(
        [[place.setdefault(text, len(place)) for text in pair] for pair in pairs], dtype=np.intp
    ).reshape(-1, 2)
    return tuple(place), ends[:, 0], ends[:, 1]
