"""The folders and zips that pages write for their readers: bounded, the oldest go first."""

import shutil
from contextlib import suppress
from pathlib import Path

from embfilter_viz.system.files import clear_left

__all__ = ["MOST_BYTES", "keep_within"]

MOST_BYTES = 4_000_000_000
"""What all of them may take together; the newest one is kept whatever its size."""


def keep_within(folder: Path, *, keep: str, most: int = MOST_BYTES) -> None:
    """Remove the oldest exports until those that are left fit, and what dead processes left.

    Args:
        folder: where they lie; each entry is a folder or a file.
        keep: how the name of an export begins that is not removed.
        most: bytes that they may take together.

    >>> import os, tempfile
    >>> with tempfile.TemporaryDirectory() as place:
    ...     for age, name in enumerate(["new", "older", "oldest"]):
    ...         _ = Path(place, name).write_bytes(bytes(40))
    ...         os.utime(Path(place, name), (1e9 - age, 1e9 - age))
    ...     keep_within(Path(place), keep="new", most=100)
    ...     sorted(path.name for path in Path(place).iterdir())
    ['new', 'older']
    """
    if not folder.is_dir():
        return
    clear_left(folder)
    entries = []
    for path in folder.iterdir():
        with suppress(OSError):  # another process may be doing the same
            entries.append((path.stat().st_mtime, path, _size(path)))
    taken = sum(size for *_, size in entries)
    for _, path, size in sorted(entries):
        if taken <= most:
            return
        if not path.name.startswith((keep, ".")):
            _remove(path)
            taken -= size


def _size(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())


def _remove(path: Path) -> None:
    with suppress(OSError):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
