"""Sizes by arithmetic; that both sides are searched, in turns, and the ratio is of those times."""

import numpy as np
import pytest

from embfilter_viz.errors import InputError
from embfilter_viz.evaluation import cost
from embfilter_viz.evaluation.cost import Cost, index_bytes, search_cost
from embfilter_viz.spectral.windows import Window


def test_a_million_vectors_take_the_bytes_of_their_numbers() -> None:
    sizes = index_bytes(1_000_000, 576)
    for name, n_bytes in sizes.items():
        assert n_bytes == 1000 * np.zeros((1000, 576), dtype=name).nbytes


def test_both_sides_take_turns_on_indexes_of_their_widths(monkeypatch: pytest.MonkeyPatch) -> None:
    searched: list[int] = []

    def recording(n: int, size: int, *_: object) -> object:
        return lambda: searched.append(size)

    monkeypatch.setattr(cost, "_searcher", recording)
    found = search_cost(Window(2, 5, 8), n_vectors=50, repeats=6)
    assert searched == [8, 3] * 7  # one turn of each warms up
    assert len(found.seconds_before) == len(found.seconds_after) == 6


def test_speedup_is_the_median_of_paired_ratios_with_its_spread() -> None:
    times = ((2.0, 4.0, 9.0), (1.0, 4.0, 3.0))
    found = Cost(Window(0, 4, 8), {"float32": (32, 16)}, 10, 1, 1, *times)
    assert (found.speedup.value, found.speedup.low, found.speedup.high) == (2.0, 1.0, 3.0)
    assert "4 instead of 8" in found.sentence


@pytest.mark.parametrize(
    ("more", "rule"),
    [
        ({"repeats": 4}, "5 or more"),
        ({"n_queries": 0}, "1 or more"),
        ({"top": 10}, "fewer than the 10"),
    ],
)
def test_what_cannot_be_measured_is_refused(more: dict[str, int], rule: str) -> None:
    with pytest.raises(InputError, match=rule):
        search_cost(Window(0, 4, 8), n_vectors=10, **more)
