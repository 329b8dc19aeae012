"""Spearman's rank correlation of many variables with one, over many resamples, exactly.

A resample holds unit i c_i times. Copies of a unit are tied, so with S_i = Σ_{x_j ≤ x_i} c_j the
mid-rank of unit i is S_i − (c_i − 1)/2, and with w_i = c_i (rank of y_i − mean rank) the
covariance of the ranks is Σ_i w_i (S_i − c_i/2). Ranks are never sorted again: each variable is
sorted once, and each resample is one running sum in that order. It gives what ranking the
resampled values would, to rounding.
"""

from itertools import pairwise

import numpy as np

__all__ = ["spearman"]

_AT_ONCE = 1024
"""Resamples worked on together: enough that adding a row of them outweighs calling NumPy."""


def spearman(X: np.ndarray, y: np.ndarray, counts: np.ndarray | None = None) -> np.ndarray:
    """Spearman's correlation of each row of X with y under each resample, (m, b) float64.

    Args:
        X: (m, n) variables.
        y: (n,) the variable they are compared with.
        counts: (b, n) how often each resample holds each unit; None: each once.

    Returns:
        Correlations in [-1, 1]; NaN where a resample has only one value of x or of y.

    >>> spearman(np.array([[1.0, 2, 3], [3, 2, 1]]), np.array([10.0, 20, 30])).round(12)
    array([[ 1.],
           [-1.]])
    """
    n = len(y)
    given = np.ones((1, n)) if counts is None else np.asarray(counts, dtype=np.float64)
    out = np.empty((len(X), len(given)))
    orders = np.argsort(X, axis=1, kind="stable")
    tied = [_tied(x[order]) for x, order in zip(X, orders, strict=True)]
    for start in range(0, len(given), _AT_ONCE):
        C = np.ascontiguousarray(given[start : start + _AT_ONCE].T)
        total = C.sum(axis=0)
        W, spread_y = _centred_ranks(y, C)
        S, ordered_W = np.empty_like(C), np.empty_like(W)
        untied, cubes = np.einsum("ij,ij->j", W, C), (C * C * C).sum(axis=0)
        for row, (order, (places, starts)) in enumerate(zip(orders, tied, strict=True)):
            # Without mode="clip" NumPy fills a buffer first, in case an index is wrong.
            np.take(C, order, axis=0, out=S, mode="clip")
            np.take(W, order, axis=0, out=ordered_W, mode="clip")
            own, ties = untied, cubes
            if len(places):
                # Units of one value are one: their counts add up, and so do their weights.
                c, w = S[places], ordered_W[places]
                together, weight = np.add.reduceat(c, starts), np.add.reduceat(w, starts)
                own = own + np.einsum("ij,ij->j", weight, together) - np.einsum("ij,ij->j", w, c)
                ties = ties + (together * together * together).sum(axis=0) - (c * c * c).sum(axis=0)
            _running_sums(S)
            if len(places):
                ends = np.append(starts[1:], len(places)) - 1
                S[places] = S[np.repeat(places[ends], np.diff(starts, append=len(places)))]
            spread = np.sqrt((total * total * total - ties) / 12 * spread_y)
            spread[spread == 0] = np.nan
            covariance = np.einsum("ij,ij->j", ordered_W, S) - own / 2
            out[row, start : start + C.shape[1]] = covariance / spread
    return np.clip(out, -1.0, 1.0, out=out)


def _tied(in_order: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Find the values of an ascending array that repeat, and where each of them begins.

    >>> _tied(np.array([1.0, 2.0, 2.0, 3.0, 4.0, 4.0]))
    (array([1, 2, 4, 5]), array([0, 2]))
    """
    same = np.diff(in_order) == 0
    places = np.flatnonzero(np.append(same, False) | np.append(False, same))
    starts = np.flatnonzero(np.diff(in_order[places], prepend=np.nan) != 0)
    return places, starts


def _running_sums(rows: np.ndarray) -> np.ndarray:
    """Running sums down the columns, in place; np.cumsum walks each column by itself."""
    if rows.shape[1] < 64:
        return np.cumsum(rows, axis=0, out=rows)
    for above, row in pairwise(rows):
        np.add(above, row, out=row)
    return rows


def _centred_ranks(y: np.ndarray, C: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mid-ranks of y in each resample less their mean, times the counts: (n, b); their spread."""
    order = np.argsort(y, kind="stable")
    starts = np.flatnonzero(np.diff(y[order], prepend=np.nan) != 0)
    held = np.add.reduceat(np.take(C, order, axis=0, mode="clip"), starts, axis=0)
    ranks = _running_sums(held.copy())
    ranks -= (held + held.sum(axis=0)) / 2
    group = np.empty(len(y), dtype=np.intp)
    group[order] = np.repeat(np.arange(len(starts)), np.diff(starts, append=len(y)))
    W = np.take(ranks, group, axis=0, mode="clip")
    return np.multiply(W, C, out=W), np.einsum("ij,ij,ij->j", held, ranks, ranks)
