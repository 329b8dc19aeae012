"""Where the explorer keeps what it fetched and computed."""

import os
from pathlib import Path

import platformdirs

from embfilter_viz.errors import InputError

__all__ = ["CACHE_VARIABLE", "cache_folder", "home_expanded"]

CACHE_VARIABLE = "EMBFILTER_VIZ_CACHE"


def cache_folder() -> Path:
    """The user's cache folder for models and results, made if it is not there.

    ``EMBFILTER_VIZ_CACHE`` overrides the platform's own place.

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
        raise InputError(
            f"{CACHE_VARIABLE}={str(folder)[:200]!r}: no folder can be made there, for a file is "
            f"in the way; set it to a folder"
        ) from error
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
