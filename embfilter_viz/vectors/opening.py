"""Stored vectors by the ending of their file."""

from collections.abc import Callable
from pathlib import Path

from embfilter_viz.errors import InputError
from embfilter_viz.vectors.arrow import ArrowVectors
from embfilter_viz.vectors.faiss_index import FaissVectors
from embfilter_viz.vectors.npy import NpyVectors
from embfilter_viz.vectors.stored import StoredVectors

__all__ = ["ENDINGS", "open_vectors"]

ENDINGS: dict[str, Callable[[Path, str | None], StoredVectors]] = {
    ".npy": NpyVectors,
    ".parquet": ArrowVectors,
    ".arrow": ArrowVectors,
    ".feather": ArrowVectors,
    ".faiss": FaissVectors,
    ".index": FaissVectors,
}
"""What reads and writes files of each ending."""


def open_vectors(path: str | Path, column: str | None = None) -> StoredVectors:
    """Open raw vectors that are stored in a file; none of them is read yet but from an index.

    Args:
        path: a ``.npy``, ``.parquet``, ``.arrow``, ``.feather``, ``.faiss`` or ``.index`` file.
        column: the column of vectors, in a table that has several.

    Raises:
        InputError: no such file, an unknown ending, or a file that is not what its ending says.

    >>> open_vectors("vectors.txt")
    Traceback (most recent call last):
    embfilter_viz.errors.InputError: vectors.txt: stored vectors are .npy, .parquet, ...
    """
    path = Path(path)
    kind = ENDINGS.get(path.suffix.lower())
    kinds = ", ".join(ENDINGS)
    if kind is None:
        raise InputError(f"{path}: stored vectors are {kinds} files; give one of these")
    if not path.is_file():
        raise InputError(f"{path}: no such file; give a file of raw vectors, {kinds}")
    return kind(path, column)
