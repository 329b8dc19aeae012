"""Rogue dimensions: the few raw coordinates that make most of every cosine, scaled or dropped.

Source: Timkey and van Schijndel, "All Bark and No Bite: Rogue Dimensions in Transformer Language
Models Obscure Representational Quality", EMNLP 2021.
"""

import numpy as np

from embfilter_viz.errors import InputError
from embfilter_viz.spectral.filters import Filter

__all__ = ["RogueDimensions", "Standardisation", "contributions_to_cosine"]


class Standardisation(Filter):
    """Give every raw coordinate mean 0 and standard deviation 1: (e − μ) / s, the z-score.

    A coordinate that is the same in all calibration embeddings is only centred.

    Args:
        checkpoint: Carried along.

    >>> E = np.array([[3.0, 1.0], [1.0, 1.0]])
    >>> Standardisation().fit(E).transform(E)
    array([[ 1.,  0.],
           [-1.,  0.]])
    """

    _learns = True

    def __init__(self, checkpoint: str | None = None) -> None:
        self.checkpoint = checkpoint

    @property
    def removes(self) -> str:
        """Return what is removed, in words for a caption."""
        return "the calibration texts' mean and every difference in spread between coordinates"

    def _learn(self, E: np.ndarray) -> None:
        if len(E) < 2:
            raise InputError(f"calibration needs at least 2 embeddings; got {len(E)}")
        rows = E.astype(np.float64)
        self.mean_ = rows.mean(axis=0)
        spread = rows.std(axis=0)
        # The spread of equal numbers is rounding, and dividing by it noise.
        varies = spread > np.finfo(E.dtype).eps * np.abs(rows).max(axis=0)
        self.scale_ = np.where(varies, spread, 1.0)

    def _apply(self, E: np.ndarray) -> np.ndarray:
        return (E - self.mean_.astype(E.dtype)) / self.scale_.astype(E.dtype)

    def _names(self) -> list[str]:
        return [f"h{i}" for i in range(self.n_features_in_)]


class RogueDimensions(Filter):
    """Drop the raw coordinates that contribute most to the mean cosine of calibration texts.

    Args:
        components: Coordinates dropped; three by default, for "often just 1–3" make most of it.
        checkpoint: Carried along.

    >>> E = np.array([[9.0, 1.0, 0.0], [9.0, 0.0, 1.0], [8.0, -1.0, 0.0]])
    >>> RogueDimensions(components=1).fit(E).transform(E)
    array([[ 1.,  0.],
           [ 0.,  1.],
           [-1.,  0.]])
    """

    _learns = True

    def __init__(self, components: int = 3, checkpoint: str | None = None) -> None:
        self.components = components
        self.checkpoint = checkpoint

    @property
    def removes(self) -> str:
        """Return what is removed, in words for a caption."""
        count = f"{self.components} coordinates" if self.components != 1 else "coordinate"
        return f"the {count} that contribute{'s' * (self.components == 1)} most to every cosine"

    def _learn(self, E: np.ndarray) -> None:
        d = E.shape[1]
        if not 0 <= self.components < d:
            raise InputError(f"components must be from 0 to {d - 1}; got {self.components}")
        order = np.argsort(-contributions_to_cosine(E), kind="stable")
        self.dropped_ = np.sort(order[: self.components])

    def _apply(self, E: np.ndarray) -> np.ndarray:
        return np.delete(E, self.dropped_, axis=1)

    def _names(self) -> list[str]:
        return [f"h{i}" for i in np.delete(np.arange(self.n_features_in_), self.dropped_)]


def contributions_to_cosine(E: np.ndarray) -> np.ndarray:
    """Return what each coordinate adds to a cosine, mean over all distinct pairs: (d,).

    With unit rows u it is the mean of u_a,i u_b,i over pairs a ≠ b, in closed form
    ((Σ u_i)² − Σ u_i²) / (n (n − 1)); the sum over coordinates is the mean cosine.

    Raises:
        InputError: fewer than two embeddings, or one that is zero.

    >>> contributions_to_cosine(np.array([[1.0, 0.0], [1.0, 0.0]]))
    array([1., 0.])
    """
    rows = np.asarray(E, dtype=np.float64)
    if len(rows) < 2:
        raise InputError(f"calibration needs at least 2 embeddings; got {len(rows)}")
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    if not norms.all():
        raise InputError("a calibration embedding is zero: it has no cosine")
    unit = rows / norms
    return (unit.sum(axis=0) ** 2 - (unit**2).sum(axis=0)) / (len(unit) * (len(unit) - 1))
