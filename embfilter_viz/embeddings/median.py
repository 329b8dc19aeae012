"""The median of many texts, with an interval that assumes nothing of how they are spread."""

import numpy as np

from embfilter_viz.embeddings.interval import Interval
from embfilter_viz.embeddings.text_intervals import FEWEST_FOR_INTERVAL
from embfilter_viz.errors import InputError

__all__ = ["median_over_texts"]


def median_over_texts(
    values: np.ndarray, bounds: tuple[float, float], *, confidence: float = 0.95
) -> Interval:
    """Median of one number a text, with an interval between two of the numbers themselves.

    A text drawn at random lies below the true median with probability one half, so the number of
    those that do is binomial: of n sorted numbers the j-th from either end hold the median between
    them with probability 1 - 2 P(B < j), B ~ Bin(n, 1/2) (Thompson 1936). The narrowest interval of
    at least the confidence asked for is given.

    Args:
        values: (n,) one number a text, n >= 1.
        bounds: the least and the greatest value there can be: the interval of fewer than 10 texts.
        confidence: of the interval, at least.

    Raises:
        InputError: no numbers.

    >>> median_over_texts(np.arange(1.0, 12.0), (0.0, 99.0))
    Interval(value=6.0, low=2.0, high=10.0)
    """
    from scipy.special import bdtr

    n = len(values)
    if not n:
        raise InputError("median: of no texts it is undefined; give at least one")
    value = float(np.median(values))
    if n < FEWEST_FOR_INTERVAL:
        return Interval(value, *bounds)
    ordered = np.sort(np.asarray(values, dtype=np.float64))
    # How many numbers may be left out at either end.
    out = np.arange(n // 2)
    most = int(out[bdtr(out, n, 0.5) <= (1 - confidence) / 2][-1])
    return Interval(value, float(ordered[most]), float(ordered[n - 1 - most]))
