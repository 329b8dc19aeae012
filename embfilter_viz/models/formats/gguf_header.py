"""What a GGUF file says about itself: metadata and tensor table, read without its tensors.

The format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md. The ``gguf`` package
reads it too, in seconds and with a bare index error where a file was cut short; here it takes
milliseconds, since the long string tables of the tokenizer are stepped over until they are asked
for.
"""

import math
import mmap
import struct
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import Any

from embfilter_viz.errors import InputError

__all__ = ["GgufHeader", "GgufTensor", "read_header"]

_NUMBERS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q"}
_NUMBERS[12] = "d"
_STRING, _ARRAY = 8, 9
_BEFORE_A_LIST = 12
"""Bytes before the first element of a list: what its elements are, and how many."""
_LEAST_STRING, _LEAST_KEY, _LEAST_LINE = 8, 8 + 4 + 1, 8 + 4 + 8 + 4 + 8
"""Bytes that one of them takes at least."""
_LONGEST_LIST = 1 << 23
"""Of tokens, scores and merges; the longest known are of a few hundred thousand."""
_MOST_AXES = 4
"""Of a tensor; ggml's own limit."""


@dataclass(frozen=True)
class GgufTensor:
    """One line of the tensor table."""

    name: str
    """llama.cpp's name, such as ``token_embd.weight``."""
    shape: tuple[int, ...]
    """Rows first, as torch has it (the file lists the fastest-moving axis first)."""
    type_name: str
    """The ggml type: ``F32``, ``Q4_1``, …"""
    offset: int
    """Bytes from the start of the file."""
    n_bytes: int
    """Length in the file."""
    file: Path
    """The file that holds it."""

    @property
    def n_elements(self) -> int:
        """Say how many numbers it holds."""
        return prod(self.shape)


@dataclass(frozen=True)
class GgufHeader:
    """Metadata and tensor table of one model: a file, or several parts (see ``gguf.parts``)."""

    metadata: Mapping[str, Any]
    """Keys to numbers, strings and lists of numbers; for a list of strings its length."""
    tensors: tuple[GgufTensor, ...]
    """In the file's order, part after part."""
    files: tuple[Path, ...]
    """The file, or all parts of the model; the first has the metadata."""
    n_bytes: tuple[int, ...]
    """Of the header of each file, which decides everything but the numbers."""
    string_lists: Mapping[str, int] = field(default_factory=dict)
    """Where the lists of strings begin in the first file, by key."""

    def strings(self, key: str) -> list[str]:
        """The list of strings under ``key``, empty where the file has none; read from the file."""
        if key not in self.string_lists:
            return []
        with (
            self.files[0].open("rb") as file,
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as view,
        ):
            reader = _Reader(view, self.files[0], self.files[0].name)
            reader.at = self.string_lists[key]
            return [reader.string() for _ in range(self.metadata[key])]

    @property
    def architecture(self) -> str:
        """llama.cpp's name of the architecture."""
        return str(self.metadata.get("general.architecture", ""))

    @property
    def parameters(self) -> int:
        """Say how many numbers all tensors hold together."""
        return sum(t.n_elements for t in self.tensors)

    @property
    def precision(self) -> str:
        """The main quantisation, such as ``Q4_1`` or ``Q4_K_M``.

        As the file says it (``general.file_type``), since mixtures such as Q4_K_M have a name
        that no single tensor has; without that, the type that holds most parameters.
        """
        from gguf.constants import LlamaFileType

        said = self.metadata.get("general.file_type")
        if isinstance(said, int) and said in {t.value for t in LlamaFileType}:
            name = LlamaFileType(said).name
            if name != "GUESSED":
                return name.removeprefix("MOSTLY_").removeprefix("ALL_")
        held: Counter[str] = Counter()
        for tensor in self.tensors:
            held[tensor.type_name] += tensor.n_elements
        return held.most_common(1)[0][0] if held else "unknown"


def read_header(path: Path, name: str) -> GgufHeader:
    """The header of the GGUF file at ``path``, checked against the file's length.

    Args:
        path: the file.
        name: the model as the user typed it, for messages.

    Raises:
        InputError: not a GGUF file, an unknown version or tensor type, or shorter than its own
            tensor table says.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder, "m.gguf")
    ...     _ = file.write_bytes(b"PK" + bytes(30))
    ...     read_header(file, "m.gguf")
    Traceback (most recent call last):
    embfilter_viz.errors.InputError: m.gguf: not a GGUF file (it does not start with GGUF); ...
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        if file.read(4) != b"GGUF":
            raise InputError(
                f"{name}: not a GGUF file (it does not start with GGUF); give a GGUF model, or the "
                f"folder of a safetensors checkpoint"
            )
        try:
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as view:
                return _Reader(view, path.resolve(), name).header()
        except (struct.error, IndexError) as error:
            raise _truncated(name, size) from error


def _truncated(name: str, size: int, needed: int | None = None) -> InputError:
    says = "its header is cut short" if needed is None else f"its header asks for {needed:,} bytes"
    return InputError(
        f"{name}: the GGUF file is truncated: {says} and it has {size:,}; download it again"
    )


class _Reader:
    """Reads from the beginning on, and holds every count against the bytes that are left."""

    def __init__(self, view: mmap.mmap, file: Path, name: str) -> None:
        self.view, self.file, self.name, self.at = view, file, name, 4

    def number(self, code: str) -> Any:
        (value,) = struct.unpack_from("<" + code, self.view, self.at)
        self.at += struct.calcsize("<" + code)
        return value

    def count(self, least_bytes: int) -> int:
        """A count of things that take so many bytes each at least."""
        count = self.number("Q")
        if count * least_bytes > len(self.view) - self.at:
            raise IndexError(count)
        return count

    def list_length(self, least_bytes: int) -> int:
        """The same of a list, which is gone through one by one."""
        count = self.count(least_bytes)
        if count > _LONGEST_LIST:
            raise self.damaged(f"a list of {count:,}")
        return count

    def string(self) -> str:
        length = self.count(1)
        start, self.at = self.at, self.at + length
        return self.view[start : self.at].decode("utf-8", errors="replace")

    def value(self, kind: int) -> Any:
        if kind == _STRING:
            return self.string()
        if kind != _ARRAY:
            return self.number(self.code(kind))
        kind = self.number("I")
        if kind != _STRING:
            code = self.code(kind)
            code = f"<{self.list_length(struct.calcsize('<' + code))}{code}"
            values = struct.unpack_from(code, self.view, self.at)
            self.at += struct.calcsize(code)
            return list(values)
        count = self.list_length(_LEAST_STRING)
        for _ in range(count):
            length = self.count(1)
            self.at += length
        return count

    def code(self, kind: int) -> str:
        if kind not in _NUMBERS:
            raise self.damaged(f"value type {kind}")
        return _NUMBERS[kind]

    def damaged(self, why: str) -> InputError:
        return InputError(f"{self.name}: the GGUF header is damaged ({why}); download it again")

    def header(self) -> GgufHeader:
        version = self.number("I")
        if version not in (2, 3):
            raise InputError(
                f"{self.name}: GGUF version {version} is not supported, only 2 and 3; "
                f"convert the model again with a current llama.cpp"
            )
        n_tensors, n_keys = self.count(_LEAST_LINE), self.count(_LEAST_KEY)
        metadata: dict[str, Any] = {}
        lists = {}
        for _ in range(n_keys):
            key, kind = self.string(), self.number("I")
            if key in metadata:
                raise self.damaged(f"{shown(key)} stands in it twice")
            if kind == _ARRAY and self.view[self.at : self.at + 4] == _STRING.to_bytes(4, "little"):
                lists[key] = self.at + _BEFORE_A_LIST
            metadata[key] = self.value(kind)
        self.check_metadata(metadata)
        table = [self.line() for _ in range(n_tensors)]
        if len({name for name, *_ in table}) != len(table):
            raise self.damaged("two tensors of one name")
        alignment = metadata.get("general.alignment", 32)
        start = -(-self.at // alignment) * alignment
        tensors = tuple(self.tensor(*line, start) for line in table)
        needed = max((t.offset + t.n_bytes for t in tensors), default=0)
        if needed > len(self.view):
            raise _truncated(self.name, len(self.view), needed)
        return GgufHeader(metadata, tensors, (self.file,), (start,), lists)

    def check_metadata(self, metadata: Mapping[str, Any]) -> None:
        from embfilter_viz.models.formats.schemas import GgufSaid, held_to

        held_to(GgufSaid, metadata, f"{self.name}: the GGUF header is damaged", "download it again")
        prefix = f"{metadata.get('general.architecture', '')}."
        for key, value in metadata.items():
            numbers = value if isinstance(value, list) else [value]
            if key.startswith(prefix) and not all(map(_is_plain, numbers)):
                raise self.damaged(f"{shown(key)} holds what is no finite number")

    def line(self) -> tuple[str, tuple[int, ...], int, int]:
        """One line of the tensor table: name, shape, type and offset."""
        name, n_axes = self.string(), self.number("I")
        if not 1 <= n_axes <= _MOST_AXES:
            raise self.damaged(f"tensor {shown(name)} has {n_axes} axes")
        axes = tuple(reversed([self.number("Q") for _ in range(n_axes)]))
        return name, axes, self.number("I"), self.number("Q")

    def tensor(
        self, name: str, shape: tuple[int, ...], kind: int, offset: int, start: int
    ) -> GgufTensor:
        from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType

        try:
            quantisation = GGMLQuantizationType(kind)
        except ValueError:
            raise InputError(
                f"{self.name}: tensor {shown(name)} has the unknown ggml type {kind}; "
                f"use a common quantisation such as Q8_0 or Q4_K_M"
            ) from None
        block, block_bytes = GGML_QUANT_SIZES[quantisation]
        if min(shape) < 1 or shape[-1] % block:
            raise self.damaged(
                f"tensor {shown(name)} has rows of {shape[-1]:,} numbers, which "
                f"{quantisation.name} does not have"
            )
        n_bytes = prod(shape) // block * block_bytes
        return GgufTensor(name, shape, quantisation.name, start + offset, n_bytes, self.file)


def shown(name: str) -> str:
    """A name out of a file as a message shows it: short, and in one line."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in name[:60])


def _is_plain(value: Any) -> bool:
    return not isinstance(value, float) or math.isfinite(value)
