"""What is known of a model before its layers are read, parsed once and handed on."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from embfilter_viz.models.formats.gguf_header import GgufHeader
from embfilter_viz.models.formats.safetensors_header import TensorEntry

__all__ = ["Adapter", "Checkpoint", "Kind", "Outline"]

Kind = Literal["bundled", "hub", "folder", "gguf"]


@dataclass(frozen=True)
class Outline:
    """Configuration and tensor table of a checkpoint, and where its files are.

    The head needs no more: it is one tensor of the table, and the tokenizer lies in ``folder``.
    """

    name: str
    """As the user typed it."""
    folder: Path
    """config.json and tokenizer files."""
    config: Mapping[str, Any]
    """The parsed config.json."""
    tables: tuple[TensorEntry, ...]
    """Every tensor of the checkpoint; those of the head are on this disk where they say."""
    kind: Kind = "folder"
    """Which of the four forms the name has."""
    source: str = ""
    """Where it came from, in words."""
    precision: str = ""
    """What the numbers were on their way here: ``Q4_1``, ``bfloat16``, …"""
    revision: str | None = None
    """The commit on the hub."""
    adapter: "Adapter | None" = None
    """A PEFT adapter that changes this base model, or None."""
    head_from: "Outline | None" = None
    """The model that lends its head where this one has none, or None."""
    only_head: str | None = None
    """Why texts cannot be encoded with it, whatever the memory, in words; None for most."""
    gguf: GgufHeader | None = field(default=None, repr=False, compare=False)
    """The parsed header of a GGUF that is not converted, handed on so that it is parsed once."""

    @cached_property
    def stored(self) -> Mapping[str, TensorEntry]:
        """Every tensor by its name."""
        return {entry.name: entry for entry in self.tables}

    @property
    def tokenizer_folder(self) -> Path:
        """Return where its tokenizer lies: an adapter may bring the one it was trained with."""
        brought = self.adapter is not None and self.adapter.tokenizer_files
        return self.adapter.folder if self.adapter is not None and brought else self.folder

    @property
    def n_bytes(self) -> int:
        """Return what all tensors take as they are stored."""
        return sum(entry.n_bytes for entry in self.tables)

    @property
    def here(self) -> bool:
        """Tell whether all tensors are on this disk, and not those of the head alone."""
        return all(file.is_file() for file in {entry.file for entry in self.tables})

    @property
    def identity(self) -> str:
        """Names this state of this model among all others, without reading it, in hexadecimal.

        Follows the place, the size and the time of its files; equal copies elsewhere differ,
        unlike ``content_hash``.
        """
        said = [self.source, str(self.revision), *map(repr, self.tables)]
        files = {entry.file for entry in self.tables} | {self.folder / "config.json"}
        if self.adapter is not None:
            files |= set(self.adapter.files)
        for file in sorted(files):
            if file.is_file():
                status = file.stat()
                said.append(f"{file} {status.st_size} {status.st_mtime_ns}")
        if self.head_from is not None:
            said.append(self.head_from.identity)
        return hashlib.sha256("\n".join(said).encode()).hexdigest()


@dataclass(frozen=True)
class Adapter:
    """A PEFT adapter on this disk."""

    folder: Path
    """adapter_config.json and adapter_model.safetensors."""
    base: str
    """The model it changes, as its configuration names it."""
    config: Mapping[str, Any]
    """The parsed adapter_config.json."""
    tables: tuple[TensorEntry, ...]
    """Every tensor of the adapter."""
    source: str = "adapter"
    """Where it came from, in words."""
    tokenizer_files: tuple[Path, ...] = ()
    """The files of the tokenizer it brings; empty where that of its base is used."""

    @cached_property
    def brought(self) -> Mapping[str, TensorEntry]:
        """Every tensor by the name it has in the base, what stands for a change of one included."""
        return {entry.name.removeprefix("base_model.model."): entry for entry in self.tables}

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that decide what it computes."""
        weights = sorted({entry.file for entry in self.tables})
        return (self.folder / "adapter_config.json", *weights, *self.tokenizer_files)


@dataclass(frozen=True)
class Checkpoint:
    """A model whose tensors are all on this disk, in safe formats, with its hash."""

    outline: Outline
    """Its configuration and tensor table."""
    content_hash: str
    """SHA-256 over weights, configuration and tokenizer: equal for equal models anywhere."""

    @property
    def name(self) -> str:
        """As the user typed it."""
        return self.outline.name

    @property
    def folder(self) -> Path:
        """config.json, safetensors and tokenizer files."""
        return self.outline.folder
