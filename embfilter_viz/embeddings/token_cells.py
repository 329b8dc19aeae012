"""What is read off the logits of one state: its top token, how sure it is, and a token's rank."""

from dataclasses import dataclass

import numpy as np

__all__ = ["Cells", "cells_of", "join_cells"]


@dataclass(frozen=True)
class Cells:
    """The numbers of n states, each by its logits over the vocabulary."""

    top: np.ndarray
    """(n,) int64 the token with the largest logit; the smaller id where two are equal."""
    probability: np.ndarray
    """(n,) float64 its share of the softmax."""
    entropy: np.ndarray
    """(n,) float64 of the softmax, in bits: 0 where one token has all, log2 d_vocab at most."""
    rank: np.ndarray | None
    """(n,) int64 of the token asked about, 0 for the largest logit; None where none was."""


def cells_of(logits: np.ndarray, token: int | None = None) -> Cells:
    """Read the top token, its probability, the entropy and one token's rank off some logits.

    With p = softmax(logits) and Z the sum of exp(logit − max), the entropy −Σ p log2 p is
    log2 Z − Σ p (logit − max) / ln 2. Of tokens with equal logits the smaller id stands first.

    Args:
        logits: (n, d_vocab) float32.
        token: the row of W_U whose rank is asked for.

    >>> cells = cells_of(np.log(np.float32([[0.5, 0.25, 0.25]])), token=2)
    >>> cells.top, cells.probability.round(3), cells.entropy.round(3), cells.rank
    (array([0]), array([0.5]), array([1.5]), array([2]))
    """
    top = logits.argmax(axis=1)
    # Summed in float32 by NumPy's pairwise sums: to some 1e-6 of a sum of 262,144 numbers.
    below = logits - np.take_along_axis(logits, top[:, None], axis=1)
    raised = np.exp(below)
    total = raised.sum(axis=1).astype(np.float64)
    mean = np.einsum("ij,ij->i", raised, below) / total
    entropy = np.maximum((np.log(total) - mean) / np.log(2), 0.0)
    return Cells(top, 1 / total, entropy, None if token is None else _ranks(logits, token))


def _ranks(logits: np.ndarray, token: int) -> np.ndarray:
    """(n,) how many tokens stand before ``token``."""
    own = logits[:, token : token + 1]
    above = np.count_nonzero(logits > own, axis=1)
    return above + np.count_nonzero(logits[:, :token] == own, axis=1)


def join_cells(parts: list[Cells]) -> Cells:
    """The cells of several blocks of states, in their order.

    >>> one = cells_of(np.float32([[0, 1]]))
    >>> join_cells([one, one]).top
    array([1, 1])
    """
    ranks = [part.rank for part in parts if part.rank is not None]
    return Cells(
        np.concatenate([part.top for part in parts]),
        np.concatenate([part.probability for part in parts]),
        np.concatenate([part.entropy for part in parts]),
        np.concatenate(ranks) if ranks else None,
    )
