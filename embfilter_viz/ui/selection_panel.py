"""The part of Geometry where texts are selected: by a box, a lasso or words in them."""

from collections.abc import Sequence

import numpy as np
import streamlit as st

from embfilter_viz.analyses.geometry import TextGeometry
from embfilter_viz.analyses.maps import neighbour_tables
from embfilter_viz.analyses.selection import (
    SelectedTexts,
    Selection,
    kept_reference,
    matching_rows,
)
from embfilter_viz.errors import InputError
from embfilter_viz.ui.choices import View
from embfilter_viz.ui.markdown import escaped
from embfilter_viz.ui.page import answer
from embfilter_viz.ui.pair_inputs import KEPT_REFERENCE
from embfilter_viz.ui.results import digest
from embfilter_viz.ui.tables import legible_table
from embfilter_viz.wording import counted

__all__ = ["choose_rows", "points_chosen", "selection_panel"]

SELECTED = "_map_selected"
"""In the session: the rows that a box or a lasso took last."""

LISTED = 400
"""Selected texts that are listed."""


def points_chosen(chart: str) -> None:
    """Show what a click, a box or a lasso on the maps of that key does.

    A click looks at one text closely; more points are a selection, and none ends it.
    """
    selected = st.session_state[chart].selected
    rows = tuple(dict.fromkeys(np.ravel(selected).astype(int).tolist())) if selected else ()
    if len(rows) == 1:
        st.session_state["row"] = rows[0]
    else:
        st.session_state[SELECTED] = rows


def choose_rows(texts: Sequence[str]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The field that searches the texts.

    Returns:
        the rows that were found, which the maps mark, and those that are selected: the same, or
        what a box or a lasso took last where nothing is searched.
    """
    wanted = st.text_input(
        "Find texts", key="find_texts", bind="query-params", placeholder="words in them",
        help="Marks and selects the texts that contain all of these words.",
    )  # fmt: skip
    found = matching_rows(texts, wanted or "")
    if wanted and not found:
        st.caption("No text contains all of these words.")
    taken = tuple(row for row in st.session_state.get(SELECTED, ()) if row < len(texts))
    return found, found or taken


def selection_panel(
    view: View,
    ready: TextGeometry,
    texts: Sequence[str],
    labels: Sequence[str] | None,
    rows: Sequence[int],
) -> None:
    """List the selected texts, their measures and neighbours, and offer to keep them.

    Args:
        view: the page's model, prompt and window.
        ready: all texts, made ready for any window.
        texts: (n,) all texts.
        labels: (n,) their labels, if they have any.
        rows: those selected.
    """
    if len(rows) < 2:
        st.caption(
            "Select texts with the box or the lasso on a map, or by words in them. Their "
            "measures and neighbours are then listed here."
        )
        return
    st.markdown(f"**{counted(len(set(rows)), 'text')} selected**")
    report = _made(view, ready, texts, rows).report(view.window)
    answer(report.sentence)
    st.dataframe(_measures(report), hide_index=True)
    shown = [
        {
            "row": row,
            **({} if labels is None else {"label": labels[row]}),
            "text": texts[row],
        }
        for row in report.rows[:LISTED]
    ]
    st.dataframe(
        legible_table(shown),
        hide_index=True,
        width="stretch",
        height=min(35 * len(shown) + 38, 240),
    )
    if report.neighbours is not None:
        st.markdown("The other texts that are nearest to the middle of the selection:")
        before, after, _ = neighbour_tables(report.neighbours, texts, labels)
        for column, side, table in zip(
            st.columns(2), ("raw", "filtered"), (before, after), strict=True
        ):
            column.markdown(f"**{side}**")
            column.dataframe(legible_table(table), hide_index=True, width="stretch")
    _keep(texts, labels, report.rows)


def _made(
    view: View, ready: TextGeometry, texts: Sequence[str], rows: Sequence[int]
) -> SelectedTexts:
    """The selection made ready, kept while it stays the same.

    Args:
        view: the model, the prompt and the window.
        ready: all texts.
        texts: the texts.
        rows: which of them are selected.

    Returns:
        the selection, ready to be measured.
    """
    key = (view.model.identity, view.prompt, digest(tuple(texts)), tuple(rows))
    known = st.session_state.get("_selection")
    if known is None or known[0] != key:
        known = (key, SelectedTexts(ready, rows))
        st.session_state["_selection"] = known
    return known[1]


def _measures(report: Selection) -> list[dict[str, object]]:
    """Each measure of the selected texts, raw and filtered."""
    named = {
        "mean cosine": "mean_cosine",
        "IsoScore": "isoscore",
        "effective rank": "effective_rank",
    }
    rows: list[dict[str, object]] = [
        {
            "of the selection": name,
            "raw": f"{getattr(report.raw, field).value:z.4g}",
            "filtered": f"{getattr(report.filtered, field).value:z.4g}",
        }
        for name, field in named.items()
    ]
    before, after = (f"{value:z.4g}" for value in report.to_others)
    rows.append({"of the selection": "mean cosine to others", "raw": before, "filtered": after})
    return rows


def _keep(texts: Sequence[str], labels: Sequence[str] | None, rows: Sequence[int]) -> None:
    """The button that makes the selection the texts that others are compared with."""
    try:
        reference = kept_reference(texts, labels, rows)
    except InputError as error:
        st.caption(escaped(f"Other texts cannot be compared with this selection: {error}."))
        return
    kept = st.session_state.get(KEPT_REFERENCE)
    st.button(
        "Keep them as the texts to compare with", key="keep_selection",
        icon=":material/bookmark:", disabled=kept == reference,
        on_click=st.session_state.__setitem__, args=(KEPT_REFERENCE, reference),
    )  # fmt: skip
    if kept == reference:
        st.caption("Two texts, and Filter and lens, offer them as “your selection”.")
