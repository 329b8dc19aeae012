"""Where a cosine comes from: by hand, against the sums written out, and on the bundled model."""

from itertools import combinations

import numpy as np
import pytest

from embfilter_viz.data import demo_texts
from embfilter_viz.embeddings.anatomy import (
    anatomy,
    band_edges,
    band_sums,
    contributions,
    cumulative_quantiles,
)
from embfilter_viz.embeddings.pair_measures import auc_difference, auc_over_pairs, same_label
from embfilter_viz.errors import Cancelled, InputError
from embfilter_viz.model import Model

# method.md, section 10, on every second demo text: mean, standard deviation and AUC of the five
# bands and of the whole cosine.
MEASURED = {
    "prompteol": [
        (0.218, 0.015, 0.51), (0.026, 0.003, 0.63), (0.049, 0.005, 0.70), (0.111, 0.011, 0.71),
        (0.500, 0.023, 0.61), (0.904, 0.025, 0.78),
    ],
    "mean": [
        (0.214, 0.030, 0.52), (0.051, 0.009, 0.59), (0.083, 0.012, 0.68), (0.096, 0.021, 0.73),
        (0.332, 0.057, 0.65), (0.776, 0.072, 0.77),
    ],
}  # fmt: skip


@pytest.mark.parametrize(
    ("d", "edges"),
    [(576, [0, 28, 144, 432, 548, 576]), (640, [0, 32, 160, 480, 608, 640]),
     (32, [0, 1, 8, 24, 31, 32]), (4, [0, 1, 3, 4]), (3, [0, 3])],
)  # fmt: skip
def test_bands_lie_alike_at_both_ends(d: int, edges: list[int]) -> None:
    assert band_edges(d).tolist() == edges


def test_by_hand() -> None:
    # (1, 0) and (1, 1)/√2 share 1/√2 along the first direction and nothing along the second.
    C = np.array([[2.0, 0.0], [3.0, 3.0]])
    assert contributions(C, 0, 1) == pytest.approx([1 / np.sqrt(2), 0.0])
    # The same length, the second direction turned round: 1/2 − 1/2.
    assert contributions(np.array([[1.0, 1.0], [1.0, -1.0]]), 0, 1) == pytest.approx([0.5, -0.5])


def test_contributions_sum_to_the_cosine_whatever_the_basis() -> None:
    rng = np.random.default_rng(0)
    E = rng.normal(size=(2, 7))
    basis, _ = np.linalg.qr(rng.normal(size=(7, 7)))
    found = contributions(E @ basis, 0, 1)
    a, b = E
    assert found.sum() == pytest.approx(a @ b / np.sqrt(a @ a) / np.sqrt(b @ b), rel=1e-12)
    for i, v in enumerate(basis.T):
        expected = (a @ v) * (b @ v) / np.linalg.norm(a) / np.linalg.norm(b)
        assert found[i] == pytest.approx(expected, rel=1e-9)
    assert band_sums(found, np.array([0, 2, 7])) == pytest.approx(
        [found[:2].sum(), found[2:].sum()]
    )


def test_bands_of_all_pairs_are_the_sums_over_them() -> None:
    C = np.random.default_rng(1).normal([2, 0, 0, 0, 0, 1], size=(14, 6))
    labels = list("aabbccaabbccab")
    edges = np.array([0, 1, 5, 6])
    found = anatomy(C, edges, labels)
    by_pair = np.array([contributions(C, a, b) for a, b in combinations(range(14), 2)])
    assert found.n_texts == 14
    assert [(band.left, band.right) for band in found.bands] == [(0, 1), (1, 5), (5, 6)]
    assert found.ends is not None
    parts = {
        (0,): found.bands[0],
        (1, 2, 3, 4): found.bands[1],
        (5,): found.bands[2],
        (0, 1, 2, 3, 4, 5): found.whole,
        (0, 5): found.ends.ends,
    }
    for directions, part in parts.items():
        values = by_pair[:, directions].sum(axis=1)
        assert part.mean.value == pytest.approx(values.mean(), rel=1e-9)
        assert part.spread.value == pytest.approx(values.std(), rel=1e-9)
        assert part.auc is not None
        expected = auc_over_pairs(squared(values), same_label(labels))
        assert (part.auc.value, part.auc.low) == pytest.approx((expected.value, expected.low))
    outer, inner = (squared(by_pair[:, d].sum(axis=1)) for d in ([0, 5], [1, 2, 3, 4]))
    assert found.ends.difference is not None
    expected = auc_difference(outer, inner, same_label(labels))
    assert found.ends.difference.value == pytest.approx(expected.value)
    assert found.ends.between.mean.value == pytest.approx(found.bands[1].mean.value)


def squared(values: np.ndarray) -> np.ndarray:
    """(14, 14) symmetric, of one value a pair."""
    X = np.zeros((14, 14))
    X[np.triu_indices(14, 1)] = values
    return X + X.T


def test_without_labels_there_is_no_auc() -> None:
    found = anatomy(np.random.default_rng(0).normal(size=(5, 40)))
    assert [band.auc for band in found.bands] == [None] * 5
    assert found.whole.auc is None
    assert found.ends is not None
    assert found.ends.difference is None


def test_of_fewer_than_three_bands_none_lies_between() -> None:
    assert anatomy(np.random.default_rng(0).normal(size=(5, 3))).ends is None


def test_quantiles_of_the_growing_cosine() -> None:
    C = np.random.default_rng(2).normal(size=(9, 5)) + 1
    places, found = cumulative_quantiles(C, [0.05, 0.95])
    assert places.tolist() == [0, 1, 2, 3, 4, 5]
    by_pair = np.array([contributions(C, a, b) for a, b in combinations(range(9), 2)])
    grown = np.concatenate([np.zeros((36, 1)), by_pair.cumsum(axis=1)], axis=1)
    np.testing.assert_allclose(found, np.quantile(grown, [0.05, 0.95], axis=0).T, atol=1e-12)


def test_many_directions_are_followed_at_some_places() -> None:
    C = np.random.default_rng(2).normal(size=(4, 900))
    places, found = cumulative_quantiles(C)
    assert (len(places), places[0], places[-1]) == (257, 0, 900)
    cosines = [contributions(C, a, b).sum() for a, b in combinations(range(4), 2)]
    np.testing.assert_allclose(found[-1], np.quantile(cosines, [0.05, 0.5, 0.95]), atol=1e-12)


def test_refusals() -> None:
    C = np.ones((4, 6))
    with pytest.raises(InputError, match="labels: 3 for 4 texts"):
        anatomy(C, labels=list("abc"))
    with pytest.raises(InputError, match="at least 3 texts"):
        anatomy(C[:2])
    C[1] = 0
    with pytest.raises(InputError, match="row 1 is zero"):
        anatomy(C)
    with pytest.raises(InputError, match="row 1 is zero"):
        contributions(C, 0, 1)


def test_work_can_be_stopped() -> None:
    def stop(*_: object) -> None:
        raise Cancelled

    C = np.random.default_rng(0).normal(size=(5, 8))
    for work in (anatomy, cumulative_quantiles):
        with pytest.raises(Cancelled):
            work(C, progress=stop)


@pytest.mark.real_model
@pytest.mark.parametrize("prompt", MEASURED)
def test_the_bundled_model_is_as_it_was_measured(bundled: Model, prompt: str) -> None:
    demo = demo_texts()
    E = bundled.encode(demo.texts[::2], prompt)
    found = anatomy(E @ bundled.spectrum.V, labels=demo.labels[::2])
    assert found.n_texts == 160
    for band, (mean, spread, auc) in zip((*found.bands, found.whole), MEASURED[prompt],
                                         strict=True):  # fmt: skip
        assert band.mean.value == pytest.approx(mean, abs=0.005)
        assert band.spread.value == pytest.approx(spread, abs=0.005)
        assert band.auc is not None
        assert band.auc.value == pytest.approx(auc, abs=0.005)
        assert band.auc.low < band.auc.value < band.auc.high
    # A tenth of the directions gives seven tenths of every cosine. That it knows less of the topic
    # than the rest does is sure of one prompt and not of the other.
    assert found.ends is not None
    assert found.ends.ends.mean.value / found.whole.mean.value > 0.7
    assert found.ends.difference is not None
    assert found.ends.difference.value < 0
    assert (found.ends.difference.high < 0) == (prompt == "prompteol")
