"""STS against the definition: ranks of cosines, Pearson's correlation of the ranks."""

import numpy as np
import pytest

from embfilter_viz.errors import InputError
from embfilter_viz.evaluation.pair_classification import PairTask
from embfilter_viz.evaluation.sts import StsTask


def ranks(values):
    """Mean ranks of ties, one value at a time."""
    return np.array([(values < v).sum() + ((values == v).sum() + 1) / 2 for v in values])


@pytest.fixture
def pairs():
    rng = np.random.default_rng(0)
    E1 = rng.normal(size=(120, 6))
    noise = rng.uniform(0, 3, 120)
    E2 = E1 + noise[:, None] * rng.normal(size=(120, 6))
    scores = np.round(5 - noise + rng.normal(0, 0.7, 120))  # rounded: full of ties
    return np.concatenate([E1, E2]), scores


def task_of(scores, shared=False):
    n = len(scores)
    return StsTask.of_pairs(
        [("one" if shared else f"a{i}", f"b{i}") for i in range(n)], scores, "by hand"
    )


def in_order(task, E):
    """The rows of E by the places of the task's texts."""
    n = task.n_units
    found = np.empty_like(E)
    found[task.first], found[task.second] = E[:n], E[n:]
    return found


def test_equals_the_definition(pairs):
    E, scores = pairs
    task = task_of(scores)
    cosines = np.array(
        [a @ b / np.sqrt((a @ a) * (b @ b)) for a, b in zip(E[:120], E[120:], strict=True)]
    )
    rows = in_order(task, E)
    np.testing.assert_allclose(task.outcomes(rows), cosines, atol=1e-9)
    expected = 100 * np.corrcoef(ranks(cosines), ranks(scores))[0, 1]
    assert task.score(rows) == pytest.approx(expected)
    # Only the order of scores matters.
    assert task_of(np.exp(scores)).score(rows) == pytest.approx(expected)
    assert task_of(-scores).score(rows) == pytest.approx(-expected)


def test_two_grades_of_too_few_pairs_have_no_interval_and_it_is_said_why():
    for low, refused in ((9, True), (10, False)):
        task = task_of([0.0] * low + [1.0] * 15)
        how = task.resamples(count=20)
        assert (how.refusal is not None) == refused
        assert how.drawn == 2 * low
    assert task_of([0.0] * 9 + [1.0] * 15).resamples().refusal == (
        "of 24 pairs only 9 have one of the two grades, too few for an interval: 10 of either are "
        "needed"
    )
    # The half that reports has half as many.
    task = task_of([0.0, 1.0] * 15)
    assert task.resamples().refusal is None
    assert task.resamples(~task.chooses).refusal is not None
    # Three grades order enough.
    assert task_of([0.0, 1.0, 2.0] * 4).resamples().refusal is None
    same = PairTask.of_pairs(
        [(f"a{i}", f"b{i}") for i in range(19)], [True, False] * 9 + [True], "x"
    )
    assert same.resamples().refusal is not None


def test_texts_of_many_pairs_are_told_of():
    assert task_of(np.arange(12.0), shared=True).notes == (
        "1 text occurs in 10 pairs or more: intervals draw them with all their pairs, the other "
        "pairs singly. Both halves of the pairs hold such a text, so the reporting half is not "
        "quite new.",
    )
    assert task_of(np.arange(12.0)).notes == ()


def test_scores_that_order_nothing_are_refused():
    with pytest.raises(InputError, match="all of the 12 scores are 2"):
        task_of([2.0] * 12)
    with pytest.raises(InputError, match="at least 10 pairs"):
        task_of([1.0, 2.0, 3.0])
