"""Controls several pages have: the sentence, a second model, a file of texts."""

from contextlib import suppress
from typing import Any

import streamlit as st
from streamlit.errors import StreamlitAPIException

from embfilter_viz.data import EXAMPLE_SENTENCES
from embfilter_viz.errors import InputError
from embfilter_viz.model import Model
from embfilter_viz.texts import TextTable, read_texts
from embfilter_viz.ui.access import access
from embfilter_viz.ui.files import KeptFile, keep_columns, kept_columns, reader_file
from embfilter_viz.ui.links import LONGEST, fits
from embfilter_viz.ui.markdown import escaped
from embfilter_viz.ui.services import model_of, models_offered
from embfilter_viz.ui.sources import about_texts
from embfilter_viz.ui.streamlit_internals import came_by_history, page_id, query_of_history
from embfilter_viz.wording import legible

__all__ = [
    "index_below",
    "second_model",
    "sentence",
    "text_box",
    "uploaded_table",
    "uploaded_texts",
]

_RUN_DOT = " · "
"""Parts the name of a run, as the page Compare takes it."""
MOST_TEXTS = 20_000
"""Texts taken from one file; more are sampled, and the page says so."""

READ_FILES_KEPT = 4
"""Tables of texts a session keeps: one file under some choices of its columns."""


def sentence() -> str:
    """The reader's text, the same on every page that has one, and in the link if it fits."""
    text = text_box("text", "Your text", EXAMPLE_SENTENCES[0])
    if not text.strip():
        raise InputError("Your text is empty: type a word or a sentence above.")
    about_texts(f"“{text}”")
    return text


def text_box(key: str, label: str, default: str, *, height: int = 80) -> str:
    """A box for a text, remembered across pages, and in the link where it fits.

    Args:
        key: of the control.
        label: what the reader sees.
        default: the text of a new session.
        height: in pixels.

    Returns:
        the text.
    """
    _put_back(key, default)
    text = st.text_area(
        label,
        default,
        key=key,
        height=height,
        bind="query-params",
        max_chars=access().most_characters if access().public else None,
        help="The text can be in any language. The model reads at most 512 tokens of it. With the "
        "prompt “As published” it reads as many tokens as the embedder's makers say.",
    )
    _keep(key, default)
    if not fits(key, text):
        st.caption(
            f"This text is longer than {LONGEST[key]:,} characters: a copied link keeps all other "
            "choices, but not the text."
        )
    return text


def _put_back(key: str, default: str) -> None:
    """Before a widget that stands on several pages: give it the value it had on the last one.

    Each page makes a widget of its own, which Streamlit 1.67 starts at the widget's default and
    not at the key's value where the page was changed by way of the navigation, which also takes
    the key out of the URL. A link's value, or that of the browser's history, still goes before.
    """
    # Where nothing is kept the session has just begun, and its first value is the link's, or what
    # a browser still shows whose server was started again.
    page, value = st.session_state.get(f"_kept_{key}", (page_id(), default))
    left = key not in st.session_state and key not in st.query_params  # for a page without the box
    if page != page_id() or left:
        st.session_state[key] = value
        if page and value != default and key not in st.query_params and fits(key, value):
            # The last page's widget may still hold the key: then Streamlit writes it by itself.
            with suppress(StreamlitAPIException):
                st.query_params[key] = value


def _keep(key: str, default: str) -> None:
    """After such a widget, whose own default is ``default``: remember its value for other pages.

    Where the browser's history led here from another page, Streamlit lost the value that stands
    in the URL: read it there and start again.
    """
    value, page = st.session_state[key], page_id()
    if value == default and came_by_history():
        value = query_of_history().get(key, default)
        page = page if value == default else ""
    st.session_state[f"_kept_{key}"] = (page, value)
    if not page:
        st.rerun()


def second_model(first: str) -> Model | None:
    """A second model to lay over the first, or ``None``.

    Links of earlier releases call it ``second``, which is a run of the page Compare now.
    """
    linked = st.query_params.get("second", "")
    if linked and _RUN_DOT not in linked and "second_model" not in st.session_state:
        st.session_state["second_model"] = linked
        with suppress(StreamlitAPIException):
            del st.query_params["second"]
    name = st.selectbox(
        "Draw a second model in the same figure",
        [name for name in models_offered() if name != first],
        index=None,
        key="second_model",
        bind="query-params",
        accept_new_options=not access().public,
        placeholder="none",
        help="A hub id, a folder or a `.gguf` file works here too."
        if not access().public
        else None,
    )
    return model_of(name.strip()) if name else None


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


def uploaded_table(key: str, label: str, limit: int = MOST_TEXTS) -> TextTable | None:
    """A table of texts from a file of the reader's; the text and label columns can be changed."""
    file = reader_file(key, label, ("txt", "csv", "tsv", "json", "jsonl", "parquet"))
    if file is None:
        return None
    limit = access().at_most(limit)
    table = _read(file, limit=limit)
    if len(table.columns) > 1:
        names = table.columns
        known = kept_columns(file, "texts")
        text = known.get("text") or names[table.text_column or 0]
        labels = known["label"] if known else _named(names, table.label_column)
        left, right = st.columns(2)
        # The file in the key: the columns of another are chosen anew.
        text = left.selectbox(
            "Text column", names, index=names.index(text), key=f"{key}-text-{file.digest[:12]}",
            format_func=legible,
        )  # fmt: skip
        labels = right.selectbox(
            "Label column", names, index=None if labels is None else names.index(labels),
            key=f"{key}-label-{file.digest[:12]}", placeholder="none", format_func=legible,
        )  # fmt: skip
        keep_columns(file, "texts", {"text": text, "label": labels})
        table = _read(
            file, limit=limit, text_column=text, label_column=labels, labelled=labels is not None
        )
    for note in table.notes:
        st.caption(escaped(note))
    return table


def _named(names: tuple[str, ...], index: int | None) -> str | None:
    return None if index is None else names[index]


def _read(file: KeptFile, **choices: Any) -> TextTable:
    """The file's texts, read once for each choice of columns and not at every move of a slider."""
    known = st.session_state.setdefault("_read_files", {})
    key = (file.digest, *sorted(choices.items()))
    if key not in known:
        table = read_texts(file.data, file.name, **choices)
        while len(known) >= READ_FILES_KEPT:
            del known[next(iter(known))]
        known[key] = table
    return known[key]
