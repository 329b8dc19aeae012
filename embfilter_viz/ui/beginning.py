"""How a session begins: within the server's rules, and under a prompt that shows what is said."""

import streamlit as st

from embfilter_viz.data import UNRELATED_PROMPT
from embfilter_viz.errors import InputError
from embfilter_viz.models.engines.names import is_engine
from embfilter_viz.system.memory import memory_bound
from embfilter_viz.ui.access import access
from embfilter_viz.ui.markdown import escaped

__all__ = ["begin"]

BEGINNERS = ("Start", "Lesson")
"""Pages that a reader without any choice of prompt begins on."""


def begin(page: str) -> None:
    """Choose the prompt of a session that begins on one of these pages and names none.

    Where the variables that set the server's rules cannot be read, nothing is served but a line.
    Call it before the prompt's control. The control then shows the choice, the link holds it, and
    it stays on all other pages, so that no two pages speak of different numbers.
    """
    try:
        access(), memory_bound()
    except InputError as error:
        st.error(escaped(str(error)), icon=":material/error:")
        st.stop()
    # Most engines give the last token's state, which that prompt does not take.
    model = st.session_state.get("model") or st.query_params.get("model", "")
    if is_engine(model):
        return
    if page in BEGINNERS and "prompt" not in st.session_state and "prompt" not in st.query_params:
        st.session_state["prompt"] = UNRELATED_PROMPT
        st.query_params["prompt"] = UNRELATED_PROMPT  # which Streamlit leaves to us at first
