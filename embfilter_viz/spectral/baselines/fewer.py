"""Fewer dimensions and nothing else: raw coordinates, random ones, a random subspace."""

from functools import lru_cache

import numpy as np

from embfilter_viz.errors import InputError
from embfilter_viz.spectral.filters import Filter
from embfilter_viz.spectral.windows import BANDS, band, kept_by_tau

__all__ = [
    "RANDOM_SUBSPACES",
    "RandomCoordinates",
    "RandomSubspace",
    "Smaller",
    "Truncation",
    "random_orders",
    "random_rotation",
]


class Smaller(Filter):
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


class Truncation(Smaller):
    """Drop the first raw coordinates and keep the last k: fewer dimensions and nothing else.

    >>> Truncation(tau=2).transform([[1.0, 2.0, 3.0, 4.0]])
    array([[3., 4.]])
    """

    @property
    def removes(self) -> str:
        """Return what is removed, in words for a caption."""
        return BANDS["truncation"].removes

    def _kept(self, d: int) -> np.ndarray:
        return band("truncation", d, self._count(d))

    def _apply(self, E: np.ndarray) -> np.ndarray:
        return E[:, self._kept(E.shape[1])]

    def _names(self) -> list[str]:
        return [f"h{i}" for i in self._kept(self._fitted_width())]


class RandomCoordinates(Truncation):
    """Keep k raw coordinates picked at random, the same ones for the same seed and width.

    Args:
        tau: keep ⌊d / tau⌋ coordinates.
        k: keep so many instead.
        seed: of the choice.
        checkpoint: the model's name, for messages.

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
        """Return what is removed, in words for a caption."""
        return BANDS["random"].removes

    def _kept(self, d: int) -> np.ndarray:
        return band("random", d, self._count(d), seed=self.seed)


RANDOM_SUBSPACES = 20
"""Random subspaces that anything is compared with: their mean, and the least and the greatest."""


class RandomSubspace(Smaller):
    """Keep a k-dimensional random subspace: the control for dimension alone.

    It is spanned by k columns, picked at random, of a random orthonormal basis, so it is uniform
    among all k-dimensional subspaces (Haar). One draw says little: of 20, all of one basis, the
    explorer shows the mean, the least and the greatest.

    Args:
        tau: Keeps k = ⌊d/τ⌋ dimensions.
        k: Dimensions kept; takes the place of ``tau``.
        seed: The same seed and width give the same subspaces, each within the larger ones. Seeds
            0 to 19 share a basis, 20 to 39 the next, and so on.
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
        """Return what is removed, in words for a caption."""
        return "directions picked at random, without looking at the model"

    def _apply(self, E: np.ndarray) -> np.ndarray:
        d = E.shape[1]
        number, one = divmod(self.seed, RANDOM_SUBSPACES)
        kept = random_orders(d, number)[one, : self._count(d)]
        basis = random_rotation(d, number)[:, kept].astype(E.dtype, copy=False)
        reduced = E @ basis
        return reduced @ basis.T if self.full else reduced

    def _names(self) -> list[str]:
        d = self._fitted_width()
        return (
            [f"h{i}" for i in range(d)] if self.full else [f"r{i}" for i in range(self._count(d))]
        )


@lru_cache(maxsize=2)
def random_rotation(d: int, seed: int) -> np.ndarray:
    """A random orthonormal basis, the columns of (d, d): any k of them span a uniform subspace.

    One basis for all random subspaces of a seed and for all their sizes: embeddings need be
    rotated only once, and what is asked of a subspace is a sum over its columns.
    """
    basis, _ = np.linalg.qr(np.random.default_rng(seed).standard_normal((d, d)))
    basis.setflags(write=False)
    return basis


@lru_cache(maxsize=8)
def random_orders(d: int, seed: int, count: int = RANDOM_SUBSPACES) -> np.ndarray:
    """Return which columns of :func:`random_rotation` span each random subspace: (count, d) int64.

    The first k of row s are those of subspace s at k dimensions.
    """
    rng = np.random.default_rng((seed, d))
    orders = np.stack([rng.permutation(d) for _ in range(count)])
    orders.setflags(write=False)
    return orders
