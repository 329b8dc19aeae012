"""The frame every page stands in: the strip, the question, the answer, the figure, the folds."""

from collections.abc import Callable

import streamlit as st

from embfilter_viz.errors import InputError
from embfilter_viz.ui.access import access
from embfilter_viz.ui.choices import REFUSED_LINK, View, choose_window, heard_window
from embfilter_viz.ui.markdown import escaped
from embfilter_viz.ui.openings import OPENINGS, first_words
from embfilter_viz.ui.prose import prose
from embfilter_viz.ui.services import lacks_head, model_of, opened
from embfilter_viz.ui.sources import begin_page
from embfilter_viz.ui.streamlit_internals import serve_pages_by_the_router_alone

__all__ = ["answer", "folds", "show"]


def show(name: str, body: Callable[[View], None]) -> None:
    """Run a page: open the model, then the strip and ``body`` in one fragment.

    One fragment, so that moving the strip redraws this page and nothing else, and so that fast
    moves are merged instead of queued.

    Args:
        name: the page's name in the navigation and in ``OPENINGS``.
        body: draws the page for a :class:`View`; an ``InputError`` it raises becomes one line.
    """
    _through_the_router()
    heard_window()  # a session begins with the window of its URL, whatever page it opens a model on
    opening = OPENINGS[name]
    model_name, prompt = st.session_state["_model"], st.session_state["_prompt"]
    language = st.session_state["_language"]
    model = opened(model_name)
    if model is None:
        # The words are on their way while the model opens; what a page computes with, its body
        # imports, so that nothing keeps them.
        with st.session_state["_first_words"].container():
            first_words(opening)
        lacked = lacks_head(model_name)
        if model_of(model_name) is not None or lacks_head(model_name) != lacked:
            st.rerun()  # what was found out shows in the controls too
        return

    @st.fragment
    def page() -> None:
        window = choose_window(model)
        if why := st.session_state.get(REFUSED_LINK):
            st.error(f"{escaped(why)}.", icon=":material/block:")
        st.title(opening.title, anchor=False)
        prose(opening.question)
        prose(opening.look_for, small=True)
        if model.dtype != "float32":
            st.caption(f"Texts are read in **{model.dtype}**, not in float32.")
        begin_page(model.name, prompt, window)
        try:
            body(View(model, prompt, window, language))
        except InputError as error:
            st.error(escaped(access().without_paths(str(error))), icon=":material/error:")

    page()


def _through_the_router() -> None:
    """Start again by way of ``app.py`` if this script was run without it.

    A server that does not know of the router yet finds the ``pages`` folder and serves its scripts
    by itself: the very first visitor of a copied link would get the page without the choices it
    needs.
    """
    if "_model" not in st.session_state:
        serve_pages_by_the_router_alone()
        st.rerun()


def answer(sentence: str) -> None:
    """Show what this model shows, in one computed sentence."""
    st.markdown(f"**On this model:** {escaped(sentence)}")


def folds(*, formula: str, python: str, command: str = "") -> None:
    """The formula and the lines that reproduce the page, one click away."""
    left, right = st.columns(2)
    # What is folded is not sent: the browser would load a typesetter and a highlighter for it, a
    # tenth of what it does until the page is complete.
    with left:
        fold = st.expander(
            "Formula and source", icon=":material/function:", key="fold_formula", on_change="rerun"
        )
        if fold.open:
            fold.markdown(formula)
    with right:
        fold = st.expander(
            "The same in Python and on the command line",
            icon=":material/code:", key="fold_code", on_change="rerun",
        )  # fmt: skip
        if fold.open:
            fold.code(python, language="python")
            if command:
                fold.code(command, language="bash")
