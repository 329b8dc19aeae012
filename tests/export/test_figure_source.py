"""What is exported of a figure says where it comes from, and runs in no spreadsheet."""

import csv
import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from embfilter_viz.export.figure_source import FigureSource, safe_cell
from embfilter_viz.spectral.windows import Window

SOURCE = FigureSource("org/tiny@v1", "mean", Window(2, 6, 8), "=cmd() and\n two more texts")


def test_every_row_says_model_prompt_window_and_texts() -> None:
    table = pd.DataFrame({"token": [" a", "=1+1", "-x", "@y", "\tz", "+1"], "logit": [-1.5] * 6})
    rows = list(csv.DictReader(io.StringIO(SOURCE.csv(table))))
    assert [row["token"] for row in rows] == [" a", "'=1+1", "'-x", "'@y", "'\tz", "'+1"]
    assert {float(row["logit"]) for row in rows} == {-1.5}, "a number is no formula"
    for row in rows:
        assert row["of_model"] == "org/tiny@v1"
        assert row["of_prompt"] == "mean"
        assert row["of_window"] == "2:6"
        assert row["of_texts"] == "'=cmd() and two more texts"
        assert row["source"].startswith("EmbedFilter explorer ")
    assert table["token"][1] == "=1+1", "the table itself stays as it is"


@pytest.mark.parametrize("value", [3, -2.5, None, True, np.float32(-1), "plain", "a-b", "", "'="])
def test_what_no_spreadsheet_runs_stays(value: object) -> None:
    assert safe_cell(value) is value


def test_headings_that_come_from_a_file_are_made_safe_too() -> None:
    assert SOURCE.csv(pd.DataFrame({"=HYPERLINK()": [1]})).startswith("'=HYPERLINK(),of_model")


def test_the_line_and_the_name_tell_nothing_of_the_disk(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    source = FigureSource(str(tmp_path / "mine"), "prompteol", Window(144, 432, 576), "a" * 500)
    assert str(tmp_path) not in source.line + source.file_name("map-pca")
    assert source.file_name("map-pca") == "map-pca-mine-prompteol-144-432"
    assert "Model mine · prompt prompteol · window 144:432 (288 of 576 directions)" in source.line
    assert len(source.line) < 330
    windowless = FigureSource("org/tiny", "mean", None)
    assert windowless.file_name("direction") == "direction-org-tiny-mean"
    assert "window" not in windowless.line
    assert source.file_name("a/b:c") == "a-b-c-mine-prompteol-144-432"
