"""Do the full and the reduced form of the filter really agree in every distance?"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from embfilter_viz.analyses.finite import finite
from embfilter_viz.embeddings.interval import Interval
from embfilter_viz.errors import InputError
from embfilter_viz.model import Model
from embfilter_viz.spectral.filters import EmbedFilter
from embfilter_viz.spectral.windows import Window

__all__ = ["SAME_FORM", "DistancesKept", "FormsAgreement", "compare_forms", "distances_kept"]

SAME_FORM = 1e-5
"""Difference of two cosines, or of two distances by the longest embedding, that is rounding."""

# Pairs of texts compared at once: some 32 MB for each of half a dozen tables.
_PAIRS_AT_ONCE = 4_000_000


@dataclass(frozen=True)
class FormsAgreement:
    """The difference of the two forms, on the embeddings at hand."""

    cosine: float
    """Largest difference between two cosines."""
    distance: float
    """Largest difference between two distances, relative to the longest filtered embedding."""
    d: int
    """Numbers in the full form."""
    k: int
    """Numbers in the reduced form."""

    @property
    def worst(self) -> float:
        """The larger of the two differences."""
        return max(self.cosine, self.distance)

    @property
    def sentence(self) -> str:
        """The finding in words."""
        verdict = "agree to rounding" if self.worst < SAME_FORM else "do NOT agree"
        return f"With {self.d} numbers and with {self.k}, all cosines and distances {verdict}."


@dataclass(frozen=True)
class DistancesKept:
    """The distances between texts under the filter, as shares of the raw ones."""

    window: Window
    """What the filter keeps."""
    share: Interval
    """() filtered distance over raw distance: mean over pairs, and their 5 and 95 % points."""

    @property
    def sentence(self) -> str:
        """The finding in words."""
        if self.window.drops_nothing:
            return "The window drops nothing, so all distances are those of the raw embeddings."
        share = self.share
        return (
            "Both forms of the filter have the same distances, but not those of the raw "
            f"embeddings: a filtered distance is {share.value:.0%} of the raw one on average, and "
            f"for nine of ten pairs {share.low:.0%} to {share.high:.0%}."
        )

    def to_json(self) -> dict[str, Any]:
        """The record under its names on the command line."""
        return finite({"share": asdict(self.share), "sentence": self.sentence})


def distances_kept(
    rows: np.ndarray, first: np.ndarray, second: np.ndarray, window: Window
) -> DistancesKept:
    """Say how much of the distance of some pairs the filter leaves.

    Args:
        rows: (n, d_model) embeddings in the basis of the singular vectors, E V.
        first: (m,) rows.
        second: (m,) rows, the pairs' other texts; pairs of equal embeddings are left out.
        window: what the filter keeps.

    Returns:
        the share of the distance that is left, over pairs.

    Raises:
        InputError: all pairs are of equal embeddings.

    >>> rows = np.array([[0.0, 0.0], [3.0, 4.0]])
    >>> distances_kept(rows, np.array([0]), np.array([1]), Window(1, 2, 2)).share.value
    0.8
    """
    apart = rows[first] - rows[second]
    raw = np.linalg.norm(apart, axis=1)
    if not raw.any():
        raise InputError("pairs: in each the two embeddings are equal; give pairs that differ")
    kept = np.linalg.norm(apart[:, window.kept], axis=1)
    shares = kept[raw > 0] / raw[raw > 0]
    low, high = np.quantile(shares, (0.05, 0.95))
    return DistancesKept(window, Interval(float(shares.mean()), float(low), float(high)))


def compare_forms(model: Model, embeddings: np.ndarray, window: Window) -> FormsAgreement:
    """Filter ``embeddings`` (n, d_model) both ways and compare all pairs."""
    full, reduced = (
        EmbedFilter(model.spectrum, window=window, full=full).transform(embeddings).astype(float)
        for full in (True, False)
    )
    # Not relative to the largest distance, which is rounding where all the texts are the same.
    scale = max(float(np.linalg.norm(full, axis=1).max()), 1e-12)
    cosine = distance = 0.0
    step = max(1, _PAIRS_AT_ONCE // len(full))
    for start in range(0, len(full), step):
        rows = slice(start, start + step)
        (cosines, distances), (others, lengths) = _pairs(full, rows), _pairs(reduced, rows)
        cosine = max(cosine, float(np.abs(cosines - others).max()))
        distance = max(distance, float(np.abs(distances - lengths).max()))
    return FormsAgreement(cosine, distance / scale, model.d_model, window.k)


def _pairs(E: np.ndarray, rows: slice) -> tuple[np.ndarray, np.ndarray]:
    """Cosines and distances of some rows to all."""
    products = E[rows] @ E.T
    squares = np.einsum("ij,ij->i", E, E)
    norms = np.sqrt(np.maximum(squares, 1e-24))
    squared = np.maximum(squares[rows, None] + squares - 2 * products, 0.0)
    return products / np.outer(norms[rows], norms), np.sqrt(squared)
