"""Intervals over texts, from what each text adds to a measure of them all."""

import math
from dataclasses import dataclass

import numpy as np

from embfilter_viz.embeddings.interval import Interval
from embfilter_viz.embeddings.scatter import Scatter, effective_rank_of_scatter
from embfilter_viz.system.progress import Progress

__all__ = [
    "FEWEST_FOR_INTERVAL",
    "TextCosines",
    "difference_of_means",
    "ends_of_rank",
    "ends_of_ratio",
    "half_of_student",
    "mean_difference",
    "mean_share",
]

FEWEST_FOR_INTERVAL = 10
"""Texts below which no interval is computed: the whole range of the measure is given."""


@dataclass(frozen=True)
class TextCosines:
    """The part of each text in the mean cosine: its cosines to the sum of all unit rows.

    >>> TextCosines(np.array([1.0, 1.0, 2.0]), 4.0).value.__round__(6)
    0.166667
    """

    along: np.ndarray
    """(n,) product of each unit row with the sum of them all."""
    squared: float
    """() squared length of that sum."""

    @property
    def value(self) -> float:
        """Mean cosine over all distinct pairs."""
        n = len(self.along)
        return (self.squared - n) / (n * (n - 1))

    @property
    def pseudovalues(self) -> np.ndarray:
        """(n,) float64: n times the mean cosine less n - 1 times that without each text; n >= 3."""
        n = len(self.along)
        rest = self.squared - 2 * self.along.astype(np.float64) + 1 - (n - 1)
        return n * self.value - rest / (n - 2)


def difference_of_means(
    one: TextCosines, other: TextCosines, *, confidence: float = 0.95
) -> Interval:
    """Mean cosine of one set of embeddings less that of another of the same texts, paired.

    >>> raw = TextCosines(np.full(20, 18.0), 18.0**2)
    >>> difference_of_means(raw, raw).high
    0.0
    """
    value = one.value - other.value
    if len(one.along) < FEWEST_FOR_INTERVAL:
        return Interval(value, -2.0, 2.0)
    reach = half_of_student(one.pseudovalues - other.pseudovalues, confidence)
    return Interval(value, max(value - reach, -2.0), min(value + reach, 2.0))


def ends_of_ratio(scatter: Scatter, confidence: float) -> tuple[float, float]:
    """Ends of (tr C)² / ‖C‖², which IsoScore is a linear function of."""
    lengths, through = scatter.squares()
    trace, norm = float(lengths.sum()), float(through.sum())
    if _is_one_text(lengths, trace):
        return 0.0, math.inf
    # ∂ log((tr C)² / ‖C‖²) by the weight of a row, which adds x xᵀ to C; the mean of them is 0.
    influences = scatter.n * (2 * lengths / trace - 2 * through / norm)
    down, up = _reaches(influences, confidence)
    value = math.log(trace**2 / norm)
    return math.exp(value - down), math.exp(value + up)


def ends_of_rank(scatter: Scatter, confidence: float, progress: Progress) -> tuple[float, float]:
    """Ends of the effective rank: those by influences, or by groups where they reach further."""
    from scipy.special import stdtrit

    sizes = np.array([len(group) for group in scatter.members])
    left_out = np.full(len(sizes), math.nan)
    for number, without in enumerate(scatter.left_out()):
        # What is left of the subtraction of equal matrices is rounding, not spread.
        if np.trace(without) > 1e-12 * np.trace(scatter.whole):
            left_out[number] = math.log(effective_rank_of_scatter(without))
        progress("measuring isotropy", number + 2, len(sizes) + 1, "groups")
    if not np.isfinite(left_out).all():
        return 1.0, math.inf
    variances, vectors = np.linalg.eigh(scatter.whole)
    kept = variances > len(variances) * np.finfo(float).eps * variances[-1]
    variances, vectors = variances[kept], vectors[:, kept]
    sigma = np.sqrt(variances)
    share = sigma / sigma.sum()
    entropy = -float(share @ np.log(share))
    # ∂H/∂σ_j = −(log p_j + H) / Σσ, and the weight of a row moves σ_j by its square along v_j
    # over 2σ_j, less the mean of these, σ_j / 2n.
    slope = -(np.log(share) + entropy) / sigma.sum() / (2 * sigma)
    influences = scatter.squared_coordinates(vectors, variances) @ slope
    influences = scatter.n * (influences - influences.mean())
    groups = float(stdtrit(len(sizes) - 1, 0.5 + confidence / 2)) * _group_error(
        entropy, left_out, sizes
    )
    down, up = (max(reach, groups) for reach in _reaches(influences, confidence))
    return math.exp(entropy - down), math.exp(entropy + up)


def _reaches(influences: np.ndarray, confidence: float) -> tuple[float, float]:
    """Say how far an interval reaches below and above a value, from the rows' influences on it.

    With γ the skewness of the influences, Student's t of their mean has quantiles
    t − γ (2t² + 1) / (6 √n) to the first order. The side that this makes longer is taken, and
    the other left as it is: γ is underestimated where it is large.
    """
    n = len(influences)
    error = influences.std(ddof=1) / math.sqrt(n)
    if error == 0:
        return 0.0, 0.0
    t = _student_quantile(n - 1, confidence)
    skewness = float(np.mean((influences - influences.mean()) ** 3) / influences.std() ** 3)
    longer = abs(skewness) * (2 * t**2 + 1) / (6 * math.sqrt(n))
    down, up = (t + longer, t) if skewness < 0 else (t, t + longer)
    return float(down * error), float(up * error)


def half_of_student(pseudovalues: np.ndarray, confidence: float) -> float:
    """Half the length of Student's interval for the mean of pseudo-values."""
    n = len(pseudovalues)
    t = _student_quantile(n - 1, confidence)
    return float(t * pseudovalues.std(ddof=1) / math.sqrt(n))


def mean_share(shares: np.ndarray, *, confidence: float = 0.95) -> Interval:
    """A mean over texts of shares (n,), with Student's interval within 0 and 1.

    Undefined shares, NaN, are left out; of fewer than two others there is no mean.

    >>> found = mean_share(np.array([0.0, 0.5, 1.0, np.nan]))
    >>> found.value, found.low, found.high
    (0.5, 0.0, 1.0)
    """
    found = mean_difference(shares, np.zeros(len(shares)), confidence=confidence)
    return Interval(found.value, max(found.low, 0.0), min(found.high, 1.0))


def mean_difference(one: np.ndarray, other: np.ndarray, *, confidence: float = 0.95) -> Interval:
    """Mean over texts of one measure less another of the same texts, with Student's interval.

    Args:
        one: (n,) a number a text; NaN where it has none.
        other: (n,) another of the same texts.
        confidence: of the interval.

    >>> mean_difference(np.array([2.0, 2.0, 2.0]), np.array([1.0, 1.0, 1.0]))
    Interval(value=1.0, low=1.0, high=1.0)
    """
    gaps = one - other
    gaps = gaps[np.isfinite(gaps)]
    if len(gaps) < 2:
        return Interval(math.nan, math.nan, math.nan)
    value = float(gaps.mean())
    reach = half_of_student(gaps, confidence)
    return Interval(value, value - reach, value + reach)


def _student_quantile(freedom: int, confidence: float) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(freedom, 0.5 + confidence / 2))


def _is_one_text(lengths: np.ndarray, trace: float) -> bool:
    """Tell whether all rows but one are the same, so that leaving it out leaves no spread."""
    return bool(lengths.max() / trace > 1 - 1 / len(lengths) - 1e-9)


def _group_error(value: float, left_out: np.ndarray, sizes: np.ndarray) -> float:
    """Delete-m_j jackknife (Busing, Meijer & van der Leeden 1999): the standard error."""
    ratio = sizes.sum() / sizes
    pseudo = ratio * value - (ratio - 1) * left_out
    centre = len(sizes) * value - ((1 - 1 / ratio) * left_out).sum()
    return math.sqrt(np.mean((pseudo - centre) ** 2 / (ratio - 1)))
