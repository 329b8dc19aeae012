"""The lens by layer on a page: raw and filtered beside one another, or below where it is narrow."""

from functools import partial

import streamlit as st

from embfilter_viz.analyses.lens import LayerLens
from embfilter_viz.figures.lens import NAMES, layers_figure, layers_table
from embfilter_viz.spectral.windows import Window
from embfilter_viz.ui.chart import chart

__all__ = ["layers_charts"]

NARROWEST = 350
"""Pixels that the tokens of one block need."""


def layers_charts(
    found: LayerLens,
    d_vocab: int,
    window: Window,
    *,
    key: str,
    name: str,
    names: tuple[str, str] = NAMES,
) -> None:
    """Both blocks, each a figure of its own: ``key`` for raw, ``key``_filtered for the other.

    Args:
        found: the tokens.
        d_vocab: rows of the head.
        window: what the filter keeps.
        key: of the charts.
        name: of the files they are saved in.
        names: stand over the blocks.
    """
    # Stacked by a rule in page.css where the page is too narrow for both.
    with st.container(key=f"panels_wide_{key}"):
        for side, column in enumerate(st.columns(2, gap="small")):
            with column:
                chart(
                    partial(layers_figure, found, d_vocab, names=names, side=side),
                    key=f"{key}_filtered" if side else key,
                    table=partial(layers_table, found, names, side),
                    of=None if side else found.raw,  # which no window changes
                    name=f"{name}-{'filtered' if side else 'raw'}",
                    min_width=NARROWEST,
                    stamp=str(window),
                )
