"""Tokens as every answer names them: id, text, logit, and how frequent the token is."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from embfilter_viz.models.head.frequencies import TokenFrequencies
from embfilter_viz.models.head.vocabulary import Vocabulary

__all__ = ["Token", "tokens_of"]


@dataclass(frozen=True)
class Token:
    """One row of W_U with what was computed for it."""

    id: int
    """Its row in W_U."""
    text: str
    """What it writes, with its leading space or newline."""
    logit: float
    """The number it was ranked by."""
    frequency_rank: int | None
    """How many tokens are more frequent by the token frequencies in use; 0: the most frequent."""

    def to_json(self) -> dict[str, Any]:
        """The token under its names on the command line.

        >>> Token(5, " the", 1.5, 0).to_json()
        {'id': 5, 'text': ' the', 'logit': 1.5, 'frequency_rank': 0}
        """
        return asdict(self)


def tokens_of(
    ids: Sequence[int] | np.ndarray,
    logits: np.ndarray,
    vocabulary: Vocabulary,
    frequencies: TokenFrequencies | None,
) -> tuple[Token, ...]:
    """Name rows of W_U.

    Args:
        ids: (k,) rows.
        logits: (d_vocab,) the numbers all rows were ranked by.
        vocabulary: the tokens behind the rows.
        frequencies: where the frequency ranks come from; without it they are ``None``.

    Returns:
        (k,) tokens in the order of their rows.
    """
    return tuple(
        Token(
            int(i),
            vocabulary.text(int(i)),
            float(logits[i]),
            None if frequencies is None else int(frequencies.ranks[i]),
        )
        for i in ids
    )
