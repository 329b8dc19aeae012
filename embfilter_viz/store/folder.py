"""The folder of results: where an entry lies, who holds it, what is removed when it is full."""

import hashlib
import json
import logging
import os
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import BaseFileLock, FileLock, Timeout

from embfilter_viz.errors import InputError
from embfilter_viz.system.paths import cache_folder
from embfilter_viz.system.progress import Progress, silent

__all__ = ["Folder", "Key", "identity_of", "key_digest"]

logger = logging.getLogger("embfilter_viz.store")

Key = Mapping[str, object]

# Part of every digest: raise it when the meaning of the files changes, and old entries are
# simply never asked for again.
_FORMAT = 1
# Half a second: a waiting user can cancel well within the two seconds promised.
_WAIT_SECONDS = 0.5


def key_digest(kind: str, key: Key) -> str:
    """The name under which a result is stored: SHA-256 of the canonical JSON of kind and key.

    The order of the names in ``key`` does not matter; the difference of 2 and 2.0 does.

    Raises:
        TypeError: a value in ``key`` has no JSON form.
        ValueError: a value in ``key`` is NaN or infinite.

    >>> key_digest("spectrum", {"a": 1, "b": 2}) == key_digest("spectrum", {"b": 2, "a": 1})
    True
    >>> key_digest("spectrum", {"a": 1}) == key_digest("layout", {"a": 1})
    False
    """
    return hashlib.sha256(identity_of(kind, key).encode()).hexdigest()


def identity_of(kind: str, key: Key) -> str:
    """Kind, key and format as JSON that depends on nothing but their values.

    >>> identity_of("demo", {"b": 2, "a": None})
    '{"format":1,"key":{"a":null,"b":2},"kind":"demo"}'
    """
    content = {"format": _FORMAT, "kind": kind, "key": dict(key)}
    return json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)


class Folder:
    """A folder with one sub-folder a kind, locks per entry, and a bound on its size.

    Args:
        folder: where results live; None is ``results`` in the user's cache folder.
        limit_bytes: total size above which the entries used longest ago are removed.

    >>> import tempfile
    >>> Folder(tempfile.mkdtemp()).size()
    0
    """

    def __init__(self, folder: Path | str | None = None, limit_bytes: float = 20e9) -> None:
        self.limit_bytes = limit_bytes
        self._warned = False
        self.folder: Path | None = Path(folder) if folder is not None else None
        if folder is None:
            try:
                self.folder = cache_folder() / "results"
            except InputError as error:
                self.warn(error)

    def size(self) -> int:
        """Bytes now held in this folder."""
        return sum(status.st_size for _, status in self._files())

    def use_free_disk(self, share: float = 0.5) -> None:
        """Let it grow by a share of what is free on its disk, where that is beyond its limit.

        For a job that needs all it keeps until it is done. Whoever opens the folder later has the
        usual limit, and removes what is beyond it.
        """
        with suppress(OSError):
            if self.folder is not None:
                self.folder.mkdir(parents=True, exist_ok=True)
                free = shutil.disk_usage(self.folder).free
                self.limit_bytes = max(self.limit_bytes, self.size() + share * free)

    def path_of(self, kind: str, key: Key, suffix: str) -> Path | None:
        """The file of one entry; None where there is no folder to keep it in."""
        if not re.fullmatch(r"[a-z0-9][a-z0-9_-]*", kind):
            raise ValueError(f"kind {kind!r}: must be a short lower-case name, as 'spectrum'")
        if self.folder is None:
            return None
        return self.folder / kind / (key_digest(kind, key) + suffix)

    def warn(self, error: BaseException) -> None:
        """Say once, not once an entry, that results are not kept."""
        if not self._warned:
            self._warned = True
            logger.warning("results cannot be kept and are computed anew: %s", error)

    @contextmanager
    def locked(self, path: Path, progress: Progress = silent) -> Iterator[None]:
        """Hold the lock of one entry; hold nothing where there can be no lock file."""
        # The lock file stays after release, empty: removing one that others wait for would let
        # two in at once.
        lock = FileLock(path.with_suffix(".lock"), poll_interval=0.02)
        while not self._acquired(lock):
            progress("waiting for another process that computes the same", 0, 0, "")
        try:
            yield
        finally:
            lock.release()

    def _acquired(self, lock: BaseFileLock) -> bool:
        """True once the lock is held, or once it is clear that there can be none."""
        try:
            Path(lock.lock_file).parent.mkdir(parents=True, exist_ok=True)
            lock.acquire(timeout=_WAIT_SECONDS)
        except Timeout:
            return False
        except (OSError, NotImplementedError) as error:
            self.warn(error)
        return True

    def _files(self) -> Iterator[tuple[Path, os.stat_result]]:
        """Every file of the store with its facts; a file that goes meanwhile is not there."""
        if self.folder is None:
            return
        for path in self.folder.glob("*/*"):
            with suppress(OSError):
                yield path, path.stat()

    def evict(self, keep: Path) -> None:
        """Remove what was used longest ago until the limit holds; never ``keep``.

        Two processes may do this at once: they go through the same files in the same order, and
        what one has removed the other finds gone.
        """
        entries: dict[Path, list[tuple[Path, os.stat_result]]] = {}
        total = 0
        for path, status in self._files():
            if path.suffix in {".part", ".lock"}:  # at work, or empty
                continue
            # A database and its -wal and -shm are one entry.
            name = path.with_name(re.sub(r"-(wal|shm)$", "", path.name))
            entries.setdefault(name, []).append((path, status))
            total += status.st_size
        by_age = sorted(entries.items(), key=lambda item: max(s.st_mtime_ns for _, s in item[1]))
        for name, files in by_age:
            if total <= self.limit_bytes:
                return
            if name != keep and self._remove(name, [path for path, _ in files]):
                total -= sum(status.st_size for _, status in files)

    def _remove(self, name: Path, files: Iterable[Path]) -> bool:
        """Remove one entry unless somebody is writing it; True when it is gone."""
        lock = FileLock(name.with_suffix(".lock"))
        try:
            with lock.acquire(timeout=0):
                for path in files:
                    path.unlink(missing_ok=True)
        except (OSError, NotImplementedError):  # filelock's Timeout is an OSError
            return False
        return True
