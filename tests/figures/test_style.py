import pytest

from embfilter_viz.figures.palette import COLOURS
from embfilter_viz.figures.sketch import Sketch
from embfilter_viz.figures.style import (
    frequency_scale,
    plain,
    text_label,
    token_label,
)
from embfilter_viz.spectral.windows import Window
from tests.figures.awkward import SHOWN, shaded


@pytest.mark.parametrize(("text", "shown"), SHOWN.items())
def test_tokens_are_shown_as_they_are(text: str, shown: str) -> None:
    assert token_label(text, 40) == shown


def test_long_tokens_are_cut_before_they_are_escaped() -> None:
    assert token_label("<" * 30, 4) == "&lt;&lt;&lt;…"
    assert token_label("abcd", 4) == "abcd"


def test_texts_keep_their_spaces_and_lose_their_lines() -> None:
    assert text_label(" A man\n plays <i>guitar</i> ") == "A man plays &lt;i&gt;guitar&lt;/i&gt;"
    assert len(text_label("x" * 500)) == 70
    assert plain("$&$") == "&#36;&amp;&#36;"


@pytest.mark.parametrize(
    ("window", "rectangles"),
    [
        ((2, 6), [(-0.5, 1.5), (5.5, 7.5)]),
        ((0, 6), [(5.5, 7.5)]),
        ((2, 8), [(-0.5, 1.5)]),
        ((0, 8), []),
    ],
)
def test_what_is_dropped_is_shaded(window: tuple[int, int], rectangles: list[object]) -> None:
    sketch = Sketch(height=100)
    sketch.shade_dropped(Window(*window, 8))
    assert shaded(sketch.figure()) == rectangles


def test_frequency_colours_run_from_end_to_end() -> None:
    scale = frequency_scale([0, 9, 99, None, 10**9], ("#000000", "#ffffff"), 100)
    assert scale[0] == "#000000"
    assert scale[2:] == ["#ffffff"] * 3
    assert "#000000" < scale[1] < "#ffffff"


def test_every_meaning_has_its_own_colour() -> None:
    assert set(COLOURS) == {
        "edge", "bulk", "raw", "filtered", "frequent", "infrequent", "random",
    }  # fmt: skip
    assert len(set(COLOURS.values())) == len(COLOURS)
