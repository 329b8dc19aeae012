"""Figures of the leaderboard: every method beside raw, and the weights of the reweighting."""

from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from embfilter_viz.analyses.leaderboard import AS_THEY_ARE, Leaderboard, Place
from embfilter_viz.analyses.methods import METHODS, WINDOW
from embfilter_viz.embeddings.interval import Interval
from embfilter_viz.figures.palette import BULK, FILTERED, RANDOM, RAW
from embfilter_viz.figures.sketch import Sketch
from embfilter_viz.figures.style import blank, plain
from embfilter_viz.spectral.windows import Window
from embfilter_viz.wording import fixed, signed, spanned

__all__ = ["leaderboard_figure", "leaderboard_table", "weights_figure", "weights_table"]


def leaderboard_figure(found: Leaderboard, chosen: str | None = None) -> go.Figure:
    """Each method's difference to raw with its corrected interval, the highest score on top.

    A full dot learns from no text, an open one from calibration texts; a square is a model that was
    trained for embeddings. A ring marks the method that is ``chosen``. A dotted line stands where
    the window does.
    """
    shown = [one for one in found.places[::-1] if one.score is not None]
    figure = blank(
        height=90 + 24 * len(shown), x=f"difference to raw, {found.measure}", name="leaderboard"
    )
    figure.add_vline(x=0, line={"color": RAW, "dash": "dash", "width": 2})
    own = found.place(WINDOW)
    if own.to_raw is not None:
        figure.add_vline(x=own.to_raw.value, line={"color": FILTERED, "dash": "dot", "width": 2})
    for one in shown:
        gap, score = one.to_raw or Interval(0.0, 0.0, 0.0), one.score
        assert score is not None
        colour = _colour(one)
        bars: dict[str, Any] = {"visible": False}
        if one.to_raw is not None and gap.known:
            bars = {
                "type": "data", "symmetric": False, "array": [gap.high - gap.value],
                "arrayminus": [gap.value - gap.low],
            }  # fmt: skip
        symbol = "square" if one.trained else "circle-open" if one.calibration else "circle"
        figure.add_scatter(
            x=[gap.value], y=[plain(one.name)], mode="markers",
            marker={"size": 10, "color": colour, "symbol": symbol,
                    "line": {"width": 2, "color": colour}},
            error_x={"color": colour, "thickness": 2, **bars},
            customdata=[[one.name]], hovertemplate=f"{_hover(one)}<extra></extra>",
        )  # fmt: skip
        if one.name == chosen:
            figure.add_scatter(
                x=[gap.value], y=[plain(one.name)], mode="markers", hoverinfo="skip",
                marker={"size": 20, "color": BULK, "symbol": "circle-open", "line": {"width": 3}},
            )  # fmt: skip
        figure.add_annotation(
            x=1, xref="paper", xanchor="left", xshift=6, y=plain(one.name), showarrow=False,
            text=fixed(score.value, 1),
        )  # fmt: skip
    figure.update_layout(margin={"l": 230, "r": 60, "t": 20})
    figure.update_yaxes(range=[-0.6, len(shown) - 0.4])
    return figure


def _colour(one: Place) -> str:
    if one.name in METHODS and METHODS[one.name].draws > 1:
        return RANDOM
    if one.does == AS_THEY_ARE and not one.trained:
        return RAW
    return FILTERED if one.calibration is None else RAW


def _hover(one: Place) -> str:
    assert one.score is not None
    words = f"{plain(one.name)}, {one.dims} numbers: {fixed(one.score.value, 2)}"
    words += f"<br>a text takes {one.cost.words}" if one.cost.forwards > 1 else ""
    for gap, name in ((one.to_raw, "raw"), (one.to_window, "the window")):
        if gap is not None:
            ends = spanned(gap.low, gap.high, 2, sign=True)
            words += f"<br>difference to {name} {signed(gap.value, 2)} ({ends})"
    return words


def leaderboard_table(found: Leaderboard) -> pd.DataFrame:
    """The numbers behind the figure, a row a method."""

    def ends(name: str, one: Interval | None) -> dict[str, float | None]:
        values = (None,) * 3 if one is None else (one.value, one.low, one.high)
        return dict(zip((name, f"{name}_low", f"{name}_high"), values, strict=True))

    return pd.DataFrame(
        {
            "method": one.name,
            "does": one.does,
            "removes": one.removes,
            "numbers": one.dims,
            **ends("score", one.score),
            **ends("to_raw", one.to_raw),
            **ends("to_window", one.to_window),
            "least_draw": None if one.spread is None else one.spread[0],
            "greatest_draw": None if one.spread is None else one.spread[1],
            "calibrated_on": one.calibration,
            "trained_for_embeddings": one.trained,
            "prompt": one.prompt,
            "forwards_per_text": one.cost.forwards,
            "generated_tokens_per_text": one.cost.generated,
            "not_scored": one.refusal,
        }
        for one in found.places
    )


def weights_figure(weights: np.ndarray, window: Window, *, height: int = 260) -> go.Figure:
    """The weight of every direction of the centred W_U, beside the window's, which is 0 or 1.

    Args:
        weights: (d,) the largest 1.
        window: the directions that the window keeps, of the same number.
        height: pixels.
    """
    sketch = Sketch(
        height=height, x="direction i of centred W_U, largest σ first",
        y="weight, largest 1", name="weights",
    )  # fmt: skip
    sketch.add(
        "scatter", x=np.arange(len(weights)), y=np.asarray(weights, dtype=np.float32), mode="lines",
        line={"color": FILTERED, "width": 2.2}, name="reweighting",
        hovertemplate="i = %{x}<br>weight %{y:.3f}<extra></extra>",
    )  # fmt: skip
    sketch.shade_dropped(window)
    sketch.y(type="log", dtick=1, exponentformat="power")
    return sketch.figure()


def weights_table(weights: np.ndarray, window: Window) -> pd.DataFrame:
    """The weight of every direction, and whether the window keeps it."""
    i = np.arange(len(weights))
    kept = (i >= window.l) & (i < window.r)
    return pd.DataFrame({"direction": i, "weight": weights, "kept_by_window": kept})
