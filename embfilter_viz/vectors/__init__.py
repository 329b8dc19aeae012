"""Raw embeddings that are stored already, and a filter over them."""

from embfilter_viz.vectors.applying import Applied, apply_filter
from embfilter_viz.vectors.opening import open_vectors
from embfilter_viz.vectors.stored import StoredVectors

__all__ = ["Applied", "StoredVectors", "apply_filter", "open_vectors"]
