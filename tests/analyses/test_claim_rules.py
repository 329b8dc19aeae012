"""The rules that decide claims, at every boundary, on numbers made by hand."""

import math
from dataclasses import replace

import pytest

from embfilter_viz.analyses import claim_rules as rules
from embfilter_viz.analyses.claim_rules import FAILS, HOLDS, NOT_DECIDED, RULES
from embfilter_viz.embeddings.interval import Interval
from embfilter_viz.spectral.contrast import Contrast
from embfilter_viz.spectral.edge_to_bulk import EdgeToBulk, End

UNKNOWN = Interval(1.0, math.nan, math.nan)


def about(low: float, high: float) -> Interval:
    return Interval((low + high) / 2, low, high)


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (0.501, 0.9, HOLDS),
        (0.5, 0.9, NOT_DECIDED),
        (0.2, 0.4, NOT_DECIDED),
        (0.1, 0.2, NOT_DECIDED),
        (0.1, 0.199, FAILS),
    ],
)
def test_claim_1(low: float, high: float, verdict: str) -> None:
    assert rules.shares_are_high(about(low, high)) == verdict


@pytest.mark.parametrize(
    ("strong", "weak", "verdict"),
    [
        (0.001, 0.001, HOLDS),
        (0.025, 0.025, HOLDS),
        (0.001, 0.026, NOT_DECIDED),
        (0.026, 0.001, NOT_DECIDED),
        (0.026, 0.026, FAILS),
    ],
)
def test_claim_2_by_the_permutations_alone(strong: float, weak: float, verdict: str) -> None:
    # Ratios and intervals that would speak for a U: they have no say.
    end = End(9.0, 8.0, 10.0, permuted=1.3, permuted_median=1.0, p_value=0.5)
    found = EdgeToBulk(
        9.0, 8.0, 10.0, replace(end, p_value=strong), replace(end, p_value=weak), 0.05,
        (0.1, 0.75), 999, 100, 2000, 0.95, 0,
    )  # fmt: skip
    assert rules.u_is_there(found) == verdict


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [(1.01, 2, HOLDS), (1.0, 2, NOT_DECIDED), (0.5, 1.0, NOT_DECIDED), (0.5, 0.99, FAILS)],
)
def test_claim_3(low: float, high: float, verdict: str) -> None:
    assert rules.is_above(Contrast(1.0, low, high, 2.0, 2.0), 1) == verdict


# Of 0, 1, … 19 the 97.5 % point lies between the last two, at 18.525.
SUBSPACES = [float(i) for i in range(20)]


@pytest.mark.parametrize(
    ("low", "high", "value", "verdict"),
    [
        (0.1, 0.2, 18.6, HOLDS),
        (0.0, 0.2, 18.6, NOT_DECIDED),  # not surely above raw
        (-0.1, 0.0, 18.6, NOT_DECIDED),
        (-0.2, -0.1, 18.6, FAILS),  # below raw
        (0.1, 0.2, 18.5, FAILS),  # above raw, and not above the subspaces
        (-0.1, 0.2, 18.5, FAILS),
        (0.1, 0.2, 18.525, NOT_DECIDED),
    ],
)
def test_claim_4(low: float, high: float, value: float, verdict: str) -> None:
    assert rules.specific(about(low, high), value, SUBSPACES) == verdict


@pytest.mark.parametrize(
    ("low", "high", "value", "verdict"),
    [
        (-0.3, -0.1, 0.6, HOLDS),
        (-0.3, -0.1, 0.7, NOT_DECIDED),  # as low as a random subspace
        (-0.3, -0.1, 0.8, NOT_DECIDED),
        (-0.3, 0.0, 0.6, NOT_DECIDED),
        (0.0, 0.1, 0.6, NOT_DECIDED),
        (0.01, 0.1, 0.6, FAILS),
    ],
)
def test_claim_5(low: float, high: float, value: float, verdict: str) -> None:
    assert rules.lowers_anisotropy(about(low, high), value, 0.7) == verdict


def test_claim_6() -> None:
    assert rules.same_forms(0.99e-5) == HOLDS
    assert rules.same_forms(1e-5) == FAILS
    assert rules.same_forms(math.nan) == FAILS


UP, TOUCHES, OPEN, UNDER, DOWN = (
    about(0.1, 1), about(0.0, 1), about(-1, 1), about(-1, 0.0), about(-1, -0.1)
)  # fmt: skip


@pytest.mark.parametrize(
    ("found", "verdict"),
    [
        ((UP, UP, UP), HOLDS),
        ((UP, UP, TOUCHES), NOT_DECIDED),
        ((OPEN, OPEN, OPEN), NOT_DECIDED),
        ((UP, UP, UNDER), NOT_DECIDED),
        ((UP, UP, DOWN), FAILS),
        ((DOWN, OPEN, UP), FAILS),
        ((UP, UP, UNKNOWN), NOT_DECIDED),
        ((DOWN, UNKNOWN, UP), FAILS),
    ],
)
def test_claims_7_to_9(found: tuple[Interval, ...], verdict: str) -> None:
    assert rules.all_above(found) == verdict


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [(-0.99, 3, HOLDS), (-1.0, 3, NOT_DECIDED), (-3, -1.0, NOT_DECIDED), (-3, -1.01, FAILS)],
)
def test_claim_10(low: float, high: float, verdict: str) -> None:
    assert rules.is_above(about(low, high), -1) == verdict


def test_claim_11() -> None:
    found = [rules.is_above(one, 0) for one in (UP, TOUCHES, UNDER, DOWN, UNKNOWN)]
    assert found == [HOLDS, NOT_DECIDED, NOT_DECIDED, FAILS, NOT_DECIDED]


@pytest.mark.parametrize(
    ("cosine", "correlation", "verdict"),
    [
        (0.91, 0.91, HOLDS),
        (0.9, 0.99, NOT_DECIDED),
        (0.99, 0.9, NOT_DECIDED),
        (0.5, 0.5, NOT_DECIDED),
        (0.49, 0.99, FAILS),
        (0.99, -0.9, FAILS),
    ],
)
def test_claim_12(cosine: float, correlation: float, verdict: str) -> None:
    assert rules.gauges_agree(cosine, correlation) == verdict


def test_there_are_twelve_in_order_and_each_says_its_rule() -> None:
    assert [rule.number for rule in RULES] == list(range(1, 13))
    for rule in RULES:
        assert rule.text.startswith("Holds if ")
        assert ", fails if " in rule.text
        assert rule.statistic
        assert rule.control
