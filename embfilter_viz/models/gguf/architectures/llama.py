"""Llama, and those the converter treats as Llama: it interleaves their rotary pairs."""

from dataclasses import replace

from embfilter_viz.models.gguf.account import Account
from embfilter_viz.models.gguf.architectures.shared import (
    ATTENTION,
    GATED,
    INTERLEAVED,
    NORMS,
    UNGATED,
    experts,
    head_dim_of,
    llama_like,
    outside,
    rms_norm,
    sizes,
)
from embfilter_viz.models.gguf.layouts import Layout
from embfilter_viz.models.gguf.rope import rope_parameters

__all__ = ["arcee", "granite", "llama", "smollm3"]


_MISTRALS = ("mistral", "ministral", "codestral", "mathstral", "devstral", "magistral")


def llama(account: Account) -> Layout:
    """Llama; Mistral and Mixtral, which llama.cpp calls Llama too."""
    if account.value("expert_count", 0):
        return _mixtral(account)
    account.expect("tensor_data_layout", "Meta AI original pth")
    found = replace(llama_like(account, "llama", GATED), changes=INTERLEAVED)
    if _is_mistral(account) and not found.biased:
        # The same computation; the paper's prompt for it is another.
        found.config.update(model_type="mistral", sliding_window=None)
        del found.config["attention_bias"], found.config["mlp_bias"]
    return found


def _is_mistral(account: Account) -> bool:
    said = account.header.metadata
    named = " ".join(str(said.get(f"general.{key}", "")) for key in ("basename", "name")).lower()
    return any(name in named for name in _MISTRALS)


def _mixtral(account: Account) -> Layout:
    head_dim = head_dim_of(account)
    account.expect("expert_feed_forward_length", account.value("feed_forward_length"))
    return Layout(
        config={
            **sizes(account),
            "model_type": "mixtral",
            "head_dim": head_dim,
            "num_local_experts": account.value("expert_count"),
            "num_experts_per_tok": account.value("expert_used_count"),
            "rms_norm_eps": rms_norm(account),
            "rope_parameters": rope_parameters(account, head_dim),
            "sliding_window": None,
        },
        block={**NORMS, **ATTENTION, "ffn_gate_inp": "mlp.gate"},
        outside=outside(account),
        joined=experts(),
        changes=INTERLEAVED,
    )


def arcee(account: Account) -> Layout:
    """Arcee: no gate, and a squared ReLU."""
    return replace(llama_like(account, "arcee", UNGATED), changes=INTERLEAVED)


def smollm3(account: Account) -> Layout:
    """SmolLM 3: every fourth layer has no positions, in llama.cpp as in transformers."""
    found = replace(llama_like(account, "smollm3", GATED), changes=INTERLEAVED)
    found.config.update(no_rope_layer_interval=4, use_sliding_window=False)
    return found


def granite(account: Account) -> Layout:
    """Granite: factors on embeddings, attention, residuals and logits."""
    account.expect("rope.scaling.finetuned", True)  # False takes Granite's positions away
    found = replace(llama_like(account, "granite", GATED), changes=INTERLEAVED)
    head_dim = found.config.pop("head_dim")
    found.config.update(
        embedding_multiplier=account.value("embedding_scale", 1.0),
        residual_multiplier=account.value("residual_scale", 1.0),
        attention_multiplier=account.value("attention.scale", head_dim**-0.5),
        logits_scaling=account.value("logit_scale"),
    )
    return found
