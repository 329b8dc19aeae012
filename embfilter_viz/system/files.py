"""Files written whole or not at all."""

import glob
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from embfilter_viz.errors import InputError

__all__ = ["part_of", "write_atomically", "written_whole"]


def part_of(path: Path) -> Path:
    """The place beside ``path`` where this process makes it, until all of it is there.

    What processes that have ended left in their own places is removed: a process that is killed
    cannot tidy up.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     left = Path(folder, ".x.999999999.part")
    ...     left.touch()
    ...     part_of(Path(folder, "x")).name == f".x.{os.getpid()}.part", left.exists()
    (True, False)
    """
    import psutil

    for left in path.parent.glob(f".{glob.escape(path.name)}.*.part"):
        number = left.name.removeprefix(f".{path.name}.").removesuffix(".part")
        if number.isdecimal() and not psutil.pid_exists(int(number)):
            with suppress(OSError):  # another process may be doing the same
                shutil.rmtree(left) if left.is_dir() else left.unlink()
    return path.with_name(f".{path.name}.{os.getpid()}.part")


@contextmanager
def written_whole(path: Path) -> Iterator[BinaryIO]:
    """A file to write into, called ``path`` only once all of it is there.

    It is made at once under another name in the same folder, so that a place that cannot be
    written to is known before the work and not after it. Whatever ends the block early leaves
    ``path`` as it was.

    Raises:
        InputError: the folder is not there or refuses the file, or ``path`` is a folder.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with written_whole(Path(folder, "x")) as file:
    ...         _ = file.write(b"all of it")
    ...     Path(folder, "x").read_bytes()
    b'all of it'
    """
    if path.is_dir():
        raise InputError(f"{path}: is a folder; name a file in it, such as {path / 'out.npy'}")
    if not path.parent.is_dir():
        raise InputError(f"{path}: there is no folder {path.parent}; make it first")
    part = part_of(path)
    try:
        try:
            with part.open("wb") as file:
                yield file
            part.replace(path)
        except OSError as error:
            reason = error.strerror or str(error)
            raise InputError(
                f"{path}: cannot be written ({reason}); choose another place"
            ) from error
    finally:
        part.unlink(missing_ok=True)


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
