"""Figures of the Window laboratory: the τ curve, the plane of windows, the ablation."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from embfilter_viz.analyses.sweep import Sweep, WindowScore
from embfilter_viz.figures.palette import BULK, EDGE, FILTERED, RANDOM, RAW
from embfilter_viz.figures.style import blank, faded
from embfilter_viz.spectral.windows import Window

__all__ = [
    "ablation_figure",
    "ablation_table",
    "is_symmetric",
    "plane_figure",
    "tau_figure",
    "windows_table",
]

_NAMED_COLOURS = {
    "raw": RAW, "embedfilter": FILTERED, "random coordinates": RANDOM, "random subspace": RANDOM,
}  # fmt: skip

_INK = "#111417"
"""Of marks, each of which has a white edge or fill: they stand on cells of any colour."""


def is_symmetric(window: Window) -> bool:
    """Whether it is a window of some τ: head and tail alike, the tail longer by one at most.

    >>> is_symmetric(Window(2, 6, 8)), is_symmetric(Window(2, 5, 8)), is_symmetric(Window(3, 6, 8))
    (True, True, False)
    """
    return window.dropped_tail - window.dropped_head in (0, 1)


def tau_figure(found: Sweep, chosen: WindowScore | None = None, *, height: int = 380) -> go.Figure:
    """Score over τ of the symmetric windows, beside raw, and of the window on the strip.

    The bars are the intervals of the difference to raw, corrected for all windows: a window whose
    bar does not reach the dashed line differs from raw beyond noise.
    """
    figure = blank(
        height=height, x="τ = d / k, dimensions kept grow fewer to the right", y=found.measure,
        name="tau",
    )  # fmt: skip
    shown = sorted(
        (one for one in found.windows if is_symmetric(one.window)), key=lambda one: one.window.tau
    )
    taus = [one.window.tau for one in shown]
    ends = [min(taus, default=1), max(taus, default=1)]
    figure.add_scatter(
        x=ends, y=[found.raw.value] * 2, mode="lines+text", text=["", "raw"],
        textposition="bottom left", line={"color": RAW, "dash": "dash", "width": 2},
        hovertemplate=f"raw: {found.raw.value:.2f}<extra></extra>",
    )  # fmt: skip
    figure.add_scatter(
        x=taus, y=[one.score.value for one in shown], mode="lines+markers",
        line={"color": FILTERED, "width": 2.4}, marker={"size": 9},
        error_y={
            "type": "data", "symmetric": False, "color": faded(FILTERED, 0.6), "thickness": 1.5,
            "array": [one.corrected.high - one.corrected.value for one in shown],
            "arrayminus": [one.corrected.value - one.corrected.low for one in shown],
        },
        customdata=[[str(one.window), _hover(one)] for one in shown],
        hovertemplate="τ = %{x:.3g}, window %{customdata[1]}<extra></extra>",
    )  # fmt: skip
    if chosen is not None:
        # Its own d / k may lie beyond the curve's ends, and it need not be symmetric.
        figure.add_scatter(
            x=[chosen.window.tau], y=[chosen.score.value], mode="markers",
            marker={"symbol": "circle-open", "size": 17, "color": BULK, "line": {"width": 3}},
            customdata=[[str(chosen.window), _hover(chosen)]],
            hovertemplate="on the strip: window %{customdata[1]}<extra></extra>",
        )  # fmt: skip
    figure.update_xaxes(
        type="log", tickmode="array", tickvals=taus, ticktext=[f"{tau:.3g}" for tau in taus],
        showgrid=False,
    )  # fmt: skip
    return figure


def plane_figure(found: Sweep, chosen: Window | None = None, *, height: int = 560) -> go.Figure:
    """Difference to raw over the plane of windows; the paper's path, the best cells, the strip's.

    A dot marks a cell that differs from raw beyond noise, corrected for all that were tried.
    """
    d = found.tau_2.window.d
    figure = blank(
        height=height, x="strongest directions dropped, l", y="weakest directions dropped, d − r",
        name="plane", legend=True,
    )  # fmt: skip
    heads = sorted({one.window.dropped_head for one in found.windows})
    tails = sorted({one.window.dropped_tail for one in found.windows})
    z = np.full((len(tails), len(heads)), np.nan, dtype=np.float32)
    words, names = np.full((2, *z.shape), "", dtype=object)
    for one in found.windows:
        cell = tails.index(one.window.dropped_tail), heads.index(one.window.dropped_head)
        z[cell], words[cell], names[cell] = one.difference.value, _hover(one), str(one.window)
    # One very bad corner (a handful of directions) must not take the colours from the rest.
    limit = float(np.nanquantile(np.abs(z), 0.8)) or 1.0
    figure.add_heatmap(
        z=z, x=heads, y=tails, zmin=-limit, zmax=limit, text=words, customdata=names[..., None],
        colorscale=[[0, EDGE], [0.5, "#f3f4f5"], [1, FILTERED]],
        colorbar={"title": {"text": "to raw,<br>points"}, "thickness": 12, "outlinewidth": 0},
        hovertemplate="window %{text}<extra></extra>", showlegend=False, hoverongaps=False,
    )  # fmt: skip
    beyond = [
        one.window for one in found.windows if one.corrected.low > 0 or one.corrected.high < 0
    ]
    figure.add_scatter(
        x=[w.dropped_head for w in beyond], y=[w.dropped_tail for w in beyond], mode="markers",
        marker={"size": 5, "color": _INK, "line": {"width": 1, "color": "#ffffff"}},
        hoverinfo="skip", name="differs from raw beyond noise",
    )  # fmt: skip
    half = (d - 1) / 2
    for colour, width, dash in (("#ffffff", 4, "solid"), (_INK, 2, "dash")):
        figure.add_scatter(
            x=[0, half], y=[0, half], mode="lines", hoverinfo="skip", showlegend=False,
            line={"color": colour, "width": width, "dash": dash},
        )  # fmt: skip
    figure.add_annotation(
        x=0.98 * d, y=half, text="the paper's path: symmetric, by τ", showarrow=False,
        xanchor="right", yanchor="bottom",
    )  # fmt: skip
    marks = (
        (found.tau_2.window, "τ = 2", "diamond"),
        (found.best.window, "chosen on one half", "square"),
        (found.highest.window, "highest on all", "star"),
    )
    for window, name, symbol in marks:
        figure.add_scatter(
            x=[window.dropped_head], y=[window.dropped_tail], mode="markers",
            name=f"{name}: {window}", hoverinfo="skip",
            marker={"symbol": symbol, "size": 13, "color": "#ffffff",
                    "line": {"width": 2, "color": _INK}},
        )  # fmt: skip
    if chosen is not None:
        figure.add_scatter(
            x=[chosen.dropped_head], y=[chosen.dropped_tail], mode="markers", hoverinfo="skip",
            name=f"on the strip: {chosen}",
            marker={"symbol": "circle-open", "size": 17, "color": BULK, "line": {"width": 3}},
        )  # fmt: skip
    figure.update_layout(plot_bgcolor="rgba(127,135,144,0.12)", margin={"t": 70})
    figure.update_xaxes(showgrid=False)
    figure.update_yaxes(showgrid=False)
    return figure


def ablation_figure(found: Sweep, *, height: int = 430) -> go.Figure:
    """What each alternative gains or loses against raw, at equal dimensions, with intervals."""
    figure = blank(height=height, x=f"difference to raw, {found.measure}", name="ablation")
    shown = [one for one in found.baselines[::-1] if one.corrected is not None]
    figure.add_vline(x=0, line={"color": RAW, "dash": "dash", "width": 2})
    for one in shown:
        gain, score = one.corrected, one.score
        assert gain is not None
        assert score is not None
        known = _NAMED_COLOURS.get(one.name)
        figure.add_scatter(
            x=[gain.value], y=[one.name], mode="markers+text", text=[f"{score.value:.1f}"],
            textposition="top center", textfont={"size": 12},
            marker={"size": 11, "color": known or RAW, "symbol": "circle" if known else
                    "circle-open"},
            error_x={
                "type": "data", "symmetric": False, "array": [gain.high - gain.value],
                "arrayminus": [gain.value - gain.low], "color": known or RAW, "thickness": 2,
            },
            hovertemplate=(
                f"{one.name}, {one.dims} numbers: {score.value:.2f}, to raw {gain.value:+.2f} "
                f"({gain.low:+.2f} to {gain.high:+.2f})<extra></extra>"
            ),
        )  # fmt: skip
    figure.update_layout(margin={"l": 140})
    figure.update_yaxes(range=[-0.6, len(shown) - 0.3])
    return figure


def windows_table(found: Sweep) -> pd.DataFrame:
    """The numbers behind the curve and the plane, a row a window."""
    return pd.DataFrame(
        {
            "l": one.window.l,
            "r": one.window.r,
            "kept": one.window.k,
            "tau": one.window.tau,
            "score": one.score.value,
            "low": one.score.low,
            "high": one.score.high,
            "to_raw": one.difference.value,
            "to_raw_low": one.difference.low,
            "to_raw_high": one.difference.high,
            "to_raw_low_corrected": one.corrected.low,
            "to_raw_high_corrected": one.corrected.high,
        }
        for one in found.windows
    )


def ablation_table(found: Sweep) -> pd.DataFrame:
    """The alternatives, a row each, with the paper's figures of another model."""
    return pd.DataFrame(
        {
            "name": one.name,
            "removes": one.removes,
            "numbers": one.dims,
            "score": None if one.score is None else one.score.value,
            "to_raw": None if one.corrected is None else one.corrected.value,
            "to_raw_low": None if one.corrected is None else one.corrected.low,
            "to_raw_high": None if one.corrected is None else one.corrected.high,
            "least_seed": None if one.spread is None else one.spread[0],
            "greatest_seed": None if one.spread is None else one.spread[1],
            "calibrated_on": one.calibration,
            "not_scored": one.refusal,
            "paper_qwen2.5_0.5b_prompteol": found.paper.get(one.name),
        }
        for one in found.baselines
    )


def _hover(one: WindowScore) -> str:
    gain = one.corrected
    return (
        f"{one.window}, keeps {one.window.k}<br>score {one.score.value:.2f} "
        f"({one.score.low:.2f} to {one.score.high:.2f})<br>to raw {gain.value:+.2f} "
        f"({gain.low:+.2f} to {gain.high:+.2f}, corrected)"
    )
