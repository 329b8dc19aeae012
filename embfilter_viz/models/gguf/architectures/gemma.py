"""Gemma 1, 2 and 3: zero-centred norms, and a head that is the embedding."""

from collections.abc import Mapping
from typing import Any

from embfilter_viz.models.gguf import changes
from embfilter_viz.models.gguf.account import Account
from embfilter_viz.models.gguf.architectures.shared import (
    ATTENTION,
    FOUR_NORMS,
    GATED,
    NORMS,
    QK_NORMS,
    head_dim_of,
    outside,
    rms_norm,
    sizes,
)
from embfilter_viz.models.gguf.layouts import Layout
from embfilter_viz.models.gguf.rope import rope_parameters

__all__ = ["gemma", "gemma2", "gemma3"]

_LAYERS_OF_27B = {"gemma2": 46, "gemma3": 62}
"""By which llama.cpp too knows the two whose queries are scaled by width / heads."""
_QUERY_SCALAR = 256
"""``query_pre_attn_scalar`` of all others by Google, and transformers' default."""
_SCALED_BY_HEAD = 128
"""Dimensions of the heads of Rnj-1, a Gemma 3 by others, which are scaled by themselves."""
_PATTERN = 6
"""Of Gemma 3's layers every sixth reads the whole text (Gemma 3 report, 2025)."""


def gemma(account: Account) -> Layout:
    """Gemma 1."""
    head_dim = head_dim_of(account)
    return _like_gemma(account, "gemma", NORMS, rope_parameters(account, head_dim))


def gemma2(account: Account) -> Layout:
    """Gemma 2: four norms a layer, caps on attention and logits, every other layer slides."""
    rope = rope_parameters(account, head_dim_of(account))
    found = _like_gemma(account, "gemma2", FOUR_NORMS, rope)
    account.expect("attention.sliding_window_pattern", 2)
    found.config.update(
        query_pre_attn_scalar=_query_scalar(account),
        # Where a file is silent, llama.cpp and transformers take the same.
        sliding_window=account.value("attention.sliding_window", 4096),
        attn_logit_softcapping=account.value("attn_logit_softcapping", 50.0),
        final_logit_softcapping=account.value("final_logit_softcapping", 30.0),
    )
    return found


def gemma3(account: Account) -> Layout:
    """Gemma 3: norms on queries and keys; five layers of six slide, with positions of their own."""
    rope = {
        # What scales the positions of long texts is for the layers that read the whole text.
        "full_attention": rope_parameters(account, head_dim_of(account)),
        "sliding_attention": {
            "rope_type": "default",
            "rope_theta": float(account.value("rope.freq_base_swa", 10_000.0)),
        },
    }
    found = _like_gemma(account, "gemma3_text", {**FOUR_NORMS, **QK_NORMS}, rope)
    window = account.value("attention.sliding_window", 0)
    found.config.update(
        query_pre_attn_scalar=_query_scalar(account),
        sliding_window=window or None,
        final_logit_softcapping=account.value("final_logit_softcapping", None),
        layer_types=[
            "sliding_attention" if slides and window else "full_attention"
            for slides in _sliding(account, found.n_layers)
        ],
    )
    return found


def _sliding(account: Account, layers: int) -> list[bool]:
    pattern = account.values("attention.sliding_window_pattern", _PATTERN)
    if isinstance(pattern, list):
        return [bool(slides) for slides in pattern]
    return [bool((i + 1) % pattern) for i in range(layers)]


def _like_gemma(
    account: Account, model_type: str, norms: Mapping[str, str], rope: dict[str, Any]
) -> Layout:
    return Layout(
        config={
            **sizes(account),
            "model_type": model_type,
            "head_dim": head_dim_of(account),
            "rms_norm_eps": rms_norm(account),
            "rope_parameters": rope,
        },
        block={**norms, **ATTENTION, **GATED},
        outside=outside(account),
        changes={f"{stem}.weight": changes.less_one for stem in (*norms, "output_norm")},
    )


def _query_scalar(account: Account) -> int:
    """The square of what queries are divided by, for which the format has no key."""
    if account.value("block_count") == _LAYERS_OF_27B[account.header.architecture]:
        return account.value("embedding_length") // account.value("attention.head_count")
    head_dim = head_dim_of(account)
    return head_dim if head_dim == _SCALED_BY_HEAD else _QUERY_SCALAR
