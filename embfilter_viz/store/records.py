"""Small finished results of long jobs, a JSON file each, which are never removed to make room."""

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from embfilter_viz.store.folder import Key, identity_of, key_digest
from embfilter_viz.system.files import write_atomically
from embfilter_viz.system.paths import cache_folder

__all__ = ["Records"]

logger = logging.getLogger("embfilter_viz.store")


class Records:
    """A folder of finished results: a job of days that is killed goes on where it was.

    An entry of :class:`~embfilter_viz.store.Store` may be removed when the store is full; one of
    these is a line of numbers that took hours, and stays. Each file holds its key in words as well.

    Args:
        folder: where they lie; None is ``records`` in the user's cache folder.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     records = Records(folder)
    ...     records.put("scores", {"task": "a"}, {"score": 0.5})
    ...     records.get("scores", {"task": "a"}), records.get("scores", {"task": "b"})
    ({'score': 0.5}, None)
    """

    def __init__(self, folder: Path | str | None = None) -> None:
        self._folder = None if folder is None else Path(folder)
        self._warned = False

    def get(self, kind: str, key: Key) -> dict[str, Any] | None:
        """The result under ``key``; None where there is none, or the file is not whole."""
        try:
            content = json.loads(self._path(kind, key).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        if not isinstance(content, dict) or content.get("identity") != identity_of(kind, key):
            return None
        found = content.get("result")
        return found if isinstance(found, dict) else None

    def put(self, kind: str, key: Key, result: Mapping[str, Any]) -> None:
        """Keep a result that JSON can hold; a disk that refuses is warned of, not raised."""
        content = {"key": dict(key), "result": dict(result), "identity": identity_of(kind, key)}
        text = json.dumps(content, ensure_ascii=False, indent=1, allow_nan=False)
        try:
            write_atomically(self._path(kind, key), text)
        except OSError as error:
            if not self._warned:
                self._warned = True
                logger.warning("finished results cannot be kept: %s", error)

    def _path(self, kind: str, key: Key) -> Path:
        folder = cache_folder() / "records" if self._folder is None else self._folder
        return folder / kind / f"{key_digest(kind, key)}.json"
