"""Bytes that stand for numbers: stored vectors of int8 or uint8, and what takes them back."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from embfilter_viz.errors import InputError
from embfilter_viz.system.regular import kind_of
from embfilter_viz.vectors.arrow import ArrowVectors
from embfilter_viz.vectors.npy import whole_array
from embfilter_viz.vectors.stored import BYTES, Block, StoredVectors

__all__ = ["Scaled", "Scales", "quantised", "ranges_of", "scale_column", "scales_of"]

_STEPS = 255


@dataclass(frozen=True)
class Scales:
    """A linear rule: number = scale · byte + offset, for each dimension or for each row."""

    scale: np.ndarray
    """(1, width) or (rows, 1) float32."""
    offset: np.ndarray | None
    """The same shape, or None for zero."""

    def of(self, block: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Take bytes back to numbers.

        Args:
            block: (m, width) bytes.
            rows: (m,) the rows that these are.

        Returns:
            (m, width) float32.

        >>> by_dimension = Scales(np.float32([[0.5, 2.0]]), np.float32([[0.0, 1.0]]))
        >>> by_dimension.of(np.int8([[2, -1]]), np.array([0])).tolist()
        [[1.0, -1.0]]
        """
        of_rows = len(self.scale) > 1
        made = block.astype(np.float32)
        made *= self.scale[rows] if of_rows else self.scale
        if self.offset is not None:
            made += self.offset[rows] if of_rows else self.offset
        return made


def scales_of(path: str | Path, rows: int, width: int) -> Scales:
    """Read scales from a ``.npy`` file.

    Args:
        path: an array (width,) or (1, width), one scale for each dimension; (2, width), scales and
            offsets; (rows, 1), one scale for each row; or (rows, 2), a scale and an offset.
        rows: how many rows are stored.
        width: numbers in each vector.

    Returns:
        the rule.

    Raises:
        InputError: another shape, or a number that is not finite.
    """
    found = _array(path, "--scales")
    if found.ndim == 1 and len(found) == width:
        found = found[None]
    if found.ndim == 2 and found.shape[1] == width and len(found) in (1, 2):
        return Scales(found[:1], found[1:] if len(found) == 2 else None)
    if found.ndim == 2 and len(found) == rows and found.shape[1] in (1, 2):
        return Scales(found[:, :1], found[:, 1:] if found.shape[1] == 2 else None)
    raise InputError(
        f"--scales {path}: an array of shape {found.shape}; give ({width},) or (2, {width}), "
        f"scales and offsets of the dimensions, or ({rows}, 1) or ({rows}, 2), those of the rows"
    )


def ranges_of(path: str | Path, width: int, dtype: np.dtype) -> Scales:
    """Read the ranges of the dimensions that bytes were made from.

    The rule is that of ``sentence_transformers.quantize_embeddings``: a range is cut into 255
    steps, and a number becomes the step that it lies in. What comes back is that step's middle.

    Args:
        path: a ``.npy`` file, (2, width): the lowest and the highest number of each dimension.
        width: numbers in each vector.
        dtype: of the bytes; int8 begins at -128, uint8 at 0.

    Returns:
        the rule.

    Raises:
        InputError: another shape, a range that ends below its beginning, or a number that is not
            finite.
    """
    found = _array(path, "--ranges")
    if found.shape != (2, width):
        raise InputError(
            f"--ranges {path}: an array of shape {found.shape}; give (2, {width}), the lowest and "
            "the highest number of each dimension"
        )
    low, high = found[:1], found[1:]
    if (bad := np.flatnonzero(high < low)).size:
        raise InputError(f"--ranges {path}: dimension {bad[0]} ends below its beginning")
    steps = (high - low) / np.float32(_STEPS)
    return Scales(steps, low + steps * np.float32(128.5 if dtype == np.int8 else 0.5))


def scale_column(vectors: StoredVectors, column: str) -> Scales:
    """Read one scale for each row from a column of the table.

    Args:
        vectors: a table of vectors.
        column: a column of numbers.

    Returns:
        the rule.

    Raises:
        InputError: no table, no such column, or one of something else.
    """
    if not isinstance(vectors, ArrowVectors):
        raise InputError(f"--scale-column {column}: {vectors.path} has no columns; use --scales")
    return Scales(vectors.numbers(column).reshape(-1, 1), None)  # NaN where a row has no number


class Scaled:
    """Stored bytes as the numbers that they stand for.

    Args:
        bytes_: vectors of int8 or uint8.
        scales: what takes them back.

    Raises:
        InputError: vectors that are no bytes.
    """

    def __init__(self, bytes_: StoredVectors, scales: Scales) -> None:
        if bytes_.dtype.name not in BYTES:
            raise InputError(
                f"{bytes_.path}: numbers of type {bytes_.dtype} need no scale; drop --scales, "
                "--ranges or --scale-column"
            )
        self.inner, self._scales = bytes_, scales
        self.path, self.rows, self.width = bytes_.path, bytes_.rows, bytes_.width
        self.ending, self.said = bytes_.ending, bytes_.said
        self.dtype = np.dtype(np.float32)
        self.write = bytes_.write

    def blocks(self) -> Iterator[Block]:
        """Return the numbers, block by block."""
        first = 0
        for block, more in self.inner.blocks():
            rows, count = _rows_of(block, more)
            yield self._scales.of(block, first + rows), more
            first += count


def _rows_of(block: np.ndarray, more: Any) -> tuple[np.ndarray, int]:
    """Return the rows of a batch that its vectors belong to, and how many it has."""
    if more is None:
        return np.arange(len(block)), len(block)
    batch, held = more
    return held, len(batch)


def quantised(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Round each row to int8, by a scale of its own that takes its largest number to 127.

    Args:
        rows: (n, k) finite numbers.

    Returns:
        (n, k) int8 and (n,) float32; number ≈ scale · byte, within half a scale.

    >>> bytes_, scales = quantised(np.array([[1.0, -2.0], [0.0, 0.0]]))
    >>> bytes_.tolist(), (scales * 127).tolist()
    ([[64, -127], [0, 0]], [2.0, 127.0])
    """
    largest = np.abs(rows).max(axis=1, initial=0.0)
    scales = np.where(largest > 0, largest / 127, 1.0).astype(np.float32)
    return np.rint(rows / scales[:, None]).clip(-127, 127).astype(np.int8), scales


def _array(path: str | Path, option: str) -> np.ndarray:
    if (kind := kind_of(Path(path))) is not None:
        raise InputError(f"{option} {path}: is {kind}; give a .npy file with an array")
    found = whole_array(Path(path), f"{option} {path}")
    if not np.isfinite(found).all():
        raise InputError(f"{option} {path}: holds NaN or infinite numbers; write it again")
    return found.astype(np.float32)
