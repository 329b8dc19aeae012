"""Maps against full decompositions and scikit-learn; the UMAP steps that need no compilation."""

import pickle

import numpy as np
import pytest
import scipy.sparse
import sklearn.decomposition
import sklearn.manifold

from embfilter_viz.embeddings import layouts
from embfilter_viz.embeddings.layouts import (
    Layout,
    aligned_umap,
    leading_eigenvectors,
    pca_in_one_frame,
    trustworthiness,
)
from embfilter_viz.errors import Cancelled, InputError


def cloud(n, d, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, d)) * np.geomspace(4, 0.2, d) + rng.normal(size=d) * 5


# -- PCA ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("n", "d"), [(40, 6), (6, 40), (5, 5), (2, 3)])
def test_one_set_in_its_own_frame_is_plain_pca(n, d):
    E = cloud(n, d)
    found = pca_in_one_frame([E])
    pca = sklearn.decomposition.PCA(2).fit(E)
    expected = pca.transform(E)
    for axis in range(2 if n > 2 else 1):
        sign = np.sign(found.points[0][:, axis] @ expected[:, axis])
        np.testing.assert_allclose(found.points[0][:, axis], sign * expected[:, axis], atol=1e-4)
    np.testing.assert_allclose(found.explained[0], pca.explained_variance_ratio_, atol=1e-9)


@pytest.mark.parametrize(("n", "d"), [(60, 7), (5, 30)])
def test_the_shared_frame_by_its_definition(n, d):
    raw = cloud(n, d)
    V = np.linalg.qr(np.random.default_rng(1).normal(size=(d, d)))[0][:, 1:4]
    filtered = raw @ V @ V.T
    found = pca_in_one_frame([raw, filtered])
    covariances = [np.cov(E.T) for E in (raw, filtered)]
    _, vectors = np.linalg.eigh(sum(C / np.trace(C) for C in covariances))
    axes = vectors[:, ::-1][:, :2]
    axes *= np.sign(axes[np.abs(axes).argmax(axis=0), [0, 1]])
    for E, C, P, share in zip(
        (raw, filtered), covariances, found.points, found.explained, strict=True
    ):
        np.testing.assert_allclose(P, (E - E.mean(axis=0)) @ axes, atol=1e-4)
        np.testing.assert_allclose(share, np.diag(axes.T @ C @ axes) / np.trace(C), atol=1e-9)


def test_the_frame_of_one_set_is_kept_by_the_other():
    raw = np.array([[5.0, 0, 0], [-5, 0, 0], [0, 2, 0], [0, -2, 0], [0, 0, 1], [0, 0, -1]])
    filtered = raw * [0, 1, 1]
    own = pca_in_one_frame([raw, filtered], frame=0)
    assert np.abs(own.points[1][:, 0]).max() == 0
    np.testing.assert_allclose(own.explained[1], [0, 8 / 10])
    other = pca_in_one_frame([raw, filtered], frame=1)
    np.testing.assert_allclose(other.points[0], raw[:, 1:])
    np.testing.assert_allclose(other.points[1], raw[:, 1:])


def test_unfiltered_twins_coincide_and_signs_are_fixed():
    E = cloud(30, 5)
    found = pca_in_one_frame([E, E + 100])
    np.testing.assert_allclose(found.points[0], found.points[1], atol=1e-4)
    turned = pca_in_one_frame([E[::-1], (E + 100)[::-1]])
    np.testing.assert_allclose(turned.points[0], found.points[0][::-1], atol=1e-5)
    assert found.points[0].dtype == np.float32
    assert not found.points[0].flags.writeable
    assert found.method == "pca"


@pytest.mark.parametrize(
    ("sets", "rule"),
    [
        ([np.eye(3), np.eye(3)[:, :2]], "full form"),
        ([np.eye(3), np.eye(3)[:2]], "same texts"),
        ([np.eye(3)[:1]], "at least 2 texts"),
        ([np.arange(4.0)[:, None]], "at least 2 dimensions"),
        ([np.eye(3), np.full((3, 3), 0.1)], "all rows of set 1 are the same"),
    ],
)
def test_what_shares_no_frame_is_refused(sets, rule):
    with pytest.raises(InputError, match=rule):
        pca_in_one_frame(sets)


def test_a_filter_that_leaves_no_spread_is_drawn_as_a_point_in_the_raw_frame():
    E = cloud(10, 4)
    found = pca_in_one_frame([E, np.ones((10, 4))], frame=0)
    assert np.abs(found.points[1]).max() == 0
    assert found.explained[1].tolist() == [0, 0]


# -- trustworthiness ---------------------------------------------------------------------------


@pytest.mark.parametrize("at_once", [1, 90, 10**7])
@pytest.mark.parametrize("k", [1, 5, 14])
def test_trustworthiness_is_scikit_learns(monkeypatch, at_once, k):
    monkeypatch.setattr(layouts, "_NUMBERS_AT_ONCE", at_once)
    E = cloud(30, 8)
    for points in (E[:, :2], E[:, 2:4], np.random.default_rng(3).normal(size=(30, 2))):
        expected = sklearn.manifold.trustworthiness(E, points, n_neighbors=k, metric="cosine")
        assert trustworthiness(E, points, k) == pytest.approx(expected, abs=1e-12)


def test_trustworthiness_at_its_ends():
    angles = np.random.default_rng(0).uniform(0, 3, 200)
    E = np.column_stack([np.cos(angles), np.sin(angles), np.zeros(200)])
    assert trustworthiness(E, E[:, :2]) == 1
    chance = np.random.default_rng(1).normal(size=(200, 2))
    assert trustworthiness(E, chance) == pytest.approx(0.5, abs=0.05)
    assert 0 <= trustworthiness(E[:3], chance[:3], 15) <= 1
    with pytest.raises(InputError, match="at least 3 texts"):
        trustworthiness(E[:2], chance[:2])
    with pytest.raises(InputError, match="one point for each"):
        trustworthiness(E, chance[:-1])


# -- UMAP, without a fit -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sets", "parameters", "rule"),
    [
        ([np.eye(3)], {}, "at least 4 texts"),
        ([np.eye(5), np.eye(6)], {}, "same texts"),
        ([np.eye(5)], {"n_neighbors": 1}, "n_neighbors 1"),
        ([np.eye(5)], {"min_dist": 1.5}, "min_dist 1.5"),
        ([np.full((5, 2), np.nan)], {}, "row 0 holds NaN"),
    ],
)
def test_what_umap_cannot_draw_is_refused_before_it_is_loaded(sets, parameters, rule):
    def forbid(what, done, total, unit):
        raise AssertionError(what)

    with pytest.raises(InputError, match=rule):
        aligned_umap(sets, progress=forbid, **parameters)


def test_exact_neighbours_begin_with_the_text_itself():
    E = cloud(40, 6)
    E[7] = E[3] * 2  # a repeated text
    near, distances = layouts._neighbours(E, 5, 0, 1, layouts.silent)
    U = E / np.linalg.norm(E, axis=1, keepdims=True)
    full = 1 - U @ U.T
    np.fill_diagonal(full, -1)
    order = np.argsort(full, axis=1, kind="stable")[:, :5]
    np.testing.assert_array_equal(near[:, 0], np.arange(40))
    np.testing.assert_array_equal(np.sort(near), np.sort(order))
    assert (distances[:, 0] == 0).all()
    assert (np.diff(distances) >= -1e-7).all()
    assert distances[7, 1] == pytest.approx(0, abs=1e-7)


def test_starting_positions_share_a_frame_and_repeated_texts_are_apart():
    E = cloud(20, 6)
    first, second = layouts._starting_positions([E, E], np.random.default_rng(0))
    assert np.abs(first).max() == pytest.approx(10, rel=1e-3)
    assert np.abs(first - second).max() < 0.02
    same = layouts._starting_positions([np.ones((5, 3))], np.random.default_rng(0))[0]
    assert len(np.unique(same, axis=0)) == 5
    other = layouts._starting_positions([E, E[:, :1]], np.random.default_rng(0))
    assert all(np.isfinite(P).all() for P in other)


@pytest.fixture(scope="module")
def umap_steps():
    from embfilter_viz.embeddings import umap_steps

    return umap_steps


def test_ties_join_each_text_to_itself_by_shared_neighbours(umap_steps):
    rng = np.random.default_rng(0)
    graphs = []
    for _ in range(3):
        dense = rng.uniform(size=(9, 9)) * (rng.uniform(size=(9, 9)) < 0.4)
        dense[4] = dense[:, 4] = 0
        graphs.append(scipy.sparse.csr_matrix(dense))
    relations, likeness = umap_steps._ties(graphs)
    assert relations.shape == likeness.shape == (3, 7, 9)
    for m in range(3):
        for offset in range(-3, 4):
            tie = relations[m, 3 + offset]
            if offset == 0 or not 0 <= m + offset < 3:
                assert (tie == -1).all()
                continue
            assert tie.tolist() == list(range(9))
            for i in range(9):
                one, other = (set(graphs[g][i].indices) for g in (m, m + offset))
                expected = len(one & other) / len(one | other) if one | other else 1
                assert likeness[m, 3 + offset, i] == pytest.approx(expected)


def test_drawn_bars_become_progress_and_stop_once(umap_steps):
    seen = []
    listener = umap_steps._Listener(lambda *told: seen.append(told), 200)
    for drawn in ("\r0", "\r17", "\n", "\r200"):
        listener.write(drawn)
    assert seen == [("laying out", n, 200, "rounds") for n in (0, 17, 200)]

    def cancel(*told):
        raise Cancelled

    listener = umap_steps._Listener(cancel, 200)
    with pytest.raises(Cancelled):
        listener.write("\r3")
    listener.write("\r3")


def test_a_layout_survives_pickling():
    found = pca_in_one_frame([cloud(5, 3)])
    again = pickle.loads(pickle.dumps(found))
    assert isinstance(again, Layout)
    np.testing.assert_array_equal(again.points[0], found.points[0])


def test_trustworthiness_of_a_sample_is_the_mean_over_its_texts():
    rng = np.random.default_rng(3)
    E, P = rng.normal(size=(30, 5)), rng.normal(size=(30, 2))
    alone = [trustworthiness(E, P, 4, sample=1, seed=seed) for seed in range(600)]
    assert len(set(np.round(alone, 9))) > 10
    whole = trustworthiness(E, P, 4)
    assert np.mean(alone) == pytest.approx(whole, abs=0.02)
    assert trustworthiness(E, P, 4, sample=30) == trustworthiness(E, P, 4, sample=99) == whole
    some = np.sort(np.random.default_rng(7).choice(30, 12, replace=False))
    by_row = {}
    for seed in range(600):
        (row,) = np.random.default_rng(seed).choice(30, 1, replace=False)
        by_row[int(row)] = alone[seed]
    expected = np.mean([by_row[int(row)] for row in some])
    assert trustworthiness(E, P, 4, sample=12, seed=7) == pytest.approx(expected)


def spread(d: int, values: list[float]) -> np.ndarray:
    """A symmetric (d, d) with these eigenvalues, and zeros."""
    Q, _ = np.linalg.qr(np.random.default_rng(3).standard_normal((d, len(values))))
    return (Q * values) @ Q.T


@pytest.mark.parametrize("d", [5, 64, 65, 300])
@pytest.mark.parametrize(
    "values",
    [
        [3.0, 1.0, 0.5],
        [1.0, 1e-6],
        [1.0, 0.9, 0.899],
        [2.0, 1.0, 1.0, 1.0],  # the second axis is any of three
        [1.0, 0.0, 0.0],
        [0.0, 0.0],
    ],
)
def test_the_leading_eigenvectors_of_any_size_and_spread(d: int, values: list[float]) -> None:
    matrix = spread(d, values)
    found = leading_eigenvectors(matrix)
    assert found.shape == (d, 2)
    np.testing.assert_allclose(found.T @ found, np.eye(2), atol=1e-12)
    np.testing.assert_allclose(matrix @ found, found * np.sort(values)[::-1][:2], atol=1e-10)
    assert np.array_equal(found, leading_eigenvectors(matrix))
