"""A tiny random Llama as a GGUF file, written with llama.cpp's own package."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

D_MODEL, D_VOCAB, N_LAYERS, N_HEADS = 32, 64, 2, 2


def write_gguf(
    path: Path,
    *,
    seed: int = 0,
    architecture: str = "llama",
    pre: str = "smollm",
    tokenizer: str = "gpt2",
    tied: bool = True,
    more_keys: Mapping[str, Any] | None = None,
    more_tensors: Mapping[str, np.ndarray] | None = None,
) -> dict[str, np.ndarray]:
    """Write the file and return its tensors as dequantised by hand: one scale a block of 32."""
    import gguf

    rng = np.random.default_rng(seed)
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_name("tiny")
    writer.add_context_length(128)
    writer.add_embedding_length(D_MODEL)
    writer.add_block_count(N_LAYERS)
    writer.add_feed_forward_length(64)
    writer.add_head_count(N_HEADS)
    writer.add_head_count_kv(N_HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(D_MODEL // N_HEADS)
    writer.add_vocab_size(D_VOCAB)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q8_0)
    writer.add_tokenizer_model(tokenizer)
    writer.add_tokenizer_pre(pre)
    letters = [chr(c) for c in range(ord("!"), ord("!") + D_VOCAB - 4)]
    tokens = ["<unk>", "<s>", "</s>", *letters, "AB"]
    writer.add_token_list(tokens)
    writer.add_token_types([3, 3, 3] + [1] * (D_VOCAB - 3))
    writer.add_token_merges(["A B"])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    for key, value in (more_keys or {}).items():
        kind = {bool: writer.add_bool, str: writer.add_string, float: writer.add_float32}
        kind.get(type(value), writer.add_uint32)(key, value)
    shapes: dict[str, tuple[int, ...]] = {"token_embd.weight": (D_VOCAB, D_MODEL)}
    for layer in range(N_LAYERS):
        block = f"blk.{layer}"
        shapes |= {f"{block}.attn_{x}.weight": (D_MODEL, D_MODEL) for x in ("q", "k", "v")}
        shapes[f"{block}.attn_output.weight"] = (D_MODEL, D_MODEL)
        shapes[f"{block}.ffn_gate.weight"] = (64, D_MODEL)
        shapes[f"{block}.ffn_up.weight"] = (64, D_MODEL)
        shapes[f"{block}.ffn_down.weight"] = (D_MODEL, 64)
        shapes[f"{block}.attn_norm.weight"] = (D_MODEL,)
        shapes[f"{block}.ffn_norm.weight"] = (D_MODEL,)
    shapes["output_norm.weight"] = (D_MODEL,)
    if not tied:
        shapes["output.weight"] = (D_VOCAB, D_MODEL)
    plain = {}
    for name, shape in shapes.items():
        values = rng.normal(size=shape).astype(np.float32)
        if len(shape) == 1:
            writer.add_tensor(name, values)
            plain[name] = values
            continue
        packed, plain[name] = quantise(values)
        writer.add_tensor(name, packed, raw_dtype=gguf.GGMLQuantizationType.Q8_0)
    for name, values in (more_tensors or {}).items():
        writer.add_tensor(name, np.asarray(values, dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return plain


def quantise(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Q8_0 by its definition: blocks of 32, a float16 scale, 32 signed bytes."""
    blocks = values.reshape(-1, 32)
    scale = (np.abs(blocks).max(axis=1, keepdims=True) / 127).astype(np.float16)
    codes = np.rint(blocks / scale.astype(np.float32)).astype(np.int8)
    packed = np.concatenate([scale.view(np.uint8), codes.view(np.uint8)], axis=1)
    plain = scale.astype(np.float32) * codes.astype(np.float32)
    rows = values.shape[0]
    return packed.reshape(rows, -1), plain.reshape(values.shape)
