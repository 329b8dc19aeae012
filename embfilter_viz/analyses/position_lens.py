"""What does every token of a prompt decode to after every layer? The lens by position.

The map is layers × tokens, and each of its cells is a whole vocabulary of logits. They are made a
block of states at a time, read, and let go of: what is kept of a cell is four numbers.
"""

import threading
from collections import OrderedDict
from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from embfilter_viz.analyses.finite import finite
from embfilter_viz.analyses.lens import FREQUENT
from embfilter_viz.analyses.reference import Reference
from embfilter_viz.analyses.relative_lens import SAME, SIDES
from embfilter_viz.analyses.removals import removal_of
from embfilter_viz.analyses.tokens import Token, tokens_of
from embfilter_viz.embeddings.logit_lens import top_tokens
from embfilter_viz.embeddings.token_cells import Cells, cells_of, join_cells
from embfilter_viz.errors import InputError
from embfilter_viz.model import Model
from embfilter_viz.models.encoding.token_states import TokenStates
from embfilter_viz.models.head.frequencies import TokenFrequencies
from embfilter_viz.models.head.products import times_head
from embfilter_viz.models.head.vocabulary import visible
from embfilter_viz.spectral.windows import Window
from embfilter_viz.system.progress import Progress, silent
from embfilter_viz.wording import counted

__all__ = [
    "MOVING_SIDES",
    "CellTokens",
    "PositionMap",
    "PositionsReport",
    "PromptLens",
    "RankPath",
    "find_token",
    "positions_report",
    "prompt_lens",
]

MOVING_SIDES = ("filtered", "relative_filtered")
"""The sides that a window changes."""

STATES = {
    "raw": "the state as it is",
    "filtered": "the filtered state",
    "relative": "the state with the mean of other texts removed",
    "relative_filtered": "the state with that mean removed and filtered,",
}
"""What is decoded, by the names of ``SIDES``."""

LOGITS_AT_ONCE = 1 << 23
"""Logits held at once: 32 MB in float32, 32 states at 262,144 rows."""

MAPS_KEPT = 8
"""Maps that a prompt made ready remembers: four sides, before and after a move."""


@dataclass(frozen=True)
class PositionMap:
    """Top token, its probability, entropy and one token's rank at every layer and position.

    A cell whose state is the mean of other texts itself has no token: -1, and no numbers.
    """

    side: str
    """By the names of ``SIDES``: what is decoded."""
    window: Window | None
    """What the filter keeps; None for the sides without it."""
    tokens: tuple[str, ...]
    """(n,) the tokens of the prompt that were read, in order."""
    first: int
    """() the position of the first of them in the whole prompt."""
    start: int
    """() the first position that counts towards the embedding."""
    top: np.ndarray
    """(n_layers + 1, n) int64 top tokens; layer 0 is the embedding of the input."""
    texts: tuple[tuple[str, ...], ...]
    """(n_layers + 1, n) the same as text; empty where there is none."""
    probability: np.ndarray
    """(n_layers + 1, n) float64 of the top token, from the softmax of the logits shown."""
    entropy: np.ndarray
    """(n_layers + 1, n) float64 of that softmax, in bits."""
    rank: np.ndarray | None
    """(n_layers + 1, n) int64 of ``token``, 0 = first; None where no token was chosen."""
    token: Token | None
    """The chosen token."""
    frequent: np.ndarray
    """(n_layers + 1, n) bool: whether the top token is among the 100 most frequent."""

    @property
    def n_layers(self) -> int:
        """Layers of the model; the map has one row more."""
        return len(self.top) - 1

    @property
    def sentence(self) -> str:
        """Return what the last layer says over the prompt, in words."""
        of = counted(len(self.tokens), "token of the prompt", "tokens of the prompt")
        last = int(self.frequent[-1].sum())
        said = (
            f"after the last layer {STATES[self.side]} decodes to one of the {FREQUENT} most "
            f"frequent tokens at {last} of {of}"
        )
        if self.rank is None or self.token is None:
            return f"{said}."
        known = self.top >= 0
        best = int(np.where(known, self.rank, np.iinfo(np.int64).max).argmin())
        layer, column = divmod(best, len(self.tokens))
        return (
            f"{said}. “{visible(self.token.text)}” has its best place, "
            f"{int(self.rank[layer, column]) + 1:,}, after layer {layer} at token "
            f"{self.first + column}. Place 1 is the first."
        )

    def to_json(self) -> dict[str, Any]:
        """The map under its names on the command line."""
        return finite(
            {
                "top": [
                    [{"id": int(i), "text": text} if i >= 0 else None for i, text in row]
                    for row in map(zip, self.top, self.texts)
                ],
                "probability": self.probability.tolist(),
                "entropy": self.entropy.tolist(),
                "rank": None if self.rank is None else [_ranks(row) for row in self.rank],
                "sentence": self.sentence,
            }
        )


@dataclass(frozen=True)
class CellTokens:
    """The top tokens of one cell, with their probabilities."""

    tokens: tuple[Token, ...]
    """(k,) best first; none where the state is the mean of other texts itself."""
    probability: np.ndarray
    """(k,) float64 of each."""


@dataclass(frozen=True)
class RankPath:
    """The ranks of one token at one position, layer by layer, under every side."""

    token: Token
    """The token; its logit is that of the last state, raw."""
    position: int
    """() where in the prompt."""
    at: str
    """The token of the prompt that stands there."""
    ranks: dict[str, np.ndarray]
    """(n_layers + 1,) int64 each, by the names of ``SIDES``; 0 = first, -1 where there is none."""

    @property
    def sentence(self) -> str:
        """Say how it climbs, in words."""
        parts = []
        for name, ranks in self.ranks.items():
            known = np.flatnonzero(ranks >= 0)
            if not len(known):
                continue
            best = known[ranks[known].argmin()]
            parts.append(
                f"{name.replace('_', ' and ')} {int(ranks[-1]) + 1:,} after the last layer, and at "
                f"best {int(ranks[best]) + 1:,}, after layer {best}"
            )
        return (
            f"the place of “{visible(self.token.text)}” at token {self.position}, "
            f"“{visible(self.at)}”, is: {'; '.join(parts)}. Place 1 is the first."
        )

    def to_json(self) -> dict[str, Any]:
        """The path under its names on the command line."""
        return {
            "token": self.token.to_json(),
            "position": self.position,
            "ranks": {name: _ranks(row) for name, row in self.ranks.items()},
            "sentence": self.sentence,
        }


def find_token(model: Model, typed: str) -> tuple[int, ...]:
    """The tokens that what was typed begins with: after a space, as in a text, and without one.

    A word of several tokens gives the first of them. A number after ``#`` is a row of W_U.

    Args:
        model: the opened model.
        typed: a word, or ``#`` and a row.

    Returns:
        one or two rows of W_U, the likelier first.

    Raises:
        InputError: nothing was typed, it has no token, or there is no such row.
    """
    word = typed.strip()
    if word.startswith("#") and word[1:].isdigit():
        if int(word[1:]) >= model.d_vocab:
            raise InputError(
                f"token {word}: rows of the head run from 0 to {model.d_vocab - 1:,}; take one of "
                "those"
            )
        return (int(word[1:]),)
    if not word:
        raise InputError("the token to follow is empty; type a word, or # and a row such as #42")
    found = []
    for text in (f" {word}", word):
        ids = model.vocabulary.encode(text)
        # A space that is a token of its own stands before the word's own first token.
        own = [i for i in ids if model.vocabulary.text(i).strip()]
        found += own[:1]
    if not found:
        raise InputError(f"token {typed!r}: this model has no token for it; type another word")
    return tuple(i for i in dict.fromkeys(found) if i < model.d_vocab)


def prompt_lens(
    model: Model,
    text: str,
    prompt: str,
    *,
    frequencies: TokenFrequencies,
    means: np.ndarray | None = None,
) -> "PromptLens":
    """A prompt with a text in it, read token by token and made ready for the lens.

    Args:
        model: the opened model.
        text: the text.
        prompt: the prompt's name.
        frequencies: p̂, which says which tokens are frequent.
        means: (n_layers + 1, d_model) mean states of other texts, if the map is to be relative.

    Returns:
        the states of every token, ready to be decoded under any window.

    Raises:
        InputError: an empty text, an unknown prompt, or a model whose layers cannot be read.
    """
    found = model.token_states(text, prompt)
    return PromptLens(model, found, frequencies=frequencies, means=means)


class PromptLens:
    """The states of all tokens and layers of one prompt, ready to be read under any window.

    May be asked from several threads.

    Args:
        model: the opened model.
        found: the tokens and their states.
        frequencies: which tokens are frequent.
        means: (n_layers + 1, d_model) the mean embedding of other texts after each layer, for the
            sides relative to it.
    """

    def __init__(
        self,
        model: Model,
        found: TokenStates,
        *,
        frequencies: TokenFrequencies,
        means: np.ndarray | None = None,
    ) -> None:
        self._model, self._frequencies, self._means = model, frequencies, means
        self._found = found
        self.tokens = tuple(model.vocabulary.texts(found.ids))
        """(n_tokens,) the tokens of the whole prompt as text."""
        self._maps: OrderedDict[Hashable, PositionMap] = OrderedDict()
        self._path: tuple[Hashable, RankPath] | None = None
        self._lock = threading.Lock()

    @property
    def sides(self) -> tuple[str, ...]:
        """Return what can be decoded: with the means of other texts all of ``SIDES``, else two."""
        return tuple(SIDES)[: 2 if self._means is None else 4]

    @property
    def n_layers(self) -> int:
        """Layers of the model."""
        return len(self._found.states) - 1

    @property
    def start(self) -> int:
        """The first position that counts towards the embedding."""
        return self._found.start

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return self._found.states.nbytes

    def known(
        self, side: str, window: Window, removal: str, columns: slice, token: int | None
    ) -> PositionMap | None:
        """The map, if it was made.

        Args:
            side: one of ``SIDES``.
            window: what the filter keeps.
            removal: what is removed, by a name of ``REMOVALS``.
            columns: which tokens of the prompt.
            token: the token that is followed.

        Returns:
            the map, or None if it was not made yet.
        """
        with self._lock:
            return self._maps.get(_key(side, window, removal, columns, token))

    def map(
        self,
        side: str,
        window: Window,
        *,
        removal: str = "embedfilter",
        columns: slice = slice(None),
        token: int | None = None,
        progress: Progress = silent,
    ) -> PositionMap:
        """The map of one side.

        Args:
            side: one of :attr:`sides`.
            window: what the filter keeps.
            removal: what to remove, by the paper's names.
            columns: which positions.
            token: a row of W_U whose rank is wanted.
            progress: told the states done; may raise to stop.

        Returns:
            the map of those tokens.
        """
        key = _key(side, window, removal, columns, token)
        known = self.known(side, window, removal, columns, token)
        if known is not None:
            return known
        states = self._states(side)[:, columns]
        n_layers, n, d = states.shape
        rows = states.reshape(-1, d)
        cells = join_cells(
            [
                cells_of(logits, token)
                for logits in self._logits(rows, side, window, removal, progress)
            ]
        )
        made = self._named(side, window, columns, token, cells, (n_layers, n))
        with self._lock:
            self._maps[key] = made
            while len(self._maps) > MAPS_KEPT:
                self._maps.popitem(last=False)
        return made

    def cell(
        self,
        side: str,
        window: Window,
        layer: int,
        position: int,
        *,
        removal: str = "embedfilter",
        top: int = 10,
    ) -> CellTokens:
        """The top tokens of one cell of the map of a side.

        Args:
            side: one of ``SIDES``.
            window: what the filter keeps.
            layer: after which layer, 0 for the input.
            position: which token of the prompt.
            removal: what is removed, by a name of ``REMOVALS``.
            top: how many tokens.

        Returns:
            the top tokens with their probabilities.
        """
        state = self._states(side)[layer : layer + 1, position]
        if not self._differs(side)[layer, position]:
            return CellTokens((), np.empty(0))
        (logits,) = self._logits(state, side, window, removal)
        found = top_tokens(logits[0], top)
        below = found.logits.astype(np.float64) - found.logits[0]
        p = np.exp(below) / np.exp(logits[0].astype(np.float64) - found.logits[0]).sum()
        named = tokens_of(found.ids, logits[0], self._model.vocabulary, self._frequencies)
        return CellTokens(named, p)

    def path(
        self, token: int, position: int, window: Window, *, removal: str = "embedfilter"
    ) -> RankPath:
        """The rank of a token at one position through the layers, under every side.

        Args:
            token: its row of W_U.
            position: which token of the prompt.
            window: what the filter keeps.
            removal: what is removed, by a name of ``REMOVALS``.

        Returns:
            the ranks after every layer, under every side.
        """
        key = token, position, str(window), removal
        with self._lock:
            if self._path is not None and self._path[0] == key:
                return self._path[1]
        ranks = {}
        for side in self.sides:
            states = self._states(side)[:, position]
            blocks = self._logits(states, side, window, removal)
            found = join_cells([cells_of(logits, token) for logits in blocks]).rank
            assert found is not None
            ranks[side] = np.where(self._differs(side)[:, position], found, -1)
        last = self._found.states[-1, position]
        (logits,) = self._logits(last[None], "raw", window, removal)
        (named,) = tokens_of([token], logits[0], self._model.vocabulary, self._frequencies)
        made = RankPath(named, position, self.tokens[position], ranks)
        with self._lock:
            self._path = key, made
        return made

    def _states(self, side: str) -> np.ndarray:
        """(n_layers + 1, n_tokens, d_model): those of the prompt, or less each layer's mean."""
        states = self._found.states
        if not side.startswith("relative"):
            return states
        assert self._means is not None
        return (states - self._means[:, None]).astype(np.float32)

    def _differs(self, side: str) -> np.ndarray:
        """(n_layers + 1, n_tokens) bool: which states are not the mean of other texts itself."""
        if not side.startswith("relative"):
            return np.ones(self._found.states.shape[:2], dtype=bool)
        apart = np.linalg.norm(self._states(side), axis=2)
        return apart > SAME * np.linalg.norm(self._found.states, axis=2)

    def _logits(
        self,
        states: np.ndarray,
        side: str,
        window: Window,
        removal: str,
        progress: Progress = silent,
    ) -> Iterator[np.ndarray]:
        """Return what the head says of states (n, d_model), a block (m, d_vocab) at a time.

        Args:
            states: (n, d_model).
            side: one of ``SIDES``.
            window: what the filter keeps.
            removal: what is removed, by a name of ``REMOVALS``.
            progress: told of the work.

        Returns:
            blocks (m, d_vocab) of float32.
        """
        head, n = self._model.unembedding, len(states)
        size = max(1, LOGITS_AT_ONCE // self._model.d_vocab)
        if side in MOVING_SIDES:
            refine = removal_of(self._model, removal, window, frequencies=self._frequencies)
            states = refine.transform(states)
        for start in range(0, n, size):
            progress("Reading every token of the prompt", start, n, "states")
            products = times_head(states[start : start + size], head.W_U)
            if not side.startswith("relative"):
                yield head.of_products(products)
            else:  # as in Differences: a bias cancels, a soft cap changes no order
                yield products * np.float32(head.logit_scale)

    def _named(
        self,
        side: str,
        window: Window,
        columns: slice,
        token: int | None,
        cells: Cells,
        shape: tuple[int, int],
    ) -> PositionMap:
        """The record of a map from the numbers of its cells.

        Args:
            side: one of ``SIDES``.
            window: what the filter keeps.
            columns: which tokens of the prompt.
            token: the token that is followed.
            cells: the numbers.
            shape: layers and tokens.

        Returns:
            the map with its tokens by name.
        """
        differs = self._differs(side)[:, columns]
        top = np.where(differs, cells.top.reshape(shape), -1)
        vocabulary = self._model.vocabulary
        texts = {-1: "", **{int(i): vocabulary.text(int(i)) for i in np.unique(top) if i >= 0}}
        named = None
        if token is not None:
            (named,) = tokens_of(
                [token], np.full(self._model.d_vocab, np.nan), vocabulary, self._frequencies
            )
        ranks = self._frequencies.ranks
        return PositionMap(
            side,
            window if side in MOVING_SIDES else None,
            self.tokens[columns],
            range(len(self.tokens))[columns].start,
            self.start,
            top,
            tuple(tuple(texts[int(i)] for i in row) for row in top),
            np.where(differs, cells.probability.reshape(shape), np.nan),
            np.where(differs, cells.entropy.reshape(shape), np.nan),
            None if cells.rank is None else np.where(differs, cells.rank.reshape(shape), -1),
            named,
            (top >= 0) & (ranks[np.maximum(top, 0)] < FREQUENT),
        )


def _ranks(row: np.ndarray) -> list[int | None]:
    return [None if rank < 0 else int(rank) for rank in row]


def _key(
    side: str, window: Window, removal: str, columns: slice, token: int | None
) -> tuple[Hashable, ...]:
    of_window = (str(window), removal) if side in MOVING_SIDES else ()
    return side, of_window, columns.start, columns.stop, token


@dataclass(frozen=True)
class PositionsReport:
    """The maps of a whole prompt, and the path of one token at its last position."""

    tokens: tuple[str, ...]
    """(n_tokens,) the tokens of the prompt."""
    start: int
    """() the first that counts towards the embedding."""
    maps: dict[str, PositionMap]
    """By the names of ``SIDES``."""
    path: RankPath | None
    """Of the token that was followed; None where none was."""

    def to_json(self) -> dict[str, Any]:
        """The report under its names on the command line."""
        path = None if self.path is None else self.path.to_json()
        return finite(
            {
                "tokens": list(self.tokens),
                "start": self.start,
                **{side: found.to_json() for side, found in self.maps.items()},
                "follow": path,
            }
        )


def positions_report(
    model: Model,
    text: str,
    prompt: str,
    window: Window,
    *,
    frequencies: TokenFrequencies,
    reference: Reference | None = None,
    removal: str = "embedfilter",
    follow: str | None = None,
    progress: Progress = silent,
) -> PositionsReport:
    """Read every token of a prompt after every layer through the head.

    Args:
        model: the opened model.
        text: the text.
        prompt: how it is put to the model; the reference texts too.
        window: what the filter keeps.
        frequencies: which tokens are frequent.
        reference: other texts, whose mean embedding after each layer is taken away as well.
        removal: what to remove, by the paper's names.
        follow: a word, or ``#`` and a row of W_U: the token whose ranks are wanted.
        progress: told of the work; may raise to stop.

    Returns:
        the maps of both sides, and the path of the token that is followed.

    Raises:
        InputError: an empty text, an unknown prompt or removal, a word without a token, or a model
            whose layers cannot be read.
    """
    token = None if follow is None else find_token(model, follow)[0]
    means = None
    if reference is not None:
        others = reference.without((text,))
        means = model.layer_means(others.texts, prompt, progress=progress)
    ready = prompt_lens(model, text, prompt, frequencies=frequencies, means=means)
    maps = {
        side: ready.map(side, window, removal=removal, token=token, progress=progress)
        for side in ready.sides
    }
    path = None
    if token is not None:
        path = ready.path(token, len(ready.tokens) - 1, window, removal=removal)
    return PositionsReport(ready.tokens, ready.start, maps, path)
