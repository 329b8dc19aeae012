"""Which texts run together: in order of length where they are padded, of beginning where not."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from embfilter_viz.models.encoding.prepared import Prepared

__all__ = ["Batch", "batches_by_beginning", "batches_by_length"]

_MOST_PLACES = 8
"""Times the bound on computed tokens that attention may look at, shared tokens counted again."""


@dataclass(frozen=True)
class Batch:
    """Sequences that run together, and whom they answer."""

    sequences: list[Prepared]
    rows: np.ndarray
    """(m,) int64 rows of the caller's texts that this batch answers."""
    source: np.ndarray
    """(m,) int64 which of ``sequences`` answers each of ``rows``."""


def batches_by_length(prepared: Sequence[Prepared], max_tokens: int) -> list[Batch]:
    """Group sequences of nearly one length, for the shorter will be padded.

    Lengths in a batch differ by a sixteenth at most, and their padded sum is within
    ``max_tokens`` unless the batch is a single sequence.
    """
    groups: list[list[list[int]]] = []
    shortest = 0
    for rows in sorted(_askers(prepared), key=lambda rows: len(prepared[rows[0]].ids)):
        length = len(prepared[rows[0]].ids)
        fits = groups and (len(groups[-1]) + 1) * length <= max_tokens
        if not fits or length - shortest > length // 16:
            groups.append([])
            shortest = length
        groups[-1].append(rows)
    return list(_shuffled(prepared, groups))


def batches_by_beginning(
    prepared: Sequence[Prepared], max_tokens: int, n_known: int = 0
) -> list[Batch]:
    """Group sequences that begin alike, for what they share is computed once.

    Args:
        prepared: the sequences; equal ones run once.
        max_tokens: distinct tokens a batch may have, unless it is a single sequence.
        n_known: tokens at the beginning of all that are not computed at all.
    """
    groups: list[list[list[int]]] = []
    before: tuple[int, ...] = ()
    computed = places = 0
    for rows in sorted(_askers(prepared), key=lambda rows: prepared[rows[0]].ids):
        ids = prepared[rows[0]].ids
        new = len(ids) - max(n_known, _shared(before, ids))
        places += len(ids)
        if not groups or computed + new > max_tokens or places > _MOST_PLACES * max_tokens:
            groups.append([])
            computed, places, new = 0, len(ids), len(ids) - n_known
        groups[-1].append(rows)
        computed += new
        before = ids
    return list(_shuffled(prepared, groups))


def _askers(prepared: Sequence[Prepared]) -> list[list[int]]:
    """The rows of each distinct sequence: equal ones run once."""
    rows_of: dict[tuple[tuple[int, ...], int], list[int]] = {}
    for row, sequence in enumerate(prepared):
        rows_of.setdefault((sequence.ids, sequence.start), []).append(row)
    return list(rows_of.values())


def _shuffled(prepared: Sequence[Prepared], groups: list[list[list[int]]]) -> Iterator[Batch]:
    """In a fixed shuffled order, so that the time left can be told from the share that is done.

    Sorted by length, the slow ones would all come last.
    """
    for i in np.random.default_rng(0).permutation(len(groups)):
        yield Batch(
            [prepared[rows[0]] for rows in groups[i]],
            np.array([row for rows in groups[i] for row in rows], dtype=np.int64),
            np.array([j for j, rows in enumerate(groups[i]) for _ in rows], dtype=np.int64),
        )


def _shared(a: tuple[int, ...], b: tuple[int, ...]) -> int:
    """Say how many tokens two sequences begin with alike."""
    for n, (x, y) in enumerate(zip(a, b, strict=False)):
        if x != y:
            return n
    return min(len(a), len(b))
