"""Mamba: a state space instead of attention."""

from embfilter_viz.models.gguf import changes
from embfilter_viz.models.gguf.account import Account, NotRead
from embfilter_viz.models.gguf.architectures.shared import output_head, rms_norm, tokens
from embfilter_viz.models.gguf.layouts import Layout

__all__ = ["mamba"]


def mamba(account: Account) -> Layout:
    """Mamba 1; Falcon-Mamba, which norms what it selects by, is not read."""
    account.expect("ssm.dt_b_c_rms", False)
    # Of attention and dense layers, which it has none of, and of a context, which ends nowhere.
    account.ignore("attention.head_count", "feed_forward_length", "context_length")
    width, inner = account.value("embedding_length"), account.value("ssm.inner_size")
    if inner % width:
        raise NotRead(f"an inner size of {inner} is no multiple of the width {width}")
    return Layout(
        config={
            **tokens(account),
            "model_type": "mamba",
            "hidden_size": width,
            "num_hidden_layers": account.value("block_count"),
            "expand": inner // width,
            "conv_kernel": account.value("ssm.conv_kernel"),
            "state_size": account.value("ssm.state_size"),
            "time_step_rank": account.value("ssm.time_step_rank"),
            "layer_norm_epsilon": rms_norm(account),
            "use_conv_bias": True,
            "use_bias": False,
        },
        block={
            "attn_norm": "norm",
            "ssm_in": "mixer.in_proj",
            "ssm_conv1d": "mixer.conv1d",
            "ssm_x": "mixer.x_proj",
            "ssm_dt": "mixer.dt_proj",
            "ssm_out": "mixer.out_proj",
        },
        bare={"ssm_a": "mixer.A_log", "ssm_d": "mixer.D"},
        outside={
            "token_embd": "backbone.embeddings",
            "output_norm": "backbone.norm_f",
            **output_head(account),
        },
        layers="backbone.layers",
        biased=("ssm_conv1d", "ssm_dt"),
        changes={"ssm_a": changes.exponent, "ssm_conv1d.weight": changes.with_axis(1)},
    )
