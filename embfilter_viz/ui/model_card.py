"""The model card in the sidebar: what was opened, and what it takes."""

import streamlit as st

from embfilter_viz.ui.access import access
from embfilter_viz.ui.markdown import escaped
from embfilter_viz.ui.services import opened

__all__ = ["show_card"]


def show_card(name: str) -> None:
    """Show what is known of an opened model; nothing while it is not open."""
    model = opened(name)
    if model is None:
        return
    fold = st.expander("Model card", icon=":material/badge:", key="fold_card", on_change="rerun")
    if not fold.open:
        return
    card = model.card
    gigabytes = 1e9
    facts = {
        "Family": f"{card.family} ({card.architecture})",
        "Vocabulary V": f"{card.d_vocab:,}",
        "Width d": f"{card.d_model:,}",
        "Layers": f"{card.n_layers}",
        "Parameters": f"{card.parameters / 1e6:,.0f} million",
        "Head": card.head_words,
        "The head adds": ", ".join(card.head_adds) or "nothing: logits are h W_Uᵀ",
        "Stored as": card.precision,
        "Source": card.source,
        "Loaded": model.loaded,
        "Memory": (
            f"the whole model needs {card.memory_needed / gigabytes:.1f} GB, "
            f"{card.memory_free / gigabytes:.1f} GB free"
        ),
    }
    if access().public:
        del facts["Loaded"], facts["Memory"]  # of the server's machine
    if card.only_head is not None:
        facts["Texts"] = f"cannot be encoded: {card.only_head}"
    if model.read_by:
        facts["Texts"] = model.encoded_sentence or f"are read by {model.read_by}"
    if card.content_hash:
        facts["Content hash"] = card.content_hash[:16]
    if card.revision:
        facts["Revision"] = card.revision[:12]
    # A cell of a table is Markdown too.
    fold.table({name: escaped(fact) for name, fact in facts.items()}, border="horizontal")
