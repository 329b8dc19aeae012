"""Where the figures of the page come from, for what is exported of them."""

import streamlit as st

from embfilter_viz.export.figure_source import FigureSource
from embfilter_viz.spectral.windows import Window

__all__ = ["about_texts", "begin_page", "figure_source"]

_PAGE = "_figures_of"
"""In the session: model, prompt, window and texts of the page that is being made."""


def begin_page(model: str, prompt: str, window: Window) -> None:
    """Note what the page's figures are of; no texts yet."""
    st.session_state[_PAGE] = FigureSource(model, prompt, window)


def about_texts(said: str) -> None:
    """Note which texts the figures from here on are of, in words."""
    known: FigureSource = st.session_state[_PAGE]
    st.session_state[_PAGE] = FigureSource(known.model, known.prompt, known.window, said)


def figure_source(
    window: Window | None = None, texts: str | None = None, *, windowless: bool = False
) -> FigureSource | None:
    """Return what a figure of the page says of itself.

    Args:
        window: of the figure, where it is not the page's.
        texts: likewise.
        windowless: whether no window changes it.
    """
    known: FigureSource | None = st.session_state.get(_PAGE)
    if known is None:
        return None
    return FigureSource(
        known.model,
        known.prompt,
        None if windowless else known.window if window is None else window,
        known.texts if texts is None else texts,
    )
