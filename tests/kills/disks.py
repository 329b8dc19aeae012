"""The same operations on disks that are full, that fill up on the way, or are read-only."""

import errno
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from tests.kills.operations import content_of, same
from tests.kills.processes import Ended, apart
from tests.kills.trials import Trials, outputs_in

__all__ = ["DISKS", "READ_ONLY", "can_mount", "try_disk"]

DISKS = ("cache", "hf", "tmp", "out")
"""Folders of a room, each of which may lie on a disk of its own."""
READ_ONLY = -1
"""In the place of the bytes that are free."""
_BALLAST = "ballast"
"""The file that fills a disk."""


def can_mount(folder: Path) -> bool:
    """Tell whether this process may mount a disk: root may, and so may ``unshare -rm``."""
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode:
        return False
    subprocess.run(["umount", str(folder)], check=True)
    return True


def try_disk(trials: Trials, disk: str, free: int) -> str:
    """Do the work where ``disk`` has ``free`` bytes left, then where it has room.

    Returns:
        ``finished`` or ``refused``; what is wrong is noted in ``trials.found``.
    """
    how = f"{disk} {'read-only' if free == READ_ONLY else f'with {free:,} bytes'}"
    found, room = trials.found, trials.empty_room()
    found.tried += 1
    with _mounted(room / disk, trials.operation.disk):
        trials.lay_out(room)
        with _full(room / disk, free):
            ended = trials.start(room).ended()
            _judge(trials, room, ended, how)
        if ended.code == 0 and disk == "cache":
            # Without a cache nobody knows that the file is ours; the same again needs --force.
            for path in set((room / "out").iterdir()) - set(trials.laid_out):
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        trials.finish(room, how)
    return "refused" if ended.code else "finished"


def _judge(trials: Trials, room: Path, ended: Ended, how: str) -> None:
    """Hold what a disk without room made of the work against what is allowed."""
    found, reference = trials.found, trials.reference
    lines = [line for line in ended.log.splitlines() if not line.startswith("… ")]
    if ended.code not in (0, 2) or any(not line.startswith("embfilter-viz: ") for line in lines):
        found.fault("no line", f"{how}: {ended.code}, {ended.log[-1500:]}")
    if ended.code == 0:
        out = outputs_in(room)
        out.pop(_BALLAST, None)
        whole = same(out, reference.out)
        if not (whole and same(trials.said(ended), reference.said)):
            found.fault("lost results", f"{how}: {ended.said[:300]}")
        return
    if not lines:
        found.fault("no line", f"{how}: {ended.code} and not a word")
    # A database keeps its log beside it, which it takes up when it is opened again.
    before = (*(path.name for path in trials.laid_out), _BALLAST)
    for path in (room / "out").iterdir():
        if path.name.endswith(".part") or (
            not path.name.startswith(before)
            and path.is_file()
            and not same(apart(partial(content_of, path)), reference.out[path.name])
        ):
            found.fault("half written", f"{how}: {path.name}")


@contextmanager
def _mounted(folder: Path, size: int) -> Iterator[None]:
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


@contextmanager
def _full(folder: Path, free: int) -> Iterator[None]:
    """A disk with so many bytes left, for as long as the block lasts."""
    if free == READ_ONLY:
        subprocess.run(["mount", "-o", "remount,ro", folder], check=True)
        yield
        subprocess.run(["mount", "-o", "remount,rw", folder], check=True)
        return
    ballast = folder / _BALLAST
    with ballast.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(1 << 16))
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
        file.truncate(max(0, file.tell() - free))
    yield
    ballast.unlink()
