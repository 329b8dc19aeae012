"""The Logit Lens (nostalgebraist 2020): which tokens an embedding reads as, before and after.

Logits come from the checkpoint's own head (bias, scale and soft cap included); here they are
only ranked and compared.
"""

from dataclasses import dataclass

import numpy as np

from embfilter_viz.embeddings.ranking import top_k
from embfilter_viz.errors import InputError

__all__ = ["RankChanges", "TopTokens", "frequent_share", "rank_changes", "ranks_of", "top_tokens"]


@dataclass(frozen=True)
class TopTokens:
    """The tokens with the largest logits, best first."""

    ids: np.ndarray
    """(k,) or (n, k) int64 token ids, largest logit first, equal ones by smaller id."""
    logits: np.ndarray
    """(k,) or (n, k) their logits, in the precision given."""


@dataclass(frozen=True)
class RankChanges:
    """The ranks of some tokens by raw and by filtered logits; rank 0 is the largest logit."""

    ids: np.ndarray
    """(k,) int64 the tokens asked for, in that order."""
    before: np.ndarray
    """(k,) int64 their ranks by raw logits."""
    after: np.ndarray
    """(k,) int64 their ranks by filtered logits."""
    change: np.ndarray
    """(k,) int64 places won by the filter: before - after, negative for places lost."""


def top_tokens(logits: np.ndarray, k: int = 10) -> TopTokens:
    """The k tokens with the largest logits.

    Args:
        logits: (d_vocab,) or (n, d_vocab).
        k: number of tokens, at least 1; all of them where it is more.

    Raises:
        InputError: k is below 1 or a logit is NaN.

    >>> top_tokens(np.array([0.5, 2.0, -1.0, 2.0]), 2).ids
    array([1, 3])
    """
    if k < 1:
        raise InputError(f"top {k}: at least 1 token must be shown; take 10")
    _check(logits)
    ids = top_k(logits, k)
    found = TopTokens(ids, np.take_along_axis(logits, ids, axis=-1))
    for array in (found.ids, found.logits):
        array.flags.writeable = False
    return found


def ranks_of(logits: np.ndarray, ids: np.ndarray) -> np.ndarray:
    """Ranks of some tokens among all: 0 for the largest logit, ties in the order of ids.

    Args:
        logits: (d_vocab,)
        ids: (k,) token ids.

    Returns:
        (k,) int64, found by counting, without sorting the vocabulary.

    >>> ranks_of(np.array([0.5, 2.0, -1.0, 2.0]), np.array([3, 2]))
    array([1, 3])
    """
    _check(logits)
    ranks = [
        np.count_nonzero(logits > logits[token]) + np.count_nonzero(logits[:token] == logits[token])
        for token in ids
    ]
    return np.array(ranks, dtype=np.int64)


def rank_changes(
    raw_logits: np.ndarray, filtered_logits: np.ndarray, ids: np.ndarray
) -> RankChanges:
    """Say how the filter moved some tokens, usually those shown: in either's top k.

    Args:
        raw_logits: (d_vocab,) of the raw embedding.
        filtered_logits: (d_vocab,) of the filtered one.
        ids: (k,) the tokens asked about.

    Raises:
        InputError: the logits are of different vocabularies, or NaN.

    >>> raw, filtered = np.array([3.0, 2.0, 1.0]), np.array([1.0, 2.0, 3.0])
    >>> rank_changes(raw, filtered, np.array([2, 0])).change
    array([ 2, -2])
    """
    if raw_logits.shape != filtered_logits.shape or raw_logits.ndim != 1:
        raise InputError(
            f"logits: raw {raw_logits.shape} and filtered {filtered_logits.shape} must be of one "
            "text and one vocabulary; read both through the same head"
        )
    ids = np.array(ids, dtype=np.int64)
    before, after = ranks_of(raw_logits, ids), ranks_of(filtered_logits, ids)
    found = RankChanges(ids, before, after, before - after)
    for array in (found.ids, found.before, found.after, found.change):
        array.flags.writeable = False
    return found


def frequent_share(ids: np.ndarray, ranks: np.ndarray, cutoff: int = 100) -> np.ndarray:
    """The share of tokens that are among the most frequent of the vocabulary.

    Args:
        ids: (k,) or (n, k) token ids, as the top k of a text or of n texts.
        ranks: (d_vocab,) frequency rank of each token, 0 the most frequent.
        cutoff: how many tokens count as frequent.

    Returns:
        () or (n,) float64 shares in [0, 1], one a text.

    Raises:
        InputError: there are no tokens to take a share of.

    >>> frequent_share(np.array([[4, 0], [1, 2]]), np.array([0, 1, 2, 3, 4]), cutoff=2)
    array([0.5, 0.5])
    """
    if ids.shape[-1] == 0:
        raise InputError("frequent share: of no tokens it is undefined; ask for at least 1")
    return (ranks[ids] < cutoff).mean(axis=-1)


def _check(logits: np.ndarray) -> None:
    if np.isnan(logits).any():
        raise InputError("logits: some are NaN, so no token leads; check the head and the text")
