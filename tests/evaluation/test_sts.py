"""STS against the definition: ranks of cosines, Pearson's correlation of the ranks."""

import numpy as np
import pytest

from embfilter_viz.errors import InputError
from embfilter_viz.evaluation.sts import pair_cosines, sts_spearman


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
    return E1, E2, scores


def test_equals_the_definition(pairs):
    E1, E2, scores = pairs
    cosines = np.array([a @ b / np.sqrt((a @ a) * (b @ b)) for a, b in zip(E1, E2, strict=True)])
    np.testing.assert_allclose(pair_cosines(E1, E2), cosines, atol=1e-14)
    expected = 100 * np.corrcoef(ranks(cosines), ranks(scores))[0, 1]
    found = sts_spearman(E1, E2, scores)
    assert found.value == pytest.approx(expected)
    assert 30 < found.low < found.value < found.high < 70


def test_only_the_order_of_scores_matters(pairs):
    E1, E2, scores = pairs
    found = sts_spearman(E1, E2, scores)
    assert sts_spearman(E1 * 7, E2, np.exp(scores)) == found
    turned = sts_spearman(E1, E2, -scores)
    assert turned.value == pytest.approx(-found.value)
    assert turned.low == pytest.approx(-found.high)


def test_the_interval_is_that_of_resampled_pairs(pairs):
    E1, E2, scores = pairs
    cosines = pair_cosines(E1, E2)
    rng = np.random.default_rng(4)
    drawn = rng.integers(0, 120, size=(300, 120))
    values = [100 * np.corrcoef(ranks(cosines[d]), ranks(scores[d]))[0, 1] for d in drawn]
    found = sts_spearman(E1, E2, scores, n_resamples=300, confidence=0.9, seed=4)
    assert found.low == pytest.approx(np.quantile(values, 0.05))
    assert found.high == pytest.approx(np.quantile(values, 0.95))


def test_the_interval_covers():
    """200 samples of 150 pairs from one population, against its correlation."""
    rng = np.random.default_rng(5)

    def draw(n):
        angle = rng.uniform(0.1, 3, n)
        E2 = np.column_stack([np.cos(angle), np.sin(angle)])
        return np.tile([1.0, 0], (n, 1)), E2, -angle + rng.normal(0, 1, n)

    truth = sts_spearman(*draw(100_000), n_resamples=1).value
    found = [sts_spearman(*draw(150), n_resamples=300, seed=i) for i in range(200)]
    covered = np.mean([one.low <= truth <= one.high for one in found])
    assert 0.91 <= covered <= 0.99


def test_one_seed_one_result(pairs):
    assert sts_spearman(*pairs, seed=1) == sts_spearman(*pairs, seed=1)
    assert sts_spearman(*pairs, seed=1).low != sts_spearman(*pairs, seed=2).low


def test_three_pairs_are_enough_to_order():
    E2 = np.array([[1.0, 0.1], [1, 1], [0, 1]])
    found = sts_spearman(np.tile([1.0, 0], (3, 1)), E2, np.array([3, 2, 1]))
    assert (found.value, found.low, found.high) == (pytest.approx(100),) * 3


@pytest.mark.parametrize(
    ("scores", "rule"),
    [
        ([2.0] * 4, "scores: all are 2"),
        ([1, 2, np.nan, 4], "pair 2 has nan"),
        (["a", "b", "c", "d"], "must be numbers"),
        ([1, 2, 3], "give one score a pair"),
    ],
)
def test_scores_that_order_nothing_are_refused(scores, rule):
    E = np.random.default_rng(0).normal(size=(4, 3))
    with pytest.raises(InputError, match=rule) as caught:
        sts_spearman(E, E[::-1] + 1, np.array(scores))
    assert "\n" not in str(caught.value)


def test_embeddings_that_order_nothing_are_refused():
    E = np.random.default_rng(0).normal(size=(4, 3))
    scores = np.arange(4.0)
    with pytest.raises(InputError, match="cosines: all are 1"):
        sts_spearman(np.ones((4, 1)), np.ones((4, 1)), scores)
    with pytest.raises(InputError, match="at least 3"):
        sts_spearman(E[:2], E[1:3], scores[:2])
    with pytest.raises(InputError, match="two rows for each pair"):
        sts_spearman(E, E[:3], scores)
    with pytest.raises(InputError, match="second sentences: row 0 is zero"):
        sts_spearman(E, E * np.array([0, 1, 1, 1])[:, None], scores)
