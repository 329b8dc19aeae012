"""A served engine tried on eight texts before it is believed: what it answers, and how exactly.

Where the checkpoint's layers are on this machine and fit in memory, the engine is held against
them; elsewhere against itself. What it answers is found out, not taken from its word: the pooling,
the length of its vectors, their precision, their order, and whether a long text is read whole.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

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
    precision_of_weights,
)
from embfilter_viz.models.engines.dialects import DIALECTS, Dialect, Gives
from embfilter_viz.models.engines.engine import Engine
from embfilter_viz.models.engines.identify import Found
from embfilter_viz.models.engines.line import Line, RefusedError
from embfilter_viz.models.engines.questions import (
    LONG,
    Asking,
    Reader,
    gives_by_itself,
    head_reads,
    opened_engine,
    pooled_rows,
    read_whole,
    tokens_or_none,
    writable,
)
from embfilter_viz.models.head.vocabulary import Vocabulary

__all__ = ["TEXTS", "Reader", "Trial", "dialect_of", "still_answers", "try_engine"]

TEXTS = (
    "A storm closed the harbour for two days.",
    "The judge dismissed the case because a witness had moved abroad.",
    "Plums, apples and pears are cheaper in September",
    "How many keys does a piano have?",
    "She repaired the old radio with parts from a toy, and it worked at once!",
    "Grüße aus Köln: 25 °C und kein Regen.",
    "Water boils at a lower temperature on a mountain than by the sea.",
    LONG,
)
"""What an engine is tried on; the last is longer than any prompt may be."""
_WHAT = "Testing the engine"
_UNIT = 1e-3
"""How far from 1 lengths may be of vectors that count as normalised."""


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
    engine = opened_engine(line, found, vocabulary, W_U.shape[1], sequences[:2])
    ask = Asking(engine, lambda done: progress(_WHAT, done, 0, "texts"))
    alone = ask(sequences[:-1], alone=True)
    together = ask(sequences[:-1])
    gives: Gives | None = tokens_or_none(alone, sequences[:-1])
    rows = pooled_rows(alone, gives)
    check_alone_and_together(rows, pooled_rows(together, gives), engine.dialect.engine, dtype)
    batch_cosine = float(cosines(rows, pooled_rows(together, gives)).min())
    normalised = bool(np.all(np.abs(np.linalg.norm(rows, axis=1) - 1) < _UNIT))
    warning, met, precision = "", None, "" if normalised else grid_of(rows)
    seen = "its numbers all lie on that grid"
    if local is not None:
        progress("Comparing the engine with the local model", 0, 0, "")
        may_be = candidates(sequences[:-1], vocabulary)
        met = compared(rows, may_be, local, normalised, gives, alone)
        gives = met.checked(engine.dialect, checkpoint)
    else:
        gives = gives or gives_by_itself(ask, reader, engine.dialect)
        warning = head_reads(ask, sequences[:-1], gives, W_U, checkpoint)
        if not precision:
            precision = precision_of_weights(found.weights)
            seen = f"it says that its weights are in {found.weights}"
        if not precision:
            warning = f"{warning} Its precision could not be told.".strip()
    long = writable(engine, sequences[-1])
    states = read_whole(ask, long, gives, checkpoint)
    if met is not None and local is not None:
        met = _with_long(met, states, local, long, gives, normalised)
        precision = coarsest(precision, met.precision)
        if precision == met.precision:
            seen = f"lowest cosine {met.lowest_cosine:.7f} with the local model in float32"
    check_precision_asked(precision, dtype, seen, engine.dialect)
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
        found = Asking(engine, lambda done: None)(sequences)
    except RefusedError:
        return False
    gives = tokens_or_none(found, sequences)
    if (gives == "tokens") != (trial.gives == "tokens"):
        return False
    rows, known = pooled_rows(found, gives), np.asarray(trial.reference)
    if rows.shape != known.shape:
        return False
    allowed = {"float32": 1e-6, "float16": 1e-4, "bfloat16": 1e-2}[dtype]
    lengths = np.linalg.norm(rows, axis=1) / np.maximum(np.linalg.norm(known, axis=1), 1e-12)
    same = cosines(rows, known).min() >= 1 - 2 * allowed
    if trial.precision == "float32" and grid_of(rows):
        return False
    return bool(same and np.all(np.abs(lengths - 1) < 0.02))


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
