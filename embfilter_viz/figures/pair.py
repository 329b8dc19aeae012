"""Figures of the page Two texts: a cosine growing along the spectrum, and cosines of many texts."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from embfilter_viz.analyses.pair import Pair
from embfilter_viz.analyses.reference import ReferenceTexts
from embfilter_viz.analyses.text_matrix import TextMatrix
from embfilter_viz.figures.palette import FILTERED, RANDOM, RAW
from embfilter_viz.figures.sketch import MONOSPACE, Sketch
from embfilter_viz.figures.style import faded, text_label

if TYPE_CHECKING:
    import pandas as pd
    from plotly.graph_objects import Figure

__all__ = [
    "growth_figure",
    "growth_sketch",
    "growth_table",
    "lowest_of",
    "matrix_figure",
    "matrix_sketch",
    "matrix_table",
]

NUMBERS_IN_CELLS = 12
"""Texts up to which each cell of a matrix has room for its number."""

CELL_TEXT = "#14171c"
"""Of numbers in cells: dark enough on the palest and on the strongest colour."""

COLOURS = {
    "raw": RAW,
    "filtered": FILTERED,
    "mean_removed": RAW,
    "filtered_mean_removed": FILTERED,
}


def growth_sketch(report: Pair, ready: ReferenceTexts, *, height: int = 380) -> Sketch:
    """The sum of contributions up to each direction: this pair over nine tenths of any pairs.

    The filtered cosine grows inside the window alone; what the window drops is shaded.
    """
    sketch = Sketch(
        height=height, x="direction i, largest σ first", y="cosine from directions up to i",
        name="growth",
    )  # fmt: skip
    window, d = report.window, report.window.d
    at, (low, middle, high) = ready.places.astype(np.float32), ready.growth.T.astype(np.float32)
    band = {"color": faded(RANDOM, 0.0), "width": 0}
    sketch.add("scatter", x=at, y=low, mode="lines", line=band, hoverinfo="skip")
    sketch.add(
        "scatter", x=at, y=high, mode="lines", line=band, fill="tonexty",
        fillcolor=faded(RANDOM, 0.25), hoverinfo="skip",
    )  # fmt: skip
    sketch.add(
        "scatter", x=at, y=middle, mode="lines", name="median of pairs of reference texts",
        line={"color": RANDOM, "width": 1.5, "dash": "dash"},
        customdata=np.stack([low, high], axis=1),
        hovertemplate=(
            "pairs of reference texts, first %{x} directions<br>median %{y:.3f}, nine of ten from "
            "%{customdata[0]:.3f} to %{customdata[1]:.3f}<extra></extra>"
        ),
    )  # fmt: skip
    own = np.concatenate([[0.0], np.cumsum(report.contributions)])
    kept = np.concatenate([[0.0], np.cumsum(report.filtered_contributions)])
    for name, first, values in (("raw", 0, own), ("filtered", window.l, kept)):
        sketch.add(
            "scatter", x=np.arange(first, first + len(values), dtype=np.float32),
            y=values.astype(np.float32), mode="lines", name=f"this pair, {name}",
            line={"color": COLOURS[name], "width": 2.6},
            hovertemplate=f"this pair {name}, up to direction %{{x}}: %{{y:.3f}}<extra></extra>",
        )  # fmt: skip
    sketch.annotate(
        f"<b>this pair, raw {own[-1]:.2f}</b>", x=d, y=float(own[-1]), xanchor="right", yshift=12,
        font={"color": RAW},
    )  # fmt: skip
    sketch.annotate(
        f"<b>filtered {kept[-1]:.2f}</b>", x=(window.l + window.r) / 2,
        y=float(kept[len(kept) // 2]), xanchor="right", xshift=-8, yshift=8,
        font={"color": FILTERED},
    )  # fmt: skip
    # Over the band near its beginning, where neither line of the pair is.
    there = len(at) // 7
    sketch.annotate(
        "pairs of reference texts", x=float(at[there]), y=float(high[there]), yshift=11,
        font={"color": RANDOM},
    )  # fmt: skip
    sketch.shade_dropped(window)
    tops = (own.max(), kept.max(), high.max())
    lows = (own.min(), kept.min(), low.min(), 0.0)
    sketch.x(range=[0, d])
    sketch.y(range=[float(min(lows)) - 0.02, 1.12 * float(max(tops))])
    return sketch


def growth_figure(report: Pair, ready: ReferenceTexts, *, height: int = 380) -> "Figure":
    """:func:`growth_sketch` as a figure, for a notebook or a file."""
    return growth_sketch(report, ready, height=height).figure()


def growth_table(report: Pair) -> "pd.DataFrame":
    """Return what each direction adds to the raw and to the filtered cosine of this pair."""
    import pandas as pd

    window = report.window
    filtered = np.zeros(len(report.contributions))
    filtered[window.kept] = report.filtered_contributions
    return pd.DataFrame(
        {
            "direction": np.arange(window.d),
            "raw": report.contributions,
            "raw_so_far": np.cumsum(report.contributions),
            "filtered": filtered,
            "filtered_so_far": np.cumsum(filtered),
        }
    )


def matrix_sketch(found: TextMatrix, name: str, lowest: float, *, height: int = 0) -> Sketch:
    """The cosines of all texts with one another, the darker the more alike.

    Args:
        found: the cosines.
        name: which of them, by the names of ``COSINES``.
        lowest: the cosine where the colours begin, the same for what is to be compared.
        height: in pixels; enough for the texts if not given.

    Returns:
        the figure.
    """
    m = len(found.texts)
    sketch = Sketch(
        height=height or 110 + max(24 * m, 150), name=f"matrix-{name}-{m}",
        about=f"Cosines of all texts with one another, {name.replace('_', ', ')}",
    )  # fmt: skip
    sketch.update(margin={"l": 10, "r": 10, "t": 10, "b": 30})
    numbers = list(range(1, m + 1))
    small = {"family": MONOSPACE, "size": 11}
    sketch.add(
        "heatmap", z=found.cosines[name].astype(np.float32), x=numbers, y=numbers, xgap=1, ygap=1,
        zmin=lowest, zmax=1, colorscale=[[0, "#f3f4f5"], [1, COLOURS[name]]],
        colorbar={"thickness": 10, "outlinewidth": 0, "tickformat": ".2f"},
        texttemplate="%{z:.2f}" if m <= NUMBERS_IN_CELLS else "",
        textfont={"size": 11, "color": CELL_TEXT},
        hovertemplate="texts %{y} and %{x}: %{z:.3f}<extra></extra>",
    )  # fmt: skip
    sketch.x(
        tickmode="array", tickvals=numbers, ticktext=[str(i) for i in numbers], showgrid=False,
        fixedrange=True,
    )  # fmt: skip
    sketch.y(
        autorange="reversed", tickmode="array", tickvals=numbers, showgrid=False, fixedrange=True,
        ticktext=[f"{text_label(text, 14)} {i}" for i, text in enumerate(found.texts, start=1)],
        tickfont=small,
    )  # fmt: skip
    return sketch


def matrix_figure(found: TextMatrix, name: str, lowest: float, *, height: int = 0) -> "Figure":
    """:func:`matrix_sketch` as a figure, for a notebook or a file.

    Args:
        found: the cosines.
        name: which of them, ``raw`` or another name of ``COSINES``.
        lowest: where the scale of colours begins.
        height: in pixels.

    Returns:
        the figure.
    """
    return matrix_sketch(found, name, lowest, height=height).figure()


def lowest_of(found: TextMatrix, names: Sequence[str]) -> float:
    """The smallest cosine of some kinds, where the colours of all of them begin."""
    return float(min(found.cosines[name].min() for name in names))


def matrix_table(found: TextMatrix) -> "pd.DataFrame":
    """The cosines behind the matrices, one row a pair of texts."""
    import pandas as pd

    first, second = np.triu_indices(len(found.texts), k=1)
    return pd.DataFrame(
        {
            "first": first + 1,
            "second": second + 1,
            **{name: X[first, second] for name, X in found.cosines.items()},
            "first_text": [found.texts[i] for i in first],
            "second_text": [found.texts[i] for i in second],
        }
    )
