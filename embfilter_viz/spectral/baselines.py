"""What EmbedFilter is compared with: fewer raw coordinates, a random subspace, calibrated methods.

All take embeddings E (n, d_model), one row a text. The first three learn nothing; mean removal,
all-but-the-top and whitening are fitted on calibration embeddings.
"""

from functools import lru_cache

import numpy as np

from embfilter_viz.errors import InputError
from embfilter_viz.spectral.filters import Filter
from embfilter_viz.spectral.windows import BANDS, band, kept_by_tau

__all__ = [
    "AllButTheTop",
    "MeanRemoval",
    "RandomCoordinates",
    "RandomSubspace",
    "Truncation",
    "Whitening",
    "random_rotation",
]


class _Smaller(Filter):
    """Keeps k = ⌊d/τ⌋ numbers of d, or the k that was asked for."""

    def __init__(
        self, tau: float | str = 2, k: int | None = None, checkpoint: str | None = None
    ) -> None:
        self.tau = tau
        self.k = k
        self.checkpoint = checkpoint

    def _count(self, d: int) -> int:
        if self.k is None:
            return kept_by_tau(self.tau, d)
        if not 1 <= self.k <= d:
            raise InputError(f"k must be from 1 to {d}, the embeddings' width; got {self.k}")
        return self.k

    def _fitted_width(self) -> int:
        """Width seen in fit, needed to name columns."""
        width = self._width()
        if width is None:
            name = type(self).__name__
            raise InputError(f"{name} names its columns once fitted: call fit first")
        return width


class Truncation(_Smaller):
    """Drop the first raw coordinates and keep the last k: fewer dimensions and nothing else.

    >>> Truncation(tau=2).transform([[1.0, 2.0, 3.0, 4.0]])
    array([[3., 4.]])
    """

    @property
    def removes(self) -> str:
        """What is removed, in words for a caption."""
        return BANDS["truncation"].removes

    def _kept(self, d: int) -> np.ndarray:
        return band("truncation", d, self._count(d))

    def _apply(self, E: np.ndarray) -> np.ndarray:
        return E[:, self._kept(E.shape[1])]

    def _names(self) -> list[str]:
        return [f"h{i}" for i in self._kept(self._fitted_width())]


class RandomCoordinates(Truncation):
    """Keep k raw coordinates picked at random, the same ones for the same seed and width.

    >>> RandomCoordinates(tau=2, seed=1).transform([[1.0, 2.0, 3.0, 4.0]]).shape
    (1, 2)
    """

    def __init__(
        self,
        tau: float | str = 2,
        k: int | None = None,
        seed: int = 0,
        checkpoint: str | None = None,
    ) -> None:
        super().__init__(tau, k, checkpoint)
        self.seed = seed

    @property
    def removes(self) -> str:
        """What is removed, in words for a caption."""
        return BANDS["random"].removes

    def _kept(self, d: int) -> np.ndarray:
        return band("random", d, self._count(d), seed=self.seed)


class RandomSubspace(_Smaller):
    """Keep a k-dimensional subspace drawn uniformly (Haar): the control for dimension alone.

    Args:
        tau: Keeps k = ⌊d/τ⌋ dimensions.
        k: Dimensions kept; takes the place of ``tau``.
        seed: The same seed and width give the same subspaces, each within the larger ones.
        full: Return the d_model numbers of the projected embedding, not its k coordinates.
        checkpoint: Carried along.

    >>> E = np.eye(4)
    >>> full = RandomSubspace(tau=2, full=True).transform(E)
    >>> bool(np.isclose(np.trace(full), 2)), np.allclose(full @ full, full)
    (True, True)
    """

    def __init__(
        self,
        tau: float | str = 2,
        k: int | None = None,
        seed: int = 0,
        full: bool = False,
        checkpoint: str | None = None,
    ) -> None:
        super().__init__(tau, k, checkpoint)
        self.seed = seed
        self.full = full

    @property
    def removes(self) -> str:
        """What is removed, in words for a caption."""
        return "directions picked at random, without looking at the model"

    def _apply(self, E: np.ndarray) -> np.ndarray:
        d = E.shape[1]
        basis = random_rotation(d, self.seed)[:, : self._count(d)].astype(E.dtype, copy=False)
        reduced = E @ basis
        return reduced @ basis.T if self.full else reduced

    def _names(self) -> list[str]:
        d = self._fitted_width()
        return (
            [f"h{i}" for i in range(d)] if self.full else [f"r{i}" for i in range(self._count(d))]
        )


@lru_cache(maxsize=2)
def random_rotation(d: int, seed: int) -> np.ndarray:
    """Orthonormal (d, d): the span of its first k columns is uniform among k-dimensional subspaces.

    One matrix for all k, so that the subspaces of a seed lie in one another and embeddings need
    be rotated only once.
    """
    # The QR factorisation is Gram-Schmidt: the first k columns of both factors span the same.
    basis, _ = np.linalg.qr(np.random.default_rng(seed).standard_normal((d, d)))
    basis.setflags(write=False)
    return basis


class MeanRemoval(Filter):
    """Remove the calibration embeddings' mean: its direction, or the vector itself.

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
        """What is removed, in words for a caption."""
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
        """What is removed, in words for a caption."""
        count = len(self.directions_) if hasattr(self, "directions_") else self.components
        which = "the strongest" if count is None else f"the {count} strongest"
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


class Whitening(_Smaller):
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
        """What is removed, in words for a caption."""
        return (
            "the calibration texts' mean, their weakest principal directions, and every "
            "difference in variance between the others"
        )

    def _learn(self, E: np.ndarray) -> None:
        n, d = E.shape
        k = self._count(d)
        self.mean_, variances, vectors = _principal(E)
        # Beyond the rank of the calibration set a variance is rounding, and dividing by it noise.
        certain = int(np.count_nonzero(variances > variances[0] * d * np.finfo(E.dtype).eps))
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


def _principal(E: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean (d,), variances (d,) descending and principal directions (d, d) of E, in float64."""
    if len(E) < 2:
        raise InputError(f"calibration needs at least 2 embeddings; got {len(E)}")
    mean = E.mean(axis=0, dtype=np.float64)
    centred = E - mean
    variances, vectors = np.linalg.eigh(centred.T @ centred / (len(E) - 1))
    return mean, np.maximum(variances[::-1], 0.0), vectors[:, ::-1]
