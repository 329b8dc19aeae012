"""Qwen 2, 2.5 and 3, dense and with experts, and Seed-OSS, which has biases as Qwen 2 has."""

from dataclasses import replace

from embfilter_viz.models.gguf import changes
from embfilter_viz.models.gguf.account import Account
from embfilter_viz.models.gguf.architectures.shared import (
    ATTENTION,
    GATED,
    NORMS,
    QK_NORMS,
    QKV,
    experts,
    head_dim_of,
    llama_like,
    outside,
    rms_norm,
    sizes,
)
from embfilter_viz.models.gguf.layouts import Layout
from embfilter_viz.models.gguf.rope import rope_parameters

__all__ = ["qwen2", "qwen2_moe", "qwen3", "qwen3_moe", "seed_oss"]


def qwen2(account: Account) -> Layout:
    """Qwen 2 and 2.5: biases on queries, keys and values."""
    found = llama_like(account, "qwen2", GATED)
    del found.config["attention_bias"], found.config["mlp_bias"]
    return replace(found, biased=QKV)


def qwen3(account: Account) -> Layout:
    """Qwen 3: norms on queries and keys."""
    found = llama_like(account, "qwen3", GATED)
    del found.config["mlp_bias"]
    return replace(found, block={**found.block, **QK_NORMS})


def seed_oss(account: Account) -> Layout:
    """Seed-OSS: biases on queries, keys and values, and another name for the second norm."""
    found = llama_like(account, "seed_oss", GATED)
    found.config.update(attention_bias=True, attention_out_bias=False)
    block = {stem: name for stem, name in found.block.items() if stem != "ffn_norm"}
    block["post_attention_norm"] = "post_attention_layernorm"
    return replace(found, block=block, biased=QKV)


def qwen2_moe(account: Account) -> Layout:
    """Qwen 1.5 and 2 with experts, one of which is asked by all tokens."""
    found = _with_experts(account, "qwen2_moe")
    shared = account.shape("blk.0.ffn_up_shexp.weight")[0]
    account.expect("expert_shared_feed_forward_length", shared)
    found.config.update(shared_expert_intermediate_size=shared, norm_topk_prob=False)
    block = {
        **found.block,
        "ffn_gate_inp_shexp": "mlp.shared_expert_gate",
        "ffn_gate_shexp": "mlp.shared_expert.gate_proj",
        "ffn_up_shexp": "mlp.shared_expert.up_proj",
        "ffn_down_shexp": "mlp.shared_expert.down_proj",
    }
    changed = {"ffn_gate_inp_shexp.weight": changes.one_row}
    return replace(found, block=block, biased=QKV, changes=changed)


def qwen3_moe(account: Account) -> Layout:
    """Qwen 3 with experts, whose shares are made to add up to 1."""
    found = _with_experts(account, "qwen3_moe")
    found.config.update(norm_topk_prob=True)
    return replace(found, block={**found.block, **QK_NORMS})


def _with_experts(account: Account, model_type: str) -> Layout:
    head_dim = head_dim_of(account)
    each = account.shape("blk.0.ffn_up_exps.weight")[1]
    account.expect("expert_feed_forward_length", each)
    return Layout(
        config={
            **sizes(account),
            "model_type": model_type,
            "head_dim": head_dim,
            "num_experts": account.value("expert_count"),
            "num_experts_per_tok": account.value("expert_used_count"),
            "moe_intermediate_size": each,
            "decoder_sparse_step": 1,
            "mlp_only_layers": [],
            "rms_norm_eps": rms_norm(account),
            "rope_parameters": rope_parameters(account, head_dim),
        },
        block={**NORMS, **ATTENTION, "ffn_gate_inp": "mlp.gate"},
        outside=outside(account),
        joined=experts(),
    )
