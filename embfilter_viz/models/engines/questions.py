"""The questions of a trial: what is asked of an engine, and what its answers show by themselves."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

from embfilter_viz.errors import InputError
from embfilter_viz.models.encoding.prepared import Prepared
from embfilter_viz.models.engines.comparing import last_matters
from embfilter_viz.models.engines.dialects import Dialect, Gives
from embfilter_viz.models.engines.engine import Engine, as_text
from embfilter_viz.models.engines.identify import Found
from embfilter_viz.models.engines.line import Line, RefusedError
from embfilter_viz.models.head.vocabulary import Vocabulary

__all__ = [
    "LONG",
    "Asking",
    "Reader",
    "gives_by_itself",
    "head_reads",
    "opened_engine",
    "pooled_rows",
    "read_whole",
    "tokens_or_none",
    "writable",
]

LONG = (
    "The harbour town had two markets, one by the water and one behind the church, and on "
    "Saturdays the farmers from the hills brought cheese, plums and bread to both of them. "
) * 30
"""A text longer than any prompt may be."""
_SHORT = ("They said yes.", "They said it was no bird.")
_READS_ON = 0.1
"""Share of the vocabulary below which the true next token stands where the head reads states."""


class Reader(Protocol):
    """A tokenizer of texts under a prompt."""

    def prepare(self, texts: Sequence[str], prompt: str = ...) -> list[Prepared]:
        """The token sequences of texts under a prompt."""


class Asking:
    """Questions of the trial, with the texts that were asked counted."""

    def __init__(self, engine: Engine, told: Callable[[int], None]) -> None:
        self.engine = engine
        self._told = told
        self._done = 0

    def __call__(self, sequences: Sequence[Prepared], *, alone: bool = False) -> list[np.ndarray]:
        """The states of each sequence, in their order."""
        found: dict[int, np.ndarray] = {}
        beat = lambda: self._told(self._done)  # noqa: E731
        for places, states in self.engine.states(sequences, alone=alone, beat=beat):
            found.update(zip(places, states, strict=True))
            self._done += len(places)
            beat()
        return [found[place] for place in range(len(sequences))]


def opened_engine(
    line: Line, found: Found, vocabulary: Vocabulary, d_model: int, probes: Sequence[Prepared]
) -> Engine:
    """The engine, asked in the first way that it does not refuse.

    Args:
        line: the way to it.
        found: what it said it is.
        vocabulary: the tokens of the checkpoint.
        d_model: numbers of a state.
        probes: what is asked.

    Returns:
        the engine.

    Raises:
        RefusedError: it refuses all of them.
    """
    refused: RefusedError | None = None
    for dialect in found.ways:
        engine = Engine(line, dialect, vocabulary, d_model)
        try:
            _ = Asking(engine, lambda done: None)(probes)
        except RefusedError as error:
            if error.status in (401, 403):
                raise
            refused = refused or error
        else:
            return engine
    assert refused is not None, "there is a way to ask every engine"
    raise refused


def tokens_or_none(found: Sequence[np.ndarray], sequences: Sequence[Prepared]) -> Gives | None:
    """``tokens`` where every token's state came; None where one state a text did.

    Raises:
        InputError: some of the tokens' states came.
    """
    counts = [len(states) for states in found]
    if counts == [len(one.ids) for one in sequences]:
        return "tokens"
    if set(counts) == {1}:
        return None
    at = next(
        i for i, (n, one) in enumerate(zip(counts, sequences, strict=True)) if n != len(one.ids)
    )
    raise InputError(
        f"the engine answers {counts[at]} states for {len(sequences[at].ids)} tokens; it reads "
        "other tokens than it was sent, so start it without a template and without added tokens"
    )


def pooled_rows(found: Sequence[np.ndarray], gives: Gives | None) -> np.ndarray:
    """(n, d) what came, of every token's states the last."""
    return np.stack([states[-1] for states in found]).astype(np.float64)


def writable(engine: Engine, sequence: Prepared) -> Prepared:
    """The sequence, for a server of texts without the last tokens that no text gives."""
    if engine.dialect.takes_ids:
        return sequence
    n = len(sequence.ids)
    for kept in range(n, max(n - 32, 1), -1):
        if as_text(engine.vocabulary, sequence.ids[:kept]) is not None:
            return Prepared(sequence.ids[:kept], kept - 1, True)
    return sequence


def read_whole(ask: Asking, sequence: Prepared, gives: Gives, checkpoint: str) -> np.ndarray:
    """(n, d) the states of a text of as many tokens as a prompt may have.

    Args:
        ask: the engine.
        sequence: the text.
        gives: what the engine answers.
        checkpoint: the model, for messages.

    Returns:
        one row, or a row a token.

    Raises:
        InputError: it is refused, or read in part.
    """
    n, way_out = len(sequence.ids), ask.engine.dialect.ways_out.get("length", "")
    out = f"; {way_out}" if way_out else ""
    words = f"{ask.engine.dialect.engine}: prompts of {checkpoint} have up to {n} tokens, and"
    ids, quarter = sequence.ids, len(sequence.ids) // 4
    other_end = Prepared((*ids[:-1], ids[1]), n - 1, True)
    other_start = Prepared((ids[0], *ids[quarter:0:-1], *ids[quarter + 1 :]), n - 1, True)
    try:
        (states,) = ask([sequence])
    except RefusedError as error:
        raise InputError(f"{words} it refuses one of {n} ({error}){out}") from error
    if gives == "tokens":
        if len(states) != n:
            raise InputError(f"{words} it reads {len(states)} of one{out}")
        return states
    if not ask.engine.dialect.takes_ids:
        return states  # a text with other tokens in it may not be written
    whole, end, start = (
        pooled_rows([one], gives) for one in (states, *ask([other_end, other_start]))
    )
    for changed, where in ((end, "end"), (start, "beginning")):
        if not last_matters(whole, changed):
            raise InputError(f"{words} it cuts the {where} of long ones{out}")
    return states


def gives_by_itself(ask: Asking, reader: Reader, dialect: Dialect) -> Gives:
    """Last or mean, by how much the last words of a short and of a long text change a vector.

    The last token's state changes by about as much in both; a mean over n tokens by 1/n of it.
    """
    paragraph = LONG[: len(LONG) // 12]
    texts = [*_SHORT, *(f"{paragraph}{end}" for end in _SHORT)]
    rows = pooled_rows(ask(reader.prepare(texts, "last")), None)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    short, long = np.linalg.norm(rows[0] - rows[1]), np.linalg.norm(rows[2] - rows[3])
    if short < 1e-6 or long < 1e-6:
        raise InputError(
            f"{dialect.engine}: the end of a text changes nothing in its vector, so it pools the "
            f"first token or does not read the whole; {dialect.ways_out.get('last', 'pool last')}"
        )
    return "mean" if long < 0.25 * short else "last"


def head_reads(
    ask: Asking, sequences: Sequence[Prepared], gives: Gives, W_U: Any, checkpoint: str
) -> str:
    """A warning where the head does not put the true next token near the top; else nothing.

    Args:
        ask: the engine.
        sequences: texts.
        gives: what the engine answers.
        W_U: the head, (d_vocab, d_model).
        checkpoint: the model, for messages.

    Returns:
        one sentence, or an empty one.
    """
    if gives == "mean" or not ask.engine.dialect.takes_ids:
        return "Whether it serves this very checkpoint cannot be told without the local layers."
    cut = [Prepared(one.ids[:-2], len(one.ids) - 3, False) for one in sequences if len(one.ids) > 3]
    rows = pooled_rows(ask(cut), gives)
    tokens = [one.ids[-2] for one in sequences if len(one.ids) > 3]
    head = np.asarray(W_U, dtype=np.float32)
    logits = rows.astype(np.float32) @ head.T
    ranks = [int((row > row[token]).sum()) + 1 for row, token in zip(logits, tokens, strict=True)]
    middle = int(np.median(ranks))
    if middle <= _READS_ON * len(head):
        return ""
    return (
        f"The head of {checkpoint} puts the true next token at place {middle:,} of "
        f"{len(head):,} (median): the engine may serve another model."
    )
