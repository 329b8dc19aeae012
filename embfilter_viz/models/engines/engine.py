"""A server that reads token sequences: states come back in the order they are ready."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from embfilter_viz.errors import InputError
from embfilter_viz.models.encoding.prepared import Prepared
from embfilter_viz.models.engines.dialects import Dialect
from embfilter_viz.models.engines.line import LOOK_BYTES, Line
from embfilter_viz.models.head.vocabulary import Vocabulary

__all__ = ["Engine", "as_text"]

_TEXTS = 32
"""Texts of one request."""
_TOKENS = 2048
"""Tokens of one request: some seconds of a slow engine, and where every token's state comes back,
some megabytes."""


_NUMBER_BYTES = 64
"""Bytes that a number may take in JSON, with the spaces of one written to be read."""
_ADDED = 16
"""Tokens that a server may add to a text, as the trial then finds."""


class Engine:
    """A server, asked in one way.

    Args:
        line: the way to it.
        dialect: how it is asked.
        vocabulary: the tokens of the checkpoint.
        d_model: numbers of a state.
    """

    def __init__(self, line: Line, dialect: Dialect, vocabulary: Vocabulary, d_model: int) -> None:
        self.line = line
        self.dialect = dialect
        self.vocabulary = vocabulary
        self.d_model = d_model

    def states(
        self,
        sequences: Sequence[Prepared],
        *,
        alone: bool = False,
        beat: Callable[[], None] = lambda: None,
    ) -> Iterator[tuple[list[int], list[np.ndarray]]]:
        """Ask for token sequences, and hand out the answers request by request.

        Args:
            sequences: as the tokenizer of this machine makes them.
            alone: whether each is a request of its own.
            beat: called while nothing comes; may raise.

        Yields:
            places in ``sequences``, each once in all, and for each its states: (1, d_model)
            float32, or (n_tokens, d_model) of a server that gives every token's.

        Raises:
            InputError: a sequence that cannot be written as text, for a server that takes no token
                ids; or what the server refuses.
        """
        groups = self._groups(sequences, 1 if alone else _TEXTS)
        inputs = ([self._input(sequences, place) for place in group] for group in groups)
        asked = (self.dialect.question(one) for one in inputs)  # type: ignore[arg-type]
        most = self._most_bytes(sequences, groups)
        for number, said in self.line.ask_all(asked, most_bytes=most, beat=beat):
            group = groups[number]
            yield group, self.dialect.rows(said, len(group), self.d_model)

    def _most_bytes(self, sequences: Sequence[Prepared], groups: Sequence[Sequence[int]]) -> int:
        """Bytes that the answer to one request can have: its states, written out."""
        states = max((self._states(sequences, group) for group in groups), default=0)
        return LOOK_BYTES + states * self.d_model * _NUMBER_BYTES

    def _states(self, sequences: Sequence[Prepared], group: Sequence[int]) -> int:
        if not self.dialect.may_give_tokens:
            return len(group)
        return sum(len(sequences[place].ids) + _ADDED for place in group)

    def _input(self, sequences: Sequence[Prepared], place: int) -> Sequence[int] | str:
        ids = sequences[place].ids
        if self.dialect.takes_ids:
            return ids
        text = as_text(self.vocabulary, ids)
        if text is None:
            where = f"row {place + 1} of {len(sequences):,}: " if len(sequences) > 1 else ""
            raise InputError(
                f"{where}{self.dialect.engine} takes texts and no token ids, and no text gives the "
                f"tokens that are to be read ({self._begins(ids)}); "
                + (
                    f"it was cut to {len(ids)} tokens, inside a word: shorten it"
                    if sequences[place].truncated
                    else "take another prompt, or an engine that takes token ids (vLLM, llama.cpp)"
                )
            )
        return text

    def _begins(self, ids: Sequence[int]) -> str:
        shown = self.vocabulary.tokenizer.decode(list(ids[:12]), skip_special_tokens=False)
        return f"they begin {' '.join(shown.split())[:40]!r}"

    def _groups(self, sequences: Sequence[Prepared], most: int) -> list[list[int]]:
        """Places of sequences, request by request."""
        groups: list[list[int]] = []
        tokens = _TOKENS
        for place, sequence in enumerate(sequences):
            if tokens + len(sequence.ids) > _TOKENS or len(groups[-1]) == most:
                groups.append([])
                tokens = 0
            groups[-1].append(place)
            tokens += len(sequence.ids)
        return groups


def as_text(vocabulary: Vocabulary, ids: Sequence[int]) -> str | None:
    """The text that a server's tokenizer, with the tokens it adds, turns into ``ids``; or None.

    It is decoded and encoded again here: where that gives other tokens, no text is sent.
    """
    before, after = list(vocabulary.opening), list(vocabulary.closing)
    kept = list(ids)
    if kept[: len(before)] != before or (after and kept[-len(after) :] != after):
        return None
    kept = kept[len(before) : len(kept) - len(after)]
    text: str = vocabulary.tokenizer.decode(kept, skip_special_tokens=False)
    again = vocabulary.tokenizer.encode(text, add_special_tokens=True).ids
    return text if text and list(again) == list(ids) else None
