"""Vectors in a column of a Parquet or Arrow file; all other columns are kept."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from embfilter_viz.errors import InputError
from embfilter_viz.vectors.stored import BYTES, PRECISIONS, Block, Made, rows_at_once
from embfilter_viz.wording import listed

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["NOTE", "ArrowVectors", "lists_of", "rows_of"]

NOTE = b"embfilter-viz"
"""The key of what we note in a file's metadata."""


class ArrowVectors:
    """One column of lists of numbers, all of one length.

    A row without a vector keeps none.

    Args:
        path: a ``.parquet`` file, or an Arrow file (``.arrow``, ``.feather``).
        column: the column of vectors; not needed where only one holds lists of numbers.

    Raises:
        InputError: no such file or column, no column or several columns of vectors, or vectors of
            several lengths.
    """

    def __init__(self, path: Path, column: str | None = None) -> None:
        self.path = path
        self.ending = path.suffix.lower()
        self._file = _opened(path)
        schema = self._file.schema
        with _told_plainly(path):  # names of columns are decoded when they are asked for
            self._column = _column_of(path, schema, column)
            field = schema.field(self._column)
        self.dtype = np.dtype(field.type.value_type.to_pandas_dtype())
        self.rows = self._file.rows
        self.said = _noted(schema.metadata)
        self.width = self._width(field)
        if not self.width:
            raise InputError(f"{path}: column {self._column!r} holds vectors of no number at all")

    def _width(self, field: "pa.Field") -> int:
        if getattr(field.type, "list_size", -1) > 0:
            return int(field.type.list_size)
        for batch in self._file.batches(64):
            lengths = batch.column(self._column).value_lengths().drop_null()
            if len(lengths):
                return int(lengths[0].as_py())
        raise InputError(
            f"{self.path}: column {self._column!r} holds no vector at all; name another"
        )

    def texts(
        self, column: str, count: int, blocks: Iterator[Block]
    ) -> tuple[list[str], np.ndarray]:
        """The first texts of a column and the vectors beside them.

        Args:
            column: the column of texts.
            count: how many at most.
            blocks: the vectors as :meth:`blocks` gives them, or what they stand for.

        Returns:
            the texts, and their vectors (m, width).

        Raises:
            InputError: no such column, or one that holds no texts.
        """
        import pyarrow as pa

        if column not in self._file.schema.names:
            raise InputError(f"{self.path}: no column {column!r}; it has {self._columns}")
        kind = self._file.schema.field(column).type
        if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
            raise InputError(f"{self.path}: column {column!r} holds {kind}, not texts")
        texts: list[str] = []
        rows: list[np.ndarray] = []
        for block, (batch, held) in blocks:
            said = [batch.column(column)[int(i)].as_py() for i in held[:count]]
            for text, row in zip(said, block, strict=False):
                if text and len(texts) < count:
                    texts.append(text)
                    rows.append(row)
            if len(texts) >= count:
                break
        return texts, np.array(rows, dtype=np.float32).reshape(-1, self.width)

    @property
    def _columns(self) -> str:
        return listed([repr(name) for name in self._file.schema.names])

    def blocks(self) -> Iterator[Block]:
        """Return the vectors of the rows that have one, with the rows they belong to."""
        first = 0
        for batch in self._file.batches(rows_at_once(self.width)):
            column = batch.column(self._column)
            held = np.flatnonzero(column.is_valid().to_numpy(zero_copy_only=False))
            rows = rows_of(
                f"{self.path}: column {self._column!r}",
                column.drop_null(),
                self.width,
                partial(_numbered, first, held),
            )
            yield rows, (batch, held)
            first += len(batch)

    def write(
        self,
        out: BinaryIO,
        width: int,
        dtype: np.dtype,
        said: Mapping[str, str],
        blocks: Iterator[Made],
    ) -> None:
        """Write the same table with filtered vectors in the column's place.

        Args:
            out: the open file, of the same kind.
            width: numbers in each filtered vector.
            dtype: of each number; scales of bytes become a column beside the vectors.
            said: noted in the file's metadata.
            blocks: the vectors with the rows that they belong to.
        """
        import pyarrow as pa

        kind = pa.from_numpy_dtype(dtype)
        place = self._file.schema.get_field_index(self._column)
        notes = {**(self._file.schema.metadata or {}), NOTE: json.dumps(dict(said)).encode()}
        field = pa.field(self._column, pa.list_(kind, width))
        schema = self._file.schema.set(place, field).with_metadata(notes)
        at = len(schema)
        if dtype.name in BYTES:
            scale = pa.field(self.scales_beside, pa.float32())
            if scale.name in schema.names:
                at = schema.get_field_index(scale.name)
                schema = schema.remove(at)
            schema = schema.insert(at, scale)
        with self._file.writer(out, schema) as writer:
            for rows, (batch, held), scales in blocks:
                columns = list(batch.columns)
                columns[place] = lists_of(rows, held, len(batch), field.type)
                if scales is not None:
                    spread = np.full(len(batch), np.nan, dtype=np.float32)
                    spread[held] = scales
                    of_scales = pa.array(spread, mask=np.isnan(spread))
                    columns = [*columns[:at], of_scales, *columns[at + 1 :]]
                writer.write_batch(pa.record_batch(columns, schema=schema))

    @property
    def scales_beside(self) -> str:
        """Name the column of scales that belongs to vectors of bytes."""
        return f"{self._column}_scale"

    def numbers(self, column: str) -> np.ndarray:
        """Read a column of one number a row.

        Args:
            column: its name.

        Returns:
            (rows,) float32, NaN where a row has none.

        Raises:
            InputError: no such column, or one that holds something else.
        """
        import pyarrow as pa

        if column not in self._file.schema.names:
            raise InputError(f"{self.path}: no column {column!r}; it has {self._columns}")
        kind = self._file.schema.field(column).type
        if not (pa.types.is_floating(kind) or pa.types.is_integer(kind)):
            raise InputError(f"{self.path}: column {column!r} holds {kind}, not numbers")
        found = self._file.column(column).cast(pa.float64()).to_numpy(zero_copy_only=False)
        return np.asarray(found, dtype=np.float32)


def rows_of(where: str, column: "pa.Array", width: int, row: Callable[[int], str]) -> np.ndarray:
    """Vectors of a column in which every row has one.

    Args:
        where: the column, for an error.
        column: (m,) lists of numbers.
        width: numbers in each.
        row: names one of the rows, for an error.

    Returns:
        (m, width) in the column's precision.

    Raises:
        InputError: a vector of another length, or with a missing number.
    """
    lengths = column.value_lengths().to_numpy(zero_copy_only=False)
    wrong = np.flatnonzero(lengths != width)
    if len(wrong):
        raise InputError(
            f"{where}: {row(int(wrong[0]))} has a vector of {lengths[wrong[0]]} numbers and "
            f"others have {width}; all must have the same length"
        )
    numbers = column.flatten()
    if numbers.null_count:
        raise InputError(
            f"{where} has vectors with missing numbers; take them out, or embed their texts again"
        )
    return numbers.to_numpy(zero_copy_only=False).reshape(-1, width)


def _numbered(first: int, held: np.ndarray, i: int) -> str:
    return f"row {first + int(held[i]):,}"


def lists_of(block: np.ndarray, held: np.ndarray, rows: int, kind: "pa.DataType") -> "pa.Array":
    """Vectors in their rows, with nothing where a row has none.

    Args:
        block: (m, width) vectors.
        held: (m,) the row of each.
        rows: how many rows there are.
        kind: the type of the column.

    Returns:
        the column of these rows.
    """
    import pyarrow as pa

    if len(held) == rows:
        numbers = pa.array(np.ascontiguousarray(block).reshape(-1), type=kind.value_type)
        return pa.FixedSizeListArray.from_arrays(numbers, type=kind)
    spread = np.zeros((rows, block.shape[1]), dtype=block.dtype)
    spread[held] = block
    missing = np.ones(rows, dtype=bool)
    missing[held] = False
    numbers = pa.array(spread.reshape(-1), type=kind.value_type)
    return pa.FixedSizeListArray.from_arrays(numbers, type=kind, mask=pa.array(missing))


class _Parquet:
    def __init__(self, path: Path) -> None:
        import pyarrow.parquet as pq

        self._path = path
        self._file = pq.ParquetFile(path)
        self.schema, self.rows = self._file.schema_arrow, self._file.metadata.num_rows

    def batches(self, count: int) -> Iterator["pa.RecordBatch"]:
        found = self._file.iter_batches(batch_size=count)
        while True:
            with _told_plainly(self._path):
                batch = next(found, None)
            if batch is None:
                return
            yield batch

    def column(self, name: str) -> "pa.ChunkedArray":
        with _told_plainly(self._path):
            return self._file.read([name]).column(name)

    def writer(self, file: Any, schema: "pa.Schema") -> Any:
        import pyarrow.parquet as pq

        return pq.ParquetWriter(file, schema)


class _Ipc:
    def __init__(self, path: Path) -> None:
        import pyarrow as pa

        self._path = path
        self._file = pa.ipc.open_file(pa.memory_map(str(path)))
        self.schema = self._file.schema
        self.rows = sum(len(one) for one in self._all())

    def _all(self) -> Iterator["pa.RecordBatch"]:
        """All batches, each seen to lie within the file: the mapped bytes are taken as they are."""
        for i in range(self._file.num_record_batches):
            with _told_plainly(self._path):
                batch = self._file.get_batch(i)
                batch.validate(full=True)
            yield batch

    def column(self, name: str) -> "pa.ChunkedArray":
        import pyarrow as pa

        return pa.chunked_array([batch.column(name) for batch in self._all()])

    def batches(self, count: int) -> Iterator["pa.RecordBatch"]:
        for batch in self._all():
            for start in range(0, len(batch), count):
                yield batch.slice(start, count)

    def writer(self, file: Any, schema: "pa.Schema") -> Any:
        import pyarrow as pa

        return pa.ipc.new_file(file, schema)


def _opened(path: Path) -> _Parquet | _Ipc:
    with _told_plainly(path):
        return _Parquet(path) if path.suffix.lower() == ".parquet" else _Ipc(path)


_OF_SIZE = (MemoryError, OverflowError)


@contextmanager
def _told_plainly(path: Path) -> Iterator[None]:
    """Tell in one line what Arrow says of a damaged file; pages are read long after the header.

    Raises:
        InputError: the block failed in any way of Arrow's.
    """
    import pyarrow as pa

    try:
        yield
    except InputError:
        raise
    except (pa.ArrowException, LookupError, OSError, ValueError, *_OF_SIZE) as error:
        kind = "Parquet" if path.suffix.lower() == ".parquet" else "Arrow"
        reason = " ".join(str(error).split())[:200]
        raise InputError(
            f"{path}: no {kind} file, or damaged ({reason}); write it again"
        ) from error


def _column_of(path: Path, schema: "pa.Schema", wanted: str | None) -> str:
    """Return the name of the column of vectors."""
    import pyarrow as pa

    def holds_vectors(field: "pa.Field") -> bool:
        kind = field.type
        a_list = pa.types.is_list(kind) or pa.types.is_large_list(kind)
        if not (a_list or pa.types.is_fixed_size_list(kind)):
            return False
        return str(kind.value_type) in {"halffloat", "float", "double", *BYTES}

    names = [field.name for field in schema if holds_vectors(field)]
    if wanted is None:
        if len(names) == 1:
            return names[0]
        found = f"columns {listed([repr(name) for name in names])} do" if names else "none does"
        raise InputError(
            f"{path}: one column must hold lists of {', '.join(PRECISIONS)}, and {found}; name it "
            "with --column NAME"
        )
    if wanted not in schema.names:
        has = listed([repr(name) for name in schema.names])
        raise InputError(f"--column {wanted}: {path} has no such column; it has {has}")
    if wanted not in names:
        raise InputError(
            f"--column {wanted}: it holds {schema.field(wanted).type}, not lists of "
            f"{', '.join(PRECISIONS)}"
        )
    return wanted


def _noted(metadata: Mapping[bytes, bytes] | None) -> Mapping[str, str]:
    try:
        said = json.loads((metadata or {}).get(NOTE, b"{}"))
    except ValueError:
        return {}
    return {str(key): str(value) for key, value in said.items()} if isinstance(said, dict) else {}
