import dataclasses

import numpy as np
import pytest
from scipy.stats import bootstrap

from embfilter_viz.errors import InputError
from embfilter_viz.spectral import describe, edge_to_bulk, logit_shifts
from embfilter_viz.spectral.edge_to_bulk import edge_ratio

D, K = 200, 60


def planted(head=1.0, tail=1.0, seed=0):
    """V, rows and h whose directions shift logits equally but for planted edges of 5 %."""
    rng = np.random.default_rng(seed)
    V, _ = np.linalg.qr(rng.standard_normal((D, D)))
    c = np.ones(D)
    c[:10] *= head
    c[-10:] *= tail
    return V, rng.standard_normal((K, D)) @ V.T, V @ c


@pytest.mark.parametrize(
    ("head", "tail", "verdict", "opening", "ending"),
    [
        (5, 4, "both", "The U is there", "both edges stand above"),
        (5, 1, "head", "Half of the U is there", "only the strong edge"),
        (1, 5, "tail", "Half of the U is there", "only the weak edge"),
        (1, 1, "absent", "The U is absent", "neither edge"),
        (0.2, 0.2, "absent", "The U is absent", "neither edge"),
    ],
)
def test_the_verdict_on_planted_spectra(head, tail, verdict, opening, ending):
    found = edge_to_bulk(*planted(head, tail), n_resamples=500)
    assert found.verdict == verdict
    for part, size in ((found.head, head), (found.tail, tail), (found, (head + tail) / 2)):
        assert part.low <= part.ratio <= part.high
        assert part.ratio == pytest.approx(size, rel=0.15)
    sentence = describe(found)
    assert sentence.startswith(opening)
    assert ending in sentence
    assert "\n" not in sentence
    assert "of frequent tokens" in sentence
    assert "of random tokens" in describe(found, "random")


def test_the_ratio_by_definition():
    V, rows, h = planted(3, 2, seed=4)
    shifts = [np.abs((h @ v) * (rows @ v)).sum() for v in V.T]
    bulk = np.mean(shifts[20:150])
    found = edge_to_bulk(V, rows, h)
    assert found.head.ratio == pytest.approx(np.mean(shifts[:10]) / bulk)
    assert found.tail.ratio == pytest.approx(np.mean(shifts[-10:]) / bulk)
    assert found.ratio == pytest.approx(np.mean(shifts[:10] + shifts[-10:]) / bulk)


def test_the_interval_against_scipys_bootstrap():
    V, rows, h = planted(3, 2, seed=4)
    size = np.abs((rows @ V) * (h @ V))
    reference = bootstrap(
        (size[:, :10].mean(axis=1), size[:, 20:150].mean(axis=1)),
        lambda edge, bulk, axis: edge.sum(axis=axis) / bulk.sum(axis=axis),
        paired=True,
        method="percentile",
        n_resamples=4000,
        rng=np.random.default_rng(1),
    ).confidence_interval
    found = edge_to_bulk(V, rows, h, n_resamples=4000).head
    assert found.low == pytest.approx(reference.low, rel=0.02)
    assert found.high == pytest.approx(reference.high, rel=0.02)


def test_the_interval_covers_as_often_as_it_says():
    # Tokens drawn from one population with true ratio 2 at the head.
    h = np.ones(D)
    h[:10] = 2
    hits = 0
    for seed in range(200):
        rows = np.random.default_rng(seed).standard_normal((K, D))
        found = edge_to_bulk(np.eye(D), rows, h, n_resamples=200, seed=seed).head
        hits += found.low <= 2 <= found.high
    assert 175 <= hits <= 199


def test_it_is_seeded_and_the_confidence_widens_it():
    case = planted(3, 2)
    assert edge_to_bulk(*case) == edge_to_bulk(*case)
    assert edge_to_bulk(*case, seed=1).low != edge_to_bulk(*case).low
    wide, narrow = edge_to_bulk(*case, confidence=0.99), edge_to_bulk(*case, confidence=0.5)
    assert wide.low < narrow.low < narrow.high < wide.high
    record = dataclasses.asdict(wide)
    assert {"ratio", "low", "high", "head", "tail"} <= set(record)
    assert record["head"] == {
        "ratio": wide.head.ratio,
        "low": wide.head.low,
        "high": wide.head.high,
    }


def test_the_scale_of_the_average_token_does_not_matter():
    V, rows, h = planted(3, 2)
    first, second = edge_to_bulk(V, rows, h), edge_to_bulk(V, rows * 7, h * 100)
    assert second.ratio == pytest.approx(first.ratio)
    assert second.low == pytest.approx(first.low)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"edge": 0}, "must be shares of the spectrum in the order"),
        ({"edge": 0.3}, "must be shares of the spectrum in the order"),
        ({"bulk": (0.7, 0.2)}, "must be shares of the spectrum in the order"),
        ({"bulk": (0.1, 0.99)}, "must be shares of the spectrum in the order"),
        ({"confidence": 1.0}, "confidence must lie between 0 and 1"),
        ({"n_resamples": 0}, "resamples be at least 1"),
    ],
)
def test_bad_settings(change, message):
    with pytest.raises(InputError, match=message):
        edge_to_bulk(*planted(), **change)


def test_cases_without_a_ratio():
    V, rows, h = planted()
    with pytest.raises(InputError, match="at least 2 of them; got 1"):
        edge_to_bulk(V, rows[:1], h)
    with pytest.raises(InputError, match="2 directions is too short"):
        edge_to_bulk(np.eye(2), np.ones((4, 2)), np.ones(2))
    with pytest.raises(InputError, match="no direction of the bulk shifts"):
        edge_to_bulk(np.eye(20), np.ones((4, 20)), np.eye(20)[0])


def test_large_ratios_are_told_without_exponents():
    sentence = describe(edge_to_bulk(*planted(12345, 1), n_resamples=100))
    assert "e+" not in sentence
    assert "the bulk (95 % interval 1" in sentence


def test_edge_ratio_is_the_ratio_of_two_mean_shifts() -> None:
    rng = np.random.default_rng(3)
    V = np.linalg.qr(rng.normal(size=(40, 40)))[0]
    frequent, control, h = rng.normal(size=(9, 40)), rng.normal(size=(7, 40)), rng.normal(size=40)
    found = edge_ratio(V, frequent, control, h, edge=0.1, n_resamples=500)
    edges = [*range(4), *range(36, 40)]
    means = [logit_shifts(V, rows, h)[edges].mean() for rows in (frequent, control)]
    assert found.ratio == pytest.approx(means[0] / means[1], rel=1e-9)
    assert found.low < found.ratio < found.high


def test_edge_ratio_of_a_set_with_itself_is_about_one() -> None:
    rng = np.random.default_rng(4)
    rows, h = rng.normal(size=(60, 20)) + 1, rng.normal(size=20) + 1
    found = edge_ratio(np.eye(20), rows, rows, h)
    assert found.ratio == pytest.approx(1.0)
    assert found.low < 1 < found.high


@pytest.mark.parametrize(("edge", "k"), [(0.0, 5), (0.5, 5), (0.05, 1)])
def test_edge_ratio_refuses_what_has_no_interval(edge: float, k: int) -> None:
    with pytest.raises(InputError):
        edge_ratio(np.eye(10), np.ones((k, 10)), np.ones((5, 10)), np.ones(10), edge=edge)
