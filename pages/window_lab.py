"""Window laboratory: which l:r for this model and this data, and take it away."""

import streamlit as st

from embfilter_viz.analyses.sweep import PAPER
from embfilter_viz.export.session import sweep_section
from embfilter_viz.figures import propose as proposal_figures
from embfilter_viz.figures import sweep as figures
from embfilter_viz.ui import formulas
from embfilter_viz.ui.chart import chart
from embfilter_viz.ui.choices import View, set_window
from embfilter_viz.ui.history import history
from embfilter_viz.ui.lab import cost_of, keep_run, proposed, strip_score, swept, use_button
from embfilter_viz.ui.page import answer, folds, show
from embfilter_viz.ui.take_away import take_away
from embfilter_viz.ui.task_inputs import ChosenTask, choose_task
from embfilter_viz.ui.whole import reads_texts
from embfilter_viz.ui.words import escaped


def body(view: View) -> None:
    chosen = choose_task()
    if chosen is None:
        return
    kind = st.segmented_control(
        "Windows", ["plane", "τ curve"], default="plane", key="windows", bind="query-params",
        required=True, help="All pairs of ends l:r on a grid, or the paper's symmetric ones by τ.",
    ) or "plane"  # fmt: skip
    found = swept(view, chosen, kind) if reads_texts(view.model) else None
    if found is not None:
        answer(found.sentence)
        _scores(view, chosen, found, kind)
        _beside(found)
    _without_labels(view, chosen)
    _cost(view)
    st.subheader("Take it away", anchor=False)
    take_away(
        view,
        lambda: () if found is None else (sweep_section(found),),
        about=None if found is None else found.sentence,
    )
    history()
    _folds(view, chosen, kind)


def _scores(view: View, chosen: ChosenTask, found, kind: str) -> None:
    own = strip_score(view, chosen)
    strip, *others = st.columns(4)
    with strip:
        if own is not None:
            gain = own.difference
            st.metric(
                "On the strip", f"{own.score.value:.1f}", f"{gain.value:+.1f} to raw",
                help=f"{found.measure} of {view.window}; raw {found.raw.value:.1f}.",
            )  # fmt: skip
            st.caption(f"{gain.low:+.1f} to {gain.high:+.1f} (95 %, paired)")
    marked = (
        (
            found.best.window,
            found.best.reported_on.score,
            "chosen on one half, by the other",
        ),
        (found.highest.window, found.highest.score.value, "highest on all, so flattered"),
        (found.tau_2.window, found.tau_2.score.value, "τ = 2, on all"),
    )
    for place, (window, score, words) in zip(others, marked, strict=True):
        with place:
            st.metric(str(window), f"{score:.1f}")
            use_button(window, "Use it", view, key=f"use-{words[:3]}")
            st.caption(words)
    chart(
        figures.plane_figure(found, view.window)
        if kind == "plane"
        else figures.tau_figure(found, own),
        key="sweep_chart",
        table=lambda: figures.windows_table(found),
        name=f"sweep-{chosen.task.kind}",
        on_select=_window_chosen,
        stamp=str(view.window),
        min_width=560,
    )
    more = "".join(
        f" {name}: raw {found.more_raw[name]:.1f}, {found.highest.window} {value:.1f}."
        for name, value in found.more_highest.items()
    )
    st.caption(
        escaped(
            "Click a cell to put its window on the strip. Intervals are 95 % paired bootstrap "
            f"intervals over {found.unit}, corrected for all {len(found.windows)} windows.{more}"
        )
    )
    if own is not None:
        st.button(
            "Keep the strip's window in the history", key="keep", icon=":material/bookmark:",
            on_click=keep_run, args=(view, chosen, own, found.raw.value),
        )  # fmt: skip


def _beside(found) -> None:
    st.subheader("Beside it: what else one could do", anchor=False)
    chart(
        figures.ablation_figure(found),
        key="ablation_chart",
        table=lambda: figures.ablation_table(found),
        name="ablation",
        stamp=found.kind,
    )
    calibrated = next((one.calibration for one in found.baselines if one.calibration), None)
    if calibrated:
        st.caption(
            escaped(f"Mean removal, all-but-the-top and whitening learnt from {calibrated}.")
        )
    with st.expander(f"As a table, beside the paper's figures ({PAPER})"):
        st.dataframe(figures.ablation_table(found), hide_index=True, width="stretch")


def _without_labels(view: View, chosen: ChosenTask) -> None:
    st.subheader("Without labels", anchor=False)
    source = st.segmented_control(
        "Propose a window from", ["the checkpoint alone", "these texts, unlabelled"],
        default="these texts, unlabelled", key="propose_from", bind="query-params", required=True,
    )  # fmt: skip
    proposal = proposed(view, chosen, source != "the checkpoint alone")
    if proposal is None:
        return
    answer(proposal.why[0].upper() + proposal.why[1:] + ".")
    chart(
        proposal_figures.proposal_figure(proposal),
        key="proposal_chart",
        table=lambda: proposal_figures.proposal_table(proposal),
        name="proposal",
        stamp=str(proposal.window),
    )
    if proposal.worth:
        use_button(proposal.window, f"Use {proposal.window}", view, key="use-proposal")
    else:
        st.caption("The evidence speaks for dropping nothing.")


def _cost(view: View) -> None:
    st.subheader("What it costs", anchor=False)
    cost = cost_of(view)
    if cost is None:
        return
    answer(cost.sentence)
    st.dataframe(
        [
            {"precision": name, "a million vectors, raw": f"{before / 1e9:.2f} GB",
             f"at {cost.window.k} dimensions": f"{after / 1e9:.2f} GB"}
            for name, (before, after) in cost.bytes_per_million.items()
        ],
        hide_index=True,
    )  # fmt: skip


def _folds(view: View, chosen: ChosenTask, kind: str) -> None:
    task, name, source = chosen.task.kind, view.model.name, chosen.data
    grid = "windows_of_plane(20, model.d_model)" if kind == "plane" else (
        "windows_of_taus([1, 1.25, 1.5, 2, 3, 4, 6, 8], model.d_model)")  # fmt: skip
    columns = f", columns={dict(chosen.columns)!r}" if chosen.columns else ""
    folds(
        formula=formulas.WINDOW_LAB,
        python=(
            "from embfilter_viz import open_model\n"
            "from embfilter_viz.analyses.sweep import sweep\n"
            "from embfilter_viz.evaluation.grids import windows_of_plane, windows_of_taus\n"
            "from embfilter_viz.evaluation.tasks import read_task\n"
            f"model = open_model({name!r})\n"
            f"task = read_task({task!r}, {source!r}{columns})\n"
            f"found = sweep(model, task, {view.prompt!r}, {grid})\n"
            "found.best.window, found.sentence"
        ),
        command=(
            f"embfilter-viz sweep {name} {source} --task {task} --prompt {view.prompt}"
            f"{' --grid 20' if kind == 'plane' else ''}\n"
            f"embfilter-viz propose {name} texts.txt --prompt {view.prompt}"
        ),
    )


def _window_chosen() -> None:
    for spec in st.session_state["sweep_chart"].selected or ():
        if ":" in str(spec):
            set_window(str(spec))


show("Window laboratory", body)
