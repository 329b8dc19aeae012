"""What the model wrote of the texts, where the prompt averages over rewritings."""

from collections.abc import Sequence

import streamlit as st

from embfilter_viz.analyses.rewritten import RewrittenTexts, rewritten
from embfilter_viz.figures.rewritten import rewritings_table
from embfilter_viz.models.encoding.prompts import find_prompt
from embfilter_viz.ui.choices import View
from embfilter_viz.ui.markdown import escaped
from embfilter_viz.ui.results import digest
from embfilter_viz.ui.services import jobs, outcome
from embfilter_viz.ui.tables import legible_table

__all__ = ["rewritings_panel"]


def rewritings_panel(view: View, texts: Sequence[str], *, ask: bool = True) -> None:
    """Show the rewritings of ``texts`` in a table, if the prompt has any.

    Unless ``ask``, they are written without a button.
    """
    if not find_prompt(view.prompt).rewritings:
        return
    st.header("What the model wrote of it" if len(texts) == 1 else "What the model wrote",
              anchor=False)  # fmt: skip
    found = _written(view, tuple(texts), ask=ask)
    if found is None:
        return
    st.markdown(escaped(found.sentence))
    st.dataframe(
        legible_table(rewritings_table(found)), hide_index=True, width="stretch", key="rewritings"
    )


def _written(view: View, texts: tuple[str, ...], *, ask: bool) -> RewrittenTexts | None:
    model = view.model
    key = ("rewritings", model.identity, digest(texts))
    asks = ask and jobs().find(key) is None and not model.is_rewritten(texts)
    return outcome(
        key,
        "Rewriting texts",
        lambda progress: rewritten(model, texts, progress=progress),
        button=f"Rewrite {len(texts):,} texts" if asks else None,
        note="The model writes eight rewritings of each text, which takes seconds a text. The work "
        "runs in the background. You can stop it; finished texts are kept.",
    )
