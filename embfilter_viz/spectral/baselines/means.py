"""What all texts share, taken out of each: their mean, or their strongest direction."""

import numpy as np

from embfilter_viz.errors import InputError
from embfilter_viz.spectral.filters import Filter

__all__ = ["FirstDirectionShift", "MeanRemoval"]


class MeanRemoval(Filter):
    """Remove the calibration embeddings' mean: its direction, or the vector itself.

    With μ the mean and μ̂ its unit vector, e − (e·μ̂) μ̂ or e − μ: R2 and R1 of arXiv 2511.11041.

    Args:
        how: "direction" projects the mean's direction out, which needs no more than one
            direction and is linear as EmbedFilter is; "subtract" subtracts the mean.
        checkpoint: Carried along.

    >>> E = np.array([[2.0, 1.0], [2.0, -1.0]])
    >>> MeanRemoval().fit(E).transform(E)
    array([[ 0.,  1.],
           [ 0., -1.]])
    """

    _learns = True

    def __init__(self, how: str = "direction", checkpoint: str | None = None) -> None:
        self.how = how
        self.checkpoint = checkpoint

    @property
    def removes(self) -> str:
        """Return what is removed, in words for a caption."""
        if self.how == "subtract":
            return "the calibration texts' mean embedding, by subtraction"
        return "one direction: that of the calibration texts' mean embedding"

    def _learn(self, E: np.ndarray) -> None:
        if self.how not in {"direction", "subtract"}:
            raise InputError(f"how must be 'direction' or 'subtract'; got {self.how!r}")
        self.mean_ = E.mean(axis=0, dtype=np.float64)
        if self.how == "direction" and not np.any(self.mean_):
            raise InputError("the calibration embeddings' mean is zero: it has no direction")

    def _apply(self, E: np.ndarray) -> np.ndarray:
        if self.how == "subtract":
            return E - self.mean_.astype(E.dtype)
        unit = (self.mean_ / np.linalg.norm(self.mean_)).astype(E.dtype)
        return E - np.outer(E @ unit, unit)

    def _names(self) -> list[str]:
        return [f"h{i}" for i in range(self.n_features_in_)]


class FirstDirectionShift(Filter):
    """Shift embeddings along the first right singular vector of the uncentred E: e + λ v₁.

    Nie, Zhang and Wu (ACL 2025) find that what sets an embedder apart from its language model lies
    along v₁ of the embeddings' singular value decomposition, and shift along it by a λ of one's own
    choice. λ is given here in units of what embeddings have there: λ = strength · m, with m the
    mean of e·v₁ over the calibration embeddings and v₁ turned so that m is positive.

    Args:
        strength: λ / m. At −1 the calibration embeddings are left with a mean of zero along v₁; at
            0 nothing is changed.
        checkpoint: Carried along.

    >>> E = np.array([[2.0, 1.0], [2.0, -1.0]])
    >>> FirstDirectionShift().fit(E).transform(E)
    array([[ 0.,  1.],
           [ 0., -1.]])
    >>> FirstDirectionShift(strength=0.5).fit(E).shift_
    array([1., 0.])
    """

    _learns = True

    def __init__(self, strength: float = -1.0, checkpoint: str | None = None) -> None:
        self.strength = strength
        self.checkpoint = checkpoint

    @property
    def removes(self) -> str:
        """Return what is removed, in words for a caption."""
        if self.strength == -1:
            return "what the calibration texts have on average along their first singular direction"
        return f"nothing: {self.strength:g} times that average is added"

    def _learn(self, E: np.ndarray) -> None:
        if not np.isfinite(self.strength):
            raise InputError(f"strength must be a finite number; got {self.strength}")
        rows = E.astype(np.float64)
        if not rows.any():
            raise InputError("the calibration embeddings are all zero: they have no direction")
        v = np.linalg.svd(rows, full_matrices=False)[2][0]
        # λ v₁ = strength · (mean · v₁) v₁, whichever of its two signs v₁ came with.
        self.shift_ = self.strength * float(rows.mean(axis=0) @ v) * v

    def _apply(self, E: np.ndarray) -> np.ndarray:
        return E + self.shift_.astype(E.dtype)

    def _names(self) -> list[str]:
        return [f"h{i}" for i in range(self.n_features_in_)]
