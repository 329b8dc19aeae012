"""Stored vectors made wrong, and read as `apply` and `fill` read them: files, scales, databases."""

import io
import random
import sqlite3
import tempfile
from functools import cache
from pathlib import Path

import numpy as np

from tests.fuzz.mutations import ODD_NUMBERS, ODD_TEXTS, bytes_changed

__all__ = [
    "arrow_seeds",
    "duckdb_seeds",
    "faiss_seeds",
    "npy_changed",
    "npy_seeds",
    "parquet_vector_seeds",
    "read_database",
    "read_duckdb",
    "read_scales",
    "read_vectors",
    "scale_seeds",
    "sqlite_seeds",
]

WIDTH, ROWS = 4, 6
_HEADER = 10
"""Bytes of a ``.npy`` file before its header: magic, version and the header's length."""


@cache
def _vectors() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(ROWS, WIDTH)).astype(np.float32)


@cache
def npy_seeds() -> list[bytes]:
    """Vectors in three precisions."""
    return [_npy(_vectors().astype(one)) for one in ("<f4", ">f8", "|i1")]


@cache
def scale_seeds() -> list[bytes]:
    """A scale a dimension, a scale a row, and ranges."""
    return [_npy(one) for one in (np.ones(WIDTH), np.ones((ROWS, 1)), np.ones((2, WIDTH)))]


def _npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def npy_changed(rng: random.Random, seed: bytes) -> bytes:
    """An array with its header's values, the header's length or any bytes changed."""
    if rng.random() < 0.3:
        return bytes_changed(rng, seed)
    length = int.from_bytes(seed[8:_HEADER], "little")
    said = seed[_HEADER : _HEADER + length].decode().rstrip()
    odd = [*map(repr, ODD_NUMBERS), *map(repr, ODD_TEXTS), "()", "(2,", "-1", "[" * 99, "1" * 5000]
    for _ in range(rng.choice((1, 1, 2))):
        old = rng.choice(("<f4", ">f8", "|i1", "<f8", "False", f"{ROWS}", f"{WIDTH}", "shape", "("))
        kinds = ("|O", "<U4", "|V8", "<M8[s]", "<c8", "<f2", "|S0", "<i8", "|b1", "True")
        said = said.replace(old, rng.choice((*kinds, *odd)), 1)
    text = (said + " " * (-(_HEADER + len(said) + 1) % 64) + "\n").encode("utf-8", "surrogatepass")
    if rng.random() < 0.1:
        return seed[:8] + rng.choice((0, 9, 65_535)).to_bytes(2, "little") + text
    return seed[:8] + (len(text) % 65_536).to_bytes(2, "little") + text + seed[_HEADER + length :]


def _table() -> object:
    import pyarrow as pa

    rows = [*_vectors().tolist()[:-1], None]
    kind = pa.list_(pa.float32(), WIDTH)
    return pa.table({
        "id": list(range(ROWS)), "text": [f"a text {i}" for i in range(ROWS)],
        "raw": pa.array(rows, type=kind), "scale": [0.5] * ROWS,
    })  # fmt: skip


@cache
def parquet_vector_seeds() -> list[bytes]:
    """A column of vectors beside ids and texts, compressed and not."""
    import pyarrow.parquet as pq

    made = []
    for compression in ("snappy", "none"):
        file = io.BytesIO()
        pq.write_table(_table(), file, compression=compression)
        made.append(file.getvalue())
    return made


@cache
def arrow_seeds() -> list[bytes]:
    """The same as an Arrow file."""
    import pyarrow as pa

    table, file = _table(), io.BytesIO()
    with pa.ipc.new_file(file, table.schema) as writer:  # type: ignore[attr-defined]
        writer.write_table(table)
    return [file.getvalue()]


@cache
def faiss_seeds() -> list[bytes]:
    """A flat index, one with ids, one with cells, and one that compresses."""
    import faiss

    made = []
    for kind in ("Flat", "IDMap,Flat", "IVF2,Flat", "SQ8", "HNSW4", "PQ2x1"):
        index = faiss.index_factory(WIDTH, kind)
        index.train(_vectors())
        if kind.startswith("IDMap"):
            index.add_with_ids(_vectors(), np.arange(ROWS) + 7)
        else:
            index.add(_vectors())
        made.append(faiss.serialize_index(index).tobytes())
    return made


def read_vectors(path: Path) -> None:
    """All of the vectors, checked as a filter checks them."""
    from embfilter_viz.vectors.opening import open_vectors
    from embfilter_viz.vectors.stored import check_finite

    found = open_vectors(path)
    _ = dict(found.said), found.ending
    rows = 0
    for block, _ in found.blocks():
        assert block.shape[1] == found.width
        check_finite(path, block, rows)
        rows += len(block)


def read_scales(path: Path) -> None:
    """An array of scales, or one of ranges."""
    from embfilter_viz.errors import InputError
    from embfilter_viz.vectors.scales import ranges_of, scales_of

    try:
        scales_of(path, ROWS, WIDTH).of(np.ones((2, WIDTH), dtype=np.int8), 0)
    except InputError:
        ranges_of(path, WIDTH, np.dtype(np.int8)).of(np.ones((2, WIDTH), dtype=np.int8), 0)


@cache
def sqlite_seeds() -> list[bytes]:
    """A table with a column of blobs, as sqlite-vec's ``vec_f32`` makes them."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "x.db")
        db = sqlite3.connect(path)
        db.execute("PRAGMA page_size = 512")
        db.execute("CREATE TABLE items (id INTEGER PRIMARY KEY, text TEXT, raw BLOB)")
        rows = [(i, f"a text {i}", row.tobytes()) for i, row in enumerate(_vectors())]
        db.executemany("INSERT INTO items VALUES (?, ?, ?)", rows)
        db.commit()
        db.close()
        return [path.read_bytes()]


@cache
def duckdb_seeds() -> list[bytes]:
    """A table with a column of ``FLOAT[4]``."""
    import duckdb

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "x.duckdb")
        db = duckdb.connect(path)
        db.execute(f"CREATE TABLE items (id INTEGER, raw FLOAT[{WIDTH}])")
        db.executemany("INSERT INTO items VALUES (?, ?)", list(enumerate(_vectors().tolist())))
        db.close()
        return [path.read_bytes()]


def read_database(path: Path, kind: str = "sqlite") -> None:
    """The raw vectors, and filtered ones of half the width put beside them."""
    from embfilter_viz.vectors.databases import open_database

    for beside in path.parent.glob(f"{path.name}?*"):  # a journal that an input left
        beside.unlink()
    found = open_database(f"{kind}:{path}#items.raw")
    try:
        _ = found.rows, found.width, dict(found.said), found.sample()
        note = {"fingerprint": "f", "from": found.where}
        found.begin(found.beside, 2, found.dtype, note)
        for keys, block in found.missing():
            found.put(keys, np.ascontiguousarray(block[:, :2]))
    finally:
        found.close()


def read_duckdb(path: Path) -> None:
    read_database(path, "duckdb")
