"""Others with RMS norms and rotary positions, each with something of its own."""

from embfilter_viz.models.gguf import changes
from embfilter_viz.models.gguf.account import Account, NotRead
from embfilter_viz.models.gguf.architectures.shared import (
    ATTENTION,
    GATED,
    NORMS,
    QK_NORMS,
    QKV,
    head_dim_of,
    llama_like,
    no_experts,
    output_head,
    outside,
    rms_norm,
    sizes,
    tokens,
)
from embfilter_viz.models.gguf.layouts import Layout
from embfilter_viz.models.gguf.rope import rope_parameters

__all__ = ["ernie4_5", "glm4", "lfm2", "olmo2", "phi3"]


def phi3(account: Account) -> Layout:
    """Phi-3, Phi-3.5 and Phi-4: queries, keys and values in one matrix, gate and up in another."""
    no_experts(account)
    rope = rope_parameters(
        account, head_dim_of(account), partial=True, usually_whole=True, long_by_formula=True
    )
    trained = account.value("rope.scaling.original_context_length", None)
    return Layout(
        config={
            **sizes(account),
            "model_type": "phi3",
            "rms_norm_eps": rms_norm(account),
            "rope_parameters": rope,
            "original_max_position_embeddings": trained or account.value("context_length"),
            # Phi-4 says 0 for none.
            "sliding_window": account.value("attention.sliding_window", 0) or None,
        },
        block={
            **NORMS,
            "attn_qkv": "self_attn.qkv_proj",
            "attn_output": "self_attn.o_proj",
            "ffn_up": "mlp.gate_up_proj",
            "ffn_down": "mlp.down_proj",
        },
        outside=outside(account),
    )


def olmo2(account: Account) -> Layout:
    """OLMo 2: norms after attention and what follows it, and over all queries and all keys."""
    head_dim = head_dim_of(account)
    return Layout(
        config={
            **sizes(account),
            "model_type": "olmo2",
            "rms_norm_eps": rms_norm(account),
            "rope_parameters": rope_parameters(account, head_dim),
        },
        block={
            "post_attention_norm": "post_attention_layernorm",
            "post_ffw_norm": "post_feedforward_layernorm",
            **QK_NORMS,
            **ATTENTION,
            **GATED,
        },
        outside=outside(account),
    )


def glm4(account: Account) -> Layout:
    """GLM 4: four norms a layer, gate and up in one matrix, half of each head turned."""
    head_dim = head_dim_of(account)
    return Layout(
        config={
            **sizes(account),
            "model_type": "glm4",
            "head_dim": head_dim,
            "rms_norm_eps": rms_norm(account),
            "rope_parameters": rope_parameters(account, head_dim, partial=True),
            "attention_bias": account.has("blk.0.attn_q.bias"),
        },
        block={
            **NORMS,
            "post_attention_norm": "post_self_attn_layernorm",
            "post_ffw_norm": "post_mlp_layernorm",
            **ATTENTION,
            "ffn_up": "mlp.gate_up_proj",
            "ffn_down": "mlp.down_proj",
        },
        outside=outside(account),
        biased=QKV if account.has("blk.0.attn_q.bias") else (),
    )


def ernie4_5(account: Account) -> Layout:
    """ERNIE 4.5, dense."""
    found = llama_like(account, "ernie4_5", GATED)
    found.config.update(use_bias=found.config.pop("attention_bias"))
    del found.config["mlp_bias"]
    return found


def lfm2(account: Account) -> Layout:
    """LFM 2: short convolutions, and attention in the layers that have heads for keys."""
    head_dim = head_dim_of(account)
    shared = account.values("attention.head_count_kv")
    if not isinstance(shared, list) or not any(shared):
        raise NotRead("the file does not say which layers have attention")
    attention = {
        "attn_q": "self_attn.q_proj",
        "attn_k": "self_attn.k_proj",
        "attn_v": "self_attn.v_proj",
        "attn_output": "self_attn.out_proj",
        "attn_q_norm": "self_attn.q_layernorm",
        "attn_k_norm": "self_attn.k_layernorm",
    }
    convolution = {
        "shortconv.in_proj": "conv.in_proj",
        "shortconv.conv": "conv.conv",
        "shortconv.out_proj": "conv.out_proj",
    }
    norm = "token_embd_norm" if account.has("token_embd_norm.weight") else "output_norm"
    return Layout(
        config={
            **tokens(account),
            "model_type": "lfm2",
            "hidden_size": account.value("embedding_length"),
            "intermediate_size": account.value("feed_forward_length"),
            "num_hidden_layers": account.value("block_count"),
            "num_attention_heads": account.value("attention.head_count"),
            "num_key_value_heads": max(shared),
            "max_position_embeddings": account.value("context_length"),
            "block_auto_adjust_ff_dim": False,
            "layer_types": ["full_attention" if heads else "conv" for heads in shared],
            "norm_eps": rms_norm(account),
            "conv_L_cache": account.value("shortconv.l_cache"),
            "conv_bias": False,
            "rope_parameters": rope_parameters(account, head_dim),
        },
        block={
            "attn_norm": "operator_norm",
            "ffn_norm": "ffn_norm",
            **attention,
            **convolution,
            "ffn_gate": "feed_forward.w1",
            "ffn_up": "feed_forward.w3",
            "ffn_down": "feed_forward.w2",
        },
        outside={
            "token_embd": "model.embed_tokens",
            norm: "model.embedding_norm",
            **output_head(account),
        },
        changes={"shortconv.conv.weight": changes.with_axis(1)},
        skipped={i: convolution if heads else attention for i, heads in enumerate(shared)},
    )
