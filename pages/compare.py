"""Compare: two runs side by side, and what was tried in this browser."""

import streamlit as st

from embfilter_viz.figures import compare as figures
from embfilter_viz.ui import formulas
from embfilter_viz.ui.chart import chart
from embfilter_viz.ui.choices import View
from embfilter_viz.ui.history import Tried, forget_all, history
from embfilter_viz.ui.page import answer, folds, show
from embfilter_viz.ui.runs import chosen_run, compared, run_name
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
    "help": "Model · prompt · window, as τ, l:r or raw: pick one, or type one.",
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
    st.dataframe(figures.comparison_words(found), hide_index=True, width="stretch")
    one, two = runs
    folds(
        formula=formulas.COMPARE,
        python=(
            "from embfilter_viz import Window, open_model\n"
            "from embfilter_viz.analyses.compare import Run, compare\n"
            "from embfilter_viz.evaluation.tasks import read_task\n"
            f"first, second = open_model({one.model.name!r}), open_model({two.model.name!r})\n"
            "found = compare(\n"
            f"    Run(first, {one.prompt!r}, Window.parse('{one.window}', first.d_model)),\n"
            f"    Run(second, {two.prompt!r}, Window.parse('{two.window}', second.d_model)),\n"
            f"    read_task({chosen.task.kind!r}, {chosen.data!r}),\n"
            ")\n"
            "found.difference, found.sentence"
        ),
        command=(
            f"embfilter-viz compare {chosen.data} --task {chosen.task.kind} "
            f"--run {one.model.name} {one.prompt} {one.window} "
            f"--run {two.model.name} {two.prompt} {two.window}"
        ),
    )


def _history(tried: list[Tried]) -> None:
    st.subheader("Tried in this browser", anchor=False)
    if not tried:
        st.markdown(
            "Nothing yet. Sweep windows in the Window laboratory, or keep one of them there: they "
            "are listed here, in this browser's own storage, until you forget them."
        )
        return
    st.dataframe(
        [
            {
                "model": run.model, "prompt": run.prompt, "window": run.window, "task": run.task,
                "data": run.data, "score": run.score, "low": run.low, "high": run.high,
                "raw": run.raw, "to raw": run.score - run.raw, "units": run.units,
            }
            for run in tried
        ],
        hide_index=True,
        width="stretch",
        column_config={
            name: st.column_config.NumberColumn(format="%.1f")
            for name in ("score", "low", "high", "raw", "to raw")
        },
    )  # fmt: skip
    st.button("Forget all", on_click=forget_all, icon=":material/delete:")


show("Compare", body)
