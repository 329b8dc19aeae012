"""What does a text decode to that other texts do not? The lens of e − μ beside that of e."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from embfilter_viz.analyses.differences import Differences
from embfilter_viz.analyses.finite import finite
from embfilter_viz.analyses.lens import (
    FREQUENT,
    LAYER_TOP,
    LayerLens,
    Lens,
    filtered_logits,
    lens_of,
)
from embfilter_viz.analyses.reference import Reference
from embfilter_viz.analyses.removals import removal_of
from embfilter_viz.analyses.tokens import Token, tokens_of
from embfilter_viz.embeddings.interval import Interval
from embfilter_viz.embeddings.logit_lens import ranks_of, top_tokens
from embfilter_viz.embeddings.median import median_over_texts
from embfilter_viz.embeddings.own_tokens import median_ranks, own_tokens
from embfilter_viz.errors import InputError
from embfilter_viz.model import Model
from embfilter_viz.models.head.frequencies import TokenFrequencies
from embfilter_viz.spectral.windows import Window
from embfilter_viz.system.progress import Progress, silent
from embfilter_viz.wording import counted, fixed, listed

__all__ = [
    "SIDES",
    "OwnRanks",
    "OwnTokens",
    "RelativeLens",
    "RelativeText",
    "own_ranks",
    "relative_lens",
]

SIDES = {
    "raw": "e, the embedding as it is",
    "filtered": "e Φ, after the filter",
    "relative": "e − μ, with the mean of other texts removed",
    "relative_filtered": "(e − μ) Φ, with the mean removed, after the filter",
}
"""What is decoded side by side, and what each is."""

SAME = 1e-5
"""A state that is as near to the mean, by its own length, is the mean to rounding."""

ROWS_AT_ONCE = 64
"""Texts whose logits are held at once: 64 × 262,144 float32 are 67 MB."""


@dataclass(frozen=True)
class OwnTokens:
    """A text's own tokens, those that are not among the 100 most frequent, and their ranks."""

    tokens: tuple[Token, ...]
    """(m,) the tokens in the order of the text; their logits are those of e − μ."""
    ranks: Mapping[str, tuple[int, ...]]
    """(m,) each: where they stand by the logits of each of ``SIDES``, 0 = first."""

    @property
    def median(self) -> dict[str, float]:
        """Median rank by the names of ``SIDES``; NaN where the text has no such tokens."""
        return {
            name: float(np.median(ranks)) if ranks else float("nan")
            for name, ranks in self.ranks.items()
        }

    @property
    def sentence(self) -> str:
        """Return where they stand under each, in words."""
        if not self.tokens:
            return f"all tokens of the text are among the {FREQUENT} most frequent."
        of = f"the median rank of {counted(len(self.tokens), 'token')} of the text"
        return (
            f"{of} that {'is' if len(self.tokens) == 1 else 'are'} not among the {FREQUENT} most "
            f"frequent is {_four(self.median)}. Rank 0 is the first."
        )


@dataclass(frozen=True)
class OwnRanks:
    """Median ranks of many texts' own tokens."""

    n_texts: int
    """() how many texts have such tokens."""
    of: str
    """Which texts, in words."""
    median: Mapping[str, Interval]
    """By the names of ``SIDES``: median over texts of a text's median rank, 0 = first."""

    @property
    def sentence(self) -> str:
        """The same in words."""
        said = {
            name: f"{fixed(one.value, 0)} [{fixed(one.low, 0)}, {fixed(one.high, 0)}]"
            for name, one in self.median.items()
        }
        return (
            f"over {self.of} the median rank of a text's own tokens that are not among the "
            f"{FREQUENT} most frequent is {_in_words(said)}. In brackets are 95 % intervals over "
            "texts. The mean that is removed from a text is that of all other texts."
        )

    def to_json(self) -> dict[str, Any]:
        """The ranks under their names on the command line."""
        median = {name: asdict(one) for name, one in self.median.items()}
        return {"n_texts": self.n_texts, "median_rank": median, "sentence": self.sentence}


@dataclass(frozen=True)
class RelativeLens:
    """A text less the mean of others, read through the head, raw and filtered."""

    lens: Lens
    """Of e − μ: its raw side is e − μ itself, its filtered side (e − μ) Φ."""
    reference: Reference
    """The texts whose mean μ is, none of them the text itself."""
    own: OwnTokens
    """Where the text's own tokens stand."""
    over_texts: OwnRanks | None = None
    """The same over the reference texts, where that was asked for."""
    layers: LayerLens | None = None
    """The lens after each layer, less that layer's own mean, where that was asked for; no tokens
    where the state is the mean itself."""

    def to_json(self) -> dict[str, Any]:
        """Return what it adds to the report of the lens, under its names on the command line."""
        said = self.lens.to_json()
        layers = None if self.layers is None else self.layers.to_json()
        return finite(
            {
                "relative": said["raw"],
                "relative_filtered": said["filtered"],
                "reference": self.reference.to_json(),
                "own_tokens": {
                    "tokens": [token.to_json() for token in self.own.tokens],
                    "ranks": {name: list(ranks) for name, ranks in self.own.ranks.items()},
                    "median_rank": self.own.median,
                    "sentence": self.own.sentence,
                },
                "over_texts": None if self.over_texts is None else self.over_texts.to_json(),
                "relative_layers": layers
                and {"relative": layers["raw"], "relative_filtered": layers["filtered"]},
            }
        )


def relative_lens(
    model: Model,
    text: str,
    prompt: str,
    window: Window,
    *,
    reference: Reference,
    frequencies: TokenFrequencies,
    top: int = 10,
    removal: str = "embedfilter",
    layers: bool = False,
    progress: Progress = silent,
) -> RelativeLens:
    """Read a text's embedding less the mean of others through the head, raw and filtered.

    Args:
        model: the opened model.
        text: the text; where it is one of the reference texts, the mean is that of the others.
        prompt: how texts are put to the model; the reference texts too.
        window: what the filter keeps.
        reference: the other texts.
        frequencies: for the frequency ranks of tokens.
        top: how many tokens of each.
        removal: what to remove, by the paper's names.
        layers: whether to read every layer too, which runs all reference texts through the model
            layer by layer.
        progress: told of the work; may raise to stop.

    Returns:
        the top tokens of the four sides, and the ranks of the text's own tokens.

    Raises:
        InputError: an empty text, an unknown prompt or removal, too few reference texts, or a
            model whose layers cannot be read.
    """
    others = reference.without((text,))
    states = model.encode([text], prompt, progress=progress)
    model.check_lengths("the relative lens, which subtracts the mean of other texts,")
    E = model.encode(others.texts, prompt, progress=progress)
    means = E.mean(axis=0, dtype=np.float64)[None]
    if layers:
        states = model.layers(text, prompt)
        means = model.layer_means(others.texts, prompt, progress=progress)
    made = RelativeText(model, states, means, text=text, frequencies=frequencies)
    ranks = own_ranks(
        model, others, E, window, frequencies=frequencies, removal=removal, progress=progress
    )
    return made.report(
        window, others, top=top, removal=removal, over_texts=ranks, layers=layers,
        truncated=model.truncated([text], prompt) > 0,
    )  # fmt: skip


class RelativeText:
    """One text's states less the means of others, ready to be read under any window.

    Args:
        model: the opened model.
        states: (n, d_model) those after each layer, or the embedding alone.
        means: (n, d_model) the means of other texts' states, in the same order.
        text: the text itself.
        frequencies: for the frequency ranks.
        moving: whether to turn the head, so that a move of the window costs what it moves over.
        progress: told of the work.
    """

    def __init__(
        self,
        model: Model,
        states: np.ndarray,
        means: np.ndarray,
        *,
        text: str,
        frequencies: TokenFrequencies,
        moving: bool = False,
        progress: Progress = silent,
    ) -> None:
        self._model, self._states, self._frequencies = model, states, frequencies
        self._text = text
        self._apart = Differences(model, states - means, moving=moving, progress=progress)
        self._raw_logits = model.unembedding.logits(states[-1])
        # After the first layers a prompt that ends alike gives all texts one state.
        lengths = np.linalg.norm(self._apart.states, axis=1)
        self._differs = lengths > SAME * np.linalg.norm(states, axis=1)
        self._own = own_tokens(model.vocabulary.encode(text), frequencies.ranks, FREQUENT)
        self._raw_layers = self._named(self._apart.logits) if len(states) > 1 else ()

    @property
    def nbytes(self) -> int:
        """Bytes held, the turned head aside."""
        return self._apart.nbytes + self._raw_logits.nbytes

    def report(
        self,
        window: Window,
        reference: Reference,
        *,
        top: int = 10,
        removal: str = "embedfilter",
        filtered: np.ndarray | None = None,
        over_texts: OwnRanks | None = None,
        layers: bool = False,
        truncated: bool = False,
    ) -> RelativeLens:
        """The text under ``window``.

        Args:
            window: what the filter keeps.
            reference: the texts whose means were taken away.
            top: how many tokens of each.
            removal: what to remove, by the paper's names.
            filtered: (d_vocab,) logits of e Φ, if known.
            over_texts: ranks over the reference texts, if known.
            layers: whether to name the tokens of every layer.
            truncated: whether the text was cut.

        Returns:
            the top tokens of the four sides, and the ranks of the text's own tokens.
        """
        model, frequencies = self._model, self._frequencies
        after = self._apart.filtered_logits(window, removal, frequencies)
        if filtered is None:
            filtered = filtered_logits(
                model, self._states[-1:], window, frequencies=frequencies, removal=removal
            )[0]
        found = lens_of(
            model, self._apart.states[-1:], window,
            text=self._text, top=top, frequencies=frequencies, removal=removal,
            truncated=truncated, raw_logits=self._apart.logits[-1], after=after[-1],
        )  # fmt: skip
        sides = (self._raw_logits, filtered, self._apart.logits[-1], after[-1])
        own = OwnTokens(
            tokens_of(self._own, self._apart.logits[-1], model.vocabulary, frequencies),
            {
                name: tuple(ranks_of(logits, self._own).tolist())
                for name, logits in zip(SIDES, sides, strict=True)
            },
        )
        by_layer = LayerLens(self._raw_layers, self._named(after)) if layers else None
        return RelativeLens(found, reference, own, over_texts, by_layer)

    def _named(self, logits: np.ndarray) -> tuple[tuple[Token, ...], ...]:
        """The top tokens of each state; none of one that is the mean itself."""
        ids = top_tokens(logits, LAYER_TOP).ids
        return tuple(
            tokens_of(row, of_row, self._model.vocabulary, self._frequencies) if differs else ()
            for row, of_row, differs in zip(ids, logits, self._differs, strict=True)
        )


def own_ranks(
    model: Model,
    reference: Reference,
    embeddings: np.ndarray,
    window: Window,
    *,
    frequencies: TokenFrequencies,
    removal: str = "embedfilter",
    progress: Progress = silent,
) -> OwnRanks:
    """Rank the own tokens of many texts under each of ``SIDES``, with intervals over texts.

    A text less the mean of all points where it points less the mean of the others, so that no
    text is measured against itself.

    Args:
        model: the opened model.
        reference: the texts.
        embeddings: (n, d_model) raw, in their order.
        window: what the filter keeps.
        frequencies: which tokens are frequent.
        removal: what to remove, by the paper's names.
        progress: told the texts done; may raise to stop.

    Returns:
        the median ranks over texts, with intervals.

    Raises:
        InputError: no text has a token that is not frequent.
    """
    ids = model.vocabulary.encode_many(reference.texts)
    words = [own_tokens(one, frequencies.ranks, FREQUENT) for one in ids]
    refine = removal_of(model, removal, window, frequencies=frequencies).transform
    relative = (embeddings - embeddings.mean(axis=0, dtype=np.float64)).astype(np.float32)
    found: dict[str, list[np.ndarray]] = {name: [] for name in SIDES}
    for start in range(0, len(words), ROWS_AT_ONCE):
        progress("Ranking the texts' own tokens", start, len(words), "texts")
        rows = slice(start, start + ROWS_AT_ONCE)
        E, X = embeddings[rows], relative[rows]
        for name, logits in zip(
            SIDES,
            (
                model.unembedding.logits(E),
                model.unembedding.logits(refine(E)),
                Differences(model, X).logits,
                Differences(model, refine(X)).logits,
            ),
            strict=True,
        ):
            found[name].append(median_ranks(logits, words[rows]))
    known = np.array([len(one) > 0 for one in words])
    if not known.any():
        raise InputError(
            f"{reference.name}: all tokens of these texts are among the {FREQUENT} most frequent; "
            "give longer texts"
        )
    bounds = (0.0, model.d_vocab - 1.0)
    median = {
        name: median_over_texts(np.concatenate(parts)[known], bounds)
        for name, parts in found.items()
    }
    return OwnRanks(int(known.sum()), reference.said, median)


def _four(values: Mapping[str, float]) -> str:
    return _in_words({name: fixed(value, 0) for name, value in values.items()})


def _in_words(said: Mapping[str, str]) -> str:
    """One thing said of each of ``SIDES``."""
    return listed(
        [
            f"{said['raw']} raw",
            f"{said['filtered']} filtered",
            f"{said['relative']} with the mean of other texts removed",
            f"{said['relative_filtered']} with both",
        ]
    )
