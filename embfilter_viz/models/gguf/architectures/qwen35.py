"""Qwen 3.5, dense and with experts: three layers of four keep a running sum instead of attention.

The converter writes its value heads so that those of one key head lie apart (tiled), transformers
has them side by side (grouped).
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from embfilter_viz.models.gguf import changes
from embfilter_viz.models.gguf.account import Account
from embfilter_viz.models.gguf.architectures.shared import (
    ATTENTION,
    GATED,
    QK_NORMS,
    experts,
    head_dim_of,
    outside,
    rms_norm,
    sizes,
)
from embfilter_viz.models.gguf.layouts import Change, Layout
from embfilter_viz.models.gguf.rope import rope_parameters

__all__ = ["qwen35", "qwen35_moe"]

_NORMS = {
    "attn_norm": "input_layernorm",
    "post_attention_norm": "post_attention_layernorm",
}
_LINEAR = {
    "attn_qkv": "linear_attn.in_proj_qkv",
    "attn_gate": "linear_attn.in_proj_z",
    "ssm_alpha": "linear_attn.in_proj_a",
    "ssm_beta": "linear_attn.in_proj_b",
    "ssm_conv1d": "linear_attn.conv1d",
    "ssm_norm": "linear_attn.norm",
    "ssm_out": "linear_attn.out_proj",
}
_BARE = {"ssm_a": "linear_attn.A_log", "ssm_dt.bias": "linear_attn.dt_bias"}

Config = Mapping[str, Any]


def qwen35(account: Account) -> Layout:
    """Qwen 3.5, dense."""
    found = _with_sums(account, "qwen3_5_text", dense=True)
    return replace(found, block={**found.block, **GATED})


def qwen35_moe(account: Account) -> Layout:
    """Qwen 3.5 with experts, one of which is asked by all tokens."""
    each = account.shape("blk.0.ffn_up_exps.weight")[1]
    shared = account.shape("blk.0.ffn_up_shexp.weight")[0]
    account.expect("expert_feed_forward_length", each)
    account.expect("expert_shared_feed_forward_length", shared)
    account.ignore("feed_forward_length")  # of dense layers, which it has none of
    found = _with_sums(account, "qwen3_5_moe_text", dense=False)
    found.config.update(
        num_experts=account.value("expert_count"),
        num_experts_per_tok=account.value("expert_used_count"),
        moe_intermediate_size=each,
        shared_expert_intermediate_size=shared,
    )
    block = {
        **found.block,
        "ffn_gate_inp": "mlp.gate",
        "ffn_gate_inp_shexp": "mlp.shared_expert_gate",
        "ffn_gate_shexp": "mlp.shared_expert.gate_proj",
        "ffn_up_shexp": "mlp.shared_expert.up_proj",
        "ffn_down_shexp": "mlp.shared_expert.down_proj",
    }
    changed = {**found.changes, "ffn_gate_inp_shexp.weight": changes.one_row}
    return replace(found, block=block, joined=experts(), changes=changed)


def _with_sums(account: Account, model_type: str, *, dense: bool) -> Layout:
    head_dim = head_dim_of(account)
    guesses = account.value("nextn_predict_layers", 0)  # layers that no forward pass goes through
    config = sizes(account, dense=dense)
    layers = config["num_hidden_layers"] = config["num_hidden_layers"] - guesses
    for i in range(layers, layers + guesses):
        account.ignore_tensors(f"blk.{i}.")
    every = account.value("full_attention_interval", 4)
    usual = [bool((i + 1) % every) for i in range(layers)]
    sums = account.values("attention.recurrent_layers", usual)[:layers]
    values = account.value("ssm.time_step_rank")
    sections = account.values("rope.dimension_sections")
    config.update(
        model_type=model_type,
        head_dim=head_dim,
        rms_norm_eps=rms_norm(account),
        layer_types=["linear_attention" if one else "full_attention" for one in sums],
        linear_conv_kernel_dim=account.value("ssm.conv_kernel"),
        linear_key_head_dim=account.value("ssm.state_size"),
        linear_num_key_heads=account.value("ssm.group_count"),
        linear_num_value_heads=values,
        linear_value_head_dim=account.value("ssm.inner_size") // values,
        rope_parameters={
            **rope_parameters(account, head_dim, partial=True),
            "mrope_section": [section for section in sections if section],
            "mrope_interleaved": True,
        },
    )
    attention = {**ATTENTION, **QK_NORMS}
    zero_centred = (*_NORMS, *QK_NORMS, "output_norm")
    return Layout(
        config=config,
        block={**_NORMS, **attention, **_LINEAR},
        bare=_BARE,
        outside=outside(account),
        changes={**{f"{stem}.weight": changes.less_one for stem in zero_centred}, **_GROUPED},
        skipped={i: attention if one else {**_LINEAR, **_BARE} for i, one in enumerate(sums)},
    )


def _grouped(values: np.ndarray, config: Config) -> np.ndarray:
    """Rows by value head, from tiled to grouped."""
    keys = config["linear_num_key_heads"]
    tiled = values.reshape(config["linear_num_value_heads"] // keys, keys, -1, *values.shape[1:])
    return tiled.swapaxes(0, 1).reshape(values.shape)


def _grouped_after_keys(values: np.ndarray, config: Config) -> np.ndarray:
    """The same behind the rows of queries and keys, which stay."""
    before = 2 * config["linear_num_key_heads"] * config["linear_key_head_dim"]
    return np.concatenate([values[:before], _grouped(values[before:], config)])


def _grouped_columns(values: np.ndarray, config: Config) -> np.ndarray:
    return _grouped(values.T, config).T


def _kernel(values: np.ndarray, config: Config) -> np.ndarray:
    return np.expand_dims(_grouped_after_keys(values, config), 1)


def _decay(values: np.ndarray, config: Config) -> np.ndarray:
    return _grouped(changes.exponent(values, config), config)


_GROUPED: Mapping[str, Change] = {
    "attn_qkv.weight": _grouped_after_keys,
    "attn_gate.weight": _grouped,
    "ssm_alpha.weight": _grouped,
    "ssm_beta.weight": _grouped,
    "ssm_conv1d.weight": _kernel,
    "ssm_out.weight": _grouped_columns,
    "ssm_a": _decay,
    "ssm_dt.bias": _grouped,
}
