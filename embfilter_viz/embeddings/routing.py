"""Two embeddings of a text as one, whose cosine is the weighted sum of theirs."""

import numpy as np

from embfilter_viz.embeddings.cosines import unit_rows
from embfilter_viz.errors import InputError

__all__ = ["joined"]


def joined(E: np.ndarray, R: np.ndarray, weight: float = 1.0) -> np.ndarray:
    """Embeddings whose cosine is (cos(E) + weight · cos(R)) / (1 + weight).

    With E pooled hidden states and R router embeddings, that is the weighted sum of similarities
    of MoEE (Li and Zhou, arXiv 2410.10814), divided by what changes no order of pairs: rows of
    length 1, those of R times the root of the weight, side by side.

    Args:
        E: (n, d) embeddings.
        R: (n, m) other embeddings of the same texts.
        weight: how much a cosine of R counts beside one of E; 0 leaves E alone.

    Returns:
        (n, d + m) in the precision of both, float32 at least.

    Raises:
        InputError: a negative or infinite weight, or rows that are not those of the same texts,
            not finite, or 0.

    >>> both = joined(np.array([[2.0, 0], [0, 1]]), np.array([[1.0, 1], [3, 3]]))
    >>> (both[0] @ both[1] / np.linalg.norm(both, axis=1).prod()).round(6).item()
    0.5
    """
    if not (np.isfinite(weight) and weight >= 0):
        raise InputError(f"weight {weight:g} of the routers: take 0 or a larger finite number")
    if len(E) != len(R):
        raise InputError(f"{len(E)} embeddings and {len(R)} router embeddings: one each a text")
    routes = np.sqrt(weight) * unit_rows(R, "router embeddings")
    return np.hstack([unit_rows(E), routes])
