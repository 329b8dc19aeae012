"""A column of vectors in a table of LanceDB; the filtered ones become a table beside it."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from embfilter_viz.errors import InputError
from embfilter_viz.vectors.arrow import lists_of, rows_of
from embfilter_viz.vectors.databases.database import (
    Address,
    as_note,
    check_column,
    check_note,
    client,
    read_note,
    said_plainly,
)
from embfilter_viz.vectors.stored import rows_at_once

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["LanceDatabase"]

_NOTE = b"embfilter-viz"
_NUMBERS = {"halffloat": "float16", "float": "float32", "double": "float64", "int8": "int8"}


class LanceDatabase:
    """A column of lists of numbers in a table.

    LanceDB would write whole rows anew to add a column from outside, and indexes would lose them.
    So filtered vectors go to a new table, with all other columns and under the raw column's name.
    The table is read at the version that it has when the fill begins; a row of the new table stands
    where the raw one's does, and the number of rows says where to go on.

    Args:
        address: the folder, table and column.

    Raises:
        InputError: no client, no such folder, table or column, or no vectors in it.
    """

    def __init__(self, address: Address) -> None:
        self.where, self.beside = address.where, f"{address.table}_filtered"
        self._column = address.column
        lancedb = client("lancedb", "lancedb")
        if "://" not in address.place and not Path(address.place).is_dir():
            raise InputError(f"lancedb:{address.place}: no such folder; give one that is there")
        with self._plainly():
            self._db: Any = lancedb.connect(address.place)
            self._table = self._opened(address.table)
            schema: Any = self._table.schema if self._table is not None else ()
            kind = check_column(self.where, self._column, {one.name: one.type for one in schema})
            numbers = _NUMBERS.get(str(getattr(kind, "value_type", "")))
            if numbers is None:
                raise InputError(
                    f"{self.where}: the column holds {kind}, not lists of "
                    f"{', '.join(_NUMBERS.values())}"
                )
            self.dtype = np.dtype(numbers)
            self.said: Mapping[str, str] = _noted(schema) or {}
            self._columns = schema.names
            self._held = f"`{self._column}` IS NOT NULL"
            self.rows = self._table.count_rows(self._held)
            first = self._table.search().where(self._held).select([self._column]).limit(1)
            column = first.to_arrow().column(self._column)
        if not len(column):
            raise InputError(f"{self.where}: the column holds no vector at all; name another")
        self.width = len(column[0])

    def _plainly(self) -> Any:
        return said_plainly(self.where, ValueError, RuntimeError, OSError)

    def _opened(self, name: str) -> Any:
        try:
            return self._db.open_table(name)
        except (ValueError, FileNotFoundError):
            return None

    def _rows(self, table: "pa.Table") -> tuple[np.ndarray, np.ndarray]:
        """Return the rows that have a vector, and their vectors."""
        column = table.column(self._column).combine_chunks()
        held = np.flatnonzero(column.is_valid().to_numpy(zero_copy_only=False))
        rows = rows_of(self.where, column.drop_null(), self.width,
                       lambda i: f"the row after {held[i]:,} others")  # fmt: skip
        return held, rows

    def sample(self) -> np.ndarray:
        """Return the first vectors."""
        with self._plainly():
            some = self._table.search().where(self._held).select([self._column]).limit(1000)
            return self._rows(some.to_arrow())[1]

    def begin(self, to: str, width: int, dtype: np.dtype, note: Mapping[str, str]) -> int:
        """Make the table, or find it and the version of the raw one that it is made from.

        Args:
            to: its name.
            width: numbers in each filtered vector.
            dtype: of each number.
            note: written to the new table's metadata, with the version.

        Returns:
            how many filtered vectors are there.

        Raises:
            InputError: the raw table has more rows since the fill began.
        """
        import pyarrow as pa

        schema = self._table.schema
        self._place = schema.get_field_index(self._column)
        self._field = pa.field(self._column, pa.list_(pa.from_numpy_dtype(dtype), width))
        with self._plainly():
            self._to = self._opened(to)
            if self._to is None:
                made = schema.set(self._place, self._field)
                mine = {**note, "version": str(self._table.version)}
                noted = made.with_metadata({_NOTE: as_note(mine).encode()})
                self._to = self._db.create_table(to, schema=noted)
            held = _noted(self._to.schema)
            check_note(self.where, to, held, note)
            assert held is not None
            now = self._table.count_rows()
            self._table.checkout(int(held["version"]))
            self._total, done = self._table.count_rows(), self._to.count_rows()
            if done == self._total and now > done:
                raise InputError(
                    f"{self.where}: {to!r} is finished, and the table has {now - done:,} rows more "
                    "since it was begun; name another with --to"
                )
            self.rows = self._table.count_rows(self._held)
            return int(self._to.count_rows(self._held))

    def missing(self) -> Iterator[tuple[tuple["pa.Table", np.ndarray], np.ndarray]]:
        """Return what is missing in the table's order.

        A block is read as a whole before it is written: LanceDB stands still where it writes what
        it is still reading.
        """
        step = rows_at_once(self.width)
        for first in range(self._to.count_rows(), self._total, step):
            with self._plainly():
                query = self._table.search().select(self._columns).offset(first).limit(step)
                table = query.to_arrow()
            held, rows = self._rows(table)
            yield (table, held), rows

    def named(self, keys: tuple["pa.Table", np.ndarray], i: int) -> str:
        """Name a row for an error, by its other columns.

        Args:
            keys: the rows of the block, and which of them have a vector.
            i: which of these.
        """
        table, held = keys
        row = table.drop_columns([self._column]).slice(int(held[i]), 1).to_pylist()
        return f"the row of {str(row[0])[:80] if row else held[i]}"

    def put(self, keys: tuple["pa.Table", np.ndarray], filtered: np.ndarray) -> None:
        """Append a block as one version of the new table.

        Args:
            keys: the rows of the block, and which of them have a vector.
            filtered: (m, k) their filtered vectors.
        """
        table, held = keys
        column = lists_of(filtered, held, len(table), self._field.type)
        with self._plainly():
            # To LanceDB a row without a vector is a bad one unless it is told so.
            self._to.add(table.set_column(self._place, self._field, column),
                         on_bad_vectors="null")  # fmt: skip

    def close(self) -> None:
        """Let the tables go."""
        self._table = self._to = None


def _noted(schema: "pa.Schema") -> dict[str, str] | None:
    return read_note((schema.metadata or {}).get(_NOTE))
