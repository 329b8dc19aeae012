"""The architectures whose layers can be read: how each is laid out, and what its settings mean.

One function an architecture turns the account of a file into a :class:`~..layouts.Layout`. Which
settings there are and what the converter does to tensors are facts about llama.cpp (``conversion/``
and ``src/models/`` there); names of parameters and fields are transformers'. A setting or a tensor
that no line of them reads is refused when the account is closed.
"""

from collections.abc import Callable

from embfilter_viz.models.gguf.account import Account
from embfilter_viz.models.gguf.architectures import (
    gemma,
    layer_norms,
    llama,
    mamba,
    qwen,
    qwen35,
    rotary,
)
from embfilter_viz.models.gguf.layouts import Layout

__all__ = ["ARCHITECTURES"]

ARCHITECTURES: dict[str, Callable[[Account], Layout]] = {
    "arcee": llama.arcee,
    "bloom": layer_norms.bloom,
    "cohere2": layer_norms.cohere2,
    "command-r": layer_norms.cohere,
    "ernie4_5": rotary.ernie4_5,
    "falcon": layer_norms.falcon,
    "gemma": gemma.gemma,
    "gemma2": gemma.gemma2,
    "gemma3": gemma.gemma3,
    "glm4": rotary.glm4,
    "gpt2": layer_norms.gpt2,
    "gptneox": layer_norms.gptneox,
    "granite": llama.granite,
    "lfm2": rotary.lfm2,
    "llama": llama.llama,
    "mamba": mamba.mamba,
    "nemotron": layer_norms.nemotron,
    "olmo2": rotary.olmo2,
    "phi2": layer_norms.phi2,
    "phi3": rotary.phi3,
    "qwen2": qwen.qwen2,
    "qwen2moe": qwen.qwen2_moe,
    "qwen3": qwen.qwen3,
    "qwen35": qwen35.qwen35,
    "qwen35moe": qwen35.qwen35_moe,
    "qwen3moe": qwen.qwen3_moe,
    "seed_oss": qwen.seed_oss,
    "smollm3": llama.smollm3,
    "stablelm": layer_norms.stablelm,
    "starcoder2": layer_norms.starcoder2,
}
"""By llama.cpp's names. An architecture that is not here opens with its head alone."""
