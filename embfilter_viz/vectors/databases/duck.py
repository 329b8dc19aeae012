"""A column of vectors in DuckDB's own file; the filtered ones become another column."""

from collections.abc import Iterator, Mapping
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
    quoted,
    read_note,
    said_plainly,
)
from embfilter_viz.vectors.stored import rows_at_once

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["DuckDatabase"]

_MEMORY = "400MB"
"""DuckDB fills what it may take with the rows that it writes anew; more made nothing faster."""
NUMBERS = {"FLOAT": "float32", "DOUBLE": "float64", "TINYINT": "int8"}


class DuckDatabase:
    """A column of ``FLOAT[d]``, ``FLOAT[]``, or the same of ``DOUBLE`` or ``TINYINT``.

    The note is the new column's comment. DuckDB writes a row that gets a vector anew at the end
    of its table, so rows without one come first afterwards.

    Args:
        address: the file, table and column.

    Raises:
        InputError: no client, no such table or column, no vectors in it, or a file that another
            process has open.
    """

    def __init__(self, address: Address) -> None:
        self.where, self.beside = address.where, f"{address.column}_filtered"
        duckdb = client("duckdb", "duckdb")
        self._error: type[Exception] = duckdb.Error
        with self._plainly():
            self._db: Any = duckdb.connect(address.place, config={"memory_limit": _MEMORY})
        try:
            *schema, table = address.table.split(".")
            self._names = (schema[-1] if schema else "main", table)
            self._table = ".".join(quoted(part) for part in self._names)
            self._raw = quoted(address.column)
            kind, comment = check_column(self.where, address.column, self._columns())
            numbers, bracket, _ = kind.partition("[")
            if not bracket or kind.count("[") > 1 or numbers not in NUMBERS:
                raise InputError(
                    f"{self.where}: the column holds {kind}, not lists of {', '.join(NUMBERS)}"
                )
            self.dtype = np.dtype(NUMBERS[numbers])
            self.said: Mapping[str, str] = read_note(comment) or {}
            with self._plainly():
                self.rows = self._one(f"count({self._raw})", "true")
                self.width = self._one(f"len({self._raw})", f"{self._raw} IS NOT NULL LIMIT 1")
            if not self.width:
                raise InputError(f"{self.where}: the column holds no vector at all; name another")
        except BaseException:
            self.close()
            raise

    def _plainly(self) -> Any:
        return said_plainly(self.where, self._error)

    def _columns(self) -> dict[str, tuple[str, str | None]]:
        found = self._db.execute(
            "SELECT column_name, data_type, comment FROM duckdb_columns() "
            "WHERE database_name = current_database() AND schema_name = ? AND table_name = ?",
            self._names,
        ).fetchall()
        return {name: (kind, comment) for name, kind, comment in found}

    def _one(self, what: str, where: str) -> int:
        query = f"SELECT {what} FROM {self._table} WHERE {where}"
        return next((int(value) for (value,) in self._db.execute(query).fetchall()), 0)

    def _rows(self, table: "pa.Table") -> np.ndarray:
        column = table.column("raw").combine_chunks()
        return rows_of(self.where, column, self.width,
                       lambda i: f"the row with rowid {table.column('key')[i]}")  # fmt: skip

    def sample(self) -> np.ndarray:
        """Return the first vectors."""
        query = (
            f"SELECT rowid AS key, {self._raw} AS raw FROM {self._table} "
            f"WHERE {self._raw} IS NOT NULL LIMIT 1000"
        )
        with self._plainly():
            return self._rows(self._db.sql(query).to_arrow_table())

    def begin(self, to: str, width: int, dtype: np.dtype, note: Mapping[str, str]) -> int:
        """Add the column, or find it.

        Args:
            to: its name.
            width: numbers in each filtered vector.
            dtype: of each number.
            note: written as the column's comment, in the same transaction.

        Returns:
            how many filtered vectors are there.
        """
        self._to, self._width = quoted(to), width
        columns = self._columns()
        number = next(sql for sql, name in NUMBERS.items() if name == dtype.name)
        with self._plainly():
            if to in columns:
                check_note(self.where, to, read_note(columns[to][1]), note)
                return self._one(f"count({self._to})", f"{self._raw} IS NOT NULL")
            comment = as_note(note).replace("'", "''")
            self._db.execute("BEGIN")
            self._db.execute(f"ALTER TABLE {self._table} ADD COLUMN {self._to} {number}[{width}]")
            self._db.execute(f"COMMENT ON COLUMN {self._table}.{self._to} IS '{comment}'")
            self._db.execute("COMMIT")
        return 0

    def missing(self) -> Iterator[tuple["pa.ChunkedArray", np.ndarray]]:
        """Return what is missing by ranges of rowid, again from the first until nothing is.

        A range at a time is read without the whole table. A checkpoint may move rows to rowids
        that were passed, hence the next round.
        """
        step = rows_at_once(self.width)
        still = f"{self._raw} IS NOT NULL AND {self._to} IS NULL"
        while self._one("count(*)", still):
            last = self._one("max(rowid)", still)
            first = self._one("min(rowid)", still)
            while first <= last:
                with self._plainly():
                    table = self._db.sql(
                        f"SELECT rowid AS key, {self._raw} AS raw FROM {self._table} WHERE rowid "
                        f">= {first} AND rowid < {first + step} AND {still}"
                    ).to_arrow_table()
                if len(table):
                    yield table.column("key"), self._rows(table)
                first += step

    def named(self, keys: "pa.ChunkedArray", i: int) -> str:
        """Name a row for an error.

        Args:
            keys: rowids.
            i: which of them.
        """
        return f"the row with rowid {keys[i]}"

    def put(self, keys: "pa.ChunkedArray", filtered: np.ndarray) -> None:
        """Write a block in one transaction.

        Args:
            keys: rowids.
            filtered: (m, k) their filtered vectors.
        """
        import pyarrow as pa

        kind = pa.list_(pa.from_numpy_dtype(filtered.dtype), self._width)
        column = lists_of(filtered, np.arange(len(filtered)), len(filtered), kind)
        block = pa.table({"key": keys, "made": column})
        with self._plainly():
            self._db.register("embfilter_viz_block", block)
            self._db.execute(
                f"UPDATE {self._table} SET {self._to} = embfilter_viz_block.made "
                f"FROM embfilter_viz_block WHERE {self._table}.rowid = embfilter_viz_block.key"
            )
            self._db.unregister("embfilter_viz_block")

    def close(self) -> None:
        """Close the file."""
        self._db.close()
