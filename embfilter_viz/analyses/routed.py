"""What the routers of a mixture of experts know of texts, beside what its hidden states know.

MoEE (Li and Zhou, arXiv 2410.10814): the experts a token is sent to are an embedding of their own,
and the sum of its cosine and that of the hidden states is better than either on the paper's tasks.
The filter is for hidden states alone: routers read states between layers, not the head.
"""

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType

import numpy as np

from embfilter_viz.embeddings.routing import joined
from embfilter_viz.model import Model
from embfilter_viz.spectral.filters import EmbedFilter
from embfilter_viz.system.progress import Progress, silent

__all__ = ["ROUTED", "routed"]

ROUTED: Mapping[str, str] = MappingProxyType(
    {
        "router": "the weights that the routers give the experts, layer by layer",
        "router+hidden": "cosine of the hidden states plus that of the routers (MoEE)",
        "router+window": "cosine in the window plus that of the routers",
    }
)
"""Embeddings with a part of the routers, by name, in words for a table."""


def routed(
    model: Model,
    texts: Sequence[str],
    prompt: str,
    E: np.ndarray,
    own: EmbedFilter,
    *,
    weight: float = 1.0,
    progress: Progress = silent,
) -> Iterator[tuple[str, np.ndarray]]:
    """Embeddings of :data:`ROUTED` one after the other; none of a model without routers.

    Args:
        model: the opened model.
        texts: n texts.
        prompt: how they are put to the model.
        E: (n, d_model) their raw embeddings under it.
        own: EmbedFilter with the window.
        weight: how much a router's cosine counts beside the other.
        progress: told of the texts read once more; may raise ``Cancelled``.

    Yields:
        the name, and (n, dims) embeddings.

    Raises:
        InputError: router logits that are not to be had.
    """
    if not model.n_experts:
        return
    R = model.route(texts, prompt, progress=progress)
    yield "router", R
    yield "router+hidden", joined(E, R, weight)
    yield "router+window", joined(own.transform(E), R, weight)
