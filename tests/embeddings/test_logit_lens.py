"""The lens's rankings against sorting the whole vocabulary."""

import numpy as np
import pytest

from embfilter_viz.embeddings.logit_lens import (
    frequent_share,
    rank_changes,
    ranks_of,
    top_tokens,
)
from embfilter_viz.errors import InputError


@pytest.fixture
def logits():
    # Rounded, so that ties abound.
    return np.random.default_rng(0).normal(size=(4, 300)).round(1).astype(np.float32)


def all_ranks(logits):
    ranks = np.empty(len(logits), dtype=int)
    ranks[np.argsort(-logits, kind="stable")] = np.arange(len(logits))
    return ranks


def test_top_tokens_of_one_text_and_of_many(logits):
    many = top_tokens(logits, 12)
    for row, ids, values in zip(logits, many.ids, many.logits, strict=True):
        np.testing.assert_array_equal(ids, np.argsort(-row, kind="stable")[:12])
        np.testing.assert_array_equal(values, row[ids])
        np.testing.assert_array_equal(top_tokens(row, 12).ids, ids)
    assert many.logits.dtype == np.float32
    assert not many.ids.flags.writeable


def test_ranks_equal_places_in_the_sorted_vocabulary(logits):
    ids = np.array([0, 299, 7, 7, 150])
    np.testing.assert_array_equal(ranks_of(logits[0], ids), all_ranks(logits[0])[ids])
    shown = top_tokens(logits[0], 20).ids
    np.testing.assert_array_equal(ranks_of(logits[0], shown), np.arange(20))


def test_rank_changes_say_where_each_shown_token_was_and_went(logits):
    raw, filtered = logits[:2]
    shown = np.union1d(top_tokens(raw, 5).ids, top_tokens(filtered, 5).ids)
    changes = rank_changes(raw, filtered, shown)
    np.testing.assert_array_equal(changes.before, all_ranks(raw)[shown])
    np.testing.assert_array_equal(changes.after, all_ranks(filtered)[shown])
    np.testing.assert_array_equal(changes.change, changes.before - changes.after)
    assert changes.change.min() < 0 < changes.change.max()
    back = rank_changes(filtered, raw, shown)
    np.testing.assert_array_equal(back.change, -changes.change)
    assert shown.flags.writeable


def test_frequent_share_by_hand():
    ranks = np.array([3, 0, 2, 1])  # token 1 is the most frequent, then 3, 2, 0
    assert frequent_share(np.array([1, 3, 0, 2]), ranks, cutoff=2) == 0.5
    assert frequent_share(np.array([[1, 3], [0, 2], [0, 1]]), ranks, cutoff=2).tolist() == [
        1,
        0,
        0.5,
    ]
    assert frequent_share(np.array([0, 1]), ranks) == 1


def test_what_cannot_be_ranked_is_refused(logits):
    with pytest.raises(InputError, match="top 0"):
        top_tokens(logits, 0)
    with pytest.raises(InputError, match="NaN"):
        top_tokens(np.array([1.0, np.nan]), 1)
    with pytest.raises(InputError, match="NaN"):
        ranks_of(np.array([1.0, np.nan]), np.array([0]))
    with pytest.raises(InputError, match="one text and one vocabulary"):
        rank_changes(logits[0], logits[1, :-1], np.array([0]))
    with pytest.raises(InputError, match="at least 1"):
        frequent_share(np.empty(0, int), np.arange(4))
