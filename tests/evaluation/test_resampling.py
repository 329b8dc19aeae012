"""The bootstrap: the same resamples for all, intervals that cover as often as they say."""

import numpy as np
import pytest
from scipy import stats

from embfilter_viz.errors import InputError
from embfilter_viz.evaluation.grids import windows_of_plane, windows_of_taus
from embfilter_viz.evaluation.resampling import (
    Resamples,
    intervals,
    simultaneous_intervals,
    unit_counts,
)


def how(drawn: int, **more: object) -> Resamples:
    """Resamples of which only this is known."""
    return Resamples(np.ones((1, drawn)), drawn, **more)  # type: ignore[arg-type]


def test_resamples_are_drawn_from_the_half_alone_and_repeat() -> None:
    among = np.arange(10) < 4
    counts = unit_counts(10, among, count=50)
    assert (counts[:, ~among] == 0).all()
    assert (counts.sum(axis=1) == 4).all()
    np.testing.assert_array_equal(counts, unit_counts(10, among, count=50))


def test_intervals_cover_as_often_as_they_say() -> None:
    """Forty means of nothing, many times: each alone is missed, all together seldom."""
    alone = together = 0
    for seed in range(200):
        data = np.random.default_rng(seed).normal(size=(40, 60))
        again = data @ unit_counts(60, count=300, seed=seed).T / 60
        values = data.mean(axis=1)
        alone += any(one.low > 0 or one.high < 0 for one in intervals(values, again, how(60)))
        corrected = simultaneous_intervals(values, again, how(60)).intervals
        together += any(one.low > 0 or one.high < 0 for one in corrected)
    assert alone > 150
    # At exact binomial bounds: so many misses come once in a thousand times at 7 %.
    assert together <= stats.binom.ppf(1 - 1e-3, 200, 0.07)


@pytest.mark.parametrize("n", [10, 30, 400])
def test_of_a_mean_it_is_students_interval(n: int) -> None:
    """The bootstrap of few units is set right for their number."""
    data = np.random.default_rng(0).normal(5, 2, size=(1, n))
    again = data @ unit_counts(n, count=20_000).T / n
    (one,) = intervals(data.mean(axis=1), again, how(n))
    reach = stats.t.ppf(0.975, n - 1) * data.std(ddof=1) / np.sqrt(n)
    assert (one.low, one.high) == pytest.approx((one.value - reach, one.value + reach), rel=0.02)


def test_undefined_resamples_are_left_out_and_none_left_says_nothing() -> None:
    again = np.array([[1.0, np.nan, 3.0]])
    (one,) = intervals(np.array([2.0]), again, how(10_000))
    assert (one.low, one.high) == pytest.approx((1, 3), abs=0.01)
    (nothing,) = intervals(np.array([2.0]), np.full((1, 3), np.nan), how(9), bounds=(0, 100))
    assert (nothing.low, nothing.high) == (0, 100)
    (same,) = simultaneous_intervals(np.array([0.0]), np.zeros((1, 9)), how(9)).intervals
    assert (same.low, same.high) == (0, 0)


def test_what_resamples_hold_fixed_widens_and_a_refusal_leaves_no_interval() -> None:
    data = np.random.default_rng(0).normal(size=(3, 50))
    values, again = data.mean(axis=1), data @ unit_counts(50, count=500).T / 50
    for make in (intervals, lambda *given: simultaneous_intervals(*given).intervals):
        plain, twice = make(values, again, how(50)), make(values, again, how(50, widening=2.0))
        for one, other in zip(plain, twice, strict=True):
            assert other.high - other.low == pytest.approx(2 * (one.high - one.low))
        refused = make(values, again, how(50, refusal="too few"))
        assert [one.known for one in refused] == [False] * 3
        assert [one.value for one in refused] == pytest.approx(values)


def test_one_more_look_reaches_as_far_as_the_many_before() -> None:
    data = np.random.default_rng(0).normal(size=(60, 80))
    values, again = data.mean(axis=1), data @ unit_counts(80, count=500).T / 80
    many = simultaneous_intervals(values, again, how(80))
    alone = simultaneous_intervals(values[:1], again[:1], how(80))
    more = simultaneous_intervals(values[:1], again[:1], how(80), at_least=many.critical)
    assert more.intervals == many.intervals[:1]
    assert alone.critical < 2.2 < 3 < many.critical == more.critical


def test_windows_that_are_tried() -> None:
    plane = windows_of_plane(4, 30)
    assert [str(w) for w in plane[:4]] == ["0:8", "0:15", "0:23", "0:30"]
    assert len(plane) == 10
    assert len(windows_of_plane(20, 6)) == 21  # no window comes twice
    for steps in (1, 61):
        with pytest.raises(InputError, match=f"grid {steps}: must be from 2 to 60"):
            windows_of_plane(steps, 30)
    with pytest.raises(InputError, match="none is given"):
        windows_of_taus([], 8)
