"""Scores over resamples against scipy and scikit-learn on the resample written out."""

import numpy as np
import pytest
from scipy.stats import spearmanr
from sklearn.metrics import average_precision_score, ndcg_score, v_measure_score

from embfilter_viz.evaluation.clustering import v_measure
from embfilter_viz.evaluation.pair_classification import average_precision
from embfilter_viz.evaluation.spearman import spearman


@pytest.fixture
def counts() -> np.ndarray:
    return np.random.default_rng(1).multinomial(40, np.full(40, 1 / 40), size=5)


@pytest.mark.parametrize("ties", [False, True])
def test_spearman_is_that_of_the_resample_written_out(counts: np.ndarray, ties: bool) -> None:
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(3, 40)), rng.integers(0, 6, 40).astype(float)
    if ties:
        X = X.round()
    found = spearman(X, y, counts)
    for row, x in zip(found, X, strict=True):
        for value, count in zip(row, counts, strict=True):
            expected = spearmanr(np.repeat(x, count), np.repeat(y, count)).statistic
            assert value == pytest.approx(expected, abs=1e-12)
    plain = [spearmanr(x, y).statistic for x in X]
    np.testing.assert_allclose(spearman(X, y)[:, 0], plain, atol=1e-12)


def test_spearman_of_what_has_no_order_is_undefined() -> None:
    X = np.array([[1.0, 2, 3, 3]])
    counts = np.array([[4, 0, 0, 0], [0, 0, 2, 2], [1, 1, 1, 1]])
    found = spearman(X, np.array([1.0, 2, 3, 4]), counts)
    assert np.isnan(found[0, :2]).all()
    assert found[0, 2] == pytest.approx(spearmanr(X[0], [1, 2, 3, 4]).statistic)


@pytest.mark.parametrize("ties", [False, True])
def test_average_precision_is_scikit_learns(counts: np.ndarray, ties: bool) -> None:
    rng = np.random.default_rng(0)
    X, same = rng.normal(size=(2, 40)), rng.integers(0, 2, 40).astype(bool)
    if ties:
        X = X.round()
    found = average_precision(X, same, counts)
    for row, x in zip(found, X, strict=True):
        for value, count in zip(row, counts, strict=True):
            written_out = np.repeat(same, count), np.repeat(x, count)
            assert value == pytest.approx(average_precision_score(*written_out), abs=1e-12)
    assert average_precision(X, same)[0, 0] == pytest.approx(average_precision_score(same, X[0]))
    assert np.isnan(average_precision(X, same, (~same).astype(float)[None])).all()


def test_v_measure_is_scikit_learns(counts: np.ndarray) -> None:
    rng = np.random.default_rng(0)
    label = np.arange(40) % 3
    cluster = np.where(rng.random(40) < 0.7, label, rng.integers(0, 4, 40))
    for value, count in zip(v_measure(label, cluster, counts), counts, strict=True):
        expected = v_measure_score(np.repeat(label, count), np.repeat(cluster, count))
        assert value == pytest.approx(expected, abs=1e-9)


def test_ndcg_is_scikit_learns() -> None:
    from embfilter_viz.evaluation.retrieval import RetrievalTask

    rng = np.random.default_rng(0)
    relevance = np.where(rng.random((12, 30)) < 0.15, rng.integers(1, 4, (12, 30)), 0)
    relevance[:, 0] = 1
    judged = [
        (f"q{i}", f"p{j}", float(gain))
        for i, row in enumerate(relevance)
        for j, gain in enumerate(row)
    ]
    task = RetrievalTask.of_judgements(judged, "by hand")
    E = rng.normal(size=(len(task.texts), 5))
    unit = E / np.linalg.norm(E, axis=1, keepdims=True)
    near = unit[task.queries] @ unit[task.passages].T
    found = task.outcomes(E)
    for i in range(12):
        assert found[i, 0] == pytest.approx(ndcg_score(relevance[[i]], near[[i]], k=10), abs=1e-12)
        best = np.argsort(-near[i])[:10]
        assert found[i, 1] == (relevance[i, best] > 0).sum() / (relevance[i] > 0).sum()
    assert task.score(E) == pytest.approx(100 * ndcg_score(relevance, near, k=10))
    assert task.more(found)["recall@10 × 100"] == pytest.approx(100 * found[:, 1].mean())
