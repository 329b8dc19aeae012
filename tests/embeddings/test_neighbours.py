"""Neighbours against the full matrix of cosines."""

import numpy as np
import pytest

from embfilter_viz.embeddings import neighbours
from embfilter_viz.embeddings.neighbours import nearest, neighbour_changes, overlap_at_k
from embfilter_viz.errors import Cancelled, InputError


@pytest.fixture
def sets():
    rng = np.random.default_rng(0)
    raw = rng.normal(size=(50, 12)) + 1
    return raw, raw[:, 3:9]


def by_full_matrix(E, k):
    U = E / np.linalg.norm(E, axis=1, keepdims=True)
    cosines = U @ U.T
    np.fill_diagonal(cosines, -np.inf)
    ids = np.argsort(-cosines, axis=1, kind="stable")[:, :k]
    return ids, np.take_along_axis(cosines, ids, axis=1)


def test_nearest_is_exact(sets):
    ids, cosines = by_full_matrix(sets[0], 7)
    for index in (0, 17, 49):
        found = nearest(sets[0], index, 7)
        np.testing.assert_array_equal(found.ids, ids[index])
        np.testing.assert_allclose(found.cosines, cosines[index], atol=1e-12)
        assert index not in found.ids
    assert len(nearest(sets[0], 0, 1000).ids) == 49


def test_equal_texts_come_in_their_order_and_cosine_never_exceeds_one():
    E = np.tile(np.random.default_rng(0).normal(size=(1, 100)).astype(np.float32), (6, 1))
    found = nearest(E, 2, 3)
    assert found.ids.tolist() == [0, 1, 3]
    assert found.cosines.max() <= 1


def test_changes_partition_both_lists(sets):
    raw, filtered = sets
    for index in range(50):
        changes = neighbour_changes(raw, filtered, index, k=8)
        before, after = set(changes.before.ids), set(changes.after.ids)
        assert set(changes.stayed) == before & after
        assert set(changes.entered) == after - before
        assert set(changes.left) == before - after
        assert [*changes.stayed] == [i for i in changes.after.ids if i in before]
        assert changes.overlap == len(before & after) / 8


@pytest.mark.parametrize("at_once", [1, 120, 10**6])
def test_overlap_over_all_texts(sets, monkeypatch, at_once):
    monkeypatch.setattr(neighbours, "_COSINES_AT_ONCE", at_once)
    raw, filtered = sets
    expected = [
        len(set(a) & set(b)) / 5
        for a, b in zip(by_full_matrix(raw, 5)[0], by_full_matrix(filtered, 5)[0], strict=True)
    ]
    found = overlap_at_k(raw, filtered, 5)
    np.testing.assert_allclose(found.per_text, expected)
    assert found.mean == pytest.approx(np.mean(expected))
    assert 0 < found.mean < 1
    assert found.by_chance == 5 / 49


def test_overlap_at_its_ends(sets):
    assert overlap_at_k(sets[0], 2 * sets[0], 5).mean == 1
    assert overlap_at_k(*sets, 1000).mean == 1
    # Rings: the nearest neighbour of each point changes for all of them.
    angles = np.deg2rad([0, 10, 180, 190])
    raw = np.column_stack([np.cos(angles), np.sin(angles)])
    assert overlap_at_k(raw, raw[[0, 2, 1, 3]], 1).mean == 0


def test_overlap_by_chance_is_what_unrelated_sets_share():
    rng = np.random.default_rng(3)
    found = overlap_at_k(rng.normal(size=(600, 10)), rng.normal(size=(600, 10)), 10)
    assert found.mean == pytest.approx(found.by_chance, rel=0.25)


def test_progress_and_cancel(sets, monkeypatch):
    monkeypatch.setattr(neighbours, "_COSINES_AT_ONCE", 500)
    seen = []
    overlap_at_k(*sets, 5, progress=lambda *told: seen.append(told))
    assert [told[1] for told in seen] == [0, 10, 20, 30, 40, 50]

    def cancel(*told):
        raise Cancelled

    with pytest.raises(Cancelled):
        overlap_at_k(*sets, 5, progress=cancel)


def test_what_has_no_neighbours_is_refused(sets):
    raw, filtered = sets
    for index in (-1, 50):
        with pytest.raises(InputError, match=f"text {index}: there are texts 0 to 49"):
            nearest(raw, index)
    with pytest.raises(InputError, match="at least 1 neighbour"):
        nearest(raw, 0, 0)
    with pytest.raises(InputError, match="at least 2 texts"):
        nearest(raw[:1], 0)
    with pytest.raises(InputError, match="at least 2 texts"):
        overlap_at_k(raw[:1], raw[:1])
    with pytest.raises(InputError, match="49 filtered"):
        neighbour_changes(raw, filtered[:-1], 0)
    with pytest.raises(InputError, match="49 filtered"):
        overlap_at_k(raw, filtered[:-1])
    with pytest.raises(InputError, match="filtered embeddings: row 0 is zero"):
        overlap_at_k(raw, filtered * (np.arange(50) > 0)[:, None])
