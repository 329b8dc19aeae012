"""Files of others, read within bounds: a pipe never ends, a device is as long as one reads."""

import os
import stat
from pathlib import Path

__all__ = ["is_there", "kind_of", "read_regular"]

_KINDS = (
    *((stat.S_ISFIFO, "a pipe (FIFO)"), (stat.S_ISSOCK, "a socket")),
    *((stat.S_ISCHR, "a device"), (stat.S_ISBLK, "a device")),
)


_OF_UNKNOWN_LENGTH = 100_000_000
"""Bytes that are read at most of a file that says it has none."""


def kind_of(path: Path) -> str | None:
    """Say what ``path`` is in words where it is neither a file nor a folder; None for these.

    A link is followed; a place where nothing is has no kind either.

    >>> kind_of(Path("/no/such/file")) is None
    True
    >>> kind_of(Path(os.devnull))
    'a device'
    """
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        return None
    return next((words for is_kind, words in _KINDS if is_kind(mode)), None)


def is_there(path: str) -> bool:
    r"""Tell whether something lies at ``path``; nothing does where there can be no such path.

    >>> is_there("."), is_there("a" * 10_000), is_there("\0")
    (True, False, False)
    """
    try:
        return Path(path).exists()
    except (OSError, ValueError):
        return False


def read_regular(path: Path, at_most: int | None = None) -> bytes:
    """The bytes of a plain file that has no more than ``at_most`` of them.

    A pipe is not waited for, and a file that says it is empty and never ends (some below ``/proc``)
    is not read on.

    Args:
        path: the file.
        at_most: bytes; without it those that the file says it has, or 100 million where it says
            none.

    Raises:
        OSError: it cannot be read, is no plain file, or is longer; the last two say so in words.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "x")
    ...     _ = path.write_bytes(b"abc")
    ...     read_regular(path, 3)
    b'abc'
    >>> read_regular(Path(os.devnull), 3)
    Traceback (most recent call last):
    OSError: it is a device, not a file
    """
    # Opened without waiting, and looked at once open: what lies there may change in between.
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    with os.fdopen(handle, "rb") as file:
        there = os.fstat(handle)
        if not stat.S_ISREG(there.st_mode):
            kinds = (words for is_kind, words in _KINDS if is_kind(there.st_mode))
            raise OSError(f"it is {next(kinds, 'a folder')}, not a file")
        if at_most is None:
            at_most = there.st_size or _OF_UNKNOWN_LENGTH
        found = file.read(at_most + 1)
    if len(found) > at_most:
        raise OSError(f"it is longer than {at_most:,} bytes")
    return found
