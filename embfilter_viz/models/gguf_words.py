"""What a GGUF is before it is converted: its configuration, its tokenizer, its tensor table.

That much is enough for its head, whose rows are dequantised straight from the file. Only the
tokenizer has to be converted, once, and is kept under the hash of the file's header: the tensors,
which may be gigabytes, are not read for it.
"""

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from embfilter_viz.models.apart import run_apart
from embfilter_viz.models.gguf_files import check_architecture, words_folder
from embfilter_viz.models.gguf_header import read_header
from embfilter_viz.models.locks import waiting_for
from embfilter_viz.models.safetensors_header import TensorEntry
from embfilter_viz.models.safety import has_tokenizer
from embfilter_viz.progress import Progress, silent

__all__ = ["GgufWords", "gguf_words"]


@dataclass(frozen=True)
class GgufWords:
    """A GGUF file as far as its head and its tokenizer go."""

    folder: Path
    """config.json and tokenizer files, in the cache."""
    precision: str
    """The file's main quantisation."""
    tables: tuple[TensorEntry, ...]
    """Every tensor, where it lies in the file."""


def gguf_words(path: Path, name: str, *, progress: Progress = silent) -> GgufWords:
    """Configuration and tokenizer of the GGUF at ``path``, converted the first time.

    Args:
        path: the file.
        name: the model as the user typed it, for messages.
        progress: told what is being done; what it raises stops it at once.

    Raises:
        InputError: damaged, or of an architecture transformers does not read or that is no
            causal language model.
    """
    header = read_header(path, name)
    check_architecture(header, name)
    home = words_folder(path, header)
    if not _is_whole(home):
        home.parent.mkdir(parents=True, exist_ok=True)
        lock = home.with_suffix(".lock")
        with waiting_for(lock, "another process to read this vocabulary", progress):
            if not _is_whole(home):
                _convert_into(home, path, name, progress)
    place = path.resolve()
    tables = tuple(
        TensorEntry(t.name, t.type_name, t.shape, place, t.offset, t.n_bytes)
        for t in header.tensors
    )
    return GgufWords(home, header.precision, tables)


def _is_whole(home: Path) -> bool:
    return (home / "config.json").is_file() and has_tokenizer(home)


def _convert_into(home: Path, path: Path, name: str, progress: Progress) -> None:
    shutil.rmtree(home, ignore_errors=True)  # damaged, or there would be nothing to do
    temporary = Path(tempfile.mkdtemp(dir=home.parent, prefix=f".{home.name}-"))
    try:
        run_apart(
            "embfilter_viz.models.gguf_files:convert_words",
            {"path": str(path.resolve()), "name": name, "folder": str(temporary)},
            progress=progress,
            environment={"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"},
            started=f"opening {path.name}",
        )
        temporary.chmod(0o755)
        temporary.replace(home)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
