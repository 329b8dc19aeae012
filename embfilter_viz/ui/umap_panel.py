"""The UMAP of the Geometry page: its parameters, its job, its age."""

from collections.abc import Sequence

import numpy as np
import streamlit as st

from embfilter_viz import layout_process
from embfilter_viz.analyses.umap_maps import umap_maps
from embfilter_viz.embeddings.layouts import Layout
from embfilter_viz.progress import Progress
from embfilter_viz.ui.choices import View
from embfilter_viz.ui.results import digest
from embfilter_viz.ui.services import outcome

__all__ = ["umap_layout"]

FEW = 3000
"""Texts up to which a map takes no more than some seconds once UMAP is compiled."""


def umap_layout(view: View, embeddings: np.ndarray, texts: Sequence[str]) -> Layout | None:
    """The aligned UMAP of raw and filtered embeddings, or ``None`` while there is none.

    It never starts by itself, and moving the window does not throw the last one away: the button
    lays out anew for the window of the moment.
    """
    layout_process.warm_up()
    left, middle, right = st.columns(3)
    n_neighbors = left.slider(
        "Neighbours", 3, 50, 15, key="n_neighbors", bind="query-params",
        help="Small: fine detail. Large: the whole.",
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

    return outcome(
        (
            "umap", model.identity, view.prompt, digest(tuple(texts)),
            str(window), n_neighbors, min_dist, seed,
        ),
        "Laying out both maps",
        work,
        button=f"Lay out a UMAP for the window {window}",
        note=_how_long(len(texts)),
    )  # fmt: skip


def _how_long(n: int) -> str:
    """What a reader should know before a map is begun."""
    if n <= FEW:
        return "Runs in a process of its own: some 20 s the first time, a few seconds after that."
    return (
        f"Runs in a process of its own and takes minutes for {n:,} texts. It says how long is left "
        "and can be stopped at any time; neighbours are searched exactly, in chunks of 32 MB."
    )
