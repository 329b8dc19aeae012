import numpy as np
import pytest

from embfilter_viz.embeddings.interval import Interval
from embfilter_viz.embeddings.median import median_over_texts
from embfilter_viz.errors import InputError

# Ranks of the ends in a table of distribution-free intervals of the median, 95 % (Conover 1999).
TABLE = {10: (2, 9), 11: (2, 10), 12: (3, 10), 15: (4, 12), 20: (6, 15), 25: (8, 18), 100: (40, 61)}


@pytest.mark.parametrize(("n", "ends"), TABLE.items())
def test_ends_are_those_of_the_tables(n: int, ends: tuple[int, int]) -> None:
    values = np.random.default_rng(0).permutation(np.arange(1.0, n + 1))
    found = median_over_texts(values, (0, 1000))
    assert (found.low, found.high) == ends
    assert found.value == (n + 1) / 2


def test_it_holds_the_median_of_what_has_no_mean() -> None:
    rng = np.random.default_rng(0)
    held = 0
    for _ in range(400):
        found = median_over_texts(rng.standard_cauchy(31), (-np.inf, np.inf))
        held += found.low <= 0 <= found.high
    # Of 400 at 95 % or more, 366 or fewer with a probability of 0.2 %.
    assert held > 366


def test_few_texts_have_no_interval() -> None:
    assert median_over_texts(np.array([3.0, 1.0, 2.0]), (0, 9)) == Interval(2, 0, 9)
    with pytest.raises(InputError, match="no texts"):
        median_over_texts(np.array([]), (0, 9))
