"""A Plotly figure on a page: redrawn in place, with its picture and its data to take away."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import streamlit as st

from embfilter_viz.ui.assets import component_file, plotly_url

if TYPE_CHECKING:
    import pandas as pd
    from plotly.graph_objects import Figure

    from embfilter_viz.figures.sketch import Sketch

__all__ = ["chart", "load_plotly"]

STATIC = "static"


def chart(
    figure: "Figure | Sketch | Callable[[], Figure]",
    *,
    key: str,
    table: "Callable[[], pd.DataFrame]",
    of: object = None,
    name: str | None = None,
    on_select: Callable[[], None] | None = None,
    stamp: str = "",
    min_width: int = 0,
) -> Any:
    """Draw ``figure``; buttons under it save it as SVG or PNG and ``table()`` as CSV.

    ``table`` is called only when someone asks for the CSV. With ``of``, the one record that the
    figure shows, ``figure`` is a function, called only when that is another object than before:
    for figures that the window leaves alone. Traces and layout travel apart, so that the browser
    can keep traces that stay the same and redraw the layout alone. With ``on_select`` points can
    be clicked or boxed: the callback finds the ``customdata`` of each in
    ``st.session_state[key].selected``. ``stamp`` says which state of the controls the figure
    shows; tests and benchmarks wait for it in the page. Where the page is narrower than
    ``min_width`` pixels the figure scrolls sideways.
    """
    name = name or key
    asked = getattr(st.session_state.get(key), "csv", None)
    csv = None
    if asked:
        csv = {"ticket": asked, "text": table().to_csv(index=False, lineterminator="\r\n")}
    drawn = st.session_state.get(f"_drawn_{key}")
    if drawn is None or of is None or drawn[0] is not of:
        drawn = (of, *_json(figure() if callable(figure) else figure))
        st.session_state[f"_drawn_{key}"] = drawn
    component = _component()
    return component(
        key=key,
        data={
            "traces": drawn[1],
            "layout": drawn[2],
            "plotly": plotly_url(_static_folder()),
            "name": name,
            "csv": csv,
            "selectable": on_select is not None,
            "stamp": stamp,
            "min_width": min_width,
        },
        on_selected_change=on_select or _nothing,
        on_csv_change=_nothing,
    )


def load_plotly() -> None:
    """Let the browser fetch and start Plotly while the server makes the page's figures."""
    _loader()(key="plotly", data={"plotly": plotly_url(_static_folder())})


def _json(figure: "Figure | Sketch") -> tuple[str, str]:
    """Traces and layout of a figure as JSON, arrays of numbers in base64."""
    from plotly.io.json import to_json_plotly

    parts = figure.to_dict()
    return to_json_plotly(parts["data"]), to_json_plotly(parts["layout"])


def _nothing() -> None:
    """Ask for a rerun and do nothing else."""


def _static_folder() -> Path:
    from streamlit.runtime.scriptrunner import get_script_run_ctx

    context = get_script_run_ctx()
    main = Path(context.main_script_path) if context else Path.cwd() / "app.py"
    return main.parent / STATIC


@st.cache_resource
def _component() -> Any:
    return st.components.v2.component(
        "embfilter_chart",
        html='<div class="chart"></div>',
        css=component_file("chart.css"),
        js=component_file("plotly.js") + component_file("chart.js"),
        isolate_styles=False,
    )


@st.cache_resource
def _loader() -> Any:
    return st.components.v2.component(
        "embfilter_plotly",
        js=component_file("plotly.js") + "export default ({ data }) => { plotly(data.plotly); };",
        isolate_styles=False,
    )
