"""The folder that invocations are tried in: good files, and a bad one of each kind."""

import os
import socket
import sqlite3
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from tests.models.tiny_checkpoints import D_MODEL, write_checkpoint

__all__ = ["GOOD", "NO_FILES", "made_places", "seen"]

TEXTS = "the cat sat on the mat\na dog\nstars are born in clouds\nthe market fell\n"
PAIRS = "first,second,score\n" + "".join(
    f"the cat {i},a dog {i},{i % 5}\na star {i},the gas {i},{(i + 2) % 5}\n" for i in range(8)
)
NO_FILES = ("empty", "folder", "pipe", "socket", "loop", "dangling", "binary", "unreadable")
"""Names in the folder that hold no texts, vectors, filter or model."""
GOOD = ("model", "texts.txt", "pairs.csv", "vectors.npy", "books.db", "corpus.parquet")


def made_places(folder: Path) -> None:
    """Write all files that invocations name into ``folder``; a filter is made by the command."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    write_checkpoint(folder / "model")
    (folder / "-model").symlink_to("model")
    (folder / "texts.txt").write_text(TEXTS)
    (folder / "pairs.csv").write_text(PAIRS)
    pq.write_table(pa.table({"text": TEXTS.splitlines()}), folder / "corpus.parquet")
    rng = np.random.default_rng(0)
    np.save(folder / "vectors.npy", rng.standard_normal((4, D_MODEL), dtype=np.float32))
    np.save(folder / "narrow.npy", rng.standard_normal((4, 3), dtype=np.float32))
    np.save(folder / "objects.npy", np.array([{"a": 1}, None], dtype=object), allow_pickle=True)
    _database(folder / "books.db", rng)
    (folder / "empty").touch()
    (folder / "folder").mkdir()
    os.mkfifo(folder / "pipe")
    with socket.socket(socket.AF_UNIX) as server:
        here = Path.cwd()
        os.chdir(folder)  # a socket's path has little room
        try:
            server.bind("socket")
        finally:
            os.chdir(here)
    (folder / "loop").symlink_to("loop")
    (folder / "dangling").symlink_to("no-such-place")
    (folder / "binary").write_bytes(bytes(range(256)) * 8)
    (folder / "unreadable").write_text(TEXTS)
    (folder / "unreadable").chmod(0)
    (folder / "theirs.bin").write_text("somebody's own")
    (folder / "pickle.bin").write_bytes(b"\x80\x04N.")
    (folder / "latin.txt").write_bytes("ein Gedicht\nüber Bäume\n".encode("utf-16")[:-1])
    (folder / "blank.txt").write_text("one\n\nthree\n")
    (folder / "one.txt").write_text("one\n")
    (folder / "qrels.tsv").write_text("query-id\tcorpus-id\tscore\n1\t2\t1\n3\t4\t1\n")


def _database(path: Path, rng: np.random.Generator) -> None:
    db = sqlite3.connect(path)
    db.execute("CREATE TABLE items (id INTEGER PRIMARY KEY, raw BLOB, title TEXT)")
    rows = rng.standard_normal((3, D_MODEL)).astype("<f4")
    db.executemany("INSERT INTO items (raw) VALUES (?)", [(row.tobytes(),) for row in rows])
    db.commit()
    db.close()


def seen(folder: Path) -> Mapping[str, tuple[int, int, int]]:
    """What lies in a folder, for comparing: of each name its kind, size and time of change."""
    found = {}
    for root, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = Path(root, name)
            there = path.lstat()
            changed = 0 if path.is_dir() else there.st_mtime_ns
            size = 0 if path.is_dir() else there.st_size
            found[str(path.relative_to(folder))] = (there.st_mode, size, changed)
    return found
