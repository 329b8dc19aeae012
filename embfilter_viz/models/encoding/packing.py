"""Which tokens of many texts need computing: what texts share is one row, and nothing is padded.

A causal state depends on the tokens up to it alone, so texts that begin alike share the states of
their beginning, the template's first words for one. The sequences of a batch become the distinct
nodes of the tree of their beginnings, laid end to end: a row for each node, and each product of
the model is over these rows. Only attention, a hundredth of the work, looks at whole sequences.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from embfilter_viz.models.encoding.prepared import Prepared

__all__ = ["Asking", "Bucket", "Packing", "common_beginning"]

_LENGTHS_APART = 1.5
_POSITIONS_APART = 8
"""Sequences attend side by side up to this factor, and this many positions more, in length."""


@dataclass(frozen=True)
class Bucket:
    """Sequences of like length, whose attention is computed side by side."""

    queries: np.ndarray
    """(b, q) int64: the asking row at positions first … first + q − 1; 0 where there is none."""
    keys: np.ndarray
    """(b, k) int64: the row of each position, those of the common beginning first; padded by 0,
    which no query that is used can see."""
    first: int
    """Scalar: the position of the first query; k = first + q."""


@dataclass(frozen=True)
class Asking:
    """The rows that ask attention a question, by bucket, and where their answers stand."""

    rows: np.ndarray
    """(n,) int64: the rows that ask, in order."""
    buckets: tuple[Bucket, ...]
    """All sequences, each in one of them."""
    answers: np.ndarray
    """(n,) int64: the place of each row's answer in the (b · q) answers, bucket after bucket."""


class Packing:
    """The distinct beginnings of ``sequences``, each one row.

    Args:
        sequences: at least one; ``start`` at or after ``n_known``.
        n_known: tokens at the beginning of every sequence whose keys are known already.

    >>> texts = [Prepared((5, 1, 2), 2, False), Prepared((5, 1, 3, 4), 3, False)]
    >>> packing = Packing(texts)
    >>> packing.ids.tolist(), packing.positions.tolist()
    ([5, 1, 2, 3, 4], [0, 1, 2, 2, 3])
    >>> Packing(texts, n_known=2).ids.tolist()
    [2, 3, 4]
    """

    def __init__(self, sequences: Sequence[Prepared], n_known: int = 0) -> None:
        assert all(n_known <= s.start for s in sequences)
        self.n_known = n_known
        self.longest = max(len(s.ids) for s in sequences)
        self._starts = [s.start for s in sequences]
        self._paths: list[np.ndarray] = []
        nodes: dict[tuple[int, int], int] = {}
        positions: list[int] = []
        for sequence in sequences:
            path = []
            row = -1
            for position in range(n_known, len(sequence.ids)):
                row = nodes.setdefault((row, sequence.ids[position]), len(nodes))
                if row == len(positions):
                    positions.append(position)
                path.append(row)
            self._paths.append(np.array(path, dtype=np.int64))
        self.ids = np.array([id for _, id in nodes], dtype=np.int64)
        """(n_rows,) the token of each row."""
        self.positions = np.array(positions, dtype=np.int64)
        """(n_rows,) its position in the sequences it belongs to."""

    @cached_property
    def everywhere(self) -> Asking:
        """Every row asks."""
        return self._asking(np.arange(len(self.ids)), [self.n_known] * len(self._paths))

    @cached_property
    def where_read(self) -> Asking:
        """Only the rows ask whose states are pooled."""
        return self._asking(np.unique(np.concatenate(self.pooled)), self._starts)

    @cached_property
    def pooled(self) -> list[np.ndarray]:
        """For each sequence, the rows whose states its embedding is the mean of."""
        starts = (start - self.n_known for start in self._starts)
        return [path[start:] for path, start in zip(self._paths, starts, strict=True)]

    def _asking(self, rows: np.ndarray, starts: Sequence[int]) -> Asking:
        place_of = np.full(len(self.ids), -1, dtype=np.int64)
        place_of[rows] = np.arange(len(rows))
        answers = np.empty(len(rows), dtype=np.int64)
        buckets = []
        n_answers = 0
        for members in self._alike():
            first = min(starts[i] for i in members)
            k = self.n_known + max(len(self._paths[i]) for i in members)
            keys = np.zeros((len(members), k), dtype=np.int64)
            queries = np.zeros((len(members), k - first), dtype=np.int64)
            keys[:, : self.n_known] = np.arange(self.n_known)
            for j, i in enumerate(members):
                path = self._paths[i]
                keys[j, self.n_known : self.n_known + len(path)] = self.n_known + path
                places = place_of[path[first - self.n_known :]]
                queries[j, : len(places)] = np.maximum(places, 0)
                columns = np.flatnonzero(places >= 0)
                answers[places[columns]] = n_answers + j * (k - first) + columns
            buckets.append(Bucket(queries, keys, first))
            n_answers += queries.size
        return Asking(rows, tuple(buckets), answers)

    def _alike(self) -> list[list[int]]:
        """Sequences grouped by length."""
        groups: list[list[int]] = []
        bound = -1.0
        for i in sorted(range(len(self._paths)), key=lambda i: len(self._paths[i])):
            if len(self._paths[i]) > bound:
                groups.append([])
                bound = _LENGTHS_APART * len(self._paths[i]) + _POSITIONS_APART
            groups[-1].append(i)
        return groups


def common_beginning(sequences: Sequence[Prepared]) -> tuple[int, ...]:
    """The tokens that all sequences begin with, none of them pooled in any.

    >>> common_beginning([Prepared((5, 1, 2), 2, False), Prepared((5, 1, 2, 4), 3, False)])
    (5, 1)
    """
    least, most = min(s.ids for s in sequences), max(s.ids for s in sequences)
    same = min(s.start for s in sequences)
    for n, (a, b) in enumerate(zip(least[:same], most[:same], strict=False)):
        if a != b:
            same = n
            break
    return least[:same]
