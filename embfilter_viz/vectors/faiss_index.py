"""Vectors in a FAISS index that can give them back; FAISS holds an index in memory as a whole."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from threading import Lock
from typing import Any, BinaryIO

import numpy as np

from embfilter_viz.errors import InputError
from embfilter_viz.vectors.stored import Block, Made, rows_at_once

__all__ = ["FaissVectors"]

_ROOM = 64 << 20
"""Bytes of a table that FAISS makes as it reads, beyond those of the file."""
_turn = Lock()


class FaissVectors:
    """The vectors of an index, reconstructed; filtered ones go to a flat index of its metric.

    An index that compresses gives back vectors near those that were added. Its ids are kept.

    Args:
        path: a file of ``faiss.write_index``.
        column: must not be given; an index has no columns.

    Raises:
        InputError: FAISS is not installed, no index, an empty one, or one that cannot give its
            vectors back.
    """

    ending = ".faiss"
    dtype = np.dtype("float32")

    def __init__(self, path: Path, column: str | None = None) -> None:
        if column is not None:
            raise InputError(f"--column {column}: {path} is an index and has no columns; drop it")
        self.path = path
        self.said: Mapping[str, str] = {}
        faiss = _faiss(path)
        self._index = _read(faiss, path)
        self.rows, self.width = int(self._index.ntotal), int(self._index.d)
        if not self.rows:
            raise InputError(f"{path}: the index is empty; add vectors first")
        if self.width < 1:
            raise InputError(f"{path}: holds vectors of no number at all; write the index again")
        self._ids: np.ndarray | None = None
        self._inner = self._index
        if isinstance(self._index, faiss.IndexIDMap):
            self._ids = faiss.vector_to_array(self._index.id_map)
            self._inner = faiss.downcast_index(self._index.index)
        inner = self._inner
        if (
            inner is None
            or (int(inner.ntotal), int(inner.d)) != (self.rows, self.width)
            or (self._ids is not None and len(self._ids) != self.rows)
        ):
            raise InputError(f"{path}: its parts do not fit together; write the index again")
        try:
            if isinstance(self._index, faiss.IndexIVF):
                self._index.make_direct_map()
            self._inner.reconstruct_n(0, 1)
        except (RuntimeError, MemoryError) as error:
            raise InputError(
                f"{path}: this kind of index, {type(self._inner).__name__}, does not give its "
                "vectors back; filter the vectors it was made from"
            ) from error

    def blocks(self) -> Iterator[Block]:
        """Return the vectors in the order in which they were added."""
        step = rows_at_once(self.width)
        for first in range(0, self.rows, step):
            yield self._inner.reconstruct_n(first, min(step, self.rows - first)), None

    def write(
        self,
        out: BinaryIO,
        width: int,
        dtype: np.dtype,
        said: Mapping[str, str],
        blocks: Iterator[Made],
    ) -> None:
        """Write a flat index with the filtered vectors and the same ids.

        Args:
            out: the open file.
            width: numbers in each.
            dtype: of each number.
            said: not written; an index has no room for it.
            blocks: the vectors.

        Raises:
            InputError: other numbers than float32.
        """
        if dtype != np.float32:
            raise InputError(f"{self.path}: an index holds float32; leave --numbers {dtype} out")
        faiss: Any = _faiss(self.path)
        flat = faiss.IndexFlat(width, self._inner.metric_type)
        kept = flat if self._ids is None else faiss.IndexIDMap(flat)
        for made in blocks:
            rows = np.ascontiguousarray(made.rows, dtype=np.float32)
            if self._ids is None:
                kept.add(rows)
            else:
                kept.add_with_ids(rows, self._ids[kept.ntotal : kept.ntotal + len(rows)])
        faiss.write_index(kept, faiss.PyCallbackIOWriter(out.write))


def _read(faiss: Any, path: Path) -> Any:
    """The index in a file; no table of it may be larger than the file, and some room.

    Raises:
        InputError: FAISS cannot read it.
    """
    bounds = ("vector_byte_limit", "loop_limit")  # of FAISS 1.14 and later; they hold for all reads
    before = {one: getattr(faiss, f"get_deserialization_{one}", lambda: None)() for one in bounds}
    with _turn:
        try:
            for one, limit in before.items():
                if limit is not None:
                    room = path.stat().st_size + (_ROOM if one == bounds[0] else 0)
                    getattr(faiss, f"set_deserialization_{one}")(room)
            index = faiss.read_index(str(path))
        except (RuntimeError, MemoryError, OSError) as error:
            raise InputError(f"{path}: no index that FAISS reads; write it again") from error
        finally:
            for one, limit in before.items():
                if limit is not None:
                    getattr(faiss, f"set_deserialization_{one}")(limit)
    if index is None:  # the mark of no index at all
        raise InputError(f"{path}: no index that FAISS reads; write it again")
    return index


def _faiss(path: Path) -> Any:
    try:
        import faiss
    except ImportError as error:
        raise InputError(
            f"{path}: FAISS is not installed; pip install 'embfilter-viz[deploy]'"
        ) from error
    return faiss
