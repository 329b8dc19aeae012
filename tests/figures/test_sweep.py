"""The laboratory's figures show what the record holds."""

import numpy as np
import pytest

from embfilter_viz.analyses.ablation import BASELINES, Calibration
from embfilter_viz.analyses.sweep import Sweep, sweep
from embfilter_viz.evaluation.grids import windows_of_plane, windows_of_taus
from embfilter_viz.evaluation.tasks import read_task
from embfilter_viz.figures.sweep import (
    ablation_figure,
    ablation_table,
    plane_figure,
    tau_figure,
    windows_table,
)
from embfilter_viz.model import Model


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
    for one in found.windows:
        cell = list(heat.y).index(32 - one.window.r), list(heat.x).index(one.window.l)
        assert heat.z[cell] == pytest.approx(one.difference.value, rel=1e-6)
    assert np.isfinite(heat.z).sum() == len(found.windows)
    assert f"highest on all: {found.highest.window}" in {trace.name for trace in plane.data}

    raw, curve = tau_figure(found).data
    assert list(curve.x) == pytest.approx([1, 2, 32 / 10, 4])
    assert set(raw.y) == {found.raw.value}

    shown = {trace.y[0]: trace.x[0] for trace in ablation_figure(found).data}
    assert set(shown) == {"embedfilter", *BASELINES} - {"whitening"}
    for one in found.baselines:
        if one.name in shown:
            assert one.corrected is not None
            assert shown[one.name] == one.corrected.value


def test_the_tables_have_a_row_each(found: Sweep) -> None:
    windows = windows_table(found)
    assert len(windows) == len(found.windows)
    assert (windows["to_raw_low_corrected"] <= windows["to_raw_low"] + 1e-6).mean() > 0.5
    table = ablation_table(found).set_index("name")
    assert list(table.index) == ["raw", "embedfilter", *BASELINES]
    assert table.loc["raw", "paper_qwen2.5_0.5b_prompteol"] == 63.04
    assert "calibration texts" in str(table.loc["whitening", "not_scored"])
