"""Tables of vectors by key, filled bit by bit: what a long job has finished outlives it."""

import hashlib
import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import numpy as np

from embfilter_viz.store.folder import Folder
from embfilter_viz.system.progress import Progress, silent

__all__ = ["RowStore", "TextStore", "text_key"]

# SQLite's result codes for a file that is no database of ours: ERROR (another schema), CORRUPT,
# NOTADB. Others (BUSY, FULL, READONLY, CANTOPEN) say nothing against the file.
_SQLITE_FOREIGN = frozenset({sqlite3.SQLITE_ERROR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_SQLITE_ENDINGS = ("", "-wal", "-shm")
_SQL_VARIABLES = 500
_BUSY_SECONDS = 30.0


def text_key(text: str) -> bytes:
    """SHA-256 (32 bytes) of a text, the key of its row in a :class:`RowStore`.

    >>> len(text_key("a cat"))
    32
    """
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


class RowStore:
    """Float32 vectors by key, one table: the finished parts of a long job, kept as they come.

    Made by :meth:`embfilter_viz.store.Store.rows`. Every vector carries a checksum; a damaged
    one is not there, and a damaged table starts afresh. The file is opened for each call only,
    so nothing is held between calls and a table can be shared by threads and processes.

    >>> import tempfile, numpy as np
    >>> from embfilter_viz.store import Store
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     rows = Store(folder).rows("embeddings", {"prompt": "mean"})
    ...     rows.put({text_key("a"): np.ones(2, np.float32)})
    ...     found = rows.get([text_key("a"), text_key("b")])
    >>> [vector.tolist() for vector in found.values()]
    [[1.0, 1.0]]
    """

    def __init__(self, folder: Folder, path: Path | None, identity: str) -> None:
        self._folder = folder
        self._path = path
        self._salt = hashlib.sha256(identity.encode()).digest()

    def get(self, keys: Sequence[bytes]) -> dict[bytes, np.ndarray]:
        """The vectors that are there, read-only, by key; those missing or damaged are absent."""
        found = self._payloads(keys)
        return {key: np.frombuffer(payload, dtype="<f4") for key, payload in found.items()}

    def put(self, vectors: Mapping[bytes, np.ndarray]) -> None:
        """Keep vectors, all or none of them; a disk that refuses is warned of, not raised.

        Raises:
            TypeError: a vector is not one-dimensional float32.
        """
        for vector in vectors.values():
            if vector.dtype != np.float32 or vector.ndim != 1:
                raise TypeError(f"a row must be (d,) float32, not {vector.shape} {vector.dtype}")
        self._keep(
            {key: vector.astype("<f4", copy=False).tobytes() for key, vector in vectors.items()}
        )

    def _payloads(self, keys: Sequence[bytes]) -> dict[bytes, bytes]:
        """The bytes that are there and whole, by key, in the order of ``keys``."""
        if self._path is None or not self._size():
            return {}
        wanted = list(dict.fromkeys(keys))
        found: dict[bytes, bytes] = {}

        def read(table: sqlite3.Connection) -> None:
            for start in range(0, len(wanted), _SQL_VARIABLES):
                part = wanted[start : start + _SQL_VARIABLES]
                marks = ",".join("?" * len(part))
                query = f"SELECT key, vector, checksum FROM vectors WHERE key IN ({marks})"
                found.update(
                    {
                        key: payload
                        for key, payload, checksum in table.execute(query, part)
                        if self._whole(key, payload, checksum)
                    }
                )

        self._do(read)
        with suppress(OSError):
            os.utime(self._path)
        return {key: found[key] for key in wanted if key in found}

    def _keep(self, payloads: Mapping[bytes, bytes]) -> None:
        """Keep bytes by key, all or none of them."""
        if self._path is None or not payloads:
            return
        rows = [(key, payload, self._checksum(key, payload)) for key, payload in payloads.items()]
        incoming = sum(len(payload) for payload in payloads.values())
        if self._size() + incoming > self._folder.limit_bytes:
            self._folder.warn(OSError(f"more than {self._folder.limit_bytes:.3g} B in one table"))
            return

        def write(table: sqlite3.Connection) -> None:
            with table:
                table.executemany("INSERT OR REPLACE INTO vectors VALUES (?, ?, ?)", rows)

        self._do(write)
        self._folder.evict(keep=self._path)

    @contextmanager
    def turn(self, keys: Sequence[bytes], progress: Progress = silent) -> Iterator[None]:
        """Hold the turn to compute these rows: who would compute the same waits meanwhile.

        Who computes others does not, whatever they have in common: a sentence need not wait for
        a corpus.

        Args:
            keys: the rows that are about to be computed, in any order.
            progress: told that another process is being waited for; may cancel the wait.
        """
        if self._path is None:
            yield
            return
        digest = hashlib.sha256(b"".join(sorted(keys))).hexdigest()
        # Lock files stay, so there are some thousands at most, and now and then two share one.
        with self._folder.locked(self._path.with_name(f"{self._path.stem}-{digest[:3]}"), progress):
            yield

    def _checksum(self, key: bytes, payload: bytes) -> bytes:
        # The salt ties a row to this table: a file copied from another one proves nothing.
        return hashlib.blake2b(self._salt + key + payload, digest_size=16).digest()

    def _whole(self, key: object, payload: object, checksum: object) -> bool:
        return (
            isinstance(key, bytes)
            and isinstance(payload, bytes)
            and self._checksum(key, payload) == checksum
        )

    def _size(self) -> int:
        assert self._path is not None
        total = 0
        for ending in ("", "-wal"):
            with suppress(OSError):
                total += self._path.with_name(self._path.name + ending).stat().st_size
        return total

    def _do(self, work: Callable[[sqlite3.Connection], None]) -> None:
        """Work on the open table under its lock, which also keeps eviction away."""
        assert self._path is not None
        with self._folder.locked(self._path):
            try:
                try:
                    self._on_table(work)
                except sqlite3.DatabaseError as error:
                    if getattr(error, "sqlite_errorcode", 0) & 0xFF not in _SQLITE_FOREIGN:
                        raise
                    # No table of ours, or no longer whole: begin again.
                    for ending in _SQLITE_ENDINGS:
                        self._path.with_name(self._path.name + ending).unlink(missing_ok=True)
                    self._on_table(work)
            except (sqlite3.Error, OSError) as error:
                self._folder.warn(error)

    def _on_table(self, work: Callable[[sqlite3.Connection], None]) -> None:
        assert self._path is not None
        with closing(sqlite3.connect(self._path, timeout=_BUSY_SECONDS)) as table:
            table.execute("PRAGMA journal_mode=WAL")
            table.execute("PRAGMA synchronous=NORMAL")
            table.execute(
                "CREATE TABLE IF NOT EXISTS vectors "
                "(key BLOB PRIMARY KEY, vector BLOB NOT NULL, checksum BLOB NOT NULL)"
            )
            work(table)


class TextStore(RowStore):
    """Texts by key, kept in the way of :class:`RowStore`.

    Made by :meth:`embfilter_viz.store.Store.texts`.

    >>> import tempfile
    >>> from embfilter_viz.store import Store
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     rows = Store(folder).texts("demo", {"of": "a model"})
    ...     rows.put_texts({text_key("a"): "what it wrote"})
    ...     rows.get_texts([text_key("a"), text_key("b")])[text_key("a")]
    'what it wrote'
    """

    def get_texts(self, keys: Sequence[bytes]) -> dict[bytes, str]:
        """The texts that are there, by key; those missing or damaged are absent."""
        found = self._payloads(keys)
        return {key: payload.decode("utf-8", "surrogatepass") for key, payload in found.items()}

    def put_texts(self, texts: Mapping[bytes, str]) -> None:
        """Keep texts, all or none of them; a disk that refuses is warned of, not raised."""
        self._keep({key: text.encode("utf-8", "surrogatepass") for key, text in texts.items()})
