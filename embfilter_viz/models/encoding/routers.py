"""Which experts a token is sent to: the routers of a mixture of experts, layer by layer."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from embfilter_viz.errors import InputError
from embfilter_viz.models.families import text_config

if TYPE_CHECKING:
    import torch

__all__ = ["experts_of", "router_weights"]

_COUNTS = ("num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts")
"""Names that configurations have for the number of experts a router chooses from."""


def experts_of(config: Mapping[str, Any]) -> int:
    """Experts that a router chooses from: 0 for a model without routers.

    >>> experts_of({"model_type": "qwen3_moe", "num_experts": 128})
    128
    >>> experts_of({"model_type": "llama"})
    0
    """
    said = text_config(config)
    counts = (said.get(name) for name in _COUNTS)
    return next((one for one in counts if isinstance(one, int) and one > 1), 0)


def router_weights(decoder: Any, read: Callable[..., Any], batch: int) -> list["torch.Tensor"]:
    """The softmax of each router's logits, for every token of a forward pass.

    The logits are those that transformers records. Some families choose experts by another
    function of them, a sigmoid or a softmax over the chosen alone; the softmax over all experts is
    the definition of Li and Zhou (arXiv 2410.10814).

    Args:
        decoder: the language model without its head.
        read: a forward pass of it, which takes ``output_router_logits``.
        batch: sequences in that pass.

    Returns:
        (batch, n, n_experts) float32 of each layer that has a router, in order.

    Raises:
        InputError: a model whose router logits transformers does not record.
    """
    recorded = getattr(decoder, "_can_record_outputs", None) or {}
    logits = None
    if "router_logits" in recorded:
        logits = getattr(read(output_router_logits=True), "router_logits", None)
    if not logits:
        raise InputError(
            f"{type(decoder).__name__}: transformers records no router logits of this model, so it "
            "has no router embedding; pick a mixture of experts such as Qwen3-MoE or OLMoE"
        )
    return [one.reshape(batch, -1, one.shape[-1]).float().softmax(dim=-1) for one in logits]
