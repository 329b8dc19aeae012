"""A Llama of any size as a sharded checkpoint: a head of random bfloat16, layers of holes.

Headers, index, configuration and tokenizer are real. The layers are sparse files: they have the
length of the real ones, read as zeros, and take no room on the disk.
"""

import json
from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np

__all__ = ["LLAMA_3_8B", "Shape", "write_llama"]

HEAD = "lm_head.weight"
ROWS_AT_ONCE = 4096


@dataclass(frozen=True)
class Shape:
    """What decides the sizes of a Llama's tensors."""

    d_vocab: int
    d_model: int
    n_layers: int
    d_mlp: int
    d_kv: int

    def tensors(self) -> dict[str, tuple[int, ...]]:
        """Names and shapes, in the order of the layers."""
        d = self.d_model
        shapes: dict[str, tuple[int, ...]] = {"model.embed_tokens.weight": (self.d_vocab, d)}
        for i in range(self.n_layers):
            at = f"model.layers.{i}"
            shapes |= {f"{at}.self_attn.{x}_proj.weight": (d, d) for x in "qo"}
            shapes |= {f"{at}.self_attn.{x}_proj.weight": (self.d_kv, d) for x in "kv"}
            shapes |= {f"{at}.mlp.{x}_proj.weight": (self.d_mlp, d) for x in ("gate", "up")}
            shapes[f"{at}.mlp.down_proj.weight"] = (d, self.d_mlp)
            shapes |= {f"{at}.{x}_layernorm.weight": (d,) for x in ("input", "post_attention")}
        return shapes | {"model.norm.weight": (d,), HEAD: (self.d_vocab, d)}

    @property
    def parameters(self) -> int:
        """Numbers in all tensors."""
        return sum(prod(shape) for shape in self.tensors().values())

    @property
    def head_bytes(self) -> int:
        """Bytes of the head in bfloat16."""
        return 2 * self.d_vocab * self.d_model


LLAMA_3_8B = Shape(128_256, 4096, 32, 14_336, 1024)
"""Llama-3.1-8B: 8,030,261,248 parameters."""


def write_llama(folder: Path, shape: Shape, n_shards: int = 4) -> Path:
    """Write the checkpoint; its head is random and in the last shard, as in the real one."""
    folder.mkdir(parents=True)
    sizes = {name: 2 * prod(dims) for name, dims in shape.tensors().items()}
    shards: list[list[str]] = [[]]
    for name in sizes:
        if sum(sizes[n] for n in shards[-1]) > sum(sizes.values()) / n_shards:
            shards.append([])
        shards[-1].append(name)
    weight_map = {}
    for number, names in enumerate(shards, start=1):
        file = f"model-{number:05}-of-{len(shards):05}.safetensors"
        weight_map |= dict.fromkeys(names, file)
        _write_shard(folder / file, {name: shape.tensors()[name] for name in names})
    index = {"metadata": {"total_size": sum(sizes.values())}, "weight_map": weight_map}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    config = {
        "model_type": "llama",
        "architectures": ["LlamaForCausalLM"],
        "tie_word_embeddings": False,
        "torch_dtype": "bfloat16",
        "vocab_size": shape.d_vocab,
        "hidden_size": shape.d_model,
        "intermediate_size": shape.d_mlp,
        "num_hidden_layers": shape.n_layers,
        "num_attention_heads": shape.d_model // 128,
        "num_key_value_heads": shape.d_kv // 128,
    }
    (folder / "config.json").write_text(json.dumps(config))
    words = {f"w{i}": i for i in range(shape.d_vocab)}
    model = {"type": "WordLevel", "vocab": words, "unk_token": "w0"}
    (folder / "tokenizer.json").write_text(json.dumps({"version": "1.0", "model": model}))
    return folder


def _write_shard(path: Path, shapes: dict[str, tuple[int, ...]]) -> None:
    table, at = {}, 0
    for name, dims in shapes.items():
        size = 2 * prod(dims)
        table[name] = {"dtype": "BF16", "shape": dims, "data_offsets": [at, at + size]}
        at += size
    header = json.dumps(table).encode()
    header += b" " * (-len(header) % 8)
    with path.open("wb") as file:
        file.write(len(header).to_bytes(8, "little") + header)
        start = file.tell()
        file.truncate(start + at)
        if HEAD in shapes:
            file.seek(start + table[HEAD]["data_offsets"][0])  # type: ignore[index]
            rng = np.random.default_rng(0)
            rows, columns = shapes[HEAD]
            for row in range(0, rows, ROWS_AT_ONCE):
                block = rng.standard_normal((min(ROWS_AT_ONCE, rows - row), columns), np.float32)
                (block.view(np.uint32) >> 16).astype("<u2").tofile(file)
