"""Paired bootstrap over a task's units: intervals for one score, for a difference, for many.

Every variant is scored on the same resamples, so that what is hard about a resample is hard for
all and cancels in their differences. Intervals are symmetric: value ± the quantile of
|s* − mean of s*| over resamples s*, which the bootstrap's own bias (ties in ranks, V-measure of
repeated texts) does not shift. For many differences at once the quantile is that of the largest of
them, each divided by its standard deviation (max-|t|; Romano and Wolf 2005): with the probability
given, all of the intervals hold together.
"""

import numpy as np

from embfilter_viz.embeddings.isotropy import Interval

__all__ = ["intervals", "resamples", "simultaneous_intervals"]

N_RESAMPLES = 1000
CONFIDENCE = 0.95


def resamples(
    n_units: int, among: np.ndarray | None = None, *, count: int = N_RESAMPLES, seed: int = 0
) -> np.ndarray:
    """How often each of ``count`` resamples holds each unit, (count, n_units) float64.

    Args:
        n_units: how many units there are.
        among: (n_units,) bool, those that are drawn; None: all.
        count: number of resamples.
        seed: the same seed draws the same units for any variant.

    >>> resamples(3, np.array([True, True, False]), count=2).sum(axis=1)
    array([2., 2.])
    """
    drawn_from = np.arange(n_units) if among is None else np.flatnonzero(among)
    size = len(drawn_from)
    rng = np.random.default_rng(seed)
    counts = np.zeros((count, n_units))
    counts[:, drawn_from] = rng.multinomial(size, np.full(size, 1 / size), size=count)
    return counts


def intervals(
    values: np.ndarray,
    resampled: np.ndarray,
    *,
    confidence: float = CONFIDENCE,
    bounds: tuple[float, float] = (-np.inf, np.inf),
) -> list[Interval]:
    """One interval a value, each for itself.

    Args:
        values: (m,) scores or differences on all units.
        resampled: (m, b) the same on the resamples; undefined ones, NaN, are left out.
        confidence: of each interval.
        bounds: the least and greatest value there can be.

    >>> one, = intervals(np.array([2.0]), np.array([[1.0, 2.0, 3.0]]))
    >>> one.value, round(one.low, 9), round(one.high, 9)
    (2.0, 1.0, 3.0)
    """
    off, _ = _deviations(resampled)
    known = np.isfinite(off).any(axis=1)
    reach = np.full(len(off), np.inf)
    reach[known] = np.nanquantile(np.abs(off[known]), confidence, axis=1)
    return _around(values, reach, bounds)


def simultaneous_intervals(
    values: np.ndarray, resampled: np.ndarray, *, confidence: float = CONFIDENCE
) -> list[Interval]:
    """One interval a value, wide enough that all of them hold together.

    Args:
        values: (m,) differences on all units.
        resampled: (m, b) the same on the resamples.
        confidence: that no value's truth lies outside of its interval.

    >>> resampled = np.random.default_rng(0).normal(size=(50, 1000))
    >>> alone = intervals(np.zeros(50), resampled)[0].high
    >>> simultaneous_intervals(np.zeros(50), resampled)[0].high > 1.5 * alone
    True
    """
    off, error = _deviations(resampled)
    moving = error > 0
    reach = np.where(np.isfinite(off).any(axis=1), 0.0, np.inf)
    if moving.any():
        largest = np.nan_to_num(np.abs(off[moving]) / error[moving, None]).max(axis=0)
        reach[moving] = error[moving] * np.quantile(largest, confidence)
    return _around(values, reach)


def _deviations(resampled: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Each resample less their mean (m, b), NaN where it is undefined; standard deviations (m,)."""
    known = np.isfinite(resampled)
    count = np.maximum(known.sum(axis=1), 1)
    mean = np.where(known, resampled, 0.0).sum(axis=1) / count
    off = np.where(known, resampled - mean[:, None], np.nan)
    return off, np.sqrt(np.nansum(off**2, axis=1) / count)


def _around(
    values: np.ndarray, reach: np.ndarray, bounds: tuple[float, float] = (-np.inf, np.inf)
) -> list[Interval]:
    low, high = np.clip(values - reach, *bounds), np.clip(values + reach, *bounds)
    return [
        Interval(float(v), float(a), float(b)) for v, a, b in zip(values, low, high, strict=True)
    ]
