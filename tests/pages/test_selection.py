"""Geometry: texts selected on a map or by words, kept for other pages, and a text of one's own."""

from pathlib import Path
from typing import Any

import pytest

from embfilter_viz.data import demo_texts
from embfilter_viz.ui import selection_panel
from tests.pages.test_pages import filled


def test_geometry_selects_texts_that_others_are_compared_with(tiny: Path) -> None:
    explorer = filled("geometry", tiny)
    demo = demo_texts()
    assert "Select texts with the box or the lasso" in explorer.words
    explorer.change("find_texts", "the of")
    rows = [
        row for row, text in enumerate(demo.texts)
        if "the" in text.casefold() and "of" in text.casefold()
    ]  # fmt: skip
    assert any(f"the {len(rows)} selected texts the" in said for said in explorer.answers)
    rings = [t for t in explorer.figure("map_chart")["data"] if t["marker"]["size"] == 11]
    assert len(rings) == 2
    listed = next(t.value for t in explorer.at.dataframe if list(t.value)[:2] == ["row", "label"])
    assert listed["row"].tolist() == rows
    explorer.press("Keep them as the texts to compare with")
    explorer.go("two_texts")
    explorer.change("others", "your selection")
    assert f"{len(rows)} texts of your selection" in explorer.words
    assert explorer.errors == []


def test_geometry_finds_the_neighbours_of_a_text_of_ones_own(tiny: Path) -> None:
    explorer = filled("geometry", tiny)
    own = demo_texts().texts[7]
    explorer.change("own_text", own)
    assert explorer.at.text[0].value == own
    assert explorer.at.dataframe[-2].value["row"][0] == 7, "it is itself one of the texts"
    assert explorer.errors == []


def test_a_box_or_a_lasso_is_a_selection_and_a_click_is_a_row(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Chart:
        selected: Any = ((4,), (9,), (4,))  # a point of either map

    state: dict[str, Any] = {"map": Chart}
    monkeypatch.setattr(selection_panel.st, "session_state", state)
    selection_panel.points_chosen("map")
    assert state[selection_panel.SELECTED] == (4, 9)
    Chart.selected = (3,)
    selection_panel.points_chosen("map")
    assert (state["row"], state[selection_panel.SELECTED]) == (3, (4, 9))
    Chart.selected = ()
    selection_panel.points_chosen("map")
    assert state[selection_panel.SELECTED] == ()
