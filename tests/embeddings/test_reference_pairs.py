from itertools import combinations

import numpy as np
import pytest

from embfilter_viz.embeddings.reference_pairs import (
    cosine,
    pair_cosines,
    pair_cosines_about_others,
    percentile,
)
from embfilter_viz.errors import InputError


def naive(a: np.ndarray, b: np.ndarray) -> float:
    return float(a @ b / np.sqrt((a @ a) * (b @ b)))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_each_pair_by_the_definition(dtype: type) -> None:
    E = (np.random.default_rng(0).normal(size=(11, 6)) + 3).astype(dtype)
    pairs = list(combinations(range(11), 2))
    expected = [naive(E[a].astype(float), E[b].astype(float)) for a, b in pairs]
    np.testing.assert_allclose(pair_cosines(E), expected, atol=1e-6)
    np.testing.assert_allclose([cosine(E[a], E[b]) for a, b in pairs], expected, atol=1e-6)
    about = []
    for a, b in pairs:
        rest = np.delete(E.astype(float), [a, b], axis=0).mean(axis=0)
        about.append(naive(E[a] - rest, E[b] - rest))
    np.testing.assert_allclose(pair_cosines_about_others(E), about, atol=1e-5)


def test_the_mean_of_the_texts_themselves_would_push_pairs_apart() -> None:
    """Of n texts without any likeness the cosines about their own mean are -1 / (n - 1)."""
    E = np.eye(8)
    own = pair_cosines(E - E.mean(axis=0))
    np.testing.assert_allclose(own, -1 / 7)
    # About the others two of them have 1/6 of each other direction in common: 6/36 over 42/36.
    np.testing.assert_allclose(pair_cosines_about_others(E), 1 / 7)


def test_a_text_that_is_the_mean_of_the_others_has_cosine_0() -> None:
    E = np.array([[1.0, 1.0], [1.0, 1.0], [1.0, 1.0]])
    assert pair_cosines_about_others(E).tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    ("value", "expected"), [(0.0, 0), (0.2, 100 / 3), (0.3, 50), (0.4, 500 / 6), (0.5, 100)]
)
def test_percentile(value: float, expected: float) -> None:
    assert percentile(value, np.array([0.4, 0.1, 0.3])) == pytest.approx(expected)


def test_refusals() -> None:
    with pytest.raises(InputError, match="among no numbers"):
        percentile(0.5, np.array([]))
    with pytest.raises(InputError, match="at least 3"):
        pair_cosines_about_others(np.eye(2))
    with pytest.raises(InputError, match="row 1 is zero"):
        cosine(np.ones(3), np.zeros(3))
