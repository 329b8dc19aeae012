"""Differences pooled over tasks: by hand, and how often their intervals hold."""

import math

import numpy as np
import pytest

from embfilter_viz.embeddings.interval import Interval
from embfilter_viz.embeddings.text_intervals import mean_difference
from embfilter_viz.evaluation.pooling import pooled, together


def test_by_hand() -> None:
    tasks = [Interval(3.0, 0.0, 6.0), Interval(1.0, 0.0, 2.0), Interval(-1.0, -5.0, 3.0)]
    found = pooled(tasks, [0, 0, 1])
    reach = math.sqrt((3 + 1) ** 2 + 4**2) / 3
    assert found.value == pytest.approx(1.0)
    assert (found.low, found.high) == pytest.approx((1 - reach, 1 + reach))


def test_one_task_is_itself() -> None:
    one = Interval(2.0, 1.5, 2.5)
    assert pooled([one], [0]) == one


def test_without_an_interval_of_one_there_is_none_of_all() -> None:
    found = pooled([Interval(1.0, 0.0, 2.0), Interval(3.0, math.nan, math.nan)], [0, 1])
    assert found.value == 2.0
    assert not found.known


def test_tasks_that_share_texts_are_found_through_others_too() -> None:
    assert together([["a"], ["b"], ["c"]]) == [0, 1, 2]
    assert together([["a", "x"], ["b", "y"], ["z"], ["x", "y"]]) == [0, 0, 2, 0]


def test_without_regard_to_shared_texts_it_would_not_hold() -> None:
    """What ``tests/simulations.py`` draws, taken as if the tasks had nothing in common."""
    rng = np.random.default_rng(0)
    held = 0
    for _ in range(600):
        texts = rng.normal(size=60)
        gaps = [texts + 0.3 * rng.normal(size=60) for _ in range(2)] + [rng.normal(size=60)]
        one = pooled([mean_difference(gap, np.zeros(60)) for gap in gaps], [0, 1, 2])
        held += one.low <= 0 <= one.high
    assert held < 0.93 * 600
