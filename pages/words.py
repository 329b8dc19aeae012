"""Words: what each technical term of the explorer means, in one sentence."""

import html

import streamlit as st

from embfilter_viz.data.glossary import GLOSSARY
from embfilter_viz.ui.choices import View
from embfilter_viz.ui.page import show


def body(view: View) -> None:
    rows = "".join(
        f"<dt>{html.escape(term.word)}</dt><dd>{html.escape(term.meaning)}"
        + (f" <i>See: {html.escape(term.page)}.</i>" if term.page else "")
        + "</dd>"
        for term in GLOSSARY.values()
    )
    st.html(f'<dl class="words">{rows}</dl>')


show("Words", body)
