"""Embeddings rotated once into a basis, and measured for any run of its directions at little cost.

A filter that keeps the directions l … r − 1 of an orthonormal basis keeps columns l … r − 1 of
E V. So one product serves all windows; what a window needs of the covariance is a square cut out
of that of all directions. Everything here equals the definition applied to ``E @ V[:, l:r]``, to
the rounding of that product.
"""

from collections.abc import Iterator
from functools import cached_property

import numpy as np

from embfilter_viz.embeddings.cosines import CosineHistogram, checked, cosine_histogram
from embfilter_viz.embeddings.isotropy import Isotropy, measured
from embfilter_viz.embeddings.layouts import Layout, leading_eigenvectors
from embfilter_viz.embeddings.neighbours import Neighbours, nearest_of_cosines
from embfilter_viz.embeddings.scatter import Scatter, check_spread, dealt, gram_without
from embfilter_viz.embeddings.text_intervals import TextCosines
from embfilter_viz.errors import InputError
from embfilter_viz.system.progress import Progress, silent

__all__ = ["SAMPLED_TEXTS", "Rotated", "Run"]

SAMPLED_TEXTS = 1000
"""Texts whose pairs a histogram counts where there are more: half a million pairs."""

_ROWS_AT_ONCE = 2048
# Squares of all left-out covariances together: up to a width of 1,700 for ten groups.
_BYTES_FOR_COVARIANCES = 256e6


class Rotated:
    """One set of embeddings in the coordinates of an orthonormal basis.

    Args:
        E: (n, d) embeddings, n >= 2.
        basis: (d, d) with orthonormal columns, the directions.
        groups: of the jackknife; n where there are fewer texts.
        seed: of the dealing into groups and of the texts a histogram samples.
        progress: told the texts done; may raise to stop.

    Raises:
        InputError: E is not finite, not (n, d), or all its rows are the same.

    >>> E = np.random.default_rng(0).normal(size=(50, 4))
    >>> from embfilter_viz.embeddings.isotropy import effective_rank
    >>> rotated = Rotated(E, np.eye(4)[:, ::-1])
    >>> round(rotated.run(0, 2).isotropy().effective_rank.value, 6)
    1.986387
    >>> round(effective_rank(E[:, 2:]), 6)
    1.986387
    """

    def __init__(
        self,
        E: np.ndarray,
        basis: np.ndarray,
        *,
        groups: int = 10,
        seed: int = 0,
        progress: Progress = silent,
    ) -> None:
        E = checked(E, at_least=2)
        self.n, self.d = E.shape
        if basis.shape != (self.d, self.d):
            raise InputError(
                f"embeddings have {self.d} columns and the basis {basis.shape}: they are of "
                "different models"
            )
        dtype = E.dtype if E.dtype in (np.float32, np.float64) else np.dtype(np.float64)
        self.basis = basis.astype(dtype, copy=False)
        self.rows = np.empty((self.n, self.d), dtype=dtype)
        """(n, d) E times the basis."""
        for part in _parts(self.n):
            progress("rotating embeddings", part.start, self.n, "texts")
            np.matmul(E[part], self.basis, out=self.rows[part])
        self.mean = self.rows.mean(axis=0, dtype=np.float64)
        self.members = dealt(self.n, groups, seed)
        mean = E.mean(axis=0, dtype=np.float64)
        check_spread(
            sum(float(np.square(E[part] - mean).sum()) for part in _parts(self.n)),
            float(np.einsum("ij,ij->", E, E, dtype=np.float64)),
        )
        self._sample_seed = seed

    @property
    def keeps_covariances(self) -> bool:
        """Tell whether the covariance without each group is kept, for windows to cut out."""
        return 8 * self.d**2 * (1 + len(self.members)) <= _BYTES_FOR_COVARIANCES

    @cached_property
    def covariances(self) -> np.ndarray:
        """(1 + groups, d, d) float64 sums of products of centred rows: all, then less a group."""
        return self._covariances(slice(0, self.d))

    @cached_property
    def whole_covariance(self) -> np.ndarray:
        """(d, d) float64 sums of products of centred rows."""
        if "covariances" in vars(self):
            return self.covariances[0]
        centred = (self.rows[part] - self.mean for part in _parts(self.n))
        return sum((X.T @ X for X in centred), np.zeros((self.d, self.d)))

    def prepare(self, progress: Progress = silent) -> None:
        """Make what all windows with fewer directions than texts share; else nothing."""
        if self.keeps_covariances and "covariances" not in vars(self):
            self.covariances = self._covariances(slice(0, self.d), progress)

    @property
    def nbytes(self) -> int:
        """Bytes held, the covariances among them once they are made."""
        kept = vars(self).get("covariances")
        return self.rows.nbytes + (0 if kept is None else kept.nbytes)

    def run(self, left: int, right: int) -> "Run":
        """The embeddings in directions ``left`` … ``right`` − 1 alone."""
        return Run(self, left, right)

    @cached_property
    def sampled(self) -> np.ndarray:
        """(m,) rows whose pairs a histogram counts: all, or ``SAMPLED_TEXTS`` drawn at random."""
        if self.n <= SAMPLED_TEXTS:
            return np.arange(self.n)
        rng = np.random.default_rng(self._sample_seed)
        return np.sort(rng.choice(self.n, SAMPLED_TEXTS, replace=False))

    def _covariances(self, kept: slice, progress: Progress = silent) -> np.ndarray:
        """The covariances of the directions kept, in float64, made from the rows."""
        k = kept.stop - kept.start
        found = np.zeros((1 + len(self.members), k, k))
        moved = np.zeros((len(self.members), k))
        done = 0
        for number, group in enumerate(self.members):
            for start in range(0, len(group), _ROWS_AT_ONCE):
                progress("measuring covariances", done, self.n, "texts")
                part = group[start : start + _ROWS_AT_ONCE]
                X = self.rows[part, kept] - self.mean[kept]
                found[1 + number] += X.T @ X
                moved[number] += X.sum(axis=0)
                done += len(part)
        np.sum(found[1:], axis=0, out=found[0])
        for number, (group, shift) in enumerate(zip(self.members, moved, strict=True)):
            found[1 + number] *= -1
            found[1 + number] += found[0]
            found[1 + number] -= np.outer(shift, shift) / max(self.n - len(group), 1)
        return found


class Run:
    """The embeddings in a run of neighbouring directions: what a window leaves of them.

    Made by :meth:`Rotated.run`, for a moment: it keeps the norms of its rows.
    """

    def __init__(self, rotated: Rotated, left: int, right: int) -> None:
        if not 0 <= left < right <= rotated.d:
            raise InputError(f"directions {left}:{right}: must lie in 0 … {rotated.d}")
        self.rotated = rotated
        self.kept = slice(left, right)
        self.rows = rotated.rows[:, self.kept]
        """(n, k) reduced form."""

    @property
    def k(self) -> int:
        """Directions in the run."""
        return self.rows.shape[1]

    @cached_property
    def norms(self) -> np.ndarray:
        """(n,) float64 lengths of the rows.

        Raises:
            InputError: a row is zero, so that no cosine to it is defined.
        """
        squares = np.einsum("ij,ij->i", self.rows, self.rows).astype(np.float64)
        # Float32 has no room for the squares of very large or small numbers.
        far = np.flatnonzero(~((squares > 1e-30) & (squares < 1e30)))
        squares[far] = np.square(self.rows[far], dtype=np.float64).sum(axis=1)
        norms = np.sqrt(squares)
        zero = np.flatnonzero(norms == 0)
        if zero.size:
            raise InputError(
                f"embeddings: row {zero[0]} is zero, so its cosine is undefined; leave that text "
                "out"
            )
        return norms

    @cached_property
    def cosines(self) -> TextCosines:
        """Return what each text gives to the mean cosine."""
        inverse = (1 / self.norms).astype(self.rows.dtype)
        total = sum(
            (
                (inverse[part] @ self.rows[part]).astype(np.float64)
                for part in _parts(len(self.rows))
            ),
            np.zeros(self.k),
        )
        along = (self.rows @ total.astype(self.rows.dtype)) * inverse
        return TextCosines(along, float(total @ total))

    def isotropy(
        self,
        *,
        score_interval: bool = True,
        rank_interval: bool = True,
        progress: Progress = silent,
    ) -> Isotropy:
        """The three measures with intervals over texts, as :func:`.isotropy.isotropy` has them.

        Args:
            score_interval: False leaves out the interval of IsoScore, which multiplies all texts
                with their covariance where they are more than the directions.
            rank_interval: False leaves out the one interval that takes eleven decompositions.
            progress: told the groups done.
        """
        return measured(
            self.cosines, self.scatter, self.k,
            score_interval=score_interval, rank_interval=rank_interval, progress=progress,
        )  # fmt: skip

    @cached_property
    def scatter(self) -> Scatter:
        """Sums of products of centred rows, over rows or, with more texts, over directions."""
        rotated = self.rotated
        if rotated.n <= self.k:
            X = self.rows - rotated.mean[self.kept]
            gram = X @ X.T
            return Scatter(
                rotated.n, gram, rotated.members, self._centred,
                lambda: (gram_without(gram, group) for group in rotated.members),
            )  # fmt: skip
        if rotated.keeps_covariances:
            covariances = rotated.covariances[:, self.kept, self.kept]
        else:
            covariances = rotated._covariances(self.kept)
        return Scatter(
            rotated.n, covariances[0], rotated.members, self._centred, lambda: covariances[1:]
        )

    def _centred(self) -> Iterator[np.ndarray]:
        mean = self.rotated.mean[self.kept].astype(self.rows.dtype)
        return (self.rows[part] - mean for part in _parts(len(self.rows)))

    def histogram(self, bins: int = 200) -> CosineHistogram:
        """Counts of the cosines of all pairs of :attr:`Rotated.sampled` texts."""
        return cosine_histogram(self.rows[self.rotated.sampled], bins)

    def nearest(self, index: int, k: int = 10) -> Neighbours:
        """The k texts with the largest cosine to text ``index``, exactly, in O(n k) numbers."""
        if not 0 <= index < len(self.rows):
            raise InputError(f"text {index}: there are texts 0 to {len(self.rows) - 1}")
        products = (self.rows @ self.rows[index]).astype(np.float64)
        return nearest_of_cosines(products / (self.norms * self.norms[index]), index, k)

    def maps(self) -> Layout:
        """All directions and this run on two principal axes, as :func:`.layouts.pca_in_one_frame`.

        The frame is found in the coordinates of the basis, from the covariance alone.
        """
        rotated = self.rotated
        whole = rotated.whole_covariance
        traces = float(np.trace(whole)), float(np.trace(whole[self.kept, self.kept]))
        check_spread(traces[1], float(np.square(self.norms).sum()))
        both = whole / traces[0]
        both[self.kept, self.kept] += whole[self.kept, self.kept] / traces[1]
        axes = leading_eigenvectors(both)
        # As a frame in the embeddings' own coordinates, each axis points where its largest
        # loading is positive.
        loadings = rotated.basis.astype(np.float64) @ axes
        axes *= np.sign(loadings[np.abs(loadings).argmax(axis=0), [0, 1]])
        points, shares = [], []
        for kept, trace in zip((slice(None), self.kept), traces, strict=True):
            part = axes[kept]
            found = (rotated.rows[:, kept] @ part.astype(rotated.rows.dtype)).astype(np.float64)
            found -= rotated.mean[kept] @ part
            points.append(found.astype(np.float32))
            shares.append(np.einsum("ij,ij->j", found, found) / trace)
        return Layout(
            "pca", tuple(points), np.array(shares), parameters={"frame": "all sets equally"}
        )


def _parts(n: int) -> list[slice]:
    """Rows 0 … n - 1, some at a time."""
    return [slice(start, min(start + _ROWS_AT_ONCE, n)) for start in range(0, n, _ROWS_AT_ONCE)]
