"""How evenly embeddings fill their space: three measures, each with an interval over texts."""

import math
from dataclasses import dataclass

import numpy as np

from embfilter_viz.embeddings.cosines import (
    CosineHistogram,
    checked,
    cosine_histogram,
    mean_cosine,
    unit_rows,
)
from embfilter_viz.embeddings.interval import Interval
from embfilter_viz.embeddings.scatter import (
    Scatter,
    dealt,
    effective_rank_of_scatter,
    isoscore_of_scatter,
    scatter_of,
)
from embfilter_viz.embeddings.text_intervals import (
    FEWEST_FOR_INTERVAL,
    TextCosines,
    ends_of_rank,
    ends_of_ratio,
    half_of_student,
)
from embfilter_viz.system.progress import Progress, silent

__all__ = [
    "CosineHistogram",
    "Interval",
    "Isotropy",
    "cosine_histogram",
    "effective_rank",
    "isoscore",
    "isotropy",
    "mean_cosine",
]


@dataclass(frozen=True)
class Isotropy:
    """The three measures of one set of embeddings, with intervals."""

    mean_cosine: Interval
    """() mean cosine over all distinct pairs, in [-1, 1]; lower is more isotropic."""
    isoscore: Interval
    """() IsoScore in [0, 1]; higher is more isotropic."""
    effective_rank: Interval
    """() effective rank in [1, min(n - 1, d)] dimensions; higher is more isotropic."""
    n: int
    """() number of texts."""
    d: int
    """() dimension of the embeddings; IsoScore is relative to it."""
    confidence: float
    """() nominal coverage of the intervals."""

    @property
    def complete(self) -> bool:
        """Tell whether all three intervals were measured."""
        return self.mean_cosine.known and self.isoscore.known and self.effective_rank.known


def isoscore(E: np.ndarray) -> float:
    r"""IsoScore (Rudman et al. 2022, Findings of ACL): the share of dimensions used evenly.

    The paper's steps (variances along the principal components, scaled to norm √d, their
    distance from the vector of ones, normalised and rescaled) collapse, for the covariance C, to

    .. math:: \frac{(\operatorname{tr} C)^2 / \lVert C \rVert_F^2 - 1}{d - 1}

    so that no principal component is computed. 1 for a covariance proportional to the identity,
    0 for a single direction; blind to the mean and to the scale.

    Args:
        E: (n, d) embeddings, n >= 2, d >= 2. With n <= d the score is at most (n - 2) / (d - 1):
            compare only sets of as many texts.

    Raises:
        InputError: fewer than two rows or columns, or all rows the same.

    >>> isoscore(np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]]))
    1.0
    """
    E = checked(E, at_least=2)
    return isoscore_of_scatter(scatter_of(E, ()).whole, E.shape[1])


def effective_rank(E: np.ndarray) -> float:
    r"""Effective rank (Roy & Vetterli 2007, EUSIPCO): how many dimensions are really used.

    .. math:: \exp\Bigl(-\sum_i p_i \log p_i\Bigr), \quad p_i = \sigma_i / \textstyle\sum_j \sigma_j

    with σ the singular values of the matrix whose column means were subtracted.

    Args:
        E: (n, d) embeddings, n >= 2.

    Raises:
        InputError: fewer than two rows, or all rows the same.

    >>> round(effective_rank(np.array([[1.0, 0], [-1, 0], [0, 1], [0, -1]])), 6)
    2.0
    """
    E = checked(E, at_least=2)
    return effective_rank_of_scatter(scatter_of(E, ()).whole)


def isotropy(
    E: np.ndarray,
    *,
    groups: int = 10,
    confidence: float = 0.95,
    seed: int = 0,
    progress: Progress = silent,
) -> Isotropy:
    """The three measures, each with an interval over texts: how they vary over *as many* others.

    IsoScore and the effective rank grow with n, so sets of different size must not be compared.
    What each text adds to a measure gives its standard error, and Student's t with n - 1 degrees
    of freedom the interval:

    - mean cosine: pseudo-values, each text left out in turn (Arvesen 1969, for U-statistics);
    - IsoScore and effective rank, on a logarithmic scale: influences, the derivative by the weight
      of a text (infinitesimal jackknife, Jaeckel 1972). Where they are skewed, as where a few
      texts lie far out, the interval reaches further on that side, by the first term of
      Edgeworth's series for Student's t (Johnson 1978, Hall 1992), and no less far on the other;
    - effective rank: no less far on either side than a jackknife over groups of texts reaches, for
      a text that is left out takes a dimension along where texts are fewer than dimensions.

    In simulations (``benchmarks/coverage.py``) 95 % intervals held the mean over sets in 93 % of
    sets and more as long as fourth moments exist, and in 80 % where they do not: where single
    texts lie arbitrarily far out.

    Not the bootstrap: a resample draws texts twice, and two copies have cosine 1 and span no
    direction of their own. That raises the mean cosine by about (1 - value) / n and lowers the
    effective rank by a tenth and more, so that its interval can exclude the value itself.

    With fewer than 10 texts, or where one text is all the spread there is, the interval is the
    whole range of the measure: nothing is known.

    Args:
        E: (n, d) embeddings, n >= 2, d >= 2, none of them zero.
        groups: number of groups, 2 or more; n where there are fewer texts.
        confidence: nominal coverage.
        seed: of the dealing into groups.
        progress: told the groups done.

    Returns:
        the three measures with their intervals.

    Raises:
        InputError: fewer than two rows or columns, a zero row, or all rows the same.

    >>> E = np.random.default_rng(0).normal(size=(400, 3))
    >>> measured = isotropy(E)
    >>> measured.mean_cosine.low < 0 < measured.mean_cosine.high
    True
    """
    E = checked(E, at_least=2)
    members = dealt(len(E), groups, seed)
    U = unit_rows(E)
    total = U.sum(axis=0, dtype=np.float64)
    scatter = scatter_of(E, members)
    return measured(
        TextCosines(U @ total.astype(U.dtype), float(total @ total)),
        scatter,
        E.shape[1],
        confidence=confidence,
        progress=progress,
    )


def measured(
    cosines: TextCosines,
    scatter: Scatter,
    d: int,
    *,
    score_interval: bool = True,
    rank_interval: bool = True,
    confidence: float = 0.95,
    progress: Progress = silent,
) -> Isotropy:
    """The three measures with their intervals, from sums that can be had in more than one way.

    Args:
        cosines: what each text gives to the mean cosine.
        scatter: sums of products of the centred rows.
        d: dimension of the embeddings.
        score_interval: False leaves out the interval of IsoScore, which multiplies all texts
            with their covariance.
        rank_interval: False leaves out the interval of the effective rank, which takes an
            eigen-decomposition a group.
        confidence: nominal coverage.
        progress: told the groups done.

    Returns:
        the three measures with their intervals.

    Raises:
        InputError: all rows are the same, or d is 1.
    """
    n, total = scatter.n, len(scatter.members) + 1
    progress("measuring isotropy", 0, total, "groups")
    mean = cosines.value
    values = mean, isoscore_of_scatter(scatter.whole, d), effective_rank_of_scatter(scatter.whole)
    most = float(min(n - 1, d))
    progress("measuring isotropy", 1, total, "groups")
    if n < FEWEST_FOR_INTERVAL:
        ranges = ((-1.0, 1.0), (0.0, 1.0), (1.0, most))
        intervals = [Interval(value, *ends) for value, ends in zip(values, ranges, strict=True)]
        return Isotropy(intervals[0], intervals[1], intervals[2], n, d, confidence)
    reach = half_of_student(cosines.pseudovalues, confidence)
    score, rank = (Interval(value, math.nan, math.nan) for value in values[1:])
    if score_interval:
        low, high = ends_of_ratio(scatter, confidence)
        ends = [float(np.clip((ratio - 1) / (d - 1), 0, 1)) for ratio in (low, high)]
        score = Interval(values[1], *ends)
    if rank_interval:
        low, high = ends_of_rank(scatter, confidence, progress)
        rank = Interval(values[2], max(low, 1.0), min(high, most))
    return Isotropy(
        Interval(mean, max(mean - reach, -1.0), min(mean + reach, 1.0)),
        score, rank, n, d, confidence,
    )  # fmt: skip
