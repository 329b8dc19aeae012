"""What was tried in this browser: kept in the browser's own storage, shared by its tabs."""

import json
import time
from dataclasses import dataclass, fields
from typing import Any

import streamlit as st

from embfilter_viz.ui.assets import component_file

__all__ = ["Tried", "forget_all", "history", "remember", "tried_of_json"]

_KEY = "history"
_LARGEST = 1e12
"""Of the numbers that are shown; NaN is not below it either."""


@dataclass(frozen=True)
class Tried:
    """One window of one model on one task, and what it scored."""

    model: str
    """What the user typed to choose the model."""
    prompt: str
    """How texts were put to it."""
    window: str
    """``l:r``."""
    task: str
    """Kind of the task."""
    data: str
    """The name of its data."""
    score: float
    """In points of 100."""
    low: float | None
    """Lower end of its 95 % interval; None where there is no interval."""
    high: float | None
    """Upper end."""
    raw: float
    """Score of the raw embeddings."""
    units: int
    """Pairs, queries or texts scored."""

    @property
    def name(self) -> str:
        """The run in a few words, for a list."""
        return f"{self.model} · {self.prompt} · {self.window}"

    @property
    def id(self) -> str:
        """Equal for the same run on the same data, whenever it was made."""
        return "\n".join((self.model, self.prompt, self.window, self.task, self.data))


def tried_of_json(text: str) -> list[Tried]:
    """The runs a browser remembers, the newest first; what is none is left out.

    Whatever stands in a browser's storage may have been put there by anyone.

    >>> tried_of_json('[{"model": 3}, 7]'), tried_of_json("no JSON")
    ([], [])
    """
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return []
    runs = []
    for one in found if isinstance(found, list) else ():
        values = [one.get(field.name) if isinstance(one, dict) else None for field in fields(Tried)]
        words, (score, *ends, raw, units) = values[:5], values[5:]
        numbers = [score, raw, units, *(end for end in ends if ends != [None, None])]
        if all(isinstance(word, str) and len(word) < 1000 for word in words) and all(
            isinstance(number, int | float) and -_LARGEST < number < _LARGEST for number in numbers
        ):
            runs.append(Tried(*values))  # type: ignore[arg-type]
    return runs[::-1]


def remember(run: Tried) -> None:
    """Have the next :func:`history` put ``run`` into the browser's list, once a session."""
    added = st.session_state.setdefault("_history_added", {})
    if run.id not in added or added[run.id]["score"] != run.score:
        # A prompt is a string and a record in one, and a browser keeps the string.
        said = {
            name: str(value) if isinstance(value, str) else value
            for name, value in vars(run).items()
        }
        added[run.id] = {"id": run.id, "at": time.time(), **said}


def forget_all() -> None:
    """Have the next :func:`history` empty the browser's list."""
    st.session_state["_history_clear"] = time.time()
    st.session_state["_history_added"] = {}


def history() -> list[Tried]:
    """The runs this browser remembers, the newest first; call it once a page."""
    known = str(getattr(st.session_state.get(_KEY), "runs", None) or "[]")
    _component()(
        key=_KEY,
        data={
            "add": list(st.session_state.get("_history_added", {}).values()),
            "clear": st.session_state.get("_history_clear", 0),
            "known": known,
        },
        on_runs_change=_nothing,
    )
    return tried_of_json(known)


def _nothing() -> None:
    """Ask for a rerun and do nothing else."""


@st.cache_resource
def _component() -> Any:
    return st.components.v2.component(
        "embfilter_history",
        html="<span></span>",
        js=component_file("history.js"),
        isolate_styles=False,
    )
