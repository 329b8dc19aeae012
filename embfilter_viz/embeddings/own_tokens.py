"""Where a text's own tokens stand among all that its embedding decodes to."""

from collections.abc import Sequence

import numpy as np

from embfilter_viz.embeddings.logit_lens import ranks_of

__all__ = ["median_ranks", "own_tokens"]


def own_tokens(ids: Sequence[int], frequency_ranks: np.ndarray, cutoff: int) -> np.ndarray:
    """The distinct tokens of a text that are not frequent, in their order: (m,) int64.

    Args:
        ids: the text's tokens.
        frequency_ranks: (d_vocab,) frequency rank of each token, 0 the most frequent. Tokens
            without a row of the head are left out.
        cutoff: how many tokens count as frequent.

    >>> own_tokens([4, 0, 9, 4, 1], np.array([0, 1, 2, 3, 4]), cutoff=1)
    array([4, 1])
    """
    known = [i for i in dict.fromkeys(ids) if 0 <= i < len(frequency_ranks)]
    return np.array([i for i in known if frequency_ranks[i] >= cutoff], dtype=np.int64)


def median_ranks(logits: np.ndarray, tokens: Sequence[np.ndarray]) -> np.ndarray:
    """Median rank of each text's own tokens among all, 0 for the largest logit: (n,) float64.

    Unlike a count of own tokens in the top ten it needs no exact piece to come out on top.

    Args:
        logits: (n, d_vocab) of n texts.
        tokens: n arrays of token ids, from :func:`own_tokens`.

    Returns:
        NaN where a text has none.

    >>> median_ranks(np.array([[0.5, 2.0, -1.0, 1.0]]), [np.array([1, 2, 3])])
    array([1.])
    """
    found = np.full(len(tokens), np.nan)
    for row, ids in enumerate(tokens):
        if len(ids):
            found[row] = np.median(ranks_of(logits[row], ids))
    return found
