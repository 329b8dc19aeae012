"""What needs more of a model than its head: whether it can be had, or one line why not."""

import streamlit as st

from embfilter_viz.model import Model
from embfilter_viz.models.memory import in_words
from embfilter_viz.ui.services import outcome
from embfilter_viz.ui.words import escaped

__all__ = ["reads_texts"]

ASKED_BEFORE = 1e9
"""Bytes above which the layers of a model are fetched only when the reader presses a button."""


def reads_texts(model: Model) -> bool:
    """Whether the model can read texts now.

    If not, one line says that it does not fit in memory, or a job fetches the layers that the
    head was opened without.
    """
    card = model.card
    if not model.can_encode:
        st.info(
            escaped(
                f"{model.name} opened with its head alone: to read texts it would need "
                f"{in_words(card.memory_needed)} of memory in {card.dtype}, and "
                f"{in_words(card.memory_free)} were free. Spectrum and Average token work without."
            ),
            icon=":material/memory:",
        )
        return False
    if model.outline.here or model.is_whole:
        return True
    rest = card.n_bytes - card.head_bytes
    fetched = outcome(
        ("whole", model.identity),
        f"Fetching the layers of {model.name}",
        lambda progress: model.fetch(progress=progress),
        button=f"Fetch the layers, {in_words(rest)}" if rest > ASKED_BEFORE else None,
        note="Only the head was fetched so far. To read texts, the model needs the rest too.",
    )
    return fetched is not None
