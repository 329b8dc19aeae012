from typing import Any

import numpy as np
import pytest

from embfilter_viz.analyses.pair import Pair, TextPair
from embfilter_viz.analyses.reference import COSINES, Reference, ReferenceTexts
from embfilter_viz.analyses.text_matrix import TextMatrix, text_matrix
from embfilter_viz.figures.pair import (
    CELL_TEXT,
    growth_figure,
    growth_table,
    lowest_of,
    matrix_figure,
    matrix_table,
)
from embfilter_viz.figures.palette import FILTERED, RANDOM, RAW
from embfilter_viz.spectral.windows import Window
from tests.analyses.hand_made import HandModel
from tests.figures.awkward import AWKWARD, check_safe, check_valid, shaded, texts_of

D = 12
WINDOW = Window(3, 9, D)
RNG = np.random.default_rng(0)
MODEL: Any = HandModel(RNG.normal(size=(30, D)))


@pytest.fixture(scope="module")
def ready() -> ReferenceTexts:
    reference = Reference("x", tuple(f"text {i}" for i in range(20)), None)
    return ReferenceTexts(MODEL, reference, RNG.normal(size=(20, D)).astype(np.float32) + 1)


@pytest.fixture(scope="module")
def report(ready: ReferenceTexts) -> Pair:
    two = RNG.normal(size=(2, D)).astype(np.float32) + 1
    return TextPair(MODEL, two, ready).report(WINDOW)


def test_a_cosine_grows_to_itself(report: Pair, ready: ReferenceTexts) -> None:
    figure = growth_figure(report, ready)
    check_valid(figure)
    low, high, median, raw, filtered = figure.data
    assert (raw.line.color, filtered.line.color, median.line.color) == (RAW, FILTERED, RANDOM)
    assert (list(raw.x), raw.y[0]) == (list(range(D + 1)), 0)
    assert raw.y[-1] == pytest.approx(report.cosine["raw"], abs=1e-6)
    assert raw.y[4] == pytest.approx(report.contributions[:4].sum(), abs=1e-6)
    assert list(filtered.x) == list(range(3, 10))
    assert (filtered.y[0], filtered.y[-1]) == (
        0,
        pytest.approx(report.cosine["filtered"], abs=1e-6),
    )
    for trace, quantiles in zip((low, median, high), ready.growth.T, strict=True):
        np.testing.assert_allclose(trace.y, quantiles, atol=1e-6)
        assert list(trace.x) == ready.places.tolist()
    assert high.fill == "tonexty"
    assert shaded(figure) == [(-0.5, 2.5), (8.5, 11.5)]
    assert f"<b>this pair, raw {report.cosine['raw']:.2f}</b>" in texts_of(figure)
    top = max(max(raw.y), max(high.y), max(filtered.y))
    assert figure.layout.yaxis.range[1] > top


def test_the_growth_table_is_the_record(report: Pair) -> None:
    table = growth_table(report)
    assert table["raw"].tolist() == report.contributions.tolist()
    assert table["filtered"][:3].tolist() == [0, 0, 0]
    assert table["filtered"][3:9].tolist() == report.filtered_contributions.tolist()
    assert table["filtered_so_far"].iloc[-1] == pytest.approx(report.cosine["filtered"])


def matrix_of(ready: ReferenceTexts, texts: tuple[str, ...]) -> TextMatrix:
    E = np.random.default_rng(1).normal(size=(len(texts), D)).astype(np.float32) + 1
    return text_matrix(MODEL, texts, E, ready, WINDOW)


@pytest.mark.parametrize("name", COSINES)
def test_a_matrix_shows_all_cosines_with_texts_as_they_are(
    name: str, ready: ReferenceTexts
) -> None:
    found = matrix_of(ready, AWKWARD)
    lowest = lowest_of(found, ["raw", "filtered"])
    figure = matrix_figure(found, name, lowest)
    check_safe(figure)
    (trace,) = figure.data
    np.testing.assert_allclose(trace.z, found.cosines[name], atol=1e-6)
    assert (trace.zmin, trace.zmax) == (lowest, 1)
    assert trace.colorscale[1][1] == (FILTERED if "filtered" in name else RAW)
    assert trace.texttemplate == "%{z:.2f}"
    assert trace.textfont.color == CELL_TEXT
    assert list(trace.x) == list(trace.y) == list(range(1, 9))
    assert figure.layout.yaxis.ticktext[6] == "the 7"
    assert lowest == min(found.cosines["raw"].min(), found.cosines["filtered"].min())


def test_of_many_texts_the_numbers_are_told_when_pointed_at(ready: ReferenceTexts) -> None:
    (trace,) = matrix_figure(matrix_of(ready, tuple("abcdefghijklm")), "raw", 0.0).data
    assert trace.texttemplate == ""
    assert "%{z:.3f}" in trace.hovertemplate


def test_the_matrix_table_has_a_row_a_pair(ready: ReferenceTexts) -> None:
    found = matrix_of(ready, ("one", "two", "three"))
    table = matrix_table(found)
    assert table[["first", "second"]].to_numpy().tolist() == [[1, 2], [1, 3], [2, 3]]
    assert table["filtered"].tolist() == [found.cosines["filtered"][i, j] for i, j in
                                          ((0, 1), (0, 2), (1, 2))]  # fmt: skip
    assert table["second_text"].tolist() == ["two", "three", "three"]
