"""What does one text's embedding decode to, before and after the filter?"""

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from embfilter_viz.analyses.finite import finite
from embfilter_viz.analyses.removals import removal_of
from embfilter_viz.analyses.specificity import (
    FREQUENT,
    OwnWords,
    RandomLens,
    others_for,
    random_lens,
)
from embfilter_viz.analyses.tokens import Token, tokens_of
from embfilter_viz.embeddings.logit_lens import frequent_share, ranks_of, top_tokens
from embfilter_viz.embeddings.specificity import SPECIFIC_TOP
from embfilter_viz.model import Model
from embfilter_viz.models.head.frequencies import TokenFrequencies
from embfilter_viz.models.head.rotated_head import MovingProducts
from embfilter_viz.spectral.baselines import RANDOM_SUBSPACES
from embfilter_viz.spectral.windows import Window
from embfilter_viz.system.progress import Progress, silent
from embfilter_viz.wording import are, counted, fixed, spanned

__all__ = [
    "FREQUENT",
    "LayerLens",
    "Layers",
    "Lens",
    "Specificity",
    "TextLens",
    "filtered_logits",
    "lens",
    "lens_by_layer",
    "lens_of",
]

LAYER_TOP = 5
"""Tokens shown of each layer."""


@dataclass(frozen=True)
class Specificity:
    """The share of other texts whose words are farther from the top 10 than the text's own.

    See :mod:`embfilter_viz.embeddings.specificity`; one half is chance.
    """

    raw: float
    """Share of the other texts, for the top tokens of the embedding as it is."""
    filtered: float
    """The same for the filtered embedding."""
    n_others: int
    """How many other texts."""

    @property
    def known(self) -> bool:
        """Tell whether the text has words of its own: tokens that are not frequent."""
        return not math.isnan(self.raw)


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
    truncated: bool
    """Whether the text was cut to what the model is given to read."""
    specificity: "Specificity | None" = None
    """How specific the top 10 are to the text; None where it was not asked for."""
    random: RandomLens | None = None
    """What random subspaces of the filter's size give; None where it was not asked for."""
    layer: int | None = None
    """After which layer the text was read; None: the last."""

    @property
    def sentence(self) -> str:
        """Return what the filter did to this text, in words."""
        k = len(self.raw)
        before, after = (self._counted(share) for share in self._shares)
        said = "" if self.layer is None else f"after layer {self.layer}, "
        said += f"of the top {k} tokens, {are(before)} among the {FREQUENT} most frequent"
        if self._removes_nothing:
            said += (
                f". The window {self.window} drops nothing, so the filtered embedding is the raw "
                "one"
            )
            return f"{said}. {self._own}".rstrip()
        if before:
            said += f" before and {after or 'none'} after: {self._effect(before, after)}"
        else:
            said += f" before and {are(after)} after: {self._effect(before, after)}"
        if self.random is not None:
            share = self.random.frequent_share
            ends = spanned(k * share.low, k * share.high, 0)
            said += (
                f". In {RANDOM_SUBSPACES} random subspaces of the same size, "
                f"{fixed(k * share.value, 1)} ({ends}) are frequent on average"
            )
        return (
            f"{said}. {self._own}Of the {k} tokens before, {are(self._stayed)} also among those "
            "after."
        )

    @property
    def _stayed(self) -> int:
        return len({token.id for token in self.raw} & {token.id for token in self.filtered})

    @property
    def _shares(self) -> tuple[float, float]:
        return self.frequent_share_raw, self.frequent_share_filtered

    def _counted(self, share: float) -> int:
        return round(share * len(self.raw))

    @property
    def _removes_nothing(self) -> bool:
        return self.window.drops_nothing

    def _effect(self, before: int, after: int) -> str:
        agent = "the filter" if self.removal == "embedfilter" else f"removing “{self.removal}”"
        if before == after == 0:
            return "there was no frequent token to remove"
        if after < before:
            return f"{agent} takes frequent tokens out"
        if after == before:
            return f"{agent} does not change their number"
        claim = self.removal == "embedfilter" and self.window.is_papers
        return f"{agent} brings more of them in" + (
            ", the opposite of what the paper claims" if claim else ""
        )

    @property
    def _own(self) -> str:
        """Say how near the top tokens lie to the text's own words, with a space behind."""
        found = self.specificity
        if found is None:
            return ""
        if not found.known:
            return "The text has no infrequent words that its tokens could be compared with. "
        said = (
            f"The top {SPECIFIC_TOP} tokens lie nearer to the words of this text than to those of "
            f"{found.raw:.0%} of {counted(found.n_others, 'other text')}"
        )
        if not self._removes_nothing:
            said += f" before and of {found.filtered:.0%} after"
        if self.random is not None:
            share = self.random.specificity
            said += (
                f" (random subspaces: {share.value:.0%}, from {share.low:.0%} to {share.high:.0%})"
            )
        return f"{said}. "

    def to_json(self) -> dict[str, Any]:
        """The report under its names on the command line."""
        return finite(
            {
                "window": [self.window.l, self.window.r],
                "removal": self.removal,
                "layer": self.layer,
                "raw": [token.to_json() for token in self.raw],
                "filtered": [token.to_json() for token in self.filtered],
                "stayed": self._stayed,
                "rank_in_filtered": list(self.rank_in_filtered),
                "rank_in_raw": list(self.rank_in_raw),
                "frequent_share": {
                    "raw": self.frequent_share_raw,
                    "filtered": self.frequent_share_filtered,
                },
                "frequent_count": {
                    name: self._counted(share)
                    for name, share in zip(("raw", "filtered"), self._shares, strict=True)
                },
                "random_subspaces": None
                if self.random is None
                else {
                    "frequent_share": asdict(self.random.frequent_share),
                    "frequent_count": {
                        name: len(self.raw) * share
                        for name, share in asdict(self.random.frequent_share).items()
                    },
                    "specificity": asdict(self.random.specificity),
                    "n_subspaces": RANDOM_SUBSPACES,
                },
                "specificity": None if self.specificity is None else asdict(self.specificity),
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
    """Read a text's embedding through the head (Logit Lens), raw and filtered, beside controls.

    The filtered embedding is put through W_U in its full form e Φ, and bias, scale and soft cap
    are applied as the model does.

    Args:
        model: the opened model.
        text: the text.
        prompt: the prompt's name.
        window: what the filter keeps.
        top: how many tokens on each side.
        frequencies: p̂, which says which tokens are frequent.
        removal: what is removed, by a name of ``REMOVALS``.

    Returns:
        the top tokens raw and filtered, and what they say of the text.

    Raises:
        InputError: for an empty text, an unknown prompt or removal.
    """
    embedding = model.encode([text], prompt)
    words = others_for(model, frequencies)
    return lens_of(
        model,
        embedding,
        window,
        text=text,
        top=top,
        frequencies=frequencies,
        removal=removal,
        truncated=model.truncated([text], prompt) > 0,
        words=words,
        random=random_lens(
            model, embedding, window.k, text=text, top=top, frequencies=frequencies, words=words
        ),
        layer=model.prompt(prompt).layer,
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
    words: OwnWords | None = None,
    random: RandomLens | None = None,
    layer: int | None = None,
) -> Lens:
    """The same for the embedding (1, d_model) of ``text`` that is there already.

    ``raw_logits`` (d_vocab,) are those of ``embedding``, if known: no window changes them.
    ``after`` (d_vocab,) are those :func:`filtered_logits` makes of it, if known. ``words`` are
    those of other texts, for the specificity, and ``random`` what random subspaces give. ``layer``
    is the one it was read after, if not the last.

    Args:
        model: the opened model.
        embedding: (1, d_model) raw.
        window: what the filter keeps.
        text: what was embedded.
        top: how many tokens on each side.
        frequencies: p̂, which says which tokens are frequent.
        removal: what is removed, by a name of ``REMOVALS``.
        truncated: whether the text was cut.
        raw_logits: (1, d_vocab) if they are known.
        after: (1, d_vocab) filtered logits if they are known.
        words: the text's own words, for its specificity.
        random: what random subspaces give.
        layer: after which layer the state was read; None for the last.

    Returns:
        the top tokens raw and filtered, and what they say of the text.
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
    specificity = None
    if words is not None:
        ten = [top_tokens(logits, SPECIFIC_TOP).ids for logits in (before, after)]
        places = words.of_one(text, np.stack(ten))
        specificity = Specificity(float(places[0]), float(places[1]), words.n_others(text))
    return Lens(
        window,
        removal,
        raw,
        kept,
        tuple(ranks_of(after, ids[0]).tolist()),
        tuple(ranks_of(before, ids[1]).tolist()),
        float(frequent_share(ids[0], frequencies.ranks, FREQUENT)),
        float(frequent_share(ids[1], frequencies.ranks, FREQUENT)),
        truncated,
        specificity,
        random,
        layer,
    )


Layers = tuple[tuple[Token, ...], ...]
"""(n_layers + 1, k) top tokens by layer; layer 0 is the embedding of the input."""


@dataclass(frozen=True)
class LayerLens:
    """The lens after each layer, raw and filtered."""

    raw: Layers
    """(n_layers + 1, k) top tokens by layer."""
    filtered: Layers
    """(n_layers + 1, k) the same after the filter."""

    def to_json(self) -> dict[str, list[list[dict[str, Any]]]]:
        """The tokens under their names on the command line."""
        return {
            "raw": [[token.to_json() for token in row] for row in self.raw],
            "filtered": [[token.to_json() for token in row] for row in self.filtered],
        }


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

    Returns:
        the top tokens after every layer, raw and filtered.
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
    """Return what the head says of states (n, d_model) after the filter: (n, d_vocab) float32.

    Args:
        model: the opened model.
        states: (n, d_model) raw.
        window: what the filter keeps.
        frequencies: p̂, which says which tokens are frequent.
        removal: what is removed, by a name of ``REMOVALS``.

    Returns:
        (n, d_vocab) float32.
    """
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
        text: the text itself.
        words: of other texts, for the specificity; none is shown without.
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
        text: str = "",
        words: OwnWords | None = None,
        moving: bool = False,
        progress: Progress = silent,
    ) -> None:
        self._model, self._states, self._frequencies = model, states, frequencies
        self.text, self.words = text, words
        raw = model.unembedding.logits(states)
        self.raw_logits = raw[-1].copy()
        """(d_vocab,) of the last state."""
        self.raw_layers = _named(model, raw, LAYER_TOP, frequencies)
        """(n, 5) top tokens of each state."""
        head = model.rotated_head(progress=progress) if moving else None
        self._moving = None if head is None else MovingProducts(head, states)
        self._random: dict[tuple[int, int], RandomLens] = {}

    @property
    def nbytes(self) -> int:
        """Bytes held, the turned head aside."""
        return self.raw_logits.nbytes + (self._moving.nbytes if self._moving else 0)

    def known_random(self, k: int, top: int) -> RandomLens | None:
        """Return what random subspaces of k dimensions give, if that was measured."""
        return self._random.get((k, top))

    def random(self, k: int, top: int) -> RandomLens | None:
        """The same, measured: 20 vectors are put through the head. None without words."""
        if self.words is None:
            return None
        if (k, top) not in self._random:
            self._random[k, top] = random_lens(
                self._model, self._states[-1:], k,
                text=self.text, top=top, frequencies=self._frequencies, words=self.words,
            )  # fmt: skip
        return self._random[k, top]

    def filtered_logits(self, window: Window, removal: str = "embedfilter") -> np.ndarray:
        """Return what the head says of the states after the filter: (n, d_vocab) float32."""
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
