"""Intervals hold as often as they promise: the quick ones of benchmarks/coverage.py.

At exact binomial bounds: a test fails where so few would come once in a thousand times if the
promise were kept.
"""

import numpy as np
import pytest

from embfilter_viz.evaluation.cosine_pairs import MANY_PAIRS
from embfilter_viz.evaluation.resampling import Resamples, intervals, unit_counts
from tests.simulations import Simulation, pair_task, run, simulations


@pytest.fixture(autouse=True)
def fewer_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    """Enough for a quantile; the benchmark takes more."""
    monkeypatch.setattr("tests.simulations.N_RESAMPLES", 200)


KNOWN = {f"{one.kind}: {one.setting}": one for one in simulations()}

QUICK = (
    ("isotropy: 60 texts of 100 numbers, lognormal", 100),
    ("specificity: 40 texts", 200),
    ("Spearman: 160 pairs of different texts, 0 of a text's own", 100),
    ("Spearman: 12 texts, each with 30 others, 1 of a text's own", 100),
    ("Spearman: 20 texts, each with 20 others, 1 of a text's own", 100),
    ("average precision: 124 pairs, 50% of one meaning", 100),
    ("nDCG@10: 10 queries", 150),
    ("accuracy: 40 texts of 4 labels, 1.6 apart", 40),
    ("V-measure: 40 texts of 4 labels, 1.6 apart", 40),
    ("a sweep, corrected: 21 windows of 120 pairs, to raw", 40),
    ("a sweep, reporting half: 60 of 120 pairs, to raw", 40),
    ("claims, pooled over tasks: 3 tasks of 60 texts, two of the same", 600),
)


@pytest.mark.parametrize(("name", "count"), QUICK)
def test_they_hold_as_often_as_they_promise(name: str, count: int) -> None:
    simulation = KNOWN[name]
    for found in run(simulation, count, seed=1):
        assert found.keeps(simulation.promised), (found, simulation.promised)


def test_the_test_can_fail_where_pairs_that_share_texts_are_drawn_singly() -> None:
    """What stood here before: of 20 texts, each with 20 others, it holds in three of four cases."""

    def draw(rng: np.random.Generator) -> dict:
        task, variants = pair_task("20 texts, each with 20 others", rng, of_text=1.0)
        assert task.drawn_texts.all()
        outcomes = np.stack(variants)
        how = Resamples(unit_counts(task.n_units, count=200), task.n_units)
        values, again = task.scores(outcomes)[:, 0], task.scores(outcomes, how.counts)
        return {"score": intervals(values, again, how)[0]}

    (found,) = run(Simulation("Spearman", "drawn singly", draw), 100)
    assert not found.keeps(0.93), found


def test_a_pair_is_drawn_as_often_as_its_drawn_texts() -> None:
    """Texts of ten pairs and more are drawn; of the others each pair; halves by themselves."""
    rng = np.random.default_rng(0)
    task, _ = pair_task("12 texts, each with 30 others", rng, of_text=0)
    assert int(task.drawn_texts.sum()) == 12
    how = task.resamples(count=50)
    assert how.drawn == 12
    for text in range(12):
        own = how.counts[:, task.first == text]
        assert (own == own[:, :1]).all(), "all of a text's pairs come together"
    assert (how.counts.sum(axis=1) == 360).all()
    among = np.arange(360) < 150
    half = task.resamples(among, count=50)
    assert half.drawn == 5
    assert (half.counts[:, ~among] == 0).all()

    crossed, _ = pair_task("20 texts, each with 20 others", rng, of_text=0)
    counts = crossed.resamples(count=50).counts.reshape(50, 20, 20)
    for one in counts:
        assert np.linalg.matrix_rank(one) <= 1, "the product of two texts' counts"

    single, _ = pair_task("160 pairs of different texts", rng, of_text=0)
    assert not single.drawn_texts.any()
    how = single.resamples(count=50, seed=3)
    np.testing.assert_array_equal(how.counts, unit_counts(160, count=50, seed=3))
    assert how.drawn == 160
    assert MANY_PAIRS == 10
