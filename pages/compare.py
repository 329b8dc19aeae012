"""Compare: two runs side by side, and what was tried in this browser."""

import streamlit as st

from embfilter_viz.analyses.compare import Run, TrainedRun
from embfilter_viz.figures import compare as figures
from embfilter_viz.ui import formulas
from embfilter_viz.ui.chart import chart
from embfilter_viz.ui.choices import View, opening_of
from embfilter_viz.ui.commands import command_line
from embfilter_viz.ui.history import Tried, forget_all, history
from embfilter_viz.ui.page import answer, folds, show
from embfilter_viz.ui.runs import chosen_run, compared, run_name
from embfilter_viz.ui.tables import legible_table
from embfilter_viz.ui.task_inputs import choose_task


def body(view: View) -> None:
    tried = history()
    names = list(
        dict.fromkeys(
            [
                run_name(view.model.name, view.prompt, "raw"),
                run_name(view.model.name, view.prompt, str(view.window)),
                *(run.name for run in tried),
            ]
        )
    )
    left, right = st.columns(2)
    first = left.selectbox("First run", names, index=0, **_RUN, key="first")
    second = right.selectbox("Second run", names, index=1, **_RUN, key="second")
    chosen = choose_task()
    if chosen is not None:
        _comparison(view, first or names[0], second or names[1], chosen)
    _history(tried)


_RUN = {
    "accept_new_options": True,
    "bind": "query-params",
    "help": "A run is model · prompt · window. The window is a τ, l:r or raw. Pick a run, or type "
    "one. For a model that was trained for embeddings, type trained · and the folder or hub id of "
    "a sentence-transformers model.",
}


def _comparison(view: View, first: str, second: str, chosen) -> None:
    runs = [chosen_run(name) for name in (first, second)]
    if None in runs:
        return
    found = compared(runs, chosen)
    if found is None:
        return
    answer(found.sentence)
    chart(
        figures.comparison_figure(found),
        key="comparison_chart",
        table=lambda: figures.comparison_table(found),
        name="comparison",
        stamp=f"{first} | {second}",
    )
    st.dataframe(legible_table(figures.comparison_words(found)), hide_index=True, width="stretch")
    _folds(runs, chosen)


def _folds(runs, chosen) -> None:
    """The two runs in Python and on the command line, a yardstick after the other."""
    own = [run for run in runs if isinstance(run, Run)]
    trained = [run.yardstick.name for run in runs if isinstance(run, TrainedRun)]
    lenders = [run.model.head_from for run in own if run.model.head_from is not None]
    names = ("first", "second")
    opened = "".join(
        f"{name} = {opening_of(run.model)}\n" if isinstance(run, Run)
        else f"{name} = open_yardstick({run.yardstick.name!r})\n"
        for name, run in zip(names, runs, strict=True)
    )  # fmt: skip
    made = "".join(
        f"    Run({name}, {run.prompt!r}, Window.parse('{run.window}', {name}.d_model)),\n"
        if isinstance(run, Run) else f"    TrainedRun({name}),\n"
        for name, run in zip(names, runs, strict=True)
    )  # fmt: skip
    more = "from embfilter_viz.yardstick import open_yardstick\n" if trained else ""
    folds(
        formula=formulas.COMPARE,
        python=(
            "from embfilter_viz import Window, open_model\n"
            f"from embfilter_viz.analyses.compare import Run, {'TrainedRun, ' * bool(trained)}"
            "compare\n"
            "from embfilter_viz.evaluation.tasks import read_task\n"
            f"{more}{opened}"
            f"found = compare(\n{made}"
            f"    read_task({chosen.task.kind!r}, {chosen.data!r}),\n"
            ")\n"
            "found.difference, found.sentence"
        ),
        command=command_line(
            "compare",
            chosen.data,
            "--task",
            chosen.task.kind,
            *(word for run in own for word in ("--run", run.model.name, run.prompt, run.window)),
            *(word for name in trained for word in ("--yardstick", name)),
            *(("--head-from", lenders[0]) if lenders else ()),
        ),
    )


def _history(tried: list[Tried]) -> None:
    st.header("Tried in this browser", anchor=False)
    if not tried:
        st.markdown(
            "Nothing is kept yet. Sweep windows in the Window laboratory, or keep a window "
            "there. They are then listed here. The list is stored in this browser only, until "
            "you press “Forget all”."
        )
        return
    st.dataframe(
        legible_table([
            {
                "model": run.model, "prompt": run.prompt, "window": run.window, "task": run.task,
                "data": run.data, "score": run.score, "low": run.low, "high": run.high,
                "raw": run.raw, "to raw": run.score - run.raw, "units": run.units,
            }
            for run in tried
        ]),
        hide_index=True,
        width="stretch",
        column_config={
            name: st.column_config.NumberColumn(format="%.1f")
            for name in ("score", "low", "high", "raw", "to raw")
        },
    )  # fmt: skip
    st.button("Forget all", on_click=forget_all, icon=":material/delete:")


show("Compare", body)
