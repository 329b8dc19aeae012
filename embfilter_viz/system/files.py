"""Files written whole or not at all."""

import atexit
import glob
import hashlib
import os
import re
import secrets
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

__all__ = ["part_of", "write_atomically"]

_LONGEST_NAME = 200
"""Bytes of a name beside which there is room for more."""


def part_of(path: Path) -> Path:
    """A new place beside ``path`` to make it in, until all of it is there.

    What processes that have ended left in their own places is removed: a process that is killed
    cannot tidy up.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     left = Path(folder, ".x.999999999-0.part")
    ...     left.touch()
    ...     part_of(Path(folder, "x")).match(f".x.{os.getpid()}-*.part"), left.exists()
    (True, False)
    """
    import psutil

    name = path.name
    if len(os.fsencode(name)) > _LONGEST_NAME:  # file systems take 255 bytes
        name = hashlib.sha256(os.fsencode(name)).hexdigest()[:32]
    for left in path.parent.glob(f".{glob.escape(name)}.*.part"):
        number = re.split(r"[-.]", left.name.removeprefix(f".{name}."), maxsplit=1)[0]
        if number.isdecimal() and not psutil.pid_exists(int(number)):
            _remove(left)
    part = path.with_name(f".{name}.{os.getpid()}-{secrets.token_hex(3)}.part")
    _unfinished.add((os.getpid(), part))
    return part


_unfinished: set[tuple[int, Path]] = set()
"""Places given out, with the process they were given to; most of them are gone by now."""


@atexit.register
def _tidy_up() -> None:
    """Remove what threads have not finished when the process ends; nobody waits for them."""
    for process, part in _unfinished:
        if process == os.getpid():
            _remove(part)


def _remove(path: Path) -> None:
    with suppress(OSError):  # it is gone already, or another process is doing the same
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def write_atomically(path: Path, content: str) -> None:
    """Write ``content`` so that a reader sees the old file or the new one, never half of it.

    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_atomically(Path(folder, "a", "b.json"), "{}")
    ...     Path(folder, "a", "b.json").read_text()
    '{}'
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(content)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
