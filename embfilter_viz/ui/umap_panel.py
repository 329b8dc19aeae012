"""The UMAP of the Geometry page: its parameters, its job, its age."""

from collections.abc import Sequence

import numpy as np
import streamlit as st

from embfilter_viz import layout_process
from embfilter_viz.analyses.umap_maps import umap_maps
from embfilter_viz.embeddings.layouts import Layout
from embfilter_viz.spectral.windows import Window
from embfilter_viz.system.progress import Progress
from embfilter_viz.ui.choices import View
from embfilter_viz.ui.results import digest
from embfilter_viz.ui.services import outcome

__all__ = ["umap_layout"]

FEW = 3000
"""Texts up to which a map takes no more than some seconds once UMAP is compiled."""


LAST = "_umap"
"""In the session: the last map, of which texts it is, and under which choices it was made."""


def umap_layout(
    view: View, embeddings: np.ndarray, texts: Sequence[str]
) -> tuple[Layout, Window, bool] | None:
    """The aligned UMAP of raw and filtered embeddings, or ``None`` before there is any.

    It never starts by itself. Once the window or a parameter moved, the last one stays until the
    button has laid out another.

    Returns:
        the map, its window, and whether it is still that of another window or of other parameters.
    """
    layout_process.warm_up()
    left, middle, right = st.columns(3)
    n_neighbors = left.slider(
        "Neighbours", 3, 50, 15, key="n_neighbors", bind="query-params",
        help="A small number shows fine detail, a large number the overall structure.",
    )  # fmt: skip
    min_dist = middle.slider(
        "Smallest distance", 0.0, 0.99, 0.1, key="min_dist", bind="query-params",
        help="How close points may lie on the map.",
    )  # fmt: skip
    seed = right.number_input("Seed", 0, 10_000, 0, key="seed", bind="query-params")
    model, window = view.model, view.window

    def work(progress: Progress) -> Layout:
        return umap_maps(
            model, embeddings, window,
            n_neighbors=int(n_neighbors), min_dist=float(min_dist), seed=int(seed),
            progress=progress,
        )  # fmt: skip

    of = (model.identity, view.prompt, digest(tuple(texts)))
    made = outcome(
        ("umap", *of, str(window), n_neighbors, min_dist, seed),
        "Laying out both maps",
        work,
        button=f"Lay out a UMAP for the window {window}",
        note=_how_long(len(texts)),
    )
    if made is not None:
        st.session_state[LAST] = (of, made, window)
        return made, window, False
    last = st.session_state.get(LAST)
    return (last[1], last[2], True) if last is not None and last[0] == of else None


def _how_long(n: int) -> str:
    """Return what a reader should know before a map is begun."""
    if n <= FEW:
        return (
            "UMAP runs in a separate process. It takes about 20 s the first time, and a few "
            "seconds after that."
        )
    return (
        f"UMAP runs in a separate process and takes minutes for {n:,} texts. It shows how "
        "much time is left and can be stopped at any time. Neighbours are searched exactly, "
        "in chunks of 32 MB."
    )
