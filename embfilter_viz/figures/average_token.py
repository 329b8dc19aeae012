"""Figures of the Average token page: logit shifts and the token × band map."""

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from embfilter_viz.analyses.scripts import ScriptShares
from embfilter_viz.analyses.spectroscopy import CONTROLS, Spectroscopy
from embfilter_viz.figures.guess import guess_span
from embfilter_viz.figures.palette import COLOURS
from embfilter_viz.figures.sketch import MONOSPACE, Sketch
from embfilter_viz.figures.style import token_label
from embfilter_viz.spectral.spectroscopy import running_median
from embfilter_viz.spectral.windows import Window

if TYPE_CHECKING:
    import pandas as pd
    from plotly.graph_objects import Figure

__all__ = ["map_figure", "map_table", "script_table", "shift_figure", "shift_table"]

DASHES = {"frequent": "solid", "infrequent": "dot", "random": "dash"}
CHANCE = "chance"
"""What the legend calls permuted token frequencies."""

SMOOTHED_ABOVE = 64
"""With more directions than this the frequent tokens' single ones are drawn too, as dots."""


def shift_figure(
    result: Spectroscopy,
    window: Window,
    *,
    log: bool = True,
    guess: Sequence[tuple[float, float]] = (),
    height: int = 420,
) -> "Figure":
    """Mean logit shift along the spectrum of each set of tokens, over what chance gives.

    Args:
        result: the shifts.
        window: what the filter keeps.
        log: whether the shifts stand on a logarithmic axis.
        guess: parts of the spectrum that a reader thinks stand out, framed.
        height: in pixels.

    Returns:
        the figure.
    """
    sketch = Sketch(
        height=height,
        x="direction removed, largest σ first",
        y="mean shift of tokens' logits",
        name=f"shift-{log}",
        legend=True,
    )
    middle = ((result.edges[:-1] + result.edges[1:] - 1) / 2).astype(np.float32)
    single = len(middle) == result.edges[-1]
    _band(sketch, middle, result.permuted, log)
    for name in reversed(CONTROLS):
        values = result.absolute_shift[name]
        colour = COLOURS[name]
        if name == "frequent" and single and len(values) > SMOOTHED_ABOVE:
            sketch.add(
                "scattergl", x=middle, y=_positive(values, log), mode="markers",
                marker={"size": 3.5, "color": colour, "opacity": 0.35}, hoverinfo="skip",
                showlegend=False,
            )  # fmt: skip
        drawn = running_median(values) if single else values
        sketch.add(
            "scatter", x=middle, y=_positive(drawn, log), name=name,
            mode="lines" if single else "lines+markers",
            line={"color": colour, "dash": DASHES[name], "width": 2.4},
            hovertemplate=f"{name}<br>i = %{{x}}<br>%{{y:.3g}} logits<extra></extra>",
        )  # fmt: skip
    sketch.shade_dropped(window)
    for left, right in guess:
        guess_span(sketch, left, right)
    sketch.x(range=[-0.01 * window.d, 1.01 * window.d])
    sketch.y(type="log" if log else "linear", exponentformat="power")
    return sketch.figure()


def _band(sketch: Sketch, x: np.ndarray, permuted: np.ndarray, log: bool) -> None:
    """95 % of what permuted token frequencies give the frequent tokens, as an area.

    Args:
        sketch: the figure to draw in.
        x: (m,) the directions.
        permuted: (3, m) low, median and high of the permutations.
        log: whether the axis is logarithmic.
    """
    low, _, high = permuted
    for values, more in (
        (low, {"showlegend": False, "hoverinfo": "skip"}),
        (
            high,
            {
                "name": CHANCE, "fill": "tonexty", "fillcolor": f"{COLOURS['random']}4d",
                "customdata": low.astype(np.float32),
                "hovertemplate": f"{CHANCE}<br>i = %{{x}}<br>%{{customdata:.3g}} to %{{y:.3g}} "
                "logits<extra></extra>",
            },
        ),
    ):  # fmt: skip
        sketch.add(
            "scatter", x=x, y=_positive(values, log), mode="lines",
            line={"color": COLOURS["random"], "width": 0}, legendgroup=CHANCE, **more,
        )  # fmt: skip


def _positive(values: np.ndarray, log: bool) -> np.ndarray:
    """A log axis cannot show 0: such a point is left out rather than drawn somewhere."""
    values = np.asarray(values, dtype=np.float32)
    return np.where(values > 0, values, np.nan) if log else values


def script_table(found: ScriptShares) -> "pd.DataFrame":
    """The scripts of tokens, one a row: shares in per cent of p̂ and of the vocabulary."""
    import pandas as pd

    return pd.DataFrame(
        {
            "script": [one.script for one in found.shares],
            "% of p̂": [round(100 * one.frequency, 2) for one in found.shares],
            "% of the vocabulary": [round(100 * one.vocabulary, 2) for one in found.shares],
            "tokens": [one.n_tokens for one in found.shares],
        }
    )


def shift_table(result: Spectroscopy) -> "pd.DataFrame":
    """The numbers behind the shifts, one row a band: in logits, by chance, and relative (Δπ)."""
    import pandas as pd

    low, median, high = result.permuted
    return pd.DataFrame(
        {
            "first_direction": result.edges[:-1],
            "last_direction": result.edges[1:] - 1,
            **{f"absolute_{name}": result.absolute_shift[name] for name in CONTROLS},
            "permuted_low": low,
            "permuted_median": median,
            "permuted_high": high,
            **{f"shift_{name}": result.shift[name] for name in CONTROLS},
        }
    )


def map_figure(
    result: Spectroscopy, shifts: np.ndarray, edges: np.ndarray, *, height: int = 640
) -> "Figure":
    """Signed logit shifts, a token a row and a band a column.

    Args:
        result: whose frequent tokens the rows are.
        shifts: (k, N) signed shifts in logits.
        edges: (N + 1,) where the bands begin and end.
        height: in pixels.

    Returns:
        the figure.
    """
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
