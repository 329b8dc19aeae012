"""How every figure looks: quiet axes, direct labels, tokens in a monospaced face."""

import html
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from embfilter_viz.figures.palette import EDGE
from embfilter_viz.figures.sketch import MONOSPACE, Sketch
from embfilter_viz.models.head.vocabulary import visible
from embfilter_viz.wording import legible

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

__all__ = [
    "MONOSPACE",
    "blank",
    "faded",
    "frequency_scale",
    "plain",
    "shade_dropped",
    "text_label",
    "token_label",
]


def blank(
    *, height: int, x: str = "", y: str = "", legend: bool = False, name: str = "", **layout: Any
) -> "Figure":
    """A figure with nothing in it, titled axes and our margins; see :class:`Sketch`.

    Args:
        height: in pixels.
        x: title of the x axis.
        y: title of the y axis.
        legend: whether there is one.
        name: what the figure is called.
        layout: what else Plotly's layout should have.

    Returns:
        the figure.
    """
    sketch = Sketch(height=height, x=x, y=y, legend=legend, name=name)
    sketch.update(**layout)
    return sketch.figure()


def token_label(text: str, width: int = 18) -> str:
    """A token for a figure: white space made visible, cut to ``width``, safe as Plotly text.

    >>> token_label(" <b>")
    '·&lt;b&gt;'
    """
    shown = visible(text)
    if len(shown) > width:
        shown = shown[: width - 1] + "…"
    return plain(shown)


def text_label(text: str, width: int = 70) -> str:
    r"""A text for a figure: on one line, cut to ``width``, safe as Plotly text.

    >>> text_label("one\n two & more", 12)
    'one two &amp; m…'
    """
    # One more than there is room for tells that there is more; a character never becomes none.
    shown = " ".join(text.split())[: width + 1]
    if not (shown.isascii() and shown.isprintable()):
        shown = "".join(c if c == " " else visible(c) for c in shown)
    if len(shown) > width:
        shown = shown[: width - 1] + "…"
    return plain(shown)


def plain(text: str) -> str:
    """Text that Plotly shows as it is: no tags, no links, no formula and no value of a point.

    What cannot be seen is :func:`~embfilter_viz.wording.legible`.

    >>> plain("<b>$x$ %{y}")
    '&lt;b&gt;&#36;x&#36; %&#123;y}'
    """
    safe = html.escape(legible(text), quote=False)
    return safe.replace("$", "&#36;").replace("%{", "%&#123;")


def faded(colour: str, opacity: float) -> str:
    """A colour of the palette, see-through.

    >>> faded("#D55E00", 0.2)
    'rgba(213,94,0,0.2)'
    """
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},{opacity:g})"


def shade_dropped(figure: "Figure", left: int, right: int, size: int, **more: Any) -> None:
    """Shade what the window ``left:right`` drops of ``size`` directions on the x axis.

    Args:
        figure: what to shade.
        left: the window's left end, l.
        right: its right end, r.
        size: how many directions there are.
        more: what else Plotly should know of the shapes.
    """
    for low, high in ((0, left), (right, size)):
        if high > low:
            figure.add_vrect(
                x0=low - 0.5, x1=high - 0.5, fillcolor=EDGE, opacity=0.1, line_width=0,
                layer="below", **more,
            )  # fmt: skip


def frequency_scale(ranks: Sequence[int | None], colours: tuple[str, str], size: int) -> list[str]:
    """A colour for each token by the logarithm of its frequency rank.

    Args:
        ranks: frequency ranks, 0 = most frequent, ``None`` where unknown.
        colours: of the most and of the least frequent token.
        size: d_vocab, where the scale ends.

    >>> frequency_scale([0, 99], ("#000000", "#ffffff"), 100)
    ['#000000', '#ffffff']
    """
    first, last = (np.array([int(c[i : i + 2], 16) for i in (1, 3, 5)]) for c in colours)
    known = np.array([size if rank is None else rank for rank in ranks], dtype=float)
    share = np.minimum(np.log1p(known) / np.log(max(size, 2)), 1.0)
    mixed = np.rint(first + (last - first) * share[:, None]).astype(int)
    return [f"#{red:02x}{green:02x}{blue:02x}" for red, green, blue in mixed.tolist()]
