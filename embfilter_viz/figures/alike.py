"""How alike two texts are among the pairs of other texts, before and after the filter."""

from typing import TYPE_CHECKING

import numpy as np

from embfilter_viz.analyses.pair import Pair
from embfilter_viz.analyses.reference import ReferenceTexts
from embfilter_viz.figures.guess import guess_line
from embfilter_viz.figures.palette import FILTERED, RAW
from embfilter_viz.figures.sketch import Sketch
from embfilter_viz.figures.style import faded

if TYPE_CHECKING:
    import pandas as pd
    from plotly.graph_objects import Figure

__all__ = ["alike_figure", "alike_sketch", "alike_table"]

BINS = 48
"""Of a histogram of the pairs' cosines."""

ROWS = (("raw", "raw", RAW), ("filtered", "filtered", FILTERED))
"""Which cosines are drawn, their words and their colours, from top to bottom."""


def alike_sketch(
    report: Pair, ready: ReferenceTexts, *, guess: float | None = None, height: int = 300
) -> Sketch:
    """Two hills, the cosines of all pairs of other texts, each with this pair's own as a line.

    Args:
        report: the two texts under a window.
        ready: the texts they are compared with.
        guess: a reader's guess of the raw cosine, drawn as a dotted line.
        height: in pixels.

    Returns:
        the figure.
    """
    sketch = Sketch(height=height, x="cosine", name="alike")
    sketch.update(margin={"l": 24, "t": 10})
    among = ready.cosines(report.window)
    low = min(0.0, *(float(among[name].min()) for name, _, _ in ROWS), *report.cosine.values())
    for number, (name, words, colour) in enumerate(ROWS):
        base = 1.25 * (len(ROWS) - 1 - number)
        counts, edges = np.histogram(among[name], bins=BINS, range=(low - 0.02, 1.0))
        hill = base + counts / max(counts.max(), 1)
        at = np.repeat(edges, 2)[1:-1].astype(np.float32)
        flat = np.full(len(at), base, np.float32)
        sketch.add("scatter", x=at, y=flat, mode="lines", hoverinfo="skip",
                   line={"width": 0, "color": colour})  # fmt: skip
        sketch.add(
            "scatter", x=at, y=np.repeat(hill, 2).astype(np.float32), mode="lines",
            line={"width": 1, "color": colour}, fill="tonexty", fillcolor=faded(colour, 0.3),
            hoverinfo="skip",
        )  # fmt: skip
        own = report.cosine[name]
        sketch.add(
            "scatter", x=[own, own], y=[base, base + 1.06], mode="lines+markers",
            name=f"these two, {words}",
            line={"width": 3, "color": colour},
            marker={"size": [0, 11], "symbol": "diamond", "color": colour},
            hovertemplate=f"these two, {words}: {own:z.3f}<extra></extra>", cliponaxis=False,
        )  # fmt: skip
        # On the side of the line where the hill is not.
        side, shift = ("right", -9) if own < among[name].mean() else ("left", 9)
        sketch.annotate(
            f"<b>{words} {own:z.2f}</b>", x=own, y=base + 0.98, xanchor=side, xshift=shift,
            font={"color": colour},
        )  # fmt: skip
    top = 1.25 * len(ROWS) + (0.0 if guess is None else 0.3)
    if guess is not None:
        guess_line(sketch, guess, top=top)
    sketch.x(range=[low - 0.03, 1.03], tickformat=".1f", fixedrange=True)
    sketch.y(range=[-0.04, top], showticklabels=False, showgrid=False, fixedrange=True)
    return sketch


def alike_figure(
    report: Pair, ready: ReferenceTexts, *, guess: float | None = None, height: int = 300
) -> "Figure":
    """:func:`alike_sketch` as a figure, for a notebook or a file.

    Args:
        report: the pair.
        ready: the texts that it is compared with.
        guess: the reader's guess, if there is one.
        height: in pixels.

    Returns:
        the figure.
    """
    return alike_sketch(report, ready, guess=guess, height=height).figure()


def alike_table(report: Pair, ready: ReferenceTexts) -> "pd.DataFrame":
    """The cosines behind the hills: those of the two texts first, then those of all pairs."""
    import pandas as pd

    among = ready.cosines(report.window)
    return pd.DataFrame(
        {
            "pair": ["these two", *["other texts"] * ready.n_pairs],
            **{name: [report.cosine[name], *among[name].tolist()] for name, _, _ in ROWS},
        }
    )
