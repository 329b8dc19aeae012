"""The tokens that texts are made of, as against rows of W_U that hardly any text brings."""

from collections import Counter
from dataclasses import dataclass

import numpy as np

from embfilter_viz.models.head.vocabulary import Kind, Vocabulary
from embfilter_viz.system.progress import Progress, silent

__all__ = ["OrdinaryTokens", "ordinary_tokens"]

_WORDS: dict[Kind, str] = {
    "unused": "rows without a token",
    "added": "added or reserved tokens",
    "bytes": "tokens of bytes or control characters",
}
_AT_ONCE = 16_384


@dataclass(frozen=True, eq=False)
class OrdinaryTokens:
    """The rows of W_U that are tokens of text, and the kinds of the others.

    Infrequent tokens are looked for among these. The least frequent rows of all are rows that
    training never touched: they say what initialisation made of them, nothing about frequency.
    """

    ids: np.ndarray
    """(n,) int64, ascending."""
    left_out: dict[Kind, int]
    """How many rows of each other kind there are."""

    def __post_init__(self) -> None:
        self.ids.setflags(write=False)

    @property
    def sentence(self) -> str:
        """Say how many rows were left out, and of what kind, in words."""
        total = sum(self.left_out.values())
        if total == 0:
            return "All rows of W_U are tokens of text."
        parts = [f"{count:,} {_WORDS[kind]}" for kind, count in self.left_out.items() if count]
        listed = " and ".join([", ".join(parts[:-1]), parts[-1]] if parts[1:] else parts)
        return f"Infrequent and random tokens are tokens of text: left out are {listed}."


def ordinary_tokens(vocabulary: Vocabulary, *, progress: Progress = silent) -> OrdinaryTokens:
    """Sort the rows of W_U by what they stand for, as the vocabulary says it.

    Args:
        vocabulary: the tokens behind the rows.
        progress: told rows; may raise ``Cancelled``.

    >>> from tokenizers import Tokenizer, decoders, models
    >>> tokenizer = Tokenizer(models.WordLevel({"a": 0, "Ċ": 1, "âĢ": 2, "<unused0>": 3}))
    >>> tokenizer.decoder = decoders.ByteLevel()
    >>> found = ordinary_tokens(Vocabulary(tokenizer, d_vocab=6))
    >>> found.ids.tolist(), found.left_out
    ([0, 1], {'unused': 2, 'added': 1, 'bytes': 1})
    """
    ids: list[int] = []
    counts: Counter[Kind] = Counter()
    for id in range(vocabulary.d_vocab):
        if id % _AT_ONCE == 0:
            progress("Sorting the vocabulary", id, vocabulary.d_vocab, "tokens")
        kind = vocabulary.kind(id)
        counts[kind] += 1
        if kind == "text":
            ids.append(id)
    return OrdinaryTokens(np.array(ids, dtype=np.int64), {kind: counts[kind] for kind in _WORDS})
