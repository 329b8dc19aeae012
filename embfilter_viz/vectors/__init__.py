"""Raw embeddings that are stored already, and a filter over them."""

from embfilter_viz.vectors.applying import Applied, apply_filter
from embfilter_viz.vectors.databases import open_database
from embfilter_viz.vectors.filling import Filled, fill_database
from embfilter_viz.vectors.opening import open_vectors
from embfilter_viz.vectors.stored import StoredVectors

__all__ = [
    "Applied",
    "Filled",
    "StoredVectors",
    "apply_filter",
    "fill_database",
    "open_database",
    "open_vectors",
]
