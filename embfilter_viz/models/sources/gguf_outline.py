"""What a GGUF is before it is converted: its configuration, its tokenizer, its tensor table.

That much is enough for its head, whose rows are dequantised straight from the file. Only the
tokenizer takes work, which is done once and kept under the hash of the file's header: the tensors,
which may be gigabytes, are not read for it.
"""

import hashlib
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from embfilter_viz.errors import InputError
from embfilter_viz.models.formats.checks import has_tokenizer
from embfilter_viz.models.formats.gguf_header import GgufHeader
from embfilter_viz.models.formats.safetensors_header import TensorEntry
from embfilter_viz.models.gguf.account import NotRead, entry_of
from embfilter_viz.models.gguf.heads import check_is_decoder, head_config
from embfilter_viz.models.gguf.parts import read_gguf
from embfilter_viz.models.gguf.reading import plan_to_encode
from embfilter_viz.models.gguf.tokenizer import tokenizer_files
from embfilter_viz.system.child_process import run_in_child
from embfilter_viz.system.files import unfinished
from embfilter_viz.system.locks import waiting_for
from embfilter_viz.system.paths import place_in_cache
from embfilter_viz.system.progress import Progress, silent
from embfilter_viz.system.regular import read_regular

__all__ = [
    "GgufOutline",
    "convert_outline",
    "find_outline",
    "outline_folder",
    "outline_of_gguf",
]

_FORMAT = 2
"""Raised when what is written changes, so that older outlines are made anew."""
_SUMS = "sums.json"
"""The SHA-256 of each of the other files."""
_LONGEST_SUMS = 1 << 16


@dataclass(frozen=True)
class GgufOutline:
    """A GGUF model as far as its head and its tokenizer go."""

    folder: Path
    """config.json and tokenizer files, in the cache."""
    precision: str
    """The file's main quantisation."""
    tables: tuple[TensorEntry, ...]
    """Every tensor, where it lies in which file."""
    header: GgufHeader
    """The parsed header, of all parts."""
    only_head: str | None
    """Why texts cannot be read with it, in words; None where they can."""


def outline_of_gguf(path: Path, name: str, *, progress: Progress = silent) -> GgufOutline:
    """Configuration and tokenizer of the GGUF at ``path``, written the first time.

    Args:
        path: the file, or any part of the model.
        name: the model as the user typed it, for messages.
        progress: told what is being done; what it raises stops it at once.

    Raises:
        InputError: damaged, a part is missing, no causal language model, or a tokenizer or a
            head of a kind that is not known here.
    """
    header = read_gguf(path, name)
    check_is_decoder(header, name)
    config, only_head = head_config(header, name), None
    try:
        config = plan_to_encode(header).config
    except NotRead as reason:
        only_head = str(reason)
    home = outline_folder(header)
    if not _is_whole(home):
        home.parent.mkdir(parents=True, exist_ok=True)
        lock = home.with_suffix(".lock")
        with waiting_for(lock, "another process to read this vocabulary", progress):
            if not _is_whole(home):
                _write_into(home, header, config, name, progress)
    tables = tuple(entry_of(tensor) for tensor in header.tensors)
    return GgufOutline(home, header.precision, tables, header, only_head)


def outline_folder(header: GgufHeader) -> Path:
    """Return where configuration and tokenizer of a GGUF are kept, by the hash of its header."""
    digest = hashlib.sha256()
    for file, n_bytes in zip(header.files, header.n_bytes, strict=True):
        with file.open("rb") as opened:
            digest.update(opened.read(n_bytes))
    return place_in_cache("models", "gguf", f"{digest.hexdigest()}-v{_FORMAT}")


def find_outline(header: GgufHeader) -> Path | None:
    """The folder of :func:`outline_folder` if it is there, and undamaged."""
    home = outline_folder(header)
    return home if _is_whole(home) else None


def _is_whole(home: Path) -> bool:
    """Tell whether the files are there as they were written: read each time, for they are small."""
    if not (home / "config.json").is_file() or not has_tokenizer(home):
        return False
    try:
        said = json.loads(read_regular(home / _SUMS, _LONGEST_SUMS))
        return bool(said == _sums_of(home))
    except (OSError, ValueError, RecursionError):
        return False


def _sums_of(home: Path) -> dict[str, str]:
    found = {}
    for path in sorted(home.iterdir()):
        if path.name != _SUMS:
            with path.open("rb") as file:
                found[path.name] = hashlib.file_digest(file, "sha256").hexdigest()
    return found


def _write_into(
    home: Path, header: GgufHeader, config: dict[str, Any], name: str, progress: Progress
) -> None:
    shutil.rmtree(home, ignore_errors=True)  # damaged, or there would be nothing to do
    with unfinished(home) as temporary:
        temporary.mkdir()
        run_in_child(
            convert_outline,
            {
                "path": str(header.files[0]),
                "name": name,
                "folder": str(temporary),
                "config": config,
            },
            progress=progress,
            started=f"opening {header.files[0].name}",
        )
        (temporary / _SUMS).write_text(json.dumps(_sums_of(temporary)), encoding="utf-8")
        temporary.replace(home)


def convert_outline(
    path: str, name: str, folder: str, config: dict[str, Any], progress: Progress
) -> None:
    """Write configuration and tokenizer of a GGUF, and no tensor; runs in a child process.

    Args:
        path: the GGUF, or the first part of the model.
        name: the model as the user typed it, for messages.
        folder: where config.json and tokenizer files go.
        config: what config.json is to hold.
        progress: told what is being done.

    Raises:
        InputError: a tokenizer of a kind that is not known here.
    """
    source = Path(path)
    progress(f"reading the vocabulary of {source.name}", 0, 0, "")
    try:
        files = tokenizer_files(read_gguf(source, name))
    except NotRead as reason:
        raise InputError(
            f"{name}: {reason}; try the model's safetensors checkpoint instead"
        ) from reason
    files.write(Path(folder))
    text = json.dumps(config, indent=1)
    (Path(folder) / "config.json").write_text(text, encoding="utf-8")
