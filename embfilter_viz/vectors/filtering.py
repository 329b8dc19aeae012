"""One filter made ready for vectors of one origin: checked once, then a product a block."""

import hashlib
from collections.abc import Mapping

import numpy as np

from embfilter_viz.errors import InputError
from embfilter_viz.export.filter_file import SavedFilter, SavedMap
from embfilter_viz.vectors.stored import BYTES, kept_precision

__all__ = ["OF_LENGTH_ONE", "Filtering"]

_LOOKED_AT = 1000
"""Vectors looked at to tell whether they are of length 1."""
_LENGTH_ONE = 2e-3
"""How far from 1 a length may be: float16 rounds each number by up to 5e-4 of it."""

OF_LENGTH_ONE = (
    "They have length 1. The filter is linear, so cosines of filtered vectors are the same as "
    "without it; filtered vectors are shorter than 1."
)
"""Tells what follows for vectors of length 1."""


class Filtering:
    """A filter over raw vectors of one origin.

    Products are float32 for float16, float32 and int8, and float64 for float64.

    Args:
        filter: as :func:`~embfilter_viz.export.filter_file.load_filter` gives it.
        where: where the vectors are stored, for an error.
        width: numbers in each.
        dtype: of each number.
        said: what their place says of them, such as ``head_hash``.
        first: (m, width) some of them, which tell whether they are of length 1.

    Raises:
        InputError: vectors of another width or checkpoint than the filter's, vectors that were
            filtered before, or of length 1 for a filter that adds an offset.
    """

    def __init__(
        self,
        filter: SavedFilter | SavedMap,
        where: str,
        width: int,
        dtype: np.dtype,
        said: Mapping[str, str],
        first: np.ndarray,
    ) -> None:
        matrix, offset = _map(filter)
        self.checked = _check_origin(filter, where, width, said)
        is_bytes = dtype.name in BYTES
        if dtype == np.uint8:
            raise InputError(
                f"{where}: bytes of uint8 do not say which of them is zero; give their --ranges or "
                "--scales"
            )
        self.normalised = not is_bytes and _of_length_one(first)
        if offset is not None and (self.normalised or is_bytes):
            why = "have length 1" if self.normalised else "are int8, whose scale is not known"
            raise InputError(
                f"{where}: these vectors {why}, and {filter.metadata['method']} adds an offset "
                "that holds for vectors as the model gave them; store those, or take a window"
            )
        self._sums = np.dtype(np.float64 if dtype.itemsize == 8 else np.float32)
        self._A = np.ascontiguousarray(matrix, dtype=self._sums)
        self._b = None if offset is None else offset.astype(self._sums)
        self.dtype = kept_precision(dtype)
        self.dimensions = int(matrix.shape[1])

    def __call__(self, block: np.ndarray) -> np.ndarray:
        """Filter a block of raw vectors.

        Args:
            block: (m, width) raw vectors, all finite.

        Returns:
            (m, k) in the precision of the raw ones, float32 for int8.
        """
        made = block.astype(self._sums, copy=False) @ self._A
        if self._b is not None:
            made += self._b
        return made.astype(self.dtype, copy=False)

    @property
    def fingerprint(self) -> str:
        """The SHA-256 of the matrix and the offset: the same filter has the same."""
        digest = hashlib.sha256(self._A.astype(np.float32).tobytes())
        if self._b is not None:
            digest.update(self._b.astype(np.float32).tobytes())
        return digest.hexdigest()


def _map(filter: SavedFilter | SavedMap) -> tuple[np.ndarray, np.ndarray | None]:
    if isinstance(filter, SavedFilter):
        return filter.V_window, None
    return filter.map.matrix, None if filter.map.is_linear else filter.map.offset


def _check_origin(
    filter: SavedFilter | SavedMap, where: str, width: int, said: Mapping[str, str]
) -> str:
    """Hold width and origin against the filter.

    Args:
        filter: the filter.
        where: where the vectors are stored.
        width: numbers in each.
        said: what their place says of them.

    Returns:
        what could be checked, in words.
    """
    matrix, _ = _map(filter)
    made_for = filter.metadata["checkpoint"]
    if said.get("filtered") == "true":
        raise InputError(
            f"{where}: these vectors were filtered before ({said.get('removes')}); "
            "give the raw ones"
        )
    if len(matrix) != width:
        raise InputError(
            f"{where}: vectors of {width} numbers, and the filter takes "
            f"{len(matrix)}, those of {made_for}; embed with that model, or export a filter of "
            "the one that made them"
        )
    theirs = said.get("head_hash")
    if theirs is None:
        return "Only their width was checked: nothing beside them says which model made them"
    if theirs != filter.metadata["head_hash"]:
        raise InputError(
            f"{where}: made by {said.get('checkpoint', 'another model')} (head "
            f"{theirs[:12]}…), and the filter is of {made_for}; their directions differ"
        )
    return f"A note beside them says that {made_for} made them"


def _of_length_one(rows: np.ndarray) -> bool:
    lengths = np.linalg.norm(rows[:_LOOKED_AT].astype(np.float64), axis=1)
    return bool(len(lengths)) and bool((np.abs(lengths - 1) < _LENGTH_ONE).all())
