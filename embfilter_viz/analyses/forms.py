"""Do the full and the reduced form of the filter really agree in every distance?"""

from dataclasses import dataclass

import numpy as np

from embfilter_viz.model import Model
from embfilter_viz.spectral.filters import EmbedFilter
from embfilter_viz.spectral.windows import Window

__all__ = ["FormsAgreement", "compare_forms"]

# Pairs of texts compared at once: some 32 MB for each of half a dozen tables.
_PAIRS_AT_ONCE = 4_000_000


@dataclass(frozen=True)
class FormsAgreement:
    """How far apart the two forms are, on the embeddings at hand."""

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
        verdict = "agree to rounding" if self.worst < 1e-4 else "do NOT agree"
        return f"{self.d} and {self.k} numbers {verdict} in all cosines and distances."


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
