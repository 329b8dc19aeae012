"""A model shortened to its first layers, for states that are wanted after one of them.

What follows a model's last layer then follows the last that is left, so that the final state is the
state after that layer, through the final norm. Half of the layers take half of the time.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from embfilter_viz.models.encoding.packed import PackedReader

__all__ = ["Cut"]


class Cut:
    """The first ``layer`` of a decoder's layers.

    Args:
        base: the transformers model without its head.
        layers: its list of layers, which is found in it.
        layer: how many of them to keep, 0 or more.
    """

    def __init__(self, base: Any, layers: Any, layer: int) -> None:
        from torch import nn

        self._kept = nn.ModuleList(list(layers)[:layer])
        self._all = layers
        self._home, self._name = next(
            (module, name)
            for module in base.modules()
            for name, child in module.named_children()
            if child is layers
        )
        self.agrees = False
        """Whether it was seen to give the states of the whole model after the same layer."""
        self.packed: PackedReader | None = None
        """What reads it packed, where that gives the same."""

    @contextmanager
    def short(self) -> Iterator[None]:
        """Run those layers alone. One thread at a time may read the model meanwhile."""
        setattr(self._home, self._name, self._kept)
        try:
            yield
        finally:
            setattr(self._home, self._name, self._all)
