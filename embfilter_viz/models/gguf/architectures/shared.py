"""What most architectures share: sizes, special tokens, norms, and the names of tensors."""

from collections.abc import Mapping
from typing import Any

from embfilter_viz.models.gguf import changes
from embfilter_viz.models.gguf.account import Account, tied_as_said
from embfilter_viz.models.gguf.layouts import Change, Layout
from embfilter_viz.models.gguf.rope import rope_parameters

__all__ = [
    "ATTENTION",
    "FOUR_NORMS",
    "GATED",
    "INTERLEAVED",
    "NORMS",
    "QKV",
    "QK_NORMS",
    "UNGATED",
    "experts",
    "given_biases",
    "head_dim_of",
    "layer_norm",
    "llama_like",
    "no_experts",
    "output_head",
    "outside",
    "rms_norm",
    "sizes",
    "tokens",
]

ATTENTION = {
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
}
QKV = ("attn_q", "attn_k", "attn_v")
GATED = {
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
UNGATED = {"ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj"}
NORMS = {"attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm"}
FOUR_NORMS = {
    "attn_norm": "input_layernorm",
    "post_attention_norm": "post_attention_layernorm",
    "ffn_norm": "pre_feedforward_layernorm",
    "post_ffw_norm": "post_feedforward_layernorm",
}
QK_NORMS = {"attn_q_norm": "self_attn.q_norm", "attn_k_norm": "self_attn.k_norm"}
INTERLEAVED: Mapping[str, Change] = {
    f"{stem}.{suffix}": changes.halves_apart(heads)
    for stem, heads in (("attn_q", "num_attention_heads"), ("attn_k", "num_key_value_heads"))
    for suffix in ("weight", "bias")
}
"""The rotary pairs of Llama and of those the converter treats as Llama."""


def experts() -> dict[str, tuple[str, ...]]:
    """The experts of a layer in two parameters, as transformers 5 keeps them."""
    return {
        "mlp.experts.gate_up_proj": ("ffn_gate_exps.weight", "ffn_up_exps.weight"),
        "mlp.experts.down_proj": ("ffn_down_exps.weight",),
    }


def sizes(account: Account, *, dense: bool = True) -> dict[str, Any]:
    """Sizes and special tokens, under the names most configurations have.

    Args:
        account: the file.
        dense: whether there are dense layers, whose width the file must give.
    """
    heads = account.value("attention.head_count")
    width = {"intermediate_size": account.value("feed_forward_length")} if dense else {}
    return {
        **tokens(account),
        **width,
        "hidden_size": account.value("embedding_length"),
        "num_hidden_layers": account.value("block_count"),
        "num_attention_heads": heads,
        "num_key_value_heads": account.value("attention.head_count_kv", heads),
        "max_position_embeddings": account.value("context_length"),
    }


def tokens(account: Account) -> dict[str, Any]:
    """Rows of the embedding, special tokens, and whether the head is the embedding."""
    said = account.header.metadata
    return {
        "vocab_size": account.shape("token_embd.weight")[0],
        **tied_as_said(account.header),
        "bos_token_id": said.get("tokenizer.ggml.bos_token_id"),
        "eos_token_id": said.get("tokenizer.ggml.eos_token_id"),
        "pad_token_id": said.get("tokenizer.ggml.padding_token_id"),
    }


def outside(account: Account) -> dict[str, str]:
    """Embedding, last norm and head, where a model is called ``model``."""
    found = {"token_embd": "model.embed_tokens", "output_norm": "model.norm"}
    return found | output_head(account)


def output_head(account: Account) -> dict[str, str]:
    """The head, where it is not the embedding."""
    return {"output": "lm_head"} if account.has("output.weight") else {}


def head_dim_of(account: Account) -> int:
    """Dimensions of one attention head, the same for keys and values.

    Raises:
        NotRead: they differ.
    """
    usual = account.value("embedding_length") // account.value("attention.head_count")
    found = account.value("attention.key_length", usual)
    account.expect("attention.value_length", found)
    return int(found)


def rms_norm(account: Account) -> float:
    """The epsilon of root-mean-square norms."""
    return float(account.value("attention.layer_norm_rms_epsilon"))


def layer_norm(account: Account) -> float:
    """The epsilon of layer norms."""
    return float(account.value("attention.layer_norm_epsilon"))


def no_experts(account: Account) -> None:
    """Cross off that there are none, which some converters write.

    Raises:
        NotRead: there are some.
    """
    account.expect("expert_count", 0)
    account.expect("expert_used_count", 0)


def given_biases(account: Account, stems: Mapping[str, str]) -> tuple[str, ...]:
    """All of ``stems`` where the file has a bias for one of them: it is all of them or none."""
    given = any(account.has(f"blk.0.{stem}.bias") for stem in stems)
    return tuple(stems) if given else ()


def llama_like(account: Account, model_type: str, feed_forward: Mapping[str, str]) -> Layout:
    """RMS norms before attention and what follows it, full rotary positions, optional biases.

    Args:
        account: the file.
        model_type: transformers' name.
        feed_forward: tensors of what follows attention.
    """
    no_experts(account)
    head_dim = head_dim_of(account)
    attention = given_biases(account, ATTENTION)
    rest = given_biases(account, feed_forward)
    return Layout(
        config={
            **sizes(account),
            "model_type": model_type,
            "head_dim": head_dim,
            "rms_norm_eps": rms_norm(account),
            "rope_parameters": rope_parameters(account, head_dim),
            "attention_bias": bool(attention),
            "mlp_bias": bool(rest),
        },
        block={**NORMS, **ATTENTION, **feed_forward},
        outside=outside(account),
        biased=attention + rest,
    )
