"""Embeddings in many random subspaces at once: the control for dimension alone.

Each subspace is spanned by some columns of one orthonormal basis, so that of the embeddings in
that basis a subspace takes columns, of their covariance a square, and what is a sum over columns
is one product with a table of which column is in which subspace.
"""

from functools import cached_property

import numpy as np

from embfilter_viz.embeddings.rotated import Rotated
from embfilter_viz.embeddings.scatter import effective_rank_of_scatter, isoscore_of_scatter
from embfilter_viz.errors import InputError
from embfilter_viz.system.progress import Progress, silent

__all__ = ["RandomSubspaces"]

_ROWS_AT_ONCE = 2048


class RandomSubspaces:
    """One set of embeddings in several random subspaces of any size.

    Args:
        rotated: the embeddings in a random orthonormal basis.
        orders: (s, d) permutations of its columns; the first k of a row span a subspace.

    >>> E = np.random.default_rng(0).normal(size=(50, 4))
    >>> orders = np.array([[0, 1, 2, 3], [3, 2, 1, 0]])
    >>> from embfilter_viz.embeddings.isotropy import isoscore
    >>> RandomSubspaces(Rotated(E, np.eye(4)), orders).isoscores(2).round(6)
    array([0.980417, 0.899232])
    >>> round(isoscore(E[:, 2:]), 6)
    0.899232
    """

    def __init__(self, rotated: Rotated, orders: np.ndarray) -> None:
        self.rotated, self.orders = rotated, orders

    @property
    def nbytes(self) -> int:
        """Bytes held, those of the covariance and its squares once they were asked for."""
        kept = vars(self.rotated).get("whole_covariance")
        squares = vars(self).get("_squares")
        return self.rotated.nbytes + sum(one.nbytes for one in (kept, squares) if one is not None)

    @cached_property
    def _squares(self) -> np.ndarray:
        """(d, d) squared entries of the covariance."""
        return self.rotated.whole_covariance**2

    def _by_texts(self, k: int) -> bool:
        """Tell whether the texts' own products cost less than making the covariance once."""
        rotated = self.rotated
        return rotated.n <= k and len(self.orders) * rotated.n * k <= rotated.d**2

    def _scatter(self, kept: np.ndarray) -> np.ndarray:
        """Sums of products of centred rows in some columns, over rows or columns."""
        rotated = self.rotated
        if rotated.n <= len(kept):
            X = rotated.rows[:, kept] - rotated.mean[kept]
            return X @ X.T
        return rotated.whole_covariance[np.ix_(kept, kept)]

    def members(self, k: int) -> np.ndarray:
        """(s, d) float64: 1 where a column is in a subspace of k dimensions, else 0."""
        found = np.zeros(self.orders.shape)
        np.put_along_axis(found, self.orders[:, :k], 1.0, axis=1)
        return found

    def mean_cosines(self, k: int) -> np.ndarray:
        """Mean cosine over all pairs in each subspace of k dimensions, (s,).

        Raises:
            InputError: nothing of a text is left in one of them.
        """
        rows, members = self.rotated.rows, self.members(k)
        total, n = np.zeros(members.shape), len(rows)
        for start in range(0, n, _ROWS_AT_ONCE):
            part = rows[start : start + _ROWS_AT_ONCE]
            squares = (part * part) @ members.T.astype(part.dtype)
            if not squares.all():
                row = start + int(np.flatnonzero((squares == 0).any(axis=1))[0])
                raise InputError(
                    f"embeddings: row {row} is zero in a random subspace, so its cosine is "
                    "undefined; leave that text out"
                )
            total += ((1 / np.sqrt(squares)).T @ part) * members
        return (np.square(total).sum(axis=1) - n) / (n * (n - 1))

    def cosines(self, k: int, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """Cosine of some pairs in each subspace of k dimensions, (s, n_pairs) float64.

        Args:
            k: dimensions.
            first: (n_pairs,) rows of the embeddings.
            second: (n_pairs,) rows of the embeddings.

        Raises:
            InputError: nothing of a text is left in one of them.
        """
        rows, members = self.rotated.rows.astype(np.float64), self.members(k)
        squares = members @ (rows * rows).T
        if not (squares > 0).all():
            row = int(np.flatnonzero((squares <= 0).any(axis=0))[0])
            raise InputError(
                f"embeddings: row {row} is zero in a random subspace, so its cosine is undefined; "
                "leave that text out"
            )
        products = members @ (rows[first] * rows[second]).T
        return products / np.sqrt(squares[:, first] * squares[:, second])

    def isoscores(self, k: int) -> np.ndarray:
        """IsoScore in each subspace of k >= 2 dimensions, (s,)."""
        if k < 2:
            raise InputError("embeddings: IsoScore needs at least 2 dimensions, not 1; keep more")
        if self._by_texts(k):
            scatters = (self._scatter(order[:k]) for order in self.orders)
            return np.array([isoscore_of_scatter(one, k) for one in scatters])
        members = self.members(k)
        traces = members @ np.diag(self.rotated.whole_covariance)
        norms = ((members @ self._squares) * members).sum(axis=1)
        return np.clip((traces**2 / norms - 1) / (k - 1), 0, 1)

    def effective_ranks(self, k: int, *, progress: Progress = silent) -> np.ndarray:
        """Effective rank in each subspace of k dimensions, (s,): an eigen-decomposition each."""
        found = np.empty(len(self.orders))
        for number, order in enumerate(self.orders):
            progress("Measuring random subspaces", number, len(found), "subspaces")
            found[number] = effective_rank_of_scatter(self._scatter(order[:k]))
        return found
