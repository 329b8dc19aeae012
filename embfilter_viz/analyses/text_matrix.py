"""How alike are some texts, each with each, before and after?"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from embfilter_viz.analyses.reference import COSINES, Reference, ReferenceTexts
from embfilter_viz.embeddings.cosines import unit_rows
from embfilter_viz.embeddings.pair_measures import of_pairs
from embfilter_viz.errors import InputError
from embfilter_viz.model import Model
from embfilter_viz.spectral.windows import Window
from embfilter_viz.wording import fixed

__all__ = ["MOST_IN_MATRIX", "TextMatrix", "text_matrix"]

MOST_IN_MATRIX = 30
"""Texts of a matrix: so many can be read in a heat map."""


@dataclass(frozen=True, eq=False)
class TextMatrix:
    """The cosines of some texts with one another."""

    window: Window
    """What the filter keeps."""
    texts: tuple[str, ...]
    """(m,) the texts."""
    cosines: dict[str, np.ndarray]
    """(m, m) each, by the names of ``COSINES``."""
    reference: Reference
    """The texts whose mean is removed."""

    @property
    def mean(self) -> dict[str, float]:
        """Mean cosine of all pairs of them, by the same names."""
        return {name: float(of_pairs(X).mean()) for name, X in self.cosines.items()}

    @property
    def most_alike(self) -> dict[str, tuple[int, int]]:
        """The two texts with the largest cosine, counted from 1, by the same names."""
        return {name: _most(X) for name, X in self.cosines.items()}

    @property
    def sentence(self) -> str:
        """Say how alike they are on average, and which two most, in words."""
        mean = {name: fixed(value, 2) for name, value in self.mean.items()}
        most = {name: f"{a} and {b}" for name, (a, b) in self.most_alike.items()}
        m = len(self.texts)
        words = (
            f"the {m * (m - 1) // 2} pairs of these {m} texts have a mean cosine of {mean['raw']} "
            f"raw and {mean['filtered']} filtered. With the mean of {self.reference.said} removed "
            f"it is {mean['mean_removed']} raw and {mean['filtered_mean_removed']} filtered. The "
            f"texts that are most alike are {most['raw']}"
        )
        if most["filtered"] == most["raw"]:
            return f"{words}, raw and filtered."
        return f"{words} raw, and {most['filtered']} filtered."

    def to_json(self) -> dict[str, Any]:
        """The cosines under their names on the command line."""
        return {
            **{name: X.tolist() for name, X in self.cosines.items()},
            "mean": self.mean,
            "most_alike": {name: list(two) for name, two in self.most_alike.items()},
            "sentence": self.sentence,
        }


def text_matrix(
    model: Model,
    texts: Sequence[str],
    embeddings: np.ndarray,
    ready: ReferenceTexts,
    window: Window,
) -> TextMatrix:
    """All cosines of some texts, raw and filtered, with and without the reference texts' mean.

    Args:
        model: the opened model.
        texts: (m,) at most 30.
        embeddings: (m, d_model) raw, in their order.
        ready: the reference texts, none of which is one of these.
        window: what the filter keeps.

    Returns:
        the four (m, m) matrices of cosines.

    Raises:
        InputError: fewer than 2 or more than 30 texts, or a window that leaves nothing of one.
    """
    if not 2 <= len(texts) <= MOST_IN_MATRIX:
        raise InputError(
            f"texts: from 2 to {MOST_IN_MATRIX} can be compared with one another; got {len(texts)}"
        )
    V = model.spectrum.V.astype(np.float64)
    rows, relative = (X.astype(np.float64) @ V for X in (embeddings, embeddings - ready.mean))
    sides = (rows, rows[:, window.kept], relative, relative[:, window.kept])
    cosines = {name: _cosines(X) for name, X in zip(COSINES, sides, strict=True)}
    return TextMatrix(window, tuple(texts), cosines, ready.reference)


def _cosines(X: np.ndarray) -> np.ndarray:
    U = unit_rows(X)
    return np.clip(U @ U.T, -1, 1)


def _most(X: np.ndarray) -> tuple[int, int]:
    """The two texts that are most alike, counted from 1."""
    above: Any = np.where(np.triu(np.ones(X.shape, dtype=bool), k=1), X, -np.inf)
    a, b = np.unravel_index(int(above.argmax()), X.shape)
    return int(a) + 1, int(b) + 1
