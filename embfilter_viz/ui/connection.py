"""A page that runs again when its server comes back.

A server that was started again knows nothing of the page in a tab that is still open. Streamlit
1.67 asks it for a run only where one was under way when the connection was lost, or where the last
run was that of a fragment. Otherwise the new session stays empty; and what is moved, typed or
pressed inside a fragment, which is all of our pages, asks for a fragment that the session has never
run: the server drops such a request without a word (``AppSession.request_rerun``).
"""

from typing import Any

import streamlit as st

from embfilter_viz.ui.assets import component_file

__all__ = ["run_again_when_back"]


def run_again_when_back() -> None:
    """Have the browser ask for a run of the whole page when a lost connection is there again.

    Call it outside of any fragment. The run brings the values of all controls with it.
    """
    _component()(key="connection", data={}, on_back_change=lambda: None)


@st.cache_resource
def _component() -> Any:
    return st.components.v2.component(
        "embfilter_connection", js=component_file("connection.js"), isolate_styles=False
    )
