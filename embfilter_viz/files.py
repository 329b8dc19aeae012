"""Files written whole or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np

from embfilter_viz.errors import InputError

__all__ = ["save_npy", "written_whole"]


@contextmanager
def written_whole(path: Path) -> Iterator[BinaryIO]:
    """A file to write into, called ``path`` only once all of it is there.

    It is made at once under another name in the same folder, so that a place that cannot be
    written to is known before the work and not after it. Whatever ends the block early leaves
    ``path`` as it was.

    Raises:
        InputError: the folder is not there or refuses the file, or ``path`` is a folder.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with written_whole(Path(folder, "x")) as file:
    ...         _ = file.write(b"all of it")
    ...     Path(folder, "x").read_bytes()
    b'all of it'
    """
    if path.is_dir():
        raise InputError(f"{path}: is a folder; name a file in it, such as {path / 'out.npy'}")
    if not path.parent.is_dir():
        raise InputError(f"{path}: there is no folder {path.parent}; make it first")
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        try:
            with part.open("wb") as file:
                yield file
            part.replace(path)
        except OSError as error:
            reason = error.strerror or str(error)
            raise InputError(
                f"{path}: cannot be written ({reason}); choose another place"
            ) from error
    finally:
        part.unlink(missing_ok=True)


def save_npy(path: Path, array: np.ndarray) -> None:
    """Write an array as ``.npy``, under a temporary name until all of it is there.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_npy(Path(folder) / "x.npy", np.arange(3))
    ...     np.load(Path(folder) / "x.npy")
    array([0, 1, 2])
    """
    with written_whole(path) as file:
        np.save(file, array)
