"""Tiny checkpoints with quantised bodies, packed by hand from the definition of each format."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from tests.models.tiny_checkpoints import TinyCheckpoint, save
from tests.models.tiny_families import tiny_model

__all__ = ["FORMS", "write_quantised"]

Tensors = dict[str, torch.Tensor]
_MXFP4 = torch.tensor([0, 0.5, 1, 1.5, 2, 3, 4, 6, -0.0, -0.5, -1, -1.5, -2, -3, -4, -6])
"""What four bits stand for (OCP Microscaling Formats, 1.0: E2M1)."""


def write_quantised(folder: Path, form: str) -> tuple[TinyCheckpoint, Any]:
    """A checkpoint of the quantised ``form``, and a model in float32 of the very same numbers.

    Args:
        folder: where it is written.
        form: one of :data:`FORMS`.
    """
    model_type, pack, settings = FORMS[form]
    model = tiny_model(model_type, num_hidden_layers=2, intermediate_size=64)
    checkpoint = save(model, folder)
    stored, meant = pack(load_file(folder / "model.safetensors"))
    save_file(stored, folder / "model.safetensors", {"format": "pt"})
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"quantization_config": settings}))
    model.load_state_dict(meant, strict=False)
    if settings["quant_method"] == "bitnet":
        for name, module in model.named_modules():
            if name.endswith("_proj"):
                module.register_forward_pre_hook(lambda _, given: (_in_eight_bits(given[0]),))
    return checkpoint, model


def _in_eight_bits(h: torch.Tensor) -> torch.Tensor:
    """What BitNet's matrices are given: whole numbers to 127, one factor a token."""
    scale = 127 / h.abs().amax(dim=-1, keepdim=True)
    return (h * scale).round().clamp(-128, 127) / scale


def _fp8(tensors: Tensors) -> tuple[Tensors, Tensors]:
    """Blocks of 16 x 16 numbers in E4M3, each block with a factor (DeepSeek-V3's form)."""
    stored, meant = dict(tensors), dict(tensors)
    for name in _layers(tensors, "_proj.weight"):
        w = tensors[name]
        blocks = w.reshape(w.shape[0] // 16, 16, w.shape[1] // 16, 16)
        scale = blocks.abs().amax(dim=(1, 3)) / 448
        codes = (blocks / scale[:, None, :, None]).to(torch.float8_e4m3fn)
        stored[name] = codes.reshape(w.shape)
        stored[f"{name}_scale_inv"] = scale
        meant[name] = (codes.float() * scale[:, None, :, None]).reshape(w.shape)
    return stored, meant


def _mxfp4(tensors: Tensors) -> tuple[Tensors, Tensors]:
    """Rows of 32 numbers of four bits, each row with a power of two (gpt-oss's form)."""
    stored, meant = dict(tensors), dict(tensors)
    for name in _layers(tensors, "experts.gate_up_proj", "experts.down_proj"):
        w = stored.pop(name).transpose(1, 2)  # (experts, out, in), and in memory (…, in, out)
        blocks = w.reshape(*w.shape[:2], -1, 32)
        exponent = (blocks.abs().amax(dim=-1) / 6).log2().ceil()
        scaled = blocks / exponent.exp2()[..., None]
        codes = (scaled[..., None] - _MXFP4).abs().argmin(dim=-1)
        stored[f"{name}_blocks"] = (codes[..., ::2] | codes[..., 1::2] << 4).to(torch.uint8)
        stored[f"{name}_scales"] = (exponent + 127).to(torch.uint8)
        numbers = _MXFP4[codes] * exponent.exp2()[..., None]
        meant[name] = numbers.reshape(w.shape).transpose(1, 2).contiguous()
    return stored, meant


def _bitnet(tensors: Tensors, *, inverse: bool = False) -> tuple[Tensors, Tensors]:
    """Numbers -1, 0 and 1 of two bits and one factor a matrix; row i beside i + n/4, i + n/2, …"""
    stored, meant = dict(tensors), dict(tensors)
    for name in _layers(tensors, "_proj.weight"):
        w = tensors[name]
        scale = w.abs().mean()
        codes = (w / scale).round().clamp(-1, 1)
        rows = (codes + 1).to(torch.uint8).reshape(4, -1, w.shape[1])
        stored[name] = rows[0] | rows[1] << 2 | rows[2] << 4 | rows[3] << 6
        stored[f"{name}_scale"] = (1 / scale if inverse else scale)[None]
        meant[name] = codes * scale
    return stored, meant


def _layers(tensors: Tensors, *endings: str) -> list[str]:
    return [name for name in tensors if ".layers." in name and name.endswith(endings)]


FORMS: dict[str, tuple[str, Callable[[Tensors], tuple[Tensors, Tensors]], dict[str, Any]]] = {
    "fp8": (
        "llama",
        _fp8,
        {"quant_method": "fp8", "activation_scheme": "dynamic", "weight_block_size": [16, 16]},
    ),
    "mxfp4": (
        "gpt_oss",
        _mxfp4,
        {
            "quant_method": "mxfp4",
            "modules_to_not_convert": ["self_attn", "mlp.router", "embed_tokens", "lm_head"],
        },
    ),
    "bitnet": (
        "bitnet",
        _bitnet,
        {"quant_method": "bitnet", "linear_class": "autobitlinear", "quantization_mode": "offline"},
    ),
    # The older form, which stays packed in memory, and whose factors are the inverse ones.
    "bitnet, packed": (
        "bitnet",
        partial(_bitnet, inverse=True),
        {"quant_method": "bitnet", "linear_class": "bitlinear"},
    ),
}
"""Form to model type, packing, and what config.json says of it."""
