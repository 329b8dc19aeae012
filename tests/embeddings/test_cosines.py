"""Mean cosine and histogram against every pair taken one by one."""

from itertools import combinations

import numpy as np
import pytest

from embfilter_viz.embeddings import cosines
from embfilter_viz.embeddings.cosines import cosine_histogram, mean_cosine, unit_rows
from embfilter_viz.errors import Cancelled, InputError


def pairwise(E):
    E = E.astype(np.float64)
    return np.array(
        [a @ b / (np.linalg.norm(a) * np.linalg.norm(b)) for a, b in combinations(E, 2)]
    )


@pytest.mark.parametrize(("n", "d"), [(2, 1), (2, 5), (7, 3), (5, 40), (60, 8)])
def test_mean_cosine_is_the_mean_over_pairs(n, d):
    E = np.random.default_rng(n + d).normal(1, 1, (n, d))
    assert mean_cosine(E) == pytest.approx(pairwise(E).mean(), abs=1e-13)
    assert mean_cosine(E.astype(np.float32)) == pytest.approx(pairwise(E).mean(), abs=1e-6)


def test_mean_cosine_by_hand_and_at_its_ends():
    assert mean_cosine(np.array([[1.0, 0], [0, 2], [-3, 0], [0, -4]])) == pytest.approx(-1 / 3)
    assert mean_cosine(np.array([[1.0, 2], [-2, -4]])) == pytest.approx(-1)
    assert mean_cosine(np.tile([[0.3, 0.1, 7]], (50, 1))) == pytest.approx(1)


def test_mean_cosine_ignores_lengths_even_extreme_ones():
    E = np.random.default_rng(0).normal(size=(6, 4))
    scaled = E * 10.0 ** np.array([-200, -30, 0, 5, 160, 300])[:, None]
    assert mean_cosine(scaled) == pytest.approx(mean_cosine(E), abs=1e-13)


@pytest.mark.parametrize(
    ("E", "rule"),
    [
        (np.ones((1, 3)), "at least 2 texts"),
        (np.ones(3), "shape"),
        (np.ones((3, 0)), "shape"),
        (np.array([["a"]]), "shape"),
        (np.array([[1.0, 1], [0, 0]]), "row 1 is zero"),
        (np.array([[1.0, 1], [np.nan, 0]]), "row 1 holds NaN"),
        (np.array([[np.inf, 1], [1, 0]]), "row 0 holds NaN or infinite"),
    ],
)
def test_what_has_no_cosine_is_refused(E, rule):
    with pytest.raises(InputError, match=rule):
        mean_cosine(E)
    with pytest.raises(InputError, match=rule):
        cosine_histogram(E)


def test_a_sum_that_overflows_is_no_infinite_row():
    E = np.full((2, 8), 3e38, dtype=np.float32)
    assert mean_cosine(E) == pytest.approx(1, abs=1e-6)


def test_unit_rows_keep_precision():
    assert unit_rows(np.ones((2, 2), np.float32)).dtype == np.float32
    assert unit_rows(np.ones((2, 2), np.float16)).dtype == np.float64
    assert unit_rows(np.ones((2, 2), np.int64)).dtype == np.float64


@pytest.mark.parametrize("block", [1, 3, 7, 2048])
@pytest.mark.parametrize("bins", [1, 2, 7, 200])
def test_histogram_counts_every_pair_once(monkeypatch, block, bins):
    monkeypatch.setattr(cosines, "_ROWS", block)
    monkeypatch.setattr(cosines, "_COSINES_AT_ONCE", 2 * block**2)
    E = np.random.default_rng(3).normal(0.3, 1, (23, 5))
    found = cosine_histogram(E, bins)
    counts, edges = np.histogram(pairwise(E), bins=bins, range=(-1, 1))
    np.testing.assert_array_equal(found.counts, counts)
    np.testing.assert_allclose(found.edges, edges, atol=1e-15)
    assert found.counts.sum() == 23 * 22 // 2


def test_histogram_at_the_ends():
    E = np.array([[1.0, 0], [1, 0], [-1, 0]], np.float32)
    assert cosine_histogram(E, bins=10).counts.tolist() == [2, *[0] * 8, 1]
    same = np.tile(np.random.default_rng(0).normal(size=(1, 300)), (40, 1)).astype(np.float32)
    assert cosine_histogram(same, bins=50).counts[-1] == 40 * 39 // 2
    with pytest.raises(InputError, match="bins 0"):
        cosine_histogram(E, bins=0)


def test_histogram_tells_progress_and_can_be_cancelled(monkeypatch):
    monkeypatch.setattr(cosines, "_ROWS", 4)
    seen = []
    E = np.random.default_rng(0).normal(size=(10, 3))
    cosine_histogram(E, progress=lambda *told: seen.append(told))
    assert [told[1] for told in seen] == sorted(told[1] for told in seen)
    assert seen[-1] == ("counting cosines", 45, 45, "pairs")

    def cancel(*told):
        raise Cancelled

    with pytest.raises(Cancelled):
        cosine_histogram(E, progress=cancel)
