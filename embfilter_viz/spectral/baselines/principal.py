"""Calibrated by principal directions: all-but-the-top, whitening hard and soft, PCA."""

import numpy as np

from embfilter_viz.errors import InputError
from embfilter_viz.spectral.baselines.fewer import Smaller
from embfilter_viz.spectral.filters import Filter

__all__ = ["AllButTheTop", "PrincipalComponents", "SoftWhitening", "Whitening"]


class AllButTheTop(Filter):
    """Subtract the mean and project out the strongest principal directions (Mu & Viswanath 2018).

    The projection is of the centred embedding; the original projects the uncentred one, which
    differs by one constant vector.

    Args:
        components: Directions removed, D; by default ⌊d/100⌋, at least 1, as the authors advise.
        checkpoint: Carried along.

    >>> E = np.array([[3.0, 1.0], [-3.0, 1.0], [0.0, 2.0], [0.0, 0.0]])
    >>> AllButTheTop(components=1).fit(E).transform(E)[:, 1]
    array([ 0.,  0.,  1., -1.])
    """

    _learns = True

    def __init__(self, components: int | None = None, checkpoint: str | None = None) -> None:
        self.components = components
        self.checkpoint = checkpoint

    @property
    def removes(self) -> str:
        """Return what is removed, in words for a caption."""
        count = len(self.directions_) if hasattr(self, "directions_") else self.components
        which = "the strongest" if count in (None, 1) else f"the {count} strongest"
        return f"the calibration texts' mean and {which} of their principal directions"

    def _learn(self, E: np.ndarray) -> None:
        n, d = E.shape
        count = max(1, d // 100) if self.components is None else self.components
        if not 0 <= count < min(n, d):
            raise InputError(
                f"components must be from 0 to {min(n, d) - 1} for {n} calibration embeddings "
                f"of width {d}; got {count}"
            )
        self.mean_, _, vectors = _principal(E)
        self.directions_ = vectors[:, :count].T

    def _apply(self, E: np.ndarray) -> np.ndarray:
        top = self.directions_.astype(E.dtype)
        centred = E - self.mean_.astype(E.dtype)
        return centred - (centred @ top.T) @ top

    def _names(self) -> list[str]:
        return [f"h{i}" for i in range(self.n_features_in_)]


class Whitening(Smaller):
    """Centre, rotate to the principal directions and scale each to unit variance (Su et al. 2021).

    (E − μ) U Λ^(−1/2) with the covariance U Λ Uᵀ of the calibration embeddings, the k strongest
    kept.

    Args:
        tau: Keeps k = ⌊d/τ⌋ directions.
        k: Directions kept; takes the place of ``tau``.
        checkpoint: Carried along.

    >>> E = np.array([[3.0, 1.0], [-3.0, 1.0], [0.0, 2.0], [0.0, 0.0]])
    >>> np.cov(Whitening(tau=1).fit(E).transform(E).T).round(12)
    array([[1., 0.],
           [0., 1.]])
    """

    _learns = True

    @property
    def removes(self) -> str:
        """Return what is removed, in words for a caption."""
        return (
            "the calibration texts' mean, their weakest principal directions, and every "
            "difference in variance between the others"
        )

    def _learn(self, E: np.ndarray) -> None:
        n, d = E.shape
        k = self._count(d)
        self.mean_, variances, vectors = _principal(E)
        certain = int(np.count_nonzero(variances > _rounding(E, variances)))
        if k > certain:
            raise InputError(
                f"whitening to {k} dimensions needs calibration texts that span as many; "
                f"these {n} span {certain}: give more than {k} different texts, or a larger tau"
            )
        self.kernel_ = vectors[:, :k] / np.sqrt(variances[:k])

    def _apply(self, E: np.ndarray) -> np.ndarray:
        return (E - self.mean_.astype(E.dtype)) @ self.kernel_.astype(E.dtype)

    def _names(self) -> list[str]:
        return [f"w{i}" for i in range(self._count(self._fitted_width()))]


class SoftWhitening(Filter):
    """Whiten with a covariance that is shrunk towards a multiple of the identity.

    (E − μ) U Λ'^(−1/2) with Λ' = (1 − α) Λ + α λ̄, where U Λ Uᵀ is the covariance of the calibration
    embeddings and λ̄ the mean of its variances: α = 1 only subtracts the mean and rotates, α = 0
    whitens in full. Without an α of one's own it is the closed form of Ledoit and Wolf (2004) that
    comes nearest to the true covariance in mean square, as scikit-learn computes it. All d
    directions stay, and fewer texts than directions will do.

    Args:
        shrinkage: α from 0 to 1; None: Ledoit and Wolf's. ``shrinkage_`` says which it was.
        checkpoint: Carried along.

    >>> E = np.array([[3.0, 1.0], [-3.0, 1.0], [0.0, 2.0], [0.0, 0.0]])
    >>> np.cov(SoftWhitening(shrinkage=0).fit(E).transform(E).T, bias=True).round(12)
    array([[1., 0.],
           [0., 1.]])
    >>> print(f"{SoftWhitening().fit(E).shrinkage_:.2f}")
    0.64
    """

    _learns = True

    def __init__(self, shrinkage: float | None = None, checkpoint: str | None = None) -> None:
        self.shrinkage = shrinkage
        self.checkpoint = checkpoint

    @property
    def removes(self) -> str:
        """Return what is removed, in words for a caption."""
        which = self.shrinkage_ if hasattr(self, "shrinkage_") else self.shrinkage
        said = "" if which is None else f" (shrinkage {which:.3f})"
        return f"the calibration texts' mean, and most differences in variance{said}"

    def _learn(self, E: np.ndarray) -> None:
        from sklearn.covariance import ledoit_wolf_shrinkage

        if self.shrinkage is not None and not 0 <= self.shrinkage <= 1:
            raise InputError(f"shrinkage must be from 0 to 1; got {self.shrinkage}")
        self.mean_, variances, vectors = _principal(E)
        # Ledoit and Wolf's covariance divides by n, not by n − 1.
        variances = variances * (len(E) - 1) / len(E)
        alpha = self.shrinkage
        if alpha is None:
            alpha = ledoit_wolf_shrinkage(E.astype(np.float64))
        self.shrinkage_ = float(alpha)
        shrunk = (1 - self.shrinkage_) * variances + self.shrinkage_ * variances.mean()
        if shrunk[-1] <= _rounding(E, shrunk):
            raise InputError(
                f"whitening in full needs texts that span all {E.shape[1]} dimensions, and these "
                f"{len(E)} do not: give more texts, or a shrinkage above 0"
            )
        self.kernel_ = vectors / np.sqrt(shrunk)

    def _apply(self, E: np.ndarray) -> np.ndarray:
        return (E - self.mean_.astype(E.dtype)) @ self.kernel_.astype(E.dtype)

    def _names(self) -> list[str]:
        return [f"w{i}" for i in range(self.n_features_in_)]


class PrincipalComponents(Smaller):
    """Centre and keep the k strongest principal directions of the calibration embeddings (PCA).

    (E − μ) U_k, the usual way to make embeddings smaller.

    Args:
        tau: Keeps k = ⌊d/τ⌋ directions.
        k: Directions kept; takes the place of ``tau``.
        checkpoint: Carried along.

    >>> E = np.array([[3.0, 1.0], [-3.0, 1.0], [0.0, 2.0], [0.0, 0.0]])
    >>> abs(PrincipalComponents(k=1).fit(E).transform(E)).ravel()
    array([3., 3., 0., 0.])
    """

    _learns = True

    @property
    def removes(self) -> str:
        """Return what is removed, in words for a caption."""
        return "the calibration texts' mean and their weakest principal directions"

    def _learn(self, E: np.ndarray) -> None:
        k = self._count(E.shape[1])
        self.mean_, _, vectors = _principal(E)
        self.components_ = vectors[:, :k]

    def _apply(self, E: np.ndarray) -> np.ndarray:
        return (E - self.mean_.astype(E.dtype)) @ self.components_.astype(E.dtype)

    def _names(self) -> list[str]:
        return [f"pc{i}" for i in range(self._count(self._fitted_width()))]


def _principal(E: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean (d,), variances (d,) descending and principal directions (d, d) of E, in float64."""
    if len(E) < 2:
        raise InputError(f"calibration needs at least 2 embeddings; got {len(E)}")
    mean = E.mean(axis=0, dtype=np.float64)
    centred = E - mean
    variances, vectors = np.linalg.eigh(centred.T @ centred / (len(E) - 1))
    return mean, np.maximum(variances[::-1], 0.0), vectors[:, ::-1]


def _rounding(E: np.ndarray, variances: np.ndarray) -> float:
    """Below this a variance of E may be rounding, and dividing by it makes noise of it.

    What float64 leaves of zero beside the largest variance, and what the numbers' own last digits
    add up to over d coordinates.
    """
    d, digit = E.shape[1], float(np.finfo(E.dtype).eps) * float(np.abs(E).max())
    return d * (float(variances[0]) * float(np.finfo(np.float64).eps) + digit**2)
