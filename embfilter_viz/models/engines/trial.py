"""A served engine tried on eight texts before it is believed: what it answers, and how exactly.

Where the checkpoint's layers are on this machine and fit in memory, the engine is held against
them; elsewhere against itself. What it answers is found out, not taken from its word: the pooling,
the length of its vectors, their precision, their order, and whether a long text is read whole.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

import numpy as np

from embfilter_viz.errors import InputError
from embfilter_viz.models.encoding.devices import Precision
from embfilter_viz.models.encoding.prepared import Prepared
from embfilter_viz.models.engines.comparing import (
    Compared,
    candidates,
    check_alone_and_together,
    check_precision_asked,
    coarsest,
    compared,
    cosines,
    grid_of,
    last_matters,
)
from embfilter_viz.models.engines.dialects import DIALECTS, Dialect, Gives
from embfilter_viz.models.engines.engine import Engine, as_text
from embfilter_viz.models.engines.identify import Found
from embfilter_viz.models.engines.line import Line, RefusedError
from embfilter_viz.models.head.vocabulary import Vocabulary

__all__ = ["TEXTS", "Reader", "Trial", "dialect_of", "still_answers", "try_engine"]

_LONG = (
    "The harbour town had two markets, one by the water and one behind the church, and on "
    "Saturdays the farmers from the hills brought cheese, plums and bread to both of them. "
) * 30
TEXTS = (
    "A storm closed the harbour for two days.",
    "The judge dismissed the case because a witness had moved abroad.",
    "Plums, apples and pears are cheaper in September",
    "How many keys does a piano have?",
    "She repaired the old radio with parts from a toy, and it worked at once!",
    "Grüße aus Köln: 25 °C und kein Regen.",
    "Water boils at a lower temperature on a mountain than by the sea.",
    _LONG,
)
"""What an engine is tried on; the last is longer than any prompt may be."""
_SHORT = ("They said yes.", "They said it was no bird.")
_WHAT = "Testing the engine"
_UNIT = 1e-3
"""How far from 1 lengths may be of vectors that count as normalised."""
_READS_ON = 0.1
"""Share of the vocabulary below which the true next token stands where the head reads states."""


class Reader(Protocol):
    """A tokenizer of texts under a prompt."""

    def prepare(self, texts: Sequence[str], prompt: str = ...) -> list[Prepared]:
        """The token sequences of texts under a prompt."""


@dataclass(frozen=True)
class Trial:
    """A finding: what an engine answers, and how exactly."""

    engine: str
    """The server and its version, in words."""
    way: str
    """How it is asked, of ``dialects.DIALECTS``."""
    served: str
    """What it calls the model."""
    gives: Gives
    """What it answers for a text."""
    normalised: bool
    """Whether its vectors are of length 1, so that the states' lengths are lost."""
    precision: str
    """The precision that its numbers agree with; empty where that could not be told."""
    against: str
    """What it was held against: ``the local model`` or ``itself``."""
    lowest_cosine: float | None
    """With the local model, over the eight texts; None against itself."""
    largest_deviation: float | None
    """The greatest ‖v - w‖ / ‖w‖ from the local states, of unit vectors where it normalises."""
    batch_cosine: float
    """The lowest cosine between a text alone and among others."""
    weights: str
    """Names what it answers: kept while it answers the same, whatever its version."""
    reference: tuple[tuple[float, ...], ...] = field(repr=False)
    """Its vectors of two texts, to be asked again."""
    fingerprint: Mapping[str, Any] = field(repr=False)
    """What it said of itself."""
    warning: str = ""
    """What could not be told and may matter, in words."""

    def to_json(self) -> dict[str, Any]:
        """The trial as JSON can hold it."""
        return {**asdict(self), "reference": [list(row) for row in self.reference]}

    @classmethod
    def of_json(cls, said: Mapping[str, Any]) -> "Trial":
        """The trial that :meth:`to_json` wrote."""
        return cls(**{**said, "reference": tuple(map(tuple, said["reference"]))})

    @property
    def sentence(self) -> str:
        """The finding in words."""
        what = {
            "last": "the state of a text's last token",
            "mean": "the mean of a text's states",
            "tokens": "the state of every token",
        }[self.gives]
        length = ", normalised to length 1" if self.normalised else ""
        if self.lowest_cosine is None:
            agrees = "its layers are not on this machine, so it was tested against itself alone"
        else:
            agrees = (
                f"its lowest cosine with the local model over {len(TEXTS)} texts is "
                f"{self.lowest_cosine:.7f}"
            )
        return (
            f"{self.engine} answers {what}{length}; {agrees}.{self.warning and ' '}{self.warning}"
        )


def dialect_of(trial: Trial) -> Dialect:
    """Return how the tried engine is asked."""
    way, takes_ids = DIALECTS[trial.way]
    return way(trial.served, takes_ids)


def try_engine(
    line: Line,
    found: Found,
    reader: Reader,
    vocabulary: Vocabulary,
    W_U: Any,
    *,
    local: Callable[[Sequence[Prepared]], np.ndarray] | None,
    dtype: Precision,
    checkpoint: str,
    progress: Callable[[str, float, float, str], None],
) -> Trial:
    """Try an engine on eight texts.

    Args:
        line: the way to it.
        found: what it said it is.
        reader: prepares texts.
        vocabulary: the tokens of the checkpoint.
        W_U: the head, (d_vocab, d_model).
        local: the pooled states of token sequences by the layers on this machine, or None.
        dtype: the precision that is asked of it.
        checkpoint: the model whose head is read, for messages.
        progress: told of the work; may raise.

    Returns:
        what it answers.

    Raises:
        InputError: a pooling, an order, a precision, a length or a model that is not what is
            needed, in one line that says what was met and the way out.
    """
    sequences = reader.prepare(TEXTS, "last")
    engine = _opened(line, found, vocabulary, W_U.shape[1], sequences[:2])
    ask = _Asking(engine, lambda done: progress(_WHAT, done, 0, "texts"))
    alone = ask(sequences[:-1], alone=True)
    together = ask(sequences[:-1])
    gives: Gives | None = _tokens_or_none(alone, sequences[:-1])
    rows = _pooled(alone, gives)
    check_alone_and_together(rows, _pooled(together, gives), engine.dialect.engine, dtype)
    batch_cosine = float(cosines(rows, _pooled(together, gives)).min())
    normalised = bool(np.all(np.abs(np.linalg.norm(rows, axis=1) - 1) < _UNIT))
    warning, met, precision = "", None, "" if normalised else grid_of(rows)
    if local is not None:
        progress("Comparing the engine with the local model", 0, 0, "")
        may_be = candidates(sequences[:-1], vocabulary)
        met = compared(rows, may_be, local, normalised, gives, alone)
        gives = met.checked(engine.dialect, checkpoint)
    else:
        gives = gives or _gives_by_itself(ask, reader, engine.dialect)
        warning = _head_reads(ask, sequences[:-1], gives, W_U, checkpoint)
    long = _writable(engine, sequences[-1])
    states = _long(ask, long, gives, checkpoint)
    if met is not None and local is not None:
        met = _with_long(met, states, local, long, gives, normalised)
        precision = coarsest(precision, met.precision)
    check_precision_asked(precision, dtype, met, engine.dialect)
    way = next(
        name
        for name, (kind, takes_ids) in DIALECTS.items()
        if (type(engine.dialect), engine.dialect.takes_ids) == (kind, takes_ids)
    )
    return Trial(
        found.words, way, found.served, gives, normalised, precision,
        "itself" if met is None else "the local model",
        None if met is None else met.lowest_cosine,
        None if met is None else met.largest_deviation,
        batch_cosine,
        hashlib.sha256(rows[:2].astype("<f4").tobytes()).hexdigest()[:32],
        tuple(tuple(float(x) for x in row) for row in rows[:2]),
        found.fingerprint,
        warning,
    )  # fmt: skip


def still_answers(trial: Trial, engine: Engine, reader: Reader, dtype: Precision) -> bool:
    """Tell whether an engine answers two texts as it did when it was tried.

    Args:
        trial: what was found then.
        engine: the engine, asked as it was then.
        reader: prepares texts.
        dtype: the precision that is asked of it, which bounds the difference.

    Returns:
        whether directions and lengths are the same within the precision.

    Raises:
        InputError: it cannot be reached.
    """
    sequences = reader.prepare(TEXTS[:2], "last")
    try:
        found = _Asking(engine, lambda done: None)(sequences)
    except RefusedError:
        return False
    gives = _tokens_or_none(found, sequences)
    if (gives == "tokens") != (trial.gives == "tokens"):
        return False
    rows, known = _pooled(found, gives), np.asarray(trial.reference)
    if rows.shape != known.shape:
        return False
    allowed = {"float32": 1e-6, "float16": 1e-4, "bfloat16": 1e-2}[dtype]
    lengths = np.linalg.norm(rows, axis=1) / np.maximum(np.linalg.norm(known, axis=1), 1e-12)
    same = cosines(rows, known).min() >= 1 - 2 * allowed
    if trial.precision == "float32" and grid_of(rows):
        return False
    return bool(same and np.all(np.abs(lengths - 1) < 0.02))


class _Asking:
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


def _opened(
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
            _ = _Asking(engine, lambda done: None)(probes)
        except RefusedError as error:
            if error.status in (401, 403):
                raise
            refused = refused or error
        else:
            return engine
    assert refused is not None, "there is a way to ask every engine"
    raise refused


def _tokens_or_none(found: Sequence[np.ndarray], sequences: Sequence[Prepared]) -> Gives | None:
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


def _pooled(found: Sequence[np.ndarray], gives: Gives | None) -> np.ndarray:
    """(n, d) what came, of every token's states the last."""
    return np.stack([states[-1] for states in found]).astype(np.float64)


def _writable(engine: Engine, sequence: Prepared) -> Prepared:
    """The sequence, for a server of texts without the last tokens that no text gives."""
    if engine.dialect.takes_ids:
        return sequence
    n = len(sequence.ids)
    for kept in range(n, max(n - 32, 1), -1):
        if as_text(engine.vocabulary, sequence.ids[:kept]) is not None:
            return Prepared(sequence.ids[:kept], kept - 1, True)
    return sequence


def _long(ask: _Asking, sequence: Prepared, gives: Gives, checkpoint: str) -> np.ndarray:
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
    whole, end, start = (_pooled([one], gives) for one in (states, *ask([other_end, other_start])))
    for changed, where in ((end, "end"), (start, "beginning")):
        if not last_matters(whole, changed):
            raise InputError(f"{words} it cuts the {where} of long ones{out}")
    return states


def _with_long(
    met: Compared,
    states: np.ndarray,
    local: Callable[[Sequence[Prepared]], np.ndarray],
    sequence: Prepared,
    gives: Gives,
    normalised: bool,
) -> Compared:
    """The comparison with the long text in it.

    Args:
        met: the comparison of the short ones.
        states: what the engine answers for the long one.
        local: the pooled states of sequences.
        sequence: the long text.
        gives: what the engine answers.
        normalised: whether its vectors are of length 1.

    Returns:
        the worse of both.
    """
    start = 0 if gives == "mean" else len(sequence.ids) - 1
    ours = local([Prepared(sequence.ids, start, True)])
    return met.beside(np.asarray(states[-1:], dtype=np.float64), ours, normalised)


def _gives_by_itself(ask: _Asking, reader: Reader, dialect: Dialect) -> Gives:
    """Last or mean, by how much the last words of a short and of a long text change a vector.

    The last token's state changes by about as much in both; a mean over n tokens by 1/n of it.
    """
    paragraph = _LONG[: len(_LONG) // 12]
    texts = [*_SHORT, *(f"{paragraph}{end}" for end in _SHORT)]
    rows = _pooled(ask(reader.prepare(texts, "last")), None)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    short, long = np.linalg.norm(rows[0] - rows[1]), np.linalg.norm(rows[2] - rows[3])
    if short < 1e-6 or long < 1e-6:
        raise InputError(
            f"{dialect.engine}: the end of a text changes nothing in its vector, so it pools the "
            f"first token or does not read the whole; {dialect.ways_out.get('last', 'pool last')}"
        )
    return "mean" if long < 0.25 * short else "last"


def _head_reads(
    ask: _Asking, sequences: Sequence[Prepared], gives: Gives, W_U: Any, checkpoint: str
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
    rows = _pooled(ask(cut), gives)
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
