"""Tiny models written as GGUF the way llama.cpp's converter does it, for every architecture read.

The names of tensors come from llama.cpp's own package; what the converter does to values and what
it says in the header are written here by hand, from its source: nothing of the code under test.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from tests.models.tiny_checkpoints import RECIPES, Recipe, build_model, byte_level_tokenizer

Arrays = Iterator[tuple[str, np.ndarray]]

RECIPES.setdefault(
    "mamba",
    Recipe(
        {
            **{"vocab_size": 384, "hidden_size": 32, "state_size": 8, "num_hidden_layers": 3},
            **{"conv_kernel": 4, "time_step_rank": 4, "bos_token_id": 0, "eos_token_id": 1},
            "pad_token_id": 1,
        }
    ),
)
RECIPES.setdefault(
    "lfm2",
    Recipe(
        more={
            "layer_types": ["conv", "full_attention", "conv"],
            "block_auto_adjust_ff_dim": False,
        }
    ),
)
_SUMS = {
    **{"num_hidden_layers": 4, "head_dim": 16, "linear_conv_kernel_dim": 4},
    **{"linear_num_key_heads": 2, "linear_num_value_heads": 4},
    **{"linear_key_head_dim": 8, "linear_value_head_dim": 8},
    "rope_parameters": {
        **{"rope_type": "default", "rope_theta": 10_000.0, "partial_rotary_factor": 0.5},
        **{"mrope_section": [2, 1, 1], "mrope_interleaved": True},
    },
}
_EXPERTS = {
    **{"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 24},
    "shared_expert_intermediate_size": 40,
}
RECIPES.setdefault("qwen3_5_text", Recipe(more=_SUMS))
RECIPES.setdefault(
    "qwen3_5_moe_text", Recipe(more=_SUMS | _EXPERTS, without=("intermediate_size",))
)
RECIPES.setdefault("seed_oss", Recipe(more={"head_dim": 8}))
RECIPES.setdefault("ernie4_5", Recipe(more={"head_dim": 8}))


# -- what the converter does to values ----------------------------------------------------------


def as_it_is(name: str, values: np.ndarray, config: Any) -> Arrays:
    yield name, values


def interleaved(name: str, values: np.ndarray, config: Any) -> Arrays:
    """Rotary pairs side by side, head by head (Llama and its kin)."""
    heads = {"q_proj": config.num_attention_heads, "k_proj": config.num_key_value_heads}
    count = next((n for part, n in heads.items() if f".{part}." in name), None)
    if count is not None:
        rows = np.arange(len(values)).reshape(count, -1)
        half = rows.shape[1] // 2
        order = [head[i + side * half] for head in rows for i in range(half) for side in (0, 1)]
        values = values[order]
    yield from with_experts(name, values, config)


def with_experts(name: str, values: np.ndarray, config: Any) -> Arrays:
    """Gate and up of the experts apart."""
    if name.endswith("experts.gate_up_proj"):
        stem, half = name.removesuffix("gate_up_proj"), values.shape[1] // 2
        yield f"{stem}gate_proj.weight", values[:, :half]
        yield f"{stem}up_proj.weight", values[:, half:]
    else:
        yield (f"{name}.weight" if name.endswith("experts.down_proj") else name), values


def norms_plus_one(name: str, values: np.ndarray, config: Any) -> Arrays:
    yield name, values + 1 if name.endswith("norm.weight") else values


def turned_round(name: str, values: np.ndarray, config: Any) -> Arrays:
    parts = ("c_attn.weight", "c_proj.weight", "c_fc.weight")
    yield name, np.ascontiguousarray(values.T) if name.endswith(parts) else values


def queries_first(name: str, values: np.ndarray, config: Any) -> Arrays:
    """All queries, then all keys, then all values, out of the three of each head."""
    name = name.removeprefix("transformer.")
    if ".query_key_value." in name:
        heads = config.num_attention_heads
        each = np.split(values, 3 * heads)
        values = np.concatenate([each[3 * h + part] for part in range(3) for h in range(heads)])
    yield name, values


def queries_first_in_groups(name: str, values: np.ndarray, config: Any) -> Arrays:
    if name.endswith("query_key_value.weight"):
        groups = config.num_kv_heads if config.new_decoder_architecture else 1
        per_group = config.num_attention_heads // groups + 2
        each = np.split(values, groups * per_group)
        places = range(groups * per_group)
        queries = [each[i] for i in places if i % per_group < per_group - 2]
        keys = [each[i] for i in places if i % per_group == per_group - 2]
        values = np.concatenate(
            queries + keys + [each[i] for i in places[per_group - 1 :: per_group]]
        )
    yield name, values


def state_space(name: str, values: np.ndarray, config: Any) -> Arrays:
    if name.endswith("A_log"):
        values = -np.exp(values)
    yield name, values.squeeze(1) if ".conv1d.weight" in name else values


def squeezed(name: str, values: np.ndarray, config: Any) -> Arrays:
    yield name, values.squeeze(1) if ".conv.conv." in name else values


def tiled(name: str, values: np.ndarray, config: Any) -> Arrays:
    """Value heads of one key head apart; before them in one matrix are queries and keys."""
    keys, heads = config.linear_num_key_heads, config.linear_num_value_heads
    order = [key * (heads // keys) + i for i in range(heads // keys) for key in range(keys)]

    def apart(rows: np.ndarray) -> np.ndarray:
        each = np.split(rows, heads)
        return np.concatenate([each[head] for head in order])

    before = 2 * keys * config.linear_key_head_dim
    if name.endswith("A_log"):
        values = apart(-np.exp(values))
    elif name.endswith("dt_bias"):
        name, values = name.replace("dt_bias", "dt_proj.bias"), apart(values)
    elif name.endswith(("in_proj_qkv.weight", "conv1d.weight")):
        values = np.concatenate([values[:before], apart(values[before:])])
        values = values.squeeze(1) if "conv1d" in name else values
    elif name.endswith(("in_proj_z.weight", "in_proj_a.weight", "in_proj_b.weight")):
        values = apart(values)
    elif name.endswith("out_proj.weight"):
        values = apart(values.T).T
    elif name.endswith("norm.weight") and "linear_attn" not in name:
        values = values + 1
    yield from with_experts(name, values, config)


# -- what the converter says in the header -------------------------------------------------------

Keys = dict[str, Any]


def with_sums(config: Any) -> Keys:
    said = with_expert_sizes(config) if hasattr(config, "num_experts") else sizes(config)
    if hasattr(config, "shared_expert_intermediate_size"):
        shared = config.shared_expert_intermediate_size
        said["expert_shared_feed_forward_length"] = shared
    return {
        **{key: value for key, value in said.items() if value is not None},
        **turned(config),
        "rope.dimension_sections": [*config.rope_parameters["mrope_section"], 0],
        "attention.recurrent_layers": [kind != "full_attention" for kind in config.layer_types],
        "full_attention_interval": 4,
        "ssm.conv_kernel": config.linear_conv_kernel_dim,
        "ssm.state_size": config.linear_key_head_dim,
        "ssm.group_count": config.linear_num_key_heads,
        "ssm.time_step_rank": config.linear_num_value_heads,
        "ssm.inner_size": config.linear_num_value_heads * config.linear_value_head_dim,
    }


def sizes(config: Any) -> Keys:
    """As ``TextModel.set_gguf_parameters`` writes them."""
    rope = getattr(config, "rope_parameters", None) or {}
    rope = rope.get("full_attention", rope)
    said: Keys = {
        "block_count": config.num_hidden_layers,
        "context_length": config.max_position_embeddings,
        "embedding_length": config.hidden_size,
        "feed_forward_length": getattr(config, "intermediate_size", None),
        "attention.head_count": config.num_attention_heads,
        "attention.head_count_kv": getattr(config, "num_key_value_heads", None),
        "rope.freq_base": rope.get("rope_theta"),
        "attention.layer_norm_rms_epsilon": getattr(config, "rms_norm_eps", None),
        "attention.layer_norm_epsilon": next(
            (
                getattr(config, name)
                for name in ("layer_norm_eps", "layer_norm_epsilon", "norm_epsilon")
                if hasattr(config, name)
            ),
            None,
        ),
        "attention.key_length": getattr(config, "head_dim", None),
        "attention.value_length": getattr(config, "head_dim", None),
    }
    said |= scaling(rope)
    return {key: value for key, value in said.items() if value is not None}


def scaling(rope: Mapping[str, Any]) -> Keys:
    kind = rope.get("rope_type")
    if kind not in ("linear", "yarn"):
        return {}
    said = {"rope.scaling.type": kind, "rope.scaling.factor": float(rope["factor"])}
    if kind == "yarn":
        said["rope.scaling.original_context_length"] = rope["original_max_position_embeddings"]
        names = {"attention_factor": "yarn_attn_factor"} | {
            name: f"yarn_{name}" for name in ("beta_fast", "beta_slow")
        }
        said |= {f"rope.scaling.{key}": rope[n] for n, key in names.items() if n in rope}
    return said


def head_dim(config: Any) -> int:
    return getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads


def turned(config: Any) -> Keys:
    """For those of whose heads a part is turned."""
    share = config.rope_parameters["partial_rotary_factor"]
    return {"rope.dimension_count": int(share * head_dim(config))}


def as_llama(config: Any) -> Keys:
    return {
        **sizes(config),
        "vocab_size": config.vocab_size,
        "rope.dimension_count": head_dim(config),
    }


def with_expert_sizes(config: Any) -> Keys:
    count = getattr(config, "num_local_experts", None) or config.num_experts
    said = {"expert_count": count, "expert_used_count": config.num_experts_per_tok}
    if hasattr(config, "moe_intermediate_size"):
        said["expert_feed_forward_length"] = config.moe_intermediate_size
    return {**sizes(config), **said}


def windows(config: Any) -> Keys:
    return {**sizes(config), "attention.sliding_window": config.sliding_window}


def caps(config: Any) -> Keys:
    said = windows(config)
    for name in ("attn_logit_softcapping", "final_logit_softcapping"):
        if getattr(config, name) is not None:
            said[name] = getattr(config, name)
    return said


def granite(config: Any) -> Keys:
    said = {
        "attention.scale": config.attention_multiplier,
        "embedding_scale": config.embedding_multiplier,
        "residual_scale": config.residual_multiplier,
        "logit_scale": config.logits_scaling,
    }
    return {**sizes(config), **said, "rope.dimension_count": head_dim(config)}


def cohere(config: Any) -> Keys:
    return {**sizes(config), "logit_scale": config.logit_scale, "rope.scaling.type": "none"}


def cohere2(config: Any) -> Keys:
    return {
        **cohere(config),
        "attention.sliding_window": config.sliding_window,
        "rope.dimension_count": head_dim(config),
    }


def phi3(config: Any) -> Keys:
    window = config.sliding_window or 0
    trained = config.original_max_position_embeddings
    return {
        **sizes(config),
        **turned(config),
        "attention.sliding_window": window,
        "rope.scaling.original_context_length": trained,
    }


def falcon(config: Any) -> Keys:
    groups = config.num_kv_heads if config.new_decoder_architecture else 1
    return {
        "context_length": 2048,
        "tensor_data_layout": "jploski",
        "embedding_length": config.hidden_size,
        "feed_forward_length": 4 * config.hidden_size,
        "block_count": config.num_hidden_layers,
        "attention.head_count": config.num_attention_heads,
        "attention.head_count_kv": groups,
        "attention.layer_norm_epsilon": config.layer_norm_epsilon,
    }


def with_parallel(config: Any) -> Keys:
    return {
        **sizes(config),
        **turned(config),
        "use_parallel_residual": config.use_parallel_residual,
    }


def nemotron(config: Any) -> Keys:
    eps = {"attention.layer_norm_epsilon": config.norm_eps, "rope.scaling.type": "none"}
    return {
        **sizes(config),
        **turned(config),
        **eps,
        "attention.layer_norm_rms_epsilon": config.norm_eps,
    }


def gpt2(config: Any) -> Keys:
    return {
        "block_count": config.n_layer,
        "context_length": config.n_positions,
        "embedding_length": config.n_embd,
        "feed_forward_length": 4 * config.n_embd,
        "attention.head_count": config.n_head,
        "attention.layer_norm_epsilon": config.layer_norm_epsilon,
    }


def bloom(config: Any) -> Keys:
    said = {
        "block_count": config.n_layer,
        "context_length": config.hidden_size,
        "embedding_length": config.hidden_size,
        "feed_forward_length": 4 * config.hidden_size,
        "attention.head_count": config.n_head,
        "attention.head_count_kv": config.n_head,
    }
    return {**said, "attention.layer_norm_epsilon": config.layer_norm_epsilon}


def mamba(config: Any) -> Keys:
    return {
        "context_length": 2**20,
        "embedding_length": config.hidden_size,
        "feed_forward_length": 0,
        "attention.head_count": 0,
        "block_count": config.num_hidden_layers,
        "ssm.conv_kernel": config.conv_kernel,
        "ssm.inner_size": config.intermediate_size,
        "ssm.state_size": config.state_size,
        "ssm.time_step_rank": config.time_step_rank,
        "attention.layer_norm_rms_epsilon": config.layer_norm_epsilon,
        "ssm.dt_b_c_rms": False,
    }


def lfm2(config: Any) -> Keys:
    heads = [config.num_key_value_heads * (t != "conv") for t in config.layer_types]
    return {
        **sizes(config),
        "attention.head_count_kv": heads,
        "attention.layer_norm_rms_epsilon": config.norm_eps,
        "shortconv.l_cache": config.conv_L_cache,
        "vocab_size": config.vocab_size,
    }


# -- the architectures ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Export:
    """How a tiny model of one architecture is built and written."""

    model_type: str
    """A recipe of ``tiny_checkpoints``."""
    keys: Callable[[Any], Keys] = sizes
    """Its hyperparameters, from transformers' configuration."""
    layout: Callable[[str, np.ndarray, Any], Arrays] = as_it_is
    """What the converter does to each tensor."""
    settings: dict[str, Any] = field(default_factory=dict)
    """What the configuration says besides the recipe."""


def _turned(share: float) -> dict[str, Any]:
    return {
        "rope_parameters": {
            **{"rope_type": "default", "rope_theta": 10_000.0},
            "partial_rotary_factor": share,
        }
    }


EXPORTS: dict[str, Export] = {
    "arcee": Export("arcee", as_llama, interleaved),
    "bloom": Export("bloom", bloom, queries_first),
    "cohere2": Export("cohere2", cohere2, settings={"num_hidden_layers": 5, "sliding_window": 8}),
    "command-r": Export("cohere", cohere, settings={"logit_scale": 0.25}),
    "ernie4_5": Export("ernie4_5"),
    "falcon": Export("falcon", falcon, queries_first_in_groups),
    "gemma": Export("gemma", sizes, norms_plus_one),
    "gemma2": Export("gemma2", caps, norms_plus_one),
    "gemma3": Export("gemma3_text", windows, norms_plus_one, {"num_hidden_layers": 7}),
    "glm4": Export("glm4", lambda c: {**sizes(c), **turned(c)}, settings=_turned(0.5)),
    "gpt2": Export("gpt2", gpt2, turned_round),
    "gptneox": Export("gpt_neox", with_parallel, queries_first, _turned(0.5)),
    "granite": Export(
        "granite",
        granite,
        interleaved,
        {
            **{"logits_scaling": 3.0, "embedding_multiplier": 12.0},
            **{"residual_multiplier": 0.22, "attention_multiplier": 0.3},
        },
    ),
    "lfm2": Export("lfm2", lfm2, squeezed),
    "llama": Export("llama", as_llama, interleaved),
    "mamba": Export("mamba", mamba, state_space),
    "nemotron": Export("nemotron", nemotron, norms_plus_one, _turned(0.5)),
    "olmo2": Export("olmo2"),
    "phi2": Export(
        "phi",
        lambda c: {**sizes(c), **turned(c)},
        settings={**_turned(0.5), "num_key_value_heads": 4},
    ),
    "phi3": Export("phi3", phi3, settings={"original_max_position_embeddings": 640}),
    "qwen2": Export("qwen2"),
    "qwen2moe": Export(
        "qwen2_moe", with_expert_sizes, with_experts, {"shared_expert_intermediate_size": 24}
    ),
    "qwen3": Export("qwen3"),
    "qwen35": Export("qwen3_5_text", with_sums, tiled),
    "qwen35moe": Export("qwen3_5_moe_text", with_sums, tiled),
    "qwen3moe": Export("qwen3_moe", with_expert_sizes, with_experts, {"norm_topk_prob": True}),
    "seed_oss": Export("seed_oss"),
    "smollm3": Export("smollm3", as_llama, interleaved, {"num_hidden_layers": 5}),
    "stablelm": Export("stablelm", with_parallel, settings=_turned(0.25)),
    "starcoder2": Export("starcoder2"),
}


@cache
def tokens() -> tuple[list[str], list[str]]:
    """Tokens of the tiny byte-level tokenizer, filled up to the rows of the head, and merges."""
    tokenizer = byte_level_tokenizer()
    state = json.loads(tokenizer.to_str())["model"]
    listed = sorted(state["vocab"], key=state["vocab"].__getitem__)
    merges = [m if isinstance(m, str) else " ".join(m) for m in state["merges"]]
    return [*listed, *(f"[PAD{i}]" for i in range(len(listed), 384))], merges


def export(
    path: Path,
    architecture: str = "llama",
    *,
    more_keys: Mapping[str, Any] | None = None,
    more_tensors: Mapping[str, np.ndarray] | None = None,
    without: Sequence[str] = (),
    pre: str | None = "gpt-2",
    exported: Export | None = None,
    **settings: Any,
) -> Any:
    """Write a tiny model as GGUF and return the model of transformers it was.

    Args:
        path: the file.
        architecture: llama.cpp's name.
        more_keys: hyperparameters besides those of the converter, with the architecture's name
            before them.
        more_tensors: tensors besides.
        without: what the names of tensors that are left out begin with.
        pre: how its tokenizer splits texts.
        exported: how it is written, if not as :data:`EXPORTS` says.
        settings: of the configuration.
    """
    import gguf
    import torch

    how = exported or EXPORTS[architecture]
    model = build_model(how.model_type, **(how.settings | settings))
    config = model.config
    kind = next(a for a, name in gguf.MODEL_ARCH_NAMES.items() if name == architecture)
    layers = getattr(config, "num_hidden_layers", None) or config.n_layer
    names = gguf.get_tensor_name_map(kind, layers)
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_name("tiny")
    for key, value in how.keys(config).items():
        _add(writer, f"{architecture}.{key}", value)
    for key, value in (more_keys or {}).items():
        _add(writer, key, value)
    _add_tokenizer(writer, pre)
    with torch.no_grad():
        model.tie_weights()
        for name, parameter in model.named_parameters():
            for theirs, values in how.layout(name, parameter.numpy(), config):
                ours = names.get_name(theirs, try_suffixes=(".weight", ".bias"))
                assert ours is not None, theirs
                if not ours.startswith(tuple(without)):
                    writer.add_tensor(ours, np.ascontiguousarray(values, dtype=np.float32))
    for name, values in (more_tensors or {}).items():
        writer.add_tensor(name, np.ascontiguousarray(values, dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return model


def _add(writer: Any, key: str, value: Any) -> None:
    if isinstance(value, bool):
        writer.add_bool(key, value)
    elif isinstance(value, str):
        writer.add_string(key, value)
    elif isinstance(value, list):
        writer.add_array(key, value)
    elif isinstance(value, float):
        writer.add_float32(key, value)
    else:
        writer.add_uint32(key, value)


def _add_tokenizer(writer: Any, pre: str | None) -> None:
    listed, merges = tokens()
    writer.add_tokenizer_model("gpt2")
    if pre is not None:
        writer.add_tokenizer_pre(pre)
    writer.add_token_list(listed)
    writer.add_token_types([3 if t in ("<s>", "</s>") else 1 for t in listed])
    writer.add_token_merges(merges)
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(1)
    writer.add_add_bos_token(False)
