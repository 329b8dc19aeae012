"""Cosines between embeddings: unit rows, their mean over all pairs, their distribution."""

from dataclasses import dataclass

import numpy as np

from embfilter_viz.errors import InputError
from embfilter_viz.system.progress import Progress, silent

__all__ = ["CosineHistogram", "checked", "cosine_histogram", "mean_cosine", "unit_rows"]

# Rows of cosines held at once, and numbers: 16 MB in float32, and their bins twice that.
_ROWS = 256
_COSINES_AT_ONCE = 4_000_000


@dataclass(frozen=True)
class CosineHistogram:
    """The histogram of the cosines of all distinct pairs of rows over [-1, 1]."""

    edges: np.ndarray
    """(bins + 1,) float64 edges of the bins, from -1 to 1; each bin holds its left edge."""
    counts: np.ndarray
    """(bins,) int64 number of pairs in each bin; they sum to n (n - 1) / 2."""


def checked(E: np.ndarray, *, at_least: int = 1, name: str = "embeddings") -> np.ndarray:
    """The array itself if it is a finite (n, d) matrix of enough rows.

    Raises:
        InputError: it is not, naming the first offending row.

    >>> checked(np.array([[1.0, np.nan]]))
    Traceback (most recent call last):
    embfilter_viz.errors.InputError: embeddings: row 0 holds NaN or infinite values; encode it anew
    """
    E = np.asarray(E)
    if E.ndim != 2 or E.shape[1] == 0 or E.dtype.kind not in "fiu":
        raise InputError(f"{name}: must be numbers of shape (n, d), not {E.dtype} {E.shape}")
    if len(E) < at_least:
        raise InputError(f"{name}: at least {at_least} texts are needed, not {len(E)}; add some")
    # A sum is finite only where all its terms are, up to overflow, which the rows then settle.
    with np.errstate(over="ignore", invalid="ignore"):
        suspect = np.flatnonzero(~np.isfinite(E.sum(axis=1)))
    for row in suspect:
        if not np.isfinite(E[row]).all():
            raise InputError(f"{name}: row {row} holds NaN or infinite values; encode it anew")
    return E


def unit_rows(E: np.ndarray, name: str = "embeddings") -> np.ndarray:
    """Rows of E divided by their Euclidean norms, in E's precision (float32 at least).

    Args:
        E: (n, d) embeddings.
        name: what to call them in an error.

    Raises:
        InputError: a row is zero, so its cosine to anything is undefined.

    >>> unit_rows(np.array([[3.0, 4.0]]))
    array([[0.6, 0.8]])
    """
    E = checked(E, name=name)
    dtype = E.dtype if E.dtype in (np.float32, np.float64) else np.dtype(np.float64)
    # Dividing by the largest entry first keeps squares from over- and underflowing.
    largest = np.abs(E).max(axis=1, keepdims=True).astype(np.float64)
    zero = np.flatnonzero(largest == 0)
    if zero.size:
        raise InputError(
            f"{name}: row {zero[0]} is zero, so its cosine is undefined; leave that text out"
        )
    scaled = E / largest
    return (scaled / np.linalg.norm(scaled, axis=1, keepdims=True)).astype(dtype)


def mean_cosine(E: np.ndarray) -> float:
    r"""Mean cosine over all distinct pairs of rows, exactly, in O(n d).

    .. math:: \frac{2}{n(n-1)} \sum_{i<j} \cos(e_i, e_j)
              = \frac{\lVert \sum_i u_i \rVert^2 - n}{n (n-1)}, \quad u_i = e_i / \lVert e_i \rVert

    The measure of anisotropy of Ethayarajh 2019: 0 for directions spread evenly, 1 for one
    direction shared by all.

    Args:
        E: (n, d) embeddings, n >= 2, none of them zero.

    Raises:
        InputError: fewer than two rows, or a zero row.

    >>> mean_cosine(np.array([[1.0, 0.0], [0.0, 2.0], [3.0, 0.0]])).__round__(6)
    0.333333
    """
    U = unit_rows(checked(E, at_least=2))
    return mean_cosine_of_sum(U.sum(axis=0, dtype=np.float64), len(U))


def mean_cosine_of_sum(total: np.ndarray, n: int) -> float:
    """Mean cosine of n unit vectors over all pairs, from their sum (d,)."""
    return float((total @ total - n) / (n * (n - 1)))


def cosine_histogram(
    E: np.ndarray, bins: int = 200, *, progress: Progress = silent
) -> CosineHistogram:
    """Counts of the cosines of all distinct pairs of rows in equal bins over [-1, 1].

    Every pair is counted once; only one block of cosines is held at a time.

    Args:
        E: (n, d) embeddings, n >= 2, none of them zero. Cosines are computed in their precision.
        bins: number of bins, at least 1.
        progress: told the pairs counted so far.

    Raises:
        InputError: fewer than two rows, or a zero row.

    >>> cosine_histogram(np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]]), bins=4).counts
    array([0, 0, 2, 1])
    """
    if bins < 1:
        raise InputError(f"bins {bins}: at least 1 is needed; take 200")
    U = unit_rows(checked(E, at_least=2))
    n = len(U)
    counts = np.zeros(bins, dtype=np.int64)
    width = max(1, _COSINES_AT_ONCE // _ROWS)
    for start in range(0, n, _ROWS):
        progress("counting cosines", counts.sum(), n * (n - 1) // 2, "pairs")
        rows = U[start : start + _ROWS]
        # Within the block each pair stands twice: the half above the diagonal is taken. To its
        # right each pair stands once.
        own = (rows @ rows.T)[np.triu_indices(len(rows), k=1)]
        counts += _counted(own, bins)
        for other in range(start + _ROWS, n, width):
            counts += _counted(rows @ U[other : other + width].T, bins)
    progress("counting cosines", n * (n - 1) // 2, n * (n - 1) // 2, "pairs")
    edges = np.linspace(-1, 1, bins + 1)
    for array in (edges, counts):
        array.flags.writeable = False
    return CosineHistogram(edges, counts)


def _counted(cosines: np.ndarray, bins: int) -> np.ndarray:
    """Counts (bins,) of cosines of any shape, which are overwritten."""
    cosines += 1
    cosines *= bins / 2
    # Rounding may carry a cosine past 1, and 1 itself belongs to the last bin.
    np.clip(cosines, 0, bins - 1, out=cosines)
    return np.bincount(cosines.astype(np.intp).reshape(-1), minlength=bins)
