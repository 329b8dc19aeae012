"""Paired bootstrap over a task's units: intervals for one score, for a difference, for many.

Every variant is scored on the same resamples, so that what is hard about a resample is hard for
all and cancels in their differences. Intervals are symmetric: value ± the quantile of
|s* − mean of s*| over resamples s*, which the bootstrap's own bias (ties in ranks, V-measure of
repeated texts) does not shift. For many differences at once the quantile is that of the largest of
them, each divided by its standard deviation (max-|t|; Romano and Wolf 2005): with the probability
given, all of the intervals hold together.

A quantile of few things drawn is one of Student's t, not of the normal distribution, and their
spread is that of n − 1 of them; both are set right (as for a mean, where a plain bootstrap of ten
units holds in 89 % instead of 95). How often all these intervals hold: ``benchmarks/coverage.py``.
"""

import math
from dataclasses import dataclass

import numpy as np

from embfilter_viz.embeddings.interval import Interval

__all__ = [
    "Resamples",
    "Together",
    "intervals",
    "share_interval",
    "simultaneous_intervals",
    "unit_counts",
]

N_RESAMPLES = 1000
CONFIDENCE = 0.95
_NORMAL = 1.96


@dataclass(frozen=True, eq=False)
class Resamples:
    """Resamples of a task's units, and what an interval from them must know."""

    counts: np.ndarray
    """(b, n_units) float64: how often each resample holds each unit."""
    drawn: int
    """() how many things were drawn for each: units, or texts with all that is said of them."""
    widening: float = 1.0
    """() factor on the length of intervals, for what the resamples hold fixed."""
    refusal: str | None = None
    """Why there can be no interval, in words; None: there can."""
    grain: float = 0.0
    """() what one unit more moves a score by, where it can only be right or wrong: so much is
    added to every standard error, as half a pair to each cell of a table of matched pairs (Agresti
    and Min 2005), because few units that differ may have spread by chance alone or none."""


@dataclass(frozen=True)
class Together:
    """Intervals of many values that hold together."""

    intervals: list[Interval]
    """(m,) one a value."""
    critical: float
    """() how many standard deviations each reaches."""


def unit_counts(
    n_units: int, among: np.ndarray | None = None, *, count: int = N_RESAMPLES, seed: int = 0
) -> np.ndarray:
    """Say how often each of ``count`` resamples holds each unit, (count, n_units) float64.

    Args:
        n_units: how many units there are.
        among: (n_units,) bool, those that are drawn; None: all.
        count: number of resamples.
        seed: the same seed draws the same units for any variant.

    Returns:
        (count, n_units) float64.

    >>> unit_counts(3, np.array([True, True, False]), count=2).sum(axis=1)
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
    how: Resamples,
    *,
    confidence: float = CONFIDENCE,
    bounds: tuple[float, float] = (-np.inf, np.inf),
) -> list[Interval]:
    """One interval a value, each for itself.

    Args:
        values: (m,) scores or differences on all units.
        resampled: (m, b) the same on the resamples; undefined ones, NaN, are left out.
        how: the resamples.
        confidence: of each interval.
        bounds: the least and greatest value there can be.

    Returns:
        (m,) with ends of NaN where the resamples refuse an interval.

    >>> how = Resamples(np.ones((3, 1)), drawn=100_000)
    >>> one, = intervals(np.array([2.0]), np.array([[1.0, 2.0, 3.0]]), how)
    >>> one.value, round(one.low, 2), round(one.high, 2)
    (2.0, 1.0, 3.0)
    """
    off, error = _deviations(resampled)
    reach = np.full(len(off), np.inf)
    for row, (deviation, one) in enumerate(zip(off, error, strict=True)):
        known = np.abs(deviation[np.isfinite(deviation)])
        if known.size:
            spread = math.hypot(one, how.grain)
            away = float(np.quantile(known, confidence)) / one if one else _NORMAL
            reach[row] = spread * _of_few(away, how)
    return _around(values, reach, how, bounds)


def simultaneous_intervals(
    values: np.ndarray,
    resampled: np.ndarray,
    how: Resamples,
    *,
    confidence: float = CONFIDENCE,
    at_least: float = 0.0,
) -> Together:
    """One interval a value, wide enough that all of them hold together.

    Args:
        values: (m,) differences on all units.
        resampled: (m, b) the same on the resamples.
        how: the resamples.
        confidence: that no value's truth lies outside of its interval.
        at_least: standard deviations that each reaches at least: those of a family of values
            that these are one more look at.

    Returns:
        the intervals, and the quantile that widens them.

    >>> resampled = np.random.default_rng(0).normal(size=(50, 1000))
    >>> how = Resamples(np.ones((1000, 200)), drawn=200)
    >>> alone = intervals(np.zeros(50), resampled, how)[0].high
    >>> simultaneous_intervals(np.zeros(50), resampled, how).intervals[0].high > 1.5 * alone
    True
    """
    off, error = _deviations(resampled)
    moving = error > 0
    critical = max(at_least, _of_few(_NORMAL, how))
    if moving.any():
        largest = np.nan_to_num(np.abs(off[moving]) / error[moving, None]).max(axis=0)
        critical = max(at_least, _of_few(float(np.quantile(largest, confidence)), how))
    reach = np.where(np.isfinite(off).any(axis=1), np.hypot(error, how.grain) * critical, np.inf)
    return Together(_around(values, reach, how), critical)


def share_interval(value: float, n: int, *, confidence: float = CONFIDENCE) -> Interval:
    """Wilson's interval (1927) for a share of n units, in points of 100, by Student's t.

    Unlike value ± reach it does not vanish at 0 or 100, where resamples have no spread.

    >>> found = share_interval(100.0, 40)
    >>> round(found.low, 1), round(found.high, 9)
    (90.7, 100.0)
    """
    from scipy.special import stdtrit

    z2 = float(stdtrit(n - 1, 0.5 + confidence / 2)) ** 2
    share = value / 100
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    reach = math.sqrt(z2 * share * (1 - share) / n + (z2 / (2 * n)) ** 2) / (1 + z2 / n)
    low, high = max(middle - reach, 0.0), min(middle + reach, 1.0)
    return Interval(float(value), 100 * low, 100 * high)


def _of_few(away: float, how: Resamples) -> float:
    """Standard deviations of a bootstrap that are as improbable as ``away`` of a normal law."""
    from scipy.special import ndtr, stdtrit

    n = how.drawn
    if n < 2:
        return math.inf
    if away > 8:  # beyond what a probability can say, and any use
        return away * how.widening
    t = -float(stdtrit(n - 1, ndtr(-away)))
    return t * math.sqrt(n / (n - 1)) * how.widening


def _deviations(resampled: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Each resample less their mean (m, b), NaN where it is undefined; standard deviations (m,)."""
    known = np.isfinite(resampled)
    count = np.maximum(known.sum(axis=1), 1)
    mean = np.where(known, resampled, 0.0).sum(axis=1) / count
    off = np.where(known, resampled - mean[:, None], np.nan)
    error = np.sqrt(np.nansum(off**2, axis=1) / count)
    # Rounding of equal numbers is no spread.
    error[error < 1e-12 * np.maximum(np.abs(mean), 1)] = 0.0
    return off, error


def _around(
    values: np.ndarray,
    reach: np.ndarray,
    how: Resamples,
    bounds: tuple[float, float] = (-np.inf, np.inf),
) -> list[Interval]:
    if how.refusal is not None:
        return [Interval(float(value), math.nan, math.nan) for value in values]
    low, high = np.clip(values - reach, *bounds), np.clip(values + reach, *bounds)
    return [
        Interval(float(v), float(a), float(b)) for v, a, b in zip(values, low, high, strict=True)
    ]
