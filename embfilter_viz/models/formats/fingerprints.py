"""SHA-256 of model files and of heads, each read once: what every stored result is keyed by.

What was found is remembered under the file's path, size, modification and change time and inode: a
file that is written to is read again, and bits that flip below the file system are not noticed.
A blob in the Hugging Face cache that is named by its SHA-256 must have it. What comes from
the head alone (a spectrum) is keyed by the head's own bytes, so that gigabytes of layers are not
read for it.
"""

import hashlib
import json
import logging
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from embfilter_viz.errors import DamagedError
from embfilter_viz.models.formats.safetensors_header import TensorEntry
from embfilter_viz.models.formats.tensors import is_finite, is_quantised, raw_blocks, row_blocks
from embfilter_viz.system.files import write_atomically
from embfilter_viz.system.paths import cache_folder
from embfilter_viz.system.progress import Progress, silent
from embfilter_viz.system.regular import read_regular

__all__ = [
    "Examined",
    "content_hash",
    "examined",
    "file_hash",
    "files_of_checkpoint",
    "files_of_tokenizer",
    "hash_now",
    "known_content_hash",
    "known_hash",
    "named_hash",
    "remember_hash",
]

logger = logging.getLogger(__name__)

_CHUNK = 1 << 22
_LONGEST_NOTE = 1 << 20
"""Bytes of what is remembered of one file."""
_here: dict[str, dict[str, Any]] = {}
"""What this process found and the cache could not keep, by path."""
_SHA256 = re.compile(r"[0-9a-f]{64}")
_PATTERNS = (
    *("config.json", "*.safetensors", "*.safetensors.index.json", "tokenizer*", "vocab*"),
    *("merges.txt", "spiece.model", "special_tokens_map.json", "added_tokens.json"),
)


def file_hash(path: Path, *, progress: Progress = silent) -> str:
    """SHA-256 of a file's bytes, in hexadecimal.

    Args:
        path: the file; a link is followed.
        progress: told the megabytes read, when it has to be read.

    Raises:
        DamagedError: a blob of the Hugging Face cache that is not what its name says.

    >>> import tempfile
    >>> with tempfile.NamedTemporaryFile() as file:
    ...     file_hash(Path(file.name))[:16]
    'e3b0c44298fc1c14'
    """
    known = known_hash(path)
    if known is not None:
        return known
    stamp = _stamp(path)
    found = hash_now(path, progress=progress)
    if (named := named_hash(path)) is not None and found != named:
        raise DamagedError(
            f"{path.name}: its bytes are not those that the hub's cache names it by (SHA-256), as "
            f"where bits have flipped on disk; delete {path.resolve()} and fetch it again",
            path,
        )
    _remember(path, stamp, "sha256", found)
    return found


def hash_now(path: Path, *, progress: Progress = silent) -> str:
    """The same, read now and remembered nowhere: for a file that will not stay in its place.

    Args:
        path: the file.
        progress: told the megabytes read.

    >>> import tempfile
    >>> with tempfile.NamedTemporaryFile() as file:
    ...     hash_now(Path(file.name)) == file_hash(Path(file.name))
    True
    """
    digest = hashlib.sha256()
    done, size = 0, path.stat().st_size
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            done += len(chunk)
            progress(f"checking {path.name}", done / 1e6, size / 1e6, "MB")
    return digest.hexdigest()


def named_hash(path: Path) -> str | None:
    """The SHA-256 that a blob of the Hugging Face cache is named by; None of any other file.

    >>> named_hash(Path("model.safetensors")) is None
    True
    """
    real = path.resolve()
    in_hub_cache = real.parent.name == "blobs" and real.parents[1].name.startswith("models--")
    return real.name if in_hub_cache and _SHA256.fullmatch(real.name) else None


def known_hash(path: Path) -> str | None:
    """SHA-256 of a file if it is known without reading the file.

    >>> import tempfile
    >>> with tempfile.NamedTemporaryFile() as file:
    ...     known_hash(Path(file.name)) is None
    True
    """
    said = _notes(path).get("sha256")
    return said if isinstance(said, str) and _SHA256.fullmatch(said) else None


def remember_hash(path: Path, sha256: str) -> None:
    """Keep the hash of a file that was known while it was written, so that it is not read again."""
    _remember(path, _stamp(path), "sha256", sha256)


def _stamp(path: Path) -> list[int]:
    """Return what changes when a file does."""
    status = path.stat()
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]


def _notes(path: Path) -> dict[str, Any]:
    """Return the notes about a file as it is now; empty if they are older, or damaged."""
    try:
        stamp = _stamp(path)
        held = _here.get(str(path.resolve()), {})
        if held.get("stamp") == stamp:
            return held
        said = json.loads(read_regular(_memo(path), _LONGEST_NOTE))
        return dict(said) if said["stamp"] == stamp else {}
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return {}


def _remember(path: Path, stamp: list[int], name: str, value: Any) -> None:
    """Keep a finding, if the file is still what it was when it was read.

    Args:
        path: the file.
        stamp: what the file was when it was read.
        name: what was found.
        value: the finding.
    """
    if _stamp(path) != stamp:
        return
    found = {**_notes(path), "path": str(path.resolve()), "stamp": stamp, name: value}
    try:
        write_atomically(_memo(path), json.dumps(found))
    except OSError as error:  # a read-only or full cache: known to this process alone
        _here[str(path.resolve())] = found
        logger.debug("the hash of %s cannot be kept: %s", path.name, error)


def _memo(path: Path) -> Path:
    key = hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:32]
    return cache_folder() / "models" / "hashes" / f"{key}.json"


@dataclass(frozen=True)
class Examined:
    """The findings of one reading of a head's bytes, remembered as a file's hash is."""

    sha256: str
    """Over dtype, shape and values; of a quantised tensor, over the float32 it stands for."""
    damaged: int
    """Scalar: values that are NaN or infinite."""
    first_row: int
    """Scalar: the first row with such a value; -1 where there is none."""


def examined(entry: TensorEntry, *, progress: Progress = silent) -> Examined:
    """The hash of one tensor and whether its values are finite, in one pass over its bytes.

    Args:
        entry: where the tensor lies.
        progress: told the megabytes read, when it has to be read.

    >>> import tempfile
    >>> with tempfile.NamedTemporaryFile() as file:
    ...     np.array([[1, np.nan], [3, 4]], dtype=np.float32).tofile(file.name)
    ...     found = examined(TensorEntry("w", "F32", (2, 2), Path(file.name), 0, 16))
    ...     found.damaged, found.first_row
    (1, 0)
    """
    name = f"{entry.dtype}{list(entry.shape)}@{entry.start}"
    try:
        return Examined(**_notes(entry.file).get(name, {}))
    except TypeError:
        pass  # never read, or a damaged note: read the bytes
    stamp = _stamp(entry.file)
    quantised = is_quantised(entry)
    digest = hashlib.sha256(f"{'F32' if quantised else entry.dtype}{list(entry.shape)}".encode())
    megabytes = entry.n_bytes / 1e6
    row, damaged, first = 0, 0, -1
    for block in row_blocks(entry) if quantised else raw_blocks(entry):
        digest.update(block.reshape(-1).view(np.uint8).data)
        finite = is_finite(block, entry)
        if not finite.all():
            damaged += int(finite.size - finite.sum())
            rows = finite.reshape(len(block), -1).all(axis=1)
            first = row + int(np.argmin(rows)) if first < 0 else first
        row += len(block)
        progress("Checking the head", row / entry.shape[0] * megabytes, megabytes, "MB")
    found = Examined(digest.hexdigest(), damaged, first)
    _remember(entry.file, stamp, name, found.__dict__)
    return found


def files_of_checkpoint(folder: Path) -> list[Path]:
    """The files of a checkpoint that decide what it computes, by name.

    Configuration, safetensors and tokenizer; not the readme, nor other formats of the weights.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for name in ("config.json", "README.md", "a.safetensors", "tokenizer.json"):
    ...         Path(folder, name).touch()
    ...     [path.name for path in files_of_checkpoint(Path(folder))]
    ['a.safetensors', 'config.json', 'tokenizer.json']
    """
    found = {path for pattern in _PATTERNS for path in folder.glob(pattern) if path.is_file()}
    return sorted(found, key=lambda path: path.name)


def files_of_tokenizer(folder: Path) -> list[Path]:
    """The files of a checkpoint that decide how text becomes tokens, by name.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for name in ("config.json", "a.safetensors", "tokenizer.json"):
    ...         Path(folder, name).touch()
    ...     [path.name for path in files_of_tokenizer(Path(folder))]
    ['tokenizer.json']
    """
    files = files_of_checkpoint(folder)
    return [f for f in files if f.name != "config.json" and ".safetensors" not in f.name]


def content_hash(
    files: Iterable[Path], *, known: Mapping[str, str] | None = None, progress: Progress = silent
) -> str:
    """One SHA-256 over the names and the SHA-256 of ``files``.

    Args:
        files: paths whose names differ, in any order.
        known: file names to hashes that need not be computed.
        progress: told the megabytes read of each file that has to be.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     a, b = Path(folder, "a"), Path(folder, "b")
    ...     _ = a.write_text("1"), b.write_text("2")
    ...     content_hash([a, b]) == content_hash([b, a])
    True
    """
    known = known or {}
    return _combined(
        {path: known.get(path.name) or file_hash(path, progress=progress) for path in files}
    )


def known_content_hash(files: Iterable[Path]) -> str | None:
    """The same where no file has to be read for it, else None.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     a = Path(folder, "a")
    ...     _ = a.write_text("1")
    ...     known_content_hash([a]) is None, content_hash([a]) == known_content_hash([a])
    (True, True)
    """
    hashes = {path: known_hash(path) for path in files}
    known = {path: one for path, one in hashes.items() if one is not None}
    return _combined(known) if len(known) == len(hashes) else None


def _combined(hashes: Mapping[Path, str]) -> str:
    digest = hashlib.sha256()
    for path in sorted(hashes, key=lambda path: path.name):
        digest.update(f"{path.name}\0{hashes[path]}\n".encode())
    return digest.hexdigest()
