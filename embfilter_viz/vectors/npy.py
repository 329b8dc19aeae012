"""Vectors in a ``.npy`` file, read and written in blocks without mapping the file into memory."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.lib import format as npy

from embfilter_viz.errors import InputError
from embfilter_viz.vectors.stored import PRECISIONS, Block, Made, rows_at_once

__all__ = ["NpyVectors"]


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
            shape, by_column, self.dtype = _header(path, file)
            self._start = file.tell()
        if len(shape) != 2 or 0 in shape:
            raise InputError(
                f"{path}: an array of shape {shape}; one vector a row is needed, (rows, numbers)"
            )
        if self.dtype.newbyteorder("=").name not in PRECISIONS:
            raise InputError(
                f"{path}: numbers of type {self.dtype}; take one of {', '.join(PRECISIONS)}"
            )
        if by_column:
            raise InputError(
                f"{path}: stored column by column, so that a row cannot be read by itself; save "
                "it again with np.save(path, np.ascontiguousarray(array))"
            )
        self.rows, self.width = shape
        needed = self._start + self.rows * self.width * self.dtype.itemsize
        if (there := path.stat().st_size) < needed:
            raise InputError(
                f"{path}: {there:,} bytes, and {self.rows:,} rows of {self.width} numbers take "
                f"{needed:,}: the file is cut short; copy it again"
            )

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
            out.write(np.ascontiguousarray(made.rows, dtype=dtype).data)


def _header(path: Path, file: BinaryIO) -> tuple[tuple[int, ...], bool, np.dtype]:
    try:
        version = npy.read_magic(file)
        read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        return read(file, max_header_size=10_000)
    except (ValueError, EOFError, SyntaxError) as error:
        raise InputError(f"{path}: no array of NumPy's ({error}); give a .npy file") from error
