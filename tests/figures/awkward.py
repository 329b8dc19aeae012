"""Records with awkward tokens in them, made by hand."""

import plotly.graph_objects as go
import plotly.io as pio
import pytest

from embfilter_viz.analyses.tokens import Token

AWKWARD = (
    "<b>bold</b>",
    '<a href="x">y</a>',
    "$x^2$",
    "line\nbreak",
    "😀",
    "a&b",
    " the",
    "\u200b",
)
SHOWN = {
    "<b>bold</b>": "&lt;b&gt;bold&lt;/b&gt;",
    '<a href="x">y</a>': '&lt;a·href="x"&gt;y&lt;/a&gt;',
    "$x^2$": "&#36;x^2&#36;",
    "line\nbreak": "line⏎break",
    "😀": "😀",
    "a&b": "a&amp;b",
    " the": "·the",
    "\u200b": "⟨U+200B⟩",
}


@pytest.fixture
def tokens() -> tuple[Token, ...]:
    ranks = (0, 5, 99, 100, 3000, None, 17, 40)
    return tuple(
        Token(i, text, 8.0 - i, rank)
        for i, (text, rank) in enumerate(zip(AWKWARD, ranks, strict=True))
    )


def check_valid(figure: go.Figure) -> None:
    """Plotly takes every property of a figure that was made without asking it."""
    go.Figure(figure.to_dict(), skip_invalid=False)


def check_safe(figure: go.Figure) -> None:
    """No token of AWKWARD stands in the figure, which can be written and is what Plotly takes."""
    check_valid(figure)
    said = pio.to_json(figure)
    for raw in (
        "<a ",
        "<a\\",
        "\\u003ca ",
        "<b>bold",
        "\\u003cb\\u003ebold",
        "$x",
        "a&b",
        "\\u0026b",
    ):
        assert raw not in said, raw
    assert "line\\nbreak" not in said
    assert "\u200b" not in said


def shaded(figure: go.Figure) -> list[tuple[float, float]]:
    return [(s.x0, s.x1) for s in figure.layout.shapes if s.type == "rect"]


def texts_of(figure: go.Figure) -> list[str]:
    return [annotation.text for annotation in figure.layout.annotations]
