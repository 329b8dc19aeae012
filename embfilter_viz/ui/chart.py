"""A Plotly figure on a page: redrawn in place, with its picture and its data to take away."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import streamlit as st

from embfilter_viz.figures.described import described
from embfilter_viz.figures.plotly_js import PAGE_CONFIG, Drawing, as_json, json_in_script
from embfilter_viz.ui.assets import component_file, plotly_url
from embfilter_viz.ui.sources import figure_source
from embfilter_viz.ui.streamlit_internals import app_folder

if TYPE_CHECKING:
    import pandas as pd

    from embfilter_viz.spectral.windows import Window

__all__ = ["chart", "load_plotly"]

STATIC = "static"


def chart(
    figure: "Drawing | Callable[[], Drawing]",
    *,
    key: str,
    table: "Callable[[], pd.DataFrame]",
    of: object = None,
    name: str | None = None,
    on_select: Callable[[], None] | None = None,
    stamp: str = "",
    min_width: int = 0,
    cursor: tuple[int, int] | None = None,
    enter: bool = False,
    boxes: bool = False,
    window: "Window | None" = None,
    texts: str | None = None,
) -> Any:
    """Draw ``figure``; buttons under it save it as SVG or PNG and ``table()`` as CSV.

    ``table`` is called only when someone asks for the CSV. With ``of``, the one record that the
    figure shows, ``figure`` is a function, called only when that is another object than before: for
    figures that the window leaves alone. Traces and layout travel apart, so that the browser can
    keep traces that stay the same and redraw the layout alone. With ``on_select`` points can be
    clicked, and with ``boxes`` many selected by a box or a lasso: the callback finds the
    ``customdata`` of each in ``st.session_state[key].selected``. ``stamp`` says which state of the
    controls the figure shows; tests and benchmarks wait for it in the page. Where the page is
    narrower than ``min_width`` pixels the figure scrolls sideways. With ``cursor``, row and column
    of the cell of a heat map that is chosen, the arrow keys choose another, as a click does; with
    ``enter`` they walk over the cells, and Enter chooses. What is saved says its model, prompt,
    window and texts: those of the page, or ``window`` and ``texts`` where the figure is of others.
    For whoever does not see it, it has the name and the words of
    :func:`~embfilter_viz.figures.described.described`.

    Args:
        figure: what to draw, or a function that makes it.
        key: of the component.
        table: the data behind the figure.
        of: the record that the figure shows.
        name: how saved files are called.
        on_select: called after a selection.
        stamp: which state of the controls the figure shows.
        min_width: pixels below which the figure scrolls sideways.
        cursor: row and column of the chosen cell.
        enter: whether arrow keys walk over the cells and Enter chooses.
        boxes: whether points can be selected by a box.
        window: the window of the figure, if it is not the page's.
        texts: the texts of the figure, if they are not the page's.

    Returns:
        what the component says: the selection, if there is one.
    """
    name = name or key
    asked = getattr(st.session_state.get(key), "csv", None)
    csv, source = None, figure_source(window, texts, windowless=of is not None)
    if asked and source is not None:
        csv = {"ticket": asked, "text": source.csv(table())}
    drawn = st.session_state.get(f"_drawn_{key}")
    if drawn is None or of is None or drawn[0] is not of:
        figure = figure() if callable(figure) else figure
        drawn = (of, *as_json(figure), described(figure))
        st.session_state[f"_drawn_{key}"] = drawn
    component = _component()
    return component(
        key=key,
        data={
            "traces": drawn[1],
            "layout": drawn[2],
            "label": drawn[3].name,
            "words": drawn[3].words,
            "plotly": plotly_url(app_folder() / STATIC),
            "name": name if source is None else source.file_name(name),
            "source": "" if source is None else source.line,
            "csv": csv,
            "selectable": on_select is not None,
            "stamp": stamp,
            "min_width": min_width,
            "cursor": cursor,
            "enter": enter and cursor is not None,
            "boxes": boxes,
        },
        on_selected_change=on_select or _nothing,
        on_csv_change=_nothing,
    )


def load_plotly() -> None:
    """Let the browser fetch and start Plotly while the server makes the page's figures."""
    _loader()(key="plotly", data={"plotly": plotly_url(app_folder() / STATIC)})


def _nothing() -> None:
    """Ask for a rerun and do nothing else."""


@st.cache_resource
def _component() -> Any:
    return st.components.v2.component(
        "embfilter_chart",
        html='<div class="chart"></div>',
        css=component_file("chart.css"),
        js=_plotly_js() + component_file("chart.js"),
        isolate_styles=False,
    )


@st.cache_resource
def _loader() -> Any:
    return st.components.v2.component(
        "embfilter_plotly",
        js=_plotly_js() + "export default ({ data }) => { plotly(data.plotly); };",
        isolate_styles=False,
    )


def _plotly_js() -> str:
    """Return what loads Plotly, with its configuration."""
    return f"const CONFIG = {json_in_script(PAGE_CONFIG)};\n{component_file('plotly.js')}"
