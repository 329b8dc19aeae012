"""Cosines of pairs under every window of the spectrum at once, from sums along the spectrum.

With the rotation R = E V, a pair (a, b) has under the window (l, r) the cosine

    Σ_{l≤i<r} a_i b_i / √(Σ a_i² · Σ b_i²),

and each sum is the difference of two running sums along i. So all windows together cost one pass
over the rotation, in float64, and a division for each window and pair.
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from embfilter_viz.errors import InputError
from embfilter_viz.spectral.windows import Window

__all__ = ["DECIMALS", "check_lengths", "cosines_of_windows", "running_squares"]

DECIMALS = 10
"""Cosines that differ by less are equal: rounding must not put equal pairs in an order."""


def cosines_of_windows(
    R: np.ndarray, first: np.ndarray, second: np.ndarray, windows: Sequence[Window]
) -> np.ndarray:
    """Cosine of each pair of rows under each window, (m, n_pairs) float64.

    Args:
        R: (n, d) embeddings in the basis of the singular vectors, E V.
        first: (n_pairs,) rows of R.
        second: (n_pairs,) rows of R.
        windows: m windows of the d columns.

    Returns:
        (m, n_pairs) float64.

    Raises:
        InputError: nothing is left of a text under a window, so that it has no direction.

    >>> R = np.array([[1.0, 1.0, 0.0], [1.0, 0.0, 1.0]])
    >>> cosines_of_windows(R, np.array([0]), np.array([1]), [Window(0, 3, 3), Window(0, 1, 3)])
    array([[0.5],
           [1. ]])
    """
    edges = sorted({end for window in windows for end in (window.l, window.r)})
    place = {edge: i for i, edge in enumerate(edges)}
    used, rows = np.unique(np.concatenate([first, second]), return_inverse=True)
    a, b = rows[: len(first)], rows[len(first) :]
    squares = running_squares(R[used], edges)
    products = np.zeros((len(edges), len(first)))
    for i, (left, right) in enumerate(pairwise(edges), start=1):
        band = np.asarray(R[used, left:right], dtype=np.float64)
        products[i] = products[i - 1] + np.einsum("ij,ij->i", band[a], band[b])
    out = np.empty((len(windows), len(first)))
    for row, window in zip(out, windows, strict=True):
        left, right = place[window.l], place[window.r]
        lengths = squares[right] - squares[left]
        check_lengths(lengths, used, window)
        norms = np.sqrt(lengths)
        np.divide(products[right] - products[left], norms[a] * norms[b], out=row)
    return out.round(DECIMALS, out=out)


def running_squares(rows: np.ndarray, edges: Sequence[int]) -> np.ndarray:
    """Squared length of each row between the first edge and each edge, (edges, n) float64.

    >>> running_squares(np.array([[1.0, 2.0, 3.0]]), [0, 1, 3])
    array([[ 0.],
           [ 1.],
           [14.]])
    """
    squares = np.zeros((len(edges), len(rows)))
    for i, (left, right) in enumerate(pairwise(edges), start=1):
        band = np.asarray(rows[:, left:right], dtype=np.float64)
        squares[i] = squares[i - 1] + np.einsum("ij,ij->i", band, band)
    return squares


def check_lengths(lengths: np.ndarray, texts: np.ndarray, window: Window) -> None:
    """Refuse a window that leaves nothing of a text.

    Args:
        lengths: (n,) squared lengths of embeddings under the window.
        texts: (n,) number of the text behind each.
        window: for the error.

    Raises:
        InputError: a length is zero.
    """
    empty = np.flatnonzero(~(lengths > 0))
    if empty.size:
        raise InputError(
            f"window {window}: leaves nothing of text {int(texts[empty[0]]) + 1}, so it has no "
            "cosine; take a wider window"
        )
