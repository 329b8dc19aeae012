"""What every database offers: raw vectors that have no filtered one yet, and room for those."""

import importlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from embfilter_viz.errors import InputError
from embfilter_viz.wording import listed

__all__ = [
    "Address",
    "Database",
    "as_note",
    "check_column",
    "check_note",
    "client",
    "quoted",
    "read_note",
    "said_plainly",
]


@dataclass(frozen=True)
class Address:
    """A place of raw vectors, read from words such as ``duckdb:books.duckdb#items.raw``."""

    kind: str
    """() the database's word, such as ``duckdb``."""
    place: str
    """() the file, folder or URL."""
    table: str
    """() the table, or the whole of what stands after ``#`` where that names a collection."""
    column: str
    """() the column of raw vectors, empty for a collection."""

    @property
    def where(self) -> str:
        """Name the vectors for an error; a URL, which may hold a password, is not repeated."""
        return f"{self.kind} {self.table}{'.' if self.column else ''}{self.column}"


class Database(Protocol):
    """Raw vectors in one column or collection, and the filtered ones beside them."""

    where: str
    """Where the raw vectors are, for sentences and errors."""
    beside: str
    """The name that filtered ones get where the user gives none."""
    rows: int
    """How many raw vectors there are; rows without one are not counted."""
    width: int
    """Numbers in each."""
    dtype: np.dtype
    """Of each number."""
    said: Mapping[str, str]
    """What is noted beside the raw vectors; they may be filtered ones of ours."""

    def sample(self) -> np.ndarray:
        """Return some raw vectors (m, width)."""

    def begin(self, to: str, width: int, dtype: np.dtype, note: Mapping[str, str]) -> int:
        """Make room for filtered vectors, or find what an earlier run has made of it.

        Args:
            to: the name of the new column, table or collection.
            width: numbers in each filtered vector.
            dtype: of each number.
            note: what is noted beside them: the filter's own words and its ``fingerprint``.

        Returns:
            how many filtered vectors are there already.

        Raises:
            InputError: something else has that name, or vectors of another filter.
        """

    def missing(self) -> Iterator[tuple[Any, np.ndarray]]:
        """Return the raw vectors without a filtered one, block by block, with their keys.

        Each block must be :meth:`put` before the next one is asked for.
        """

    def named(self, keys: Any, i: int) -> str:
        """Name one row of a block for an error.

        Args:
            keys: the keys of the block.
            i: which of its vectors.
        """

    def put(self, keys: Any, filtered: np.ndarray) -> None:
        """Write the filtered vectors of a block, all or none.

        Args:
            keys: the keys that came with the block.
            filtered: (m, k) its filtered vectors.
        """

    def close(self) -> None:
        """Let the database go."""


def client(module: str, extra: str) -> Any:
    """Import a database's client.

    Args:
        module: its module.
        extra: the optional part of this package that brings it.

    Raises:
        InputError: it is not installed.

    >>> client("no_such_client", "duckdb")
    Traceback (most recent call last):
    embfilter_viz.errors.InputError: duckdb: its client is not installed; pip install ...
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise InputError(
            f"{extra}: its client is not installed; pip install 'embfilter-viz[{extra}]'"
        ) from error


@contextmanager
def said_plainly(where: str, *errors: type[Exception]) -> Iterator[None]:
    """Turn a client's errors into one line.

    Args:
        where: what was asked.
        errors: what the client raises.

    Raises:
        InputError: with the first line of what it said.
    """
    try:
        yield
    except InputError:  # ours, though a ValueError too
        raise
    except errors as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        said = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in lines[0])
        raise InputError(
            f"{where}: the database says: {said[:300]}; correct the address, or look after the "
            "database"
        ) from error


def as_note(note: Mapping[str, str]) -> str:
    """Write a note as one line of JSON."""
    return json.dumps({"embfilter-viz": dict(note)}, sort_keys=True)


def read_note(text: Any) -> dict[str, str] | None:
    """Read a note of ours; None where there is none, or one of somebody else.

    >>> read_note(as_note({"a": "b"})), read_note("a comment of theirs"), read_note(None)
    ({'a': 'b'}, None, None)
    """
    try:
        said = json.loads(text or "{}").get("embfilter-viz")
    except (ValueError, TypeError, AttributeError):
        return None
    if not isinstance(said, dict):
        return None
    return {str(key): str(value) for key, value in said.items()}


def quoted(name: str) -> str:
    """Write a name of a table or column as SQL takes it.

    >>> quoted('a "b" c')
    '"a ""b"" c"'
    """
    return '"' + name.replace('"', '""') + '"'


def check_note(where: str, to: str, held: Mapping[str, str] | None, note: Mapping[str, str]
               ) -> None:  # fmt: skip
    """Refuse to go on with what is not ours, or is of another filter.

    Args:
        where: the raw vectors.
        to: the name that is taken.
        held: the note beside it, None without one.
        note: the one that we would write.

    Raises:
        InputError: as said.
    """
    if held is None:
        raise InputError(
            f"{where}: {to!r} is there already and was not made by embfilter-viz; "
            "name another with --to"
        )
    if (held.get("fingerprint"), held.get("from")) != (note["fingerprint"], note["from"]):
        raise InputError(
            f"{where}: {to!r} holds vectors of another filter or column "
            f"({held.get('from')}, {held.get('removes')}); name another with --to"
        )


def check_column(where: str, column: str, columns: Mapping[str, Any]) -> Any:
    """Find a column in a table.

    Args:
        where: the table.
        column: its name.
        columns: the columns that are there, with what is known of each; none without a table.

    Returns:
        what is known of it.

    Raises:
        InputError: no such table or column.
    """
    if not columns:
        raise InputError(f"{where}: there is no such table; correct the address")
    if column not in columns:
        raise InputError(
            f"{where}: the table has no column {column!r}; "
            f"it has {listed([repr(name) for name in columns])}"
        )
    return columns[column]
