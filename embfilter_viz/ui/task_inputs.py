"""The task of the Window laboratory: one of our demo sets, or a file with its columns confirmed."""

import hashlib
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from functools import lru_cache

import pandas as pd
import streamlit as st

from embfilter_viz.evaluation.task import Task
from embfilter_viz.evaluation.tasks import COLUMNS_OF, KINDS, demo_task, read_task
from embfilter_viz.texts import Preview, preview_table
from embfilter_viz.ui.services import outcome
from embfilter_viz.ui.words import escaped

__all__ = ["ChosenTask", "choose_task"]

NAMES = {
    "sts": "Similarity",
    "retrieval": "Retrieval",
    "classification": "Classification",
    "clustering": "Clustering",
    "pairs": "Same or not",
}
"""What a kind of task is called on a button."""

OWN_FILE = "your file"


@dataclass(frozen=True)
class ChosenTask:
    """A task, and what names it in the keys of jobs."""

    task: Task
    """Texts and their score."""
    key: Hashable
    """Equal for equal tasks."""
    data: str
    """What the command line takes for it: ``demo`` or the file's name."""
    columns: Mapping[str, str]
    """Which column of the file is what, where that was chosen by hand."""


def choose_task() -> ChosenTask | None:
    """What to score windows on, or ``None`` while there is nothing yet."""
    kind = st.segmented_control(
        "Task", list(NAMES), default="sts", key="task", bind="query-params", required=True,
        format_func=NAMES.__getitem__,
    ) or "sts"  # fmt: skip
    source = st.segmented_control(
        "Data", ["demo set", OWN_FILE], default="demo set", key="data", bind="query-params",
        required=True,
    )  # fmt: skip
    if source != OWN_FILE:
        found: ChosenTask | None = ChosenTask(_demo(kind), ("demo", kind), "demo", {})
    else:
        found = _of_file(kind)
    if found is not None:
        st.caption(escaped(f"{found.task.describe()} ({KINDS[kind]})."))
        for note in found.task.notes:
            st.caption(escaped(note))
    return found


@lru_cache(maxsize=8)
def _demo(kind: str) -> Task:
    return demo_task(kind)


def _of_file(kind: str) -> ChosenTask | None:
    wanted = COLUMNS_OF[kind]
    file = st.file_uploader(
        f"A .csv with the columns {', '.join(wanted)}", type=["csv", "tsv"], key="task_file"
    )
    if file is None:
        return None
    data = file.getvalue()
    name, digest = file.name, hashlib.sha256(data).hexdigest()
    table = {"sts": "pairs", "classification": "labelled", "clustering": "labelled"}.get(kind, kind)
    preview = outcome(
        ("preview", digest, name, table),
        f"Looking into {name}",
        lambda progress: preview_table(data, table, name),
    )
    if preview is None:
        return None
    columns = _confirmed(preview, wanted, (digest, name, kind))
    if columns is None:
        return None
    chosen = tuple(sorted(columns.items()))
    task = outcome(
        ("task", kind, digest, name, chosen),
        f"Reading {name}",
        lambda progress: read_task(kind, data, name, columns=columns),
    )
    return None if task is None else ChosenTask(task, (kind, digest, chosen), name, columns)


def _confirmed(
    preview: Preview, wanted: tuple[str, ...], file: tuple[str, ...]
) -> dict[str, str] | None:
    """Which column is what, once the reader has looked at the first rows and agreed."""
    shown = pd.DataFrame(preview.rows, columns=list(preview.columns))
    st.dataframe(shown, hide_index=True, width="stretch", height=35 * (len(shown) + 1) + 3)
    places = st.columns([*[2] * len(wanted), 1.4], vertical_alignment="bottom")
    columns: dict[str, str] = {}
    free = [at for at in range(len(preview.columns)) if at not in preview.guess.values()]
    for place, role in zip(places, wanted, strict=False):
        guess = preview.guess.get(role)
        if guess is None and role != "relevance":
            guess = free.pop(0) if free else 0
        picked = place.selectbox(
            f"{role.capitalize()} column", preview.columns, index=guess,
            key=f"column-{role}-{file[0][:12]}", placeholder="every row counts as 1",
        )  # fmt: skip
        if picked is not None:
            columns[role] = picked
    ticket = (file, tuple(columns.items()))
    places[-1].button(
        "Use these columns",
        type="primary",
        disabled=st.session_state.get("_columns_agreed") == ticket,
        help=f"{preview.n_rows:,} rows; the first are above.",
        on_click=_agree,
        args=(ticket,),
    )
    return columns if st.session_state.get("_columns_agreed") == ticket else None


def _agree(ticket: Hashable) -> None:
    st.session_state["_columns_agreed"] = ticket
