"""Translators against the normal equations, against known maps, and where there is nothing."""

import numpy as np
import pytest
from scipy.special import softmax
from scipy.stats import entropy

from embfilter_viz.embeddings.translators import (
    divergence_bits,
    fit_translator,
    ridge_translators,
)
from embfilter_viz.errors import InputError

RNG = np.random.default_rng(5)


def test_it_solves_the_ridge_problem() -> None:
    """The gradient of the objective is zero: −2 Xᵀ(gap − X B) + 2 n λ B = 0, by definition."""
    X, Y = RNG.normal(size=(40, 6)), RNG.normal(size=(40, 6))
    for one in ridge_translators(X, Y, [1e-2, 1.0]):
        centred = X - X.mean(axis=0)
        gap = Y - Y.mean(axis=0) - centred
        weight = 40 * one.ridge * centred.var(axis=0).mean()
        gradient = -centred.T @ (gap - centred @ one.change) + weight * one.change
        np.testing.assert_allclose(gradient, 0, atol=1e-4)
        np.testing.assert_allclose(one.apply(X).mean(axis=0), Y.mean(axis=0), atol=1e-12)


def test_fewer_states_than_columns_have_a_translator() -> None:
    X = RNG.normal(size=(5, 12))
    (one,) = ridge_translators(X, 3 * X + 1, [1e-6])
    np.testing.assert_allclose(one.apply(X), 3 * X + 1, atol=1e-3)


def test_a_known_map_is_found_beside_noise() -> None:
    A, b = RNG.normal(size=(8, 8)), RNG.normal(size=8)
    X = RNG.normal(size=(4000, 8))
    Y = X @ A + b + 0.01 * RNG.normal(size=X.shape)
    found = fit_translator(X, Y, np.arange(4000) % 4 == 3)
    assert found.ridge == 1e-3, "the least of those tried"
    np.testing.assert_allclose(found.change + np.eye(8), A, atol=0.02)


def test_where_the_last_state_is_noise_the_strongest_ridge_is_chosen() -> None:
    """The null: nothing of Y is in X but X itself, so what is added to the identity is noise."""
    chosen = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        X = rng.normal(size=(60, 30))
        found = fit_translator(X, X + rng.normal(size=X.shape), np.arange(60) % 4 == 3)
        chosen.append(found.ridge)
    assert np.mean(np.array(chosen) == 1.0) > 0.9


def test_states_that_do_not_vary_are_moved_as_they_are() -> None:
    (one,) = ridge_translators(np.ones((4, 3)), np.full((4, 3), 2.0), [0.1])
    assert one.apply(np.array([[1.0, 1.0, 1.0]])).tolist() == [[2.0, 2.0, 2.0]]


def test_divergence_is_that_of_scipy() -> None:
    a, b = 3 * RNG.normal(size=(7, 50)), 3 * RNG.normal(size=(7, 50))
    expected = entropy(softmax(a, axis=1), softmax(b, axis=1), base=2, axis=1)
    np.testing.assert_allclose(divergence_bits(a, b), expected)
    np.testing.assert_allclose(
        divergence_bits(a.astype(np.float32), b.astype(np.float32)), expected, rtol=1e-4
    )
    assert divergence_bits(a, a + 5.0).max() < 1e-12


def test_tables_of_other_shapes_are_refused() -> None:
    with pytest.raises(InputError, match="two tables of one shape with at least 2 rows"):
        ridge_translators(np.ones((3, 2)), np.ones((3, 3)))
    with pytest.raises(InputError, match="at least 2 rows"):
        ridge_translators(np.ones((1, 2)), np.ones((1, 2)))
