"""What should be seen at each step of the lesson, computed, effects that are absent included."""

import numpy as np

from embfilter_viz.analyses.alike import Alike
from embfilter_viz.analyses.geometry import RANDOM
from embfilter_viz.analyses.pair import Pair
from embfilter_viz.analyses.spectroscopy import Spectroscopy
from embfilter_viz.analyses.spectrum import SpectrumReport
from embfilter_viz.analyses.worth import CONTROLS, Worth
from embfilter_viz.wording import fixed

__all__ = [
    "ends_share",
    "most_of_controls",
    "of_anatomy",
    "of_controls",
    "of_shifts",
    "of_spectrum",
    "of_tokens",
    "of_two",
]

ALIKE = 0.5
"""Median cosine of other pairs from which on unrelated texts look alike."""


def ends_share(pair: Pair) -> float:
    """Return what share of the mean cosine of reference pairs the first and the last band add.

    The first and the last direction, where nothing lies between bands.
    """
    found = pair.anatomy
    ends = found.ends
    gives = ends.ends.mean.value if ends is not None else found.whole.mean.value
    return gives / found.whole.mean.value


def most_of_controls(found: Worth) -> str:
    """Return the best of the filter and its controls; of the random subspaces the mean counts."""
    return max(CONTROLS, key=lambda name: found.scores[name].score.value)


def of_two(pair: Pair, median: float) -> str:
    """Step 1: the cosine of the two, among others."""
    typical = f"Half of all pairs have a cosine above {fixed(median, 2)}"
    if median > ALIKE:
        return f"{pair.short} {typical}: whatever texts are about, they look alike."
    return f"{pair.short} {typical}, so on this model unrelated texts do not look very alike."


def of_tokens(alike: Alike) -> str:
    """Step 2: what the two decode to."""
    if alike.shows_effect:
        return f"{alike.sentence} What the two share are tokens that any text would say."
    if alike.frequent_raw > 0.5:
        return f"{alike.sentence} This window leaves most of the frequent tokens."
    return (
        f"{alike.sentence} With this model and prompt the two texts decode to few frequent "
        "tokens, so there is little for the filter to take out."
    )


def of_spectrum(found: SpectrumReport) -> str:
    """Step 3: how unequal the directions are."""
    ratio = found.spectrum.condition_number
    if not np.isfinite(ratio):
        return f"{found.short} The last singular value is zero, so there is no ratio."
    return f"{found.short} The first is {fixed(ratio, 0 if ratio > 10 else 1)} times the last."


def of_shifts(found: Spectroscopy) -> str:
    """Step 4: where frequent tokens are written."""
    return found.short


def of_anatomy(pair: Pair) -> str:
    """Step 5: how much of any cosine the ends give."""
    if pair.anatomy.ends is None:
        return pair.ends_sentence
    share = ends_share(pair)
    verdict = "most of it" if share > 0.5 else "less than half of it"
    return f"{pair.ends_sentence} The two ends add {share:.0%} of the average cosine, {verdict}."


def of_controls(found: Worth) -> str:
    """Step 7: whether the filter beats its controls on this model."""
    if found.window.drops_nothing:
        return found.sentence
    better = found.scores["filtered"].to_raw.low > 0
    if better and found.beats_chance and most_of_controls(found) == "filtered":
        verdict = "The filter helps here, and none of its controls scores as much"
    elif better and found.beats_chance:
        verdict = "The filter helps here, but a simpler control scores more"
    elif better:
        verdict = f"The filter helps here, but some {RANDOM} score as much"
    else:
        verdict = "On these pairs the filter does not help beyond noise"
    return f"{found.sentence} {verdict}."
