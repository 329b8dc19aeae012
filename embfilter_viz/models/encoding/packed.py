"""A packed forward pass of a transformers model: see ``packing`` for which rows it computes.

The model's own modules do all the work. Its attention is asked for by name, which transformers
provides for, and answered here: queries and keys are gathered to sequences, handed to the very
function the model uses otherwise with the very mask it makes, and the answers put back to rows.
"""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from embfilter_viz.models.encoding.packing import Asking, Packing
from embfilter_viz.models.encoding.prepared import Prepared
from embfilter_viz.models.transformers_internals import (
    attention_of,
    attention_used,
    mask_of,
    register_attention,
)

if TYPE_CHECKING:
    import torch

__all__ = ["NotPacked", "PackedReader", "Work"]

_NAME = "embfilter_viz_packed"
_here = threading.local()


class NotPacked(Exception):  # noqa: N818 - a finding, not an error
    """This model does not ask for its attention as packing needs it."""


class _KeysRead(Exception):  # noqa: N818
    """The keys of a layer are known and nothing else of it is wanted."""


@dataclass
class Work:
    """The counts of what was computed; a test and a benchmark read them."""

    forwards: int = 0
    """Scalar: passes through the model."""
    rows: int = 0
    """Scalar: token rows that went through the layers."""
    read: int = 0
    """Scalar: rows that went through the whole of the last layer."""

    def count(self, rows: int, read: int | None = None) -> None:
        """Add one pass; all rows are read unless said."""
        self.forwards += 1
        self.rows += rows
        self.read += rows if read is None else read


class PackedReader:
    """Reads packed sequences with a model.

    Args:
        base: the transformers model without its head.
        layers: its decoder layers, in order, or the first of them where no others will run.
    """

    def __init__(self, base: Any, layers: Any) -> None:
        self._base = base
        self._n_layers = len(layers)
        self._implementation = base.config._attn_implementation
        self._beginning: tuple[int, ...] = ()
        self._known: list[tuple[torch.Tensor, torch.Tensor]] = []
        self.work = Work()
        layers[-1].forward = _read_only_where_wanted(layers[-1].forward, self._n_layers)
        _register()

    def pooled(self, packing: Packing, beginning: tuple[int, ...]) -> "torch.Tensor":
        """(m, d_model) float32: the mean final state of each sequence of ``packing``.

        Args:
            packing: the sequences, without ``beginning``.
            beginning: the tokens they all begin with, whose keys are computed once.

        Raises:
            NotPacked: this model cannot be read so.
        """
        import torch

        if beginning and beginning != self._beginning:
            self._known = self._keys_of(beginning)
            self._beginning = beginning
        known = self._known if beginning else []
        states = self._run(self._reading(packing, known))
        rows = torch.as_tensor(np.concatenate(packing.pooled), device=states.device)
        counts = torch.tensor([len(rows) for rows in packing.pooled], device=states.device)
        read = states.index_select(0, rows).float()
        if len(rows) == len(counts):  # one row each
            return read
        owners = torch.repeat_interleave(counts)
        total = torch.zeros(len(counts), read.shape[1], device=states.device)
        return total.index_add(0, owners, read) / counts[:, None]

    def _keys_of(self, ids: tuple[int, ...]) -> list[tuple["torch.Tensor", "torch.Tensor"]]:
        """Keys and values of every layer for the tokens ``ids``."""
        if not ids:
            return []
        packing = Packing([Prepared(ids, len(ids) - 1, truncated=False)])
        reading = self._reading(packing, [], keys_only=True)
        self._run(reading)
        return reading.kept

    def _reading(
        self, packing: Packing, known: list[Any], *, keys_only: bool = False
    ) -> "_Reading":
        return _Reading(packing, self._implementation, known, self._n_layers, keys_only=keys_only)

    def _run(self, reading: "_Reading") -> "torch.Tensor":
        import torch

        packing = reading.packing
        device = self._base.device
        ids = torch.as_tensor(packing.ids, device=device)[None]
        with _in_use(reading, self._base.config):
            states = self._base(
                input_ids=ids,
                position_ids=torch.as_tensor(packing.positions, device=device)[None],
                attention_mask=torch.ones_like(ids),  # else jumps in position are taken for gaps
                use_cache=False,
            ).last_hidden_state[0]
        if reading.layer != self._n_layers or not reading.masked:
            raise NotPacked
        read = 0 if reading.keys_only else len(packing.where_read.rows)
        self.work.count(len(packing.ids), read)
        return states


class _Reading:
    """One pass: what the attention of each layer needs to know.

    Args:
        packing: which tokens share a beginning.
        implementation: how attention is computed.
        known: keys and values of each layer that are known.
        n_layers: how many layers there are.
        keys_only: whether only keys and values of the last layer are wanted.
    """

    def __init__(
        self,
        packing: Packing,
        implementation: str,
        known: list[tuple["torch.Tensor", "torch.Tensor"]],
        n_layers: int,
        *,
        keys_only: bool = False,
    ) -> None:
        self.packing = packing
        self.n_layers = n_layers
        self.implementation = implementation
        self.known = known
        self.keys_only = keys_only
        self.kept: list[tuple[torch.Tensor, torch.Tensor]] = []
        self.layer = 0
        self.masked = False
        self.in_last = False
        self.last: tuple[torch.Tensor, torch.Tensor] | None = None
        self._indices: dict[int, Any] = {}

    def attend(
        self,
        module: Any,
        query: "torch.Tensor",
        key: "torch.Tensor",
        value: "torch.Tensor",
        mask: "torch.Tensor | None",
        **more: Any,
    ) -> tuple["torch.Tensor", None]:
        """Answers (1, n, heads, width) to queries (1, heads, n, width).

        Args:
            module: the layer's attention.
            query: (1, heads, n, width).
            key: (1, heads, n, width).
            value: (1, heads, n, width).
            mask: transformers' own mask.
            more: what else transformers gives.

        Returns:
            the answers, and None for the weights.
        """
        import torch

        if mask is None or mask.dim() != 4:
            raise NotPacked
        asking = self.packing.everywhere
        if self.last is not None:  # the last layer, for the second time
            key, value = self.last
            asking = self.packing.where_read
        else:
            self.layer += 1
            if self.keys_only:
                self.kept.append((key, value))
            if self.known:
                before = self.known[self.layer - 1]
                key = torch.cat([before[0], key], dim=2)
                value = torch.cat([before[1], value], dim=2)
            if self.in_last:
                self.last = key, value
                raise _KeysRead
        return self._answer(module, query, key, value, mask, asking, more)

    def _answer(
        self, module: Any, query: "torch.Tensor", key: "torch.Tensor", value: "torch.Tensor",
        mask: "torch.Tensor", asking: Asking, more: dict[str, Any],
    ) -> tuple["torch.Tensor", None]:  # fmt: skip
        import torch

        attend = _own_attention(self.implementation, module)
        buckets, answers = self._on_device(asking, query.device)
        found = []
        for (queries, keys), bucket in zip(buckets, asking.buckets, strict=True):
            k = bucket.keys.shape[1]
            out, _ = attend(
                module,
                _gathered(query, queries),
                _gathered(key, keys),
                _gathered(value, keys),
                mask[:, :, bucket.first : k, :k],
                **more,
            )
            found.append(out.flatten(0, 1))
        return torch.cat(found).index_select(0, answers)[None], None

    def _on_device(self, asking: Asking, device: Any) -> Any:
        import torch

        def there(array: Any) -> torch.Tensor:
            return torch.as_tensor(array, device=device)

        if id(asking) not in self._indices:
            buckets = [(there(b.queries), there(b.keys)) for b in asking.buckets]
            self._indices[id(asking)] = buckets, there(asking.answers)
        return self._indices[id(asking)]

    def mask(self, *, use_vmap: bool = False, **said: Any) -> "torch.Tensor":
        """The model's own mask over the positions 0 … longest − 1, (1, 1, longest, longest)."""
        if use_vmap:  # a pattern that may depend on more than positions
            raise NotPacked
        self.masked = True
        longest = self.packing.longest
        alone = {"batch_size": 1, "attention_mask": None, "allow_is_causal_skip": False}
        square = {"q_length": longest, "kv_length": longest, "q_offset": 0, "kv_offset": 0}
        return mask_of(self.implementation)(**{**said, **alone, **square})


def _gathered(states: "torch.Tensor", index: "torch.Tensor") -> "torch.Tensor":
    """(1, heads, n, width) by index (b, q) to (b, heads, q, width)."""
    rows = states[0].transpose(0, 1).index_select(0, index.flatten())
    return rows.unflatten(0, index.shape).transpose(1, 2)


def _own_attention(implementation: str, module: Any) -> Any:
    """The function the model would have called, for eager attention that of its own file."""
    eager = vars(sys.modules[type(module).__module__]).get("eager_attention_forward", _absent)
    return attention_of(implementation, eager)


def _absent(*_: Any, **__: Any) -> Any:
    raise NotPacked


def _read_only_where_wanted(forward: Any, number: int) -> Any:
    """A layer that may be the last: keys of all rows, all else only of the rows that are read.

    It is the last where as many layers run as its ``number`` says, the first being 1.

    Its forward is entered twice: once until the keys are there, once with the read rows alone.
    """
    import torch

    def last_layer(*args: Any, **kwargs: Any) -> Any:
        reading: _Reading | None = getattr(_here, "reading", None)
        if reading is None or reading.n_layers != number:
            return forward(*args, **kwargs)
        hidden = args[0] if args else kwargs["hidden_states"]
        reading.in_last = True
        try:
            forward(*args, **kwargs)
        except _KeysRead:
            pass
        else:
            raise NotPacked
        if reading.keys_only:
            return hidden
        rows = torch.as_tensor(reading.packing.where_read.rows, device=hidden.device)

        def picked(given: Any) -> Any:
            if isinstance(given, tuple):
                return tuple(picked(one) for one in given)
            if isinstance(given, torch.Tensor) and given.dim() in (2, 3):
                return given.index_select(1, rows) if given.shape[1] == hidden.shape[1] else given
            return given

        out = forward(*map(picked, args), **{name: picked(one) for name, one in kwargs.items()})
        read = out[0] if isinstance(out, tuple) else out
        # Back to where they were, for some models insist on the shape; the rest is never looked at.
        whole = torch.zeros_like(hidden, dtype=read.dtype).index_copy(1, rows, read)
        return (whole, *out[1:]) if isinstance(out, tuple) else whole

    return last_layer


@contextmanager
def _in_use(reading: _Reading, config: Any) -> Iterator[None]:
    """Let the model ask for its attention by our name, for as long as the pass takes."""
    _here.reading = reading
    try:
        with attention_used(config, _NAME):
            yield
    finally:
        _here.reading = None


def _register() -> None:
    def attend(
        module: Any, query: Any, key: Any, value: Any, attention_mask: Any = None, **more: Any
    ) -> Any:
        return _here.reading.attend(module, query, key, value, attention_mask, **more)

    def mask(**said: Any) -> Any:
        return _here.reading.mask(**said)

    register_attention(_NAME, attend, mask)
