"""Are the tokens that texts decode to specific to them? Beside random subspaces."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from embfilter_viz.analyses.beside_raw import range_of
from embfilter_viz.data import demo_texts
from embfilter_viz.embeddings.interval import Interval
from embfilter_viz.embeddings.logit_lens import frequent_share, top_tokens
from embfilter_viz.embeddings.specificity import (
    SPECIFIC_TOP,
    own_places,
    similarities,
    token_directions,
    word_directions,
)
from embfilter_viz.model import Model
from embfilter_viz.models.head.frequencies import TokenFrequencies
from embfilter_viz.spectral.baselines import RANDOM_SUBSPACES, random_orders, random_rotation

__all__ = ["FREQUENT", "OwnWords", "RandomLens", "others_for", "random_lens", "random_logits"]

FREQUENT = 100
"""A token counts as frequent when it is among this many most frequent ones, as in the paper."""


class OwnWords:
    """The words of some texts as directions of W_U: what top tokens are held against.

    A text's words are its distinct tokens that are not among the 100 most frequent.

    Args:
        model: the opened model.
        texts: n texts.
        frequencies: which tokens are frequent.
    """

    def __init__(self, model: Model, texts: Sequence[str], frequencies: TokenFrequencies) -> None:
        self.texts = tuple(texts)
        """(n,) the texts."""
        self._model, self._frequencies = model, frequencies
        self.directions = self._directions(self.texts)
        """(n, d_model) of their words; NaN where a text has none."""

    @cached_property
    def n_with_words(self) -> int:
        """Say how many of the texts have words."""
        return int(np.isfinite(self.directions[:, 0]).sum())

    def of_texts(self, ids: np.ndarray) -> np.ndarray:
        """Specificity of the top tokens (n, k) of each of the texts among all of them, (n,)."""
        return own_places(self._similarities(ids, self.directions), np.arange(len(self.texts)))

    def of_one(self, text: str, ids: np.ndarray) -> np.ndarray:
        """Specificity to ``text`` of several lists of top tokens (m, k), among the texts, (m,)."""
        others = [row for row, other in enumerate(self.texts) if other != text]
        words = np.concatenate([self._directions([text]), self.directions[others]])
        return own_places(self._similarities(ids, words), np.zeros(len(ids), dtype=np.int64))

    def n_others(self, text: str) -> int:
        """Say how many other texts with words ``text`` is held against."""
        return self.n_with_words - sum(
            other == text and bool(np.isfinite(row[0]))
            for other, row in zip(self.texts, self.directions, strict=True)
        )

    def _directions(self, texts: Sequence[str]) -> np.ndarray:
        ranks = self._frequencies.ranks
        words = []
        for ids in self._model.vocabulary.encode_many(texts):
            known = np.array([i for i in ids if 0 <= i < len(ranks)], dtype=np.int64)
            words.append(known[ranks[known] >= FREQUENT])
        return word_directions(self._model.unembedding.W_U, self._model.spectrum.mean_row, words)

    def _similarities(self, ids: np.ndarray, words: np.ndarray) -> np.ndarray:
        W_U, mean = self._model.unembedding.W_U, self._model.spectrum.mean_row
        return similarities(token_directions(W_U, mean, ids[:, :SPECIFIC_TOP]), words)


def others_for(model: Model, frequencies: TokenFrequencies) -> OwnWords:
    """The words of our 320 demo texts, which any text's top tokens can be held against."""
    return OwnWords(model, demo_texts().texts, frequencies)


@dataclass(frozen=True)
class RandomLens:
    """The frequent share and specificity of a text in random subspaces of the filter's size."""

    k: int
    """Dimensions of each."""
    frequent_share: Interval
    """Share of frequent tokens among the top ones: mean over the subspaces, least and greatest."""
    specificity: Interval
    """The same of the specificity of the top 10; NaN where the text has no words."""


def random_lens(
    model: Model,
    embedding: np.ndarray,
    k: int,
    *,
    text: str,
    top: int,
    frequencies: TokenFrequencies,
    words: OwnWords,
    seed: int = 0,
) -> RandomLens:
    """Read an embedding (1, d_model) through the head in 20 random subspaces of k dimensions.

    Args:
        model: the opened model.
        embedding: (1, d_model) raw.
        k: dimensions of each subspace.
        text: what was embedded.
        top: how many tokens.
        frequencies: p̂, which says which tokens are frequent.
        words: the text's own words.
        seed: of the first subspace.

    Returns:
        frequent share and specificity: mean, least and greatest over the subspaces.
    """
    logits = random_logits(model, embedding, k, seed=seed)
    ids = top_tokens(logits, max(top, SPECIFIC_TOP)).ids
    shares = frequent_share(ids[:, :top], frequencies.ranks, FREQUENT)
    return RandomLens(k, range_of(shares), range_of(words.of_one(text, ids)))


def random_logits(model: Model, embedding: np.ndarray, k: int, *, seed: int = 0) -> np.ndarray:
    """Return what the head says of an embedding (1, d_model) in random subspaces, (20, d_vocab).

    Args:
        model: the opened model.
        embedding: (1, d_model) raw.
        k: dimensions of each subspace.
        seed: of the subspaces.

    Returns:
        (20, d_vocab) float32.
    """
    d = embedding.shape[1]
    basis = random_rotation(d, seed)
    along = embedding[0].astype(np.float64) @ basis
    kept = np.zeros((RANDOM_SUBSPACES, d))
    np.put_along_axis(kept, random_orders(d, seed)[:, :k], 1.0, axis=1)
    return model.unembedding.logits(((kept * along) @ basis.T).astype(np.float32))
