"""States times a head: the largest product a page asks for at every move of its window."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from threadpoolctl import ThreadpoolController

__all__ = ["on_idle_cores", "padded", "times_head"]

_BUSY = 1 << 28
"""Multiplications worth a second thread: about 6 ms of one."""

_STATES = 8
"""BLAS takes states by so many; 19 of them took a third longer than 24."""


def times_head(h: np.ndarray, W_U: Any) -> np.ndarray:
    """The product h W_Uᵀ, on all cores where it is large, also those BLAS was told to leave.

    Beside a browser BLAS takes all cores but one, so that small work waits for nothing; a large
    product is worth the other.

    Args:
        h: (n, d_model) or (d_model,) float32.
        W_U: (d_vocab, d_model) float32, an array or a ``StoredRows``.

    Returns:
        (n, d_vocab) or (d_vocab,) float32.

    >>> times_head(np.float32([[1, 2]]), np.float32([[1, 0], [0, 1], [1, 1]]))
    array([[1., 2., 3.]], dtype=float32)
    """
    if h.ndim == 1 or len(h) == 1 or not isinstance(W_U, np.ndarray):
        return np.asarray(h @ W_U.T)
    n, d_vocab = len(h), len(W_U)
    states = padded(h)
    found = np.empty((len(states), d_vocab), dtype=np.float32)

    def multiply(rows: slice) -> None:
        np.matmul(states, W_U[rows].T, out=found[:, rows])

    on_idle_cores(multiply, d_vocab, n * W_U.size)
    return found[:n]


def padded(h: np.ndarray) -> np.ndarray:
    """States (n, d) in float32 with rows of zeros below them, to as many as BLAS takes at once.

    >>> padded(np.ones((9, 2))).shape
    (16, 2)
    """
    states = np.zeros((-(-len(h) // _STATES) * _STATES, h.shape[1]), dtype=np.float32)
    states[: len(h)] = h
    return states


def on_idle_cores(work: Callable[[slice], None], n: int, multiplications: int) -> None:
    """Do ``work`` on 0 … n - 1, in parts side by side where that is worth a thread.

    >>> on_idle_cores(print, 5, 100)
    slice(0, 5, None)
    """
    parts = _idle(multiplications)
    ends = np.linspace(0, n, parts + 1).astype(int).tolist()
    if parts == 1:
        work(slice(0, n))
        return
    with ThreadPoolExecutor(parts) as threads:
        list(threads.map(lambda part: work(slice(ends[part], ends[part + 1])), range(parts)))


def _idle(multiplications: int) -> int:
    """Into how many parts a product goes: as often as BLAS's threads fit on the cores."""
    if multiplications < _BUSY:
        return 1
    blas = ThreadpoolController().select(user_api="blas").info()
    return max(1, (os.cpu_count() or 1) // max((x["num_threads"] for x in blas), default=1))
