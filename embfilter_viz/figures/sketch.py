"""A figure in the making: plain dictionaries until it is whole.

``plotly.graph_objects`` checks and copies what it holds with every trace and annotation it is
given: ten tokens on either side of the lens cost 60 ms that way and 1 ms this way, and a slider
pays it at every move. That our dictionaries are what Plotly takes is checked in the tests.
"""

import base64
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from embfilter_viz.figures.palette import EDGE
from embfilter_viz.figures.plotly_js import NO_UPLOAD
from embfilter_viz.spectral.windows import Window

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

__all__ = ["MONOSPACE", "Sketch"]

MONOSPACE = "'DejaVu Sans Mono', Menlo, Consolas, monospace"


TITLES: Mapping[str, Any] = {
    "layout": {axis: {"title": {"font": {"size": 13}}} for axis in ("xaxis", "yaxis")},
    "data": {"heatmap": [{"colorbar": {"title": {"font": {"size": 13}}}}]},
}
"""Titles of axes and of colour bars have one size, also those of further panels."""

_NUMBERS = frozenset({"i1", "i2", "i4", "u1", "u2", "u4", "f4", "f8"})
"""Kinds of numbers that Plotly reads in base64; others, such as int64, go as lists."""


class Sketch:
    """A figure with titled axes, our margins and nothing in it yet.

    ``name`` keeps the reader's zoom for as long as it stays the same (Plotly's ``uirevision``);
    ``about`` names the figure for whoever does not see it, where its axes do not.

    Args:
        height: in pixels.
        x: title of the x axis.
        y: title of the y axis.
        legend: whether there is one.
        name: what the figure is called.
        about: what it is called for whoever does not see it.

    >>> sketch = Sketch(height=200, x="direction", name="spectrum")
    >>> sketch.add("scatter", x=[0, 1], y=[2.0, 1.0])
    >>> sketch.annotate("two directions", x=0.5, y=1.5)
    >>> sketch.y(type="log")
    >>> figure = sketch.figure()
    >>> figure.data[0].y, figure.layout.yaxis.type, figure.layout.annotations[0].text
    ((2.0, 1.0), 'log', 'two directions')
    """

    def __init__(
        self,
        *,
        height: int,
        x: str = "",
        y: str = "",
        legend: bool = False,
        name: str = "",
        about: str = "",
    ) -> None:
        axis = {"showline": False, "zeroline": False, "ticks": "", "automargin": True}
        self.traces: list[dict[str, Any]] = []
        self.layout: dict[str, Any] = {
            "template": TITLES,
            "height": height,
            "margin": {"l": 60, "r": 24, "t": 40 if legend else 14, "b": 48},
            "xaxis": {"title": {"text": x}, **axis},
            "yaxis": {"title": {"text": y}, **axis},
            "showlegend": legend,
            "legend": {
                "orientation": "h",
                "y": 1.02,
                "yanchor": "bottom",
                "x": 0,
                "xanchor": "left",
                "traceorder": "reversed",
            },
            "uirevision": name or "kept",
            **({"meta": {"name": about}} if about else {}),
            "font": {"size": 13},
            "hoverlabel": {"font": {"family": MONOSPACE}},
            # Also where a notebook or a file draws the figure, with Plotly's own configuration.
            "modebar": {"remove": [NO_UPLOAD]},
        }

    def add(self, kind: str, **trace: Any) -> None:
        """Add a trace of a kind: ``scatter``, ``scattergl``, ``bar``, ``heatmap``."""
        self.traces.append({"type": kind, **trace})

    def annotate(self, text: str, *, x: float, y: float, **more: Any) -> None:
        """Write words at a point, without an arrow; ``text`` must be safe as Plotly text.

        Args:
            text: the words.
            x: where, on the x axis.
            y: where, on the y axis.
            more: what else Plotly should know of the annotation.
        """
        note = {"text": text, "x": x, "y": y, "showarrow": False, **more}
        self.layout.setdefault("annotations", []).append(note)

    def x(self, **more: Any) -> None:
        """Change the x axis."""
        _update(self.layout["xaxis"], more)

    def y(self, **more: Any) -> None:
        """Change the y axis."""
        _update(self.layout["yaxis"], more)

    def update(self, **more: Any) -> None:
        """Change the layout; what a nested dictionary does not name stays."""
        _update(self.layout, more)

    def shade_dropped(
        self, window: Window, *, relative: bool = False, over: str = "y domain"
    ) -> None:
        """Shade what the window drops of its d directions, or of the axis from 0 to 1.

        ``over`` is what is shaded from bottom to top: the first panel, or with ``paper`` all of
        them.
        """
        size, half = (window.d, 0.0) if relative else (1, 0.5)
        for low, high in ((0, window.l), (window.r, window.d)):
            if high > low:
                shape = {
                    "type": "rect", "xref": "x", "x0": low / size - half,
                    "x1": high / size - half, "yref": over, "y0": 0, "y1": 1,
                    "fillcolor": EDGE, "opacity": 0.1, "line": {"width": 0}, "layer": "below",
                }  # fmt: skip
                self.layout.setdefault("shapes", []).append(shape)

    def to_dict(self) -> dict[str, Any]:
        """Traces and layout as Plotly's own JSON has them, arrays of numbers in base64.

        What ``figure().to_dict()`` gives, without the object in between: for a page that draws
        at every move of a slider.

        >>> sketch = Sketch(height=200)
        >>> sketch.add("scatter", x=np.array([1, 2], dtype=np.int32))
        >>> sketch.to_dict()["data"][0]["x"]
        {'dtype': 'i4', 'bdata': 'AQAAAAIAAAA='}
        """
        return {"data": _packed(self.traces), "layout": _packed(self.layout)}

    def figure(self) -> "Figure":
        """The whole figure, for a notebook, a file or a page."""
        from plotly.graph_objects import Figure

        return Figure(data=self.traces, layout=self.layout, _validate=False)


def _packed(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _packed(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_packed(part) for part in value]
    if isinstance(value, np.generic):
        return value.item()
    if not isinstance(value, np.ndarray):
        return value
    if value.ndim != 1 or value.dtype.str[1:] not in _NUMBERS:
        return value.tolist()
    numbers = value.astype(value.dtype.newbyteorder("<"), copy=False)
    packed = base64.b64encode(numbers.tobytes()).decode("ascii")
    return {"dtype": value.dtype.str[1:], "bdata": packed}


def _update(known: dict[str, Any], more: Mapping[str, Any]) -> None:
    for name, value in more.items():
        if isinstance(value, Mapping) and isinstance(known.get(name), dict):
            _update(known[name], value)
        else:
            known[name] = value
