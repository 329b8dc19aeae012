"""Figures in words, against what stands in them."""

import numpy as np
import pytest

from embfilter_viz.figures.described import MOST, described
from embfilter_viz.figures.sketch import Sketch
from embfilter_viz.spectral.windows import Window


def test_a_line_is_told_from_its_first_to_its_last_and_where_it_is_least_and_greatest() -> None:
    sketch = Sketch(height=200, x="direction", y="shift")
    y = np.array([3.0, 9.0, np.nan, -1.0, 2.0], dtype=np.float32)
    sketch.add("scattergl", x=np.arange(5), y=y, mode="lines", name="a &lt;b&gt; <b>c</b>")
    found = described(sketch)
    assert found.name == "shift by direction"
    assert found.words == (
        "a <b> c: shift from 3 at direction 0 to 2 at direction 4, least -1 at 3, greatest 9 at 1."
    )
    assert described(sketch.figure()) == found, "packed into base64 it says the same"


def test_what_the_window_drops_and_what_is_written_are_told_once() -> None:
    sketch = Sketch(height=200, x="direction", y="shift")
    sketch.shade_dropped(Window(2, 6, 8))
    sketch.annotate("<b>chance</b>", x=0, y=0)
    sketch.annotate("<b>chance</b>", x=1, y=0)
    assert described(sketch).words == ("Shaded: -0.5 to 1.5 and 5.5 to 7.5. Written in it: chance.")


def test_a_dot_with_its_interval_and_bars_by_the_words_of_their_ticks() -> None:
    sketch = Sketch(height=200, x="cosine")
    sketch.add(
        "scatter", x=[0.5], y=["raw"], mode="markers",
        error_x={"array": [0.25], "arrayminus": [0.125]},
    )  # fmt: skip
    assert described(sketch).words == "cosine, raw: 0.5 (0.375 to 0.75)."
    bars = Sketch(height=200, x="tokens")
    bars.add("bar", x=[3, 1], y=[0, 1], orientation="h")
    bars.y(tickmode="array", tickvals=[0, 1], ticktext=["raw", "20 random<br>subspaces"])
    assert described(bars).words == "tokens: 3 at raw, 1 at 20 random subspaces."
    many = Sketch(height=200, x="logit")
    many.add("bar", x=np.arange(30.0) - 10, y=np.arange(30), orientation="h")
    assert described(many).words == "logit: 30 bars from -10 at 0 to 19 at 29."


def test_points_in_rows_with_names_are_told_by_their_numbers_along_x() -> None:
    sketch = Sketch(height=100, x="difference", name="points")
    sketch.add("scatter", x=[1.5, -2.0], y=["first", "second"], mode="markers", name="holds")
    assert "holds: 1.5 at first, -2 at second." in described(sketch).words


def test_a_map_is_told_by_its_least_and_greatest_cell() -> None:
    sketch = Sketch(height=200, x="second text", y="first text")
    z = np.array([[1.0, np.nan], [0.5, 0.25]], dtype=np.float32)
    sketch.add("heatmap", z=z, x=["A", "B"], y=[1, 2], colorbar={"title": {"text": "co<br>sine"}})
    found = described(sketch)
    assert found.name == "co sine: first text by second text"
    assert found.words == (
        "2 rows by 2 columns, first text by second text: co sine from 0.25 (2, B) to 1 (1, A)."
    )
    assert described(sketch.figure()) == found


def test_a_second_panel_has_its_own_axes_and_a_figure_without_titles_its_own_name() -> None:
    sketch = Sketch(height=200, x="direction", y="adds")
    sketch.update(yaxis2={"title": {"text": "AUC"}, "anchor": "x", "tickformat": ".0%"})
    sketch.add("scatter", x=[1, 2], y=[0.5, 0.75], mode="markers", yaxis="y2")
    found = described(sketch)
    assert (found.name, found.words) == ("AUC by direction", "AUC: 50.0% at 1, 75.0% at 2.")
    tokens = Sketch(height=200, about="Top tokens, raw and filtered")
    tokens.add(
        "scatter", x=[0, 0], y=[0, 1], mode="markers+text", text=["·a\u00a0", ""], name="raw"
    )
    found = described(tokens.figure())
    assert (found.name, found.words) == ("Top tokens, raw and filtered", "raw: ·a.")


def test_helpers_of_the_eye_are_left_out_and_of_many_traces_a_few_are_told() -> None:
    sketch = Sketch(height=200, x="x", y="y")
    sketch.add("scatter", x=[0, 1], y=[0, 1], mode="lines", hoverinfo="skip")
    sketch.add("scatter", x=[], y=[], mode="markers", name="none yet")
    assert described(sketch).words == "There is nothing in it."
    for number in range(MOST + 3):
        sketch.add("scatter", x=[0, 1], y=[0, 1], mode="lines", name=f"line {number}")
    words = described(sketch).words
    assert words.count("line ") == MOST
    assert words.endswith("And 3 more.")


@pytest.mark.parametrize("constant", [0.25, -0.0])
def test_an_upright_line_is_told_by_its_place(constant: float) -> None:
    sketch = Sketch(height=200, x="cosine")
    sketch.add("scatter", x=[constant, constant], y=[0, 1], mode="lines", name="these two")
    assert described(sketch).words == f"these two: cosine {abs(constant):g}."
