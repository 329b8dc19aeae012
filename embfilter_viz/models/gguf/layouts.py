"""How the tensors of a GGUF become the parameters of a model of transformers.

llama.cpp's converter renames every parameter and changes some: it interleaves the two halves of
rotary pairs, adds the 1 that Gemma's norms add, turns matrices round. A :class:`Layout` says what
was done for one architecture, :func:`plan_of` undoes it, parameter by parameter.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from embfilter_viz.models.formats.gguf_header import GgufTensor
from embfilter_viz.models.formats.tensors import row_blocks
from embfilter_viz.models.gguf.account import Account, entry_of

__all__ = ["Change", "Layout", "Parameter", "Plan", "plan_of"]

Config = Mapping[str, Any]
Change = Callable[[np.ndarray, Config], np.ndarray]
"""Undoes what the converter did to a tensor, given the configuration it was read with."""


@dataclass(frozen=True)
class Layout:
    """One architecture: its configuration, and which tensor is which parameter."""

    config: dict[str, Any]
    """config.json, as transformers writes it."""
    block: Mapping[str, str]
    """Tensors of a layer to parameters of a layer, both without ``.weight``."""
    outside: Mapping[str, str]
    """The same of those outside of the layers."""
    layers: str = "model.layers"
    """What parameters of layers begin with."""
    biased: Collection[str] = ()
    """Of the tensors above, those with a ``.bias`` too."""
    joined: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Parameters of a layer to the whole names of tensors that follow each other along axis 1."""
    bare: Mapping[str, str] = field(default_factory=dict)
    """Tensors of a layer to parameters of a layer, by their whole names."""
    changes: Mapping[str, Change] = field(default_factory=dict)
    """What to undo, by the whole name of a tensor, without the number of its layer."""
    skipped: Mapping[int, Collection[str]] = field(default_factory=dict)
    """Tensors and parameters that some layers do not have, by the number of the layer."""

    @property
    def n_layers(self) -> int:
        """Layers of the model."""
        return int(self.config.get("num_hidden_layers", self.config.get("n_layer", 0)))


@dataclass(frozen=True)
class Parameter:
    """One parameter of the model and the tensors it is made of."""

    tensors: tuple[GgufTensor, ...]
    """Where its values lie; several follow each other along axis 1."""
    change: Change | None
    """What is to be undone, or None."""

    @property
    def n_elements(self) -> int:
        """Say how many numbers it holds."""
        return sum(tensor.n_elements for tensor in self.tensors)

    def values(self, config: Config) -> np.ndarray:
        """Its values, float32, in the layout of transformers."""
        parts = [_dequantised(tensor) for tensor in self.tensors]
        whole = parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)
        return whole if self.change is None else self.change(whole, config)


@dataclass(frozen=True)
class Plan:
    """Everything needed to write a checkpoint: no tensor is read for it."""

    config: dict[str, Any]
    """config.json."""
    parameters: Mapping[str, Parameter]
    """By transformers' names."""


def plan_of(account: Account, layout: Layout) -> Plan:
    """Return what each parameter is made of, with every tensor of the layout crossed off.

    Raises:
        NotRead: a tensor is missing.
    """
    made: dict[str, Parameter] = {}

    def add(parameter: str, change_of: str, *tensors: str) -> None:
        found = tuple(account.tensor(tensor) for tensor in tensors)
        made[parameter] = Parameter(found, layout.changes.get(change_of))

    def add_named(prefix: str, stem: str, parameter: str) -> None:
        for suffix in ("weight", "bias") if stem in layout.biased else ("weight",):
            add(f"{parameter}.{suffix}", f"{stem}.{suffix}", f"{prefix}{stem}.{suffix}")

    for stem, parameter in layout.outside.items():
        add_named("", stem, parameter)
    for i in range(layout.n_layers):
        ours, theirs = f"blk.{i}.", f"{layout.layers}.{i}."
        absent = layout.skipped.get(i, ())
        for stem, parameter in layout.block.items():
            if stem not in absent:
                add_named(ours, stem, theirs + parameter)
        for name, parameter in layout.bare.items():
            if name not in absent:
                add(theirs + parameter, name, ours + name)
        for parameter, names in layout.joined.items():
            if parameter not in absent:
                add(theirs + parameter, names[0], *(ours + name for name in names))
    return Plan(layout.config, made)


def _dequantised(tensor: GgufTensor) -> np.ndarray:
    """All values of a tensor, block by block, so that no second copy of it is made."""
    whole = np.empty(tensor.shape, dtype=np.float32)
    row = 0
    for block in row_blocks(entry_of(tensor)):
        whole[row : row + len(block)] = block.reshape(-1, *tensor.shape[1:])
        row += len(block)
    return whole
