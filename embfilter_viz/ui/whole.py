"""What needs more of a model than its head: whether it can be had, or one line why not."""

import streamlit as st

from embfilter_viz.model import Model
from embfilter_viz.system.memory import in_words
from embfilter_viz.ui.markdown import escaped
from embfilter_viz.ui.services import outcome

__all__ = ["reads_texts"]

ASKED_BEFORE = 1e9
"""Bytes above which the layers of a model are fetched only when the reader presses a button."""


def reads_texts(model: Model) -> bool:
    """Tell whether the model can read texts now.

    A served engine is tested by a job first. If not, one line says that it does not fit in memory
    or cannot be read, or a job fetches the layers that the head was opened without.
    """
    if model.read_by:
        return _engine_answers(model)
    card = model.card
    if card.only_head is not None:
        st.info(
            escaped(
                f"{model.name} opened with its head alone. Texts cannot be encoded with it: "
                f"{card.only_head}. Spectrum and Average token work with the head alone."
            ),
            icon=":material/layers_clear:",
        )
        return False
    if not model.can_encode:
        st.info(
            escaped(
                f"{model.name} opened with its head alone. To read texts it would need "
                f"{in_words(card.memory_needed)} of memory in {card.dtype}, and "
                f"{in_words(card.memory_free)} were free. Spectrum and Average token work "
                "with the head alone."
            ),
            icon=":material/memory:",
        )
        return False
    if model.outline.here or model.is_whole:
        return True
    rest = card.n_bytes - (card.head_bytes if card.head_from is None else 0)
    fetched = outcome(
        ("whole", model.identity),
        f"Fetching the layers of {model.name}",
        lambda progress: model.fetch(progress=progress),
        button=f"Fetch the layers, {in_words(rest)}" if rest > ASKED_BEFORE else None,
        note="Only the head has been fetched so far. To read texts, the model needs its other "
        "layers too.",
    )
    return fetched is not None


def _engine_answers(model: Model) -> bool:
    """Tell whether a served engine was tested; what readers must know of it stands there."""
    tested = outcome(
        ("whole", model.identity),
        "Testing the engine",
        lambda progress: model.fetch(progress=progress),
        quick=True,
    )
    if tested is not None:
        st.caption(escaped(model.encoded_sentence))
    return tested is not None
