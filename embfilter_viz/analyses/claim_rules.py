"""The paper's twelve claims in our words, and the rules that decide each, fixed beforehand.

A rule looks at numbers alone: a statistic with its 95 % interval and its control. What it asks of
them was written down before any of them was measured, and depends on no model and no data. All that
is neither "holds" nor "fails" is "not decided"; so is what has no interval, because no comparison
with a number that is missing is true.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from embfilter_viz.analyses.forms import SAME_FORM
from embfilter_viz.embeddings.interval import Interval
from embfilter_viz.spectral.contrast import Contrast
from embfilter_viz.spectral.edge_to_bulk import EdgeToBulk

__all__ = [
    "FAILS",
    "FEWEST_TEXTS",
    "HOLDS",
    "NOT_DECIDED",
    "RULES",
    "TAUS",
    "Rule",
    "all_above",
    "gauges_agree",
    "is_above",
    "lowers_anisotropy",
    "same_forms",
    "shares_are_high",
    "specific",
    "u_is_there",
]

HOLDS, FAILS, NOT_DECIDED = "holds", "fails", "not decided"

FEWEST_TEXTS = 120
"""Texts below which no claim about texts is decided."""

TAUS = (2, 4, 8)
"""The τ that claim 7 is about; all other claims are about the first."""

_POOLED = (
    "A pooled difference is the mean over the tasks, and each task counts the same. Its 95 % "
    "interval is made from the paired intervals of the tasks. Tasks that share texts are "
    "assumed to err in the same direction"
)


@dataclass(frozen=True)
class Rule:
    """One claim of the paper and how it is decided."""

    number: int
    """() 1 to 12."""
    claim: str
    """What the paper says, in our words."""
    statistic: str
    """What is measured."""
    control: str
    """What stands beside it."""
    holds: str
    """When the claim holds, after "if"."""
    fails: str
    """When it fails, after "if"."""
    note: str = ""
    """What must be known to read the numbers."""

    @property
    def text(self) -> str:
        """The rule in one line.

        >>> RULES[5].text
        'Holds if the largest difference is below 0.00001, fails if it is not.'
        """
        rest = "" if self.number == 6 else " Otherwise it is not decided."
        return f"Holds if {self.holds}, fails if {self.fails}.{rest}"


RULES: tuple[Rule, ...] = (
    Rule(
        1,
        "Raw embeddings decode to frequent, empty tokens.",
        "share of the 100 most frequent tokens among the ten tokens that a raw embedding decodes "
        "to, mean over texts",
        "the same after the filter at τ = 2",
        "the lower end of the 95 % interval is above one half",
        "the upper end is below one fifth",
    ),
    Rule(
        2,
        "Both ends of the spectrum move the logits of frequent tokens more than the bulk does.",
        "mean absolute logit shift of the 100 most frequent tokens, at the strongest 5 % and "
        "at the weakest 5 % of the directions, each divided by the shift in the bulk, in the "
        "centred gauge",
        "the 97.5 % points of the same ratios under 999 permutations of the token frequencies",
        "both ratios are above the 97.5 % points of the permutations",
        "neither ratio is above them",
    ),
    Rule(
        3,
        "Frequent tokens depend on the ends of the spectrum more than random tokens do.",
        "absolute logit shift at the ends divided by that in the bulk, for frequent tokens; "
        "this is divided by the same ratio for random tokens, in the centred gauge",
        "the same with infrequent tokens in place of random tokens",
        "the lower end of the 95 % interval is above 1",
        "the upper end is below 1",
    ),
    Rule(
        4,
        "After the filter, tokens that belong to the text come up.",
        "how often the ten tokens that a text decodes to lie nearer to the text's own words than "
        "to those of another text (one half is chance), after the filter at τ = 2",
        "the same for the raw embedding and in 20 random subspaces of the filter's size",
        "the 95 % interval of the difference to the raw embeddings, over texts, is above 0, "
        "and the value is above the 97.5 % point of the subspaces",
        "that interval is below 0 or the value is below that 97.5 % point",
    ),
    Rule(
        5,
        "The filter lowers anisotropy: texts look less alike.",
        "mean cosine over all pairs of texts, after the filter at τ = 2 minus before, paired",
        "the mean cosine in 20 random subspaces of the filter's size",
        "the upper end of the 95 % interval is below 0 and the filtered mean cosine is below that "
        "of every subspace",
        "the lower end is above 0",
    ),
    Rule(
        6,
        "The full and the reduced form of the filter agree in every cosine and distance.",
        "largest difference of a cosine, or of a distance divided by the length of the "
        "longest embedding, over all pairs of texts, at τ = 2",
        "one rounding of float32",
        "the largest difference is below 0.00001",
        "it is not",
    ),
    Rule(
        7,
        "Scores rise at τ = 2, 4 and 8.",
        "score after the filter minus score of the raw embeddings, pooled over the tasks",
        "the score of 20 random subspaces of the size that τ = 2 leaves, minus raw",
        "the lower end of the 95 % interval of the pooled difference is above 0 at all three τ",
        "the upper end is below 0 at any of them",
        _POOLED,
    ),
    Rule(
        8,
        "Fewer dimensions alone do not explain it.",
        "score at τ = 2 minus the scores of 20 random subspaces, of 20 choices of random "
        "coordinates and of truncation, all of the same size, paired and pooled over the tasks",
        "each of the three less raw",
        "the lower ends of all three 95 % intervals are above 0",
        "any upper end is below 0",
        _POOLED,
    ),
    Rule(
        9,
        "Dropping both ends beats dropping the strong end, the weak end or the bulk.",
        "score at τ = 2 minus the scores of dominant, secondary and bulk, which are named for "
        "what they remove, all of the same size, paired and pooled over the tasks",
        "each of the three less raw",
        "the lower ends of all three 95 % intervals are above 0",
        "any upper end is below 0",
        _POOLED,
    ),
    Rule(
        10,
        "The filter comes near to the best choice of directions, optimal.",
        "score at τ = 2 minus that of optimal, which removes as many directions, those of "
        "largest logit shift (centred gauge), paired and pooled over the tasks",
        "optimal minus raw",
        "the lower end of the 95 % interval is above -1 point",
        "the upper end is below -1 point",
        _POOLED,
    ),
    Rule(
        11,
        "The filter beats whitening and needs no calibration data.",
        "score at τ = 2 minus that of whitening to as many dimensions, learnt from texts that "
        "are in no task, paired and pooled over the tasks",
        "whitening minus raw",
        "the lower end of the 95 % interval is above 0",
        "the upper end is below 0",
        _POOLED,
    ),
    Rule(
        12,
        "It does no harm to drop the constant b that softmax ignores.",
        "the average token in the paper's gauge, which drops it, and in the centred gauge: the "
        "cosine of the two, and the rank correlation of their logit shifts Δπ over the directions",
        "how well the logits of either agree with the logarithms of the token frequencies",
        "both numbers are above 0.9",
        "either of them is below 0.5",
    ),
)
"""The twelve claims, in the paper's order."""


def _verdict(holds: bool, fails: bool) -> str:
    return HOLDS if holds else FAILS if fails else NOT_DECIDED


def shares_are_high(share: Interval) -> str:
    """Claim 1, by the mean share of frequent tokens.

    >>> shares_are_high(Interval(0.97, 0.96, 0.98)), shares_are_high(Interval(0.3, 0.2, 0.4))
    ('holds', 'not decided')
    """
    return _verdict(share.low > 0.5, share.high < 0.2)


def u_is_there(found: EdgeToBulk) -> str:
    """Claim 2, by which ends stand above the permutations."""
    return _verdict(found.verdict == "both", found.verdict == "absent")


def is_above(found: Interval | Contrast, bar: float) -> str:
    """Claims 3, 10 and 11: whether an interval lies above a number or below it.

    >>> is_above(Interval(1.6, 1.4, 1.8), 1), is_above(Interval(-2.0, -3.0, -1.1), -1)
    ('holds', 'fails')
    """
    return _verdict(found.low > bar, found.high < bar)


def specific(to_raw: Interval, value: float, subspaces: Sequence[float] | np.ndarray) -> str:
    """Claim 4, by the difference to raw over texts, and the value against random subspaces.

    Args:
        to_raw: the specificity after the filter less that before, paired.
        value: the specificity after the filter.
        subspaces: (20,) the same in random subspaces.

    >>> specific(Interval(0.03, 0.02, 0.04), 0.76, [0.5, 0.6]), specific(
    ...     Interval(0.03, 0.02, 0.04), 0.55, [0.5, 0.6])
    ('holds', 'fails')
    """
    point = subspace_point(subspaces)
    return _verdict(to_raw.low > 0 and value > point, to_raw.high < 0 or value < point)


def subspace_point(subspaces: Sequence[float] | np.ndarray) -> float:
    """The 97.5 % point of random subspaces.

    >>> subspace_point([0.0, 1.0])
    0.975
    """
    return float(np.quantile(subspaces, 0.975))


def lowers_anisotropy(difference: Interval, value: float, least_subspace: float) -> str:
    """Claim 5, by the difference of mean cosines, and the filtered one against random subspaces.

    >>> lowers_anisotropy(Interval(-0.2, -0.3, -0.1), 0.6, 0.7)
    'holds'
    """
    return _verdict(difference.high < 0 and value < least_subspace, difference.low > 0)


def same_forms(worst: float) -> str:
    """Claim 6, by the largest difference of the two forms.

    >>> same_forms(2e-6), same_forms(1e-5)
    ('holds', 'fails')
    """
    return HOLDS if worst < SAME_FORM else FAILS


def all_above(found: Sequence[Interval], bar: float = 0.0) -> str:
    """Claims 7, 8 and 9: whether all intervals lie above a number, or any below it.

    >>> up, open_, down = Interval(2, 1, 3), Interval(0, -1, 1), Interval(-2, -3, -1)
    >>> all_above([up, up]), all_above([up, open_]), all_above([up, open_, down])
    ('holds', 'not decided', 'fails')
    """
    return _verdict(all(one.low > bar for one in found), any(one.high < bar for one in found))


def gauges_agree(cosine: float, correlation: float) -> str:
    """Claim 12, by both numbers.

    >>> gauges_agree(0.95, 0.91), gauges_agree(0.95, 0.7), gauges_agree(0.24, 0.95)
    ('holds', 'not decided', 'fails')
    """
    return _verdict(min(cosine, correlation) > 0.9, min(cosine, correlation) < 0.5)
