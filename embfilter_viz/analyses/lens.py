"""What does one text's embedding decode to, before and after the filter?"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from embfilter_viz.analyses.finite import finite
from embfilter_viz.analyses.removals import removal_of
from embfilter_viz.analyses.tokens import Token, tokens_of
from embfilter_viz.embeddings.logit_lens import frequent_share, ranks_of, top_tokens
from embfilter_viz.model import Model
from embfilter_viz.models.frequencies import TokenFrequencies
from embfilter_viz.models.rotated_head import MovingProducts
from embfilter_viz.progress import Progress, silent
from embfilter_viz.spectral.windows import Window

__all__ = [
    "FREQUENT",
    "LayerLens",
    "Layers",
    "Lens",
    "TextLens",
    "filtered_logits",
    "lens",
    "lens_by_layer",
    "lens_of",
]

FREQUENT = 100
"""A token counts as frequent when it is among this many most frequent ones, as in the paper."""

LAYER_TOP = 5
"""Tokens shown of each layer."""


@dataclass(frozen=True)
class Lens:
    """One text read through the head, raw and filtered."""

    window: Window
    """The window the filter keeps, or stands at in size for the other removals."""
    removal: str
    """What was removed, by the paper's names; ``embedfilter`` is the filter itself."""
    raw: tuple[Token, ...]
    """(k,) top tokens of the embedding as it is."""
    filtered: tuple[Token, ...]
    """(k,) top tokens of the filtered embedding."""
    rank_in_filtered: tuple[int, ...]
    """(k,) where each raw token stands after the filter, 0 = first."""
    rank_in_raw: tuple[int, ...]
    """(k,) where each filtered token stood before."""
    frequent_share_raw: float
    """Share of the raw top tokens that are among the 100 most frequent."""
    frequent_share_filtered: float
    """The same of the filtered top tokens."""
    own_raw: int
    """How many of the raw top tokens occur in the text itself."""
    own_filtered: int
    """The same of the filtered top tokens."""
    truncated: bool
    """Whether the text was cut to fit the model's 512 tokens."""

    @property
    def sentence(self) -> str:
        """What the filter did to this text, in words."""
        k = len(self.raw)
        before = round(self.frequent_share_raw * k)
        after = round(self.frequent_share_filtered * k)
        stayed = len({t.id for t in self.raw} & {t.id for t in self.filtered})
        agent = "the filter" if self.removal == "embedfilter" else f"removing “{self.removal}”"
        if before == after == 0:
            effect = "there was no frequent token to remove"
        elif after < before:
            effect = f"{agent} takes frequent tokens out"
        elif after == before:
            effect = f"{agent} does not change that"
        else:
            effect = f"{agent} brings more of them in"
            if self.removal == "embedfilter":
                effect += ", the opposite of what the paper claims"
        return (
            f"{before} of the top {k} tokens are among the {FREQUENT} most frequent before and "
            f"{after} after: {effect}. Pieces of the text itself among them: "
            f"{self.own_raw} before, {self.own_filtered} after. {stayed} of the {k} stay."
        )

    def to_json(self) -> dict[str, Any]:
        """The report under its names on the command line."""
        return finite(
            {
                "window": [self.window.l, self.window.r],
                "removal": self.removal,
                "raw": [token.to_json() for token in self.raw],
                "filtered": [token.to_json() for token in self.filtered],
                "rank_in_filtered": list(self.rank_in_filtered),
                "rank_in_raw": list(self.rank_in_raw),
                "frequent_share": {
                    "raw": self.frequent_share_raw,
                    "filtered": self.frequent_share_filtered,
                },
                "tokens_of_the_text": {"raw": self.own_raw, "filtered": self.own_filtered},
                "truncated": self.truncated,
                "sentence": self.sentence,
            }
        )


def lens(
    model: Model,
    text: str,
    prompt: str,
    window: Window,
    *,
    top: int = 10,
    frequencies: TokenFrequencies,
    removal: str = "embedfilter",
) -> Lens:
    """Read a text's embedding through the head (Logit Lens), raw and filtered.

    The filtered embedding is put through W_U in its full form e Φ, and bias, scale and soft cap
    are applied as the model does.

    Raises:
        InputError: for an empty text, an unknown prompt or removal.
    """
    embedding = model.encode([text], prompt)
    return lens_of(
        model,
        embedding,
        window,
        text=text,
        top=top,
        frequencies=frequencies,
        removal=removal,
        truncated=model.truncated([text], prompt) > 0,
    )


def lens_of(
    model: Model,
    embedding: np.ndarray,
    window: Window,
    *,
    text: str,
    top: int = 10,
    frequencies: TokenFrequencies,
    removal: str = "embedfilter",
    truncated: bool = False,
    raw_logits: np.ndarray | None = None,
    after: np.ndarray | None = None,
) -> Lens:
    """The same for the embedding (1, d_model) of ``text`` that is there already.

    ``raw_logits`` (d_vocab,) are those of ``embedding``, if known: no window changes them.
    ``after`` (d_vocab,) are those :func:`filtered_logits` makes of it, if known.
    """
    before = model.unembedding.logits(embedding[0]) if raw_logits is None else raw_logits
    if after is None:
        after = filtered_logits(model, embedding, window, frequencies=frequencies, removal=removal)[
            0
        ]
    ids = [top_tokens(logits, top).ids for logits in (before, after)]
    raw, kept = (
        tokens_of(found, logits, model.vocabulary, frequencies)
        for found, logits in zip(ids, (before, after), strict=True)
    )
    return Lens(
        window,
        removal,
        raw,
        kept,
        tuple(ranks_of(after, ids[0]).tolist()),
        tuple(ranks_of(before, ids[1]).tolist()),
        float(frequent_share(ids[0], frequencies.ranks, FREQUENT)),
        float(frequent_share(ids[1], frequencies.ranks, FREQUENT)),
        pieces_of(text, raw),
        pieces_of(text, kept),
        truncated,
    )


def pieces_of(text: str, tokens: Sequence[Token]) -> int:
    """How many of ``tokens`` occur in ``text``: two letters or more, case and spaces aside.

    >>> pieces_of("A violin", [Token(0, " viol", 1.0, None), Token(1, "a", 1.0, None)])
    1
    """
    lowered = text.lower()
    pieces = [token.text.strip().lower() for token in tokens]
    return sum(len(piece) > 1 and piece.isalpha() and piece in lowered for piece in pieces)


Layers = tuple[tuple[Token, ...], ...]
"""(n_layers + 1, k) top tokens by layer; layer 0 is the embedding of the input."""


@dataclass(frozen=True)
class LayerLens:
    """The lens after each layer, raw and filtered."""

    raw: Layers
    """(n_layers + 1, k) top tokens by layer."""
    filtered: Layers
    """(n_layers + 1, k) the same after the filter."""


def lens_by_layer(
    model: Model,
    states: np.ndarray,
    window: Window,
    *,
    top: int = LAYER_TOP,
    frequencies: TokenFrequencies,
    removal: str = "embedfilter",
    raw: Layers | None = None,
    after: np.ndarray | None = None,
) -> LayerLens:
    """Read the pooled state after each layer through the head.

    Args:
        model: the opened model.
        states: (n_layers + 1, d_model) from ``model.layers``, the final norm applied to each.
        window: what the filter keeps.
        top: tokens a layer.
        frequencies: for the frequency ranks.
        removal: what to remove, by the paper's names.
        raw: the raw side, if known: no window changes it.
        after: (n_layers + 1, d_vocab) what :func:`filtered_logits` makes of them, if known.
    """
    if raw is None:
        raw = _named(model, model.unembedding.logits(states), top, frequencies)
    if after is None:
        after = filtered_logits(model, states, window, frequencies=frequencies, removal=removal)
    return LayerLens(raw, _named(model, after, top, frequencies))


def filtered_logits(
    model: Model,
    states: np.ndarray,
    window: Window,
    *,
    frequencies: TokenFrequencies,
    removal: str = "embedfilter",
) -> np.ndarray:
    """What the head says of states (n, d_model) after the filter: (n, d_vocab) float32."""
    refine = removal_of(model, removal, window, frequencies=frequencies)
    return model.unembedding.logits(refine.transform(states))


class TextLens:
    """One text's states made ready to be read under any window, as a slider asks.

    What no window changes is read once. With the head turned into its directions
    (``Model.rotated_head``) a move costs the directions it moves over. May be asked from several
    threads.

    Args:
        model: the opened model.
        states: (n, d_model), those after each layer or the embedding alone.
        frequencies: for the frequency ranks.
        moving: whether to turn the head, which takes a second for 262,144 tokens, and as much
            memory as the head.
        progress: told of the work.
    """

    def __init__(
        self,
        model: Model,
        states: np.ndarray,
        *,
        frequencies: TokenFrequencies,
        moving: bool = False,
        progress: Progress = silent,
    ) -> None:
        self._model, self._states, self._frequencies = model, states, frequencies
        raw = model.unembedding.logits(states)
        self.raw_logits = raw[-1].copy()
        """(d_vocab,) of the last state."""
        self.raw_layers = _named(model, raw, LAYER_TOP, frequencies)
        """(n, 5) top tokens of each state."""
        head = model.rotated_head(progress=progress) if moving else None
        self._moving = None if head is None else MovingProducts(head, states)

    @property
    def nbytes(self) -> int:
        """Bytes held, the turned head aside."""
        return self.raw_logits.nbytes + (self._moving.nbytes if self._moving else 0)

    def filtered_logits(self, window: Window, removal: str = "embedfilter") -> np.ndarray:
        """What the head says of the states after the filter: (n, d_vocab) float32."""
        if self._moving is not None and removal == "embedfilter":
            return self._model.unembedding.of_products(self._moving.kept(window.l, window.r))
        return filtered_logits(
            self._model, self._states, window, frequencies=self._frequencies, removal=removal
        )


def _named(model: Model, logits: np.ndarray, top: int, frequencies: TokenFrequencies) -> Layers:
    ids = top_tokens(logits, top).ids
    return tuple(
        tokens_of(found, row, model.vocabulary, frequencies)
        for found, row in zip(ids, logits, strict=True)
    )
