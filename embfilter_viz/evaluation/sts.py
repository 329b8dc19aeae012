"""Semantic textual similarity: do cosines order pairs of sentences as people do?"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np

from embfilter_viz.errors import InputError
from embfilter_viz.evaluation.cosine_pairs import CosinePairs, shared_texts_note
from embfilter_viz.evaluation.spearman import spearman
from embfilter_viz.evaluation.task import halves

__all__ = ["FEWEST_PAIRS", "StsTask", "numbered_pairs"]

FEWEST_PAIRS = 10
"""Pairs below which a task is refused: five to choose by and five to report on."""


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

        Args:
            pairs: two sentences each.
            grades: one for each pair.
            source: what the pairs are called.
            notes: what was decided on the way.

        Returns:
            the task.

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
        told = (*notes, *shared_texts_note(first, second, len(texts)))
        task = cls(texts, source, first, second, scores, notes=told)
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
        """Say how many pairs there are."""
        return len(self.grades)

    @property
    def one_grade(self) -> np.ndarray | None:
        """(n_pairs,) bool: the pairs of the larger of two grades; None where there are more."""
        return self.grades == self.grades.max() if len(np.unique(self.grades)) == 2 else None

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
