"""Two runs side by side: their scores, and what lies between them."""

import math

import pandas as pd
import plotly.graph_objects as go

from embfilter_viz.analyses.compare import Comparison, Side
from embfilter_viz.embeddings.isotropy import Interval
from embfilter_viz.figures.palette import BULK, FILTERED, RAW
from embfilter_viz.figures.style import blank, plain
from embfilter_viz.wording import fixed, signed, spanned

__all__ = ["comparison_figure", "comparison_table", "comparison_words"]


def comparison_figure(found: Comparison, *, height: int = 260) -> go.Figure:
    """Both scores with their intervals, and on a scale of its own the paired difference."""
    figure = blank(height=height, x=found.measure, name="comparison")
    rows = (("first", found.first.score), ("second", found.second.score))
    for name, score in rows:
        _dot(figure, name, score, RAW if name == "first" else FILTERED, "x")
    _dot(figure, "second − first", found.difference, BULK, "x2")
    figure.update_layout(
        xaxis={"domain": [0, 0.56]},
        xaxis2={
            "domain": [0.64, 1], "title": {"text": "difference, points"}, "anchor": "y",
            "showline": False, "ticks": "", "zeroline": False,
        },
        margin={"l": 110},
    )  # fmt: skip
    figure.add_shape(
        type="line", x0=0, x1=0, y0=0, y1=1, xref="x2", yref="paper",
        line={"color": RAW, "dash": "dash", "width": 2},
    )  # fmt: skip
    figure.update_yaxes(
        categoryorder="array", categoryarray=["second − first", "second", "first"],
        range=[-0.6, 2.6], showgrid=False,
    )  # fmt: skip
    return figure


def comparison_table(found: Comparison) -> pd.DataFrame:
    """The measures of both runs and their differences, a row a measure.

    Only the score's difference has an interval of its own: it is paired.
    """
    rows = [
        {
            "measure": found.measure,
            **_ends("first", found.first.score), **_ends("second", found.second.score),
            **_ends("difference", found.difference),
        }
    ]  # fmt: skip
    for name, first in _measures(found.first).items():
        second = _measures(found.second)[name]
        gap = Interval(second.value - first.value, math.nan, math.nan)
        rows.append(
            {"measure": name, **_ends("first", first), **_ends("second", second),
             **_ends("difference", gap)}
        )  # fmt: skip
    return pd.DataFrame(rows)


def comparison_words(found: Comparison) -> pd.DataFrame:
    """The same for the eye: each number with its interval in brackets."""
    table = comparison_table(found)
    return pd.DataFrame(
        {
            "measure": table["measure"],
            **{
                side: [
                    _in_words(*row)
                    for row in table[[side, f"{side}_low", f"{side}_high"]].itertuples(index=False)
                ]
                for side in ("first", "second", "difference")
            },
        }
    )


def _measures(side: Side) -> dict[str, Interval]:
    spread = side.isotropy
    return {
        **{name: _bare(value) for name, value in side.more.items()},
        "mean cosine": spread.mean_cosine,
        "IsoScore": spread.isoscore,
        "effective rank": spread.effective_rank,
        "dimensions": _bare(side.window.k),
        "forward passes a text": _bare(side.cost.forwards),
        "tokens generated a text": _bare(side.cost.generated),
    }


def _bare(value: float) -> Interval:
    return Interval(float(value), math.nan, math.nan)


def _ends(name: str, value: Interval) -> dict[str, float]:
    return {name: value.value, f"{name}_low": value.low, f"{name}_high": value.high}


def _in_words(value: float, low: float, high: float) -> str:
    """A number to four digits, with its interval where it has one.

    >>> _in_words(80.3565, 75.0, 85.0), _in_words(288.0, math.nan, math.nan)
    ('80.36 [75, 85]', '288')
    """
    return f"{value:z.4g}" + ("" if math.isnan(low) else f" [{low:z.4g}, {high:z.4g}]")


def _dot(figure: go.Figure, name: str, value: Interval, colour: str, axis: str) -> None:
    figure.add_scatter(
        x=[value.value], y=[name], xaxis=axis, mode="markers+text",
        text=[signed(value.value, 1) if axis == "x2" else fixed(value.value, 1)],
        textposition="top center", marker={"size": 12, "color": colour},
        error_x={"visible": False} if not value.known else {
            "type": "data", "symmetric": False, "array": [value.high - value.value],
            "arrayminus": [value.value - value.low], "color": colour, "thickness": 2.4,
        },
        hovertemplate=(
            f"{plain(name)}: {fixed(value.value, 2)} ({spanned(value.low, value.high, 2)})"
            "<extra></extra>"
        ),
    )  # fmt: skip
