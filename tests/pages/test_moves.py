"""What one move of the window costs, counted: rows through the head, figures drawn, bytes sent."""

from pathlib import Path
from typing import Any

import pytest

from embfilter_viz.figures.sketch import Sketch
from embfilter_viz.models.head.rotated_head import MovingProducts
from embfilter_viz.models.head.unembedding import Unembedding
from embfilter_viz.ui import results
from tests.pages.test_pages import filled

# Rows of states a move from 8:24 to 5:25 puts through the head, directions of the turned head it
# adds or takes away for them all, and figures it draws from a Sketch.
COSTS = {
    "start": (0, 8, 0),
    "spectrum": (0, 0, 2),
    "average_token": (0, 0, 1),
    "filter_and_lens": (0, 8, 3),
    "two_texts": (0, 4, 0),
}
SHADED = {
    "start": ("start_anatomy",),
    "spectrum": ("spectrum_chart", "energy_chart"),
    "average_token": ("shift_chart",),
    "filter_and_lens": (),
    "two_texts": ("anatomy_chart",),
}


@pytest.mark.parametrize("page", COSTS)
def test_a_move_computes_only_what_the_window_changes(
    page: str, tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    explorer = filled(page, tiny)
    rows, directions, figures = [], [], []
    logits, moved, draw = Unembedding.logits, MovingProducts._moved, Sketch.figure

    def count_rows(self: Unembedding, h: Any) -> Any:
        rows.append(1 if h.ndim == 1 else len(h))
        return logits(self, h)

    def count_directions(self: MovingProducts, base: Any, runs: Any) -> Any:
        directions.extend(run.stop - run.start for run, _ in runs)
        return moved(self, base, runs)

    def count_figures(self: Sketch) -> Any:
        figures.append(self)
        return draw(self)

    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("no window changes this")

    monkeypatch.setattr(Unembedding, "logits", count_rows)
    monkeypatch.setattr(MovingProducts, "_moved", count_directions)
    monkeypatch.setattr(Sketch, "figure", count_figures)
    for name in (
        *("describe_direction", "TextLens", "spectroscopy", "ReferenceTexts", "TextPair"),
        *("AlikeTexts", "PairTexts"),
    ):
        monkeypatch.setattr(results, name, refuse)
    before = explorer.parts
    explorer.move("5:25")
    assert explorer.window == "5:25"
    assert explorer.errors == []
    assert (sum(rows), sum(directions), len(figures)) == COSTS[page]
    for key in SHADED[page]:  # only the shading moved: the browser keeps the lines
        assert explorer.parts[key]["traces"] == before[key]["traces"]
        assert explorer.parts[key]["layout"] != before[key]["layout"]
        assert len(explorer.parts[key]["layout"]) < 2500
