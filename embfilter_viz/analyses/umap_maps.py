"""The aligned UMAP of raw and filtered embeddings, laid out once for all who ask."""

import json
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

import numpy as np

from embfilter_viz import layout_process
from embfilter_viz.analyses.maps import full_forms
from embfilter_viz.embeddings.layouts import Layout
from embfilter_viz.model import Model
from embfilter_viz.spectral.windows import Window
from embfilter_viz.store import array_digest
from embfilter_viz.system.progress import Progress, silent

__all__ = ["umap_maps"]

_VERSION = 1
"""Raised whenever what a stored layout means changes, so that old ones are not read."""


def umap_maps(
    model: Model,
    embeddings: np.ndarray,
    window: Window,
    *,
    n_neighbors: int = 15,
    min_dist: float = 0.1,
    seed: int = 0,
    progress: Progress = silent,
) -> Layout:
    """Both sets on aligned UMAPs; read from the store where they were laid out before.

    Kept under the content of the embeddings and all that UMAP was told, so pages, command line
    and notebooks share it, and of two that ask at once one lays out and the other waits.

    Args:
        model: the opened model.
        embeddings: (n, d_model) raw, n of at least 4.
        window: what the filter keeps.
        n_neighbors: as of :func:`embfilter_viz.embeddings.layouts.aligned_umap`.
        min_dist: as there.
        seed: as there.
        progress: called four times a second; may raise to stop.

    Returns:
        both maps, aligned.

    Raises:
        InputError: as there.
    """
    sets = full_forms(model, embeddings, window)
    key = {
        "version": _VERSION,
        "umap": version("umap-learn"),
        "sets": [array_digest(E) for E in sets],
        "n_neighbors": n_neighbors,
        "min_dist": min_dist,
        "seed": seed,
    }

    def lay_out() -> dict[str, np.ndarray]:
        layout = layout_process.aligned_umap(
            sets, n_neighbors=n_neighbors, min_dist=min_dist, seed=seed, progress=progress
        )
        return _arrays_of(layout)

    return _layout_of(model.store.arrays("layouts", key, lay_out, progress=progress))


def _arrays_of(layout: Layout) -> dict[str, np.ndarray]:
    """A layout as the store takes it."""
    rest = {"seed": layout.seed, "parameters": dict(layout.parameters)}
    return {
        "points": np.stack(layout.points),
        "trustworthiness": np.array(layout.trustworthiness, dtype=np.float64),
        "rest": np.frombuffer(json.dumps(rest).encode(), dtype=np.uint8),
    }


def _layout_of(arrays: Mapping[str, np.ndarray]) -> Layout:
    rest: dict[str, Any] = json.loads(arrays["rest"].tobytes())
    return Layout(
        method="umap",
        points=tuple(arrays["points"]),
        trustworthiness=tuple(arrays["trustworthiness"].tolist()),
        seed=rest["seed"],
        parameters=rest["parameters"],
    )
