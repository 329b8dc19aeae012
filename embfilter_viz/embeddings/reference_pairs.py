"""A cosine among others: those of all pairs of reference texts, as they are and about their mean.

A cosine alone says nothing: on one model 0.9 is what any two texts have. Where a mean is taken
away, it is that of texts which the pair does not belong to. So is it here for each pair of the
reference texts, though they are the texts that the mean is made of.
"""

import numpy as np

from embfilter_viz.embeddings.cosines import checked, unit_rows
from embfilter_viz.embeddings.pair_measures import of_pairs
from embfilter_viz.errors import InputError

__all__ = ["cosine", "pair_cosines", "pair_cosines_about_others", "percentile"]


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    """Cosine of two vectors (d,), in float64.

    Raises:
        InputError: one of them is zero, so that it has no direction.

    >>> cosine(np.array([1.0, 0.0]), np.array([3.0, 3.0])).__round__(6)
    0.707107
    """
    one, other = unit_rows(np.stack([a, b]).astype(np.float64))
    return float(np.clip(one @ other, -1, 1))


def pair_cosines(E: np.ndarray) -> np.ndarray:
    """Cosines of all distinct pairs of rows, (n (n - 1) / 2,), in E's precision.

    Args:
        E: (n, k) embeddings, n >= 2.

    Raises:
        InputError: fewer than two rows, or a zero row.

    >>> pair_cosines(np.array([[1.0, 0.0], [0.0, 2.0], [3.0, 0.0]]))
    array([0., 1., 0.])
    """
    U = unit_rows(checked(E, at_least=2))
    return of_pairs(U @ U.T)


def pair_cosines_about_others(E: np.ndarray) -> np.ndarray:
    r"""Cosines of all distinct pairs of rows, each pair less the mean of the other rows.

    With x the rows less the mean of them all, the pair (a, b) less the mean of the others is

    .. math:: \frac{(n-1)\,x_a + x_b}{n-2}, \quad \frac{x_a + (n-1)\,x_b}{n-2},

    so that all cosines come from the products of the x with one another.

    Args:
        E: (n, k) embeddings, n >= 3.

    Returns:
        (n (n - 1) / 2,) float64; 0 for a pair of which one is the mean of the others.

    Raises:
        InputError: fewer than three rows.

    >>> E = np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]])
    >>> pair_cosines_about_others(E).round(6)
    array([0.      , 0.707107, 0.707107])
    """
    E = checked(E, at_least=3)
    n = len(E)
    X = E - E.mean(axis=0, dtype=np.float64).astype(E.dtype)
    G = (X @ X.T).astype(np.float64)
    squares = np.diag(G)
    first, second = np.triu_indices(n, k=1)
    g, a, b = G[first, second], squares[first], squares[second]
    products = (n - 1) * (a + b) + ((n - 1) ** 2 + 1) * g
    lengths = [(n - 1) ** 2 * one + 2 * (n - 1) * g + other for one, other in ((a, b), (b, a))]
    whole = np.sqrt(np.maximum(lengths[0], 0) * np.maximum(lengths[1], 0))
    found = np.divide(products, whole, out=np.zeros_like(products), where=whole > 0)
    return np.clip(found, -1, 1)


def percentile(value: float, among: np.ndarray) -> float:
    """Say how many of some numbers are below a value, in per cent; equal ones count half.

    Args:
        value: the number asked about.
        among: (m,) the numbers it is compared with, m >= 1.

    Raises:
        InputError: there are none.

    >>> percentile(0.5, np.array([0.1, 0.2, 0.5, 0.9]))
    62.5
    """
    if not len(among):
        raise InputError("percentile: among no numbers it is undefined; give reference texts")
    below = np.count_nonzero(among < value) + np.count_nonzero(among == value) / 2
    return float(100 * below / len(among))
