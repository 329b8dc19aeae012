import numpy as np
import pytest

from embfilter_viz.models.encoding.batches import batches_by_beginning, batches_by_length
from embfilter_viz.models.encoding.packing import Packing, common_beginning
from embfilter_viz.models.encoding.prepared import Prepared

RNG = np.random.default_rng(0)
PREPARED = [
    Prepared((7, 7, *RNG.integers(0, 3, size=n).tolist()), n + 1, False)
    for n in RNG.integers(1, 90, 300)
]
"""Random walks over three tokens behind two common ones: many share more than those."""


@pytest.mark.parametrize("by", [batches_by_length, batches_by_beginning])
def test_batches_cover_every_row_once_and_equal_sequences_run_once(by):
    batches = by([*PREPARED, *PREPARED[:20]], 200)
    assert sorted(np.concatenate([batch.rows for batch in batches])) == list(range(320))
    assert sum(len(batch.sequences) for batch in batches) == len(set(PREPARED))
    for batch in batches:
        for row, source in zip(batch.rows, batch.source, strict=True):
            assert ([*PREPARED, *PREPARED[:20]])[row] == batch.sequences[source]


def test_batches_by_length_keep_within_the_bound():
    for batch in batches_by_length(PREPARED, 200):
        lengths = [len(s.ids) for s in batch.sequences]
        assert len(lengths) == 1 or len(lengths) * max(lengths) <= 200
        assert max(lengths) - min(lengths) <= max(lengths) // 16


@pytest.mark.parametrize("n_known", [0, 2])
def test_batches_by_beginning_keep_within_the_bound_counted_in_distinct_beginnings(n_known):
    sizes = []
    for batch in batches_by_beginning(PREPARED, 200, n_known):
        sizes.append(len(Packing(batch.sequences, n_known).ids))
        assert len(batch.sequences) == 1 or sizes[-1] <= 200
    assert np.median(sizes) > 100  # and make use of it


def test_a_crowd_with_one_beginning_is_not_all_looked_at_at_once():
    alike = [Prepared((*range(100), n), 100, False) for n in range(500)]
    assert max(len(batch.sequences) for batch in batches_by_beginning(alike, 1000)) <= 80


def test_a_packing_has_a_row_for_each_distinct_beginning():
    packing = Packing(PREPARED)
    beginnings = {s.ids[: n + 1] for s in PREPARED for n in range(len(s.ids))}
    assert len(packing.ids) == len(packing.positions) == len(beginnings)
    for sequence, keys in zip(*by_sequence(packing), strict=True):
        path = keys[: len(sequence.ids)]
        np.testing.assert_array_equal(packing.ids[path], sequence.ids)
        np.testing.assert_array_equal(packing.positions[path], np.arange(len(path)))


def by_sequence(packing):
    """The sequences in the order of the buckets, told apart by their length, and their keys."""
    order = [i for group in packing._alike() for i in group]
    return [PREPARED[i] for i in order], [k for b in packing.everywhere.buckets for k in b.keys]


@pytest.mark.parametrize("n_known", [0, 1, 2])
def test_every_answer_is_taken_where_its_row_asked(n_known):
    packing = Packing(PREPARED, n_known)
    for asking in (packing.everywhere, packing.where_read):
        asked = np.concatenate([b.queries.ravel() for b in asking.buckets])
        np.testing.assert_array_equal(asked[asking.answers], np.arange(len(asking.rows)))
        at = np.concatenate(
            [np.tile(np.arange(b.first, b.keys.shape[1]), len(b.keys)) for b in asking.buckets]
        )
        np.testing.assert_array_equal(at[asking.answers], packing.positions[asking.rows])


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ([((1, 2, 3), 2), ((1, 2, 4), 2)], (1, 2)),
        ([((1, 2, 3), 1), ((1, 2, 4), 2)], (1,)),  # what is pooled is computed for each
        ([((1, 2, 3), 2), ((2, 2, 3), 2)], ()),
        ([((1, 2), 1), ((1, 2, 4), 2), ((1, 3, 4), 2)], (1,)),
    ],
)
def test_the_common_beginning_is_what_all_sequences_have(texts, expected):
    assert common_beginning([Prepared(ids, start, False) for ids, start in texts]) == expected
