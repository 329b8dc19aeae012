"""Figures of Start and the lesson: they show the record, and the guess stands where it was made."""

import html
from pathlib import Path

import numpy as np
import pytest

from embfilter_viz.analyses.geometry import RANDOM
from embfilter_viz.analyses.lesson import Lesson, lesson
from embfilter_viz.analyses.worth import CONTROLS, MISTAKEN
from embfilter_viz.data import UNRELATED_PAIR
from embfilter_viz.export.lesson_sheet import lesson_sheet
from embfilter_viz.figures import alike, average_token, spectrum, worth
from embfilter_viz.figures import lesson as figures
from embfilter_viz.figures.anatomy import anatomy_figure, anatomy_sketch
from embfilter_viz.figures.guess import GUESS
from embfilter_viz.model import Model, open_model
from embfilter_viz.models.head.vocabulary import visible
from embfilter_viz.spectral.windows import Window
from tests.figures.awkward import check_valid, shaded, texts_of

WINDOW = Window(8, 24, 32)


@pytest.fixture(scope="module")
def model(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Model:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EMBFILTER_VIZ_CACHE", str(tmp_path_factory.mktemp("figures")))
        return open_model(str(tiny))


@pytest.fixture(scope="module")
def found(model: Model) -> Lesson:
    return lesson(model, UNRELATED_PAIR, "mean", WINDOW)


def test_hills_and_lines(found: Lesson) -> None:
    figure = alike.alike_figure(found.pair, found.others, guess=0.25)
    check_valid(figure)
    lines = [trace for trace in figure.data if trace.mode == "lines+markers"]
    assert [line.x[0] for line in lines] == [found.pair.cosine[n] for n in ("raw", "filtered")]
    (guess,) = (trace for trace in figure.data if trace.line.color == GUESS)
    assert list(guess.x) == [0.25, 0.25]
    assert "<b>your guess 0.25</b>" in texts_of(figure)
    table = alike.alike_table(found.pair, found.others)
    assert len(table) == 1 + found.others.n_pairs
    assert table["raw"][0] == found.pair.cosine["raw"]
    np.testing.assert_allclose(table["filtered"][1:], found.others.cosines(WINDOW)["filtered"])


def test_tokens_in_common(found: Lesson) -> None:
    figure = figures.common_sketch(found.alike, guess=3).figure()
    check_valid(figure)
    bars = [trace.x[0] for trace in figure.data if trace.type == "bar"]
    assert found.alike.random is not None
    assert bars == [found.alike.random.common.value, *found.alike.common[::-1]]
    assert "<b>your guess 3</b>" in texts_of(figure)
    assert len(figures.common_table(found.alike)) == 40


def test_the_guess_of_a_ratio_is_the_level_it_puts_the_last_value_at(found: Lesson) -> None:
    curve = [("tiny", found.spectrum.spectrum)]
    figure = spectrum.spectrum_figure(curve, WINDOW, guess=20)
    check_valid(figure)
    (line,) = (shape for shape in figure.layout.shapes if shape.type == "line")
    assert line.y0 == pytest.approx(found.spectrum.spectrum.singular_values[0] / 20)


def test_the_guess_of_an_end_is_framed(found: Lesson) -> None:
    spans = figures.ends_spans("both", 32)
    figure = average_token.shift_figure(found.shifts, WINDOW, guess=spans)
    check_valid(figure)
    framed = [shape for shape in figure.layout.shapes if shape.line.color == GUESS]
    assert [(shape.x0, shape.x1) for shape in framed] == [(-0.5, 2.5), (28.5, 31.5)]


def test_shares_of_ends_and_middle(found: Lesson) -> None:
    figure = figures.share_sketch(found.pair, guess=50).figure()
    check_valid(figure)
    ends, between, _ = figure.data
    assert ends.x[0] == pytest.approx(found.answers[4])
    assert ends.x[0] + between.x[0] == pytest.approx(100)
    assert ends.x[1] == pytest.approx(100 * 2 / 32)
    assert figures.share_table(found.pair)["share"].sum() == pytest.approx(1)


def test_the_anatomy_shows_the_pair_beside_the_mean(found: Lesson) -> None:
    own = found.pair.bands
    figure = anatomy_sketch(found.pair.anatomy, WINDOW, own=own).figure()
    check_valid(figure)
    (diamonds,) = (
        trace for trace in figure.data
        if trace.type == "scatter" and trace.mode == "markers" and trace.marker.symbol == "diamond"
    )  # fmt: skip
    assert list(diamonds.y) == own.tolist()
    assert len(figure.data) == 1 + len(anatomy_figure(found.pair.anatomy, WINDOW).data)
    assert shaded(figure) == [(-0.5, 7.5), (23.5, 31.5)]


def test_windows_as_points(found: Lesson) -> None:
    figure = figures.by_eye_sketch(found.by_eye, guess=40.0).figure()
    check_valid(figure)
    assert len(figure.data[0].x) == len(found.by_eye.grid)
    own = figure.data[-1]
    assert (own.x[0], own.y[0]) == (found.by_eye.chosen.cosine, found.by_eye.chosen.score)
    assert "<b>your guess 40.0</b>" in texts_of(figure)
    assert figures.by_eye_table(found.by_eye)["window"][0] == "8:24"


def test_scores_with_their_intervals(found: Lesson) -> None:
    figure = worth.worth_figure(found.worth, (*CONTROLS, *MISTAKEN), guess=RANDOM)
    check_valid(figure)
    values = [trace.x[0] for trace in figure.data]
    names = [*CONTROLS, *MISTAKEN]
    assert values == [found.worth.scores[name].score.value for name in reversed(names)]
    (frame,) = figure.layout.shapes
    assert frame.y0 < names[::-1].index(RANDOM) < frame.y1
    number = worth.worth_figure(found.worth, guess=12.5)
    assert "<b>your guess 12.5</b>" in texts_of(number)
    assert worth.worth_table(found.worth)["variant"].tolist() == list(found.worth.scores)


def test_the_teachers_sheet_holds_questions_answers_and_figures(
    model: Model, found: Lesson
) -> None:
    page = lesson_sheet(model, found)
    for sentence in found.seen:
        assert sentence.replace('"', "&quot;").replace("'", "&#x27;") in page
    assert page.count('class="figure"') == 8
    assert page.count('role="figure" aria-label="') == 8
    assert 'aria-label="singular value σᵢ by direction i"' in page
    for two in (found.alike.raw, found.alike.filtered):  # on paper no fold opens
        for tokens in two:
            row = "   ".join(visible(token.text) for token in tokens)
            assert f"sentence: {html.escape(row)}" in page
    words = page.split("<script>")[0]
    assert "[[" not in words
    assert "://" not in words
    assert "beforeprint" in page
