"""Does what an embedding decodes to belong to its own text, or would it do for any?

With w̃_j = w_j − w̄ the centred rows of W_U, T_a the top tokens of text a and r_b the mean of w̃_j
over the distinct infrequent tokens of text b itself,

    S(a, b) = mean over j in T_a of cos(w̃_j, r_b).

Where S(a, a) stands among S(a, b) of the other texts says how specific the top tokens are to a: a
share of 1 above all of them, of one half no better than chance. Unlike a count of tokens that
occur in the text it sees words of like meaning, and no stray letters.
"""

from collections.abc import Sequence

import numpy as np

from embfilter_viz.errors import InputError

__all__ = ["SPECIFIC_TOP", "own_places", "similarities", "token_directions", "word_directions"]

SPECIFIC_TOP = 10
"""Top tokens of a text that specificity looks at."""

_TEXTS_AT_ONCE = 1024


def word_directions(
    W_U: np.ndarray, mean_row: np.ndarray, words: Sequence[np.ndarray]
) -> np.ndarray:
    """The direction of each text's own words, r_b as a unit vector: (m, d) float64.

    Args:
        W_U: (d_vocab, d).
        mean_row: (d,) the mean of its rows.
        words: m arrays of token ids; a repeated one counts once.

    Returns:
        Rows of NaN where a text has no words, or words that are the mean of all.

    >>> W_U = np.array([[2.0, 0.0], [0.0, 2.0], [0.0, 0.0], [0.0, 0.0]])
    >>> words = [np.array([0, 0]), np.array([0, 1]), np.array([])]
    >>> word_directions(W_U, np.zeros(2), words).round(3)
    array([[1.   , 0.   ],
           [0.707, 0.707],
           [  nan,   nan]])
    """
    found = np.full((len(words), len(mean_row)), np.nan)
    for row, ids in zip(found, words, strict=True):
        if len(ids):
            row[:] = W_U[np.unique(ids).astype(np.int64)].astype(np.float64).mean(axis=0) - mean_row
    return _unit(found)


def token_directions(W_U: np.ndarray, mean_row: np.ndarray, ids: np.ndarray) -> np.ndarray:
    """The mean of the unit vectors of w̃_j over each text's top tokens: (n, d) float64.

    Its product with a unit vector is the mean cosine of the tokens with it.

    Args:
        W_U: (d_vocab, d).
        mean_row: (d,) the mean of its rows.
        ids: (n, k) top tokens of n texts.

    >>> W_U = np.array([[2.0, 0.0], [0.0, 3.0]])
    >>> token_directions(W_U, np.zeros(2), np.array([[0, 1], [1, 1]]))
    array([[0.5, 0.5],
           [0. , 1. ]])
    """
    found = np.empty((len(ids), len(mean_row)))
    for start in range(0, len(ids), _TEXTS_AT_ONCE):
        some = ids[start : start + _TEXTS_AT_ONCE]
        rows = W_U[some.reshape(-1).astype(np.int64)].astype(np.float64) - mean_row
        units = np.nan_to_num(_unit(rows)).reshape(*some.shape, -1)
        found[start : start + len(some)] = units.mean(axis=1)
    return found


def similarities(tokens: np.ndarray, words: np.ndarray) -> np.ndarray:
    """S(a, b) of every text's top tokens with every text's words, (n, m); NaN without words.

    Args:
        tokens: (n, d) from :func:`token_directions`.
        words: (m, d) from :func:`word_directions`.
    """
    return tokens @ words.T


def own_places(S: np.ndarray, own: np.ndarray) -> np.ndarray:
    """The share of other texts whose words each text's top tokens are less near to: (n,).

    The AUC of S(a, a) over S(a, b ≠ a), text by text; ties count half. Its mean over texts is the
    specificity of a set.

    Args:
        S: (n, m) from :func:`similarities`.
        own: (n,) which column of S is the text's own.

    Returns:
        In [0, 1]; NaN where a text has no words or no other text has any.

    Raises:
        InputError: the columns do not fit S.

    >>> own_places(np.array([[0.9, 0.1, 0.2], [0.5, 0.5, 0.6]]), np.array([0, 1]))
    array([1.  , 0.25])
    """
    if len(own) != len(S) or (len(S) and not 0 <= np.min(own) <= np.max(own) < S.shape[1]):
        raise InputError(f"own columns of shape {np.shape(own)} do not fit S of {np.shape(S)}")
    mine = S[np.arange(len(S)), own][:, None]
    others = np.array(S, dtype=np.float64)
    others[np.arange(len(S)), own] = np.nan
    known = np.isfinite(others)
    count = known.sum(axis=1)
    with np.errstate(invalid="ignore"):
        below = (others < mine).sum(axis=1) + 0.5 * (others == mine).sum(axis=1)
        share = below / count
    return np.where((count > 0) & np.isfinite(mine[:, 0]), share, np.nan)


def _unit(rows: np.ndarray) -> np.ndarray:
    """Rows by their lengths; NaN where a row is zero or NaN."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    with np.errstate(invalid="ignore"):
        return np.where(lengths > 0, rows / np.where(lengths > 0, lengths, 1), np.nan)
