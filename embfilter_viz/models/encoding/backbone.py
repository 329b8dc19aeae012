"""The model in memory: what torch and transformers do for the encoder, and nothing else."""

import logging
import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from embfilter_viz.errors import InputError
from embfilter_viz.models import families
from embfilter_viz.models.encoding.between_layers import states_after_layers
from embfilter_viz.models.encoding.cut import Cut
from embfilter_viz.models.encoding.devices import Device, Precision
from embfilter_viz.models.encoding.loading import Loaded, load
from embfilter_viz.models.encoding.packed import NotPacked, PackedReader, Work
from embfilter_viz.models.encoding.packing import Packing, common_beginning
from embfilter_viz.models.encoding.prepared import Prepared
from embfilter_viz.models.encoding.routers import router_weights
from embfilter_viz.models.encoding.writing import Sampling, first_logits, written
from embfilter_viz.models.formats.tensors import StoredRows
from embfilter_viz.models.head.unembedding import (
    Head,
    Unembedding,
    find_head,
    open_head,
    stored_head,
)
from embfilter_viz.models.outline import Outline

if TYPE_CHECKING:
    import torch

__all__ = ["Backbone", "open_backbone"]

_LOG = logging.getLogger(__name__)

_FLOPS_PER_BATCH = {"cpu": 8e10, "mps": 1e12, "cuda": 1e13}
"""Work of one batch: under a second on two slow cores, so that a cancel is heard in time."""
_SMALLEST_BATCH = 64
_LARGEST_BATCH = 16_384
_LOGITS_AT_ONCE = 1 << 25
"""Logits held at once: 128 MB in float32, 128 positions at Gemma's 262,144 rows; at most half as
many again."""

_LONGEST_TOGETHER = 8192
"""Tokens of a sequence that is still read with others: a mask takes the square of them."""

_ROWS_COMPARED = 4096
"""Rows of the loaded head that are compared with those on disk: 9 MB for SmolLM2."""

_ROUNDING = {4: 1e-4, 2: 0.05, 8: 1e-4}
"""Relative distance of two embeddings that rounding explains, by bytes of a weight."""

_ABOVE = 70.0
"""Exponent of what a likeliest token counts before it is divided: with e⁷⁰ for 1, float32 has
room for probabilities down to e⁻¹⁵⁷, without a detour through float64."""


def open_backbone(
    outline: Outline,
    device: Device = "cpu",
    dtype: Precision = "float32",
    *,
    probes: Sequence[Prepared],
    beat: Callable[[], None],
    threads: int | None = None,
) -> "Backbone":
    """Load the model of a checkpoint and hold our ways of reading it against transformers' own.

    Args:
        outline: of a checkpoint that is whole on this machine.
        device: where the model runs.
        dtype: in what precision.
        probes: two texts as the model sees them, of different lengths.
        beat: called before each layer of each forward pass; what it raises ends the pass.
        threads: of the processor that a pass may take; None is all cores but one.

    Returns:
        the backbone, checked.

    Raises:
        InputError: what transformers cannot load here or not in full, or a head that does more
            than is known of its family.
    """
    loaded = load(outline, device, dtype)
    if loaded.left_out:
        _LOG.info("%s: left out on purpose: %s", outline.name, ", ".join(loaded.left_out))
    lent = None if outline.head_from is None else find_head(outline)
    backbone = Backbone(loaded, outline.config, beat, threads or _threads(), lent)
    backbone.check_head(outline, probes[0])
    backbone.check_causal(probes[1], outline.name)
    backbone.check_ways(probes, outline.name)
    return backbone


def _threads() -> int:
    """All cores but one, at least one.

    A layer is many short parallel regions that end when the slowest thread does. With a thread
    on every core, a browser or a second visitor on one of them stalls each region: on two busy
    cores encoding ran some 30 times slower with two threads than with one.
    """
    return max(1, (os.cpu_count() or 1) - 1)


class Backbone:
    """A causal model without its head; the head is only asked by ``summed_predictions``.

    Args:
        loaded: the model as transformers loaded it.
        config: its configuration.
        beat: called before each layer.
        threads: how many threads products may use.
        lent: the head of another model, if one is lent.
    """

    def __init__(
        self,
        loaded: Loaded,
        config: Mapping[str, Any],
        beat: Callable[[], None],
        threads: int,
        lent: Head | None = None,
    ) -> None:
        parts = loaded.parts
        self._model, self._base, self._head = parts.reader, parts.decoder, parts.head
        self._before_head = parts.before_head
        self._lent = lent
        self._threads = threads
        self._scale = families.logit_scale(config)
        self._cap = families.soft_cap(config)
        self._layers = layers = _layers(self._base)
        self.n_layers = len(layers)
        for layer in layers:
            layer.register_forward_pre_hook(lambda *_: beat())
        weights = sum(p.numel() for layer in layers for p in layer.parameters())
        affordable = _FLOPS_PER_BATCH[self._device.type] / (2 * max(1, weights))
        self.tokens_per_batch = int(min(max(affordable, _SMALLEST_BATCH), _LARGEST_BATCH))
        packs = families.family_of(config).packs and self._before_head is None
        self._packed = PackedReader(self._base, layers) if packs else None
        self._cuts: dict[int, Cut] = {}
        self._probes: Sequence[Prepared] = ()
        self._pads = True
        self._together = _longest_together(config)
        self.work = Work() if self._packed is None else self._packed.work

    @property
    def d_model(self) -> int:
        """The width d of its states."""
        return int(self._head.weight.shape[1] if self._head else self._base.config.hidden_size)

    @property
    def _device(self) -> Any:
        return self._model.device

    @property
    def packs(self) -> bool:
        """Tell whether sequences are read packed, each shared beginning once."""
        return self._packed is not None

    @property
    def pads(self) -> bool:
        """Tell whether unpacked sequences of different lengths run side by side."""
        return self._pads

    def pooled(
        self,
        sequences: Sequence[Prepared],
        beginning: tuple[int, ...] = (),
        layer: int | None = None,
    ) -> np.ndarray:
        """(m, d_model) float32: the pooled final state of each sequence.

        Args:
            sequences: texts as the model sees them.
            beginning: tokens that all of them, and those of the calls to come, begin with.
            layer: read the state after so many layers instead, through the final norm; the layers
                that follow are then not run.

        Raises:
            InputError: more layers than the model runs, whatever its configuration says.
        """
        if layer is None or layer == self.n_layers:
            return self._pooled(sequences, beginning, self._packed)
        if layer > self.n_layers:
            raise InputError(
                f"layer {layer}: {type(self._base).__name__} runs {self.n_layers} layers; take 0, "
                f"the input, to {self.n_layers}"
            )
        cut = self._cut(layer)
        if not cut.agrees:  # all layers run, and the others' states are dropped
            parts = [sequences] if self._pads else [[one] for one in sequences]
            return np.concatenate([self.layers(part)[:, layer] for part in parts])
        with cut.short():
            return self._pooled(sequences, beginning, cut.packed)

    def _pooled(
        self,
        sequences: Sequence[Prepared],
        beginning: tuple[int, ...],
        packed: PackedReader | None,
    ) -> np.ndarray:
        """The same after the layers that are there now, by the fastest way that is open."""
        short = self._may_share(sequences)
        found = self._packed_together(sequences, beginning, packed) if short else None
        if found is not None:
            return found
        if self._pads and short:
            return self._side_by_side(sequences)
        return np.concatenate([self._side_by_side([one]) for one in sequences])

    def _may_share(self, sequences: Sequence[Prepared]) -> bool:
        """Tell whether none of the sequences is so long that others must not run beside it."""
        return max(len(s.ids) for s in sequences) <= self._together

    def _cut(self, layer: int) -> Cut:
        """The model without the layers after ``layer``, held against all of it the first time."""
        if layer not in self._cuts:
            cut = Cut(self._base, self._layers, layer)
            if self._packed is not None and layer > 0:
                cut.packed = PackedReader(self._base, self._layers[:layer])
                cut.packed.work = self.work
            alone = [self.layers([probe])[:, layer] for probe in self._probes]
            cut.agrees = bool(alone) and self._cut_agrees(cut, np.concatenate(alone))
            self._cuts[layer] = cut
        return self._cuts[layer]

    def _cut_agrees(self, cut: Cut, expected: np.ndarray) -> bool:
        """Tell whether the shortened model gives the states of the whole one after that layer."""
        with cut.short():
            try:
                plain = [self._pooled([probe], (), None) for probe in self._probes]
            except (LookupError, AttributeError, TypeError, RuntimeError):
                return False  # its forward counts on all of its layers
            if not self._near(np.concatenate(plain), expected):
                return False
            if cut.packed is not None:
                beginning = common_beginning(self._probes)
                found = self._packed_together(self._probes, beginning, cut.packed)
                if found is None or not self._near(found, expected):
                    cut.packed = None
        return True

    def _packed_together(
        self,
        sequences: Sequence[Prepared],
        beginning: tuple[int, ...],
        packed: PackedReader | None,
    ) -> np.ndarray | None:
        """(m, d_model): the pooled states by one packed pass; None where there is no such pass."""
        import torch

        if packed is None:
            return None
        torch.set_num_threads(self._threads)  # of this thread: each asks for itself
        with torch.inference_mode():
            try:
                packing = Packing(sequences, len(beginning))
                return _to_numpy(packed.pooled(packing, beginning))
            except NotPacked:  # another release of transformers, it seems
                if packed is self._packed:
                    self._packed = None
                return None

    def _side_by_side(self, sequences: Sequence[Prepared]) -> np.ndarray:
        """(m, d_model): the pooled states by one padded pass."""
        import torch

        with torch.inference_mode():
            states = self._to_head(self._read(sequences).last_hidden_state)
            pooled = [_pool(h, s) for h, s in zip(states, sequences, strict=True)]
            return _to_numpy(torch.stack(pooled))

    def routed(self, sequences: Sequence[Prepared]) -> np.ndarray:
        """(m, n_routers · n_experts) float32: each router's softmax, pooled, one after the other.

        Of more than one sequence only where :attr:`pads` allows it.

        Raises:
            InputError: a model without routers, or whose routers are not recorded.
        """
        import torch

        with torch.inference_mode():
            weights = router_weights(
                self._base, lambda **more: self._read(sequences, **more), len(sequences)
            )
            together = torch.cat(weights, dim=-1)
            pooled = [_pool(one, s) for one, s in zip(together, sequences, strict=True)]
            return _to_numpy(torch.stack(pooled))

    def layers(self, sequences: Sequence[Prepared]) -> np.ndarray:
        """(m, n_layers + 1, d_model) float32: after each layer, through the final norm, pooled.

        Of more than one sequence only where :attr:`pads` allows it.

        Raises:
            InputError: the model's states between layers cannot be had, or are several a token.
        """
        import torch

        with torch.inference_mode():
            after = self._after_layers(sequences)
            pooled = [
                torch.stack([_pool(state[row], sequence) for state in after])
                for row, sequence in enumerate(sequences)
            ]
            return _to_numpy(torch.stack(pooled))

    def layers_of_tokens(self, sequence: Prepared) -> np.ndarray:
        """(n_layers + 1, n_tokens, d_model) float32: the same for every token, not pooled.

        Raises:
            InputError: as :meth:`layers`.
        """
        import torch

        with torch.inference_mode():
            after = self._after_layers([sequence])
            return _to_numpy(torch.stack([state[0].float() for state in after]))

    def _after_layers(self, sequences: Sequence[Prepared]) -> list["torch.Tensor"]:
        """(m, n, d_model) before the first layer and after each, as the head would read them."""
        states = states_after_layers(self._base, self._layers, lambda: self._read(sequences))
        if states is None:
            raise InputError(
                f"{type(self._base).__name__}: what it does between its last layer and its "
                f"head cannot be done after an earlier layer, so its states can be read after "
                f"the last layer alone"
            )
        return [self._to_head(state) for state in states]

    def summed_predictions(
        self, sequences: Sequence[Prepared], weights: np.ndarray, beat: Callable[[], None]
    ) -> np.ndarray:
        """(d_vocab,) float64: softmax(logits) summed over pooled positions, times weights (m,)."""
        import torch

        if self._head is None and self._lent is None:
            raise InputError(
                "the checkpoint has no head of its own, so it predicts no tokens; take the token "
                "frequencies wordfreq or corpus"
            )
        with torch.inference_mode():
            states = self._final_states(sequences)
            h = torch.cat(
                [row[s.start : len(s.ids)] for row, s in zip(states, sequences, strict=True)]
            )
            counts = [len(s.ids) - s.start for s in sequences]
            w = torch.from_numpy(np.repeat(weights.astype(np.float32), counts)).to(h.device)
            d_vocab = self._lent_head.d_vocab if self._head is None else len(self._head.weight)
            total = torch.zeros(d_vocab, dtype=torch.float64)
            # In equal parts: for a small rest the head would be read whole once more.
            parts = max(1, round(len(h) * d_vocab / _LOGITS_AT_ONCE))
            parts = min(parts, len(h))
            for part, share in zip(h.tensor_split(parts), w.tensor_split(parts), strict=True):
                beat()
                logits = self._logits(part).float()
                raised = logits.sub_(logits.amax(-1, keepdim=True) - _ABOVE).exp_()
                ones = raised.sum(-1).mul_(math.exp(-_ABOVE))  # from 1 to d_vocab
                total += ((share / ones) @ raised).cpu().double()
            total *= math.exp(-_ABOVE)
            return total.numpy()

    def write(
        self, sequences: Sequence[Prepared], how: Sampling, between: Callable[[], None]
    ) -> list[list[int]]:
        """The ids that the model writes after each of ``sequences``, see :func:`~.writing.written`.

        Side by side where padding on the left of a shorter one does not change it, else one by one.

        Args:
            sequences: (m,) prompts as the model sees them.
            how: how tokens are chosen, with a row of numbers for each of them.
            between: called before each step.

        Returns:
            (m,) ids.

        Raises:
            InputError: the model has no head of its own, or transformers cannot generate with it.
        """
        import torch

        if self._head is None:
            raise InputError(
                "prompt geneol: the checkpoint has no head of its own, so it writes no text; take "
                "another prompt, such as metaeol"
            )
        torch.set_num_threads(self._threads)  # of this thread: each asks for itself
        parts = [slice(0, len(sequences))]
        if not self._writes_together:
            parts = [slice(i, i + 1) for i in range(len(sequences))]
        return [
            ids
            for part in parts
            for ids in written(
                self._model, sequences[part], replace(how, draws=how.draws[part]), between
            )
        ]

    @cached_property
    def _writes_together(self) -> bool:
        """Tell whether padding on the left changes no logits: some recurrent models read it."""
        if not self._pads or not self._probes:
            return False
        # A few tokens: a state that forgets has forgotten its padding after many.
        few = Prepared(self._probes[0].ids[:3], 0, truncated=False)
        beside = first_logits(self._model, [few, *self._probes])[:1]
        return self._near(beside, first_logits(self._model, [few]))

    def check_head(self, outline: Outline, probe: Prepared) -> None:
        """Hold the lens against the model's own logits.

        Raises:
            InputError: they differ by more than rounding.
        """
        import torch

        if self._head is None:
            return
        ids = torch.tensor([probe.ids], device=self._device)
        with torch.inference_mode():
            own = self._model(input_ids=ids, use_cache=False).logits[0].float()
            if not own.isfinite().all():
                return  # told with the first embedding, which says why
            lens = self._logits(self._final_states([probe])[0])[:, : own.shape[1]].float()
            near = torch.allclose(lens, own, rtol=1e-2, atol=1e-2 * own.abs().max().item())
        entry, _ = stored_head(replace(outline, head_from=None))
        rows = min(_ROWS_COMPARED, entry.shape[0], len(self._head.weight))
        stored = StoredRows(entry)[:rows]
        loaded = self._head.weight[:rows].float().cpu().numpy()
        same = entry.shape == tuple(self._head.weight.shape)
        if not (near and same and np.allclose(stored, loaded, rtol=1e-2, atol=1e-3)):
            raise InputError(
                f"{outline.name}: the head of this architecture does more than is known here, "
                f"so the lens would not show the model's own logits; pick another model"
            )

    def check_causal(self, probe: Prepared, name: str) -> None:
        """Refuse a model whose states depend on the tokens that follow.

        Raises:
            InputError: the states of a text's first half change with its second half.
        """
        ids = probe.ids[: self._together]
        half = len(ids) // 2
        first, whole = (self._states(part)[:half] for part in (ids[:half], ids))
        if np.isfinite(first).all() and not self._near(whole, first):
            raise InputError(
                f"{name}: it attends in both directions (its states change with the tokens that "
                f"follow), so they predict no next token; pick a causal language model"
            )

    def _states(self, ids: Sequence[int]) -> np.ndarray:
        """(n_tokens, d_model) float32: the final states of one sequence, by a plain pass."""
        import torch

        with torch.inference_mode():
            read = self._read([Prepared(tuple(ids), 0, truncated=False)])
            return _to_numpy(self._to_head(read.last_hidden_state)[0])

    def check_ways(self, probes: Sequence[Prepared], name: str) -> None:
        """Keep to those ways of reading that agree with one plain forward pass a text.

        A release of transformers that computes something else in a packed or padded pass then
        makes reading slower, not wrong; which way was given up is logged.

        Args:
            probes: texts as the model sees them, of different lengths.
            name: the model as the user typed it, for the log.
        """
        self._probes = probes
        alone = np.concatenate([self._side_by_side([probe]) for probe in probes])
        if not np.isfinite(alone).all():
            return
        if self._packed is not None:
            found = self._packed_together(probes, common_beginning(probes), self._packed)
            if found is None or not self._near(found, alone):
                self._packed = None
                _LOG.warning("%s: read without packing, which gave other embeddings", name)
        if self._packed is None and not self._near(self._side_by_side(probes), alone):
            self._pads = False
            _LOG.warning("%s: read one text at a time, for others beside it change it", name)

    def _near(self, found: np.ndarray, expected: np.ndarray) -> bool:
        """Tell whether embeddings differ by no more than rounding."""
        bound = _ROUNDING[next(self._base.parameters()).element_size()]
        apart = np.linalg.norm(found - expected, axis=1)
        return bool((apart <= bound * np.linalg.norm(expected, axis=1)).all())

    def _final_states(self, sequences: Sequence[Prepared]) -> Sequence["torch.Tensor"]:
        """Return what the head reads of each sequence, (n_tokens or more, d_model) each."""
        if self._pads and self._may_share(sequences):
            return list(self._to_head(self._read(sequences).last_hidden_state))
        return [self._to_head(self._read([one]).last_hidden_state)[0] for one in sequences]

    def _to_head(self, states: "torch.Tensor") -> "torch.Tensor":
        return states if self._before_head is None else self._before_head(states)

    def _read(self, sequences: Sequence[Prepared], **more: Any) -> Any:
        """The forward pass, padded on the right: what comes later changes no causal state."""
        import torch

        torch.set_num_threads(self._threads)  # of this thread: each asks for itself
        length = max(len(s.ids) for s in sequences)
        ids = torch.zeros(len(sequences), length, dtype=torch.long)
        for row, sequence in zip(ids, sequences, strict=True):
            row[: len(sequence.ids)] = torch.tensor(sequence.ids)
        self.work.count(ids.numel())
        return self._base(input_ids=ids.to(self._device), use_cache=False, **more)

    @cached_property
    def _lent_head(self) -> Unembedding:
        """The head of another model, read when it is first asked; see ``head.lending``."""
        assert self._lent is not None
        return open_head(self._lent)

    def _logits(self, h: "torch.Tensor") -> "torch.Tensor":
        if self._head is None:
            import torch

            return torch.from_numpy(self._lent_head.logits(_to_numpy(h))).to(h.device)
        logits = self._head(h)
        if self._scale != 1.0:
            logits = logits * self._scale
        return logits if self._cap is None else self._cap * (logits / self._cap).tanh()


def _longest_together(config: Mapping[str, Any]) -> int:
    """Tokens of a sequence that others may run beside.

    LongRoPE turns all positions of a pass by other factors when its longest sequence is longer
    than the trained length, so a sequence beyond it runs alone.

    >>> _longest_together({"rope_parameters": {"rope_type": "longrope"}}
    ...                   | {"original_max_position_embeddings": 4096})
    4096
    """
    said = families.text_config(config)
    rope = said.get("rope_parameters") or said.get("rope_scaling") or {}
    if rope.get("rope_type", rope.get("type")) not in ("longrope", "su"):
        return _LONGEST_TOGETHER
    trained = rope.get("original_max_position_embeddings")
    trained = trained or said.get("original_max_position_embeddings") or _LONGEST_TOGETHER
    return min(int(trained), _LONGEST_TOGETHER)


def _pool(states: "torch.Tensor", sequence: Prepared) -> "torch.Tensor":
    return states[sequence.start : len(sequence.ids)].float().mean(dim=0)


def _to_numpy(tensor: "torch.Tensor") -> np.ndarray:
    return tensor.float().cpu().numpy()


def _layers(base: Any) -> Any:
    """The list of decoder layers: the heaviest list of modules that is not in eyes or ears."""
    from torch import nn

    lists = [
        m
        for name, m in base.named_modules()
        if isinstance(m, nn.ModuleList) and families.is_of_text(name)
    ]
    return max(lists, key=lambda m: sum(p.numel() for p in m.parameters()))
