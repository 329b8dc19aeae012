"""One affine map, e ↦ e A + b: what every filter here comes to, and what an export carries."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from embfilter_viz.errors import InputError

__all__ = ["AffineMap"]

_ROWS_AT_ONCE = 4096
"""Embeddings mapped at once: 64 MB in float64 at d_model = 2,048."""


@dataclass(frozen=True, eq=False)
class AffineMap:
    """The map e ↦ e A + b on embeddings in rows, from d numbers to k.

    >>> double = AffineMap(2 * np.eye(2), np.array([1.0, 0.0]))
    >>> double(np.array([[1.0, 2.0]]))
    array([[3., 4.]])
    >>> double.then(double).offset
    array([3., 0.])
    """

    matrix: np.ndarray
    """(d, k) float64. A: rows go in, columns come out."""
    offset: np.ndarray
    """(k,) float64. b, in the units of the embeddings' numbers."""

    def __post_init__(self) -> None:
        if self.matrix.ndim != 2 or self.offset.shape != self.matrix.shape[1:]:
            raise InputError(
                f"an affine map needs a matrix (d, k) and an offset (k,); got shapes "
                f"{self.matrix.shape} and {self.offset.shape}"
            )

    def __call__(self, E: np.ndarray) -> np.ndarray:
        """Map E (n, d) to (n, k), summed in float64, in the dtype of E."""
        mapped = np.empty((len(E), len(self.offset)), dtype=E.dtype)
        matrix, offset = (one.astype(np.float64, copy=False) for one in (self.matrix, self.offset))
        for start in range(0, len(E), _ROWS_AT_ONCE):
            rows = slice(start, start + _ROWS_AT_ONCE)
            mapped[rows] = E[rows].astype(np.float64) @ matrix + offset
        return mapped

    def then(self, other: "AffineMap") -> "AffineMap":
        """The map that does this one first and ``other`` on what it gives."""
        if len(other.matrix) != len(self.offset):
            raise InputError(
                f"the second map takes {len(other.matrix)} numbers and the first gives "
                f"{len(self.offset)}"
            )
        return AffineMap(self.matrix @ other.matrix, self.offset @ other.matrix + other.offset)

    @property
    def is_linear(self) -> bool:
        """Tell whether b is zero, so that zero stays zero."""
        return not np.any(self.offset)

    def __deepcopy__(self, memo: dict[int, Any]) -> "AffineMap":
        return self  # never written to: scikit-learn's clone() need not copy d · k numbers
