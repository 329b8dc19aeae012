"""The bootstrap: the same resamples for all, intervals that cover as often as they say."""

import numpy as np
import pytest

from embfilter_viz.errors import InputError
from embfilter_viz.evaluation.grids import windows_of_plane, windows_of_taus
from embfilter_viz.evaluation.resampling import intervals, resamples, simultaneous_intervals


def test_resamples_are_drawn_from_the_half_alone_and_repeat() -> None:
    among = np.arange(10) < 4
    counts = resamples(10, among, count=50)
    assert (counts[:, ~among] == 0).all()
    assert (counts.sum(axis=1) == 4).all()
    np.testing.assert_array_equal(counts, resamples(10, among, count=50))


def test_intervals_cover_as_often_as_they_say() -> None:
    """Forty means of nothing, many times: each alone is missed, all together seldom."""
    alone = together = 0
    for seed in range(100):
        data = np.random.default_rng(seed).normal(size=(40, 60))
        again = data @ resamples(60, count=300, seed=seed).T / 60
        values = data.mean(axis=1)
        alone += any(one.low > 0 or one.high < 0 for one in intervals(values, again))
        corrected = simultaneous_intervals(values, again)
        together += any(one.low > 0 or one.high < 0 for one in corrected)
    assert alone > 75
    assert together < 15


def test_an_interval_is_that_of_the_mean_and_holds_its_value() -> None:
    data = np.random.default_rng(0).normal(5, 2, size=(1, 400))
    (one,) = intervals(data.mean(axis=1), data @ resamples(400).T / 400)
    assert one.low < one.value < one.high
    assert one.high - one.low == pytest.approx(2 * 1.96 * 2 / 20, rel=0.1)


def test_undefined_resamples_are_left_out_and_none_left_says_nothing() -> None:
    again = np.array([[1.0, np.nan, 3.0]])
    (one,) = intervals(np.array([2.0]), again)
    assert (one.low, one.high) == pytest.approx((1, 3))
    (nothing,) = intervals(np.array([2.0]), np.full((1, 3), np.nan), bounds=(0, 100))
    assert (nothing.low, nothing.high) == (0, 100)
    (same,) = simultaneous_intervals(np.array([0.0]), np.zeros((1, 9)))
    assert (same.low, same.high) == (0, 0)


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
