"""What safetensors files say about themselves: names, shapes and dtypes, without the numbers.

The format: https://huggingface.co/docs/safetensors. The first eight bytes give the length of a
JSON table; the numbers follow. Reading the tables of a whole checkpoint takes milliseconds.
"""

from dataclasses import dataclass
from math import prod
from pathlib import Path

from embfilter_viz.errors import DamagedError, InputError

__all__ = [
    "TensorEntry",
    "fault_of",
    "parse_table",
    "read_index",
    "read_tables",
    "table_length",
    "weight_files",
]

_INDEX = "model.safetensors.index.json"
_SINGLE = "model.safetensors"
_LONGEST_TABLE = 100_000_000
"""Bytes; the format's own limit."""
_LFS_POINTER = b"version "
"""The beginning of the text that Git LFS leaves where a file was not fetched."""
_BITS = {
    **dict.fromkeys(("F64", "I64", "U64", "C64"), 64),
    **dict.fromkeys(("F32", "I32", "U32"), 32),
    **dict.fromkeys(("F16", "BF16", "I16", "U16"), 16),
    **dict.fromkeys(("BOOL", "U8", "I8", "F8_E5M2", "F8_E4M3", "F8_E8M0"), 8),
    **dict.fromkeys(("F8_E4M3FNUZ", "F8_E5M2FNUZ"), 8),
    **dict.fromkeys(("F6_E2M3", "F6_E3M2"), 6),
    "F4": 4,
}
"""Of one number, by dtype."""
_AGAIN = "download it again"


@dataclass(frozen=True)
class TensorEntry:
    """One tensor of a checkpoint."""

    name: str
    """As in the file."""
    dtype: str
    """safetensors' name: ``F32``, ``BF16``, …"""
    shape: tuple[int, ...]
    """Its axes."""
    file: Path
    """The file that holds it."""
    start: int
    """Bytes from the start of the file."""
    n_bytes: int
    """Length in the file."""

    @property
    def n_elements(self) -> int:
        """Say how many numbers it holds."""
        return prod(self.shape)


def weight_files(folder: Path, name: str) -> list[Path]:
    """The safetensors files that make up the checkpoint in ``folder``.

    Args:
        folder: the checkpoint.
        name: the model as the user typed it, for messages.

    Raises:
        InputError: there are none, or the index names a shard that is not there.
    """
    single, index = folder / _SINGLE, folder / _INDEX
    if single.is_file():  # before an index, which transformers does not look at then
        return [single]
    if not index.is_file():
        return []
    shards = sorted(set(read_index(index, name).values()))
    for shard in shards:
        if not (folder / shard).is_file():
            raise InputError(
                f"{name}: the shard {shard} named in {_INDEX} is missing; download the checkpoint "
                f"again, all {len(shards)} shards"
            )
    return [folder / shard for shard in shards]


def read_index(path: Path, name: str) -> dict[str, str]:
    """The names of tensors and of the files that hold them, by the index of a checkpoint.

    Raises:
        InputError: it is no such index, or names what is no file beside it.
    """
    from embfilter_viz.models.formats.schemas import Index, read_json

    return read_json(path, Index, name)["weight_map"]


def read_tables(files: list[Path], name: str) -> list[TensorEntry]:
    """Every tensor in ``files``, checked against the files' lengths.

    Raises:
        InputError: a file is no safetensors file, or shorter than its own table says.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "model.safetensors")
    ...     table = b'{"w":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]}}'
    ...     _ = path.write_bytes(len(table).to_bytes(8, "little") + table + bytes(24))
    ...     [(t.name, t.n_elements) for t in read_tables([path], "tiny")]
    [('w', 6)]
    """
    return [entry for file in files for entry in _read_table(file, name)]


def _read_table(path: Path, name: str) -> list[TensorEntry]:
    size = path.stat().st_size
    with path.open("rb") as file:
        length = table_length(file.read(8), path, size, name)
        return parse_table(file.read(length), path, size, name)


def table_length(start: bytes, path: Path, size: int, name: str) -> int:
    """Bytes of the table of a file, which follows its first eight bytes.

    Args:
        start: those eight bytes.
        path: the file, for the message.
        size: its length.
        name: the model as the user typed it, for the message.

    Returns:
        () how many bytes.

    Raises:
        InputError: no safetensors file, or one cut short.
    """
    if start == _LFS_POINTER:
        raise InputError(
            f"{name}: {path.name} is a Git LFS pointer in the place of the weights; fetch them "
            f"(git lfs pull), or download the file again"
        )
    length = int.from_bytes(start, "little")
    if size < 8 or length > min(size - 8, _LONGEST_TABLE):
        raise DamagedError(
            f"{name}: {path.name} ({size:,} bytes) is truncated or no safetensors file; "
            f"download it again",
            path,
        )
    return length


def parse_table(data: bytes, path: Path, size: int, name: str) -> list[TensorEntry]:
    """The tensors a table names, checked against the length of its file.

    Args:
        data: the table.
        path: the file, which need not be on this disk.
        size: its length.
        name: the model as the user typed it, for messages.

    Returns:
        one entry for each tensor.

    Raises:
        InputError: it cannot be read, or asks for more than the file holds.
    """
    from embfilter_viz.models.formats.schemas import TensorLine, held_to, json_of

    what = f"{name}: the table of {path.name}"
    table = json_of(data, dict, what, _AGAIN)
    table.pop("__metadata__", None)
    held_to(dict[str, TensorLine], table, what, _AGAIN)
    begins = 8 + len(data)
    entries = []
    for key, line in table.items():
        begin, end = line["data_offsets"]
        entry = TensorEntry(
            key, line["dtype"], tuple(line["shape"]), path, begins + begin, end - begin
        )
        if (fault := fault_of(entry)) is not None:
            raise InputError(f"{what}: {key[:60]} {fault}; {_AGAIN}")
        entries.append(entry)
    needed = max((e.start + e.n_bytes for e in entries), default=begins)
    if needed > size:
        raise DamagedError(
            f"{name}: {path.name} is truncated: its table asks for {needed:,} bytes and it has "
            f"{size:,}; {_AGAIN}",
            path,
        )
    if needed < size:
        raise DamagedError(
            f"{name}: {path.name} has {size - needed:,} bytes behind those of its table; {_AGAIN}",
            path,
        )
    if sum(e.n_bytes for e in entries) != size - begins:
        raise DamagedError(
            f"{name}: {path.name} has bytes that belong to no tensor of its table, or to two; "
            f"{_AGAIN}",
            path,
        )
    return entries


def fault_of(entry: TensorEntry) -> str | None:
    """Say what is wrong with one line of a table; None where its numbers agree.

    >>> fault_of(TensorEntry("w", "F32", (2, 3), Path("x"), 8, 24)) is None
    True
    """
    if entry.n_bytes < 0:
        return "ends before it begins"
    bits = _BITS.get(entry.dtype)
    wanted = entry.n_elements * (bits or 1)  # of a form not known here, one bit a number at least
    if wanted > 8 * entry.n_bytes or (bits and -(-wanted // 8) != entry.n_bytes):
        # The shape as Python has it may be longer than a line.
        return f"is of {entry.dtype} and a shape that does not give its {entry.n_bytes:,} bytes"
    return None
