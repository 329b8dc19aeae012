import numpy as np

from embfilter_viz.embeddings.own_tokens import median_ranks, own_tokens

RANKS = np.array([3, 0, 1, 2, 4])


def test_own_tokens_are_each_once_and_not_frequent() -> None:
    assert own_tokens([4, 1, 0, 4, 3], RANKS, cutoff=2).tolist() == [4, 0, 3]
    assert own_tokens([1, 2], RANKS, cutoff=2).tolist() == []


def test_tokens_without_a_row_of_the_head_are_left_out() -> None:
    assert own_tokens([5, 0, -1], RANKS, cutoff=0).tolist() == [0]


def test_median_ranks_against_sorting() -> None:
    logits = np.random.default_rng(0).normal(size=(3, 50))
    tokens = [np.array([4, 7, 30]), np.array([], dtype=int), np.array([1, 2])]
    found = median_ranks(logits, tokens)
    for row in (0, 2):
        order = np.argsort(-logits[row]).tolist()
        assert found[row] == np.median([order.index(i) for i in tokens[row]])
    assert np.isnan(found[1])
