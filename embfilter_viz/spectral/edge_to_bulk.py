"""Is the U there? Logit shifts at the ends of the spectrum against the bulk, and against chance."""

import math
from dataclasses import dataclass

import numpy as np

from embfilter_viz.errors import InputError
from embfilter_viz.spectral.permutations import PermutedShifts

__all__ = ["LEVEL", "EdgeToBulk", "End", "Ratio", "describe", "edge_to_bulk", "times"]

LEVEL = 0.025
"""Share of the permutations that may reach what is called above chance."""


@dataclass(frozen=True)
class Ratio:
    """A mean logit shift over the bulk's, with its bootstrap interval over tokens."""

    ratio: float
    """(). Times the mean shift of a bulk direction."""
    low: float
    """(). Lower end of the interval."""
    high: float
    """(). Upper end of the interval."""


@dataclass(frozen=True)
class End(Ratio):
    """One end of the spectrum: its ratio, and what permuted token frequencies give there."""

    permuted: float
    """(). 97.5 % point of the ratio under permuted frequencies."""
    permuted_median: float
    """(). Its median under permuted frequencies."""
    p_value: float
    """(). Share of all, the true frequencies among them, with a ratio of this size or more."""

    @property
    def stands_out(self) -> bool:
        """Tell whether the ratio lies above the 97.5 % point of the permutations."""
        return self.p_value <= LEVEL


@dataclass(frozen=True)
class EdgeToBulk:
    """The ratio of logit shifts of a direction at the ends of the spectrum and one in the bulk."""

    ratio: float
    """(). Both ends together: mean shift of their directions over the mean shift in the bulk."""
    low: float
    """(). Lower end of its interval over tokens."""
    high: float
    """(). Upper end of its interval over tokens."""
    strong: End
    """(). The same for the strongest directions alone."""
    weak: End
    """(). The same for the weakest directions alone."""
    edge: float
    """(). Share of the spectrum that each end takes."""
    bulk: tuple[float, float]
    """(2,). Where the bulk begins and ends, as shares of the spectrum."""
    n_permutations: int
    """(). Permutations of the token frequencies."""
    n_tokens: int
    """(). Tokens resampled for the intervals."""
    n_resamples: int
    """(). Resamples drawn."""
    confidence: float
    """(). Of the intervals."""
    seed: int
    """(). Of the resampling."""

    @property
    def verdict(self) -> str:
        """Return which ends stand above chance: "both" (a U), "strong", "weak" or "absent"."""
        if self.strong.stands_out and self.weak.stands_out:
            return "both"
        if self.strong.stands_out:
            return "strong"
        return "weak" if self.weak.stands_out else "absent"


def edge_to_bulk(
    each: np.ndarray,
    permuted: PermutedShifts,
    *,
    seed: int = 0,
    n_resamples: int = 2000,
    confidence: float = 0.95,
) -> EdgeToBulk:
    """Ratio of the mean logit shift at the ends of the spectrum to the mean in its bulk.

    An end stands out when its ratio is above the 97.5 % point of the ratios under permuted token
    frequencies: a permutation test of size 2.5 % at each end, exact where p̂ has nothing to do
    with the rows of W_U (Phipson and Smyth 2010). The intervals say how far the ratios depend on
    which tokens are frequent: tokens are resampled with replacement. They decide nothing, because
    directions differ by chance too.

    Args:
        each: (k, d) what each direction gives the logit of each frequent token, from
            :func:`~embfilter_viz.spectral.spectroscopy.contributions`; at least 2 tokens.
        permuted: The same under permuted frequencies, from
            :func:`~embfilter_viz.spectral.permutations.permuted_shifts`; it says where the ends
            and the bulk are.
        seed: Of the resampling.
        n_resamples: Resamples.
        confidence: Of the intervals.

    Returns:
        the ratios of both ends, with intervals and what chance gives.

    Raises:
        InputError: fewer than 2 tokens, shapes that do not fit, or a bulk without any shift.

    >>> from embfilter_viz.spectral.ends import Ends
    >>> chance = np.linspace(0.5, 1.5, 999)
    >>> null = PermutedShifts(chance, chance, np.ones((3, 10)), Ends.of(10))
    >>> found = edge_to_bulk(np.array([[9.0, *[1.0] * 8, 3.0]] * 5), null, n_resamples=50)
    >>> found.strong.ratio, found.weak.ratio, found.ratio, found.verdict
    (9.0, 3.0, 6.0, 'both')
    >>> found.strong.permuted.__round__(3), found.strong.p_value
    (1.476, 0.001)
    """
    if not 0 < confidence < 1 or n_resamples < 1:
        raise InputError(
            f"confidence must lie between 0 and 1 and resamples be at least 1; got {confidence} "
            f"and {n_resamples}"
        )
    if len(each) < 2:
        raise InputError(f"an interval over tokens needs at least 2 of them; got {len(each)}")
    ends = permuted.ends
    if each.shape[1:] != (ends.d,):
        raise InputError(
            f"shifts of shape {each.shape} do not fit permuted shifts of {ends.d} directions"
        )
    strong, weak, middle = ends.means(np.abs(each))
    if not middle.sum() > 0:
        raise InputError("no direction of the bulk shifts any of these tokens: there is no ratio")
    k = len(middle)
    rng = np.random.default_rng(seed)
    weights = rng.multinomial(k, np.full(k, 1 / k), size=n_resamples).astype(np.float64)
    resampled_middle = weights @ middle
    percentiles = [50 * (1 - confidence), 50 * (1 + confidence)]

    def ratio(part: np.ndarray) -> tuple[float, float, float]:
        with np.errstate(divide="ignore", invalid="ignore"):
            resampled = (weights @ part) / resampled_middle
        # A resample without any shift in the bulk says nothing either way.
        low, high = np.nanpercentile(resampled, percentiles, method="inverted_cdf")
        return float(part.sum() / middle.sum()), float(low), float(high)

    return EdgeToBulk(
        *ratio((strong + weak) / 2),
        strong=_end(ratio(strong), permuted.strong),
        weak=_end(ratio(weak), permuted.weak),
        edge=ends.edge,
        bulk=ends.bulk,
        n_permutations=permuted.n,
        n_tokens=k,
        n_resamples=n_resamples,
        confidence=confidence,
        seed=seed,
    )


def _end(found: tuple[float, float, float], chance: np.ndarray) -> End:
    """A ratio beside the same of the permutations, the true one counted among them."""
    reached = int(np.count_nonzero(~(chance < found[0])))  # what has no ratio counts as reaching it
    p_value = (1 + reached) / (1 + len(chance))
    place = min(len(chance), math.ceil((1 - LEVEL) * (len(chance) + 1)))
    return End(*found, float(np.sort(chance)[place - 1]), float(np.median(chance)), p_value)


def describe(found: EdgeToBulk, tokens: str = "frequent") -> str:
    """Tell whether the U is there, in one plain sentence.

    >>> flat = End(1.02, 0.9, 1.1, permuted=1.26, permuted_median=0.97, p_value=0.4)
    >>> settings = {"edge": 0.05, "bulk": (0.1, 0.75), "confidence": 0.95, "seed": 0}
    >>> counts = {"n_permutations": 999, "n_tokens": 100, "n_resamples": 2000}
    >>> print(describe(EdgeToBulk(1.02, 0.9, 1.1, flat, flat, **settings, **counts)))
    There is no U: removing a direction from the strong end (the strongest 5 % of the spectrum)
    shifts the logits of frequent tokens 1.0 times as much as removing one from the bulk. For the
    weak end (the weakest 5 %) it is 1.0 times as much. Chance gives up to 1.3 and 1.3 times (97.5 %
    points of 999 permutations of the token frequencies), so neither end stands above chance.
    """
    one = (
        "stands above chance, as one of the two ends does on "
        f"{200 * LEVEL:g} % of heads without structure"
    )
    opening, ending = {
        "both": ("The U is there", "both ends stand above chance"),
        "strong": ("There is no U, only its strong end", f"only the strong end {one}"),
        "weak": ("There is no U, only its weak end", f"only the weak end {one}"),
        "absent": ("There is no U", "neither end stands above chance"),
    }[found.verdict]
    share = f"{100 * found.edge:g} %"
    strong, weak = found.strong, found.weak
    return (
        f"{opening}: removing a direction from the strong end (the strongest {share} of the "
        f"spectrum) shifts the logits of {tokens} tokens {times(strong.ratio)} times as much as "
        f"removing one from the bulk. For the weak end (the weakest {share}) it is "
        f"{times(weak.ratio)} times as much. Chance gives up to {times(strong.permuted)} and "
        f"{times(weak.permuted)} times ({100 * (1 - LEVEL):g} % points of {found.n_permutations} "
        f"permutations of the token frequencies), so {ending}."
    )


def times(value: float) -> str:
    """Two significant digits, and whole numbers from 100.

    >>> [times(value) for value in (0.0234, 1.02, 10.07, 24.66, 1234.5)]
    ['0.023', '1.0', '10', '25', '1234']
    """
    if not math.isfinite(value) or value >= 99.5:
        return f"{value:.0f}"
    return f"{value:#.2g}".removesuffix(".")
