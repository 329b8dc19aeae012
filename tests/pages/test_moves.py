"""What one move of the window costs, counted: rows through the head, figures drawn, bytes sent."""

from pathlib import Path
from typing import Any

import pytest

from embfilter_viz.figures.sketch import Sketch
from embfilter_viz.models.unembedding import Unembedding
from embfilter_viz.ui import results
from tests.models.tiny_checkpoints import N_LAYERS
from tests.pages.explorer import Explorer

# Rows of states a move puts through the head, and figures it draws from a Sketch.
COSTS = {
    "start": (1, 4),
    "spectrum": (0, 2),
    "average_token": (0, 1),
    "filter_and_lens": (N_LAYERS + 1, 2),
}
SHADED = {
    "start": ("start_spectrum", "start_shift"),
    "spectrum": ("spectrum_chart", "energy_chart"),
    "average_token": ("shift_chart",),
    "filter_and_lens": (),
}


@pytest.mark.parametrize("page", COSTS)
def test_a_move_computes_only_what_the_window_changes(
    page: str, tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    explorer = Explorer(page, model=str(tiny))
    rows, figures = [], []
    logits, draw = Unembedding.logits, Sketch.figure

    def count_rows(self: Unembedding, h: Any) -> Any:
        rows.append(1 if h.ndim == 1 else len(h))
        return logits(self, h)

    def count_figures(self: Sketch) -> Any:
        figures.append(self)
        return draw(self)

    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("no window changes this")

    monkeypatch.setattr(Unembedding, "logits", count_rows)
    monkeypatch.setattr(Sketch, "figure", count_figures)
    for name in ("describe_direction", "read_layers", "spectroscopy"):
        monkeypatch.setattr(results, name, refuse)
    before = explorer.parts
    explorer.change("window", "3:27")
    assert explorer.window == "3:27"
    assert explorer.errors == []
    assert (sum(rows), len(figures)) == COSTS[page]
    for key in SHADED[page]:  # only the shading moved: the browser keeps the lines
        assert explorer.parts[key]["traces"] == before[key]["traces"]
        assert explorer.parts[key]["layout"] != before[key]["layout"]
        assert len(explorer.parts[key]["layout"]) < 2500
