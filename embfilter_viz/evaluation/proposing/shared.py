"""The mean cosine over all pairs of texts, in a window and in random orders of the directions."""

import numpy as np

from embfilter_viz.evaluation.proposing.proposal import Shared
from embfilter_viz.spectral.windows import Window

__all__ = ["mean_cosines", "shared_by_all"]

_ORDERS = 100
"""Random orders of the directions that the proposed window is compared with."""
_SHARED_BY = 400
"""Texts that what all of them share is found from."""
_STARTS = 40
"""Places along the spectrum, less one, where a window of the same width begins."""


def shared_by_all(R: np.ndarray, window: Window, rng: np.random.Generator) -> Shared:
    """Find the mean cosines of raw embeddings, in a window, and with directions in random orders.

    A window is chosen among many, so it is compared with the lowest of windows of its width, at
    every 40th of the spectrum, each time the directions stand in another order.
    """
    n, d = R.shape
    if n > _SHARED_BY:
        R = R[np.sort(rng.choice(n, _SHARED_BY, replace=False))]
    starts = np.unique(np.rint(np.linspace(0, d - window.k, _STARTS + 1)).astype(int))
    places = np.arange(d)[:, None]
    inside = (places >= starts) & (places < starts + window.k)  # (d, windows)
    lowest = [
        mean_cosines(R, inside[rng.permutation(d)].astype(np.float64)).min() for _ in range(_ORDERS)
    ]
    own = (np.arange(d) >= window.l) & (np.arange(d) < window.r)
    raw, kept = mean_cosines(R, np.stack([np.ones(d), own], axis=1))
    return Shared(float(raw), float(kept), float(np.quantile(lowest, 0.025)))


def mean_cosines(R: np.ndarray, sets: np.ndarray) -> np.ndarray:
    """The mean cosine over all pairs of rows, in several sets of directions.

    It is (‖Σ u‖² − n) / (n (n − 1)) with unit rows u, one product for all sets.

    Args:
        R: (n, d) rows.
        sets: (d, m) 1 for the directions that are in a set, 0 for others.

    Returns:
        (m,) float64.

    >>> mean_cosines(np.array([[1.0, 2], [1, -2]]), np.eye(2)).round(12).tolist()
    [1.0, -1.0]
    """
    n = len(R)
    lengths = np.sqrt(np.maximum(R**2 @ sets, np.finfo(np.float64).tiny))
    sums = (R.T @ (1 / lengths)) * sets
    return ((sums**2).sum(axis=0) - n) / (n * (n - 1))
