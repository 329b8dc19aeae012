"""A checkpoint's weights, copied into a folder under the names that most readers look for.

A causal model stores its tensors as ``model.layers.0…``, its inner model as ``layers.0…``. The
readers of embeddings open the inner model, and not all of them take the outer names: transformers
4.56 and 4.57 find no tensor of Gemma 3, and make random ones; Text Embeddings Inference none of
Llama's and Mistral's. The inner names are read by all that were tried.
"""

import json
import shutil
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import BinaryIO

from embfilter_viz.models.formats.safetensors_header import TensorEntry, table_length
from embfilter_viz.system.progress import Progress

__all__ = ["copy_weights", "inner_names"]

_CHUNK = 1 << 22
_OUTER = "model."
_ALIGNED = 8
"""Bytes: tensors begin at a multiple of it, which spaces after the table see to."""


def inner_names(names: Collection[str]) -> dict[str, str]:
    """The names of a causal model's tensors as its inner model has them.

    Empty where they are not those of one language model and its head alone.

    >>> inner_names(["model.embed_tokens.weight", "model.norm.weight", "lm_head.weight"])
    {'model.embed_tokens.weight': 'embed_tokens.weight', 'model.norm.weight': 'norm.weight'}
    >>> inner_names(["model.language_model.embed_tokens.weight", "model.visual.x"])
    {}
    """
    inside = [name for name in names if not name.startswith("lm_head.")]
    one = f"{_OUTER}embed_tokens.weight" in inside
    if not one or not all(name.startswith(_OUTER) for name in inside):
        return {}
    return {name: name.removeprefix(_OUTER) for name in inside}


def copy_weights(
    source: Path,
    tables: Sequence[TensorEntry],
    folder: Path,
    progress: Progress,
    *,
    rename: bool,
) -> None:
    """Copy the files of weights and their index, tensors renamed where :func:`inner_names` can.

    Args:
        source: the checkpoint's folder.
        tables: every tensor of it.
        folder: where to copy to.
        progress: told megabytes; may raise to stop.
        rename: whether tensors are renamed.
    """
    files = sorted({entry.file for entry in tables})
    names = inner_names([entry.name for entry in tables]) if rename else {}
    total = sum(file.stat().st_size for file in files)
    done = 0
    for file in files:
        with file.open("rb") as given, (folder / file.name).open("wb") as target:
            if names:
                _write_table(given, target, file, names)
            while chunk := given.read(_CHUNK):
                target.write(chunk)
                done += len(chunk)
                progress("Copying the model", done / 1e6, total / 1e6, "MB")
    for index in source.glob("*.safetensors.index.json"):
        if not names:
            shutil.copyfile(index, folder / index.name)
            continue
        said = json.loads(index.read_text(encoding="utf-8"))
        places = said["weight_map"].items()
        said["weight_map"] = {names.get(name, name): file for name, file in places}
        (folder / index.name).write_text(json.dumps(said, indent=2), encoding="utf-8")


def _write_table(given: BinaryIO, target: BinaryIO, file: Path, names: dict[str, str]) -> None:
    """Write a file's table with other names; what follows it stays as it is.

    Args:
        given: the file, opened at its beginning.
        target: where to write.
        file: its path.
        names: the new name of each tensor that is renamed.
    """
    length = table_length(given.read(8), file, file.stat().st_size, file.name)
    said = json.loads(given.read(length))
    table = json.dumps({names.get(name, name): entry for name, entry in said.items()}).encode()
    table += b" " * (-len(table) % _ALIGNED)
    target.write(len(table).to_bytes(8, "little") + table)
