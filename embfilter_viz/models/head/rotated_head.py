"""A head turned once into a basis, so that a window moves at the cost of what it moves over.

The logits of a filtered state are Σ_i (h · v_i) W_U v_i over the directions i it keeps. With the
products W_U v_i at hand, the next window differs from the last by the few directions between them,
where W_U itself would be read whole: 671 MB for 262,144 rows of 640 numbers.
"""

import threading
from dataclasses import dataclass
from functools import partial

import numpy as np

from embfilter_viz.models.head.products import on_idle_cores, padded
from embfilter_viz.system.progress import Progress, silent

__all__ = ["MovingProducts", "RotatedHead"]

_TOKENS = 4096
"""Tokens of a block, whose sums stay in cache."""

_CHAIN = 32
"""Windows made each from the last, before one is made anew: roundings add up."""

_LOST = 3.0
"""How many times as long a state's products may have been on the way to a window."""


class RotatedHead:
    """The products W_U v_i of a head with the columns of an orthonormal basis.

    Args:
        W_U: (d_vocab, d_model) float32.
        V: (d_model, d_model) with orthonormal columns.
        progress: told tokens; may raise to stop.

    >>> W_U = np.array([[1, 0], [0, 2], [3, 3]], dtype=np.float32)
    >>> RotatedHead(W_U, np.eye(2)[:, ::-1]).products
    array([[0., 2., 3.],
           [1., 0., 3.]], dtype=float32)
    """

    def __init__(self, W_U: np.ndarray, V: np.ndarray, *, progress: Progress = silent) -> None:
        self.V = V
        d_vocab, d = W_U.shape
        self.products = np.empty((d, d_vocab), dtype=np.float32)
        """(d_model, d_vocab) float32: row i holds W_U v_i."""
        turned = np.ascontiguousarray(V.T, dtype=np.float32)

        def turn(first: int, tokens: slice) -> None:
            for start in range(first + tokens.start, first + tokens.stop, _TOKENS):
                part = slice(start, min(start + _TOKENS, first + tokens.stop))
                np.matmul(turned, W_U[part].T, out=self.products[:, part])

        for first in range(0, d_vocab, 8 * _TOKENS):
            progress("Turning the head into its directions", first, d_vocab, "tokens")
            n = min(8 * _TOKENS, d_vocab - first)
            on_idle_cores(partial(turn, first), n, n * d * d)

        self.norms = np.sqrt(np.einsum("ij,ij->i", self.products, self.products))
        """(d_model,) ‖W_U v_i‖."""

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return self.products.nbytes


@dataclass(frozen=True)
class _Kept:
    """Products of the states in directions left … right - 1, and how much they were rounded."""

    left: int
    right: int
    products: np.ndarray
    """(n, d_vocab) float32."""
    largest: np.ndarray
    """(n,) sum of squares of the largest products on the way to these, which rounding goes by."""
    chain: int
    """How many windows were made each from the last."""


class MovingProducts:
    """h W_Uᵀ of some states, filtered, as the window moves. May be asked from several threads.

    Args:
        head: the head in the basis of the filter.
        h: (n, d_model) states.

    >>> W_U = np.array([[1, 0], [0, 2], [3, 3]], dtype=np.float32)
    >>> moving = MovingProducts(RotatedHead(W_U, np.eye(2)), np.array([[1, 1]]))
    >>> moving.kept(0, 1)
    array([[1., 0., 3.]], dtype=float32)
    """

    def __init__(self, head: RotatedHead, h: np.ndarray) -> None:
        self._head = head
        self._n = len(h)
        along = h.astype(np.float64) @ head.V.astype(np.float64)
        self._along = padded(along)
        squares = np.square(along * head.norms)
        self._squares = np.concatenate([np.zeros((len(h), 1)), squares.cumsum(axis=1)], axis=1)
        self._last: _Kept | None = None
        self._lock = threading.Lock()

    @property
    def nbytes(self) -> int:
        """Bytes held, without the head."""
        return self._along.nbytes + (0 if self._last is None else self._last.products.nbytes)

    def kept(self, left: int, right: int) -> np.ndarray:
        """(n, d_vocab) float32, read-only, of the states in directions left … right - 1 alone.

        Made from the window asked for last where that has fewer directions to add or take away
        than there are to sum, and where no state lost most of its length on the way here: what is
        left of a large sum has the rounding of that sum.
        """
        with self._lock:
            last = self._last
        if last is not None and (last.left, last.right) == (left, right):
            return last.products
        squares = self._squares[:, right] - self._squares[:, left]
        if last is not None and self._serves(last, left, right, squares):
            runs = _between(left, last.left, 1) + _between(last.right, right, 1)
            largest, chain = np.maximum(last.largest, squares), last.chain + 1
            products = self._moved(last.products, runs)
        else:
            largest, chain = squares, 0
            products = self._moved(None, [(slice(left, right), 1)])
        products.setflags(write=False)
        with self._lock:
            self._last = _Kept(left, right, products, largest, chain)
        return products

    def _serves(self, last: _Kept, left: int, right: int, squares: np.ndarray) -> bool:
        near = abs(left - last.left) + abs(right - last.right) < right - left
        return near and last.chain < _CHAIN and bool(np.all(last.largest <= _LOST**2 * squares))

    def _moved(self, base: np.ndarray | None, runs: list[tuple[slice, int]]) -> np.ndarray:
        """``base`` with runs of directions added (1) or taken away (-1)."""
        n, products = self._n, self._head.products
        found = np.empty((n, products.shape[1]), dtype=np.float32)
        signed = [(run, sign * self._along[:, run]) for run, sign in runs]

        def move(tokens: slice) -> None:
            for start in range(tokens.start, tokens.stop, _TOKENS):
                part = slice(start, min(start + _TOKENS, tokens.stop))
                whole = 0 if base is None else base[:, part]
                for run, along in signed:
                    whole = np.add(whole, (along @ products[run, part])[:n], out=found[:, part])

        moved = sum(run.stop - run.start for run, _ in runs)
        # Reading the base and writing the sum takes as long as some eight directions.
        on_idle_cores(move, products.shape[1], n * products.shape[1] * (moved + 8))
        return found


def _between(start: int, stop: int, sign: int) -> list[tuple[slice, int]]:
    """The directions from ``start`` to ``stop``: added, or taken away where it lies before it."""
    if start == stop:
        return []
    return [(slice(start, stop), sign) if start < stop else (slice(stop, start), -sign)]
