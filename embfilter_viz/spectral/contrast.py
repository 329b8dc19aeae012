"""Do frequent tokens feel the ends of the spectrum more than others do?"""

from dataclasses import dataclass

import numpy as np

from embfilter_viz.errors import InputError
from embfilter_viz.spectral.ends import Ends

__all__ = ["Contrast", "contrast"]

_AT_ONCE = 2**18
"""Draws of tokens that are held at once."""


@dataclass(frozen=True)
class Contrast:
    """Ends over bulk of some tokens, over the same of others, with an interval."""

    ratio: float
    """(). ``tokens`` over ``others``."""
    low: float
    """(). Lower end of its interval."""
    high: float
    """(). Upper end of its interval."""
    tokens: float
    """(). Mean absolute shift of the tokens' logits at both ends over the same in the bulk."""
    others: float
    """(). The same of the others."""


def contrast(
    each: np.ndarray,
    others: np.ndarray,
    *,
    ends: Ends | None = None,
    seed: int = 0,
    n_resamples: int = 2000,
    confidence: float = 0.95,
) -> Contrast:
    """Absolute shift of some tokens' logits, ends over bulk, over the same of other tokens.

    Absolute shifts |c_i · w_j·v_i| in logits, not the relative Δπ: that divides by the tokens' own
    logits Σ_j |ŵ_j|, which differ between the sets and can turn the comparison round. Whatever
    makes all shifts of a set larger, ends and bulk alike, cancels.

    Args:
        each: (k, d) what each direction gives the logit of each of the tokens, from
            :func:`~embfilter_viz.spectral.spectroscopy.contributions`; at least 2 tokens.
        others: (m, d) the same of the others, at least 2. Each resample draws k tokens and m
            others with replacement.
        ends: Where the ends and the bulk are; as :class:`Ends` has them by default.
        seed: Of the resampling.
        n_resamples: Resamples.
        confidence: Of the interval.

    Returns:
        the contrast with its interval.

    Raises:
        InputError: fewer than 2 tokens in a set, or no shift at all in the bulk.

    >>> found = contrast(np.array([[4.0, *[1.0] * 8, 2.0]] * 2), np.ones((2, 10)))
    >>> found.ratio, found.tokens, found.others
    (3.0, 3.0, 1.0)
    """
    if min(len(each), len(others)) < 2:
        raise InputError(
            f"an interval over tokens needs at least 2 in each set; got {len(each)} and "
            f"{len(others)}"
        )
    ends = ends or Ends.of(each.shape[1])
    rng = np.random.default_rng(seed)
    whole, resampled = [], []
    for shifts in (each, others):
        strong, weak, bulk = ends.means(np.abs(shifts))
        if not bulk.sum() > 0:
            raise InputError("no direction of the bulk shifts any of these tokens")
        edges = (strong + weak) / 2
        whole.append(float(edges.sum() / bulk.sum()))
        resampled.append(_resampled(edges, bulk, n_resamples, rng))
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = resampled[0] / resampled[1]
        ratio = float(np.divide(whole[0], whole[1]))
    percentiles = [50 * (1 - confidence), 50 * (1 + confidence)]
    low, high = np.nanpercentile(ratios, percentiles, method="inverted_cdf")
    return Contrast(ratio, float(low), float(high), *whole)


def _resampled(edges: np.ndarray, bulk: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """Σ edges over Σ bulk of n resamples of the tokens: (n,).

    Args:
        edges: (k,) each token's shift at the ends.
        bulk: (k,) each token's shift in the bulk.
        n: how many resamples.
        rng: what draws the tokens.

    Returns:
        (n,) float64.
    """
    m = len(edges)
    at_once = max(1, _AT_ONCE // m)
    ratios = []
    for start in range(0, n, at_once):
        drawn = rng.integers(m, size=(min(at_once, n - start), m))
        with np.errstate(divide="ignore", invalid="ignore"):
            ratios.append(edges[drawn].sum(axis=1) / bulk[drawn].sum(axis=1))
    return np.concatenate(ratios)
