"""Controls several pages have: the sentence, τ, a second model, a file of texts."""

from typing import Any

import streamlit as st

from embfilter_viz.data import EXAMPLE_SENTENCES
from embfilter_viz.errors import InputError
from embfilter_viz.model import Model
from embfilter_viz.models.sources import known_models
from embfilter_viz.spectral.windows import Window
from embfilter_viz.texts import TextTable, read_texts
from embfilter_viz.ui.choices import (
    LONGEST_IN_LINK,
    fits_in_link,
    is_behind,
    keep,
    put_back,
    replace,
    set_window,
)
from embfilter_viz.ui.services import model_of
from embfilter_viz.ui.words import escaped

__all__ = [
    "index_below",
    "second_model",
    "sentence",
    "tau_slider",
    "uploaded_table",
    "uploaded_texts",
]

MOST_TEXTS = 20_000
"""Texts taken from one file; more are sampled, and the page says so."""

READ_FILES_KEPT = 4
"""Tables of texts a session keeps: one file under some choices of its columns."""


def sentence() -> str:
    """The reader's text, the same on every page that has one, and in the link if it fits."""
    put_back("text", EXAMPLE_SENTENCES[0])
    fits = fits_in_link(str(st.session_state["text"]))
    text = st.text_area(
        "Your text",
        EXAMPLE_SENTENCES[0],
        key="text",
        height=80,
        bind="query-params" if fits else None,
        help="Any language. The model reads at most 512 tokens of it.",
    )
    keep("text", EXAMPLE_SENTENCES[0])
    if not fits:
        st.caption(
            f"This text is longer than {LONGEST_IN_LINK:,} characters: a copied link will bring "
            "back the rest of the view, but not the text."
        )
    if not text.strip():
        raise InputError("Your text is empty: type a word or a sentence above.")
    return text


def second_model(first: str) -> Model | None:
    """A second model to lay over the first, or ``None``."""
    name = st.selectbox(
        "Lay a second model over it",
        [known.name for known in known_models() if known.name != first],
        index=None,
        key="second",
        bind="query-params",
        accept_new_options=True,
        placeholder="none",
        help="A hub id, a folder or a `.gguf` file works here too.",
    )
    return model_of(name.strip()) if name else None


TAUS = [1.0, 1.25, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 12.0, 16.0]
"""Stops of the τ slider, 1 to 16."""


def tau_slider(window: Window) -> None:
    """A slider that sets the paper's symmetric window; the strip's ends set any other."""
    nearest = min(TAUS, key=lambda tau: abs(tau - window.tau))
    symmetric = str(Window.of_tau(nearest, window.d)) == str(window)
    replace("tau_slider", nearest)
    st.select_slider(
        "τ: keep the middle d/τ directions" if symmetric else "τ (nearest; the window is your own)",
        TAUS,
        key="tau_slider",
        format_func=lambda tau: f"{tau:g}",
        on_change=_tau_chosen,
        help="τ = 1 keeps everything, τ = 2 the middle half, as the paper recommends.",
    )


def _tau_chosen() -> None:
    if not is_behind("tau_slider"):
        set_window(f"{st.session_state['tau_slider']:g}")


def index_below(n: int, label: str, key: str) -> int:
    """A number field for an index from 0 to ``n - 1``; what a link has beyond that is the last."""
    if int(st.session_state.get(key, 0)) >= n:
        st.session_state[key] = n - 1
    # No upper bound: a widget whose bounds change is another widget and forgets its value.
    value = st.number_input(f"{label}, 0 to {n - 1}", 0, None, key=key, bind="query-params")
    return min(int(value), n - 1)


def uploaded_texts(key: str, label: str) -> tuple[str, ...] | None:
    """Texts from a file of the reader's, with the choices made in reading it said."""
    table = uploaded_table(key, label)
    return None if table is None else table.texts


def uploaded_table(key: str, label: str) -> TextTable | None:
    """A table of texts from a file of the reader's; the text and label columns can be changed."""
    file = st.file_uploader(label, type=["txt", "csv", "tsv"], key=key)
    if file is None:
        return None
    table = _read(file)
    if len(table.columns) > 1:
        left, right = st.columns(2)
        text = left.selectbox(
            "Text column", table.columns, index=table.text_column or 0, key=f"{key}-text"
        )
        label_column = right.selectbox(
            "Label column", table.columns, index=table.label_column, key=f"{key}-label",
            placeholder="none",
        )  # fmt: skip
        table = _read(
            file, text_column=text, label_column=label_column, labelled=label_column is not None
        )
    for note in table.notes:
        st.caption(escaped(note))
    return table


def _read(file: Any, **choices: Any) -> TextTable:
    """The file's texts, read once for each choice of columns and not at every move of a slider."""
    known = st.session_state.setdefault("_read_files", {})
    key = (file.file_id, *sorted(choices.items()))
    if key not in known:
        table = read_texts(file.getvalue(), file.name, limit=MOST_TEXTS, **choices)
        while len(known) >= READ_FILES_KEPT:
            del known[next(iter(known))]
        known[key] = table
    return known[key]
