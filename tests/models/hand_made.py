"""Checkpoints made by hand, without torch: the smallest files that pass for a model."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

D_VOCAB, D_MODEL, N_LAYERS = 11, 4, 2


def tensors(dtype: type = np.float32) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    shapes = {"model.embed_tokens.weight": (D_VOCAB, D_MODEL), "model.norm.weight": (D_MODEL,)}
    for layer in range(N_LAYERS):
        shapes[f"model.layers.{layer}.mlp.up_proj.weight"] = (6, D_MODEL)
    return {name: rng.normal(size=shape).astype(dtype) for name, shape in shapes.items()}


def config(**more: Any) -> dict[str, Any]:
    return {
        "model_type": "llama",
        "architectures": ["LlamaForCausalLM"],
        "tie_word_embeddings": True,
        "hidden_size": D_MODEL,
        "vocab_size": D_VOCAB,
        **more,
    }


def write(folder: Path, *, dtype: type = np.float32, shards: int = 0, **more: Any) -> Path:
    """A checkpoint in ``folder``; ``more`` goes into its config.json."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config(**more)))
    (folder / "tokenizer.json").write_text("{}")
    held = tensors(dtype)
    if not shards:
        save_file(held, folder / "model.safetensors")
        return folder
    weight_map = {}
    for shard in range(shards):
        file = f"model-{shard + 1:05}-of-{shards:05}.safetensors"
        names = list(held)[shard::shards]
        save_file({name: held[name] for name in names}, folder / file)
        weight_map |= dict.fromkeys(names, file)
    index = {"metadata": {}, "weight_map": weight_map}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    return folder


class Listener:
    """A progress listener that keeps what it is told, and may cancel."""

    def __init__(self, cancel_when: str | None = None) -> None:
        self.told: list[tuple[str, float, float, str]] = []
        self.cancel_when = cancel_when

    def __call__(self, what: str, done: float, total: float, unit: str) -> None:
        from embfilter_viz.errors import Cancelled

        self.told.append((what, done, total, unit))
        if self.cancel_when is not None and self.cancel_when in what:
            raise Cancelled
