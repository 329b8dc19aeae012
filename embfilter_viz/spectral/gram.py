"""Passes over the rows of W_U: Gram matrix, norms along directions, triangular factor.

W_U is (d_vocab, d_model) with one row a token. It is read in blocks of rows through slicing
alone, so an array, a memory map and a reader that dequantises on the fly all serve, and nothing
here holds more than a block and a (d_model, d_model) sum for each thread that adds.
"""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import numpy as np
from threadpoolctl import ThreadpoolController

from embfilter_viz.errors import InputError
from embfilter_viz.system.progress import Progress, silent, with_progress

__all__ = ["Gram", "Rows", "gram_of", "norms_along", "row_blocks", "triangular_factor"]


_ROWS = 4096
"""Rows of a block: so many that adding its product to the sum is cheap beside the product itself,
so few that in float32 it stays in cache for the usual d_model (9 MB at 576)."""

_TILE = 1024
"""Columns of a tile of the Gram matrix. NumPy writes the second half of a symmetric product number
by number: within a tile that stays in cache, across 4,096 columns it took 40 % of the product's
time."""

_SUMS_BYTES = 2**29
"""What the float64 sums made side by side may take together: two at 4,096 columns (268 MB)."""


_PROBES = 8
"""Random directions along which a Gram matrix is compared with its definition."""


class Rows(Protocol):
    """The interface of W_U: a shape, and consecutive rows by slicing."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(d_vocab, d_model)."""

    def __getitem__(self, rows: slice, /) -> np.ndarray:
        """Return the rows of a slice with step 1, as a 2-D array."""


def row_blocks(
    W_U: Rows, dtype: type[np.floating], size: int | None = None
) -> Iterator[tuple[int, np.ndarray]]:
    """Yield (first row, block) over W_U, each block in ``dtype``, without a copy where it has it.

    >>> [(start, block.shape) for start, block in row_blocks(np.ones((5, 2)), np.float32, 3)]
    [(0, (3, 2)), (3, (2, 2))]
    """
    size = size or _ROWS
    for start in range(0, W_U.shape[0], size):
        yield start, np.asarray(W_U[start : start + size], dtype=dtype)


@dataclass(frozen=True)
class Gram:
    """Σ_j (w_j − w̄)(w_j − w̄)ᵀ and the mean row w̄: both Gram matrices of W_U from one pass."""

    centred: np.ndarray
    """(d_model, d_model) float64. The Gram matrix of the centred rows."""
    mean_row: np.ndarray
    """(d_model,) float64. w̄."""
    d_vocab: int
    """Number of rows summed."""
    error: float
    """(). How far x·Gx is from ‖W_U x‖², which squares no matrix: the largest difference that a
    few random unit vectors x showed, for either matrix."""

    @property
    def raw(self) -> np.ndarray:
        """(d_model, d_model) float64: W_Uᵀ W_U, exactly the centred one plus d_vocab · w̄ w̄ᵀ."""
        part = np.sqrt(self.d_vocab) * self.mean_row
        raw = np.outer(part, part)
        raw += self.centred
        return raw


def gram_of(
    W_U: Rows, dtype: type[np.floating] = np.float32, *, progress: Progress = silent
) -> Gram:
    """Gram matrices of W_U: symmetric products of row blocks in ``dtype``, summed in float64.

    Each block is shifted by (nearly) the mean row before it is multiplied, and the shift is put
    back exactly as a rank-one term in float64. In language models the mean row carries most of
    the largest singular value, and rounding errors of the products are proportional to it: on
    SmolLM2-135M the shift makes the Gram matrix about ten times more accurate, for one
    subtraction. Any shift is right; the mean of a sample of rows is nearly the best.

    Only tiles on and above the diagonal are multiplied, those on it as symmetric rank-k updates
    (BLAS syrk, which NumPy calls for a matrix times its own transpose): half the work of a plain
    product. In the same pass the rows are multiplied with a few random unit vectors, to measure
    how far the result is from what it should be.

    Blocks go to as many sums as BLAS has threads, each on a thread of its own, so that nothing
    but the reading waits for anything else.

    >>> gram_of(np.array([[1.0, 2.0], [3.0, 4.0]])).raw
    array([[10., 14.],
           [14., 20.]])
    """
    d_vocab, d_model = W_U.shape
    shift = _mean_of_sample(W_U).astype(dtype)
    probes = np.random.default_rng(0).choice([-1.0, 1.0], (d_model, _PROBES)) / np.sqrt(d_model)
    columns = probes.astype(dtype)
    blas = ThreadpoolController().select(user_api="blas")
    n_sums = _side_by_side(blas, d_vocab, d_model)
    sums = [_Sum(shift, columns) for _ in range(n_sums)]
    with ExitStack() as held:
        if n_sums > 1:
            held.enter_context(blas.limit(limits=1))
        threads = [held.enter_context(ThreadPoolExecutor(1)) for _ in sums]
        at_work: deque[Future[None]] = deque()
        for number, (start, block) in enumerate(row_blocks(W_U, dtype)):
            if number >= n_sums:
                _finished(at_work.popleft(), partial(progress, _PASS, start, d_vocab, "rows"))
            progress(_PASS, start, d_vocab, "rows")
            turn = number % n_sums
            at_work.append(threads[turn].submit(sums[turn].add, block))
        for last in at_work:
            _finished(last, partial(progress, _PASS, start, d_vocab, "rows"))
    progress(_PASS, d_vocab, d_vocab, "rows")
    whole = sums[0]
    for other in sums[1:]:
        whole.join(other)
    return whole.gram(d_vocab)


_PASS = "Multiplying the rows of W_U"


def _side_by_side(blas: ThreadpoolController, d_vocab: int, d_model: int) -> int:
    """Say how many sums to make at once: one for each thread of BLAS, or one with all."""
    threads = max((library["num_threads"] for library in blas.info()), default=1)
    fits = threads * 8 * d_model**2 <= _SUMS_BYTES
    return threads if fits and d_vocab >= 2 * threads * _ROWS else 1


def _finished(work: "Future[None]", progress: Callable[[], None]) -> None:
    """Wait for it; ``progress`` is called four times a second, and may raise."""
    while not wait([work], 0.25).done:
        progress()
    work.result()


class _Sum:
    """The sums of a pass over some of the rows, all in float64."""

    def __init__(self, shift: np.ndarray, columns: np.ndarray) -> None:
        d_model = len(shift)
        self.shift, self.columns = shift, columns
        self.tiles = [slice(a, min(a + _TILE, d_model)) for a in range(0, d_model, _TILE)]
        self.product = np.empty((min(_TILE, d_model),) * 2, dtype=shift.dtype)
        self.buffer = np.empty((0, d_model), dtype=shift.dtype)
        self.products = np.zeros((d_model, d_model))
        self.rows = np.zeros(d_model)
        self.along, self.along_squares = np.zeros(_PROBES), np.zeros(_PROBES)

    def add(self, block: np.ndarray) -> None:
        """Add the rows of a block, shifted."""
        if len(self.buffer) < len(block):
            self.buffer = np.empty_like(block, dtype=self.shift.dtype)
        with np.errstate(over="ignore", invalid="ignore"):  # the caller looks for inf and nan
            rows = np.subtract(block, self.shift, out=self.buffer[: len(block)])
            self.rows += np.ones(len(rows), dtype=rows.dtype) @ rows
            along = (rows @ self.columns).astype(np.float64)
            self.along += along.sum(axis=0)
            self.along_squares += np.einsum("ji,ji->i", along, along)
            for number, first in enumerate(self.tiles):
                for second in self.tiles[number:]:
                    left, right = rows[:, first], rows[:, second]
                    tile = self.product[: left.shape[1], : right.shape[1]]
                    np.matmul(left.T, right, out=tile)
                    self.products[first, second] += tile

    def join(self, other: "_Sum") -> None:
        """Add another's sums to these."""
        for mine, theirs in (
            (self.products, other.products),
            (self.rows, other.rows),
            (self.along, other.along),
            (self.along_squares, other.along_squares),
        ):
            mine += theirs

    def gram(self, d_vocab: int) -> Gram:
        """The matrices, and how far they are from their definition; the sums are used up."""
        total = self.products
        with np.errstate(over="ignore", invalid="ignore"):
            for number, first in enumerate(self.tiles):
                for second in self.tiles[number + 1 :]:
                    total[second, first] = total[first, second].T
            probes = self.columns.astype(np.float64)
            off = np.einsum("ij,ij->j", probes, total @ probes) - self.along_squares
            # Shifting back multiplies what the sum of the rows is off by.
            off_raw = off + 2 * (self.shift @ probes) * (self.rows @ probes - self.along)
            rest = self.rows / d_vocab
            part = np.sqrt(d_vocab) * rest
            total -= np.outer(part, part)
            error = float(max(np.abs(off).max(), np.abs(off_raw).max()))
        return Gram(total, self.shift + rest, d_vocab, error)


def _mean_of_sample(W_U: Rows, pieces: int = 16, length: int = 64) -> np.ndarray:
    """Mean of a few consecutive rows at evenly spaced places: (d_model,) float64."""
    starts = np.linspace(0, max(0, W_U.shape[0] - length), pieces).astype(int)
    parts = [np.asarray(W_U[int(s) : int(s) + length], dtype=np.float64) for s in starts]
    return np.concatenate(parts).mean(axis=0)


def norms_along(
    W_U: Rows,
    directions: np.ndarray,
    dtype: type[np.floating] = np.float32,
    *,
    mean_row: np.ndarray | None = None,
    progress: Progress = silent,
) -> np.ndarray:
    """‖W_U v‖ for each column v of ``directions`` (d_model, m): (m,) float64, without squaring W_U.

    The products w_j · v are made in ``dtype`` and their squares summed in float64, so a small
    singular value costs no accuracy to its square; with ``mean_row``, of the centred rows.

    Args:
        W_U: (d_vocab, d_model) in blocks of rows.
        directions: (d_model, m).
        dtype: the precision of the products.
        mean_row: (d_model,) subtracted from every row, if given.
        progress: told of the work.

    Returns:
        (m,) float64.

    >>> norms_along(np.array([[3.0, 0.0], [4.0, 1.0]]), np.eye(2))
    array([5., 1.])
    """
    columns = np.ascontiguousarray(directions, dtype=dtype)
    offset = 0.0 if mean_row is None else mean_row @ directions
    squares = np.zeros(columns.shape[1])
    with np.errstate(over="ignore", invalid="ignore"):
        for start, block in row_blocks(W_U, dtype):
            progress("Checking the small end", start, W_U.shape[0], "rows")
            along = (block @ columns).astype(np.float64) - offset
            squares += np.einsum("ji,ji->i", along, along)
    return np.sqrt(squares)


def triangular_factor(
    W_U: Rows, mean_row: np.ndarray | None = None, *, progress: Progress = silent
) -> np.ndarray:
    """R of W_U = QR in float64, block by block (TSQR): (min(d_vocab, d_model), d_model).

    R has W_U's singular values and right singular vectors, and making it never squares them
    (Demmel, Grigori, Hoemmen, Langou 2012); with ``mean_row``, of the centred rows.

    >>> R = triangular_factor(np.array([[3.0, 1.0], [4.0, 0.0], [0.0, 2.0]]))
    >>> np.allclose(R.T @ R, [[25.0, 3.0], [3.0, 5.0]])
    True
    """
    d_vocab, d_model = W_U.shape
    shift = np.zeros(d_model) if mean_row is None else mean_row
    what = "Factoring W_U without squaring it"
    R = np.empty((0, d_model))
    # As many rows as R has at least, or most of the work would go into R itself again and again.
    for start, block in row_blocks(W_U, np.float64, max(_ROWS, d_model)):
        stacked = np.vstack([R, block - shift])
        R = with_progress(partial(_triangle, stacked), progress, what, start, d_vocab, "rows")
    progress(what, d_vocab, d_vocab, "rows")
    return R


def _triangle(rows: np.ndarray) -> np.ndarray:
    return np.asarray(np.linalg.qr(rows, mode="r"))


def check_rows(W_U: Rows) -> None:
    """Refuse what has no spectrum: not 2-D, or empty.

    >>> check_rows(np.ones(3))
    Traceback (most recent call last):
    embfilter_viz.errors.InputError: W_U must be 2-D, (d_vocab, d_model), one row a token; ...
    """
    if len(W_U.shape) != 2:
        raise InputError(
            f"W_U must be 2-D, (d_vocab, d_model), one row a token; its shape is {W_U.shape}"
        )
    if 0 in W_U.shape:
        raise InputError(f"W_U must hold numbers; its shape is {W_U.shape}")


def check_finite(W_U: Rows) -> None:
    """Refuse NaN and infinity in W_U, naming the first place; costs a pass, so only on suspicion.

    >>> check_finite(np.array([[1.0, 2.0], [3.0, np.nan]]))
    Traceback (most recent call last):
    embfilter_viz.errors.InputError: W_U holds nan in row 1, column 1: ...
    """
    for start, block in row_blocks(W_U, np.float64):
        bad = np.argwhere(~np.isfinite(block))
        if len(bad):
            row, column = bad[0]
            raise InputError(
                f"W_U holds {block[row, column]} in row {start + row}, column {column}: the "
                "checkpoint's head is damaged; fetch it again or take another checkpoint"
            )
