"""Sums of products of centred embeddings: what IsoScore and the effective rank are made of."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from embfilter_viz.errors import InputError

__all__ = [
    "Scatter",
    "check_spread",
    "dealt",
    "effective_rank_of_scatter",
    "gram_without",
    "isoscore_of_scatter",
    "scatter_of",
]

_ROWS_AT_ONCE = 4096
# Rows that differ only by rounding of their mean are one point: a variance of 1e-24 of the mean
# square is a relative spread of 1e-12, far below what any encoder resolves.
_NO_SPREAD = 1e-24


@dataclass(frozen=True, eq=False)
class Scatter:
    """Sums of products of n centred rows, and what each row adds to what is made of them."""

    n: int
    """() number of rows."""
    whole: np.ndarray
    """(n, n) products of the rows with one another, or (k, k) sums over the rows, k < n."""
    members: Sequence[np.ndarray]
    """The rows of each group of the jackknife."""
    blocks: Callable[[], Iterable[np.ndarray]]
    """The centred rows, some at a time; asked for where ``whole`` is over columns."""
    left_out: Callable[[], Iterable[np.ndarray]]
    """``whole`` without each group, centred on the mean of the rest, in their order."""

    @property
    def over_rows(self) -> bool:
        """Tell whether ``whole`` holds the rows' products with one another."""
        return len(self.whole) == self.n

    def squares(self) -> tuple[np.ndarray, np.ndarray]:
        """(n,) squared lengths x·x of the rows and (n,) their x·Cx, C the sums over rows."""
        if self.over_rows:
            return np.diag(self.whole), np.einsum("ij,ij->i", self.whole, self.whole)
        lengths, through = [], []
        for X in self.blocks():
            lengths.append(np.einsum("ij,ij->i", X, X).astype(np.float64))
            product = X @ self.whole.astype(X.dtype)
            through.append(np.einsum("ij,ij->i", product, X).astype(np.float64))
        return np.concatenate(lengths), np.concatenate(through)

    def squared_coordinates(self, vectors: np.ndarray, variances: np.ndarray) -> np.ndarray:
        """(n, m) squares of the rows' coordinates along the principal directions."""
        if self.over_rows:
            return vectors**2 * variances
        return np.concatenate([(X @ vectors.astype(X.dtype)) ** 2 for X in self.blocks()])


def scatter_of(E: np.ndarray, members: Sequence[np.ndarray]) -> "Scatter":
    """Sums of products of the centred rows of E (n, d), over columns or, if fewer, over rows.

    Both have the same eigenvalues but for zeros, so the same trace, Frobenius norm and entropy.

    Raises:
        InputError: all rows are the same.
    """
    n, d = E.shape
    mean = E.mean(axis=0, dtype=np.float64)

    def blocks() -> Iterator[np.ndarray]:
        for start in range(0, n, _ROWS_AT_ONCE):
            yield E[start : start + _ROWS_AT_ONCE] - mean

    if n > d:
        whole = sum((X.T @ X for X in blocks()), np.zeros((d, d)))
    else:
        X = E - mean
        whole = X @ X.T
    check_spread(np.trace(whole), float(np.einsum("ij,ij->", E, E, dtype=np.float64)))

    def left_out() -> Iterator[np.ndarray]:
        for group in members:
            if n > d:
                X = E[group] - mean
                moved = X.sum(axis=0)
                yield whole - X.T @ X - np.outer(moved, moved) / (n - len(group))
            else:
                yield gram_without(whole, group)

    return Scatter(n, whole, members, blocks, left_out)


def dealt(n: int, groups: int, seed: int) -> list[np.ndarray]:
    """The rows of each group of the jackknife, ascending: n rows dealt at random.

    Raises:
        InputError: fewer than two groups.
    """
    if min(groups, n) < 2:
        raise InputError(f"groups {groups}: at least 2 are needed; take 10")
    order = np.random.default_rng(seed).permutation(n)
    return [np.sort(order[start :: min(groups, n)]) for start in range(min(groups, n))]


def gram_without(gram: np.ndarray, group: np.ndarray) -> np.ndarray:
    """Products of the rows outside ``group``, centred on their own mean, from those of all."""
    others = np.setdiff1d(np.arange(len(gram)), group)
    rest = gram[np.ix_(others, others)]
    rows = rest.mean(axis=0)
    return rest - rows - rows[:, None] + rows.mean()


def check_spread(squares_about_mean: float, squares: float) -> None:
    """Refuse rows that are all the same.

    Raises:
        InputError: the sum of squares about the mean is rounding of the sum of squares.
    """
    if squares_about_mean <= _NO_SPREAD * squares:
        raise InputError(
            "embeddings: all rows are the same, so their spread is undefined; add texts that differ"
        )


def isoscore_of_scatter(scatter: np.ndarray, d: int) -> float:
    """IsoScore of d-dimensional rows from the sums of products of the centred rows."""
    if d < 2:
        raise InputError("embeddings: IsoScore needs at least 2 dimensions, not 1; keep more")
    ratio = np.trace(scatter) ** 2 / np.einsum("ij,ij->", scatter, scatter)
    # Rounding may step over the ends, which are reached exactly.
    return float(np.clip((ratio - 1) / (d - 1), 0, 1))


def effective_rank_of_scatter(scatter: np.ndarray) -> float:
    """Effective rank from the sums of products of the centred rows, over rows or columns."""
    variances = np.linalg.eigvalsh(scatter)
    # What is below the error of the decomposition is a zero, whose root would not be small.
    variances[variances < len(variances) * np.finfo(float).eps * variances[-1]] = 0
    p = np.sqrt(variances)
    p = p[p > 0] / p.sum()
    return math.exp(-float(p @ np.log(p)))
