"""Where the explorer keeps what it fetched and computed."""

import logging
import os
import tempfile
from contextlib import suppress
from functools import cache
from pathlib import Path

import platformdirs

from embfilter_viz.errors import InputError
from embfilter_viz.system.files import clear_left, temporary_folder_of_process

__all__ = [
    "CACHE_VARIABLE",
    "cache_folder",
    "check_cache",
    "home_expanded",
    "is_writable",
    "place_in_cache",
    "writable_cache",
]

logger = logging.getLogger(__name__)

_DEEPEST = 4
"""Folders within each other in the cache: ``models/hub-heads/REPOSITORY/COMMIT``."""

CACHE_VARIABLE = "EMBFILTER_VIZ_CACHE"
_LONGEST_NAME = 255
"""Bytes of a folder's name, on the file systems that are in use."""


def cache_folder() -> Path:
    """The user's cache folder for models and results, made if it is not there.

    ``EMBFILTER_VIZ_CACHE`` overrides the platform's own place. Where none can be made (no home, a
    read-only disk), nothing is found in it, and writing to it fails.

    Raises:
        InputError: the variable names a file, or the home of a user who is not there.

    >>> import tempfile
    >>> from unittest.mock import patch
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with patch.dict("os.environ", {"EMBFILTER_VIZ_CACHE": folder}):
    ...         cache_folder() == Path(folder)
    True
    """
    override = os.environ.get(CACHE_VARIABLE)
    folder = home_expanded(override, CACHE_VARIABLE) if override else _platform_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError, ValueError) as error:
        raise _no_folder(folder) from error
    except OSError as error:
        logger.debug("%s: cannot be made (%s)", folder, error)
    _clear_once(folder)
    return folder


@cache
def _clear_once(folder: Path) -> None:
    """Remove what killed processes left unfinished in the cache, and of temporary folders."""
    clear_left(Path(tempfile.gettempdir()))
    for place, folders, _ in os.walk(folder):
        clear_left(Path(place))
        if len(Path(place).relative_to(folder).parts) == _DEEPEST:
            folders.clear()


def check_cache() -> None:
    """Check that the variable for the cache names a place where a folder can be; none is made.

    Raises:
        InputError: a file is in the way, or no folder can have that name.
    """
    override = os.environ.get(CACHE_VARIABLE)
    if not override:
        return
    folder = home_expanded(override, CACHE_VARIABLE).absolute()
    try:
        nearest = next(place for place in (folder, *folder.parents) if os.path.lexists(place))
        usable = nearest.is_dir() and len(os.fsencode(folder.name)) <= _LONGEST_NAME
    except (OSError, ValueError):
        usable = False
    if not usable:
        raise _no_folder(folder)


def _no_folder(folder: Path) -> InputError:
    return InputError(
        f"{CACHE_VARIABLE}={str(folder)[:200]!r}: no folder can be made there, for a file is in "
        f"the way or the name is too long; set it to a folder"
    )


def writable_cache() -> Path:
    """The cache folder, or for as long as this process lives a temporary one in its place.

    A read-only or full cache is told of once; what would be kept in it is then made anew by the
    next process.
    """
    folder = cache_folder()
    return folder if is_writable(folder) else _instead(str(folder))


def place_in_cache(*parts: str) -> Path:
    """The place of an entry in the cache: where it is kept, or where it can be made.

    >>> import tempfile
    >>> from unittest.mock import patch
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with patch.dict("os.environ", {"EMBFILTER_VIZ_CACHE": folder}):
    ...         place_in_cache("models", "x") == Path(folder, "models", "x")
    True
    """
    kept = cache_folder().joinpath(*parts)
    with suppress(OSError):  # a folder that may not be looked into
        if kept.exists():
            return kept
    return writable_cache().joinpath(*parts)


def is_writable(folder: Path) -> bool:
    """Tell whether a file can be written into a folder, by writing one.

    >>> is_writable(Path("/proc"))
    False
    """
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(4096))  # a full disk still makes empty files
    except OSError:
        return False
    return True


@cache
def _instead(place: str) -> Path:
    """A folder that ends with this process."""
    folder = temporary_folder_of_process()
    logger.warning("%s cannot be written to, so nothing is kept for the next time", place)
    return folder


def home_expanded(said: str, variable: str) -> Path:
    """A path from an environment variable, with ``~`` written out.

    Args:
        said: the variable's value.
        variable: its name, for the message.

    Raises:
        InputError: ``~nobody`` of a user who is not there, or a name no path can have.

    >>> home_expanded("~no-such-user/cache", "EMBFILTER_VIZ_CACHE")
    Traceback (most recent call last):
    embfilter_viz.errors.InputError: EMBFILTER_VIZ_CACHE='~no-such-user/cache': there is no such ...
    """
    try:
        return Path(said).expanduser()
    except (RuntimeError, ValueError) as error:
        raise InputError(
            f"{variable}={said[:200]!r}: there is no such user's home; write the folder out"
        ) from error


def _platform_folder() -> Path:
    return platformdirs.user_cache_path("embfilter-viz")
