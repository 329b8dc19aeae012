"""Pair classification: do cosines tell pairs of one meaning from the others?"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np

from embfilter_viz.errors import InputError
from embfilter_viz.evaluation.cosine_pairs import CosinePairs, shared_texts_note
from embfilter_viz.evaluation.sts import FEWEST_PAIRS, numbered_pairs
from embfilter_viz.evaluation.task import halves

__all__ = ["PairTask", "average_precision"]

FEWEST_OF_A_KIND = 4
"""Pairs of either kind below which the task is refused: two in each half."""


@dataclass(frozen=True, eq=False)
class PairTask(CosinePairs):
    """Pairs of sentences that mean the same or do not, ordered by cosine.

    >>> task = PairTask.of_pairs([("a", "b")] * 10, [True, False] * 5, "by hand")
    >>> task.n_units, int(task.same.sum())
    (10, 5)
    """

    kind: ClassVar[str] = "pairs"
    measure: ClassVar[str] = "average precision × 100"
    unit: ClassVar[str] = "pairs"

    same: np.ndarray
    """(n_pairs,) bool: whether the two mean the same."""

    @classmethod
    def of_pairs(
        cls,
        pairs: Iterable[tuple[str, str]],
        same: Iterable[bool],
        source: str,
        notes: Iterable[str] = (),
    ) -> "PairTask":
        """The task of pairs of sentences, each of one meaning or not.

        Args:
            pairs: two sentences each.
            same: whether they mean the same, one for each pair.
            source: what the pairs are called.
            notes: what was decided on the way.

        Returns:
            the task.

        Raises:
            InputError: fewer than 10 pairs, or fewer than 4 of either kind.
        """
        texts, first, second = numbered_pairs(pairs)
        is_same = np.array(list(same), dtype=bool)
        if len(is_same) < FEWEST_PAIRS:
            raise InputError(
                f"{source}: at least {FEWEST_PAIRS} pairs are needed, and some hundreds for a "
                f"narrow interval; it holds {len(is_same)}"
            )
        for kind, count in (
            ("same", int(is_same.sum())),
            ("different", int((~is_same).sum())),
        ):
            if count < FEWEST_OF_A_KIND:
                raise InputError(
                    f"{source}: {count} of {len(is_same):,} pairs count as {kind} in meaning; at "
                    f"least {FEWEST_OF_A_KIND} of either kind are needed"
                )
        told = (*notes, *shared_texts_note(first, second, len(texts)))
        return cls(texts, source, first, second, is_same, notes=told)

    @property
    def n_units(self) -> int:
        """Say how many pairs there are."""
        return len(self.same)

    @property
    def one_grade(self) -> np.ndarray:
        """(n_pairs,) bool: the pairs of one meaning."""
        return self.same

    @cached_property
    def chooses(self) -> np.ndarray:
        """(n_pairs,) bool: half of each kind, by chance."""
        return halves(self.same)

    def scores(self, outcomes: np.ndarray, counts: np.ndarray | None = None) -> np.ndarray:
        """Average precision of ordering by cosine, times 100: (m, b)."""
        return 100 * average_precision(outcomes, self.same, counts)


def average_precision(
    X: np.ndarray, same: np.ndarray, counts: np.ndarray | None = None
) -> np.ndarray:
    """Average precision of each row of X under each resample, (m, b) float64.

    AP = Σ_t (R_t − R_{t−1}) P_t over the thresholds t, one for each value of x, with R_t and P_t
    the recall and the precision of x ≥ t: scikit-learn's definition, with the counts as weights.

    Args:
        X: (m, n) what is ordered by, larger first.
        same: (n,) bool, what is to be found.
        counts: (b, n) how often each resample holds each unit; None: each once.

    Returns:
        In [0, 1]; NaN where a resample holds nothing to be found.

    >>> average_precision(np.array([[0.9, 0.8, 0.7]]), np.array([True, False, True])).round(4)
    array([[0.8333]])
    """
    given = np.ones((1, len(same))) if counts is None else np.asarray(counts, dtype=np.float64)
    C = np.ascontiguousarray(given.T)
    hits = C * np.asarray(same)[:, None]
    total = hits.sum(axis=0)
    total[total == 0] = np.nan
    out = np.empty((len(X), len(given)))
    for row, x in zip(out, X, strict=True):
        order = np.argsort(-x, kind="stable")
        found, held = hits[order], C[order]
        starts = np.flatnonzero(np.concatenate([[True], np.diff(x[order]) != 0]))
        if len(starts) < len(x):
            found, held = np.add.reduceat(found, starts), np.add.reduceat(held, starts)
        held = np.maximum(np.cumsum(held, axis=0), 1)
        row[:] = (found * np.cumsum(found, axis=0) / held).sum(axis=0) / total
    return out
