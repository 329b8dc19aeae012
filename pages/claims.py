"""Claims: is the paper right about this model? Twelve verdicts, each beside its rule."""

from collections.abc import Sequence

import streamlit as st

from embfilter_viz.analyses.claim_rules import RULES
from embfilter_viz.export.figure_source import safe_cell
from embfilter_viz.export.session import claims_section
from embfilter_viz.figures.claims import claims_table, points_sketch
from embfilter_viz.ui import formulas
from embfilter_viz.ui.chart import chart
from embfilter_viz.ui.choices import View
from embfilter_viz.ui.claims import ClaimRun, chosen_beside, drawn_while_running, table
from embfilter_viz.ui.commands import command_line
from embfilter_viz.ui.markdown import escaped
from embfilter_viz.ui.page import answer, folds, show
from embfilter_viz.ui.take_away import take_away
from embfilter_viz.ui.task_inputs import choose_tasks
from embfilter_viz.ui.whole import reads_texts


def body(view: View) -> None:
    left, right = st.columns([5, 3])
    with left:
        chosen = choose_tasks()
    with right:
        beside = chosen_beside(view)
    if not chosen:
        return
    if not reads_texts(view.model) and view.model.can_encode:
        return  # the layers are being fetched; of a head alone three claims are decided without
    runs = [ClaimRun(view.model, view.prompt, chosen)]
    if beside is not None:
        runs.append(ClaimRun(*beside, chosen))
    st.caption(
        "The claims are about the paper's window at τ = 2, and claim 7 is also about τ = 4 "
        "and 8. The window on the strip changes none of them."
    )
    for run in runs:
        run.ask()
    drawn_while_running(runs, lambda: _drawn(runs))
    if any(run.known for run in runs):
        _taken_away(view, runs)
    _folds(view, chosen)


def _drawn(runs: Sequence[ClaimRun]) -> None:
    """Show what is known of the runs by now."""
    for run in runs:
        if not run.known:
            continue
        found = run.so_far
        if len(runs) == 1:
            answer(found.sentence)
        else:
            st.markdown(f"**{escaped(run.name)}:** {escaped(found.sentence)}")
    st.caption(escaped(runs[0].so_far.about_texts))
    table(runs)
    st.caption(f"{escaped(RULES[6].note)}.")
    for number, run in enumerate(runs):
        found = run.so_far
        sketch = points_sketch(found)
        if sketch is not None:
            st.header(f"Claims 7 to 11 on {escaped(run.name)}", anchor=False)
            st.caption("To the right of 0 the filter is better. Bars are 95 % intervals.")
            run.name_figures()
            chart(
                sketch,
                key=f"claims_chart_{number}",
                table=lambda found=found: claims_table([found]),
                name="claims",
                stamp=str(len(found.claims)),
                min_width=560,
            )


def _taken_away(view: View, runs: Sequence[ClaimRun]) -> None:
    st.download_button(
        "Table as CSV",
        lambda: claims_table([run.so_far for run in runs])
        .map(safe_cell).to_csv(index=False, lineterminator="\r\n").encode("utf-8-sig"),
        "claims.csv", "text/csv", on_click="ignore", icon=":material/table:",
    )  # fmt: skip
    known = tuple((run.name, tuple(run.known)) for run in runs)
    take_away(
        view,
        lambda: tuple(claims_section(run.so_far) for run in runs if run.known),
        about=("claims", tuple(run.key for run in runs), known),
    )


def _folds(view: View, chosen) -> None:
    data = chosen[0].data
    kinds = [one.task.kind for one in chosen]
    asked = "" if len(kinds) > 1 else f", [{kinds[0]!r}]"
    columns = dict(chosen[0].columns)
    named = f", columns={columns!r}" if columns else ""
    options = () if len(kinds) > 1 else ("--task", kinds[0])
    folds(
        formula=formulas.CLAIMS,
        python=(
            "from embfilter_viz import open_model\n"
            "from embfilter_viz.analyses.claims import claims\n"
            "from embfilter_viz.evaluation.tasks import read_tasks\n"
            f"model = {view.opening}\n"
            f"tasks = read_tasks({data!r}{asked}{named})\n"
            f"found = claims(model, tasks, {view.prompt!r})\n"
            "found.claims[0].verdict, found.sentence"
        ),
        command=command_line(
            "claims", *view.model_words, data, *view.prompt_words, *options, *view.running_words
        ),
    )


show("Claims", body)
