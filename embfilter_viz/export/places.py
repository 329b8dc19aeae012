"""Where exports go: never over something foreign, and never half."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from embfilter_viz.errors import InputError
from embfilter_viz.system.files import part_of

__all__ = ["CARD", "beside", "writable_file", "written_folder"]

CARD = "embfilter.json"
"""The file that tells a folder of ours from one that only speaks of us."""
_MARKS = (
    b'"format":"embfilter-viz filter"',
    b"# Made by embfilter-viz ",
    b'<meta name="generator" content="embfilter-viz">',
    b": a FAISS pre-transform by embfilter-viz\n",
    b'"format": "embfilter-viz folder"',
)
"""How our files begin."""
_HEAD = 4096


def writable_file(path: Path, *, force: bool = False) -> None:
    """Refuse a place that holds a file which is no export of ours, unless ``force``.

    Raises:
        InputError: such a file is there.
    """
    if path.is_file() and not force and not (_ours(path) or _ours(beside(path))):
        raise InputError(
            f"{path}: is there already and no export of ours; choose another name, or replace it "
            "with --force"
        )


def beside(path: Path) -> Path:
    """The note beside a file that has no room for one inside.

    >>> beside(Path("index.vt")).name
    'index.vt.md'
    """
    return path.with_name(f"{path.name}.md")


@contextmanager
def written_folder(path: Path, *, force: bool = False) -> Iterator[Path]:
    """A folder to write into, called ``path`` only once all of it is there.

    An earlier export of ours is replaced. Anything else in the place is refused, or with
    ``force`` moved aside, never removed.

    Raises:
        InputError: the place is taken by something foreign, or cannot be written to.
    """
    taken = path.exists() and not (path.is_dir() and not any(path.iterdir()))
    ours = path.is_dir() and _ours(path / CARD)
    if taken and not ours and not force:
        raise InputError(
            f"{path}: is there already and no export of ours; choose another name, or move it "
            "aside with --force"
        )
    if not path.parent.is_dir():
        raise InputError(f"{path}: there is no folder {path.parent}; make it first")
    part = part_of(path)
    try:
        part.mkdir()
        yield part
        if taken:
            old = _free_name(path)
            path.rename(old)
            part.rename(path)
            if ours:
                shutil.rmtree(old)
        else:
            part.replace(path)
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(f"{path}: cannot be written ({reason}); choose another place") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _free_name(path: Path) -> Path:
    names = (path.with_name(f"{path.name}.before-{i}") for i in range(1, 10_000))
    return next(name for name in names if not name.exists())


def _ours(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
    except OSError:
        return False
    return any(mark in head for mark in _MARKS)
