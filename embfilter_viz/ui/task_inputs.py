"""The task of the Window laboratory: one of our demo sets, or a file with its columns confirmed."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from functools import lru_cache

import pandas as pd
import streamlit as st

from embfilter_viz.data import DEMO_LANGUAGES, DEMO_NAMES, demo_language, demo_name
from embfilter_viz.evaluation.task import Task
from embfilter_viz.evaluation.tasks import (
    COLUMNS_OF,
    KINDS,
    TITLES,
    demo_kinds,
    demo_task,
    read_task,
)
from embfilter_viz.texts import Preview, preview_table
from embfilter_viz.ui.access import access
from embfilter_viz.ui.files import KeptFile, keep_columns, kept_columns, reader_file
from embfilter_viz.ui.markdown import escaped
from embfilter_viz.ui.services import outcome
from embfilter_viz.ui.sources import about_texts
from embfilter_viz.ui.tables import legible_table
from embfilter_viz.wording import legible, listed

__all__ = ["ALL_SETS", "ChosenTask", "choose_task", "choose_tasks"]

NAMES = {kind: title.capitalize() for kind, title in TITLES.items()}
"""What a kind of task is called on a button."""

OWN_FILE = "your file"

DEMO_SET = "demo set"
"""The demo sets in English; those in other languages stand by their names."""

ALL_SETS = "All"
"""What stands for all demo sets together."""

TYPES = ("csv", "tsv", "json", "jsonl", "parquet")
"""Endings of files that hold a task."""


@dataclass(frozen=True)
class ChosenTask:
    """A task, and what names it in the keys of jobs."""

    task: Task
    """Texts and their score."""
    key: Hashable
    """Equal for equal tasks."""
    data: str
    """What the command line takes for it: ``demo``, ``demo-hi`` …, or the file's name."""
    columns: Mapping[str, str]
    """Which column of the file is what, where that was chosen by hand."""


def choose_task() -> ChosenTask | None:
    """Return what to score windows on, or ``None`` while there is nothing yet."""
    kind, data = _kind(), _data()
    found = _of_file(kind) if data == OWN_FILE else _of_demo(kind, data)
    if found is not None:
        _say(found)
    return found


def choose_tasks() -> tuple[ChosenTask, ...]:
    """The same for what may take several: all demo sets or one of them, or a file; () meanwhile."""
    data = _data()
    if data == OWN_FILE:
        own = _of_file(_kind())
        found: tuple[ChosenTask, ...] = () if own is None else (own,)
    else:
        kinds = demo_kinds(demo_language(data) or "en")
        sets = st.segmented_control(
            "Demo sets", [ALL_SETS, *kinds], default=ALL_SETS, key="sets", bind="query-params",
            required=True, format_func=lambda kind: NAMES.get(kind, kind),
        ) or ALL_SETS  # fmt: skip
        found = tuple(_of_demo(kind, data) for kind in (kinds if sets == ALL_SETS else (sets,)))
    if len(found) == 1:
        _say(found[0])
    elif found:
        each = [f"{TITLES[one.task.kind]} ({one.task.n_units} {one.task.unit})" for one in found]
        st.caption(escaped(f"{listed(each)}; each set counts the same.".capitalize()))
        sets = "our demo sets" if data == DEMO_NAMES[0] else f"our sets {data}"
        about_texts(f"{sets}: {listed(each)}")
    return found


def _kind() -> str:
    return st.segmented_control(
        "Task", list(NAMES), default="sts", key="task", bind="query-params", required=True,
        format_func=NAMES.__getitem__,
    ) or "sts"  # fmt: skip


def _data() -> str:
    """Return what was chosen: a file of the reader's, or demo sets by their name."""
    languages = ", ".join(f"{demo_name(code)} is {words}" for code, words in _OTHERS.items())
    source = st.segmented_control(
        "Data", [DEMO_SET, *DEMO_NAMES[1:], OWN_FILE], default=DEMO_SET, key="data",
        bind="query-params", required=True,
        help=f"The demo set is English; {languages}.",
    )  # fmt: skip
    return DEMO_NAMES[0] if source in (None, DEMO_SET) else source


def _of_demo(kind: str, name: str) -> ChosenTask:
    return ChosenTask(_demo(kind, demo_language(name) or "en"), (name, kind), name, {})


def _say(found: ChosenTask) -> None:
    """Show what was chosen, and what was decided in reading it."""
    st.caption(escaped(f"{found.task.describe()} ({KINDS[found.task.kind]})."))
    about_texts(found.task.describe())
    for note in found.task.notes:
        st.caption(escaped(note))


_OTHERS = {code: words for code, words in DEMO_LANGUAGES.items() if code != "en"}


@lru_cache(maxsize=8)
def _demo(kind: str, language: str) -> Task:
    return demo_task(kind, language)


def _of_file(kind: str) -> ChosenTask | None:
    wanted = COLUMNS_OF[kind]
    file = reader_file("task_file", f"A table with the columns {', '.join(wanted)}", TYPES)
    if file is None:
        return None
    data, name, digest = file.data, file.name, file.digest
    table = {"sts": "pairs", "classification": "labelled", "clustering": "labelled"}.get(kind, kind)
    preview = outcome(
        ("preview", digest, name, table),
        f"Looking into {name}",
        lambda progress: preview_table(data, table, name),
        quick=True,
        personal=True,
    )
    if preview is None:
        return None
    columns = _confirmed(preview, wanted, file, kind)
    if columns is None:
        return None
    chosen = tuple(sorted(columns.items()))
    task = outcome(
        ("task", kind, digest, name, chosen),
        f"Reading {name}",
        lambda progress: read_task(kind, data, name, columns=columns),
        quick=True,
        personal=True,
    )
    if task is None:
        return None
    access().check_texts(len(task.texts), name)
    return ChosenTask(task, (kind, digest, chosen), name, columns)


def _confirmed(
    preview: Preview, wanted: tuple[str, ...], file: KeptFile, kind: str
) -> dict[str, str] | None:
    """Return which column is what, once the reader has looked at the first rows and agreed.

    Args:
        preview: the first rows.
        wanted: the roles.
        file: the file.
        kind: the task's kind.

    Returns:
        the column of each role, or None before the reader agreed.
    """
    shown = legible_table(pd.DataFrame(preview.rows, columns=list(preview.columns)))
    st.dataframe(shown, hide_index=True, width="stretch", height=35 * (len(shown) + 1) + 3)
    places = st.columns([*[2] * len(wanted), 1.4], vertical_alignment="bottom")
    columns: dict[str, str] = {}
    known = kept_columns(file, kind)
    free = [at for at in range(len(preview.columns)) if at not in preview.guess.values()]
    for place, role in zip(places, wanted, strict=False):
        guess = preview.guess.get(role)
        if guess is None and role != "relevance":
            guess = free.pop(0) if free else 0
        if known:
            kept = known[role]
            guess = None if kept is None else preview.columns.index(kept)
        picked = place.selectbox(
            f"{role.capitalize()} column", preview.columns, index=guess, format_func=legible,
            key=f"column-{role}-{file.digest[:12]}", placeholder="every row counts as 1",
        )  # fmt: skip
        if picked is not None:
            columns[role] = picked
    keep_columns(file, kind, {role: columns.get(role) for role in wanted})
    ticket = (file.digest, kind, tuple(columns.items()))
    places[-1].button(
        "Use these columns",
        type="primary",
        disabled=st.session_state.get("_columns_agreed") == ticket,
        help=f"{preview.n_rows:,} rows in all; the first rows are shown above.",
        on_click=_agree,
        args=(ticket,),
    )
    return columns if st.session_state.get("_columns_agreed") == ticket else None


def _agree(ticket: Hashable) -> None:
    st.session_state["_columns_agreed"] = ticket
