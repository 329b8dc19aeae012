"""The model in memory: what torch and transformers do for the encoder, and nothing else."""

import math
import os
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from embfilter_viz.errors import InputError
from embfilter_viz.models import families
from embfilter_viz.models.devices import Device, Precision
from embfilter_viz.models.packed import NotPacked, PackedReader, Work
from embfilter_viz.models.packing import Packing
from embfilter_viz.models.prompts import Prepared
from embfilter_viz.models.unembedding import Located, read_unembedding

if TYPE_CHECKING:
    import torch

__all__ = ["Backbone", "open_backbone", "warm_up"]

_FLOPS_PER_BATCH = {"cpu": 8e10, "mps": 1e12, "cuda": 1e13}
"""Work of one batch: under a second on two slow cores, so that a cancel is heard in time."""
_SMALLEST_BATCH = 64
_LARGEST_BATCH = 16_384
_LOGITS_AT_ONCE = 1 << 25
"""Logits held at once: 128 MB in float32, 128 positions at Gemma's 262,144 rows."""

_ABOVE = 70.0
"""Exponent of what a likeliest token counts before it is divided: with e⁷⁰ for 1, float32 has
room for probabilities down to e⁻¹⁵⁷, without a detour through float64."""


def open_backbone(
    checkpoint: Located,
    config: Mapping[str, Any],
    device: Device = "cpu",
    dtype: Precision = "float32",
    *,
    beat: Callable[[], None],
    threads: int | None = None,
) -> "Backbone":
    """Load the model of a checkpoint: safetensors on this machine only, none of its code run.

    Args:
        checkpoint: a checkpoint on this machine.
        config: its parsed ``config.json``.
        device: where the model runs.
        dtype: in what precision.
        beat: called before each layer of each forward pass; what it raises ends the pass.
        threads: of the processor that a pass may take; None is all cores but one.

    Raises:
        InputError: quantised weights, files that transformers cannot load,
            or a head that does more than is known of its family.
    """
    name = checkpoint.name
    quantised = config.get("quantization_config")
    if quantised:
        method = quantised.get("quant_method", "") if isinstance(quantised, Mapping) else ""
        raise InputError(
            f"{name}: its weights are quantised ({method or 'unknown method'}) and cannot be run "
            f"here; take the float16 or bfloat16 release, or a .gguf"
        )
    import torch

    transformers = _quiet_transformers()
    try:
        model = transformers.AutoModelForCausalLM.from_pretrained(
            checkpoint.folder,
            dtype=getattr(torch, dtype),
            local_files_only=True,
            use_safetensors=True,
            trust_remote_code=False,
        )
    except (ValueError, KeyError, OSError, RuntimeError, ImportError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise InputError(
            f"{name}: transformers {transformers.__version__} cannot load it ({reason}); check "
            f"that the folder is complete and its architecture known to this release"
        ) from error
    model.to(device).requires_grad_(False).eval()
    backbone = Backbone(model, config, beat, threads or _threads())
    if not families.family_of(config).listed:
        backbone.check_head(checkpoint)
    return backbone


def _threads() -> int:
    """All cores but one, at least one.

    A layer is many short parallel regions that end when the slowest thread does. With a thread
    on every core, a browser or a second visitor on one of them stalls each region: on two busy
    cores encoding ran some 30 times slower with two threads than with one.
    """
    return max(1, (os.cpu_count() or 1) - 1)


def warm_up() -> None:
    """Import what loading a model needs: some seconds that can pass while nobody waits."""
    _quiet_transformers().modeling_utils  # noqa: B018 - an attribute that imports, torch too


class Backbone:
    """A causal model without its head; the head is only asked by ``summed_predictions``."""

    def __init__(
        self,
        model: Any,
        config: Mapping[str, Any],
        beat: Callable[[], None],
        threads: int,
    ) -> None:
        self._model = model
        self._threads = threads
        base = model.base_model
        self._base = getattr(base, "language_model", base)  # past the eyes of a multimodal model
        self._scale = families.logit_scale(config)
        self._cap = families.soft_cap(config)
        self._head = model.get_output_embeddings()
        self.d_vocab, self.d_model = (int(n) for n in self._head.weight.shape)
        layers = _layers(self._base)
        self.n_layers = len(layers)
        for layer in layers:
            layer.register_forward_pre_hook(lambda *_: beat())
        weights = sum(p.numel() for layer in layers for p in layer.parameters())
        affordable = _FLOPS_PER_BATCH[model.device.type] / (2 * max(1, weights))
        self.tokens_per_batch = int(min(max(affordable, _SMALLEST_BATCH), _LARGEST_BATCH))
        family = families.family_of(config)
        self._packed = PackedReader(self._base, layers) if family.packs else None
        self.work = Work() if self._packed is None else self._packed.work

    @property
    def packs(self) -> bool:
        """Whether sequences are read packed, each shared beginning once."""
        return self._packed is not None

    def pooled(self, sequences: Sequence[Prepared], beginning: tuple[int, ...] = ()) -> np.ndarray:
        """(m, d_model) float32: the pooled final state of each sequence.

        Args:
            sequences: texts as the model sees them.
            beginning: tokens that all of them, and those of the calls to come, begin with.
        """
        import torch

        torch.set_num_threads(self._threads)  # of this thread: each asks for itself
        with torch.inference_mode():
            if self._packed is not None:
                try:
                    packing = Packing(sequences, len(beginning))
                    return _to_numpy(self._packed.pooled(packing, beginning))
                except NotPacked:  # another release of transformers, it seems
                    self._packed = None
            states = self._read(sequences).last_hidden_state
            return _to_numpy(
                torch.stack([_pool(h, s) for h, s in zip(states, sequences, strict=True)])
            )

    def layers(self, sequence: Prepared) -> np.ndarray:
        """(n_layers + 1, d_model) float32: after each layer, through the final norm, pooled."""
        import torch

        with torch.inference_mode():
            read = self._read([sequence], output_hidden_states=True)
            norm = self._final_norm()
            # The last of hidden_states went through the norm already; the rest did not.
            states = [norm(h) for h in read.hidden_states[: self.n_layers]]
            states.append(read.last_hidden_state)
            return _to_numpy(torch.stack([_pool(h[0], sequence) for h in states]))

    def summed_predictions(
        self, sequences: Sequence[Prepared], weights: np.ndarray, beat: Callable[[], None]
    ) -> np.ndarray:
        """(d_vocab,) float64: softmax(logits) summed over pooled positions, times weights (m,)."""
        import torch

        with torch.inference_mode():
            states = self._read(sequences).last_hidden_state
            h = torch.cat(
                [row[s.start : len(s.ids)] for row, s in zip(states, sequences, strict=True)]
            )
            counts = [len(s.ids) - s.start for s in sequences]
            w = torch.from_numpy(np.repeat(weights.astype(np.float32), counts)).to(h.device)
            total = torch.zeros(self.d_vocab, dtype=torch.float64)
            size = max(1, _LOGITS_AT_ONCE // self.d_vocab)
            for part, share in zip(h.split(size), w.split(size), strict=True):
                beat()
                logits = self._logits(part).float()
                raised = logits.sub_(logits.amax(-1, keepdim=True) - _ABOVE).exp_()
                ones = raised.sum(-1).mul_(math.exp(-_ABOVE))  # from 1 to d_vocab
                total += ((share / ones) @ raised).cpu().double()
            total *= math.exp(-_ABOVE)
            return total.numpy()

    def check_head(self, checkpoint: Located) -> None:
        """Hold the lens against the model's own logits, where no family vouches for it.

        Raises:
            InputError: they differ by more than rounding.
        """
        import torch

        ids = torch.arange(8, device=self._model.device)[None] % self.d_vocab
        with torch.inference_mode():
            own = self._model(input_ids=ids, use_cache=False).logits[0].float()
            lens = self._logits(self._base(input_ids=ids, use_cache=False).last_hidden_state[0])
        read = read_unembedding(checkpoint).W_U
        head = self._head.weight.float().cpu().numpy()
        same = read.shape == head.shape and np.allclose(read, head, rtol=1e-2, atol=1e-3)
        if not same or not torch.allclose(
            lens.float(), own, rtol=1e-2, atol=1e-2 * own.abs().max().item()
        ):
            raise InputError(
                f"{checkpoint.name}: the head of this architecture does more than is known here, "
                f"so the lens would not show the model's own logits; pick another model"
            )

    def _read(self, sequences: Sequence[Prepared], **more: Any) -> Any:
        """The forward pass, padded on the right: what comes later changes no causal state."""
        import torch

        torch.set_num_threads(self._threads)  # of this thread: each asks for itself
        length = max(len(s.ids) for s in sequences)
        ids = torch.zeros(len(sequences), length, dtype=torch.long)
        for row, sequence in zip(ids, sequences, strict=True):
            row[: len(sequence.ids)] = torch.tensor(sequence.ids)
        self.work.count(ids.numel())
        return self._base(input_ids=ids.to(self._model.device), use_cache=False, **more)

    def _logits(self, h: "torch.Tensor") -> "torch.Tensor":
        logits = self._head(h)
        if self._scale != 1.0:
            logits = logits * self._scale
        return logits if self._cap is None else self._cap * (logits / self._cap).tanh()

    def _final_norm(self) -> Any:
        inner = getattr(self._base, "decoder", self._base)
        for name in families.FINAL_NORMS:
            norm = getattr(inner, name, None)
            if norm is not None:
                return norm
        raise InputError(
            f"{type(self._base).__name__}: its final norm was not found, so states between "
            f"layers cannot be read; the last layer can"
        )


def _pool(states: "torch.Tensor", sequence: Prepared) -> "torch.Tensor":
    return states[sequence.start : len(sequence.ids)].float().mean(dim=0)


def _to_numpy(tensor: "torch.Tensor") -> np.ndarray:
    return tensor.float().cpu().numpy()


def _layers(base: Any) -> Any:
    """The list of decoder layers: the longest list of modules there is at the top."""
    from torch import nn

    lists = [m for m in base.modules() if isinstance(m, nn.ModuleList)]
    return max(lists, key=lambda m: sum(p.numel() for p in m.parameters()))


def _quiet_transformers() -> Any:
    """Import transformers with its log and progress bars off: the terminal is the command's own."""
    # Not by an import statement: transformers puts another module in its place while it is being
    # imported, and a second thread that waits for it meanwhile would be given the first one.
    transformers = import_module("transformers")
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    return transformers
