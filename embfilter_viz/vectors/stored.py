"""What every kind of stored vectors offers: blocks of rows in, blocks of filtered rows out."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, Protocol

import numpy as np

from embfilter_viz.errors import InputError

__all__ = [
    "BYTES",
    "PRECISIONS",
    "Block",
    "Made",
    "StoredVectors",
    "check_finite",
    "first_not_finite",
    "kept_precision",
    "rows_at_once",
]

BLOCK_BYTES = 32 << 20
"""Bytes of a block of raw vectors in float32: some blocks at once stay far below a gigabyte."""

BYTES = ("int8", "uint8")
"""Numbers that stand for others, by a scale."""

PRECISIONS = ("float16", "float32", "float64", *BYTES)
"""Numbers that stored vectors may be made of."""

Block = tuple[np.ndarray, Any]
"""Raw vectors (m, width) in their stored precision, and what else belongs to these rows."""


class Made(NamedTuple):
    """Filtered vectors of a block."""

    rows: np.ndarray
    """(m, k) vectors."""
    more: Any
    """What else belongs to these rows, as it came with the raw ones."""
    scales: np.ndarray | None
    """(m,) the scale of each; None where they are no bytes."""


class StoredVectors(Protocol):
    """Raw vectors in a file, read in blocks from the first row to the last."""

    path: Path
    """Where they are stored."""
    rows: int
    """How many vectors there are."""
    width: int
    """Numbers in each."""
    dtype: np.dtype
    """Of each number, one of :data:`PRECISIONS`."""
    ending: str
    """How a file of this kind ends, such as ``.npy``."""
    said: Mapping[str, str]
    """What the file says of itself, such as ``head_hash``; empty where it says nothing."""

    def blocks(self) -> Iterator[Block]:
        """Return the vectors, block by block in their order."""

    def write(
        self,
        out: BinaryIO,
        width: int,
        dtype: np.dtype,
        said: Mapping[str, str],
        blocks: Iterator[Made],
    ) -> None:
        """Write blocks of filtered vectors to an open file of this kind.

        Args:
            out: the open file.
            width: numbers in each filtered vector.
            dtype: of each number.
            said: what is noted in the file, where it has room for notes.
            blocks: filtered vectors with what else belongs to their rows.

        Raises:
            InputError: such a file does not hold these numbers.
        """


def rows_at_once(width: int) -> int:
    """Rows of a block.

    >>> rows_at_once(576)
    14563
    """
    return max(1, BLOCK_BYTES // (4 * width))


def kept_precision(dtype: np.dtype) -> np.dtype:
    """Return the precision of filtered vectors: that of the raw ones, float32 for bytes.

    Bytes come in this machine's order.

    >>> kept_precision(np.dtype("float16")), kept_precision(np.dtype("int8"))
    (dtype('float16'), dtype('float32'))
    """
    return np.dtype("float32") if dtype.name in BYTES else dtype.newbyteorder("=")


def check_finite(path: Path, block: np.ndarray, first: int) -> None:
    """Refuse vectors that hold NaN or infinite numbers.

    Args:
        path: where they are stored.
        block: (m, width) vectors.
        first: the row of the first of them.

    Raises:
        InputError: such a vector, named by its row.
    """
    bad = first_not_finite(block)
    if bad is not None:
        raise InputError(
            f"{path}: row {first + bad:,} holds NaN or infinite numbers; take that "
            "vector out, or embed its text again"
        )


def first_not_finite(block: np.ndarray) -> int | None:
    """Return the first row that holds NaN or infinite numbers, None where all are finite.

    >>> first_not_finite(np.array([[1.0, 2.0], [np.nan, 2.0]])), first_not_finite(np.ones((2, 2)))
    (1, None)
    """
    if block.dtype.name in BYTES or np.isfinite(block.sum(dtype=np.float64)):
        return None
    bad = np.flatnonzero(~np.isfinite(block).all(axis=1))
    return int(bad[0]) if len(bad) else None
