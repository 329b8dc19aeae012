"""One tensor of a checkpoint, a few rows at a time, as float32.

The table of a safetensors or GGUF file says where each tensor lies, so the head of a large
checkpoint is read without touching the rest, and without torch: NumPy has no bfloat16, but a
bfloat16 is the upper half of a float32, and what llama.cpp quantised the ``gguf`` package
dequantises row by row.
"""

from collections.abc import Iterator
from functools import lru_cache
from math import prod
from typing import Any

import numpy as np

from embfilter_viz.errors import InputError
from embfilter_viz.models.formats.safetensors_header import TensorEntry

__all__ = [
    "StoredRows",
    "dtype_of",
    "is_finite",
    "is_quantised",
    "is_readable",
    "raw_blocks",
    "row_blocks",
    "same_values",
]

_NAMES = {
    "F64": "float64",
    "F32": "float32",
    "F16": "float16",
    "BF16": "bfloat16",
    "F8_E4M3": "float8_e4m3",
    "F8_E5M2": "float8_e5m2",
}
_RAW = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2", "F8_E4M3": "u1", "F8_E5M2": "u1"}
_GGML = ("Q", "IQ", "TQ", "MXFP", "NVFP")
"""How the names of llama.cpp's quantisations begin, which no dtype of safetensors does."""
_BLOCK_BYTES = 1 << 25


def dtype_of(entry: TensorEntry) -> str:
    """The dtype on disk in torch's words, such as ``bfloat16``, or llama.cpp's, as ``Q4_1``."""
    return _NAMES.get(entry.dtype, entry.dtype)


def is_readable(entry: TensorEntry) -> bool:
    """Tell whether its values mean something by themselves; plain integers are quantised codes."""
    return entry.dtype in _RAW or (is_quantised(entry) and _is_known(entry.dtype))


def row_blocks(entry: TensorEntry, max_bytes: int = _BLOCK_BYTES) -> Iterator[np.ndarray]:
    """The rows of a tensor in float32, block by block: memory stays bounded whatever its size.

    Args:
        entry: where it lies.
        max_bytes: bytes on disk of a block, which has at least one row.

    Yields:
        (m, …) float32, rows in order.
    """
    return (_as_float32(raw, entry) for raw in raw_blocks(entry, max_bytes))


def is_quantised(entry: TensorEntry) -> bool:
    """Tell whether it is one of llama.cpp's quantisations, whose bytes are codes."""
    return entry.dtype.startswith(_GGML)


def is_finite(raw: np.ndarray, entry: TensorEntry) -> np.ndarray:
    """Return which values of a block are neither NaN nor infinite."""
    if raw.dtype == np.float32:
        return np.isfinite(raw)
    if entry.dtype == "BF16":  # all bits of the exponent set; four times as fast as widening
        return (raw & 0x7F80) != 0x7F80
    return np.isfinite(_as_float32(raw, entry))


def same_values(one: TensorEntry, other: TensorEntry) -> bool:
    """Tell whether both hold the same bytes in the same form."""
    return (
        is_readable(one)
        and one.dtype == other.dtype
        and one.shape == other.shape
        and all(
            np.array_equal(mine.view(np.uint8), theirs.view(np.uint8))
            for mine, theirs in zip(raw_blocks(one), raw_blocks(other), strict=True)
        )
    )


def raw_blocks(entry: TensorEntry, max_bytes: int = _BLOCK_BYTES) -> Iterator[np.ndarray]:
    """The same rows as they are on disk: numbers of its dtype, or (m, n) bytes of GGML blocks."""
    # Half a float32 at least for each number: a quantised block grows eightfold.
    rows = max(1, max_bytes // max(1, _row_bytes(entry), 2 * prod(entry.shape[1:])))
    return (_raw(entry, i, min(i + rows, entry.shape[0])) for i in range(0, entry.shape[0], rows))


class StoredRows:
    """A matrix left on disk: asked for rows it reads them, and keeps none.

    It stands in for an array of shape (d_vocab, d_model) where the float32 copy of a large head
    would not fit: slices, lists of rows, and products with thin matrices. What else is done to
    it, NumPy does to a copy of the whole.

    Args:
        entry: where the matrix lies.

    >>> import tempfile
    >>> from pathlib import Path
    >>> with tempfile.NamedTemporaryFile() as file:
    ...     np.arange(6, dtype=np.float32).tofile(file.name)
    ...     rows = StoredRows(TensorEntry("w", "F32", (3, 2), Path(file.name), 0, 24))
    ...     rows[1:], rows[[2, 0]], rows @ np.ones(2)
    (array([[2., 3.],
           [4., 5.]], dtype=float32), array([[4., 5.],
           [0., 1.]], dtype=float32), array([1., 5., 9.]))
    """

    dtype = np.dtype(np.float32)
    ndim = 2
    block_bytes = _BLOCK_BYTES
    # So that array @ rows comes to __rmatmul__ and makes no copy of the whole.
    __array_ufunc__ = None

    def __init__(self, entry: TensorEntry) -> None:
        self._entry = entry
        self.shape: tuple[int, int] = (entry.shape[0], entry.shape[1])

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: Any, /) -> np.ndarray:
        """The rows of a slice, or of a list of row numbers, as (m, d_model) float32."""
        if isinstance(rows, slice):
            start, stop, step = rows.indices(len(self))
            if step != 1:
                return self[np.arange(start, stop, step)]
            return _as_float32(_raw(self._entry, start, max(start, stop)), self._entry)
        chosen = np.asarray(rows)
        if chosen.dtype == bool:
            chosen = np.flatnonzero(chosen)
        found = np.empty((chosen.size, self.shape[1]), dtype=np.float32)
        for i, row in enumerate(np.arange(len(self))[chosen.ravel()]):  # its own index errors
            found[i] = self[int(row) : int(row) + 1][0]
        return found.reshape(*chosen.shape, self.shape[1])

    def __matmul__(self, columns: np.ndarray) -> np.ndarray:
        columns = np.asarray(columns)
        return np.concatenate([block @ columns for _, block in self.blocks()])

    def __rmatmul__(self, weights: np.ndarray) -> np.ndarray:
        weights = np.asarray(weights)
        parts = (weights[..., i : i + len(block)] @ block for i, block in self.blocks())
        return sum(parts, start=np.zeros((), dtype=np.result_type(weights, self.dtype)))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(self[:], dtype=dtype)

    @property
    def T(self) -> "_Transposed":
        """The transpose, good for ``h @ W_U.T``."""
        return _Transposed(self)

    def blocks(self) -> Iterator[tuple[int, np.ndarray]]:
        """(first row, block of rows) over the whole, each block some 32 MB."""
        row = 0
        for block in row_blocks(self._entry, self.block_bytes):
            yield row, block
            row += len(block)


class _Transposed:
    __array_ufunc__ = None

    def __init__(self, rows: StoredRows) -> None:
        self.T, self.shape = rows, rows.shape[::-1]

    def __rmatmul__(self, h: np.ndarray) -> np.ndarray:
        return (self.T @ np.asarray(h).T).T


def _row_bytes(entry: TensorEntry) -> int:
    return entry.n_bytes // max(1, entry.shape[0])


def _raw(entry: TensorEntry, start: int, stop: int) -> np.ndarray:
    # Read and not mapped: pages of a mapped file count as memory of this process.
    length = _row_bytes(entry)
    raw = np.dtype(_RAW.get(entry.dtype, "u1"))
    count = (stop - start) * length // raw.itemsize
    try:
        with entry.file.open("rb") as stream:
            stream.seek(entry.start + start * length)
            block = np.fromfile(stream, dtype=raw, count=count)
    except OSError as error:
        reason = error.strerror or error
        raise InputError(
            f"{entry.file.name[:200]}: the weights cannot be read ({reason}); open the model again"
        ) from error
    if len(block) < count:
        raise InputError(
            f"{entry.file.name[:200]}: became shorter since it was opened; open the model again"
        )
    shape = entry.shape[1:] if entry.dtype in _RAW else (length,)
    return block.reshape(stop - start, *shape)


def _as_float32(raw: np.ndarray, entry: TensorEntry) -> np.ndarray:
    if entry.dtype in _RAW:
        return _widened(raw, entry.dtype)
    from gguf import GGMLQuantizationType
    from gguf.quants import dequantize

    with np.errstate(all="ignore"):  # codes of NaN and infinity are told where they are looked for
        return dequantize(raw, GGMLQuantizationType[entry.dtype])


def _widened(raw: np.ndarray, code: str) -> np.ndarray:
    """Values as stored -> float32; exact but for float64.

    >>> _widened(np.array([0x3F80, 0xC000], dtype="<u2"), "BF16")
    array([ 1., -2.], dtype=float32)
    >>> _widened(np.array([0x38, 0xC0, 0x30], dtype="u1"), "F8_E4M3")
    array([ 1. , -2. ,  0.5], dtype=float32)
    """
    if code == "BF16":
        # Into its place at once: a copy widened first and shifted then takes ten times as long.
        wide = np.empty(raw.shape, dtype=np.uint32)
        return np.left_shift(raw, np.uint32(16), out=wide).view(np.float32)
    if code == "F8_E5M2":  # the upper byte of a float16
        return (raw.astype(np.uint16) << 8).view(np.float16).astype(np.float32)
    if code == "F8_E4M3":
        return _FLOAT8_E4M3[raw]
    return raw.astype(np.float32, copy=False)


@lru_cache
def _is_known(code: str) -> bool:
    """Tell whether the ``gguf`` package can dequantise this type."""
    from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType
    from gguf.quants import dequantize

    if code not in GGMLQuantizationType.__members__:
        return False
    kind = GGMLQuantizationType[code]
    try:
        dequantize(np.zeros((1, GGML_QUANT_SIZES[kind][1]), dtype=np.uint8), kind)
    except NotImplementedError:
        return False
    return True


def _float8_e4m3() -> np.ndarray:
    """The 256 values of a float8_e4m3fn: 4 bits of exponent, bias 7, no infinity."""
    code = np.arange(256)
    exponent, mantissa = (code >> 3) & 15, code & 7
    size = np.where(
        exponent > 0, np.ldexp(1 + mantissa / 8, exponent - 7), np.ldexp(mantissa / 8, -6)
    )
    size[code & 0x7F == 0x7F] = np.nan
    return np.where(code & 0x80, -size, size).astype(np.float32)


_FLOAT8_E4M3 = _float8_e4m3()
