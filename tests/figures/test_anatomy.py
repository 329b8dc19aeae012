import numpy as np
import pytest

from embfilter_viz.embeddings.anatomy import Anatomy, anatomy
from embfilter_viz.figures.anatomy import anatomy_figure, anatomy_sketch, anatomy_table
from embfilter_viz.spectral.windows import Window
from tests.figures.awkward import check_valid, shaded

LABELS = list("abcd" * 5)


@pytest.fixture(scope="module")
def found() -> Anatomy:
    return anatomy(np.random.default_rng(0).normal(size=(20, 40)) + 1, labels=LABELS)


def test_each_band_stands_where_it_is_with_what_it_gives_and_knows(found: Anatomy) -> None:
    figure = anatomy_figure(found, Window(10, 30, 40))
    check_valid(figure)
    bars, _, chance, _, dots, _ = figure.data
    for i, band in enumerate(found.bands):
        assert (bars.x[i] - bars.width[i] / 2, bars.x[i] + bars.width[i] / 2) == (
            band.left - 0.5,
            band.right - 0.5,
        )
        assert bars.y[i] == band.mean.value
        assert bars.error_y.array[i] == band.spread.value
        assert band.auc is not None
        assert dots.x[i] == bars.x[i]
        assert dots.y[i] == band.auc.value
        assert dots.y[i] + dots.error_y.array[i] == pytest.approx(band.auc.high)
        assert dots.y[i] - dots.error_y.arrayminus[i] == pytest.approx(band.auc.low)
    assert set(chance.y) == {0.5}
    low, high = figure.layout.yaxis2.range
    assert low < min(band.auc.low for band in found.bands if band.auc)
    assert high > max(band.auc.high for band in found.bands if band.auc)


def test_both_panels_are_shaded_and_the_lines_stay_as_the_window_moves(found: Anatomy) -> None:
    figure = anatomy_figure(found, Window(10, 30, 40))
    assert shaded(figure) == [(-0.5, 9.5), (29.5, 39.5)]
    assert {shape.yref for shape in figure.layout.shapes} == {"paper"}
    one, other = (anatomy_sketch(found, Window(left, 30, 40)).to_dict() for left in (10, 11))
    assert one["data"] == other["data"]
    assert one["layout"] != other["layout"]


def test_without_labels_there_is_one_panel() -> None:
    found = anatomy(np.random.default_rng(0).normal(size=(20, 40)))
    figure = anatomy_figure(found, Window(0, 40, 40))
    check_valid(figure)
    assert [trace.type for trace in figure.data] == ["bar", "scatter"]
    assert shaded(figure) == []
    assert "auc" not in anatomy_table(found)


def test_the_table_is_the_record(found: Anatomy) -> None:
    own = np.array([0.1, 0.2, 0.3, 0.25, 0.05])
    table = anatomy_table(found, own)
    assert table["this_pair"].tolist() == own.tolist()
    assert "this_pair" not in anatomy_table(found)
    for row, band in zip(table.itertuples(), found.bands, strict=True):
        assert (row.first_direction, row.last_direction) == (band.left, band.right - 1)
        assert (row.mean, row.sd) == (band.mean.value, band.spread.value)
        assert band.auc is not None
        assert (row.auc, row.auc_low, row.auc_high) == (
            band.auc.value,
            band.auc.low,
            band.auc.high,
        )
