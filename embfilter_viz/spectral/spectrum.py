"""Singular values and right singular vectors of the unembedding, and how far to trust them."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import partial
from typing import Any

import numpy as np

from embfilter_viz.errors import InputError
from embfilter_viz.spectral.gram import (
    Gram,
    Rows,
    check_finite,
    check_rows,
    gram_of,
    norms_along,
    triangular_factor,
)
from embfilter_viz.system.progress import Progress, silent, with_progress

__all__ = ["ACCURACY", "ROUTES", "Spectrum", "spectrum_of"]

ACCURACY = 1e-4
"""The largest relative error of a singular value that the quick routes may leave."""

ROUTES = ("float32 Gram", "float64 Gram", "QR")
"""Ways to the spectrum, quickest first; each next one is taken when the last is not accurate."""

_THREATENED = ACCURACY / 10
"""Relative error above which the smallest directions are checked one by one, at another pass."""

_TINY = 2**26
"""Multiplications that float64 does in about a millisecond, so that float32 saves nothing."""

_LIMITS = ("arithmetic", "stored weights")

_FINDING = ("Finding the singular vectors", 0, 1, "steps")


@dataclass(frozen=True, eq=False, repr=False)
class Spectrum:
    """Singular values σ_i and right singular vectors v_i of W_U, strongest first.

    v_i is a direction of the residual stream; its sign is chosen so that its component of
    largest magnitude is positive (the first of equals).
    """

    singular_values: np.ndarray
    """(d_model,) float64, descending."""
    V: np.ndarray
    """(d_model, d_model) float32. Column i is v_i."""
    relative_error: np.ndarray
    """(d_model,) float64 in [0, 1]. Estimated error of σ_i as a share of it; 1: it may be 0."""
    groups: tuple[tuple[int, int], ...]
    """(n_groups, 2). Half-open runs of neighbours whose gaps are within the error: only the
    subspace of such a run is defined, none of its directions alone."""
    centred: bool
    """(). Whether the mean row was taken from every row first."""
    mean_row: np.ndarray
    """(d_model,) float64. Mean of the rows of W_U as given."""
    d_vocab: int
    """(). Rows of W_U."""
    route: str
    """(). How it was computed, one of ``ROUTES``."""
    limit: str
    """(). What bounds the resolution of ``groups``: "arithmetic" or "stored weights"."""

    def __post_init__(self) -> None:
        for array in (self.singular_values, self.V, self.relative_error, self.mean_row):
            array.setflags(write=False)

    def __deepcopy__(self, memo: dict[int, Any]) -> "Spectrum":
        return self  # read-only: scikit-learn's clone() need not copy d_model² numbers

    def __repr__(self) -> str:
        kind = "centred " if self.centred else ""
        ends = f"{self.singular_values[0]:.4g} … {self.singular_values[-1]:.4g}"
        return f"<Spectrum of a {kind}{self.d_vocab} × {self.d_model} head, σ {ends}>"

    @property
    def d_model(self) -> int:
        """Number of singular values."""
        return len(self.singular_values)

    @property
    def rank(self) -> int:
        """Say how many singular values are certainly not zero."""
        return int(np.count_nonzero(self.relative_error < 0.5))

    @property
    def condition_number(self) -> float:
        """σ_0 / σ_{d−1}; infinite where W_U has not full rank."""
        if self.rank < self.d_model:
            return float("inf")
        return float(self.singular_values[0] / self.singular_values[-1])

    @property
    def cumulative_energy(self) -> np.ndarray:
        """(d_model,) float64: share of ‖W_U‖² in the directions 0 … i; the last is 1."""
        energy = np.cumsum(self.singular_values**2)
        return energy / energy[-1]

    def group_of(self, index: int) -> tuple[int, int] | None:
        """The degenerate run that direction ``index`` belongs to, or None if it stands alone."""
        return next((run for run in self.groups if run[0] <= index < run[1]), None)

    def arrays(self) -> dict[str, np.ndarray]:
        """The whole record as named arrays, for a file; :meth:`of_arrays` reads it back."""
        return {
            "singular_values": self.singular_values,
            "V": self.V,
            "relative_error": self.relative_error,
            "groups": np.array(self.groups, dtype=np.int64).reshape(-1, 2),
            "centred": np.array([self.centred]),
            "mean_row": self.mean_row,
            "d_vocab": np.array([self.d_vocab]),
            "route": np.array([ROUTES.index(self.route)]),
            "limit": np.array([_LIMITS.index(self.limit)]),
        }

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, np.ndarray]) -> "Spectrum":
        """A record from what :meth:`arrays` made of it.

        >>> spectrum = spectrum_of(np.diag([2.0, 1.0]))
        >>> Spectrum.of_arrays(spectrum.arrays()).singular_values
        array([2., 1.])
        """
        values: dict[str, Any] = {field.name: arrays[field.name] for field in fields(cls)}
        values["groups"] = tuple((int(a), int(b)) for a, b in arrays["groups"])
        values["centred"] = bool(arrays["centred"][0])
        values["d_vocab"] = int(arrays["d_vocab"][0])
        values["route"] = ROUTES[int(arrays["route"][0])]
        values["limit"] = _LIMITS[int(arrays["limit"][0])]
        return cls(**values)


def spectrum_of(
    W_U: Rows,
    *,
    centre: bool = False,
    unit_roundoff: float | None = None,
    route: str | None = None,
    progress: Progress = silent,
) -> Spectrum:
    """Singular values and right singular vectors of W_U, without its tall SVD.

    V and σ² are the eigenpairs of W_Uᵀ W_U (d_model × d_model). That is made from float32
    products of row blocks summed in float64, in one pass that also measures how far the sum is
    off. Squaring costs the small end accuracy in proportion to (σ_0 / σ_i)². Where that threatens
    it, the smallest directions are checked against ‖W_U v_i‖, which squares nothing, in a second
    pass; if any singular value may be off by more than ``ACCURACY``, float64 products are taken,
    and if those do not do, a QR factorisation that never squares.

    Args:
        W_U: (d_vocab, d_model), one row a token: an array, or anything with that shape whose
            rows can be sliced. Fewer rows than columns are allowed; the rest of the spectrum is 0.
        centre: Take the mean row from every row first.
        unit_roundoff: Relative rounding of the weights as the checkpoint stores them (bfloat16:
            2⁻⁸). It bounds what neighbouring singular values can be told apart. Left out, it is
            read off the bits of a sample of the rows: bfloat16, float16 or float32.
        route: One of ``ROUTES``, to take that one whatever it costs in accuracy or time.
        progress: Called for each block of rows.

    Returns:
        singular values and vectors, with their error.

    Raises:
        InputError: W_U is not 2-D, empty, all zero, or holds NaN or infinity.

    >>> spectrum = spectrum_of(np.array([[3.0, 0.0], [0.0, 0.0], [0.0, -2.0]]))
    >>> spectrum.singular_values
    array([3., 2.])
    >>> spectrum.V
    array([[1., 0.],
           [0., 1.]], dtype=float32)
    """
    check_rows(W_U)
    if route is not None and route not in ROUTES:
        raise InputError(f"route must be one of {', '.join(ROUTES)}; got {route!r}")
    d_vocab, d_model = W_U.shape
    if route is not None:
        names: tuple[str, ...] = (route,)
    elif d_vocab <= d_model:  # rank-deficient beforehand, and small
        names = ROUTES[2:]
    elif d_vocab * d_model**2 <= _TINY:
        names = ROUTES[1:]
    else:
        names = ROUTES
    for name in names:
        dtype = np.float32 if name == "float32 Gram" else np.float64
        if name == "QR":
            found = _by_qr(W_U, centre, progress)
        else:
            gram = gram_of(W_U, dtype, progress=progress)
            if not np.isfinite(np.diagonal(gram.centred)).all():
                check_finite(W_U)
                if dtype is np.float32 and route is None:
                    continue  # squares beyond float32's range, not a damaged head
                raise InputError("W_U's numbers are too large to square; take route='QR'")
            found = _by_eigen(W_U, gram, dtype, centre, progress)
        sigma, V, error, mean_row = found
        relative = np.divide(error, sigma, out=np.ones_like(sigma), where=error < sigma)
        if relative.max() <= ACCURACY:
            break
    if relative.min() >= 0.5:
        raise InputError("W_U has no directions: every row is " + ("equal" if centre else "zero"))
    mean_square = (np.sum(sigma**2) / d_vocab + (mean_row @ mean_row) * centre) / d_model
    noise = _weight_noise(W_U, unit_roundoff) * float(np.sqrt(mean_square))
    return Spectrum(
        singular_values=sigma,
        V=_signed(V).astype(np.float32),
        relative_error=relative,
        groups=_degenerate(sigma, error, noise),
        centred=centre,
        mean_row=mean_row,
        d_vocab=d_vocab,
        route=name,
        limit=_LIMITS[int(noise > 2 * np.median(error))],
    )


_Found = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]
"""σ (d,), V (d, d) float64, absolute error of σ (d,), mean row (d,)."""


def _by_eigen(
    W_U: Rows, gram: Gram, dtype: type[np.floating], centre: bool, progress: Progress
) -> _Found:
    """Eigenpairs of a Gram matrix, with the error measured at the small end.

    Args:
        W_U: (d_vocab, d_model) in blocks of rows.
        gram: W_Uᵀ W_U.
        dtype: the precision of its product.
        centre: whether the mean row is subtracted.
        progress: told of the work.

    Returns:
        singular values and vectors, with their error.
    """
    matrix = gram.centred if centre else gram.raw
    eigenvalues, vectors = with_progress(partial(np.linalg.eigh, matrix), progress, *_FINDING)
    del matrix
    squares, V = np.maximum(eigenvalues[::-1], 0.0), vectors[:, ::-1]
    quick = dtype is np.float32
    floor = float(np.trace(gram.centred) * 2.0**-32 if quick else squares[0] * 2.0**-51)
    # The error of an eigenvalue hardly depends on where in the spectrum it is, so a few directions
    # stand for all. The largest error of eight is about 1.7 standard deviations; three times that
    # covers thousands of directions. The floor keeps a lucky check of few directions honest: it is
    # what the products leave on well-behaved heads.
    error = _from_squares(squares, max(3.0 * gram.error, floor), quick)
    if error[-1] > _THREATENED * np.sqrt(squares[-1]):
        # Random directions hold a little of everything. Where the smallest ones are in danger they
        # are asked themselves, in a second pass.
        mean_row = gram.mean_row if centre else None
        norms = norms_along(W_U, V[:, -8:], dtype, mean_row=mean_row, progress=progress)
        off = float(np.abs(eigenvalues[7::-1] - norms**2).max())
        error = _from_squares(squares, max(3.0 * off, floor), quick)
    return np.sqrt(squares), V, error, gram.mean_row


def _from_squares(squares: np.ndarray, s: float, quick: bool) -> np.ndarray:
    """(d,) absolute error of singular values whose squares are off by as much as s."""
    sigma = np.sqrt(squares)
    # σ² − s and σ² + s bracket the square of the true value, which lies at most this far away:
    distance = s / np.maximum(
        sigma + np.sqrt(np.maximum(squares - s, 0.0)), max(math.sqrt(s), np.finfo(float).tiny)
    )
    # What rounding the sum over a block leaves is a share of that sum, which the small end shows
    # nothing of: up to 1.5e-7 of σ was seen on heads of one or two blocks.
    return distance + sigma * (2.0**-22 if quick else 2.0**-48)


def _by_qr(W_U: Rows, centre: bool, progress: Progress) -> _Found:
    """Singular values of the triangular factor, which has W_U's own."""
    check_finite(W_U)
    d_vocab, d_model = W_U.shape
    mean_row = np.zeros(d_model)
    for start in range(0, d_vocab, 2048):
        mean_row += np.asarray(W_U[start : start + 2048], dtype=np.float64).sum(axis=0) / d_vocab
    R = triangular_factor(W_U, mean_row if centre else None, progress=progress)
    _, found, Vt = with_progress(partial(np.linalg.svd, R), progress, *_FINDING)
    sigma = np.zeros(d_model)
    sigma[: len(found)] = found
    # Householder factorisations are backward stable: every σ is off by a few units in the last
    # place of the largest one, times a factor that grows slowly with the size.
    unit = float(np.finfo(np.float64).eps)
    return sigma, Vt.T, np.full(d_model, 4 * unit * np.sqrt(d_model) * sigma[0]), mean_row


def _signed(V: np.ndarray) -> np.ndarray:
    """Columns with their component of largest magnitude positive, the first of (nearly) equals."""
    size = np.abs(V)
    leading = np.argmax(size >= (1 - 1e-6) * size.max(axis=0), axis=0)
    return V * np.where(V[leading, np.arange(V.shape[1])] < 0, -1.0, 1.0)


def _weight_noise(W_U: Rows, unit_roundoff: float | None) -> float:
    """Say how far rounding of the weights moves a singular value, over their RMS.

    Independent errors of standard deviation s in every weight move σ_i by u_i · δW · v_i, whose
    standard deviation is s; rounding to nearest has s ≈ 0.42 · unit roundoff · |w| for numbers
    spread evenly over a binade. Six standard deviations are taken: errors of that size spread a
    repeated singular value over several of them.
    """
    if unit_roundoff is None:
        sample = np.ascontiguousarray(W_U[0:2048], dtype=np.float32).view(np.uint32)
        if not np.any(sample & 0xFFFF):
            unit_roundoff = 2.0**-8  # bfloat16: 8 bits of significand
        elif not np.any(sample & 0x1FFF):
            unit_roundoff = 2.0**-11  # float16: 11 bits
        else:
            unit_roundoff = 2.0**-24
    return 6 * 0.42 * unit_roundoff


def _degenerate(sigma: np.ndarray, error: np.ndarray, noise: float) -> tuple[tuple[int, int], ...]:
    """Maximal runs of neighbours whose gap is within the errors of both or the weights' noise."""
    close = sigma[:-1] - sigma[1:] <= np.maximum(error[:-1] + error[1:], noise)
    flags = np.concatenate([[False], close, [False]])
    starts = np.flatnonzero(~flags[:-1] & flags[1:])
    stops = np.flatnonzero(flags[:-1] & ~flags[1:])
    return tuple((int(a), int(b) + 1) for a, b in zip(starts, stops, strict=True))
