"""What goes wrong for reasons the user can mend, and what they stopped themselves."""

import errno
import os
import re
from pathlib import Path

__all__ = ["Cancelled", "DamagedError", "InputError", "line_of_disk", "one_line"]

_LONGEST = 900
"""Characters of a line; what stands in the middle of a longer one is left out."""
_UNPRINTED = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]+")
"""What ends a line, turns one round, or has no form in UTF-8."""


class InputError(ValueError):
    r"""Bad input, told in one line that names the input, the rule and the way out.

    The command line prints it and exits with 2; a page shows it in place of its figure. Every
    other exception is a bug of ours and keeps its traceback.

    >>> raise InputError("window 9:3: l must be smaller than r; try 3:9")
    Traceback (most recent call last):
    embfilter_viz.errors.InputError: window 9:3: l must be smaller than r; try 3:9
    >>> str(InputError("no\nfile \ud800")), len(str(InputError("9" * 5000)))
    ('no file �', 900)
    """

    def __init__(self, line: str) -> None:
        super().__init__(one_line(line))


class DamagedError(InputError):
    """A file does not hold what it should; one that was fetched can be fetched again.

    Args:
        line: as of :class:`InputError`.
        path: the file.
    """

    def __init__(self, line: str, path: Path) -> None:
        super().__init__(line)
        self.path = path


def one_line(said: object) -> str:
    r"""Words as one line that can be printed: nothing in them ends it or moves the cursor.

    >>> one_line("no\nfile \x1b[2J"), one_line("a" * 5000)[440:460]
    ('no file �[2J', 'aaaaaaaaaa…aaaaaaaaa')
    """
    line = _UNPRINTED.sub(_shown, str(said))
    if len(line) > _LONGEST:
        half = _LONGEST // 2
        line = f"{line[:half]}…{line[1 - half :]}"
    return line


def _shown(found: re.Match[str]) -> str:
    return " " if found[0].isspace() else "\N{REPLACEMENT CHARACTER}"


class Cancelled(Exception):  # noqa: N818 - not an error: the user asked for it
    """Long work was stopped by the user; what was finished is kept."""


_ROOM = frozenset(
    getattr(errno, name) for name in ("ENOSPC", "EDQUOT", "EFBIG") if hasattr(errno, name)
)
_RIGHTS = frozenset({errno.EROFS, errno.EACCES, errno.EPERM})
_CUT_SHORT = re.compile(r"\d+ requested and \d+ written")
"""All that NumPy says where an array fitted on a disk in part."""
_IN_THE_WAY = frozenset({errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ELOOP})


def line_of_disk(error: OSError, place: str = "") -> str | None:
    """Say in one line that a disk is full, closed or not as it must be; None for other errors.

    Args:
        error: what the system said.
        place: what was at work, where the error does not say which file it was.

    >>> line_of_disk(OSError(errno.ENOSPC, "No space left on device", "/cache/x"))
    '/cache/x: No space left on device; make room, or set EMBFILTER_VIZ_CACHE to a folder on a ...'
    >>> line_of_disk(OSError("2048 requested and 1434 written"), "embedding")
    'embedding: No space left on device; make room, or set EMBFILTER_VIZ_CACHE to a folder on a ...'
    >>> line_of_disk(FileExistsError(errno.EEXIST, "File exists", "/cache/models"))
    '/cache/models: File exists; a file or link is in the way: move it, or set ...'
    >>> line_of_disk(FileNotFoundError(errno.ENOENT, "No such file", "x")) is None
    True
    """
    where = error.filename or place or "a file"
    if error.errno in _ROOM or _CUT_SHORT.fullmatch(str(error)):
        return (
            f"{where}: {error.strerror or os.strerror(errno.ENOSPC)}; make room, or set "
            "EMBFILTER_VIZ_CACHE to a folder on a larger disk (and TMPDIR, where the temporary "
            "folder is full)"
        )
    if error.errno in _RIGHTS:
        return f"{where}: {error.strerror}; set EMBFILTER_VIZ_CACHE to a folder you may write to"
    if error.errno in _IN_THE_WAY and error.filename:
        return (
            f"{where}: {error.strerror}; a file or link is in the way: move it, or set "
            "EMBFILTER_VIZ_CACHE to another folder"
        )
    return None
