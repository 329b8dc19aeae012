import json
from dataclasses import replace

import numpy as np
import pytest

from embfilter_viz.analyses.geometry import RANDOM, VARIANTS, Geometry
from embfilter_viz.embeddings.cosines import cosine_histogram
from embfilter_viz.embeddings.isotropy import Interval, isotropy
from embfilter_viz.figures.geometry import (
    MEASURES,
    histogram_figure,
    histogram_table,
    isotropy_figure,
    isotropy_table,
    map_figure,
    map_sketch,
    map_table,
)
from embfilter_viz.figures.style import text_label
from embfilter_viz.spectral.windows import Window
from tests.figures.awkward import AWKWARD, check_safe

RNG = np.random.default_rng(0)
TEXTS = [*AWKWARD, "nine", "ten", "eleven", "twelve"]
MAPS = [("raw", RNG.normal(size=(12, 2))), ("filtered", RNG.normal(size=(12, 2)))]


@pytest.fixture(scope="module")
def report() -> Geometry:
    found = {name: isotropy(RNG.normal(size=(40, 6)) + i) for i, name in enumerate(VARIANTS)}
    return Geometry(Window(1, 3, 4), 40, found, Interval(-0.1, -0.2, 0), "others")


def test_isotropy_stands_with_its_intervals(report: Geometry) -> None:
    figure = isotropy_figure(report)
    assert len(figure.data) == len(VARIANTS) * len(MEASURES)
    for trace in figure.data:
        number = {"x": 0, "x2": 1, "x3": 2}[trace.xaxis]
        one = getattr(report.variants[trace.y[0]], list(MEASURES)[number])
        assert list(trace.x) == [one.value]
        assert list(trace.error_x.array) == [one.high - one.value]
        assert list(trace.error_x.arrayminus) == [one.value - one.low]
    titles = [figure.layout[axis].title.text for axis in ("xaxis", "xaxis2", "xaxis3")]
    assert titles == [f"{name}<br>{better}" for name, better in MEASURES.values()]
    assert len(isotropy_figure(report, ["isoscore"]).data) == len(VARIANTS)


def test_what_is_not_measured_yet_is_no_dot(report: Geometry) -> None:
    """At a slider's pace: an interval that follows, and a number that follows."""
    nan = float("nan")
    kept, random = report.variants["filtered"], report.variants[RANDOM]
    early = {
        "filtered": replace(kept, effective_rank=Interval(kept.effective_rank.value, nan, nan)),
        RANDOM: replace(random, effective_rank=Interval(nan, nan, nan)),
    }
    figure = isotropy_figure(replace(report, variants={**report.variants, **early}))
    assert len(figure.data) == len(VARIANTS) * len(MEASURES)
    ranks = {trace.y[0]: trace for trace in figure.data if trace.xaxis == "x3" and trace.y}
    assert set(ranks) == set(VARIANTS) - {RANDOM}
    assert ranks["filtered"].error_x.array is None
    assert all(np.isfinite(value) for trace in figure.data for value in trace.x)


def test_the_isotropy_table_is_the_record(report: Geometry) -> None:
    table = isotropy_table(report)
    assert len(table) == len(VARIANTS) * len(MEASURES)
    for row in table.itertuples():
        one = getattr(report.variants[row.variant], row.measure)
        assert (row.value, row.low, row.high) == (one.value, one.low, one.high)
        assert ("greatest" in row.low_and_high) == (row.variant == RANDOM)


def test_the_histogram_is_of_shares() -> None:
    raw, filtered = (cosine_histogram(RNG.normal(size=(30, 5)) + shift) for shift in (2, 0))
    figure = histogram_figure(raw, filtered)
    for trace, one in zip(figure.data, (raw, filtered), strict=True):
        np.testing.assert_allclose(trace.y, one.counts / one.counts.sum(), rtol=1e-6)
        assert float(np.sum(trace.y)) == pytest.approx(1, rel=1e-5)
    assert [a.text for a in figure.layout.annotations] == ["<b>raw</b>", "<b>filtered</b>"]
    table = histogram_table(raw, filtered)
    assert table["raw"].sum() == table["filtered"].sum() == 30 * 29 // 2
    assert table["raw"].tolist() == raw.counts.tolist()


def test_maps_put_each_text_where_it_is() -> None:
    labels = ["<b>bold</b>", '<a href="x">y</a>', "a&b"] * 4
    figure = map_figure(MAPS, TEXTS, labels, chosen=[3, 7])
    check_safe(figure)
    for column, (_, points) in enumerate(MAPS):
        traces = figure.data[column * 4 : column * 4 + 4]
        for trace in traces:
            np.testing.assert_allclose(trace.x, points[trace.customdata, 0], rtol=1e-6)
            np.testing.assert_allclose(trace.y, points[trace.customdata, 1], rtol=1e-6)
        for trace in traces[:3]:
            assert list(trace.text) == [text_label(TEXTS[i]) for i in trace.customdata]
        rows = np.concatenate([trace.customdata for trace in traces[:3]])
        assert sorted(rows) == list(range(12))
        assert traces[3].customdata.tolist() == [3, 7]
    shown = [trace.name for trace in figure.data if trace.showlegend]
    assert sorted(shown) == sorted(text_label(label) for label in set(labels))


def test_topics_differ_by_shape_as_well_as_hue() -> None:
    figure = map_figure(MAPS[:1], TEXTS, [f"label {i % 10}" for i in range(12)], found=[1, 2])
    *groups, rings = figure.data
    assert len({trace.marker.symbol for trace in groups}) == 10
    assert len({trace.marker.color for trace in groups}) == 10
    assert rings.customdata.tolist() == [1, 2]


def test_what_is_not_selected_is_pale_in_both_maps() -> None:
    labels = ["a", "b"] * 6
    for trace in map_figure(MAPS, TEXTS, labels, selected=[0, 3, 4]).data:
        assert [trace.customdata[i] for i in trace.selectedpoints] == (
            [0, 4] if trace.name == "a" else [3]
        )
    assert map_figure(MAPS, TEXTS, labels).data[0].selectedpoints is None


def test_beyond_ten_labels_the_rest_stand_together() -> None:
    labels = [f"label {i}" for i in range(12)]
    figure = map_figure(MAPS[:1], TEXTS, labels)
    assert len(figure.data) == 10
    assert figure.data[-1].name == "other labels"
    assert len(figure.data[-1].x) == 3


def test_without_labels_and_with_many_texts() -> None:
    assert len(map_figure(MAPS, TEXTS, None).data) == 2
    n = 2001
    points = RNG.normal(size=(n, 2))
    (trace,) = map_figure([("raw", points)], ["<a href='x'>"] * n, None).data
    assert set(trace.text) == {text_label("<a href='x'>")}
    (trace,) = map_figure([("raw", points)], ["<a href='x'>"] * n, None, texts_known_as="t").data
    assert trace.text is None
    assert trace.meta == {"texts": "t"}
    assert trace.customdata.tolist() == [*range(n)]


def test_the_map_table_is_the_maps() -> None:
    table = map_table(MAPS, TEXTS, ["l"] * 12)
    assert table["text"].tolist() == TEXTS
    assert table["row"].tolist() == list(range(12))
    for title, points in MAPS:
        np.testing.assert_array_equal(table[[f"{title} 1", f"{title} 2"]].to_numpy(), points)
    assert "label" not in map_table(MAPS, TEXTS, None)


def test_what_a_move_sends_is_the_coordinates_and_little_else() -> None:
    """Bytes, not seconds: 20,000 points twice, each two float32 and a row, in base64."""
    n = 20_000
    maps = [(side, RNG.normal(size=(n, 2))) for side in ("raw", "filtered")]
    texts = ["a text of some length that must not travel at every move"] * n
    labels = [f"label {i % 10}" for i in range(n)]
    sketch = map_sketch(maps, texts, labels, chosen=[0], texts_known_as="t")
    sent = json.dumps(sketch.to_dict())
    assert len(sent) < 4 / 3 * 2 * n * 12 + 15_000
    assert "must not travel" not in sent
    # The same to Plotly as the figure that a notebook gets.
    theirs = map_figure(maps, texts, labels, chosen=[0], texts_known_as="t").to_dict()
    for one, other in zip(sketch.to_dict()["data"], theirs["data"], strict=True):
        assert one == other
