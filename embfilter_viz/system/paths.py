"""Where the explorer keeps what it fetched and computed."""

import os
from pathlib import Path

import platformdirs

__all__ = ["CACHE_VARIABLE", "cache_folder"]

CACHE_VARIABLE = "EMBFILTER_VIZ_CACHE"


def cache_folder() -> Path:
    """The user's cache folder for models and results, made if it is not there.

    ``EMBFILTER_VIZ_CACHE`` overrides the platform's own place.

    >>> import tempfile
    >>> from unittest.mock import patch
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with patch.dict("os.environ", {"EMBFILTER_VIZ_CACHE": folder}):
    ...         cache_folder() == Path(folder)
    True
    """
    override = os.environ.get(CACHE_VARIABLE)
    folder = Path(override).expanduser() if override else _platform_folder()
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _platform_folder() -> Path:
    return platformdirs.user_cache_path("embfilter-viz")
