"""Figures of the Window laboratory: the τ curve, the plane of windows, the ablation."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from embfilter_viz.analyses.ablation import SEEDS
from embfilter_viz.analyses.sweep import Sweep, WindowScore
from embfilter_viz.embeddings.interval import Interval
from embfilter_viz.figures.palette import BULK, EDGE, FILTERED, RANDOM, RAW
from embfilter_viz.figures.style import blank, faded
from embfilter_viz.spectral.windows import Window
from embfilter_viz.wording import fixed, signed, spanned

__all__ = [
    "ablation_figure",
    "ablation_table",
    "cell_of",
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
    """Tell whether it is a window of some τ: both ends lose as many, the weak one up to one more.

    >>> is_symmetric(Window(2, 6, 8)), is_symmetric(Window(2, 5, 8)), is_symmetric(Window(3, 6, 8))
    (True, True, False)
    """
    return window.dropped_weak - window.dropped_strong in (0, 1)


def tau_figure(found: Sweep, chosen: WindowScore | None = None, *, height: int = 380) -> go.Figure:
    """Score over τ of the symmetric windows, beside raw, and of the window on the strip.

    The bars are the intervals of the difference to raw, corrected for all that was compared: a
    window whose bar does not reach the dashed line differs from raw beyond noise. Windows that are
    not symmetric, as the paper's for Mistral, stand beside the curve.
    """
    figure = blank(
        height=height, x="τ = d / k; fewer dimensions are kept to the right", y=found.measure,
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
    others = [one for one in found.windows if not is_symmetric(one.window)]
    for some, mode, symbol in ((shown, "lines+markers", "circle"), (others, "markers", "diamond")):
        if not some:
            continue
        figure.add_scatter(
            x=[one.window.tau for one in some], y=[one.score.value for one in some], mode=mode,
            line={"color": FILTERED, "width": 2.4}, marker={"size": 9, "symbol": symbol},
            error_y={
                "color": faded(FILTERED, 0.6), "thickness": 1.5,
                **_bars([one.corrected for one in some]),
            },
            customdata=[[str(one.window), _hover(one)] for one in some],
            hovertemplate="d / k = %{x:.3g}, window %{customdata[1]}<extra></extra>",
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

    A dot marks a cell that differs from raw beyond noise, corrected for all that was compared.
    Windows whose ends are not on the grid stand as triangles.
    """
    d = found.tau_2.window.d
    on_grid, others = _by_grid(found)
    figure = blank(
        height=height, x="directions dropped at the strong end, l",
        y="directions dropped at the weak end, d − r", name="plane", legend=True,
    )  # fmt: skip
    weak, strong = _sides(on_grid)
    z = np.full((len(weak), len(strong)), np.nan, dtype=np.float32)
    words, names = np.full((2, *z.shape), "", dtype=object)
    for one in on_grid:
        cell = weak.index(one.window.dropped_weak), strong.index(one.window.dropped_strong)
        z[cell], words[cell], names[cell] = one.difference.value, _hover(one), str(one.window)
    # One very bad corner (a handful of directions) must not take the colours from the rest.
    limit = float(np.nanquantile(np.abs(z), 0.8)) or 1.0
    scale = [[0, EDGE], [0.5, "#f3f4f5"], [1, FILTERED]]
    figure.add_heatmap(
        z=z, x=strong, y=weak, zmin=-limit, zmax=limit, text=words, customdata=names[..., None],
        colorscale=scale,
        colorbar={"title": {"text": "to raw,<br>points"}, "thickness": 12, "outlinewidth": 0},
        hovertemplate="window %{text}<extra></extra>", showlegend=False, hoverongaps=False,
    )  # fmt: skip
    beyond = [
        one.window for one in found.windows if one.corrected.low > 0 or one.corrected.high < 0
    ]
    figure.add_scatter(
        x=[w.dropped_strong for w in beyond], y=[w.dropped_weak for w in beyond], mode="markers",
        marker={"size": 5, "color": _INK, "line": {"width": 1, "color": "#ffffff"}},
        hoverinfo="skip", name="differs from raw beyond noise",
    )  # fmt: skip
    if others:
        figure.add_scatter(
            x=[one.window.dropped_strong for one in others],
            y=[one.window.dropped_weak for one in others], mode="markers",
            marker={
                "symbol": "triangle-up", "size": 12, "cmin": -limit, "cmax": limit,
                "color": [one.difference.value for one in others], "colorscale": scale,
                "line": {"width": 1.5, "color": _INK},
            },
            text=[_hover(one) for one in others],
            customdata=[[str(one.window)] for one in others],
            hovertemplate="window %{text}<extra></extra>", name="other windows",
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
            x=[window.dropped_strong], y=[window.dropped_weak], mode="markers",
            name=f"{name}: {window}", hoverinfo="skip",
            marker={"symbol": symbol, "size": 13, "color": "#ffffff",
                    "line": {"width": 2, "color": _INK}},
        )  # fmt: skip
    if chosen is not None:
        figure.add_scatter(
            x=[chosen.dropped_strong], y=[chosen.dropped_weak], mode="markers", hoverinfo="skip",
            name=f"on the strip: {chosen}",
            marker={"symbol": "circle-open", "size": 17, "color": BULK, "line": {"width": 3}},
        )  # fmt: skip
    figure.update_layout(plot_bgcolor="rgba(127,135,144,0.12)", margin={"t": 70})
    figure.update_xaxes(showgrid=False)
    figure.update_yaxes(showgrid=False)
    return figure


def ablation_figure(
    found: Sweep, own: WindowScore | None = None, *, height: int = 460
) -> go.Figure:
    """Return what each alternative gains or loses against raw, at equal dimensions, with intervals.

    All are of the size of the paper's window at τ = 2, which the figure names; the window on the
    strip, ``own``, stands below them where it was scored.
    Where chance has a part the dot is the mean over the draws, and a thin line reaches from the
    least of them to the greatest.
    """
    figure = blank(height=height, x=f"difference to raw, {found.measure}", name="ablation")
    papers = found.tau_2.window
    figure.add_annotation(
        x=0, y=1, xref="paper", yref="paper", xanchor="left", yanchor="bottom", showarrow=False,
        text=f"<b>embedfilter: {papers}, τ = 2; {papers.k} of {papers.d} dimensions</b>",
        font={"size": 13},
    )  # fmt: skip
    shown = [one for one in found.baselines[::-1] if one.corrected is not None]
    if own is not None:
        figure.add_scatter(
            x=[own.corrected.value], y=[_strip_name(own)], mode="markers+text",
            text=[fixed(own.score.value, 1)], textposition="top center", textfont={"size": 12},
            marker={"size": 13, "color": BULK, "symbol": "circle-open", "line": {"width": 3}},
            error_x={"color": BULK, "thickness": 2, **_bars([own.corrected])},
            hovertemplate=f"on the strip: {_hover(own)}<extra></extra>",
        )  # fmt: skip
    figure.add_vline(x=0, line={"color": RAW, "dash": "dash", "width": 2})
    for one in shown:
        gain, score = one.corrected, one.score
        assert gain is not None
        assert score is not None
        known = _NAMED_COLOURS.get(one.name)
        words = f"{one.name}, {one.dims} numbers: {fixed(score.value, 2)}, difference to raw "
        words += f"{signed(gain.value, 2)} ({spanned(gain.low, gain.high, 2, sign=True)})"
        if one.spread is not None:
            least, greatest = (end - score.value + gain.value for end in one.spread)
            words += f"<br>{SEEDS} draws: {spanned(least, greatest, 2, sign=True)}"
            figure.add_scatter(
                x=[least, greatest], y=[one.name] * 2, mode="lines+markers", hoverinfo="skip",
                line={"color": known or RAW, "width": 1},
                marker={"symbol": "line-ns-open", "size": 9},
            )  # fmt: skip
        figure.add_scatter(
            x=[gain.value], y=[one.name], mode="markers+text", text=[fixed(score.value, 1)],
            textposition="top center", textfont={"size": 12},
            marker={"size": 11, "color": known or RAW, "symbol": "circle" if known else
                    "circle-open"},
            error_x={"color": known or RAW, "thickness": 2, **_bars([gain])},
            hovertemplate=f"{words}<extra></extra>",
        )  # fmt: skip
    figure.update_layout(margin={"l": 140, "t": 34})
    figure.update_yaxes(range=[-0.6, len(shown) + (own is not None) - 0.3])
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


def _strip_name(own: WindowScore) -> str:
    return f"strip, {own.window}"


def ablation_table(found: Sweep, own: WindowScore | None = None) -> pd.DataFrame:
    """The alternatives, a row each, with the paper's figures of another model; the strip last."""
    papers = found.tau_2.window
    rows: list[dict[str, Any]] = [
        {
            "name": one.name,
            "window": str(papers) if one.name == "embedfilter" else None,
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
    ]
    if own is not None:
        rows.append(
            {
                "name": _strip_name(own),
                "window": str(own.window),
                "numbers": own.window.k,
                "score": own.score.value,
                "to_raw": own.corrected.value,
                "to_raw_low": own.corrected.low,
                "to_raw_high": own.corrected.high,
            }
        )
    return pd.DataFrame(rows)


def _by_grid(found: Sweep) -> tuple[list[WindowScore], list[WindowScore]]:
    """Windows both of whose ends are edges of the plane, where some end and some begin; others."""
    d = found.tau_2.window.d
    begins = {one.window.l for one in found.windows} | {d}
    ends = {one.window.r for one in found.windows} | {0}
    edges = begins & ends
    is_on = [{one.window.l, one.window.r} <= edges for one in found.windows]
    sides: tuple[list[WindowScore], list[WindowScore]] = ([], [])
    for one, on in zip(found.windows, is_on, strict=True):
        sides[0 if on or not any(is_on) else 1].append(one)
    return sides


def _sides(on_grid: Sequence[WindowScore]) -> tuple[list[int], list[int]]:
    """Return what the rows of the plane drop at the weak end, and its columns at the strong one."""
    windows = [one.window for one in on_grid]
    return sorted({w.dropped_weak for w in windows}), sorted({w.dropped_strong for w in windows})


def cell_of(found: Sweep, window: Window) -> tuple[int, int]:
    """Row and column of the plane's cell whose window is next to ``window``."""
    on_grid, _ = _by_grid(found)
    weak, strong = _sides(on_grid)
    near = min(
        (one.window for one in on_grid), key=lambda w: abs(w.l - window.l) + abs(w.r - window.r)
    )
    return weak.index(near.dropped_weak), strong.index(near.dropped_strong)


def _bars(intervals: Sequence[Interval]) -> dict[str, Any]:
    """Bars to the ends of intervals; none where there are none."""
    if not all(one.known for one in intervals):
        return {"visible": False}
    return {
        "type": "data", "symmetric": False,
        "array": [one.high - one.value for one in intervals],
        "arrayminus": [one.value - one.low for one in intervals],
    }  # fmt: skip


def _hover(one: WindowScore) -> str:
    gain, score = one.corrected, one.score
    return (
        f"{one.window}, keeps {one.window.k}<br>score {fixed(score.value, 2)} "
        f"({spanned(score.low, score.high, 2)})<br>difference to raw {signed(gain.value, 2)} "
        f"({spanned(gain.low, gain.high, 2, sign=True)}, corrected)"
    )
