"""The model card: what a checkpoint is and whether it fits, told before anything is loaded."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from embfilter_viz.errors import InputError
from embfilter_viz.models.devices import BYTES, Device, Precision, memory_of_device
from embfilter_viz.models.families import bias_names, family_of, logit_scale, soft_cap
from embfilter_viz.models.memory import in_words, memory_free
from embfilter_viz.models.safetensors_header import TensorEntry
from embfilter_viz.models.safety import read_config
from embfilter_viz.models.sources import Outline, find_whole
from embfilter_viz.models.unembedding import Unembedding, find_head

__all__ = ["WORKING_ROOM", "ModelCard", "card", "check_fits", "memory_needed"]

WORKING_ROOM = 512_000_000
"""Bytes beyond the weights: the states of one batch, and what torch itself takes."""
_STORED = {"float32": "F32", "bfloat16": "BF16", "float16": "F16"}


@dataclass(frozen=True)
class ModelCard:
    """What the explorer says about a checkpoint; nothing here needs the weights."""

    name: str
    """As the user typed it."""
    family: str
    """The family's title, such as ``Llama``."""
    architecture: str
    """The class in ``config.json``, such as ``LlamaForCausalLM``."""
    d_vocab: int
    """Rows V of W_U, those beyond the tokenizer included."""
    d_model: int
    """Columns d of W_U."""
    n_layers: int
    """Decoder layers."""
    parameters: int
    """Numbers stored; a tied head counts once."""
    tied: bool
    """Whether W_U is the input embedding."""
    precision: str
    """What the numbers were in the original: ``Q4_1``, ``bfloat16``, …"""
    source: str
    """Where the checkpoint came from, in words."""
    revision: str | None
    """The commit on the hub."""
    content_hash: str | None
    """SHA-256 over weights, configuration and tokenizer; None until all of them were read."""
    head_adds: tuple[str, ...]
    """What the head does beyond h W_Uᵀ, in words; empty for most."""
    head_bytes: int
    """Bytes of the head as it is stored: what is read for its spectrum."""
    n_bytes: int
    """Bytes of all tensors as they are stored."""
    dtype: Precision
    """In what precision it would run."""
    memory_needed: int
    """Bytes to run the whole model so, see :func:`memory_needed`."""
    memory_free: int
    """Bytes that were free when the card was made."""

    @property
    def fits(self) -> bool:
        """Whether the whole model can be loaded."""
        return self.memory_needed <= self.memory_free

    def to_json(self) -> dict[str, Any]:
        """The card as JSON can hold it."""
        return {**asdict(self), "head_adds": list(self.head_adds), "fits": self.fits}


def card(outline: Outline, dtype: Precision = "float32") -> ModelCard:
    """The card of a model that would run in ``dtype``, from its configuration and tensor tables.

    Takes milliseconds whatever the model's size.

    Raises:
        InputError: it has no head to look through.
    """
    config = read_config(outline.folder, outline.name)
    names = [entry.name for entry in outline.tables]
    head = find_head(outline, config, outline.tables)
    d_vocab, d_model = head.entry.shape
    checkpoint = find_whole(outline)
    return ModelCard(
        name=outline.name,
        family=family_of(config).title,
        architecture=next(iter(config.get("architectures") or ()), str(config["model_type"])),
        d_vocab=d_vocab,
        d_model=d_model,
        n_layers=_n_layers(names),
        parameters=sum(entry.n_elements for entry in outline.tables),
        tied=head.tied,
        precision=outline.precision,
        source=outline.source,
        revision=outline.revision,
        content_hash=None if checkpoint is None else checkpoint.content_hash,
        head_adds=_head_adds(config, names),
        head_bytes=head.n_bytes,
        n_bytes=outline.n_bytes,
        dtype=dtype,
        memory_needed=memory_needed(outline.tables, dtype),
        memory_free=memory_free(),
    )


def memory_needed(tables: Sequence[TensorEntry], dtype: Precision = "float32") -> int:
    """Bytes to load and run a model: 4 (or 2) · parameters + the working room.

    Weights are held in ``dtype`` whatever the file's; a file of another dtype is converted tensor
    by tensor, so its largest tensor is there twice for a moment and is counted twice.

    Args:
        tables: every tensor of the checkpoint.
        dtype: the precision it would run in.

    >>> from pathlib import Path
    >>> tables = [TensorEntry("w", "BF16", (1000, 1000), Path(), 0, 2_000_000)]
    >>> memory_needed(tables) - WORKING_ROOM
    8000000
    >>> memory_needed(tables, "bfloat16") - WORKING_ROOM
    2000000
    """
    weights = sum(entry.n_elements for entry in tables)
    converted = [entry.n_elements for entry in tables if entry.dtype != _STORED[dtype]]
    return BYTES[dtype] * (weights + max(converted, default=0)) + WORKING_ROOM


def check_fits(outline: Outline, dtype: Precision = "float32", device: Device = "cpu") -> None:
    """Refuse a model that would not fit, before any of it is loaded.

    It is loaded into the machine's memory first, also where it is to run on a graphics card.

    Raises:
        InputError: it needs more memory than is free; both numbers are in the line.
    """
    needed = memory_needed(outline.tables, dtype)
    count = sum(entry.n_elements for entry in outline.tables)
    running = f"{outline.name}: running its {count:,} parameters in {dtype} needs"
    smaller = "choose bfloat16, " if BYTES[dtype] > BYTES["bfloat16"] else ""
    if needed > (free := memory_free()):
        raise InputError(
            f"{running} {in_words(needed)} of memory and {in_words(free)} are free; close other "
            f"programs, {smaller}pick a smaller model, or use the pages that read the head alone"
        )
    there = memory_of_device(device)
    if there is not None and needed > there:
        raise InputError(
            f"{running} {in_words(needed)} on the {device} device and {in_words(there)} are free "
            f"there; {smaller}pick a smaller model, or the device cpu"
        )


def _n_layers(names: Sequence[str]) -> int:
    """Counted in the tensors: the config's name for it differs between families.

    The first number in a name, as in ``model.layers.7.mlp.experts.3``, is the layer's; the eyes
    of a multimodal model have layers too, which are none of the language model's.
    """
    seen = [name for name in names if not any(part in name for part in ("vision", "visual"))]
    numbers = (next((p for p in name.split(".") if p.isdigit()), None) for name in seen)
    return len({number for number in numbers if number is not None})


def _head_adds(config: dict[str, Any], names: Sequence[str]) -> tuple[str, ...]:
    """In the very words of the head, which is not read for it."""
    empty = np.empty((0, 0), dtype=np.float32)
    has_bias = any(True for _ in bias_names(names))
    return Unembedding(
        empty,
        bias=empty.ravel() if has_bias else None,
        logit_scale=logit_scale(config),
        soft_cap=soft_cap(config),
    ).adds
