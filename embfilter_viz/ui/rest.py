"""When the reader's hand rests: what takes its time is done then, and not at every move."""

from typing import Any

import streamlit as st

from embfilter_viz.ui.assets import component_file

__all__ = ["ask_at_rest", "rested"]

MILLISECONDS = 700
"""How long nothing must change before the hand counts as at rest."""


def ask_at_rest(ticket: str | None, *, key: str) -> None:
    """Have the browser run the page again once it has had this ``ticket`` for a while.

    A new ticket winds the browser's clock up anew, ``None`` stops it, and one that has been heard
    is not heard again. Nothing is asked of the server meanwhile.
    """
    _component()(
        key=key, data={"ticket": ticket, "ms": MILLISECONDS}, on_rested_change=lambda: None
    )


def rested(key: str) -> str:
    """The ticket for which the page runs now; empty where it runs for another reason."""
    return str(getattr(st.session_state.get(key), "rested", None) or "")


@st.cache_resource
def _component() -> Any:
    return st.components.v2.component(
        "embfilter_rest",
        html='<div class="rest"></div>',
        js=component_file("rest.js"),
        isolate_styles=False,
    )
