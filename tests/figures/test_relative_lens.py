import pytest

from embfilter_viz.analyses.relative_lens import SIDES, OwnRanks
from embfilter_viz.embeddings.interval import Interval
from embfilter_viz.figures.palette import FILTERED, RAW
from embfilter_viz.figures.relative_lens import own_ranks_figure, own_ranks_table
from tests.figures.awkward import check_valid

FOUND = OwnRanks(
    12, "12 texts", {name: Interval(10.0 * i, 5.0 * i, 30.0 * i) for i, name in enumerate(SIDES)}
)


def test_each_side_stands_where_its_median_is() -> None:
    figure = own_ranks_figure(FOUND)
    check_valid(figure)
    assert [trace.y[0] for trace in figure.data] == ["(e − μ) Φ", "e − μ", "e Φ", "e"]
    for trace, one in zip(figure.data, reversed(list(FOUND.median.values())), strict=True):
        # A scale of powers of ten has no 0.
        assert trace.x[0] == (one.value or 0.5)
        assert trace.x[0] + trace.error_x.array[0] == (one.high or 0.5)
        assert trace.x[0] - trace.error_x.arrayminus[0] == (one.low or 0.5)
        assert trace.text[0] == f"{one.value:.0f}"
    assert [trace.marker.color for trace in figure.data] == [FILTERED, RAW, FILTERED, RAW]
    assert figure.layout.xaxis.type == "log"


def test_the_table_is_the_record() -> None:
    table = own_ranks_table(FOUND)
    assert table["side"].tolist() == list(SIDES)
    assert table["median_rank"].tolist() == [one.value for one in FOUND.median.values()]
    assert table["high"].tolist() == [one.high for one in FOUND.median.values()]


def test_the_sentence_holds_the_numbers() -> None:
    assert FOUND.sentence.startswith("over 12 texts the median rank of a text's own tokens ")
    assert "is 0 [0, 0] raw, 10 [5, 30] filtered, 20 [10, 60] with the" in FOUND.sentence
    assert FOUND.to_json()["median_rank"]["relative"] == pytest.approx(
        {"value": 20, "low": 10, "high": 60}
    )
