"""Files and folders that appear whole or not at all, and leave nothing behind.

What is unfinished lies in a folder of its own beside its place, and goes with that folder, whatever
a library has put beside it. The folder is locked for as long as it is in use, and the system lets
go of a lock when the process ends, however it ends. So the next start knows what was left behind,
also in a container, where each process has the number that the one before it had. What another
machine makes in a shared folder is left alone until nothing has been written to it for a day: not
every network disk tells one machine of the locks of another.
"""

import atexit
import hashlib
import os
import platform
import re
import secrets
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

__all__ = [
    "clear_left",
    "kept_aside",
    "temporary_folder",
    "temporary_folder_of_process",
    "unfinished",
    "write_atomically",
]

_LONGEST_NAME = 200
"""Bytes of a name beside which there is room for more."""
_HOST = hashlib.sha256(platform.node().encode()).hexdigest()[:4]
"""This machine in the names of our folders."""
_ROOM = re.compile(r"\..+\.(?P<process>\d+)\.(?P<host>[0-9a-f]{4})[0-9a-f]{4}\.part", re.DOTALL)
"""Names of our folders of unfinished work."""
_EARLIER = re.compile(r"\..+\.(?P<process>\d+)[-.][0-9a-f]+\.part", re.DOTALL)
"""Names that earlier releases gave to what was unfinished: nothing is locked there."""
_LONG = 86_400.0
"""Seconds without a change after which another machine's work is taken to be left behind."""
_OLD = "old"
"""Of a room: holds what is being replaced, until what replaces it is in its place."""


@contextmanager
def unfinished(path: Path) -> Iterator[Path]:
    """A place of the same name as ``path`` to make it in, until all of it is there.

    Move it to ``path`` when it is whole. What is left in the folder around it goes when the block
    ends, or at the next start where the process was killed.

    Raises:
        OSError: nothing can be written there.

    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with unfinished(Path(folder, "x")) as place:
    ...         _ = place.write_text("all of it")
    ...         _ = place.replace(Path(folder, "x"))
    ...     [path.name for path in Path(folder).iterdir()]
    ['x']
    """
    clear_left(path.parent)
    room = _Room(path.parent, path.name)
    try:
        yield room.folder / path.name
    finally:
        room.close()


@contextmanager
def temporary_folder(name: str = "embfilter-viz") -> Iterator[Path]:
    """A folder below the system's temporary one for the time of the block.

    Args:
        name: a part of its name; a short one leaves room for the sockets of others.

    >>> with temporary_folder() as folder:
    ...     folder.is_dir()
    True
    """
    clear_left(Path(tempfile.gettempdir()))
    room = _Room(Path(tempfile.gettempdir()), name)
    try:
        yield room.folder
    finally:
        room.close()


def temporary_folder_of_process() -> Path:
    """The same, for as long as this process lives."""
    clear_left(Path(tempfile.gettempdir()))
    return _Room(Path(tempfile.gettempdir()), "embfilter-viz").folder


def kept_aside(place: Path, target: Path) -> Path:
    """Name where ``target`` stands aside until ``place`` of :func:`unfinished` is in its place.

    Where the process ends before that, ``target`` is put back.
    """
    aside = place.parent / _OLD
    aside.mkdir()
    return aside / target.name


def write_atomically(path: Path, content: str) -> None:
    """Write ``content`` so that a reader sees the old file or the new one, never half of it.

    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_atomically(Path(folder, "a", "b.json"), "{}")
    ...     Path(folder, "a", "b.json").read_text()
    '{}'
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.parent not in _looked_at:  # small files may be written by the thousand
        _looked_at.add(path.parent)
        clear_left(path.parent)
    room = _Room(path.parent, path.name)
    try:
        place = room.folder / path.name
        place.write_text(content, encoding="utf-8")
        place.replace(path)
    finally:
        room.close()


def clear_left(folder: Path) -> None:
    """Remove what processes that have ended left unfinished in ``folder``.

    >>> with tempfile.TemporaryDirectory() as folder:
    ...     Path(folder, ".x.999999999-0.part").touch()
    ...     clear_left(Path(folder))
    ...     list(Path(folder).iterdir())
    []
    """
    with suppress(OSError), os.scandir(folder) as entries:
        for path in [Path(entry) for entry in entries if entry.name.endswith(".part")]:
            if path.is_dir() and (found := _ROOM.fullmatch(path.name)):
                _clear_room(path, int(found["process"]), found["host"])
            elif (found := _EARLIER.fullmatch(path.name)) and not _lives(int(found["process"])):
                _remove(path)


class _Room:
    """A folder for unfinished work, held by a lock until it is closed."""

    def __init__(self, parent: Path, name: str) -> None:
        if len(os.fsencode(name)) > _LONGEST_NAME:  # file systems take 255 bytes
            name = hashlib.sha256(os.fsencode(name)).hexdigest()[:32]
        while True:
            part = f".{name}.{os.getpid()}.{_HOST}{secrets.token_hex(2)}.part"
            self.folder = parent / part
            try:
                self.folder.mkdir(mode=0o700)
            except FileExistsError:
                continue
            held, self._lock = _locked(self.folder)
            # Another process may have taken it for left before it was locked.
            if held and self.folder.is_dir():
                break
            _unlock(self._lock)
        self._owner = os.getpid()
        _rooms.add(self)

    def close(self) -> None:
        """Remove it and all that is in it, once."""
        if self in _rooms:
            _rooms.discard(self)
            if self._owner == os.getpid():
                _put_back(self.folder)
                _remove(self.folder)
            _unlock(self._lock)


_rooms: set[_Room] = set()
_looked_at: set[Path] = set()
"""Folders of small files that this process has cleared of what others left."""


@atexit.register
def _tidy_up() -> None:
    """Remove what threads have not finished when the process ends; nobody waits for them."""
    for room in list(_rooms):
        room.close()


def _clear_room(folder: Path, process: int, host: str) -> None:
    held, lock = _locked(folder)
    if host == _HOST:
        left = held and (lock is not None or not _lives(process))
    else:
        left = held and lock is not None and time.time() - _last_change(folder) > _LONG
    if left:
        _put_back(folder)
        _remove(folder)
    _unlock(lock)


def _last_change(folder: Path) -> float:
    times = [folder.stat().st_mtime]
    for path in folder.rglob("*"):
        with suppress(OSError):
            times.append(path.lstat().st_mtime)
    return max(times)


def _put_back(room: Path) -> None:
    """Put what was to be replaced back where it was, if nothing stands there yet."""
    with suppress(OSError):
        for old in list((room / _OLD).iterdir()):
            if not os.path.lexists(room.parent / old.name):
                old.rename(room.parent / old.name)
        # Half removed, it must not be put back by whoever finds the rest.
        (room / _OLD).rename(room / "replaced")


def _locked(folder: Path) -> tuple[bool, int | None]:
    """Lock a folder: whether nobody else holds it, and the lock; None where there are none."""
    try:
        import fcntl
    except ImportError:
        return True, None
    try:
        lock = os.open(folder, os.O_RDONLY)
    except OSError:  # gone, or of another user
        return False, None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return False, None
    except OSError:  # a file system without locks
        os.close(lock)
        return True, None
    return True, lock


def _unlock(lock: int | None) -> None:
    if lock is not None:
        os.close(lock)


def _lives(process: int) -> bool:
    import psutil

    return bool(psutil.pid_exists(process))


def _remove(path: Path) -> None:
    with suppress(OSError):  # it is gone already, or another process is doing the same
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
