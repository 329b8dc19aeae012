"""Those with layer norms: GPT-2's line, BLOOM, Falcon, Cohere and others."""

from embfilter_viz.models.gguf import changes
from embfilter_viz.models.gguf.account import Account
from embfilter_viz.models.gguf.architectures.shared import (
    ATTENTION,
    GATED,
    NORMS,
    QK_NORMS,
    QKV,
    UNGATED,
    given_biases,
    head_dim_of,
    layer_norm,
    output_head,
    outside,
    sizes,
    tokens,
)
from embfilter_viz.models.gguf.layouts import Layout
from embfilter_viz.models.gguf.rope import rope_parameters

__all__ = [
    "bloom",
    "cohere",
    "cohere2",
    "falcon",
    "gpt2",
    "gptneox",
    "nemotron",
    "phi2",
    "stablelm",
    "starcoder2",
]

_FUSED = {
    "attn_norm": "input_layernorm",
    "attn_qkv": "self_attention.query_key_value",
    "attn_output": "self_attention.dense",
    "ffn_norm": "post_attention_layernorm",
    "ffn_up": "mlp.dense_h_to_4h",
    "ffn_down": "mlp.dense_4h_to_h",
}


def stablelm(account: Account) -> Layout:
    """StableLM: a part of each head is turned."""
    biased = QKV if account.has("blk.0.attn_q.bias") else ()
    parallel = account.value("use_parallel_residual", not account.has("blk.0.ffn_norm.weight"))
    norms = {"attn_norm": NORMS["attn_norm"]} if parallel else NORMS
    return Layout(
        config={
            **sizes(account),
            "model_type": "stablelm",
            "layer_norm_eps": layer_norm(account),
            "rope_parameters": rope_parameters(account, head_dim_of(account), partial=True),
            "use_qkv_bias": bool(biased),
            "use_parallel_residual": bool(parallel),
            "qk_layernorm": False,
        },
        block={**norms, **ATTENTION, **GATED},
        outside=outside(account),
        biased=(*norms, "output_norm", *biased),
    )


def nemotron(account: Account) -> Layout:
    """Nemotron: zero-centred norms, no gate, a squared ReLU."""
    head_dim = head_dim_of(account)
    # Most files have the same number twice.
    eps = account.value("attention.layer_norm_rms_epsilon", None)
    eps = account.value("attention.layer_norm_epsilon", eps)
    attention, rest = given_biases(account, ATTENTION), given_biases(account, UNGATED)
    return Layout(
        config={
            **sizes(account),
            "model_type": "nemotron",
            "head_dim": head_dim,
            "norm_eps": float(eps),
            "rope_parameters": rope_parameters(account, head_dim, partial=True),
            "attention_bias": bool(attention),
            "mlp_bias": bool(rest),
        },
        block={**NORMS, **ATTENTION, **UNGATED},
        outside=outside(account),
        biased=(*NORMS, "output_norm", *attention, *rest),
        changes={f"{stem}.weight": changes.less_one for stem in (*NORMS, "output_norm")},
    )


def starcoder2(account: Account) -> Layout:
    """StarCoder 2: no gate, biases nearly everywhere."""
    rest = {"ffn_up": "mlp.c_fc", "ffn_down": "mlp.c_proj"}
    biased = given_biases(account, {**ATTENTION, **rest})
    return Layout(
        config={
            **sizes(account),
            "model_type": "starcoder2",
            "norm_epsilon": layer_norm(account),
            "rope_parameters": rope_parameters(account, head_dim_of(account)),
            "use_bias": bool(biased),
            "sliding_window": account.value("attention.sliding_window", None),
        },
        block={**NORMS, **ATTENTION, **rest},
        outside=outside(account),
        biased=(*NORMS, "output_norm", *biased),
    )


def cohere(account: Account) -> Layout:
    """Command R: one norm without a bias, then attention and the rest side by side."""
    norms = {"attn_norm": NORMS["attn_norm"]}
    with_norms = account.has("blk.0.attn_q_norm.weight")
    return Layout(
        config={
            **sizes(account),
            "model_type": "cohere",
            "layer_norm_eps": layer_norm(account),
            "rope_parameters": rope_parameters(account, head_dim_of(account)),
            "logit_scale": account.value("logit_scale", 1.0),
            "use_qk_norm": with_norms,
            "attention_bias": False,
        },
        block={**norms, **ATTENTION, **GATED, **(QK_NORMS if with_norms else {})},
        outside=outside(account),
    )


def cohere2(account: Account) -> Layout:
    """Command R7B: three layers of four slide, and they alone have positions."""
    head_dim = head_dim_of(account)
    account.expect("attention.sliding_window_pattern", 4)
    layers = account.value("block_count")
    return Layout(
        config={
            **sizes(account),
            "model_type": "cohere2",
            "head_dim": head_dim,
            "layer_norm_eps": layer_norm(account),
            "rope_parameters": rope_parameters(account, head_dim),
            "logit_scale": account.value("logit_scale"),
            "sliding_window": account.value("attention.sliding_window"),
            "layer_types": [
                "sliding_attention" if (i + 1) % 4 else "full_attention" for i in range(layers)
            ],
            "attention_bias": False,
        },
        block={"attn_norm": NORMS["attn_norm"], **ATTENTION, **GATED},
        outside=outside(account),
    )


def phi2(account: Account) -> Layout:
    """Phi 1, 1.5 and 2: one norm, then attention and the rest side by side; a biased head."""
    head_dim = head_dim_of(account)
    block = {
        "attn_norm": NORMS["attn_norm"],
        **ATTENTION,
        "attn_output": "self_attn.dense",
        "ffn_up": "mlp.fc1",
        "ffn_down": "mlp.fc2",
    }
    return Layout(
        config={
            **sizes(account),
            "model_type": "phi",
            "layer_norm_eps": layer_norm(account),
            "rope_parameters": rope_parameters(account, head_dim, partial=True),
            "qk_layernorm": False,
        },
        block=block,
        outside={
            "token_embd": "model.embed_tokens",
            "output_norm": "model.final_layernorm",
            **output_head(account),
        },
        biased=(*block, "output_norm", "output"),
    )


def falcon(account: Account) -> Layout:
    """Falcon: groups of queries share a key and a value; one norm or two before both halves."""
    account.expect("tensor_data_layout", "jploski")
    found = sizes(account)
    groups = found.pop("num_key_value_heads")
    two = account.has("blk.0.attn_norm_2.weight")
    norms = {"attn_norm": "ln_mlp", "attn_norm_2": "ln_attn"} if two else {}
    norms = norms or {"attn_norm": NORMS["attn_norm"]}
    return Layout(
        config={
            **found,
            "model_type": "falcon",
            "ffn_hidden_size": found["intermediate_size"],
            "num_kv_heads": groups,
            "new_decoder_architecture": groups > 1,
            "num_ln_in_parallel_attn": len(norms) if groups > 1 else None,
            "multi_query": True,
            "parallel_attn": True,
            "alibi": False,
            "bias": False,  # those with one, Falcon-RW, have other positions too
            "layer_norm_epsilon": layer_norm(account),
            "rope_parameters": rope_parameters(account, head_dim_of(account)),
        },
        block={**norms, **{stem: _FUSED[stem] for stem in _FUSED if "norm" not in stem}},
        outside={
            "token_embd": "transformer.word_embeddings",
            "output_norm": "transformer.ln_f",
            **output_head(account),
        },
        layers="transformer.h",
        biased=(*norms, "output_norm"),
        changes={"attn_qkv.weight": changes.by_groups},
    )


def gptneox(account: Account) -> Layout:
    """GPT-NeoX and Pythia."""
    block = {
        **_FUSED,
        "attn_qkv": "attention.query_key_value",
        "attn_output": "attention.dense",
    }
    found = sizes(account)
    account.expect("attention.head_count_kv", found["num_attention_heads"])
    del found["num_key_value_heads"]
    return Layout(
        config={
            **found,
            "model_type": "gpt_neox",
            "layer_norm_eps": layer_norm(account),
            "rope_parameters": rope_parameters(account, head_dim_of(account), partial=True),
            "use_parallel_residual": account.value("use_parallel_residual", True),
        },
        block=block,
        outside={
            "token_embd": "gpt_neox.embed_in",
            "output_norm": "gpt_neox.final_layer_norm",
            **output_head(account),
        },
        layers="gpt_neox.layers",
        biased=(*block, "output_norm"),
        changes={
            f"attn_qkv.{suffix}": changes.by_heads("num_attention_heads")
            for suffix in ("weight", "bias")
        },
    )


def gpt2(account: Account) -> Layout:
    """GPT-2: learned positions, matrices the other way round."""
    heads = account.value("attention.head_count")
    account.expect("attention.head_count_kv", heads)
    block = {
        "attn_norm": "ln_1",
        "attn_qkv": "attn.c_attn",
        "attn_output": "attn.c_proj",
        "ffn_norm": "ln_2",
        "ffn_up": "mlp.c_fc",
        "ffn_down": "mlp.c_proj",
    }
    return Layout(
        config={
            **tokens(account),
            "model_type": "gpt2",
            "n_embd": account.value("embedding_length"),
            "n_inner": account.value("feed_forward_length", None),  # of none, four times the width
            "n_layer": account.value("block_count"),
            "n_head": heads,
            "n_positions": account.value("context_length"),
            "layer_norm_epsilon": layer_norm(account),
        },
        block=block,
        outside={
            "token_embd": "transformer.wte",
            "position_embd": "transformer.wpe",
            "output_norm": "transformer.ln_f",
            **output_head(account),
        },
        layers="transformer.h",
        biased=(*block, "output_norm"),
        changes={f"{stem}.weight": changes.transposed for stem in block if "norm" not in stem},
    )


def bloom(account: Account) -> Layout:
    """BLOOM: slopes for positions, a norm on the embedding."""
    heads, width = account.value("attention.head_count"), account.value("embedding_length")
    account.expect("attention.head_count_kv", heads)
    account.expect("feed_forward_length", 4 * width)
    account.ignore("context_length")  # slopes end nowhere
    return Layout(
        config={
            **tokens(account),
            "model_type": "bloom",
            "hidden_size": width,
            "n_layer": account.value("block_count"),
            "n_head": heads,
            "layer_norm_epsilon": layer_norm(account),
        },
        block=_FUSED,
        outside={
            "token_embd": "transformer.word_embeddings",
            "token_embd_norm": "transformer.word_embeddings_layernorm",
            "output_norm": "transformer.ln_f",
            **output_head(account),
        },
        layers="transformer.h",
        biased=(*_FUSED, "token_embd_norm", "output_norm"),
        changes={f"attn_qkv.{suffix}": changes.by_heads("n_head") for suffix in ("weight", "bias")},
    )
