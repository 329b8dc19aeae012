"""The methods beside the window: ranked on the page's task, one looked at, and taken away."""

from collections.abc import Hashable
from dataclasses import dataclass

import numpy as np
import streamlit as st

from embfilter_viz.analyses.beside_raw import compared
from embfilter_viz.analyses.calibration import calibration_for
from embfilter_viz.analyses.leaderboard import Leaderboard, leaderboard
from embfilter_viz.analyses.methods import METHODS, WINDOW, Parts
from embfilter_viz.export.refinement import Refinement, refinement
from embfilter_viz.figures import leaderboard as figures
from embfilter_viz.models.encoding.prompts import AVERAGED
from embfilter_viz.system.progress import Progress
from embfilter_viz.ui.chart import chart
from embfilter_viz.ui.choices import View, passes_words
from embfilter_viz.ui.markdown import escaped
from embfilter_viz.ui.page import answer
from embfilter_viz.ui.services import outcome
from embfilter_viz.ui.strip import weights_on_strip
from embfilter_viz.ui.take_away import take_method_away
from embfilter_viz.ui.task_inputs import ChosenTask
from embfilter_viz.wording import fixed

__all__ = ["methods_panel"]


@dataclass(frozen=True, eq=False)
class _Ready:
    """A method made ready: its map, and of the reweighting its weights."""

    taken: Refinement
    weights: np.ndarray | None


def methods_panel(view: View, chosen: ChosenTask) -> None:
    """All methods on the task, once asked for; one of them with its figures and its file."""
    st.header("All methods that need no training", anchor=False)
    others = [
        name
        for name in ("prompteol", *AVERAGED)
        if name in view.model.prompts and name != view.prompt
    ]
    beside = st.multiselect(
        "Other prompts beside them", others, key="prompts_beside", bind="query-params",
        help="The methods are ranked under the prompt of the sidebar. These prompts stand among "
        "them, raw and with the window. metaeol takes eight forward passes a text; geneol takes "
        "nine, and has the model write eight rewritings of each text first.",
    )  # fmt: skip
    found = _ranked(view, chosen, tuple(beside))
    if found is None:
        return
    answer(found.sentence)
    name = st.selectbox(
        "Method", [one.name for one in found.places if one.name in METHODS], key="method",
        bind="query-params",
        help="The method is marked in the figure, described below it, and can be exported.",
    )  # fmt: skip
    chart(
        figures.leaderboard_figure(found, name),
        key="leaderboard_chart",
        table=lambda: figures.leaderboard_table(found),
        name="leaderboard",
        stamp=f"{view.window} {name}",
        min_width=560,
    )
    st.caption(
        escaped(
            "Full dots are methods that learn from no text; open dots learn from "
            f"{found.calibration}. Intervals are 95 % intervals, corrected for all "
            f"{found.n_compared} comparisons, so that they hold together. The dotted line is "
            f"the window on the strip, {found.window}; methods that drop dimensions keep as "
            "many."
        )
    )
    if name is not None:
        _method(view, chosen, found, name)


def _ranked(view: View, chosen: ChosenTask, beside: tuple[str, ...]) -> Leaderboard | None:
    model, prompt, task, window = view.model, view.prompt, chosen.task, view.window
    return outcome(
        ("leaderboard", *_key(view, chosen), *beside),
        "Scoring methods",
        lambda progress: leaderboard(model, task, prompt, window, beside=beside, progress=progress),
        button=f"Rank {len(METHODS)} methods with window {window}",
        note="Ranks EmbedFilter with the window on the strip, two methods of our own, and the "
        "rivals, all in closed form. The texts and the calibration texts are embedded once. "
        "The work runs in the background." + passes_words(prompt),
        slot="leaderboard",
    )


def _method(view: View, chosen: ChosenTask, found: Leaderboard, name: str) -> None:
    """Show what one method does here, its weights if it has some, and its files.

    Args:
        view: the model, the prompt and the window.
        chosen: the task.
        found: the leaderboard.
        name: which method.
    """
    place = found.place(name)
    if place.score is None:
        st.caption(escaped(f"{name} has no score: {place.refusal}."))
        return
    gaps = [compared(place.to_raw, "raw")] if place.to_raw is not None else []
    if place.to_window is not None:
        gaps.append(compared(place.to_window, found.window_words))
    said = f"{name} ({place.does}) leaves {place.dims} numbers and scores "
    said += f"{fixed(place.score.value, 1)}: "
    learnt = f" It learnt from {place.calibration}." if place.calibration else ""
    st.markdown(escaped(f"{said}{'; '.join(gaps)}. It removes {place.removes}.{learnt}"))
    ready = _ready(view, chosen, name)
    if ready is None:
        return
    if ready.weights is not None:
        weights = ready.weights
        chart(
            figures.weights_figure(weights, view.window),
            key="weights_chart",
            table=lambda: figures.weights_table(weights, view.window),
            name="weights",
            stamp=str(view.window),
        )
        weights_on_strip(weights)
        st.caption(
            "The weight of each direction. The broken line on the strip shows it from 0 to 1. "
            "The window gives only weights of 0 (shaded) and 1."
        )
    if name == WINDOW:
        return
    take_method_away(view, ready.taken, chosen.key)


def _ready(view: View, chosen: ChosenTask, name: str) -> _Ready | None:
    """The method fitted on the texts it was scored with."""
    model, prompt, window, task = view.model, view.prompt, view.window, chosen.task

    def work(progress: Progress) -> _Ready:
        learnt_from = calibration_for(task) if METHODS[name].learns else None
        taken = refinement(
            model, name, window, prompt=prompt, calibration=learnt_from, progress=progress
        )
        weights = None
        if name.startswith("reweighting"):
            weights = Parts(model, window, progress=progress).reweighting().weights_
        return _Ready(taken, weights)

    return outcome(
        ("method", name, *_key(view, chosen)), f"Making {name}", work, slot="method", quick=True
    )


def _key(view: View, chosen: ChosenTask) -> tuple[Hashable, ...]:
    return (view.model.identity, view.prompt, str(view.window), chosen.key)
