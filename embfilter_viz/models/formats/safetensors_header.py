"""What safetensors files say about themselves: names, shapes and dtypes, without the numbers.

The format: https://huggingface.co/docs/safetensors. The first eight bytes give the length of a
JSON table; the numbers follow. Reading the tables of a whole checkpoint takes milliseconds.
"""

import json
from dataclasses import dataclass
from math import prod
from pathlib import Path

from embfilter_viz.errors import InputError

__all__ = ["TensorEntry", "parse_table", "read_tables", "table_length", "weight_files"]

_INDEX = "model.safetensors.index.json"
_SINGLE = "model.safetensors"
_LONGEST_TABLE = 100_000_000
"""Bytes; the format's own limit."""


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
    try:
        shards = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{name}: {_INDEX} is not valid JSON; download the file again") from error
    for shard in shards:
        if not (folder / shard).is_file() or Path(shard).name != shard:
            raise InputError(
                f"{name}: the shard {shard} named in {_INDEX} is missing; download the checkpoint "
                f"again, all {len(shards)} shards"
            )
    return [folder / shard for shard in shards]


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
    length = int.from_bytes(start, "little")
    if size < 8 or length > min(size - 8, _LONGEST_TABLE):
        raise InputError(
            f"{name}: {path.name} ({size:,} bytes) is truncated or no safetensors file; "
            f"download it again"
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
    begins = 8 + len(data)
    try:
        table = json.loads(data)
        table.pop("__metadata__", None)
        entries = [
            TensorEntry(key, one["dtype"], tuple(one["shape"]), path, begins + begin, end - begin)
            for key, one in table.items()
            for begin, end in [one["data_offsets"]]
        ]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{name}: the table of {path.name} cannot be read, so it is damaged or no safetensors "
            f"file; download it again"
        ) from error
    needed = max((e.start + e.n_bytes for e in entries), default=0)
    if needed > size:
        raise InputError(
            f"{name}: {path.name} is truncated: its table asks for {needed:,} bytes and it has "
            f"{size:,}; download it again"
        )
    return entries
