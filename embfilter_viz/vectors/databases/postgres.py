"""A column of pgvector's in a table of PostgreSQL; the filtered ones become another column."""

import re
import struct
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from embfilter_viz.errors import InputError
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
from embfilter_viz.wording import listed

__all__ = ["PostgresDatabase"]

_NUMBERS = {"vector": "float32", "halfvec": "float16"}
_BLOCK = "embfilter_viz_block"
_BEGIN, _END = b"PGCOPY\n\xff\r\n\0" + struct.pack(">ii", 0, 0), struct.pack(">h", -1)
"""Bytes before and after the rows of a binary COPY, by PostgreSQL's manual."""


class PostgresDatabase:
    """A column of ``vector`` or ``halfvec``.

    The note is the new column's comment. Numbers go in PostgreSQL's binary form both ways.

    Args:
        address: the URL, table and column.
        key: the column that tells rows apart, where the table has no primary key of one column.

    Raises:
        InputError: no client or connection, no such table or column, no vectors in it, or no
            column that tells rows apart.
    """

    def __init__(self, address: Address, key: str | None = None) -> None:
        self.where, self.beside = address.where, f"{address.column}_filtered"
        psycopg = client("psycopg", "pgvector")
        self._error: type[Exception] = psycopg.Error
        try:
            self._db: Any = psycopg.connect(address.place, autocommit=True)
        except psycopg.Error as error:
            # It may repeat the address, which may hold a password.
            said = str(error).replace(address.place, "the address").strip().partition("\n")[0]
            raise InputError(
                f"{self.where}: no connection: {said}; start it, or correct the address"
            ) from None
        try:
            self._table = ".".join(_quoted(part) for part in address.table.split("."))
            self._raw = _quoted(address.column)
            with self._plainly():
                columns = self._columns()
                kind, comment = check_column(self.where, address.column, columns)
                found = re.fullmatch(r"(.*?(vector|halfvec))(?:\(\d+\))?", kind)
                if found is None or found[2] not in kind.split(".")[-1]:
                    raise InputError(
                        f"{self.where}: the column holds {kind}, not {' or '.join(_NUMBERS)}"
                    )
                self._type, self._kind = found[1], found[2]
                self.dtype = np.dtype(_NUMBERS[self._kind])
                self.said: Mapping[str, str] = read_note(comment) or {}
                held = f"FROM {self._table} WHERE {self._raw} IS NOT NULL"
                # The functions live where the extension's types do.
                schema, dot, _ = self._type.rpartition(".")
                self._send = f"{schema}{dot}{self._kind}_send"
                first = self._all(f"SELECT {self._send}({self._raw}) {held} LIMIT 1")
                if not first:
                    raise InputError(
                        f"{self.where}: the column holds no vector at all; name another"
                    )
                self.width = (len(first[0][0]) - 4) // self.dtype.itemsize
                self.rows = int(self._all(f"SELECT count(*) {held}")[0][0])
                self._named = self._keyed(key, columns)
            self._key, self._key_type = _quoted(self._named), columns[self._named][0]
        except BaseException:
            self.close()
            raise

    def _plainly(self) -> Any:
        return said_plainly(self.where, self._error)

    def _all(self, query: str, values: tuple[Any, ...] = ()) -> list[Any]:
        with self._db.cursor(binary=True) as cursor:
            found: list[Any] = cursor.execute(query, values).fetchall()
            return found

    def _columns(self) -> dict[str, tuple[str, str | None]]:
        found = self._all(
            "SELECT attname, format_type(atttypid, atttypmod), col_description(attrelid, attnum) "
            "FROM pg_attribute WHERE attrelid = to_regclass(%s) AND attnum > 0 "
            "AND NOT attisdropped ORDER BY attnum",
            (self._table.replace("%%", "%"),),
        )
        return {name: (kind, comment) for name, kind, comment in found}

    def _keyed(self, key: str | None, columns: Mapping[str, Any]) -> str:
        """Return the name of the column that tells rows apart."""
        if key is not None:
            check_column(self.where, key, columns)
            rows, different = self._all(
                f"SELECT count(*), count(DISTINCT {_quoted(key)}) FROM {self._table}"
            )[0]
            if rows != different:
                raise InputError(
                    f"--id {key}: {rows:,} rows and {different:,} values; take a column that has "
                    "another value in each row"
                )
            return key
        found = self._all(
            "SELECT a.attname FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND "
            "a.attnum = ANY(i.indkey) WHERE i.indrelid = to_regclass(%s) AND i.indisprimary",
            (self._table.replace("%%", "%"),),
        )
        if len(found) != 1:
            keys = listed([repr(name) for (name,) in found])
            has = f"a primary key of {keys}" if found else "no primary key"
            raise InputError(
                f"{self.where}: the table has {has}; name a column that has another value in "
                "each row with --id COLUMN"
            )
        return str(found[0][0])

    def _vectors(self, blobs: list[bytes]) -> np.ndarray:
        """Read vectors in binary form: width, a zero, numbers, the first byte the largest."""
        size = 4 + self.width * self.dtype.itemsize
        wrong = next((blob for blob in blobs if len(blob) != size), None)
        if wrong is not None:
            raise InputError(
                f"{self.where}: a vector has {(len(wrong) - 4) // self.dtype.itemsize} numbers "
                f"and others have {self.width}; all must have the same length"
            )
        bytes_ = np.frombuffer(b"".join(blobs), dtype=np.uint8).reshape(-1, size)[:, 4:]
        rows = np.ascontiguousarray(bytes_).view(self.dtype.newbyteorder(">"))
        return rows.astype(self.dtype)

    def sample(self) -> np.ndarray:
        """Return the first vectors."""
        query = (
            f"SELECT {self._send}({self._raw}) FROM {self._table} "
            f"WHERE {self._raw} IS NOT NULL LIMIT 1000"
        )
        with self._plainly():
            return self._vectors([blob for (blob,) in self._all(query)])

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
        from psycopg import sql

        self._to, columns = _quoted(to), self._columns()
        kind = f"{self._type}({width})"
        with self._plainly():
            self._db.execute(f"CREATE TEMP TABLE {_BLOCK} (n int, made {kind})")
            if to in columns:
                check_note(self.where, to, read_note(columns[to][1]), note)
                done = f"{self._raw} IS NOT NULL AND {self._to} IS NOT NULL"
                return int(self._all(f"SELECT count(*) FROM {self._table} WHERE {done}")[0][0])
            with self._db.transaction():
                self._db.execute(f"ALTER TABLE {self._table} ADD COLUMN {self._to} {kind}", ())
                comment = sql.Literal(as_note(note)).as_string(self._db).replace("%", "%%")
                self._db.execute(f"COMMENT ON COLUMN {self._table}.{self._to} IS {comment}", ())
        return 0

    def missing(self) -> Iterator[tuple[list[Any], np.ndarray]]:
        """Return what is missing in the order of the key."""
        begins = (
            f"SELECT {self._key}, {self._send}({self._raw}) FROM {self._table} "
            f"WHERE {self._raw} IS NOT NULL AND {self._to} IS NULL"
        )
        ends = f" ORDER BY {self._key} LIMIT {rows_at_once(self.width)}"
        after: tuple[Any, ...] = ()
        while True:
            more = f" AND {self._key} > %s" if after else ""
            with self._plainly():
                found = self._all(f"{begins}{more}{ends}", after)
            if not found:
                return
            yield [key for key, _ in found], self._vectors([blob for _, blob in found])
            after = (found[-1][0],)

    def named(self, keys: list[Any], i: int) -> str:
        """Name a row for an error.

        Args:
            keys: values of the key.
            i: which of them.
        """
        return f"the row with {self._named} {keys[i]}"

    def put(self, keys: list[Any], filtered: np.ndarray) -> None:
        """Write a block in one transaction, through a table of this connection's own.

        Args:
            keys: values of the key.
            filtered: (m, k) their filtered vectors.
        """
        m, k = filtered.shape
        form = np.dtype([("fields", ">i2"), ("n_size", ">i4"), ("n", ">i4"), ("size", ">i4"),
                         ("k", ">i2"), ("zero", ">i2"),
                         ("made", self.dtype.newbyteorder(">"), (k,))])  # fmt: skip
        rows = np.zeros(m, dtype=form)
        rows["fields"], rows["n_size"], rows["n"] = 2, 4, np.arange(1, m + 1)
        rows["size"], rows["k"], rows["made"] = 4 + k * self.dtype.itemsize, k, filtered
        with self._plainly(), self._db.transaction():
            self._db.execute(f"TRUNCATE {_BLOCK}")
            with (
                self._db.cursor() as cursor,
                cursor.copy(f"COPY {_BLOCK} (n, made) FROM STDIN (FORMAT BINARY)") as copy,
            ):
                copy.write(_BEGIN + rows.tobytes() + _END)
            self._db.execute(
                f"UPDATE {self._table} t SET {self._to} = b.made FROM {_BLOCK} b JOIN "
                f"unnest(%s::{self._key_type}[]) WITH ORDINALITY u(key, n) ON u.n = b.n "
                f"WHERE t.{self._key} = u.key",
                (keys,),
            )

    def close(self) -> None:
        """Close the connection."""
        self._db.close()


def _quoted(name: str) -> str:
    """Write a name for a query that takes values, where a % is written twice."""
    return quoted(name).replace("%", "%%")
