"""Specificity against its definition, text by text and pair by pair."""

from typing import Any

import numpy as np
import pytest

from embfilter_viz.analyses.specificity import FREQUENT, OwnWords, random_lens
from embfilter_viz.embeddings.specificity import own_places
from embfilter_viz.errors import InputError
from embfilter_viz.model import Model
from embfilter_viz.spectral.baselines import RandomSubspace
from tests.analyses.hand_made import HandModel, frequencies_of

RNG = np.random.default_rng(0)
V, D = 400, 12
LETTERS = "abcdefgh"


class Letters:
    """Eight texts, of which each letter is a token; the words of a text are its own ten."""

    def encode_many(self, texts: Any) -> list[list[int]]:
        """The first two ids of a text are frequent ones, the others its own."""
        return [
            [0, 1, *(range(200 + 10 * LETTERS.index(t), 210 + 10 * LETTERS.index(t)) if t else ())]
            for t in texts
        ]


def model_of_letters() -> Any:
    W_U = RNG.normal(size=(V, D)) + 3  # a common part, which centring takes away
    for number in range(len(LETTERS)):
        W_U[200 + 10 * number : 210 + 10 * number] += 2 * RNG.normal(size=D)  # of one meaning
    model: Any = HandModel(W_U)
    model.vocabulary = Letters()
    return model


FREQUENCIES = frequencies_of(np.arange(V, 0, -1.0))


def naive(model: Any, ids: np.ndarray, a: int, own: list[list[int]]) -> float:
    """AUC of S(a, a) over S(a, b), with every cosine written out."""
    W = model.unembedding.W_U.astype(float)
    W = W - W.mean(axis=0)

    def S(b: int) -> float:
        rare = sorted({i for i in own[b] if FREQUENCIES.ranks[i] >= FREQUENT})
        r = W[rare].mean(axis=0)
        return float(np.mean([W[j] @ r / np.linalg.norm(W[j]) / np.linalg.norm(r) for j in ids]))

    return float(np.mean([S(a) > S(b) for b in range(len(own)) if b != a]))


def test_equals_the_definition_written_out() -> None:
    model = model_of_letters()
    words = OwnWords(model, LETTERS, FREQUENCIES)
    own = Letters().encode_many(LETTERS)
    ids = RNG.integers(0, V, size=(8, 10))
    expected = [naive(model, row, a, own) for a, row in enumerate(ids)]
    np.testing.assert_allclose(words.of_texts(ids), expected)
    np.testing.assert_allclose(words.of_one("c", ids[2:3]), expected[2:3])
    assert (words.n_others("c"), words.n_with_words) == (7, 8)


def test_words_of_the_text_are_specific_and_random_ones_are_not() -> None:
    """Not only the text's own tokens but others of their meaning; a common token tells nothing."""
    model = model_of_letters()
    words = OwnWords(model, LETTERS, FREQUENCIES)
    own = np.array([[210 + 10 * n - i for i in range(1, 6)] * 2 for n in range(8)])
    assert words.of_texts(own).min() == 1.0
    drawn = np.mean([words.of_texts(RNG.integers(0, 100, (8, 10))) for _ in range(40)])
    assert drawn == pytest.approx(0.5, abs=0.06)


def test_a_text_without_words_has_no_place_and_is_no_other() -> None:
    model = model_of_letters()
    words = OwnWords(model, ["a", "", "b"], FREQUENCIES)
    found = words.of_texts(np.array([[200] * 10] * 3))
    assert np.isnan(found[1])
    assert np.isfinite(found[[0, 2]]).all()
    assert (words.n_with_words, words.n_others("c"), words.n_others("b")) == (2, 2, 1)
    with pytest.raises(InputError, match="do not fit"):
        own_places(np.ones((2, 3)), np.array([0, 3]))


def test_random_subspaces_are_those_of_the_filter_of_that_name(tiny_model: Model) -> None:
    texts = ["the cat sat", "a dog", "mats"]
    frequencies = tiny_model.frequencies("corpus", texts)
    words = OwnWords(tiny_model, texts, frequencies)
    e = tiny_model.encode(["the cat sat"], "mean")
    found = random_lens(
        tiny_model, e, 8, text="the cat sat", top=5, frequencies=frequencies, words=words
    )
    shares = []
    for seed in range(20):
        full = RandomSubspace(k=8, seed=seed, full=True).transform(e)
        top = np.argsort(-tiny_model.unembedding.logits(full)[0], kind="stable")[:5]
        shares.append(np.mean(frequencies.ranks[top] < FREQUENT))
    one = found.frequent_share
    assert (one.value, one.low, one.high) == pytest.approx(
        (np.mean(shares), min(shares), max(shares))
    )
