"""Nearest texts by cosine, exactly, and what the filter changes about them."""

from dataclasses import dataclass

import numpy as np

from embfilter_viz.embeddings.cosines import unit_rows
from embfilter_viz.embeddings.ranking import top_k
from embfilter_viz.errors import InputError
from embfilter_viz.system.progress import Progress, silent

__all__ = [
    "NeighbourChanges",
    "Neighbours",
    "Overlap",
    "changes_of",
    "nearest",
    "nearest_of_cosines",
    "neighbour_changes",
    "overlap_at_k",
]

# Cosines held at once: 8 M float32 are 32 MB, and their partition as much again in int64.
_COSINES_AT_ONCE = 8_000_000


@dataclass(frozen=True)
class Neighbours:
    """The texts nearest to one text, nearest first."""

    index: int
    """() row of the text asked about; -1 where it is none of the texts."""
    ids: np.ndarray
    """(k,) int64 rows of its neighbours, largest cosine first, itself not among them."""
    cosines: np.ndarray
    """(k,) float64 their cosines to it."""


@dataclass(frozen=True)
class NeighbourChanges:
    """One text's neighbours before and after the filter."""

    before: Neighbours
    """() the k nearest by raw embeddings."""
    after: Neighbours
    """() the k nearest by filtered embeddings."""
    stayed: np.ndarray
    """(s,) int64 rows among both, in the order of ``after``."""
    entered: np.ndarray
    """(k - s,) int64 rows only among those after, nearest first."""
    left: np.ndarray
    """(k - s,) int64 rows only among those before, nearest first."""

    @property
    def overlap(self) -> float:
        """() share of the k neighbours that stayed, in [0, 1]."""
        return len(self.stayed) / len(self.before.ids)


@dataclass(frozen=True)
class Overlap:
    """The share of their k nearest neighbours that texts keep under the filter."""

    k: int
    """() neighbours compared."""
    per_text: np.ndarray
    """(n,) float64 share of the k neighbours that stayed, one a text."""
    by_chance: float
    """() the share two unrelated lists of neighbours have in common on average: k / (n - 1)."""

    @property
    def mean(self) -> float:
        """() mean share over texts, in [0, 1]."""
        return float(self.per_text.mean())


def nearest(E: np.ndarray, index: int, k: int = 10) -> Neighbours:
    """The k rows of E with the largest cosine to row ``index``, equal ones by smaller row.

    Args:
        E: (n, d) embeddings, n >= 2, none of them zero.
        index: row asked about, 0 to n - 1.
        k: number of neighbours, at least 1; all others where it is more.

    Raises:
        InputError: there is no such row or no neighbour.

    >>> nearest(np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]), index=0, k=1).ids
    array([2])
    """
    return _nearest(unit_rows(E), index, k)


def neighbour_changes(
    raw: np.ndarray, filtered: np.ndarray, index: int, k: int = 10
) -> NeighbourChanges:
    """Return what stayed, entered and left among the k nearest neighbours of one text.

    Args:
        raw: (n, d) raw embeddings.
        filtered: (n, m) filtered embeddings of the same texts, either form.
        index: row asked about.
        k: number of neighbours.

    Returns:
        the neighbours before and after, and which of them differ.

    Raises:
        InputError: the two are not of the same texts, or as :func:`nearest`.

    >>> raw = np.array([[1.0, 0.0], [1.0, 0.1], [1.0, 2.0]])
    >>> changes = neighbour_changes(raw, raw[:, ::-1] * [1, -1], index=0, k=1)
    >>> changes.stayed, changes.overlap
    (array([1]), 1.0)
    """
    _check_same_texts(raw, filtered)
    return changes_of(nearest(raw, index, k), nearest(filtered, index, k))


def changes_of(before: Neighbours, after: Neighbours) -> NeighbourChanges:
    """Return what stayed, entered and left between two lists of one text's neighbours."""
    stayed = after.ids[np.isin(after.ids, before.ids)]
    entered = after.ids[~np.isin(after.ids, before.ids)]
    left = before.ids[~np.isin(before.ids, after.ids)]
    return NeighbourChanges(before, after, *map(_read_only, (stayed, entered, left)))


def overlap_at_k(
    raw: np.ndarray, filtered: np.ndarray, k: int = 10, *, progress: Progress = silent
) -> Overlap:
    """The share of the k nearest neighbours that each text keeps, by exact search in chunks.

    Memory stays below about 200 MB whatever n; time grows as n squared.

    Args:
        raw: (n, d) raw embeddings, n >= 2.
        filtered: (n, m) filtered embeddings of the same texts, either form.
        k: number of neighbours, at least 1; all others where it is more.
        progress: told the texts done.

    Returns:
        the share for each text, and their mean.

    Raises:
        InputError: the two are not of the same texts, or as :func:`nearest`.

    >>> raw = np.array([[1.0, 0.0], [1.0, 0.1], [1.0, 2.0]])
    >>> overlap_at_k(raw, raw * 3, k=1).per_text
    array([1., 1., 1.])
    """
    _check_same_texts(raw, filtered)
    sets = [unit_rows(raw, "raw embeddings"), unit_rows(filtered, "filtered embeddings")]
    n = len(raw)
    k = _checked_k(k, n)
    shares = np.empty(n)
    step = max(1, _COSINES_AT_ONCE // n)
    for start in range(0, n, step):
        progress("comparing neighbours", start, n, "texts")
        rows = np.arange(start, min(start + step, n))
        first, second = (_nearest_of_rows(U, rows, k) for U in sets)
        # A row shared by both lists makes one equal pair of neighbours once they are sorted.
        both = np.sort(np.concatenate([first, second], axis=1), axis=1)
        shares[rows] = (both[:, 1:] == both[:, :-1]).sum(axis=1) / k
    progress("comparing neighbours", n, n, "texts")
    return Overlap(k, _read_only(shares), k / (n - 1))


def _nearest(U: np.ndarray, index: int, k: int) -> Neighbours:
    _check_index(index, len(U))
    return nearest_of_cosines((U @ U[index]).astype(np.float64), index, k)


def nearest_of_cosines(cosines: np.ndarray, index: int, k: int) -> Neighbours:
    """The k texts nearest to text ``index`` by its cosines (n,) float64, which are overwritten."""
    _check_index(index, len(cosines))
    k = _checked_k(k, len(cosines))
    cosines[index] = -np.inf
    ids = top_k(cosines, k)
    return Neighbours(index, _read_only(ids), _read_only(np.clip(cosines[ids], -1, 1)))


def _nearest_of_rows(U: np.ndarray, rows: np.ndarray, k: int) -> np.ndarray:
    cosines = U[rows] @ U.T
    cosines[np.arange(len(rows)), rows] = -np.inf
    return top_k(cosines, k)


def _check_index(index: int, n: int) -> None:
    if not 0 <= index < n:
        raise InputError(f"text {index}: there are texts 0 to {n - 1}; choose one of them")


def _checked_k(k: int, n: int) -> int:
    if k < 1:
        raise InputError(f"k {k}: at least 1 neighbour is needed; take 10")
    if n < 2:
        raise InputError(f"neighbours: at least 2 texts are needed, not {n}; add some")
    return min(k, n - 1)


def _check_same_texts(raw: np.ndarray, filtered: np.ndarray) -> None:
    if len(raw) != len(filtered):
        raise InputError(
            f"embeddings: {len(raw)} raw and {len(filtered)} filtered rows; "
            "give both of the same texts"
        )


def _read_only(array: np.ndarray) -> np.ndarray:
    array.flags.writeable = False
    return array
