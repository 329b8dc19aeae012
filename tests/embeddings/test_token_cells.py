"""Top token, probability, entropy and rank of a state, by hand and by scipy."""

import numpy as np
from scipy.special import softmax
from scipy.stats import entropy

from embfilter_viz.embeddings.token_cells import cells_of, join_cells


def test_ranks_by_hand() -> None:
    logits = np.float32([[0.5, 2.0, -1.0, 2.0], [4, 3, 2, 1]])
    # Token 3 has the largest logit of the first state as token 1 has, which comes before it.
    assert cells_of(logits, token=3).rank.tolist() == [1, 3]  # type: ignore[union-attr]
    assert cells_of(logits, token=1).rank.tolist() == [0, 1]  # type: ignore[union-attr]
    assert cells_of(logits).rank is None
    assert cells_of(logits).top.tolist() == [1, 0]


def test_probability_and_entropy_are_scipys() -> None:
    logits = np.random.default_rng(0).normal(0, 5, (6, 1000)).astype(np.float32)
    logits[5] = 300 * logits[5]  # one token has all
    found = cells_of(logits)
    p = softmax(logits.astype(np.float64), axis=1)
    np.testing.assert_allclose(found.probability, p.max(axis=1), rtol=1e-5)
    np.testing.assert_allclose(found.entropy, entropy(p, axis=1, base=2), rtol=1e-4, atol=1e-9)


def test_blocks_are_joined_in_their_order() -> None:
    logits = np.random.default_rng(1).normal(size=(7, 50)).astype(np.float32)
    whole = cells_of(logits, 4)
    parts = join_cells([cells_of(part, 4) for part in (logits[:3], logits[3:])])
    for name in ("top", "probability", "entropy", "rank"):
        np.testing.assert_array_equal(getattr(whole, name), getattr(parts, name))
