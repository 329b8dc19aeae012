import numpy as np
import pytest

from embfilter_viz.analyses.spectrum import Direction
from embfilter_viz.analyses.tokens import Token
from embfilter_viz.figures.spectrum import (
    curves_table,
    direction_figure,
    direction_table,
    energy_figure,
    kept_energy,
    spectrum_figure,
    spectrum_table,
)
from embfilter_viz.spectral.spectrum import Spectrum, spectrum_of
from embfilter_viz.spectral.windows import Window
from tests.figures.awkward import AWKWARD, SHOWN, check_safe, check_valid, shaded, texts_of, tokens

__all__ = ["tokens"]

WINDOW = Window(1, 5, 6)


@pytest.fixture(scope="module")
def spectrum() -> Spectrum:
    return spectrum_of(np.concatenate([np.diag([32.0, 16, 8, 8, 2, 1]), np.zeros((3, 6))]))


@pytest.mark.parametrize("log", [True, False])
def test_singular_values_and_window(spectrum: Spectrum, log: bool) -> None:
    figure = spectrum_figure([("m", spectrum)], WINDOW, log=log, chosen=4)
    check_valid(figure)
    line, group, chosen = figure.data
    np.testing.assert_allclose(line.y, spectrum.singular_values, rtol=1e-6)
    assert line.x.tolist() == list(range(6))
    assert (group.x.tolist(), list(group.y)) == ([2, 3], pytest.approx([8, 8]))
    assert (list(chosen.x), list(chosen.y)) == ([4], pytest.approx([2]))
    assert shaded(figure) == [(-0.5, 0.5), (4.5, 5.5)]
    assert figure.layout.yaxis.type == ("log" if log else "linear")
    assert figure.layout.xaxis.title.text
    assert figure.layout.yaxis.title.text


@pytest.mark.parametrize("log", [True, False])
def test_a_second_model_lies_on_a_relative_axis(spectrum: Spectrum, log: bool) -> None:
    narrow = spectrum_of(np.diag([4.0, 1]))
    curves = [("wide", spectrum), ("<a href='x'>narrow</a>", narrow)]
    figure = spectrum_figure(curves, WINDOW, log=log)
    np.testing.assert_allclose(figure.data[0].y, spectrum.singular_values / 32, rtol=1e-6)
    np.testing.assert_allclose(figure.data[1].x, [0, 0.5])
    np.testing.assert_allclose(figure.data[1].y, [1, 0.25])
    assert shaded(figure) == [(0, pytest.approx(1 / 6)), (pytest.approx(5 / 6), 1)]
    check_safe(figure)
    for annotation in figure.layout.annotations:
        assert 0 <= annotation.x < 1
        assert np.isfinite(annotation.y)


def test_more_curves_than_colours_are_all_drawn(spectrum: Spectrum) -> None:
    assert len(spectrum_figure([(str(i), spectrum) for i in range(5)], WINDOW).data) == 5


def test_energy(spectrum: Spectrum) -> None:
    figure = energy_figure(spectrum, WINDOW)
    check_valid(figure)
    np.testing.assert_allclose(figure.data[0].y, spectrum.cumulative_energy, rtol=1e-6)
    assert shaded(figure) == [(-0.5, 0.5), (4.5, 5.5)]
    share = (256 + 64 + 64 + 4) / (1024 + 256 + 64 + 64 + 4 + 1)
    assert kept_energy(spectrum, WINDOW) == pytest.approx(share)
    assert texts_of(figure) == [f"the window keeps {share:.1%} of the energy"]


def test_the_table_is_the_spectrum(spectrum: Spectrum) -> None:
    table = spectrum_table(spectrum, WINDOW)
    assert table["direction"].tolist() == list(range(6))
    assert table["singular_value"].tolist() == spectrum.singular_values.tolist()
    assert table["cumulative_energy"].tolist() == spectrum.cumulative_energy.tolist()
    assert table["relative_error"].tolist() == spectrum.relative_error.tolist()
    assert table["kept"].tolist() == [False, True, True, True, True, False]


def test_the_table_of_an_overlay_holds_both_models(spectrum: Spectrum) -> None:
    narrow = spectrum_of(np.diag([4.0, 1]))
    table = curves_table([("wide", spectrum), ("narrow", narrow)], WINDOW)
    assert table["model"].tolist() == ["wide"] * 6 + ["narrow"] * 2
    assert table["singular_value"].tolist()[6:] == pytest.approx([4, 1])
    assert table["relative_to_first"].tolist()[6:] == pytest.approx([1, 0.25])
    assert table["position"].tolist()[6:] == [0, 0.5]
    # The window is the first model's.
    assert table["kept"].tolist() == [False, True, True, True, True, False, None, None]


def test_a_directions_two_ends(tokens: tuple[Token, ...]) -> None:
    direction = Direction(3, 2.0, None, tokens[:4], tokens[4:])
    figure = direction_figure(direction, 50_000)
    check_safe(figure)
    (bars,) = figure.data
    labels = dict(zip(figure.layout.yaxis.tickvals, figure.layout.yaxis.ticktext, strict=True))
    drawn = {
        labels[y]: (x, ids[0]) for x, y, ids in zip(bars.x, bars.y, bars.customdata, strict=True)
    }
    assert drawn == {
        SHOWN[t.text] if len(t.text) < 17 else labels_cut(t.text): (t.logit, t.id) for t in tokens
    }
    top_down = [labels[y] for y in sorted(labels, reverse=True)]
    assert top_down[0] == SHOWN[AWKWARD[0]]  # the most raised on top
    assert top_down[-1] == SHOWN[AWKWARD[4]]  # the most lowered at the bottom
    table = direction_table(direction)
    assert table["end"].tolist() == ["positive"] * 4 + ["negative"] * 4
    assert table["text"].tolist() == list(AWKWARD)
    assert table["logit"].tolist() == [t.logit for t in tokens]


def labels_cut(text: str) -> str:
    from embfilter_viz.figures.style import token_label

    return token_label(text)
