"""The verdicts on the paper's claims: a table for a file and a report, and a figure of scores."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd

from embfilter_viz.analyses.claim_record import Claims, Figure
from embfilter_viz.figures.palette import FILTERED, RAW
from embfilter_viz.figures.sketch import Sketch
from embfilter_viz.figures.style import plain
from embfilter_viz.models.sources.names import without_place

if TYPE_CHECKING:
    from plotly.graph_objects import Figure as Drawn

__all__ = ["POINTS", "claims_table", "points_figure", "points_sketch"]

POINTS = "points"
"""The unit of what the figure shows: differences of scores."""

_ROW = 26
"""Pixels of a row of the figure."""


def claims_table(runs: Sequence[Claims]) -> pd.DataFrame:
    """Every claim of one run or of several, a row each, with its rule."""
    rows = [
        {
            "model": without_place(run.model), "prompt": run.prompt, "claim": one.number,
            "title": one.rule.claim, "verdict": one.verdict,
            **_columns("statistic", one.figure), **_columns("control", one.control),
            "finding": one.sentence, "holds_if": one.rule.holds, "fails_if": one.rule.fails,
        }
        for run in runs
        for one in run.claims
    ]  # fmt: skip
    return pd.DataFrame(rows)


def _columns(what: str, figure: Figure | None) -> dict[str, object]:
    """A figure's name and numbers, with what they are of in the columns' names."""
    if figure is None:
        return dict.fromkeys((what, f"{what}_value", f"{what}_low", f"{what}_high"))
    one = figure.interval
    return {
        what: figure.name, f"{what}_value": one.value,
        f"{what}_low": one.low, f"{what}_high": one.high,
    }  # fmt: skip


def points_sketch(found: Claims) -> Sketch | None:
    """The differences of scores that claims 7 to 11 go by, with their intervals; None without any.

    All are of the filter less something else: what lies to the right of 0 speaks for it.
    """
    rows = [
        (claim.number, one)
        for claim in found.claims
        for one in claim.figures
        if one.unit == POINTS and 7 <= claim.number <= 11
    ]
    if not rows:
        return None
    sketch = Sketch(height=70 + _ROW * len(rows), x="difference of scores, points", name="claims")
    names = [plain(f"{number}: {one.name}") for number, one in rows]
    values = [one.interval.value for _, one in rows]
    sketch.add(
        "scatter",
        x=values,
        y=names,
        mode="markers",
        marker={"size": 10, "color": FILTERED},
        error_x={
            "type": "data", "symmetric": False, "thickness": 2, "color": FILTERED,
            "array": [one.interval.high - one.interval.value for _, one in rows],
            "arrayminus": [one.interval.value - one.interval.low for _, one in rows],
        },
        hovertext=[f"{plain(one.name)}: {one.words}" for _, one in rows],
        hoverinfo="text",
    )  # fmt: skip
    sketch.y(autorange="reversed", type="category", showgrid=False)
    sketch.x(zeroline=True, zerolinewidth=2, zerolinecolor=RAW)
    return sketch


def points_figure(found: Claims) -> "Drawn | None":
    """The same for a report."""
    sketch = points_sketch(found)
    return None if sketch is None else sketch.figure()
