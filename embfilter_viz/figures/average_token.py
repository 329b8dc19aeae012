"""Figures of the Average token page: logit shifts and the token × band map."""

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from embfilter_viz.analyses.spectroscopy import CONTROLS, Spectroscopy
from embfilter_viz.figures.palette import COLOURS
from embfilter_viz.figures.sketch import MONOSPACE, Sketch
from embfilter_viz.figures.style import token_label
from embfilter_viz.spectral.windows import Window

if TYPE_CHECKING:
    import pandas as pd
    from plotly.graph_objects import Figure

__all__ = ["map_figure", "map_table", "shift_figure", "shift_table"]

DASHES = {"frequent": "solid", "infrequent": "dot", "random": "dash"}
SMOOTHED_ABOVE = 64
"""With more directions than this a running median is drawn over the single ones."""


def shift_figure(
    result: Spectroscopy, window: Window, *, log: bool = True, height: int = 420
) -> "Figure":
    """Δπ along the spectrum for frequent, infrequent and random tokens."""
    sketch = Sketch(
        height=height,
        x="direction removed, largest σ first",
        y="logit shift Δπ of tokens",
        name=f"shift-{log}",
        legend=True,
    )
    middle = (result.edges[:-1] + result.edges[1:] - 1) / 2
    single = len(middle) == result.edges[-1]
    for name in reversed(CONTROLS):
        values = result.shift[name]
        colour = COLOURS[name]
        if single and len(values) > SMOOTHED_ABOVE:
            sketch.add(
                "scattergl", x=middle.astype(np.float32), y=_positive(values, log), mode="markers",
                marker={"size": 3.5, "color": colour, "opacity": 0.35}, hoverinfo="skip",
                showlegend=False,
            )  # fmt: skip
        drawn = running_median(values) if single else values
        sketch.add(
            "scatter", x=middle.astype(np.float32), y=_positive(drawn, log), name=name,
            mode="lines" if single else "lines+markers",
            line={"color": colour, "dash": DASHES[name], "width": 2.4},
            hovertemplate=f"{name}<br>i = %{{x}}<br>Δπ = %{{y:.3g}}<extra></extra>",
        )  # fmt: skip
    sketch.shade_dropped(window)
    sketch.x(range=[-0.01 * window.d, 1.01 * window.d])
    sketch.y(type="log" if log else "linear", exponentformat="power")
    return sketch.figure()


def _positive(values: np.ndarray, log: bool) -> np.ndarray:
    """A log axis cannot show 0: such a point is left out rather than drawn somewhere."""
    values = np.asarray(values, dtype=np.float32)
    return np.where(values > 0, values, np.nan) if log else values


def running_median(values: np.ndarray, width: int = 15) -> np.ndarray:
    """Median over ``width`` neighbours, narrower at the ends, where the U stands.

    >>> running_median(np.array([9.0, 1, 1, 1, 5]), width=3)
    array([9., 1., 1., 1., 5.])
    """
    n, half = len(values), width // 2
    out = np.array(values, dtype=float)
    if n >= width:
        whole = np.lib.stride_tricks.sliding_window_view(values, width)
        out[half : n - half] = np.median(whole, axis=1)
    for i in (*range(min(half, n)), *range(max(half, n - half), n)):
        reach = min(i, n - 1 - i, half)
        out[i] = np.median(values[i - reach : i + reach + 1])
    return out


def shift_table(result: Spectroscopy) -> "pd.DataFrame":
    """The numbers behind the shifts, one row a band."""
    import pandas as pd

    return pd.DataFrame(
        {
            "first_direction": result.edges[:-1],
            "last_direction": result.edges[1:] - 1,
            **{f"shift_{name}": result.shift[name] for name in CONTROLS},
        }
    )


def map_figure(
    result: Spectroscopy, shifts: np.ndarray, edges: np.ndarray, *, height: int = 640
) -> "Figure":
    """Signed logit shifts, a token a row and a band a column."""
    sketch = Sketch(height=height, x="band removed: directions", name="map")
    limit = float(np.quantile(np.abs(shifts), 0.98)) or 1.0
    labels = [f"{a}–{b - 1}" for a, b in pairwise(edges)]
    names = [token_label(token.text, 14) for token in result.frequent_tokens[: len(shifts)]]
    sketch.add(
        "heatmap",
        z=shifts.astype(np.float32), x=labels, y=np.arange(len(shifts)), zmin=-limit, zmax=limit,
        colorscale=[[0, "#0077B6"], [0.5, "#f3f4f5"], [1, "#D55E00"]], xgap=1, ygap=1,
        colorbar={"title": {"text": "logit<br>change"}, "thickness": 12, "outlinewidth": 0},
        text=[[name] * len(labels) for name in names],
        hovertemplate="%{text}<br>without directions %{x}: %{z:+.3g}<extra></extra>",
    )  # fmt: skip
    sketch.y(
        autorange="reversed", tickmode="array", tickvals=np.arange(len(names)), ticktext=names,
        tickfont={"family": MONOSPACE, "size": 11}, showgrid=False,
    )  # fmt: skip
    sketch.x(type="category", showgrid=False, tickangle=-60, tickfont={"size": 10})
    return sketch.figure()


def map_table(result: Spectroscopy, shifts: np.ndarray, edges: np.ndarray) -> "pd.DataFrame":
    """The numbers behind the map, a row a token, a column a band."""
    import pandas as pd

    columns = [f"{a}:{b}" for a, b in pairwise(edges)]
    table = pd.DataFrame(shifts, columns=columns)
    table.insert(0, "token", [t.text for t in result.frequent_tokens[: len(shifts)]])
    return table
