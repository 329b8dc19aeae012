"""How a session begins: on Start and in the lesson under a prompt that shows what they speak of."""

import streamlit as st

from embfilter_viz.data import UNRELATED_PROMPT

__all__ = ["begin"]

BEGINNERS = ("Start", "Lesson")
"""Pages that a reader without any choice of prompt begins on."""


def begin(page: str) -> None:
    """Choose the prompt of a session that begins on one of these pages and names none.

    Call it before the prompt's control. The control then shows the choice, the link holds it, and
    it stays on all other pages, so that no two pages speak of different numbers.
    """
    if page in BEGINNERS and "prompt" not in st.session_state and "prompt" not in st.query_params:
        st.session_state["prompt"] = UNRELATED_PROMPT
        st.query_params["prompt"] = UNRELATED_PROMPT  # which Streamlit leaves to us at first
