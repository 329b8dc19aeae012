"""Window laboratory: which l:r for this model and this data, and take it away."""

import streamlit as st

from embfilter_viz.analyses.ablation import SEEDS
from embfilter_viz.analyses.sweep import PAPER
from embfilter_viz.export.session import sweep_section
from embfilter_viz.figures import propose as proposal_figures
from embfilter_viz.figures import sweep as figures
from embfilter_viz.ui import formulas
from embfilter_viz.ui.chart import chart
from embfilter_viz.ui.choices import View, set_window
from embfilter_viz.ui.commands import command_line
from embfilter_viz.ui.history import history
from embfilter_viz.ui.lab import cost_of, keep_run, proposed, strip_score, swept, use_button
from embfilter_viz.ui.markdown import escaped
from embfilter_viz.ui.methods_panel import methods_panel
from embfilter_viz.ui.page import answer, folds, show
from embfilter_viz.ui.rewritings_panel import rewritings_panel
from embfilter_viz.ui.take_away import take_away
from embfilter_viz.ui.task_inputs import ChosenTask, choose_task
from embfilter_viz.ui.whole import reads_texts
from embfilter_viz.wording import decimals, fixed, signed, spanned

_HOW = {
    "plane": "Click a cell to put its window on the strip, or walk there with the arrow keys and "
    "press Enter.",
    "τ curve": "Click a point to put its window on the strip.",
}

CHECKPOINT = "the checkpoint and word frequencies"


def body(view: View) -> None:
    chosen = choose_task()
    if chosen is None:
        return
    kind = st.segmented_control(
        "Windows", ["plane", "τ curve"], default="plane", key="windows", bind="query-params",
        required=True, help="All windows l:r on a grid, or the paper's symmetric windows.",
    ) or "plane"  # fmt: skip
    reads = reads_texts(view.model)
    found = swept(view, chosen, kind) if reads else None
    own = None
    if found is not None:
        answer(found.sentence)
        own = _scores(view, chosen, found, kind)
        _beside(view, found, own)
    if reads:
        methods_panel(view, chosen)
        rewritings_panel(view, chosen.task.texts)
    _without_labels(view, chosen, embedded=found is not None)
    _cost(view)
    st.header("Take it away", anchor=False)
    take_away(
        view,
        lambda: () if found is None else (sweep_section(found, own),),
        about=None if found is None else (found.sentence, own is None),
    )
    history()
    _folds(view, chosen, kind)


def _scores(view: View, chosen: ChosenTask, found, kind: str):
    """All windows' scores; the score of the window on the strip, or ``None`` while it is made."""
    own = strip_score(view, chosen, found)
    strip, *others = st.columns(4)
    with strip:
        if own is not None:
            gain = own.corrected
            st.metric(
                "On the strip", fixed(own.score.value, 1), f"{signed(gain.value, 1)} against raw",
                delta_color="off" if not gain.known or gain.low <= 0 <= gain.high else "normal",
                help=f"{found.measure} of {view.window}; raw {fixed(found.raw.value, 1)}.",
            )  # fmt: skip
            st.caption(_strip_words(view, found, own))
    marked = (
        (
            "chosen",
            found.best.window,
            found.best.reported_on.score,
            "on one half",
            "chosen on the other half",
        ),
        (
            "highest",
            found.highest.window,
            found.highest.score.value,
            "on all",
            "the highest of all, so too optimistic",
        ),
        ("tau-2", found.tau_2.window, found.tau_2.score.value, "on all", "τ = 2"),
    )
    for place, (key, window, score, of_what, words) in zip(others, marked, strict=True):
        with place:
            st.metric(f"{window} {of_what}", fixed(score, 1))
            use_button(window, "Use it", view, key=f"use-{key}")
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
        cursor=figures.cell_of(found, view.window) if kind == "plane" else None,
        enter=True,
    )
    more = "".join(
        f" {name}: raw {fixed(found.more_raw[name], 1)}, {found.highest.window} {fixed(value, 1)}."
        for name, value in found.more_highest.items()
    )
    st.caption(escaped(f"{_HOW[kind]} {_interval_words(found)}{more}"))
    if own is not None:
        st.button(
            "Keep the strip's window in the history", key="keep", icon=":material/bookmark:",
            on_click=keep_run, args=(view, chosen, own, found.raw.value),
        )  # fmt: skip

    return own


def _strip_words(view: View, found, own) -> str:
    if view.window.drops_nothing:
        return "It drops nothing: these are the raw embeddings."
    if not own.corrected.known:
        return "There is no interval."
    gain = own.corrected
    digits = decimals([gain.low, gain.high], 1)
    verdict = "within noise of raw" if gain.low <= 0 <= gain.high else "beyond noise"
    return (
        f"{spanned(gain.low, gain.high, digits, sign=True)} (95 % interval for all "
        f"{found.n_compared} comparisons of the sweep): {verdict}. Each window that you try "
        "by hand is one more comparison."
    )


def _interval_words(found) -> str:
    if found.no_interval:
        return f"There are no intervals: {found.no_interval}."
    return (
        f"Intervals are 95 % paired bootstrap intervals over {found.unit}. The intervals of "
        "differences to raw, for windows and for the alternatives below, are corrected for "
        f"all {found.n_compared} comparisons, so that they hold together."
    )


def _beside(view: View, found, own) -> None:
    papers = found.tau_2.window
    st.header("What else one could do", anchor=False)
    st.markdown(
        f"All alternatives have the size of the paper's window at τ = 2, **{papers}**: "
        f"{papers.k} of {papers.d} dimensions. Below them stands the window on the strip, "
        f"**{view.window}**."
    )
    chart(
        figures.ablation_figure(found, own),
        key="ablation_chart",
        table=lambda: figures.ablation_table(found, own),
        name="ablation",
        stamp=str(view.window),
    )
    calibrated = next((one.calibration for one in found.baselines if one.calibration), None)
    said = [f"Mean removal, all-but-the-top and whitening are learnt from {calibrated}."] * bool(
        calibrated
    )
    said.append(
        f"For random coordinates and random subspaces, the value is the mean over {SEEDS} "
        "draws, and the thin line goes from the least to the greatest."
    )
    if found.tau_2.window.k % 2:
        said.append(
            f"bulk keeps {found.tau_2.window.k} directions as the others do; the code released "
            "with the paper keeps one fewer where that number is odd."
        )
    st.caption(escaped(" ".join(said)))
    with st.expander(f"As a table, beside the paper's figures ({PAPER})"):
        st.dataframe(figures.ablation_table(found, own), hide_index=True, width="stretch")


def _without_labels(view: View, chosen: ChosenTask, *, embedded: bool) -> None:
    st.header("Without labels", anchor=False)
    source = st.segmented_control(
        "Propose a window from", [CHECKPOINT, "these texts, unlabelled"],
        default="these texts, unlabelled", key="propose_from", bind="query-params", required=True,
    )  # fmt: skip
    proposal = proposed(view, chosen, source != CHECKPOINT, embedded=embedded)
    if proposal is None:
        return
    answer(proposal.why[0].upper() + proposal.why[1:] + ".")
    chart(
        proposal_figures.proposal_figure(proposal),
        key="proposal_chart",
        table=lambda: proposal_figures.proposal_table(proposal),
        name="proposal",
        texts=None if proposal.language is None else view.word_frequencies,
        stamp=str(proposal.window),
    )
    if proposal.worth:
        use_button(proposal.window, f"Use {proposal.window}", view, key="use-proposal")
    else:
        st.caption("The evidence favours dropping nothing.")


def _cost(view: View) -> None:
    st.header("What it costs", anchor=False)
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
    task, source = chosen.task.kind, chosen.data
    named = [word for role, name in chosen.columns.items() if name
             for word in ("--column", f"{role}={name}")]  # fmt: skip
    data = (*view.model_words, source, "--task", task, *named)
    grid = "windows_of_plane(20, model.d_model)" if kind == "plane" else (
        "windows_of_taus([1, 1.25, 1.5, 2, 3, 4, 6, 8], model.d_model)")  # fmt: skip
    columns = f", columns={dict(chosen.columns)!r}" if chosen.columns else ""
    others = tuple(st.session_state.get("prompts_beside", ()))
    beside = f", beside={others!r}" if others else ""
    folds(
        formula=formulas.WINDOW_LAB,
        python=(
            "from embfilter_viz import open_model\n"
            "from embfilter_viz.analyses.leaderboard import leaderboard\n"
            "from embfilter_viz.analyses.sweep import sweep\n"
            "from embfilter_viz.evaluation.grids import windows_of_plane, windows_of_taus\n"
            "from embfilter_viz.evaluation.tasks import read_task\n"
            f"model = {view.opening}\n"
            f"task = read_task({task!r}, {source!r}{columns})\n"
            f"found = sweep(model, task, {view.prompt!r}, {grid})\n"
            "found.best.window, found.sentence\n"
            f"leaderboard(model, task, {view.prompt!r}{beside}).sentence"
        ),
        command="\n".join(
            (
                command_line(
                    "sweep", *data, *view.prompt_words, *(("--grid", 20) if kind == "plane" else ())
                ),
                command_line(
                    "leaderboard",
                    *data,
                    *view.prompt_words,
                    *view.window_words,
                    *(word for other in others for word in ("--beside", other)),
                ),
                command_line(
                    "propose",
                    *view.model_words,
                    "texts.txt",
                    *view.prompt_words,
                    *view.language_words,
                ),
            )
        ),
    )


def _window_chosen() -> None:
    for spec in st.session_state["sweep_chart"].selected or ():
        if ":" in str(spec):
            set_window(str(spec))


show("Window laboratory", body)
