import dataclasses

import numpy as np
import pytest
from scipy.stats import bootstrap
from threadpoolctl import threadpool_limits

from embfilter_viz.errors import InputError
from embfilter_viz.spectral import (
    Contrast,
    Ends,
    PermutedShifts,
    contrast,
    contributions,
    describe,
    edge_to_bulk,
)

D, K = 200, 60
ENDS = Ends.of(D)


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Matrices this small are far faster on one thread."""
    with threadpool_limits(1):
        yield


def planted(strong=1.0, weak=1.0, seed=0):
    """What directions give to logits: equally much but for planted ends of 5 %."""
    rng = np.random.default_rng(seed)
    V, _ = np.linalg.qr(rng.standard_normal((D, D)))
    c = np.ones(D)
    c[:10] *= strong
    c[-10:] *= weak
    return contributions(V, rng.standard_normal((K, D)) @ V.T, V @ c)


def chance(strong, weak=None):
    """Permutations that came out as these ratios."""
    strong = np.asarray(strong, dtype=float)
    return PermutedShifts(
        strong, strong if weak is None else np.asarray(weak, float), np.ones((3, D)), ENDS
    )


USUAL = chance(np.random.default_rng(0).normal(1, 0.15, 999))


@pytest.mark.parametrize(
    ("strong", "weak", "verdict", "opening", "ending"),
    [
        (5, 4, "both", "The U is there:", "both ends stand above"),
        (
            5,
            1,
            "strong",
            "There is no U, only its strong end:",
            "only the strong end stands above",
        ),
        (
            1,
            5,
            "weak",
            "There is no U, only its weak end:",
            "only the weak end stands above",
        ),
        (1, 1, "absent", "There is no U:", "neither end stands"),
        (0.2, 0.2, "absent", "There is no U:", "neither end stands"),
    ],
)
def test_the_verdict_on_planted_spectra(strong, weak, verdict, opening, ending):
    found = edge_to_bulk(planted(strong, weak), USUAL, n_resamples=500)
    assert found.verdict == verdict
    for part, size in (
        (found.strong, strong),
        (found.weak, weak),
        (found, (strong + weak) / 2),
    ):
        assert part.low <= part.ratio <= part.high
        assert part.ratio == pytest.approx(size, rel=0.15)
    sentence = describe(found)
    assert sentence.startswith(opening)
    assert ending in sentence
    assert "\n" not in sentence
    assert "of frequent tokens" in sentence
    assert "of random tokens" in describe(found, "random")


def test_the_ratio_by_definition():
    rng = np.random.default_rng(4)
    V, rows, h = np.eye(D), rng.standard_normal((K, D)), rng.standard_normal(D)
    shifts = [np.abs((h @ v) * (rows @ v)).sum() for v in V.T]
    bulk = np.mean(shifts[20:150])
    found = edge_to_bulk(contributions(V, rows, h), USUAL)
    assert found.strong.ratio == pytest.approx(np.mean(shifts[:10]) / bulk)
    assert found.weak.ratio == pytest.approx(np.mean(shifts[-10:]) / bulk)
    assert found.ratio == pytest.approx(np.mean(shifts[:10] + shifts[-10:]) / bulk)


@pytest.mark.parametrize("reached", [0, 24, 25, 999])
def test_an_end_stands_out_when_at_most_24_of_999_permutations_reach_it(reached):
    each = planted(3, 2)
    ratio = edge_to_bulk(each, USUAL).strong.ratio
    ratios = np.r_[np.full(reached, ratio), np.full(999 - reached, ratio - 1)]  # ties reach it
    end = edge_to_bulk(each, chance(np.random.default_rng(1).permutation(ratios))).strong
    assert end.p_value == (1 + reached) / 1000
    assert end.stands_out == (reached <= 24)
    assert (end.ratio > end.permuted) == end.stands_out
    assert end.permuted_median == np.median(ratios)


def test_permutations_without_a_ratio_speak_against_the_u():
    found = edge_to_bulk(planted(9, 9), chance(np.full(999, np.nan)))
    assert found.verdict == "absent"
    assert found.strong.p_value == 1


def test_few_permutations_decide_nothing():
    assert edge_to_bulk(planted(9, 9), chance(np.ones(38))).verdict == "absent"
    assert edge_to_bulk(planted(9, 9), chance(np.ones(39))).verdict == "both"


def test_the_interval_against_scipys_bootstrap():
    each = planted(3, 2, seed=4)
    size = np.abs(each)
    reference = bootstrap(
        (size[:, :10].mean(axis=1), size[:, 20:150].mean(axis=1)),
        lambda edge, bulk, axis: edge.sum(axis=axis) / bulk.sum(axis=axis),
        paired=True,
        method="percentile",
        n_resamples=4000,
        rng=np.random.default_rng(1),
    ).confidence_interval
    found = edge_to_bulk(each, USUAL, n_resamples=4000).strong
    assert found.low == pytest.approx(reference.low, rel=0.02)
    assert found.high == pytest.approx(reference.high, rel=0.02)


def test_the_interval_covers_as_often_as_it_says():
    # Tokens drawn from one population with true ratio 2 at the strong end.
    h = np.ones(D)
    h[:10] = 2
    hits = 0
    for seed in range(200):
        rows = np.random.default_rng(seed).standard_normal((K, D))
        found = edge_to_bulk(rows * h, USUAL, n_resamples=200, seed=seed).strong
        hits += found.low <= 2 <= found.high
    assert 175 <= hits <= 199


def test_it_is_seeded_and_the_confidence_widens_it():
    each = planted(3, 2)
    assert edge_to_bulk(each, USUAL) == edge_to_bulk(each, USUAL)
    assert edge_to_bulk(each, USUAL, seed=1).low != edge_to_bulk(each, USUAL).low
    wide = edge_to_bulk(each, USUAL, confidence=0.99)
    narrow = edge_to_bulk(each, USUAL, confidence=0.5)
    assert wide.low < narrow.low < narrow.high < wide.high
    record = dataclasses.asdict(wide)
    assert {"ratio", "low", "high", "strong", "weak"} <= set(record)
    assert record["strong"].items() >= {"ratio": wide.strong.ratio, "low": wide.strong.low}.items()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"edge": 0}, "must be shares of the spectrum in the order"),
        ({"edge": 0.3}, "must be shares of the spectrum in the order"),
        ({"bulk": (0.7, 0.2)}, "must be shares of the spectrum in the order"),
        ({"bulk": (0.1, 0.99)}, "must be shares of the spectrum in the order"),
    ],
)
def test_bad_ends(change, message):
    with pytest.raises(InputError, match=message):
        Ends.of(D, **change)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"confidence": 1.0}, "confidence must lie between 0 and 1"),
        ({"n_resamples": 0}, "resamples be at least 1"),
    ],
)
def test_bad_settings(change, message):
    with pytest.raises(InputError, match=message):
        edge_to_bulk(planted(), USUAL, **change)


def test_cases_without_a_ratio():
    each = planted()
    with pytest.raises(InputError, match="at least 2 of them; got 1"):
        edge_to_bulk(each[:1], USUAL)
    with pytest.raises(InputError, match="2 directions is too short"):
        Ends.of(2)
    with pytest.raises(InputError, match="no direction of the bulk shifts"):
        edge_to_bulk(np.eye(D)[[0, 0]], USUAL)
    with pytest.raises(InputError, match=r"shape \(60, 20\) do not fit"):
        edge_to_bulk(each[:, :20], USUAL)


def test_large_ratios_are_told_without_exponents():
    sentence = describe(edge_to_bulk(planted(12345, 1), USUAL, n_resamples=100))
    assert "e+" not in sentence
    assert "frequent tokens 1" in sentence


def test_a_contrast_is_the_ratio_of_two_ratios_of_absolute_shifts() -> None:
    rng = np.random.default_rng(3)
    frequent, control = rng.normal(size=(9, 40)), rng.normal(size=(7, 40))
    found = contrast(frequent, control, n_resamples=500)
    ends, bulk = [0, 1, 38, 39], range(4, 30)
    ratios = [np.abs(x[:, ends]).mean() / np.abs(x[:, bulk]).mean() for x in (frequent, control)]
    assert (found.tokens, found.others) == pytest.approx(ratios)
    assert found.ratio == pytest.approx(ratios[0] / ratios[1])
    assert found.low < found.ratio < found.high


def test_a_contrast_does_not_turn_round_with_the_size_of_the_logits() -> None:
    """Tokens whose logits nearly cancel have a large Δπ everywhere, and no larger contrast."""
    rng = np.random.default_rng(4)
    plain = np.abs(rng.normal(size=(60, 40)))
    cancelling = plain * np.where(np.arange(40) % 2, 1, -1)
    assert contrast(plain, cancelling).ratio == pytest.approx(1)
    assert contrast(7 * plain, plain).ratio == pytest.approx(1)


def test_the_interval_of_a_contrast_covers_as_often_as_it_says() -> None:
    """True contrast 2: the tokens' ends shift twice as much, those of 1,200 others do not."""
    ends = np.ones(40)
    ends[[0, 1, 38, 39]] = 2
    hits = 0
    for seed in range(150):
        rng = np.random.default_rng(seed)
        # Tokens differ in all they do, and in how much of it at the ends.
        tokens, others = (
            rng.normal(size=(k, 40)) * rng.lognormal(sigma=0.5, size=(k, 1)) for k in (60, 1200)
        )
        found: Contrast = contrast(tokens * ends, others, seed=seed, n_resamples=300)
        hits += found.low <= 2 <= found.high
    assert 134 <= hits <= 149  # binomial, 95 %: less or more once in a thousand times


@pytest.mark.parametrize(("k", "m"), [(1, 5), (5, 1)])
def test_a_contrast_refuses_what_has_no_interval(k: int, m: int) -> None:
    with pytest.raises(InputError, match="at least 2 in each set"):
        contrast(np.ones((k, 10)), np.ones((m, 10)))


def test_a_contrast_needs_a_bulk() -> None:
    with pytest.raises(InputError, match="no direction of the bulk"):
        contrast(np.ones((5, 10)), np.eye(10)[[0, 9]])
