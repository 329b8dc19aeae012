"""A reader's guess, drawn into the figure that answers it: a dotted line with a name."""

import math

from embfilter_viz.figures.palette import INFREQUENT
from embfilter_viz.figures.sketch import Sketch

__all__ = ["GUESS", "guess_level", "guess_line", "guess_span"]

GUESS = INFREQUENT
"""Colour of guesses: that of the rarest tokens, which stands in none of these figures."""


def guess_line(
    sketch: Sketch, value: float, *, top: float, words: str = "your guess", digits: int = 2
) -> None:
    """A vertical dotted line at the guess, named at its upper end.

    Args:
        sketch: the figure, whose x axis has the unit of the guess.
        value: the guess.
        top: where the y axis ends.
        words: its name.
        digits: decimals it is written with.

    >>> sketch = Sketch(height=100)
    >>> guess_line(sketch, 0.2, top=1.0)
    >>> sketch.traces[0]["x"], sketch.layout["annotations"][0]["text"]
    ([0.2, 0.2], '<b>your guess 0.20</b>')
    """
    sketch.add(
        "scatter", x=[value, value], y=[0.0, top], mode="lines", cliponaxis=False,
        line={"dash": "dot", "width": 2.5, "color": GUESS},
        hovertemplate=f"{words}: %{{x:.{digits}f}}<extra></extra>", showlegend=False,
    )  # fmt: skip
    left, right = sketch.layout["xaxis"].get("range", (0.0, 1.0))
    side = "right" if value > (left + right) / 2 else "left"
    sketch.annotate(
        f"<b>{words} {value:z.{digits}f}</b>", x=value, y=top, yanchor="top", xanchor=side,
        xshift=-7 if side == "right" else 7, font={"color": GUESS},
    )  # fmt: skip


def guess_level(
    sketch: Sketch, value: float, *, words: str = "your guess", log: bool = False
) -> None:
    """A horizontal dotted line at the guess over the whole width, named at its right end.

    Args:
        sketch: the figure, whose y axis has the unit of the guess.
        value: the guess.
        words: its name.
        log: whether the y axis is logarithmic.

    >>> sketch = Sketch(height=100)
    >>> guess_level(sketch, 100.0, log=True)
    >>> sketch.layout["shapes"][0]["y0"], sketch.layout["annotations"][0]["y"]
    (100.0, 2.0)
    """
    sketch.layout.setdefault("shapes", []).append(
        {
            "type": "line", "xref": "paper", "x0": 0, "x1": 1, "yref": "y", "y0": value,
            "y1": value, "line": {"dash": "dot", "width": 2.5, "color": GUESS},
        }
    )  # fmt: skip
    sketch.annotate(
        f"<b>{words}</b>", x=1, xref="paper", xanchor="right", yshift=11,
        y=math.log10(value) if log else value, font={"color": GUESS},
    )  # fmt: skip


def guess_span(sketch: Sketch, left: float, right: float, *, words: str = "your guess") -> None:
    """A dotted frame from ``left`` to ``right`` on the x axis, over the whole height.

    Args:
        sketch: the figure to draw in.
        left: where the frame begins.
        right: where it ends.
        words: what is written at it.

    >>> sketch = Sketch(height=100)
    >>> guess_span(sketch, 0, 5)
    >>> sketch.layout["shapes"][0]["x1"]
    5
    """
    sketch.layout.setdefault("shapes", []).append(
        {
            "type": "rect", "xref": "x", "x0": left, "x1": right, "yref": "y domain", "y0": 0.01,
            "y1": 0.99, "line": {"dash": "dot", "width": 2.5, "color": GUESS},
        }
    )  # fmt: skip
    sketch.annotate(
        f"<b>{words}</b>", x=(left + right) / 2, y=0.98, yref="y domain", yanchor="top",
        font={"color": GUESS},
    )  # fmt: skip
