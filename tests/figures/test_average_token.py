from dataclasses import replace

import numpy as np
import pytest

from embfilter_viz.analyses.spectroscopy import CONTROLS, Spectroscopy, shift_map, spectroscopy
from embfilter_viz.analyses.tokens import Token
from embfilter_viz.figures.average_token import (
    map_figure,
    map_table,
    shift_figure,
    shift_table,
)
from embfilter_viz.figures.palette import COLOURS
from embfilter_viz.figures.style import token_label
from embfilter_viz.model import Model
from embfilter_viz.spectral.spectroscopy import running_median
from embfilter_viz.spectral.windows import Window
from tests.figures.awkward import AWKWARD, check_safe, check_valid, shaded, tokens
from tests.models.tiny_checkpoints import D_MODEL

__all__ = ["tokens"]

WINDOW = Window(8, 24, D_MODEL)


@pytest.fixture
def result(tiny_model: Model, tokens: tuple[Token, ...]) -> Spectroscopy:
    frequencies = tiny_model.frequencies("corpus", ["the cat sat on the mat"])
    found = spectroscopy(tiny_model, frequencies, top=8)
    return replace(found, frequent_tokens=tokens, decoded=tokens)


@pytest.mark.parametrize("log", [True, False])
def test_shifts_in_bands(tiny_model: Model, log: bool) -> None:
    frequencies = tiny_model.frequencies("corpus", ["the cat sat on the mat"])
    result = spectroscopy(tiny_model, frequencies, top=8, n_bands=4)
    figure = shift_figure(result, WINDOW, log=log)
    check_valid(figure)
    by_name = {trace.name: trace for trace in figure.data if trace.name}
    assert set(by_name) == {*CONTROLS, "chance"}
    for name in CONTROLS:
        trace = by_name[name]
        np.testing.assert_allclose(trace.y, result.absolute_shift[name], rtol=1e-6)
        np.testing.assert_allclose(trace.x, [3.5, 11.5, 19.5, 27.5])
        assert trace.line.color == COLOURS[name]
    dashes = {by_name[name].line.dash for name in CONTROLS}
    assert len(dashes) == 3  # told apart without colour too
    assert shaded(figure) == [(-0.5, 7.5), (23.5, 31.5)]
    assert figure.layout.yaxis.type == ("log" if log else "linear")


def test_single_directions_are_smoothed_only_for_the_eye(result: Spectroscopy) -> None:
    figure = shift_figure(result, WINDOW)
    by_name = {trace.name: trace for trace in figure.data}
    for name in CONTROLS:
        smooth = running_median(result.absolute_shift[name])
        np.testing.assert_allclose(by_name[name].y, smooth, rtol=1e-6)
    table = shift_table(result)
    for name in CONTROLS:
        assert table[f"absolute_{name}"].tolist() == result.absolute_shift[name].tolist()
        assert table[f"shift_{name}"].tolist() == result.shift[name].tolist()
    assert table["permuted_high"].tolist() == result.permuted[2].tolist()
    assert table["first_direction"].tolist() == table["last_direction"].tolist() == [*range(32)]


def test_many_directions_keep_their_points() -> None:
    values = np.linspace(1, 2, 100)
    values[50] = 9
    assert running_median(values)[50] < 2
    assert running_median(values)[0] == values[0]


def test_a_log_axis_leaves_out_zero(result: Spectroscopy) -> None:
    zero = replace(
        result,
        absolute_shift={name: np.zeros(D_MODEL) for name in CONTROLS},
        permuted=np.zeros((3, D_MODEL)),
    )
    for trace in shift_figure(zero, WINDOW, log=True).data:
        assert np.isnan(trace.y).all()
    for trace in shift_figure(zero, WINDOW, log=False).data:
        assert (trace.y == 0).all()


def test_what_chance_gives_is_an_area_below_the_lines(result: Spectroscopy) -> None:
    low, high = shift_figure(result, WINDOW).data[:2]
    np.testing.assert_allclose(low.y, result.permuted[0], rtol=1e-6)
    np.testing.assert_allclose(high.y, result.permuted[2], rtol=1e-6)
    assert (low.fill, high.fill) == (None, "tonexty")
    assert high.fillcolor.startswith(COLOURS["random"])


def test_the_map(tiny_model: Model, result: Spectroscopy) -> None:
    shifts, edges = shift_map(tiny_model, result, n_tokens=8, n_bands=4)
    figure = map_figure(result, shifts, edges)
    check_safe(figure)
    (heat,) = figure.data
    np.testing.assert_allclose(heat.z, shifts, rtol=1e-6)
    assert list(heat.x) == ["0–7", "8–15", "16–23", "24–31"]
    labels = [token_label(text, 14) for text in AWKWARD]
    assert list(figure.layout.yaxis.ticktext) == labels
    assert [row[0] for row in heat.text] == labels
    assert heat.zmin == -heat.zmax < 0
    table = map_table(result, shifts, edges)
    assert table["token"].tolist() == list(AWKWARD)
    assert table.columns.tolist() == ["token", "0:8", "8:16", "16:24", "24:32"]
    np.testing.assert_array_equal(table.iloc[:, 1:].to_numpy(), shifts)


def test_a_map_of_nothing_has_a_scale(result: Spectroscopy) -> None:
    (heat,) = map_figure(result, np.zeros((8, 2)), np.array([0, 16, 32])).data
    assert heat.zmax == 1
