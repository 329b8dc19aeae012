"""Is the U there? Logit shifts at the edges of the spectrum against those in its bulk."""

import math
from dataclasses import dataclass

import numpy as np

from embfilter_viz.errors import InputError
from embfilter_viz.spectral.spectroscopy import contributions

__all__ = ["EdgeToBulk", "Ratio", "describe", "edge_ratio", "edge_to_bulk"]


@dataclass(frozen=True)
class Ratio:
    """A mean logit shift over the bulk's, with its bootstrap interval over tokens."""

    ratio: float
    """(). Times the mean Δπ of a bulk direction."""
    low: float
    """(). Lower end of the interval."""
    high: float
    """(). Upper end of the interval."""

    @property
    def certain(self) -> bool:
        """Whether the whole interval lies above 1."""
        return self.low > 1


@dataclass(frozen=True)
class EdgeToBulk:
    """How much more a direction at the edges of the spectrum shifts logits than one in the bulk."""

    ratio: float
    """(). Both edges together: mean Δπ of their directions over the mean Δπ in the bulk."""
    low: float
    """(). Lower end of its interval."""
    high: float
    """(). Upper end of its interval."""
    head: Ratio
    """(). The same for the strongest directions alone."""
    tail: Ratio
    """(). The same for the weakest directions alone."""
    edge: float
    """(). Share of the spectrum that each edge takes."""
    bulk: tuple[float, float]
    """(2,). Where the bulk begins and ends, as shares of the spectrum."""
    n_tokens: int
    """(). Tokens resampled."""
    n_resamples: int
    """(). Resamples drawn."""
    confidence: float
    """(). Of the intervals."""
    seed: int
    """(). Of the resampling."""

    @property
    def verdict(self) -> str:
        """Which edges stand out for certain: "both" (a U), "head", "tail" or "absent"."""
        if self.head.certain and self.tail.certain:
            return "both"
        if self.head.certain:
            return "head"
        return "tail" if self.tail.certain else "absent"


def edge_to_bulk(
    V: np.ndarray,
    W_rows: np.ndarray,
    h: np.ndarray,
    *,
    edge: float = 0.05,
    bulk: tuple[float, float] = (0.10, 0.75),
    seed: int = 0,
    n_resamples: int = 2000,
    confidence: float = 0.95,
) -> EdgeToBulk:
    """Ratio of the mean Δπ at the edges of the spectrum to the mean Δπ in its bulk.

    Tokens are resampled with replacement and the percentiles of the resampled ratios reported;
    as Δπ is a sum over tokens, a resample is a weighting of the tokens' own sums. Shifts are of
    single directions; the unit Σ|ŵ_j| cancels.

    Args:
        V: (d, d), columns v_i.
        W_rows: (k, d) rows of W_U, of at least 2 tokens.
        h: (d,) the average token.
        edge: Share of the spectrum at either end, at least one direction.
        bulk: Where the bulk begins and ends, as shares of the spectrum.
        seed: Of the resampling.
        n_resamples: Resamples.
        confidence: Of the intervals.

    Raises:
        InputError: fewer than 2 tokens, shapes that do not fit, edge or bulk out of order, or a
            bulk without any direction or any shift.

    >>> h = np.array([9.0, 1, 1, 1, 1, 1, 1, 1, 1, 3])
    >>> found = edge_to_bulk(np.eye(10), np.ones((5, 10)), h, n_resamples=50)
    >>> found.head.ratio, found.tail.ratio, found.ratio, found.verdict
    (9.0, 3.0, 6.0, 'both')
    """
    d = V.shape[0]
    if not 0 < edge <= bulk[0] < bulk[1] <= 1 - edge:
        raise InputError(
            f"edge {edge} and bulk {bulk[0]} to {bulk[1]} must be shares of the spectrum in the "
            "order edge <= bulk's start < bulk's end <= 1 - edge"
        )
    if not 0 < confidence < 1 or n_resamples < 1:
        raise InputError(
            f"confidence must lie between 0 and 1 and resamples be at least 1; got {confidence} "
            f"and {n_resamples}"
        )
    if len(W_rows) < 2:
        raise InputError(f"an interval over tokens needs at least 2 of them; got {len(W_rows)}")
    width = max(1, math.floor(edge * d))
    start, stop = math.ceil(bulk[0] * d), math.floor(bulk[1] * d)
    if not width <= start < stop <= d - width:
        raise InputError(f"a spectrum of {d} directions is too short for edges and a bulk")
    size = np.abs(contributions(V, W_rows, h))
    head = size[:, :width].mean(axis=1)
    tail = size[:, d - width :].mean(axis=1)
    middle = size[:, start:stop].mean(axis=1)
    if not middle.sum() > 0:
        raise InputError("no direction of the bulk shifts any of these tokens: there is no ratio")
    k = len(size)
    rng = np.random.default_rng(seed)
    weights = rng.multinomial(k, np.full(k, 1 / k), size=n_resamples).astype(np.float64)
    resampled_middle = weights @ middle
    percentiles = [50 * (1 - confidence), 50 * (1 + confidence)]

    def ratio(part: np.ndarray) -> Ratio:
        with np.errstate(divide="ignore", invalid="ignore"):
            resampled = (weights @ part) / resampled_middle
        # A resample without any shift in the bulk says nothing either way.
        low, high = np.nanpercentile(resampled, percentiles, method="inverted_cdf")
        return Ratio(float(part.sum() / middle.sum()), float(low), float(high))

    both = ratio((head + tail) / 2)
    return EdgeToBulk(
        both.ratio,
        both.low,
        both.high,
        head=ratio(head),
        tail=ratio(tail),
        edge=edge,
        bulk=bulk,
        n_tokens=k,
        n_resamples=n_resamples,
        confidence=confidence,
        seed=seed,
    )


def edge_ratio(
    V: np.ndarray,
    W_rows: np.ndarray,
    W_others: np.ndarray,
    h: np.ndarray,
    *,
    edge: float = 0.05,
    seed: int = 0,
    n_resamples: int = 2000,
    confidence: float = 0.95,
) -> Ratio:
    """Mean Δπ of some tokens over both edges, in units of the same of other tokens.

    Whether frequent tokens feel the edges more than a control set: Δπ is relative to the tokens'
    own logits, Σ|ŵ_j|, so a set of larger logits needs larger shifts for the same Δπ. Both sets
    are resampled, each on its own.

    Args:
        V: (d, d), columns v_i.
        W_rows: (k, d) rows of W_U, at least 2.
        W_others: (m, d) rows of the control, at least 2.
        h: (d,) the average token.
        edge: Share of the spectrum at either end, at least one direction.
        seed: Of the resampling.
        n_resamples: Resamples.
        confidence: Of the interval.

    Raises:
        InputError: fewer than 2 tokens in a set, or an edge that is no share below a half.

    >>> h, rows = np.array([2.0, 1.0, 1.0, 2.0]), np.array([[2.0, 1, 1, 2], [2, 1, 1, 2]])
    >>> edge_ratio(np.eye(4), rows, np.ones((2, 4)), h).ratio.__round__(6)
    1.2
    """
    d = V.shape[0]
    if not 0 < edge < 0.5:
        raise InputError(f"edge {edge}: must be a share of the spectrum below a half; take 0.05")
    if min(len(W_rows), len(W_others)) < 2:
        raise InputError(
            f"an interval over tokens needs at least 2 in each set; got {len(W_rows)} and "
            f"{len(W_others)}"
        )
    width = max(1, math.floor(edge * d))
    rng = np.random.default_rng(seed)
    whole, resampled = [], []
    for rows in (W_rows, W_others):
        each = contributions(V, rows, h)
        edges = np.abs(np.hstack([each[:, :width], each[:, d - width :]])).mean(axis=1)
        logits = np.abs(each.sum(axis=1))
        k = len(edges)
        weights = rng.multinomial(k, np.full(k, 1 / k), size=n_resamples).astype(np.float64)
        with np.errstate(divide="ignore", invalid="ignore"):
            whole.append(float(edges.sum() / logits.sum()))
            resampled.append((weights @ edges) / (weights @ logits))
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = resampled[0] / resampled[1]
    percentiles = [50 * (1 - confidence), 50 * (1 + confidence)]
    low, high = np.nanpercentile(ratios, percentiles, method="inverted_cdf")
    return Ratio(whole[0] / whole[1], float(low), float(high))


def describe(found: EdgeToBulk, tokens: str = "frequent") -> str:
    """Whether the U is there, in one plain sentence.

    >>> flat = Ratio(1.02, 0.9, 1.1)
    >>> settings = {"edge": 0.05, "bulk": (0.1, 0.75), "confidence": 0.95, "seed": 0}
    >>> counts = {"n_tokens": 100, "n_resamples": 2000}
    >>> print(describe(EdgeToBulk(1.02, 0.9, 1.1, flat, flat, **settings, **counts)))
    The U is absent: removing a direction from the strongest 5 % of the spectrum shifts the logits
    of frequent tokens 1.0 times as much as removing one from the bulk (95 % interval 0.90 to 1.1),
    and one from the weakest 5 % 1.0 times (0.90 to 1.1), so neither edge is surely above the bulk.
    """
    opening, ending = {
        "both": ("The U is there", "so both edges stand above the bulk"),
        "head": ("Half of the U is there", "so only the strong edge is surely above the bulk"),
        "tail": ("Half of the U is there", "so only the weak edge is surely above the bulk"),
        "absent": ("The U is absent", "so neither edge is surely above the bulk"),
    }[found.verdict]
    share = f"{100 * found.edge:g} %"
    head, tail = found.head, found.tail
    return (
        f"{opening}: removing a direction from the strongest {share} of the spectrum shifts the "
        f"logits of {tokens} tokens {_times(head.ratio)} times as much as removing one from the "
        f"bulk ({100 * found.confidence:g} % interval {_times(head.low)} to {_times(head.high)}), "
        f"and one from the weakest {share} {_times(tail.ratio)} times ({_times(tail.low)} to "
        f"{_times(tail.high)}), {ending}."
    )


def _times(value: float) -> str:
    """Two significant digits, and whole numbers from 100."""
    if not math.isfinite(value) or value >= 100:
        return f"{value:.0f}"
    return f"{value:#.2g}".removesuffix(".")
