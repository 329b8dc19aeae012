"""The model card: what a checkpoint is and whether it fits, told before anything is loaded."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from embfilter_viz.errors import InputError
from embfilter_viz.models.encoding.devices import BYTES, Device, Precision, memory_of_device
from embfilter_viz.models.encoding.quantised import keeps_codes
from embfilter_viz.models.families import family_of, layers_of
from embfilter_viz.models.formats.codes import count_numbers
from embfilter_viz.models.formats.safetensors_header import TensorEntry
from embfilter_viz.models.head.unembedding import Head, Unembedding, find_head
from embfilter_viz.models.outline import Checkpoint, Outline
from embfilter_viz.models.sources.gguf_conversion import cannot_encode
from embfilter_viz.models.sources.locate import find_whole
from embfilter_viz.system.memory import in_words, memory_free

__all__ = ["WORKING_ROOM", "ModelCard", "card", "check_fits", "memory_needed"]

WORKING_ROOM = 512_000_000
"""Bytes beyond the weights: the states of one batch, and what torch itself takes."""
_STORED = {"float32": "F32", "bfloat16": "BF16", "float16": "F16"}


@dataclass(frozen=True)
class ModelCard:
    """The facts about a checkpoint that the explorer shows; none needs the weights."""

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
    head_from: str | None
    """The model that lends the head where this one has none."""
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
    only_head: str | None = None
    """Why texts cannot be encoded with it, whatever the memory, in words; None for most."""

    @property
    def fits(self) -> bool:
        """Tell whether the whole model can be loaded."""
        return self.memory_needed <= self.memory_free

    @property
    def head_words(self) -> str:
        """Return where the head is from, in words."""
        if self.head_from is not None:
            return f"lent by {self.head_from}: the checkpoint has none"
        return "tied to the input embedding" if self.tied else "a matrix of its own"

    def to_json(self) -> dict[str, Any]:
        """The card as JSON can hold it."""
        return {**asdict(self), "head_adds": list(self.head_adds), "fits": self.fits}


def card(
    outline: Outline, dtype: Precision = "float32", checkpoint: Checkpoint | None = None
) -> ModelCard:
    """The card of a model that would run in ``dtype``, from its configuration and tensor tables.

    Takes milliseconds whatever the model's size.

    Args:
        outline: of the model.
        dtype: the precision it would run in.
        checkpoint: the whole of it, where it was found already.

    Raises:
        InputError: it has no head to look through.
    """
    config = outline.config
    head = find_head(outline)
    d_vocab, d_model = head.entry.shape
    checkpoint = checkpoint or find_whole(outline)
    return ModelCard(
        name=outline.name,
        family=family_of(config).title,
        architecture=next(iter(config.get("architectures") or ()), str(config["model_type"])),
        d_vocab=d_vocab,
        d_model=d_model,
        n_layers=layers_of(config, outline.stored),
        parameters=sum(count_numbers(outline.tables)),
        tied=head.tied and outline.head_from is None,
        head_from=None if outline.head_from is None else outline.head_from.name,
        precision=outline.precision,
        source=outline.source,
        revision=outline.revision,
        content_hash=None if checkpoint is None else checkpoint.content_hash,
        head_adds=_head_adds(head),
        head_bytes=head.n_bytes,
        n_bytes=outline.n_bytes,
        dtype=dtype,
        memory_needed=_memory_of(outline, dtype),
        memory_free=memory_free(),
        only_head=outline.only_head,
    )


def memory_needed(tables: Sequence[TensorEntry], dtype: Precision = "float32") -> int:
    """Bytes to load and run a model: 4 (or 2) · parameters + the working room.

    Weights are held in ``dtype`` whatever the file's; a file of another dtype is converted tensor
    by tensor, so its largest tensor is there twice for a moment and is counted twice. Codes that
    share a byte (MXFP4, BitNet) are counted as the numbers they become.

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
    numbers = count_numbers(tables)
    converted = [
        n for n, entry in zip(numbers, tables, strict=True) if entry.dtype != _STORED[dtype]
    ]
    return BYTES[dtype] * (sum(numbers) + max(converted, default=0)) + WORKING_ROOM


def _memory_of(outline: Outline, dtype: Precision) -> int:
    """The same of a checkpoint whose codes may stay packed; one matrix is then unpacked at once."""
    if not keeps_codes(outline.config):
        return memory_needed(outline.tables, dtype)
    codes = [entry for entry in outline.tables if entry.dtype == "U8"]
    rest = [entry for entry in outline.tables if entry.dtype != "U8"]
    largest = max(count_numbers(outline.tables), default=0)
    return memory_needed(rest, dtype) + sum(e.n_bytes for e in codes) + BYTES[dtype] * largest


def check_fits(outline: Outline, dtype: Precision = "float32", device: Device = "cpu") -> None:
    """Refuse a model that would not fit, before any of it is loaded.

    It is loaded into the machine's memory first, also where it is to run on a graphics card.

    Raises:
        InputError: it needs more memory than is free; both numbers are in the line. Or texts
            cannot be encoded with it at all.
    """
    if outline.only_head is not None:
        raise cannot_encode(outline.name, outline.only_head)
    needed = _memory_of(outline, dtype)
    count = sum(count_numbers(outline.tables))
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


def _head_adds(head: Head) -> tuple[str, ...]:
    """Refuse in the words of the head, which is not read for it."""
    empty = np.empty((0, 0), dtype=np.float32)
    return Unembedding(
        empty,
        bias=None if head.bias is None else empty.ravel(),
        logit_scale=head.logit_scale,
        soft_cap=head.soft_cap,
    ).adds
