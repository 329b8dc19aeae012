"""What each band of the spectrum gives to every cosine, beside what it knows of the topic."""

from typing import TYPE_CHECKING

import numpy as np

from embfilter_viz.embeddings.anatomy import Anatomy, Band
from embfilter_viz.figures.palette import BULK, RANDOM, RAW
from embfilter_viz.figures.sketch import Sketch
from embfilter_viz.spectral.windows import Window

if TYPE_CHECKING:
    import pandas as pd
    from plotly.graph_objects import Figure

__all__ = ["anatomy_figure", "anatomy_sketch", "anatomy_table"]


def anatomy_sketch(
    found: Anatomy, window: Window, *, own: np.ndarray | None = None, height: int = 430
) -> Sketch:
    """Bars for what bands add to the cosine of any pair, and below them the AUC of each.

    Each band is as wide as its directions; what the window drops is shaded. Without labels there
    is no AUC and no second panel.

    Args:
        found: the bands.
        window: what the filter keeps.
        own: (m,) what the bands add to one pair, drawn as diamonds; none if not given.
        height: in pixels.

    Returns:
        the figure.
    """
    told = all(band.auc is not None for band in found.bands)
    sketch = Sketch(
        height=height if told else height * 6 // 10, x="direction i, largest σ first",
        y="what it adds to a cosine", name="anatomy",
    )  # fmt: skip
    _bars(sketch, found.bands, own)
    seen = [*_ends(found), *([] if own is None else own.tolist())]
    # Room for the number over the tallest bar.
    sketch.y(rangemode="tozero", range=[min(0.0, *seen), 1.22 * max(seen)])
    if own is not None:
        _own(sketch, found.bands, own)
    if told:
        _aucs(sketch, found.bands, window.d)
    sketch.shade_dropped(window, over="paper")
    sketch.x(range=[-0.5, window.d - 0.5])
    return sketch


def _ends(found: Anatomy) -> list[float]:
    """Lower and upper ends of the bars with their standard deviations."""
    return [band.mean.value + sign * band.spread.value for band in found.bands for sign in (-1, 1)]


def _bars(sketch: Sketch, bands: tuple[Band, ...], own: np.ndarray | None) -> None:
    middle = [(band.left + band.right - 1) / 2 for band in bands]
    mean = [band.mean.value for band in bands]
    spread = [band.spread.value for band in bands]
    sketch.add(
        "bar", x=middle, y=mean, width=[band.right - band.left for band in bands],
        name="mean over pairs",
        marker={"color": RAW, "line": {"width": 1, "color": "rgba(255,255,255,0.6)"}},
        error_y={"type": "data", "array": spread, "thickness": 1.5, "width": 4},
        customdata=[
            [band.left, band.right - 1, band.mean.low, band.mean.high, band.spread.value]
            for band in bands
        ],
        hovertemplate=(
            "directions %{customdata[0]} to %{customdata[1]}<br>add %{y:.3f} on average "
            "(%{customdata[2]:.3f} to %{customdata[3]:.3f})"
            "<br>standard deviation over pairs %{customdata[4]:.3f}<extra></extra>"
        ),
    )  # fmt: skip
    tops = np.add(mean, spread)
    if own is not None:
        tops = np.maximum(tops, own + 0.03 * max(own.max(), tops.max()))  # above the diamonds
    sketch.add(
        "scatter", x=middle, y=tops.tolist(), mode="text",
        text=[f"<b>{value:.2f}</b>" for value in mean], textposition="top center",
        hoverinfo="skip", cliponaxis=False,
    )  # fmt: skip


def _own(sketch: Sketch, bands: tuple[Band, ...], own: np.ndarray) -> None:
    """Draw what the bands add to one pair, beside the mean."""
    sketch.add(
        "scatter", x=[(2 * band.left + band.right - 1) / 3 for band in bands], y=own.tolist(),
        mode="markers", name="this pair",
        marker={"symbol": "diamond", "size": 10, "color": BULK,
                "line": {"width": 1.5, "color": "rgba(255,255,255,0.8)"}},
        customdata=[[band.left, band.right - 1] for band in bands],
        hovertemplate="directions %{customdata[0]} to %{customdata[1]}<br>add %{y:.3f} to this "
        "pair<extra></extra>",
    )  # fmt: skip


def _aucs(sketch: Sketch, bands: tuple[Band, ...], d: int) -> None:
    """The second panel: a dot, its interval and the width of its band."""
    known = [(band, band.auc) for band in bands if band.auc is not None]
    sketch.update(
        xaxis={"anchor": "y2"},
        yaxis={"domain": [0.5, 1]},
        yaxis2={
            "title": {"text": "AUC of topic"}, "domain": [0, 0.42],
            "anchor": "x", "showline": False, "zeroline": False, "automargin": True,
            "range": [min(0.45, *(auc.low for _, auc in known)) - 0.02,
                      max(0.8, *(auc.high for _, auc in known)) + 0.05],
        },
    )  # fmt: skip
    sketch.add(
        "scatter", x=[-0.5, d - 0.5], y=[0.5, 0.5], yaxis="y2", mode="lines",
        line={"color": RANDOM, "dash": "dash", "width": 1.5}, hoverinfo="skip",
    )  # fmt: skip
    sketch.annotate("chance", x=d / 2, y=0.5, yref="y2", font={"color": RANDOM}, yshift=-9)
    across = [(band.left - 0.5, band.right - 0.5, None) for band, _ in known]
    sketch.add(
        "scatter", x=[x for ends in across for x in ends],
        y=[y for _, auc in known for y in (auc.value, auc.value, None)], yaxis="y2", mode="lines",
        line={"color": RAW, "width": 2.4}, hoverinfo="skip",
    )  # fmt: skip
    sketch.add(
        "scatter", x=[(band.left + band.right - 1) / 2 for band, _ in known],
        y=[auc.value for _, auc in known], yaxis="y2", mode="markers",
        marker={"color": RAW, "size": 8},
        error_y={
            "type": "data", "symmetric": False, "thickness": 2, "color": RAW,
            "array": [auc.high - auc.value for _, auc in known],
            "arrayminus": [auc.value - auc.low for _, auc in known],
        },
        customdata=[[band.left, band.right - 1, auc.low, auc.high] for band, auc in known],
        hovertemplate=(
            "directions %{customdata[0]} to %{customdata[1]}<br>AUC %{y:.3f} "
            "(%{customdata[2]:.3f} to %{customdata[3]:.3f})<extra></extra>"
        ),
    )  # fmt: skip
    sketch.add(
        "scatter", x=[(band.left + band.right - 1) / 2 for band, _ in known],
        y=[auc.high for _, auc in known], yaxis="y2", mode="text",
        text=[f"{auc.value:.2f}" for _, auc in known], textposition="top center",
        hoverinfo="skip", cliponaxis=False,
    )  # fmt: skip


def anatomy_figure(found: Anatomy, window: Window, *, height: int = 430) -> "Figure":
    """:func:`anatomy_sketch` as a figure, for a notebook or a file."""
    return anatomy_sketch(found, window, height=height).figure()


def anatomy_table(found: Anatomy, own: np.ndarray | None = None) -> "pd.DataFrame":
    """The numbers behind the bands, one row a band; ``own`` (m,) is what they add to one pair."""
    import pandas as pd

    rows = []
    for number, band in enumerate(found.bands):
        row: dict[str, float] = {
            "first_direction": band.left, "last_direction": band.right - 1
        }  # fmt: skip
        if own is not None:
            row["this_pair"] = own[number]
        row |= {"mean": band.mean.value, "mean_low": band.mean.low, "mean_high": band.mean.high}
        row["sd"] = band.spread.value
        if band.auc is not None:
            row |= {"auc": band.auc.value, "auc_low": band.auc.low, "auc_high": band.auc.high}
        rows.append(row)
    return pd.DataFrame(rows)
