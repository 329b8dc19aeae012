"""Files and folders that the user named: never over something foreign, and never half.

Links are followed and stay. What is no regular file (a pipe, a device, a socket, a folder) is
refused, and so is what the work reads. A file that is there is only replaced where we wrote it and
nobody changed it since, where it is empty, or where its owner says so with ``force``.
"""

import json
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from embfilter_viz.errors import InputError
from embfilter_viz.system.files import kept_aside, unfinished, write_atomically
from embfilter_viz.system.paths import cache_folder

__all__ = ["CARD", "beside", "checked_folder", "checked_output", "written_folder", "written_output"]

CARD = "embfilter.json"
"""The file that tells a folder of ours from one that only speaks of us."""
_MARKS = (
    b'"format":"embfilter-viz filter"',
    b"# Made by embfilter-viz ",
    b'<meta name="generator" content="embfilter-viz">',
    b": a FAISS pre-transform by embfilter-viz\n",
    b'"format": "embfilter-viz folder"',
)
"""How our files begin, where their format has room for it."""
_HEAD = 4096
_WRITTEN = "written.json"
"""The file in the cache that says what was written where, for formats without such room."""
_REMEMBERED = 2000
_STREAMS = ("/dev/stdout", "/dev/stderr", "/dev/fd/", "/proc/self/fd/", "/dev/tty")
_KINDS = (
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISSOCK, "a socket"),
)


def checked_output(path: Path, *, inputs: Iterable[Path] = (), force: bool = False) -> Path:
    """The regular file that ``path`` means, there already or not, once it may be written.

    Args:
        path: the file as the user named it; a link means what it points to.
        inputs: files and folders that the work reads.
        force: whether a file that is not ours may be replaced.

    Returns:
        the file without links.

    Raises:
        InputError: it is no regular file, an input, or not ours; or its folder is not there.

    >>> checked_output(Path("/dev/null"))
    Traceback (most recent call last):
    embfilter_viz.errors.InputError: /dev/null: is a device and no file; name a file, or - for ...
    """
    if str(path.absolute()).startswith(_STREAMS):
        raise InputError(f"{path}: is a stream and no file; write - for standard output")
    try:
        there, target = _status(path), Path(os.path.realpath(path))
    except (OSError, ValueError) as error:
        raise _unwritable(path, error) from error
    if there is not None and stat.S_ISDIR(there.st_mode):
        raise InputError(f"{path}: is a folder; name a file in it, such as {path / 'out'}")
    if there is not None and not stat.S_ISREG(there.st_mode):
        kind = next(words for is_one, words in _KINDS if is_one(there.st_mode))
        raise InputError(f"{path}: is {kind} and no file; name a file, or - for standard output")
    if not target.parent.is_dir():
        folder = target.parent if path.is_symlink() else path.parent
        raise InputError(f"{path}: there is no folder {folder}; make it first")
    if there is None:
        return target
    if any(_reads(one, target) for one in inputs):
        raise InputError(f"{path}: is read by this very work; write to another file")
    if not force and not _replaceable(target, there):
        raise InputError(
            f"{path}: is there already, and not as embfilter-viz wrote it; choose another name, "
            "or replace it with --force"
        )
    return target


@contextmanager
def written_output(
    path: Path, *, inputs: Iterable[Path] = (), force: bool = False
) -> Iterator[BinaryIO]:
    """A file to write into, which stands at ``path`` only once all of it is there.

    It is made at once under another name in the same folder, so that a place that cannot be
    written to is known before the work and not after it. Whatever ends the block early leaves
    ``path`` as it was. A file that is replaced hands on its permissions.

    Args:
        path: the file as the user named it.
        inputs: files and folders that the work reads.
        force: whether a file that is not ours may be replaced.

    Returns:
        the open file.

    Raises:
        InputError: as of :func:`checked_output`, or the folder refuses the file.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with written_output(Path(folder, "x")) as file:
    ...         _ = file.write(b"all of it")
    ...     Path(folder, "x").read_bytes()
    b'all of it'
    """
    inputs = tuple(inputs)
    target = checked_output(path, inputs=inputs, force=force)
    try:
        with unfinished(target) as part:
            with os.fdopen(_opened(part, target), "wb") as file:
                yield file
            # What stands there now may be another thing than before the work.
            if checked_output(path, inputs=inputs, force=force) != target:
                raise InputError(f"{path}: points elsewhere than before; run this again")
            _remember(target, part)
            part.replace(target)
    except OSError as error:
        raise _unwritable(path, error) from error


def beside(path: Path) -> Path:
    """The note beside a file that has no room for one inside.

    >>> beside(Path("index.vt")).name
    'index.vt.md'
    """
    return path.with_name(f"{path.name}.md")


@contextmanager
def written_folder(
    path: Path, *, inputs: Iterable[Path] = (), force: bool = False
) -> Iterator[Path]:
    """A folder to write into, which stands at ``path`` only once all of it is there.

    An earlier export of ours is replaced. Anything else in the place is refused, or with
    ``force`` moved aside, never removed.

    Args:
        path: the folder as the user named it; a link means what it points to.
        inputs: files and folders that the work reads.
        force: whether something foreign may be moved aside.

    Returns:
        the folder to write into.

    Raises:
        InputError: the place is taken by something foreign or read by the work, or cannot be
            written to.
    """
    target = checked_folder(path, inputs=inputs, force=force)
    try:
        with unfinished(target) as part:
            part.mkdir()
            yield part
            _put_folder(part, target)
    except OSError as error:
        raise _unwritable(path, error) from error


def checked_folder(path: Path, *, inputs: Iterable[Path] = (), force: bool = False) -> Path:
    """The folder that ``path`` means, there already or not, once it may be written.

    Args:
        path: the folder as the user named it; a link means what it points to.
        inputs: files and folders that the work reads.
        force: whether something foreign may be moved aside.

    Returns:
        the folder without links.

    Raises:
        InputError: as of :func:`written_folder`.

    >>> checked_folder(Path("/dev/null"))
    Traceback (most recent call last):
    embfilter_viz.errors.InputError: /dev/null: is neither a folder nor a file; name a folder
    """
    target = Path(os.path.realpath(path))
    taken = target.exists() and not (target.is_dir() and not any(target.iterdir()))
    if taken and not (target.is_dir() or target.is_file()):
        raise InputError(f"{path}: is neither a folder nor a file; name a folder")
    if taken and not _marked(target / CARD) and not force:
        raise InputError(
            f"{path}: is there already and no export of ours; choose another name, or move it "
            "aside with --force"
        )
    if any(Path(os.path.realpath(one)).is_relative_to(target) for one in inputs):
        raise InputError(f"{path}: holds what this very work reads; write to another folder")
    if not target.parent.is_dir():
        raise InputError(f"{path}: there is no folder {target.parent}; make it first")
    return target


def _put_folder(part: Path, target: Path) -> None:
    if not target.exists() or (target.is_dir() and not any(target.iterdir())):
        part.replace(target)
        return
    ours = _marked(target / CARD)
    target.rename(kept_aside(part, target) if ours else _free_name(target))
    part.rename(target)


def _free_name(path: Path) -> Path:
    names = (path.with_name(f"{path.name}.before-{i}") for i in range(1, 10_000))
    return next(name for name in names if not name.exists())


def _opened(part: Path, target: Path) -> int:
    """The unfinished file, nobody else's from the start where the old one was private.

    A file that is replaced hands on its permissions, and its owner where we may set him.
    """
    there, how = _status(target), os.O_CREAT | os.O_WRONLY | os.O_EXCL | getattr(os, "O_BINARY", 0)
    if there is None:
        return os.open(part, how, 0o666)  # less the umask
    handle = os.open(part, how, 0o600)
    with suppress(OSError, AttributeError):
        os.fchown(handle, there.st_uid, there.st_gid)
    with suppress(OSError, AttributeError):
        os.fchmod(handle, stat.S_IMODE(there.st_mode) & 0o777)
    return handle


def _status(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except FileNotFoundError:
        return None


def _reads(read: Path, target: Path) -> bool:
    """Tell whether ``target`` is what is read, or lies in a folder that is."""
    try:
        if read.is_dir():
            return target.is_relative_to(os.path.realpath(read)) and not _ours(target)
        return read.samefile(target)
    except OSError:
        return False


def _replaceable(path: Path, there: os.stat_result) -> bool:
    """Tell whether nothing is lost: empty or as we wrote it, and not write-protected."""
    return bool(there.st_mode & 0o222) and (there.st_size == 0 or _ours(path))


def _ours(path: Path) -> bool:
    seals = _seals(path)
    if not seals:  # written elsewhere, or by an earlier release
        return _marked(path) or _marked(beside(path))
    with suppress(OSError):
        return _seal(path.stat()) in seals or _marked(path)
    return False


def _marked(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
    except OSError:
        return False
    return any(mark in head for mark in _MARKS)


def _seal(status: os.stat_result) -> list[int]:
    return [status.st_size, status.st_mtime_ns]


def _remembered() -> dict[str, list[int]]:
    try:
        found = json.loads((cache_folder() / _WRITTEN).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _seals(path: Path) -> list[list[int]]:
    """Return what our file at ``path`` is like: the last one, and the one that it replaced."""
    said = _remembered().get(str(path), [])
    return [said[i : i + 2] for i in range(0, len(said), 2)] if isinstance(said, list) else []


def _remember(path: Path, part: Path) -> None:
    """Note that ``part``, which is about to be moved to ``path``, is ours.

    Before it is moved: whoever is killed in between must be able to run the same again, with the
    new file there or with the old one. Without a cache it then needs ``force``.
    """
    with suppress(OSError, UnicodeEncodeError):
        seals = [_seal(part.stat())]
        with suppress(OSError):
            seals += [seal for seal in _seals(path) if seal == _seal(path.stat())][:1]
        known = _remembered()
        known.pop(str(path), None)
        known[str(path)] = [number for seal in seals for number in seal]
        latest = dict(list(known.items())[-_REMEMBERED:])
        write_atomically(cache_folder() / _WRITTEN, json.dumps(latest))


def _unwritable(path: Path, error: Exception) -> InputError:
    reason = getattr(error, "strerror", None) or str(error)
    return InputError(f"{path}: cannot be written ({reason}); choose another place")
