"""Vectors in a ``.npy`` file, read and written in blocks without mapping the file into memory."""

from collections.abc import Iterator, Mapping
from math import prod
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.lib import format as npy

from embfilter_viz.errors import InputError
from embfilter_viz.system.arrays import write_numbers
from embfilter_viz.vectors.stored import PRECISIONS, Block, Made, rows_at_once

__all__ = ["NpyVectors", "whole_array"]

_LONGEST_HEADER = 10_000


class NpyVectors:
    """The rows of a two-dimensional array in a ``.npy`` file.

    Args:
        path: the file.
        column: must not be given; such a file has no columns.

    Raises:
        InputError: no ``.npy`` file, not two-dimensional, stored column by column, cut short, or
            of numbers that are none of :data:`~embfilter_viz.vectors.stored.PRECISIONS`.
    """

    ending = ".npy"

    def __init__(self, path: Path, column: str | None = None) -> None:
        if column is not None:
            raise InputError(f"--column {column}: {path} is one array and has no columns; drop it")
        self.path = path
        self.said: Mapping[str, str] = {}
        with path.open("rb") as file:
            shape, by_column, self.dtype = _header(str(path), file)
            self._start = file.tell()
        if len(shape) != 2 or 0 in shape:
            raise InputError(
                f"{path}: an array of shape {_short(shape)}; one vector a row is needed, (rows, "
                "numbers)"
            )
        if self.dtype.newbyteorder("=").name not in PRECISIONS:
            raise InputError(
                f"{path}: numbers of type {_short(self.dtype)}; take one of {', '.join(PRECISIONS)}"
            )
        if by_column:
            raise InputError(
                f"{path}: stored column by column, so that a row cannot be read by itself; save "
                "it again with np.save(path, np.ascontiguousarray(array))"
            )
        self.rows, self.width = shape
        _check_length(path, str(path), self._start, shape, self.dtype)

    def blocks(self) -> Iterator[Block]:
        """Return the rows, block by block."""
        step = rows_at_once(self.width)
        with self.path.open("rb") as file:
            file.seek(self._start)
            for first in range(0, self.rows, step):
                count = min(step, self.rows - first) * self.width
                block = np.fromfile(file, dtype=self.dtype, count=count)
                yield block.reshape(-1, self.width), None

    def write(
        self,
        out: BinaryIO,
        width: int,
        dtype: np.dtype,
        said: Mapping[str, str],
        blocks: Iterator[Made],
    ) -> None:
        """Write filtered rows; such a file has no room for notes.

        Args:
            out: the open file.
            width: numbers in each.
            dtype: of each number.
            said: not written.
            blocks: the rows.
        """
        header = {
            "descr": npy.dtype_to_descr(dtype), "fortran_order": False, "shape": (self.rows, width)
        }  # fmt: skip
        npy.write_array_header_1_0(out, header)
        for made in blocks:
            write_numbers(out, made.rows.astype(dtype, copy=False))


def whole_array(path: Path, said: str) -> np.ndarray:
    """A small array of numbers in a ``.npy`` file, of any shape.

    Args:
        path: the file.
        said: what names it in an error.

    Returns:
        the array as it is stored.

    Raises:
        InputError: no ``.npy`` file, of something that is no number, or cut short.
    """
    try:
        with path.open("rb") as file:
            shape, by_column, dtype = _header(said, file)
            if dtype.kind not in "fiu":
                raise InputError(
                    f"{said}: no array of numbers but of {_short(dtype)}; give a .npy file with one"
                )
            _check_length(path, said, file.tell(), shape, dtype)
            found = np.fromfile(file, dtype=dtype, count=prod(shape))
    except OSError as error:
        raise InputError(f"{said}: cannot be read ({error.strerror}); give a .npy file") from error
    return found.reshape(shape, order="F" if by_column else "C")


def _header(said: str, file: BinaryIO) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Shape, whether it is stored column by column, and the kind of number; 0 to 32 axes."""
    try:
        version = npy.read_magic(file)
        read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, by_column, dtype = read(file, max_header_size=_LONGEST_HEADER)
    except Exception as error:  # it is parsed as Python, which fails in many ways
        raise InputError(
            f"{said}: no array of NumPy's ({_short(error)}); give a .npy file"
        ) from error
    if len(shape) > 32 or not all(type(axis) is int and 0 <= axis < 1 << 62 for axis in shape):
        raise InputError(f"{said}: no array has the shape {_short(shape)}; write the file again")
    return shape, by_column, dtype


def _check_length(
    path: Path, said: str, start: int, shape: tuple[int, ...], dtype: np.dtype
) -> None:
    """Refuse an array that its file cannot hold, before room is made for it.

    Args:
        path: the file.
        said: what names it in an error.
        start: where the numbers begin.
        shape: of the array.
        dtype: of each number.

    Raises:
        InputError: the file is shorter.
    """
    needed = start + prod(shape) * dtype.itemsize
    if (there := path.stat().st_size) < needed:
        raise InputError(
            f"{said}: {there:,} bytes, and an array of shape {_short(shape)} takes {needed:,}: the "
            "file is cut short; copy it again"
        )


def _short(said: object) -> str:
    """Words of a library or a file in one line that can be printed."""
    words = " ".join(str(said).split())[:120]
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in words)
