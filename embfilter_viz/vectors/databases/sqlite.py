"""Vectors of sqlite-vec: blobs in a column, or a virtual table of ``vec0``."""

import re
import sqlite3
from collections.abc import Iterator, Mapping
from itertools import pairwise
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

__all__ = ["SqliteDatabase"]

_NOTES = "embfilter_viz_notes"
"""The table of our notes, by the name of the filtered column or table."""
_DAMAGED = (UnicodeError, OverflowError, MemoryError)
"""What a damaged file may also raise: text that is no text, blobs longer than any memory."""


class SqliteDatabase:
    """A column of float32 blobs, or the same of a ``vec0`` table, in a file of SQLite.

    Filtered vectors become another column; of a ``vec0`` table, which takes no more columns, they
    become another such table with the same ids and the same distance. Only that needs sqlite-vec,
    and ``apsw`` where Python's own sqlite3 loads no extensions.

    Args:
        address: the file, table and column.

    Raises:
        InputError: no such table or column, no vectors in it, or no client.
    """

    dtype = np.dtype("float32")

    def __init__(self, address: Address) -> None:
        self.where = address.where
        self._column, self._raw = address.column, quoted(address.column)
        self._named, self._table = address.table, quoted(address.table)
        self._db: Any = sqlite3.connect(address.place, isolation_level=None)
        self._errors: tuple[type[Exception], ...] = (sqlite3.Error, *_DAMAGED)
        try:
            self._open(address.place)
        except BaseException:
            self.close()
            raise

    def _open(self, place: str) -> None:
        with self._plainly():
            found = self._all("SELECT sql FROM sqlite_master WHERE name = ?", self._named)
        made = str(found[0][0]) if found else ""  # a number or bytes in a damaged file
        self._virtual = bool(re.search(r"\busing\s+vec0\b", made, re.I))
        if self._virtual:
            self._db.close()
            self._db, self._errors = _with_vec(place)
            self._read_vec0(made)
            self.beside = f"{self._named}_filtered"
        else:
            self._key, self._rowids, self._place = "rowid", self._table, self._table
            self.beside = f"{self._column}_filtered"
        with self._plainly():
            found = self._all(f"PRAGMA table_info({self._table})")
            check_column(self.where, self._column, {row[1]: row for row in found})
            held = f"FROM {self._table} WHERE {self._raw} IS NOT NULL"
            first = self._all(f"SELECT {self._raw} {held} LIMIT 1")
            if not first:
                raise InputError(f"{self.where}: the column holds no vector at all; name another")
            self.width = len(self._vector(first[0][0], "the first vector")) // 4
            self.rows = self._all(
                f"SELECT count(*) FROM {self._rowids}"
                if self._virtual
                else f"SELECT count(*) {held}"
            )[0][0]
        name = self._named if self._virtual else f"{self._named}.{self._column}"
        self.said: Mapping[str, str] = self._note(name) or {}

    def _read_vec0(self, made: str) -> None:
        """Read from a virtual table's own statement what the one beside it is made with."""
        column = re.escape(self._column)
        found = re.search(
            rf"[(,]\s*{column}\s+(\w+)\[\d+\](\s+distance_metric\s*=\s*\w+)?",
            made, re.I,
        )  # fmt: skip
        if found is None:
            raise InputError(f"{self.where}: the table has no column of vectors {self._column!r}")
        if found[1].lower() not in {"float", "f32"}:
            raise InputError(f"{self.where}: the column holds {found[1]} vectors, not float")
        self._metric = found[2] or ""
        key = re.search(r"[(,]\s*(\w+)\s+(integer|text)\s+primary\s+key", made, re.I)
        self._key, self._key_made = "rowid", ""
        self._rowids = quoted(f"{self._named}_rowids")
        self._text_key = key is not None and key[2].lower() == "text"
        if key:
            # vec0 takes no quoted names in its own statement.
            self._key, self._key_made = quoted(key[1]), f"{key[1]} {key[2]} primary key, "

    def _plainly(self) -> Any:
        return said_plainly(self.where, *self._errors)

    def _all(self, query: str, *values: Any) -> list[Any]:
        return list(self._db.execute(query, values).fetchall())

    def _note(self, name: str) -> dict[str, str] | None:
        if not self._all("SELECT 1 FROM sqlite_master WHERE name = ?", _NOTES):
            return None
        found = self._all(f"SELECT note FROM {_NOTES} WHERE name = ?", name)
        return read_note(found[0][0]) if found else None

    def _vector(self, blob: Any, which: str) -> bytes:
        if not isinstance(blob, bytes) or len(blob) % 4 or not blob:
            raise InputError(
                f"{self.where}: {which} is no blob of float32; write blobs, as vec_f32() makes them"
            )
        if hasattr(self, "width") and len(blob) != 4 * self.width:
            raise InputError(
                f"{self.where}: {which} has {len(blob) // 4} numbers and others have "
                f"{self.width}; all must have the same length"
            )
        return blob

    def _block(self, found: list[Any]) -> np.ndarray:
        blobs = b"".join(self._vector(blob, f"the vector of row {key}") for key, blob, *_ in found)
        return np.frombuffer(blobs, dtype="<f4").reshape(-1, self.width)

    def sample(self) -> np.ndarray:
        """Return the first vectors."""
        query = f"SELECT 0, {self._raw} FROM {self._table} WHERE {self._raw} IS NOT NULL LIMIT 1000"
        with self._plainly():
            return self._block(self._all(query))

    def begin(self, to: str, width: int, dtype: np.dtype, note: Mapping[str, str]) -> int:
        """Add the column, or make the ``vec0`` table; or find it.

        Args:
            to: its name.
            width: numbers in each filtered vector.
            dtype: float32.
            note: written to a table of notes, in the same transaction.

        Returns:
            how many filtered vectors are there.
        """
        self._to = quoted(to)
        name = to if self._virtual else f"{self._named}.{to}"
        with self._plainly():
            if self._virtual:
                taken = self._all("SELECT 1 FROM sqlite_master WHERE name = ?", to)
                self._done = quoted(f"{to}_rowids")
                make = (
                    f"CREATE VIRTUAL TABLE {self._to} USING vec0({self._key_made}{self._column} "
                    f"float[{width}]{self._metric})"
                )
            else:
                columns = self._all(f"PRAGMA table_info({self._table})")
                taken = [row for row in columns if row[1] == to]
                make = f"ALTER TABLE {self._table} ADD COLUMN {self._to} BLOB"
            if taken:
                check_note(self.where, to, self._note(name), note)
                counted = f"FROM {self._done}" if self._virtual else (
                    f"FROM {self._table} WHERE {self._raw} IS NOT NULL AND {self._to} IS NOT NULL"
                )  # fmt: skip
                return int(self._all(f"SELECT count(*) {counted}")[0][0])
            self._db.execute("BEGIN IMMEDIATE")
            self._db.execute(make)
            self._db.execute(
                f"CREATE TABLE IF NOT EXISTS {_NOTES} (name TEXT PRIMARY KEY, note TEXT)"
            )
            self._db.execute(
                f"INSERT OR REPLACE INTO {_NOTES} VALUES (?, ?)", (name, as_note(note))
            )
            self._db.execute("COMMIT")
        return 0

    def missing(self) -> Iterator[tuple[list[Any], np.ndarray]]:
        """Return what is missing in the order of rowid."""
        if self._virtual:
            same = f"v.{self._key} = r.{'id' if self._text_key else 'rowid'}"
            done = (
                f"r.id NOT IN (SELECT id FROM {self._done})" if self._text_key
                else f"r.rowid NOT IN (SELECT rowid FROM {self._done})"
            )  # fmt: skip
            query = (
                f"SELECT v.{self._key}, v.{self._raw}, r.rowid FROM {self._rowids} r "
                f"JOIN {self._table} v ON {same} WHERE r.rowid > ? AND {done} "
                "ORDER BY r.rowid LIMIT ?"
            )
        else:
            query = (
                f"SELECT rowid, {self._raw}, rowid FROM {self._table} WHERE rowid > ? AND "
                f"{self._raw} IS NOT NULL AND {self._to} IS NULL ORDER BY rowid LIMIT ?"
            )
        last = -(2**63)
        while True:
            with self._plainly():
                found = self._all(query, last, rows_at_once(self.width))
            if not found:
                return
            order = [last, *(row[2] for row in found)]
            if not all(isinstance(one, int) for one in order) or any(
                after <= before for before, after in pairwise(order)
            ):  # or the same rows would come for ever
                raise InputError(
                    f"{self.where}: the rows are not in the order of their numbers: the file is "
                    "damaged; restore it, or write it anew with .recover"
                )
            yield [key for key, *_ in found], self._block(found)
            last = found[-1][2]

    def named(self, keys: list[Any], i: int) -> str:
        """Name a row for an error.

        Args:
            keys: rowids, or keys of the ``vec0`` table.
            i: which of them.
        """
        return f"row {keys[i]}"

    def put(self, keys: list[Any], filtered: np.ndarray) -> None:
        """Write a block in one transaction.

        Args:
            keys: rowids, or keys of the ``vec0`` table.
            filtered: (m, k) their filtered vectors.
        """
        write = f"UPDATE {self._table} SET {self._to} = ? WHERE rowid = ?"
        if self._virtual:
            write = f"INSERT INTO {self._to} ({self._raw}, {self._key}) VALUES (?, ?)"
        blobs = (row.tobytes() for row in np.ascontiguousarray(filtered, dtype="<f4"))
        with self._plainly():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                self._db.executemany(write, zip(blobs, keys, strict=True))
                self._db.execute("COMMIT")
            except BaseException:
                self._db.execute("ROLLBACK")
                raise

    def close(self) -> None:
        """Close the file."""
        self._db.close()


def _with_vec(place: str) -> tuple[Any, tuple[type[Exception], ...]]:
    """Connect with sqlite-vec; by apsw where Python's sqlite3 loads no extensions."""
    vec = client("sqlite_vec", "sqlite-vec")
    db: Any = sqlite3.connect(place, isolation_level=None)
    errors: tuple[type[Exception], ...] = (sqlite3.Error, *_DAMAGED)
    if not hasattr(db, "enable_load_extension"):
        db.close()
        apsw = client("apsw", "sqlite-vec")
        db, errors = apsw.Connection(place), (apsw.Error, *_DAMAGED)
    db.enable_load_extension(True)
    db.load_extension(vec.loadable_path())
    db.enable_load_extension(False)
    return db, errors
