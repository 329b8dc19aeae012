"""Vectors of an engine beside those they may be: pure arithmetic on arrays, and its verdicts."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from embfilter_viz.errors import InputError
from embfilter_viz.models.encoding.devices import Precision
from embfilter_viz.models.encoding.prepared import Prepared
from embfilter_viz.models.engines.dialects import Dialect, Gives
from embfilter_viz.models.head.vocabulary import Vocabulary

__all__ = [
    "ALLOWED",
    "Compared",
    "candidates",
    "check_alone_and_together",
    "check_precision_asked",
    "coarsest",
    "compared",
    "cosines",
    "grid_of",
    "last_matters",
    "precision_of_weights",
]

ALLOWED: dict[Precision, float] = {"float32": 1e-6, "float16": 1e-4, "bfloat16": 1e-2}
"""How far below 1 the lowest cosine with float32 states may be for numbers of a precision. Seen on
SmolLM2-135M (docs/engines.md): vLLM in float32 2e-12 and in bfloat16 3e-4; llama.cpp in F32, whose
keys and values are in float16, 4e-7."""
_ANOTHER = 0.9
"""The cosine below which vectors are not those of this model, however coarse its weights."""
_LENGTHS = 0.05
"""How far lengths may be from the states' of an engine that does not normalise."""

_WORDS = {
    "last": "the state of the last token",
    "mean": "the mean of the states",
    "first": "the state of the first token",
    "mean without the first": "the mean of the states without the first token's",
    "last behind an end token": "the state of an end token that it adds behind the text",
    "last without the beginning": "the last state of texts without the token that begins them",
    "last behind two beginnings": "the last state of texts that begin with two beginning tokens",
}


def cosines(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Row-wise cosines (n,) of two (n, d) arrays; 0 where a row is zero.

    >>> cosines(np.eye(2), np.array([[2.0, 0.0], [1.0, 0.0]])).tolist()
    [1.0, 0.0]
    """
    norms = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    found: np.ndarray = (a * b).sum(axis=1) / np.maximum(norms, 1e-30)
    return found


def last_matters(whole: np.ndarray, changed: np.ndarray) -> bool:
    """Tell whether a vector moved when the text was changed, beyond rounding in float32.

    >>> last_matters(np.ones((1, 4)), np.ones((1, 4)))
    False
    """
    scale = max(float(np.linalg.norm(whole)), 1e-30)
    return bool(np.linalg.norm(whole - changed) > 1e-6 * scale)


def check_alone_and_together(
    alone: np.ndarray, together: np.ndarray, engine: str, dtype: Precision
) -> None:
    """Refuse vectors that depend on the texts beside them, or come in another order.

    Args:
        alone: (n, d) of texts asked for one by one.
        together: (n, d) of the same in one request.
        engine: the server, for the message.
        dtype: the precision that is asked of it.

    Raises:
        InputError: the order is another, or a text's vector is.
    """
    lowest = float(cosines(alone, together).min())
    if lowest >= 1 - 10 * ALLOWED[dtype]:
        return
    a, b = (rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (alone, together))
    best = (a @ b.T).argmax(axis=1)
    if sorted(best) == list(range(len(best))) and list(best) != list(range(len(best))):
        raise InputError(
            f"{engine}: vectors come back in another order than the texts were asked for; no row "
            "can be told from another, so mend the server or what stands before it"
        )
    raise InputError(
        f"{engine}: a text alone and among others comes to vectors of cosine {lowest:.6f}; the "
        "engine lets texts touch each other or computes coarsely, so start it in float32, without "
        "padding on the left"
    )


def candidates(sequences: Sequence[Prepared], vocabulary: Vocabulary) -> dict[str, list[Prepared]]:
    """Sequences to be pooled for all that an engine may answer, by name."""
    ids = [one.ids for one in sequences]
    before, end = vocabulary.opening, vocabulary.eos
    found = {
        "last": [Prepared(one, len(one) - 1, False) for one in ids],
        "mean": [Prepared(one, 0, False) for one in ids],
        "first": [Prepared(one[:1], 0, False) for one in ids],
        "mean without the first": [Prepared(one, min(1, len(one) - 1), False) for one in ids],
    }
    if end is not None:
        found["last behind an end token"] = [Prepared((*one, end), len(one), False) for one in ids]
    if before:
        k = len(before)
        bare = [one[k:] for one in ids]
        found["last without the beginning"] = [Prepared(x, len(x) - 1, False) for x in bare]
        twice = [(*before, *one) for one in ids]
        found["last behind two beginnings"] = [Prepared(x, len(x) - 1, False) for x in twice]
    return found


@dataclass(frozen=True)
class Compared:
    """An engine's vectors beside the local model's."""

    best: str
    """Which of :func:`candidates` they come nearest to."""
    lowest_cosine: float
    """With that one."""
    largest_deviation: float
    """The greatest ‖v - w‖ / ‖w‖ from it; of unit vectors where the engine normalises."""
    lengths: float
    """The greatest |‖v‖ / ‖w‖ - 1|; 0 where the engine normalises."""

    @property
    def precision(self) -> str:
        """The precision that the cosines agree with; ``coarser`` for none.

        >>> Compared("last", 0.999994, 0.003, 0.0).precision
        'float16'
        """
        off = 1 - self.lowest_cosine
        return next((name for name, allowed in ALLOWED.items() if off <= allowed), "coarser")

    def checked(self, dialect: Dialect, checkpoint: str) -> Gives:
        """Return what the engine gives.

        Raises:
            InputError: the states of another model, another pooling, or other lengths.
        """
        if self.lowest_cosine < _ANOTHER:
            raise InputError(
                f"{dialect.engine}: its vectors are not those of {checkpoint}: the nearest are "
                f"{_WORDS.get(self.best, self.best)}, with a lowest cosine of "
                f"{self.lowest_cosine:.4f}; serve {checkpoint}, or name the checkpoint that is "
                "served"
            )
        if self.best not in ("last", "mean", "tokens"):
            raise InputError(
                f"{dialect.engine} answers {_WORDS[self.best]}; the prompts need the last state "
                f"or the mean of what they are sent: {dialect.ways_out.get('last', 'pool last')}"
            )
        if self.lengths > _LENGTHS:
            raise InputError(
                f"{dialect.engine}: its vectors have other lengths than the states, by up to "
                f"{100 * self.lengths:.0f} %; {dialect.ways_out.get('states', 'normalise them')}"
            )
        return self.best  # type: ignore[return-value]

    def beside(self, theirs: np.ndarray, ours: np.ndarray, normalised: bool) -> "Compared":
        """The same with another text's vectors (1, d) in it."""
        more = _difference(self.best, theirs, np.asarray(ours, dtype=np.float64), normalised)
        return replace(
            self,
            lowest_cosine=min(self.lowest_cosine, more.lowest_cosine),
            largest_deviation=max(self.largest_deviation, more.largest_deviation),
        )


def compared(
    rows: np.ndarray,
    may_be: Mapping[str, Sequence[Prepared]],
    local: Callable[[Sequence[Prepared]], np.ndarray],
    normalised: bool,
    gives: Gives | None,
    states: Sequence[np.ndarray],
) -> Compared:
    """Find the local model's vectors that an engine's come nearest to, and how near.

    Args:
        rows: (n, d) what the engine answers; of every token's states the last.
        may_be: what to compare with, see :func:`candidates`.
        local: the pooled states of sequences.
        normalised: whether the engine's vectors are of length 1.
        gives: ``tokens`` where it answers every token's state.
        states: what it answers, as it came.

    Returns:
        the nearest.
    """
    named = [(name, one) for name, all_of in may_be.items() for one in all_of]
    ours = np.asarray(local([one for _, one in named]), dtype=np.float64)
    of = {name: ours[[i for i, (other, _) in enumerate(named) if other == name]] for name in may_be}
    if gives == "tokens":
        last = _difference("tokens", rows, of["last"], normalised)
        means = np.stack([one.astype(np.float64).mean(axis=0) for one in states])
        mean = _difference("tokens", means, of["mean"], False)
        if normalised:
            return last
        worse = min((last, mean), key=lambda one: one.lowest_cosine)
        return replace(worse, largest_deviation=max(last.largest_deviation, mean.largest_deviation))
    found = [_difference(name, rows, of[name], normalised) for name in may_be]
    return max(found, key=lambda one: one.lowest_cosine)


def _difference(name: str, theirs: np.ndarray, ours: np.ndarray, normalised: bool) -> Compared:
    norms = np.maximum(np.linalg.norm(ours, axis=1, keepdims=True), 1e-30)
    lengths = 0.0
    if not normalised:
        lengths = float(np.abs(np.linalg.norm(theirs, axis=1) / norms[:, 0] - 1).max())
    else:
        ours, norms = ours / norms, np.ones_like(norms)
    deviation = float((np.linalg.norm(theirs - ours, axis=1) / norms[:, 0]).max())
    return Compared(name, float(cosines(theirs, ours).min()), deviation, lengths)


def coarsest(*precisions: str) -> str:
    """The coarsest of precisions by name; an empty one is not known and passed over.

    >>> coarsest("", "float32", "float16")
    'float16'
    """
    order = ["", *ALLOWED, "coarser"]
    return max(precisions, key=order.index)


def check_precision_asked(precision: str, dtype: Precision, seen: str, dialect: Dialect) -> None:
    """Refuse an engine that computes in less than the precision that is asked of it.

    Args:
        precision: what its numbers agree with; empty where that is not known.
        dtype: what is asked of it.
        seen: how that was found out, in words.
        dialect: the way it is asked, for the way out.

    Raises:
        InputError: it does.
    """
    if not precision or coarsest(precision, dtype) == dtype:
        return
    way_out = dialect.ways_out.get("precision", "start it in float32")
    if precision == "coarser":
        raise InputError(
            f"{dialect.engine}: its vectors are coarser than any precision here ({seen}), as of "
            f"quantised or other weights; {way_out}, or name the checkpoint that is served"
        )
    raise InputError(
        f"{dialect.engine} computes in {precision}, not in {dtype} ({seen}); {way_out}, or take "
        f"it as it is with --dtype {precision}"
    )


def precision_of_weights(said: str) -> str:
    """The precision of weights by the name that an engine gives them; empty where it gives none.

    Weights of fewer bits count as ``bfloat16``, the coarsest that can be asked for.

    >>> [precision_of_weights(said) for said in ("all F32", "F16", "Q4_K_M", "")]
    ['float32', 'float16', 'bfloat16', '']
    """
    named = {"": "", "f32": "float32", "f16": "float16"}
    return named.get(said.lower().removeprefix("all ").removeprefix("mostly "), "bfloat16")


def grid_of(rows: np.ndarray) -> str:
    """``float16`` or ``bfloat16`` where all numbers are numbers of that precision; else nothing.

    >>> grid_of(np.array([[0.1]], dtype=np.float16)), grid_of(np.array([[0.1]]))
    ('float16', '')
    """
    values = np.asarray(rows, dtype=np.float32)
    if values.size and not (np.ascontiguousarray(values).view(np.uint32) & 0xFFFF).any():
        return "bfloat16"
    with np.errstate(over="ignore"):
        return "float16" if np.array_equal(values.astype(np.float16), values) else ""
