"""Computed arrays on disk, verified on reading."""

import hashlib
import json
import logging
import os
import zlib
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from embfilter_viz.store.folder import Folder, Key, identity_of
from embfilter_viz.store.rows import RowStore, TextStore
from embfilter_viz.system.files import unfinished
from embfilter_viz.system.progress import Progress, silent

__all__ = ["Store", "array_digest"]

logger = logging.getLogger("embfilter_viz.store")

_CODES = {
    **{f"{code}{8 * n}": f"{name}{8 * n}" for code, name in (("I", "int"), ("U", "uint"))
       for n in (1, 2, 4, 8)},
    **{f"F{8 * n}": f"float{8 * n}" for n in (2, 4, 8)},
    "BOOL": "bool",
}  # fmt: skip
"""NumPy's names of the numbers that are stored, by those of a safetensors file."""
_DTYPES = frozenset(_CODES.values())
_HEADER_BYTES = 1 << 20
_CHECKED_AT_ONCE = 1 << 22


def array_digest(array: np.ndarray) -> str:
    """SHA-256 of an array's dtype, shape and values, for keys of what was computed from it.

    >>> import numpy as np
    >>> array_digest(np.zeros((2, 3))) == array_digest(np.zeros((3, 2)))
    False
    """
    digest = hashlib.sha256(f"{array.dtype.str}{array.shape}".encode())
    digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


class Store(Folder):
    """A folder of computed results, shared by every process that opens it.

    Args:
        folder: where results live; None is ``results`` in the user's cache folder.
        limit_bytes: total size above which the entries used longest ago are removed.

    >>> import tempfile, numpy as np
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     store = Store(folder)
    ...     first = store.arrays("demo", {"n": 3}, lambda: {"x": np.arange(3)})
    ...     again = store.arrays("demo", {"n": 3}, lambda: 1 / 0)
    >>> again["x"]
    array([0, 1, 2])
    """

    def arrays(
        self,
        kind: str,
        key: Key,
        compute: Callable[[], Mapping[str, np.ndarray]],
        *,
        progress: Progress = silent,
    ) -> dict[str, np.ndarray]:
        """The named arrays for ``key``: read if they were computed before, else computed.

        Args:
            kind: what is stored, a short lower-case name; one folder each.
            key: all that the value depends on, with a JSON form.
            compute: makes the value, called at most once at a time over all processes. What it
                raises passes through and leaves nothing behind.
            progress: told that another process is being waited for; may cancel the wait.

        Returns:
            Read-only arrays, bit for bit the same computed or read.

        Raises:
            TypeError: ``compute`` returned something other than plain numeric arrays.
        """
        path = self.path_of(kind, key, ".safetensors")
        identity = identity_of(kind, key)
        if path is None:
            return _frozen(compute())
        # Entries appear by os.replace, whole, so reading needs no lock.
        found = _read_entry(path, identity)
        if found is not None:
            return found
        with self.locked(path, progress):
            found = _read_entry(path, identity)
            if found is None:
                found = _frozen(compute())
                self._write_entry(path, identity, found)
        return found

    def rows(self, kind: str, key: Key) -> RowStore:
        """The table of float32 vectors for ``key``, filled bit by bit; nothing is opened yet."""
        return RowStore(self, self.path_of(kind, key, ".sqlite"), identity_of(kind, key))

    def texts(self, kind: str, key: Key) -> TextStore:
        """The table of texts for ``key``, filled bit by bit; nothing is opened yet."""
        return TextStore(self, self.path_of(kind, key, ".sqlite"), identity_of(kind, key))

    def _write_entry(self, path: Path, identity: str, arrays: dict[str, np.ndarray]) -> None:
        from safetensors import SafetensorError
        from safetensors.numpy import save_file

        if sum(array.nbytes for array in arrays.values()) > self.limit_bytes:
            self.warn(OSError(f"one result is larger than the limit of {self.limit_bytes:.3g} B"))
            return
        metadata = {"identity": identity, "checksum": _checksum(identity, arrays)}
        try:
            with unfinished(path) as part:
                save_file(arrays, part, metadata=metadata)
                part.replace(path)
            self.evict(keep=path)
        except (OSError, SafetensorError) as error:
            self.warn(error)


def _frozen(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Read-only views, contiguous as they will be when read back."""
    frozen = {}
    for name, array in arrays.items():
        if not isinstance(array, np.ndarray) or array.dtype.name not in _DTYPES:
            raise TypeError(f"{name}: only plain numeric arrays can be stored, not {array!r:.80}")
        view = np.asarray(array, order="C").view()
        view.flags.writeable = False
        frozen[name] = view
    return frozen


def _checksum(identity: str, arrays: Mapping[str, np.ndarray]) -> str:
    """Tells a whole entry from a damaged one, by CRC-32 of every 4 MiB.

    SHA-256 takes longer than all the rest of reading 4,096 singular vectors, and nobody forges
    what we keep for ourselves.
    """
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:  # starts no thread where none is needed
        parts = [identity]
        for name, array in sorted(arrays.items()):
            octets = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
            pieces = [
                octets[i : i + _CHECKED_AT_ONCE] for i in range(0, len(octets), _CHECKED_AT_ONCE)
            ]
            sums = map(_crc32, pieces) if len(pieces) < 2 else pool.map(_crc32, pieces)
            parts.append(f"{name}={array.dtype.str}{array.shape}{list(sums)}")
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _crc32(octets: np.ndarray) -> int:
    return zlib.crc32(octets.data)


def _read_entry(path: Path, identity: str) -> dict[str, np.ndarray] | None:
    """The arrays of one file if it is whole and answers ``identity``, else None."""
    try:
        # Touched before it is read: from now on it is among the last to be evicted.
        with suppress(PermissionError):
            os.utime(path)
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(min(length, _HEADER_BYTES)))
            # NumPy's own memory comes in large pages: the library's reader, which goes through
            # bytes, takes three times as long.
            payload = np.fromfile(file, dtype=np.uint8)
        metadata = header.pop("__metadata__", {})
        if metadata.get("identity") != identity:
            return None
        arrays = _frozen({name: _array_of(payload, said) for name, said in header.items()})
        damaged = metadata.get("checksum") != _checksum(identity, arrays)
    except FileNotFoundError:
        return None
    # Whatever a damaged or foreign file makes its reader say, it means: compute anew.
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        logger.info("%s: not readable, computed anew: %s", path, error)
        return None
    if damaged:
        logger.info("%s: damaged, computed anew", path)
    return None if damaged else arrays


def _array_of(payload: np.ndarray, said: Mapping[str, Any]) -> np.ndarray:
    """One tensor where the header of a safetensors file says it lies."""
    start, stop = said["data_offsets"]
    return payload[start:stop].view(_CODES[said["dtype"]]).reshape(said["shape"])
