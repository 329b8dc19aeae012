"""The laboratory's figures show what the record holds."""

import numpy as np
import pytest

from embfilter_viz.analyses.ablation import BASELINES
from embfilter_viz.analyses.calibration import Calibration
from embfilter_viz.analyses.sweep import Sweep, sweep
from embfilter_viz.evaluation.grids import windows_of_plane, windows_of_taus
from embfilter_viz.evaluation.tasks import read_task
from embfilter_viz.export.session import sweep_section
from embfilter_viz.figures.sweep import (
    ablation_figure,
    ablation_table,
    cell_of,
    plane_figure,
    tau_figure,
    windows_table,
)
from embfilter_viz.model import Model
from embfilter_viz.spectral.windows import Window


@pytest.fixture
def found(tiny_model: Model) -> Sweep:
    pairs = "\n".join(f"a {i},b {i % 5},{i % 4}" for i in range(16))
    task = read_task("sts", f"sentence1,sentence2,score\n{pairs}".encode(), "data.csv")
    windows = [*windows_of_plane(4, 32), *windows_of_taus(("3", "4"), 32)]
    return sweep(
        tiny_model, task, "mean", windows, n_resamples=50,
        frequencies=tiny_model.frequencies("corpus", task.texts),
        calibration=Calibration(("one text", "another text", "a third"), "three texts"),
    )  # fmt: skip


def test_the_figures_hold_the_records_numbers(found: Sweep) -> None:
    plane = plane_figure(found)
    (heat,) = (trace for trace in plane.data if trace.type == "heatmap")
    grid = [one for one in found.windows if {one.window.l, one.window.r} <= {0, 8, 16, 24, 32}]
    for one in grid:
        cell = list(heat.y).index(32 - one.window.r), list(heat.x).index(one.window.l)
        assert heat.z[cell] == pytest.approx(one.difference.value, rel=1e-6)
    assert np.isfinite(heat.z).sum() == len(grid) == len(found.windows) - 2
    (others,) = (trace for trace in plane.data if trace.name == "other windows")
    assert [row[0] for row in others.customdata] == ["11:21", "12:20"]
    assert f"highest on all: {found.highest.window}" in {trace.name for trace in plane.data}

    raw, curve, beside = tau_figure(found).data
    assert list(curve.x) == pytest.approx([1, 2, 32 / 10, 4])
    assert len(beside.x) == len(found.windows) - 4
    assert set(raw.y) == {found.raw.value}

    dots = [trace for trace in ablation_figure(found).data if trace.mode == "markers+text"]
    shown = {trace.y[0]: trace.x[0] for trace in dots}
    assert set(shown) == {"embedfilter", *BASELINES} - {"whitening"}
    for one in found.baselines:
        if one.name in shown:
            assert one.corrected is not None
            assert shown[one.name] == one.corrected.value


def test_every_figure_names_the_window_it_speaks_of(found: Sweep) -> None:
    own = found.windows[3]
    beside = ablation_figure(found, own)
    assert (
        beside.layout.annotations[0].text == "<b>embedfilter: 8:24, τ = 2; 16 of 32 dimensions</b>"
    )
    (strip,) = (trace for trace in beside.data if trace.y[0] == f"strip, {own.window}")
    assert list(strip.x) == [own.corrected.value]
    table = ablation_table(found, own).set_index("name")
    assert table.loc["embedfilter", "window"] == "8:24"
    assert table.loc[f"strip, {own.window}", "score"] == own.score.value
    section = sweep_section(found, own)
    assert f"on the strip: {own.window}" in {trace.name for trace in section.figures[0].data}
    assert f"strip, {own.window}" in {trace.y[0] for trace in section.figures[1].data}


def test_draws_of_chance_reach_from_the_least_to_the_greatest(found: Sweep) -> None:
    lines = {
        trace.y[0]: list(trace.x)
        for trace in ablation_figure(found).data
        if trace.mode == "lines+markers"
    }
    rows = {one.name: one for one in found.baselines if one.spread is not None}
    assert set(lines) == set(rows) == {"random coordinates", "random subspace"}
    for name, ends in lines.items():
        spread = rows[name].spread
        assert spread is not None
        assert ends == pytest.approx([end - found.raw.value for end in spread])


def test_without_intervals_there_are_no_bars_and_no_nan(tiny_model: Model) -> None:
    pairs = "\n".join(f"a {i},b {i % 5},{i % 2}" for i in range(16))
    task = read_task("sts", f"sentence1,sentence2,score\n{pairs}".encode(), "data.csv")
    windows = windows_of_taus(("1", "2", "4"), 32)
    found = sweep(tiny_model, task, "mean", windows, n_resamples=50, baselines=False)
    assert found.no_interval
    for figure in (tau_figure(found), plane_figure(found)):
        assert "nan" not in " ".join(map(str, figure.data)).lower()
    assert "no interval" in tau_figure(found).data[1].customdata[0][1]


def test_the_tables_have_a_row_each(found: Sweep) -> None:
    windows = windows_table(found)
    assert len(windows) == len(found.windows)
    assert (windows["to_raw_low_corrected"] <= windows["to_raw_low"] + 1e-6).mean() > 0.5
    table = ablation_table(found).set_index("name")
    assert list(table.index) == ["raw", "embedfilter", *BASELINES]
    assert table.loc["raw", "paper_qwen2.5_0.5b_prompteol"] == 63.04
    assert "calibration texts" in str(table.loc["whitening", "not_scored"])


def test_the_planes_cell_of_a_window_is_its_own_or_the_next_one(found: Sweep) -> None:
    (heat,) = (trace for trace in plane_figure(found).data if trace.type == "heatmap")
    for window, nearest in ((Window(8, 24, 32), "8:24"), (Window(9, 23, 32), "8:24")):
        row, column = cell_of(found, window)
        assert heat.customdata[row][column][0] == nearest
    row, column = cell_of(found, Window(0, 32, 32))
    assert (row, column) == (0, 0)
