"""Databases by the first word of their address."""

import importlib
from pathlib import Path

from embfilter_viz.errors import InputError
from embfilter_viz.vectors.databases.database import Address, Database

__all__ = ["KINDS", "address_of", "open_database"]

KINDS = {
    "duckdb": ("duck", "DuckDatabase", "duckdb:books.duckdb#items.raw"),
    "sqlite": ("sqlite", "SqliteDatabase", "sqlite:books.db#items.raw"),
    "lancedb": ("lance", "LanceDatabase", "lancedb:folder#items.raw"),
    "postgresql": (
        "postgres",
        "PostgresDatabase",
        "postgresql://user@host/books#items.raw",
    ),
    "qdrant": ("qdrant", "QdrantDatabase", "qdrant:http://localhost:6333#items"),
}
"""By first word: the module, its class, and an example."""


def address_of(said: str) -> Address:
    """Read an address.

    Args:
        said: ``KIND:PLACE#TABLE.COLUMN``, or ``KIND:PLACE#COLLECTION`` for Qdrant.

    Raises:
        InputError: an unknown kind, or a part that is missing.

    >>> address_of("duckdb:books.duckdb#main.items.raw").where
    'duckdb main.items.raw'
    >>> address_of("duckdb:books.duckdb")
    Traceback (most recent call last):
    embfilter_viz.errors.InputError: duckdb: the address needs what stands before ...
    """
    kind, colon, rest = said.partition(":")
    kind = {"postgres": "postgresql"}.get(kind, kind)
    if not colon or kind not in KINDS:
        examples = ", ".join(example for *_, example in KINDS.values())
        raise InputError(f"{kind!r} is no kind of database; an address is like {examples}")
    place, _, within = rest.partition("#")
    table, dot, column = within.rpartition(".")
    example = KINDS[kind][2]
    if kind == "qdrant":
        table, dot, column = within, ".", "none"
    if not (place and table and dot and column):
        needs = example.partition("#")[2]
        raise InputError(
            f"{kind}: the address needs what stands before and after '#' (such as {needs}), "
            f"as in {example}"
        )
    place = f"{kind}:{place}" if kind == "postgresql" else place
    return Address(kind, place, table, "" if kind == "qdrant" else column)


def open_database(address: str, key: str | None = None) -> Database:
    """Open the raw vectors that an address names; only their number and width are read.

    Args:
        address: such as ``duckdb:books.duckdb#items.raw``.
        key: the column that tells rows apart, for PostgreSQL where the table has no primary key.

    Raises:
        InputError: a client that is not installed, no such place, table or column, or a column
            that holds no vectors.
    """
    read = address_of(address)
    if key is not None and read.kind != "postgresql":
        raise InputError(f"--id {key}: only PostgreSQL needs it; drop it")
    if read.kind in {"duckdb", "sqlite"} and not Path(read.place).is_file():
        raise InputError(f"{read.kind}:{read.place}: no such file; give a database that is there")
    name, made, _ = KINDS[read.kind]
    module = importlib.import_module(f"embfilter_viz.vectors.databases.{name}")
    opened: Database = getattr(module, made)(read, *([key] if read.kind == "postgresql" else []))
    return opened
