"""The texts that figures show when a point is hovered over: sent once, not at every move."""

from typing import Any

import streamlit as st

from embfilter_viz.figures.geometry import text_labels
from embfilter_viz.ui.assets import component_file
from embfilter_viz.ui.results import digest

__all__ = ["texts_for_hover"]


def texts_for_hover(texts: tuple[str, ...], *, key: str) -> str:
    """Have the browser keep ``texts``; the name by which a figure refers to them."""
    name = digest(texts)[:16]
    has = getattr(st.session_state.get(key), "has", None) or ""
    sent = None if has == name else list(text_labels(texts))
    _component()(key=key, data={"name": name, "texts": sent, "has": has}, on_has_change=_nothing)
    return name


def _nothing() -> None:
    """Note what the browser has."""


@st.cache_resource
def _component() -> Any:
    return st.components.v2.component(
        "embfilter_texts", js=component_file("texts.js"), isolate_styles=False
    )
