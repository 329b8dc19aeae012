"""PEFT adapters: a base model of their choice, changed when it is loaded."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from embfilter_viz.errors import InputError
from embfilter_viz.models.families import is_of_text
from embfilter_viz.models.formats.checks import has_tokenizer
from embfilter_viz.models.formats.fingerprints import files_of_tokenizer
from embfilter_viz.models.formats.safetensors_header import TensorEntry, read_tables
from embfilter_viz.models.outline import Adapter, Checkpoint, Outline
from embfilter_viz.system.regular import is_there

__all__ = ["CONFIG", "WEIGHTS", "base_of", "is_adapter", "on_base", "read_adapter", "with_adapter"]

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
_OF_WHOLE_MODELS = ("model.safetensors", "model.safetensors.index.json")
_PROMPTS = (
    *("PROMPT_TUNING", "MULTITASK_PROMPT_TUNING", "PREFIX_TUNING", "P_TUNING"),
    *("ADAPTION_PROMPT", "CPT", "CARTRIDGE", "XLORA", "POLY", "TRAINABLE_TOKENS"),
)
"""Kinds of adapter that change what the model is given, or choose among several: no merging."""
_MERGE = "merge it into its base (PEFT: merge_and_unload, then save_pretrained)"


def is_adapter(folder: Path) -> bool:
    """Tell whether the folder holds an adapter and no weights of a whole model.

    >>> is_adapter(Path("/no/such/folder"))
    False
    """
    whole = any((folder / file).is_file() for file in _OF_WHOLE_MODELS)
    return (folder / CONFIG).is_file() and not whole


def read_adapter(folder: Path, name: str, source: str = "adapter") -> Adapter:
    """The adapter in ``folder``: its configuration and tensor table, no tensor.

    Args:
        folder: adapter_config.json and adapter_model.safetensors.
        name: the adapter as the user typed it, for messages.
        source: where it came from, in words.

    Raises:
        InputError: pickled, damaged, of a kind that cannot be merged, or without the name of its
            base.
    """
    config = _read_config(folder, name)
    base, kind = config.get("base_model_name_or_path"), str(config.get("peft_type", "")).upper()
    if not isinstance(base, str) or not base:
        raise InputError(f"{name}: the adapter does not name its base model; {_MERGE}")
    if kind in _PROMPTS:
        raise InputError(
            f"{name}: an adapter of the kind {kind} cannot be merged into a model; give a LoRA "
            f"adapter or a whole model"
        )
    if not (folder / WEIGHTS).is_file():
        raise InputError(
            f"{name}: an adapter without {WEIGHTS} (pickled weights are never opened); save it "
            f"again with a current PEFT, or {_MERGE}"
        )
    revision = config.get("revision")
    if isinstance(revision, str) and revision and "@" not in base and not is_there(base):
        base = f"{base}@{revision}"
    return Adapter(
        folder,
        base,
        config,
        tuple(read_tables([folder / WEIGHTS], name)),
        source,
        tuple(files_of_tokenizer(folder)) if has_tokenizer(folder) else (),
    )


def _read_config(folder: Path, name: str) -> dict[str, Any]:
    from embfilter_viz.models.formats.schemas import AdapterConfig, read_json

    return read_json(folder / CONFIG, AdapterConfig, name, "save the adapter again")


def on_base(adapter: Adapter, base: Outline, name: str) -> Outline:
    """The outline of ``base`` changed by ``adapter``, under the name the user typed.

    Raises:
        InputError: the adapter was trained on a model of other sizes.
    """
    _check_sizes(adapter, base.stored, name)
    return replace(base, name=name, adapter=adapter, source=f"{adapter.source} on {base.source}")


_LOW_RANK = re.compile(r"\.lora_(A|embedding_B)(\.weight)?$")


def _check_sizes(adapter: Adapter, stored: Mapping[str, TensorEntry], name: str) -> None:
    """Compare the input width of every low-rank factor with the weight it belongs to."""
    of_text = (entry for entry in stored.values() if is_of_text(entry.name))
    of_end = {entry.name.rpartition("layers.")[2]: entry for entry in of_text}
    for key, factor in adapter.brought.items():
        weight = _LOW_RANK.sub(".weight", key)
        found = stored.get(weight) or of_end.get(weight.rpartition("layers.")[2])
        if weight == key or found is None or len(found.shape) != 2 or len(factor.shape) != 2:
            continue
        width = factor.shape[1 if key.endswith(".lora_A.weight") else 0]
        if width not in found.shape:
            raise InputError(
                f"{name}: its adapter does not fit {adapter.base} ({key} is for a width of "
                f"{width:,} and {found.name} is {found.shape[0]:,} × {found.shape[1]:,}); give the "
                f"base it was trained on"
            )


def base_of(outline: Outline) -> Outline:
    """The outline without its adapter, under the base's own name."""
    assert outline.adapter is not None
    source = outline.source.removeprefix(f"{outline.adapter.source} on ")
    return replace(outline, name=outline.adapter.base, adapter=None, source=source)


def with_adapter(base: Checkpoint, outline: Outline, digest: str) -> Checkpoint:
    """The whole base with the adapter of ``outline``, known by its hash and the adapter's."""
    assert outline.adapter is not None
    both = base.content_hash + digest
    changed = replace(
        base.outline, name=outline.name, source=outline.source, adapter=outline.adapter
    )
    return Checkpoint(changed, hashlib.sha256(both.encode()).hexdigest())
