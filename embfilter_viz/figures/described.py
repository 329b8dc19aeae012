"""A figure in words, for whoever does not see it: its name, and what its lines and cells show.

A screen reader says the name where it meets the figure, and the words when asked for more. Both are
made of what the figure holds, traces and layout, so that they cannot say anything else than it.
"""

import base64
import html
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from embfilter_viz.figures.plotly_js import Drawing
from embfilter_viz.figures.sketch import Sketch
from embfilter_viz.wording import counted, listed

__all__ = ["MOST", "Described", "described"]

MOST = 12
"""Sentences about traces, and words written into the figure, that are given; the CSV has all."""

_DIGITS = 4
"""Significant digits of a number."""


@dataclass(frozen=True)
class Described:
    """A figure's name and its content in words."""

    name: str
    """What its axes are."""
    words: str
    """One sentence a trace, what is shaded, and what is written into it."""


def described(figure: Drawing) -> Described:
    """Put a figure into words.

    A figure without titles of axes says its own name in ``layout.meta["name"]``.

    Args:
        figure: traces of the kinds ``scatter``, ``scattergl``, ``bar`` and ``heatmap``.

    >>> sketch = Sketch(height=200, x="direction", y="singular value")
    >>> sketch.add("scatter", x=[0, 1, 2], y=[4.0, 2.0, 1.0], mode="lines", name="a model")
    >>> found = described(sketch)
    >>> found.name
    'singular value by direction'
    >>> found.words
    'a model: singular value from 4 at direction 0 to 1 at direction 2.'
    """
    if isinstance(figure, Sketch):
        traces, layout = figure.traces, figure.layout
    else:
        whole = figure.to_dict()
        traces, layout = whole["data"], whole["layout"]
    said = [_trace(trace, _panel(layout, trace)) for trace in traces]
    said = list(dict.fromkeys(filter(None, said)))
    more = [f"And {len(said) - MOST:,} more."] if len(said) > MOST + 1 else []
    shown = said[:MOST] if more else said
    sentences = [*shown, *more, *_shaded(layout), *_written(layout)]
    return Described(_name(layout, traces), " ".join(sentences) or "There is nothing in it.")


@dataclass(frozen=True)
class _Panel:
    """The axes of a trace: their titles, how numbers stand on them, the words of their ticks."""

    x: str = ""
    y: str = ""
    x_format: str = ""
    y_format: str = ""
    x_ticks: Mapping[float, str] | None = None
    y_ticks: Mapping[float, str] | None = None


def _panel(layout: Mapping[str, Any], trace: Mapping[str, Any]) -> _Panel:
    """The axes that a trace names, ``x`` and ``y2`` for example."""
    x, y = (layout.get(_axis(trace.get(f"{one}axis") or one)) or {} for one in "xy")
    return _Panel(
        _title(x), _title(y), x.get("tickformat") or "", y.get("tickformat") or "",
        _ticks(x), _ticks(y),
    )  # fmt: skip


def _axis(name: str) -> str:
    """An axis by its name in the layout.

    >>> _axis("x"), _axis("y2")
    ('xaxis', 'yaxis2')
    """
    return f"{name[0]}axis{name[1:]}"


def _title(axis: Mapping[str, Any]) -> str:
    title = axis.get("title") or ""
    words = title if isinstance(title, str) else title.get("text") or ""
    return _plain(re.split(r"<br>|, largest σ first", words)[0])


def _ticks(axis: Mapping[str, Any]) -> dict[float, str] | None:
    if axis.get("tickmode") != "array" or axis.get("ticktext") is None:
        return None
    return dict(zip(_values(axis["tickvals"]), map(_plain, axis["ticktext"]), strict=False))


def _name(layout: Mapping[str, Any], traces: Sequence[Mapping[str, Any]]) -> str:
    meta = layout.get("meta")
    if isinstance(meta, Mapping) and meta.get("name"):
        return _plain(meta["name"])
    names = []
    for trace in traces:
        panel = _panel(layout, trace)
        axes = " by ".join(filter(None, (panel.y, panel.x)))
        colour = _bar_title(trace) if trace.get("type") == "heatmap" else ""
        names.append(": ".join(filter(None, (colour, axes))))
    # Further panels often leave out what the first one says.
    names = [
        n for n in dict.fromkeys(filter(None, names)) if not any(f" by {n}" in o for o in names)
    ]
    colours = [name for name in names if ": " in name]
    return listed(colours or names) if names else "figure"


def _trace(trace: Mapping[str, Any], panel: _Panel) -> str:
    """One sentence; none for what only helps the eye."""
    aside = trace.get("hoverinfo") == "skip" and not trace.get("name")
    if trace.get("visible") is False or aside:
        return ""
    kind = trace.get("type", "scatter")
    if kind == "heatmap":
        return _cells(trace, panel)
    x, y = _values(trace.get("x")), _values(trace.get("y"))
    if len(x) == 0 or len(y) == 0:
        return ""
    name = _plain(trace.get("name") or "")
    if kind == "bar":
        flat = trace.get("orientation") == "h"
        return _each(trace, name or panel.x * flat or panel.y, x, y, panel, of_x=flat)
    if len(x) == 1:
        return _point(trace, name, x[0], y[0], panel)
    mode = trace.get("mode", "lines")
    if "text" in mode and trace.get("text") is not None:
        return _texts(name, trace["text"])
    if "lines" in mode:
        return _line(name, x, y, panel)
    if len(x) <= MOST and trace.get("hoverinfo") != "skip":
        flat = any(isinstance(one, str) for one in y)  # rows with names, numbers along x
        return _each(trace, name or panel.x * flat or panel.y, x, y, panel, of_x=flat)
    return f"{name or 'Points'}: {counted(len(x), 'point')}."


def _texts(name: str, texts: Sequence[str]) -> str:
    """Words at points: all of them, or the last where there are many."""
    words = [*filter(None, map(_plain, texts))]
    shown = ", ".join(words[-MOST:])
    said = shown if len(words) <= MOST else f"{len(words):,} words, the last {shown}"
    return f"{name}: {said}." if name else f"{said}."


def _each(
    trace: Mapping[str, Any],
    name: str,
    x: np.ndarray,
    y: np.ndarray,
    panel: _Panel,
    *,
    of_x: bool = False,
) -> str:
    """Bars or points: each of a few with what it stands at, or the least and the greatest.

    Args:
        trace: Plotly's trace.
        name: what the trace is called.
        x: (n,) what stands on the x axis.
        y: (n,) what stands on the y axis.
        panel: its axes.
        of_x: whether the values are on the x axis.

    Returns:
        the sentence; empty if no value is known.
    """
    values, labels = (x, y) if of_x else (y, x)
    say, label = (_x, _y) if of_x else (_y, _x)
    known = np.flatnonzero(np.isfinite(values.astype(float)))
    if len(known) == 0:
        return ""
    said = [f"{say(values[i], panel)} at {label(labels[i], panel)}" for i in known[: MOST + 1]]
    if len(known) <= MOST:
        return f"{name or 'value'}: {', '.join(said)}."
    low, high = known[values[known].argmin()], known[values[known].argmax()]
    kind = "bar" if trace.get("type") == "bar" else "point"
    return (
        f"{name or 'value'}: {counted(len(values), kind)} from {say(values[low], panel)} at "
        f"{label(labels[low], panel)} to {say(values[high], panel)} at "
        f"{label(labels[high], panel)}."
    )


def _line(name: str, x: np.ndarray, y: np.ndarray, panel: _Panel) -> str:
    if not (_numeric(x) and _numeric(y)):
        return f"{name}: {counted(len(x), 'point')}." if name else ""
    if (
        x == x[0]
    ).all():  # upright: it marks a place, which is written beside it where it has no name
        return f"{name}: {panel.x or 'x'} {_x(x[0], panel)}." if name else ""
    known = np.flatnonzero(np.isfinite(x.astype(float)) & np.isfinite(y.astype(float)))
    if len(known) == 0:
        return ""
    (x_first, x_last), (first, last) = x[known[[0, -1]]], y[known[[0, -1]]]
    low, high = y[known].min(), y[known].max()
    words = (
        f"{name or 'A line'}: {panel.y or 'value'} from {_y(first, panel)} at {panel.x or 'x'} "
        f"{_x(x_first, panel)} to {_y(last, panel)} at {panel.x or 'x'} {_x(x_last, panel)}"
    )
    if low < min(first, last):
        words += f", least {_y(low, panel)} at {_x(x[known][y[known].argmin()], panel)}"
    if high > max(first, last):
        words += f", greatest {_y(high, panel)} at {_x(x[known][y[known].argmax()], panel)}"
    return f"{words}."


def _point(trace: Mapping[str, Any], name: str, x: Any, y: Any, panel: _Panel) -> str:
    bar = trace.get("error_x") or trace.get("error_y")
    of_x = bool(trace.get("error_x")) or isinstance(y, str)
    label, value, say = (
        (name or _y(y, panel), x, _x) if of_x else (name or _x(x, panel), y, _y)
    )  # fmt: skip
    if isinstance(value, str) or value is None or not np.isfinite(float(value)):
        return ""
    words = f"{label}: {say(value, panel)}"
    if of_x and panel.x:
        words = f"{panel.x}, {words}"
    if not bar and not isinstance(x, str) and not isinstance(y, str):
        return f"{name}: {panel.x} {_x(x, panel)}, {panel.y} {_y(y, panel)}." if name else ""
    if bar and bar.get("array") is not None:
        up = float(_values(bar["array"])[0])
        minus = bar.get("arrayminus")
        down = up if minus is None else float(_values(minus)[0])
        if np.isfinite([up, down]).all():
            words += f" ({say(value - down, panel)} to {say(value + up, panel)})"
    return f"{words}."


def _cells(trace: Mapping[str, Any], panel: _Panel) -> str:
    z = np.asarray(_values(trace.get("z")), dtype=float)
    if z.ndim != 2 or not np.isfinite(z).any():
        return ""
    x, y = _values(trace.get("x")), _values(trace.get("y"))
    words = f"{z.shape[0]} rows by {z.shape[1]} columns"
    if panel.x and panel.y:
        words += f", {panel.y} by {panel.x}"
    ends = []
    for at in (np.nanargmin(z), np.nanargmax(z)):
        row, column = np.unravel_index(at, z.shape)
        place = f"{_y(y[row], panel)}, {_x(x[column], panel)}" if len(x) and len(y) else ""
        ends.append(f"{z[row, column]:.{_DIGITS}g}" + (f" ({place})" if place else ""))
    return f"{words}: {_bar_title(trace) or 'value'} from {ends[0]} to {ends[1]}."


def _bar_title(trace: Mapping[str, Any]) -> str:
    title = (trace.get("colorbar") or {}).get("title") or {}
    words = title if isinstance(title, str) else title.get("text") or ""
    return _plain(words.replace("<br>", " "))


def _shaded(layout: Mapping[str, Any]) -> list[str]:
    """Return what is dropped, as pages shade it."""
    spans = [
        f"{shape['x0']:.{_DIGITS}g} to {shape['x1']:.{_DIGITS}g}"
        for shape in layout.get("shapes") or ()
        if shape.get("type") == "rect" and shape.get("layer") == "below"
    ]
    return [f"Shaded: {listed(list(dict.fromkeys(spans)))}."] if spans else []


def _written(layout: Mapping[str, Any]) -> list[str]:
    words = [_plain(note.get("text") or "") for note in layout.get("annotations") or ()]
    words = list(dict.fromkeys(filter(None, words)))
    if not words:
        return []
    more = f" and {len(words) - MOST} more" if len(words) > MOST else ""
    return [f"Written in it: {'; '.join(words[:MOST])}{more}."]


def _x(value: Any, panel: _Panel) -> str:
    return _number(value, panel.x_format, panel.x_ticks)


def _y(value: Any, panel: _Panel) -> str:
    return _number(value, panel.y_format, panel.y_ticks)


def _number(value: Any, tickformat: str, ticks: Mapping[float, str] | None) -> str:
    """A number or a category as its axis has it.

    >>> _number(0.25, ".0%", None), _number(1, "", {1.0: "raw"}), _number(-0.0, "", None)
    ('25.0%', 'raw', '0')
    """
    if isinstance(value, str):
        return _plain(value)
    if ticks is not None and value in ticks:
        return ticks[value]
    if tickformat.endswith("%"):
        return f"{float(value):.1%}"
    return f"{float(value) + 0.0:.{_DIGITS}g}"  # + 0: no sign of zero


def _numeric(values: np.ndarray) -> bool:
    return values.dtype.kind in "iuf"


def _plain(words: str) -> str:
    """Plotly's text without its tags, as it is read."""
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", str(words))).split())


def _values(given: Any) -> np.ndarray:
    """Return what a trace holds of an axis: an array, a list, or Plotly's base64."""
    if given is None:
        return np.array([])
    if isinstance(given, Mapping):
        shape = given.get("shape")
        found = np.frombuffer(base64.b64decode(given["bdata"]), dtype=np.dtype(given["dtype"]))
        return found.reshape([int(n) for n in str(shape).split(",")]) if shape else found
    found = np.asarray(given)
    return found if found.dtype.kind in "iufb" else np.array(given, dtype=object)
