"""Measures over all pairs of texts of a number each pair has, with intervals over texts.

Pairs share texts, so that n (n - 1) / 2 pairs are not as many independent ones. Each interval is a
jackknife over texts: a text is left out with all of its pairs (Arvesen 1969, for U-statistics).
"""

import math
from collections.abc import Sequence

import numpy as np

from embfilter_viz.embeddings.interval import Interval
from embfilter_viz.embeddings.text_intervals import FEWEST_FOR_INTERVAL, half_of_student
from embfilter_viz.errors import InputError

__all__ = [
    "auc_difference",
    "auc_over_pairs",
    "mean_over_pairs",
    "of_pairs",
    "same_label",
    "spread_over_pairs",
]

_DECIMALS = 10
"""Numbers that differ by less are equal: rounding must not put equal pairs in an order."""
_NO_SPREAD = 1e-20
"""A variance that is nothing but the rounding of numbers up to 1."""


def of_pairs(X: np.ndarray) -> np.ndarray:
    """The number of each distinct pair: (n (n - 1) / 2,) of the symmetric X (n, n).

    >>> of_pairs(np.array([[0, 1, 2], [1, 0, 3], [2, 3, 0]]))
    array([1, 2, 3])
    """
    return X[np.triu_indices(len(X), k=1)]


def same_label(labels: Sequence[str]) -> np.ndarray:
    """Tell whether two texts have the same label, (n, n) bool.

    >>> same_label(["law", "art", "law"])[0]
    array([ True, False,  True])
    """
    _, numbers = np.unique(np.asarray(labels), return_inverse=True)
    return numbers[:, None] == numbers[None, :]


def mean_over_pairs(X: np.ndarray, *, confidence: float = 0.95) -> Interval:
    """Mean over all distinct pairs, with a jackknife interval over texts.

    Args:
        X: (n, n) symmetric, a number in [-1, 1] for each pair, n >= 3; the diagonal is not read.
        confidence: of the interval.

    Returns:
        The interval is [-1, 1] where there are fewer than 10 texts.

    >>> round(mean_over_pairs(np.array([[9, 0.1, 0.2], [0.1, 9, 0.6], [0.2, 0.6, 9]])).value, 6)
    0.3
    """
    n = _checked(X)
    sums = _row_sums(X)
    left_out = (sums.sum() - 2 * sums) / ((n - 1) * (n - 2))
    return _interval(float(sums.sum() / (n * (n - 1))), left_out, (-1.0, 1.0), confidence)


def spread_over_pairs(X: np.ndarray, *, confidence: float = 0.95) -> Interval:
    """Standard deviation over all distinct pairs, with a jackknife interval over texts.

    The interval is that of the logarithm, as of what has a scale.

    Args:
        X: (n, n) symmetric, a number in [-1, 1] for each pair, n >= 3; the diagonal is not read.
        confidence: of the interval.

    Returns:
        The interval is [0, 1] where there are fewer than 10 texts, or where all pairs but those of
        one text are equal.

    >>> round(spread_over_pairs(np.array([[9, 0.1, 0.2], [0.1, 9, 0.6], [0.2, 0.6, 9]])).value, 6)
    0.216025
    """
    n = _checked(X)
    # About the mean, for what is left of large squares has their rounding.
    centred = np.asarray(X, dtype=np.float64) - of_pairs(X).mean()
    sums, squares = _row_sums(centred), _row_sums(centred**2)
    variance = squares.sum() / (n * (n - 1))
    left_out = (squares.sum() - 2 * squares) / ((n - 1) * (n - 2))
    left_out -= ((sums.sum() - 2 * sums) / ((n - 1) * (n - 2))) ** 2
    if not (left_out > _NO_SPREAD).all():
        return Interval(math.sqrt(variance), 0.0, 1.0)
    found = _interval(math.log(variance) / 2, np.log(left_out) / 2, (-math.inf, 0.0), confidence)
    return Interval(*(math.exp(end) for end in (found.value, found.low, found.high)))


def auc_over_pairs(X: np.ndarray, same: np.ndarray, *, confidence: float = 0.95) -> Interval:
    r"""Say how well a number tells pairs of one label from the others, with an interval over texts.

    .. math:: \mathrm{AUC} = P(x_p > x_q) + \tfrac12 P(x_p = x_q),

    with p a pair of one label and q a pair of two (the area under the ROC curve; Mann and Whitney
    1947): 0.5 for a number that knows nothing of the labels, 1 for one that tells all pairs apart.

    Args:
        X: (n, n) symmetric, a number for each pair; the diagonal is not read.
        same: (n, n) symmetric bool, from :func:`same_label`.
        confidence: of the interval.

    Returns:
        The interval is [0, 1] where there are fewer than 10 texts, or where all pairs of one kind
        share a text.

    Raises:
        InputError: no two texts have the same label, or all have.

    >>> X = np.array([[0, 0.9, 0.2], [0.9, 0, 0.1], [0.2, 0.1, 0]])
    >>> auc_over_pairs(X, same_label(["law", "law", "art"])).value
    1.0
    """
    return _interval(*_auc_and_left_out(X, same), (0.0, 1.0), confidence)


def auc_difference(
    X: np.ndarray, Y: np.ndarray, same: np.ndarray, *, confidence: float = 0.95
) -> Interval:
    """Measure how much better X tells pairs of one label from others than Y, on the same texts.

    Args:
        X: (n, n) symmetric, a number for each pair; the diagonal is not read.
        Y: (n, n) symmetric, another.
        same: (n, n) symmetric bool, from :func:`same_label`.
        confidence: of the interval, which is that of the difference: both sides leave out the
            same text at a time.

    Returns:
        AUC of X less AUC of Y; the interval is [-1, 1] where it cannot be had.

    Raises:
        InputError: no two texts have the same label, or all have.

    >>> X = np.array([[0, 0.9, 0.2], [0.9, 0, 0.1], [0.2, 0.1, 0]])
    >>> auc_difference(X, -X, same_label(["law", "law", "art"])).value
    1.0
    """
    (one, without), (other, others_without) = (_auc_and_left_out(Z, same) for Z in (X, Y))
    return _interval(one - other, without - others_without, (-1.0, 1.0), confidence)


def _auc_and_left_out(X: np.ndarray, same: np.ndarray) -> tuple[float, np.ndarray]:
    """The AUC, and (n,) that without each text; NaN where it leaves pairs of one kind only."""
    from scipy.stats import rankdata

    n = _checked(X)
    X = np.round(np.asarray(X, dtype=np.float64), _DECIMALS)
    x, one = of_pairs(X), of_pairs(same)
    n_ones, n_others = int(one.sum()), int((~one).sum())
    if not n_ones or not n_others:
        raise InputError(
            "labels: an AUC needs pairs of one label and pairs of two; give texts of at least two "
            "labels, one of them on two texts"
        )
    # How many pairs of the other kind a pair is in the right order with; equal ones count half.
    placed = rankdata(x)
    placed[one] -= rankdata(x[one])
    placed[~one] = n_ones - (placed[~one] - rankdata(x[~one]))
    whole = float(placed[one].sum())
    off = ~np.eye(n, dtype=bool)
    m_ones = (same & off).sum(axis=1)
    # A pair of pairs that both hold the text is taken away twice, and so added once.
    within = _within_rows(X[off].reshape(n, n - 1), same[off].reshape(n, n - 1))
    rest = whole - _sums_of_texts(placed, n) + within
    counted = (n_ones - m_ones) * (n_others - (n - 1 - m_ones))
    left_out = np.full(n, np.nan)
    np.divide(rest, counted, out=left_out, where=counted > 0)
    return whole / (n_ones * n_others), left_out


def _sums_of_texts(values: np.ndarray, n: int) -> np.ndarray:
    """(n,) sum over the pairs of each text, of one value a distinct pair."""
    first, second = np.triu_indices(n, k=1)
    return np.bincount(first, values, n) + np.bincount(second, values, n)


def _within_rows(X: np.ndarray, same: np.ndarray) -> np.ndarray:
    """(n,) the count of pairs of pairs in the right order among those of each text alone."""
    from scipy.stats import rankdata

    m = same.sum(axis=1)
    return np.where(same, rankdata(X, axis=1), 0.0).sum(axis=1) - m * (m + 1) / 2


def _checked(X: np.ndarray) -> int:
    n = len(X)
    if X.shape != (n, n) or n < 3:
        raise InputError(f"pairs: at least 3 texts are needed, in (n, n) numbers; got {X.shape}")
    return n


def _row_sums(X: np.ndarray) -> np.ndarray:
    """(n,) sum of each text's pairs."""
    X = np.asarray(X, dtype=np.float64)
    return X.sum(axis=1) - np.diag(X)


def _interval(
    value: float, left_out: np.ndarray, bounds: tuple[float, float], confidence: float
) -> Interval:
    n = len(left_out)
    if n < FEWEST_FOR_INTERVAL or not np.isfinite(left_out).all():
        return Interval(value, *bounds)
    reach = half_of_student(n * value - (n - 1) * left_out, confidence)
    return Interval(value, max(value - reach, bounds[0]), min(value + reach, bounds[1]))
