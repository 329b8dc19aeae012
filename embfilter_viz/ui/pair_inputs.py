"""Controls of the page that compares texts: two boxes, what to compare with, which two of many."""

from collections.abc import Callable

import numpy as np
import streamlit as st

from embfilter_viz.analyses.reference import MOST_TEXTS, Reference, reference_of
from embfilter_viz.analyses.text_matrix import MOST_IN_MATRIX
from embfilter_viz.data import DEMO_NAMES, EXAMPLE_PAIR, UNRELATED_PAIR
from embfilter_viz.errors import InputError
from embfilter_viz.ui.inputs import text_box, uploaded_table

__all__ = [
    "BOXES",
    "KEPT_REFERENCE",
    "choose_cell",
    "chosen_pair",
    "chosen_reference",
    "reference_name",
    "two_sentences",
    "two_texts",
]

BOXES = {"first_text": "The first text", "second_text": "The second text"}
"""The boxes by their names in a link."""

KEPT_REFERENCE = "_kept_reference"
"""In the session: the texts selected on Geometry's maps, where they are to be compared with."""

PLACES = ("one", "other")
"""Of the two that are compared among more texts: their numbers, by their names in a link."""


def two_texts() -> tuple[str, ...]:
    """Two texts of the reader's, or as many as there are lines in the two boxes.

    Raises:
        InputError: a box is empty, or there are more lines than can be compared.
    """
    texts = {}
    for column, key, default in zip(st.columns(2), BOXES, EXAMPLE_PAIR, strict=True):
        with column:
            texts[key] = text_box(key, BOXES[key], default, height=104)
    for key, text in texts.items():
        if not text.strip():
            raise InputError(f"{BOXES[key]} is empty: type a word or a sentence above.")
    lines = [line.strip() for text in texts.values() for line in text.splitlines()]
    found = tuple(line for line in lines if line)
    if len(found) > MOST_IN_MATRIX:
        raise InputError(
            f"The two boxes hold {len(found)} lines. At most {MOST_IN_MATRIX} texts can be "
            "compared with one another: remove some."
        )
    return found


def two_sentences() -> tuple[str, str]:
    """Two sentences of the reader's, each a whole box; two unrelated ones to begin with.

    They stand in the boxes of :func:`two_texts`, so that they go along to its page.

    Raises:
        InputError: a box is empty.
    """
    texts = []
    for column, key, default in zip(st.columns(2), BOXES, UNRELATED_PAIR, strict=True):
        with column:
            label = BOXES[key].replace("text", "sentence")
            texts.append(text_box(key, label, default, height=68))
            if not texts[-1].strip():
                raise InputError(f"{label} is empty: type a word or a sentence above.")
    return texts[0], texts[1]


def chosen_reference(label: str) -> Reference | None:
    """The texts to compare with: demo texts, the reader's file once it is there, or a selection.

    Args:
        label: of the control.

    Raises:
        InputError: a file with fewer than 10 different texts.
    """
    kept = st.session_state.get(KEPT_REFERENCE)
    selection = ["your selection"] if kept is not None else []
    offered = ["demo texts", *DEMO_NAMES[1:], "your file", *selection]
    source = st.segmented_control(
        label, offered, default="demo texts",
        key="others", bind="query-params", required=True,
        help="The mean embedding of these texts is removed. A text that you compare is not counted "
             "among them. The demo texts are English; demo-hi is Hindi, demo-id Indonesian, "
             "demo-ru Russian and demo-zh Chinese.",
    )  # fmt: skip
    if source == "your selection" and kept is not None:
        return kept
    if source != "your file":
        return reference_of(source if source in DEMO_NAMES else DEMO_NAMES[0])
    table = uploaded_table(
        "others_file", "A .txt file with one text on each line, or a .csv file", MOST_TEXTS
    )
    return None if table is None else reference_of(table)


def reference_name() -> str:
    """Return what the command line takes for the demo texts compared with; ``demo`` for a file."""
    source = st.session_state.get("others")
    return source if source in DEMO_NAMES else DEMO_NAMES[0]


def chosen_pair(m: int) -> tuple[int, int]:
    """Return which two of ``m`` texts are looked at closely, as rows from 0."""
    rows = []
    for column, key, start, label in zip(
        st.columns(2), PLACES, (1, 2), ("Look closely at text", "and at text"), strict=True
    ):
        # No upper bound: a widget whose bounds change is another widget and forgets its value.
        number = column.number_input(f"{label}, 1 to {m}", 1, None, start, key=key,
                                     bind="query-params")  # fmt: skip
        rows.append(min(int(number), m) - 1)
    return rows[0], rows[1]


def choose_cell(chart: str) -> Callable[[], None]:
    """Return the callback of a click on a cell of the matrix: it chooses the two texts."""

    def chosen() -> None:
        cell = np.ravel(st.session_state[chart].selected or ())
        if len(cell) == len(PLACES):
            for key, row in zip(PLACES, cell.tolist(), strict=True):
                st.session_state[key] = int(row) + 1

    return chosen
