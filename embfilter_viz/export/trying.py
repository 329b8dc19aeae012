"""What every folder that holds a whole model is asked before it is made and before it is given."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from embfilter_viz.errors import InputError
from embfilter_viz.export.provenance import Check
from embfilter_viz.export.tokenizing import TRIED_TEXTS
from embfilter_viz.model import Model
from embfilter_viz.system.memory import in_words

__all__ = ["LEAST_COSINE", "FolderExport", "check_disk", "check_exportable", "tried_texts"]

LEAST_COSINE = 0.99999
"""A folder whose vectors are further from ours is not handed out."""

_LINE = "A man plays the guitar in the rain. "
_LONGEST_TRIED = 1024
"""Tokens of a text that is tried; an embedder may read many thousands."""


@dataclass(frozen=True)
class FolderExport:
    """A folder that was written and tried."""

    path: Path
    """Where it is."""
    n_bytes: int
    """Its size."""
    check: Check
    """How its vectors compare with ours."""


def check_exportable(model: Model, prompt: str, reader: str) -> None:
    """Refuse what no folder with a whole model can hold, before any of the layers is fetched.

    Raises:
        InputError: a served engine, a lower precision than float32, an adapter, or a prompt that
            reads an earlier layer.
    """
    model.check_layers(f"{reader} holds the layers")
    if model.dtype != "float32":
        raise InputError(
            f"{model.name} is open in {model.dtype}, and a folder's float32 vectors are compared "
            "with ours: open the model in float32"
        )
    if model.outline.adapter is not None:
        raise InputError(
            f"{model.name}: its adapter is merged in memory alone, and a folder would hold its "
            f"base without it; merge it (PEFT: merge_and_unload, then save_pretrained) and export "
            f"that"
        )
    asked = model.prompt(prompt)
    if asked.layer is not None:
        raise InputError(
            f"layer {asked.layer}: {reader} runs all layers, and nothing in it reads an earlier "
            "one through the final norm; leave the layer out, or export the filter file and encode "
            "with embfilter-viz"
        )


def check_disk(path: Path, needed: int) -> None:
    """Refuse a disk that is too small.

    Raises:
        InputError: fewer than ``needed`` bytes are free where ``path`` would be.
    """
    if path.parent.is_dir() and (free := shutil.disk_usage(path.parent).free) < needed:
        raise InputError(
            f"{path}: the model takes {in_words(needed)} and {in_words(free)} are free there; "
            "choose another disk"
        )


def tried_texts(model: Model, prompt: str) -> tuple[list[str], str]:
    """Awkward texts and one that is too long, and what they are in words."""
    longest = model.longest(prompt)
    texts = [*TRIED_TEXTS, _LINE * (min(longest, _LONGEST_TRIED) // 4)]
    texts = [text for text in texts if text.strip()]
    long = "over the model's length" if longest <= _LONGEST_TRIED else "of many words"
    return texts, f"{len(texts)} texts (several scripts, one {long})"
