"""Where texts' own tokens stand: median ranks with their intervals, raw, filtered and relative."""

from typing import TYPE_CHECKING

from embfilter_viz.analyses.relative_lens import OwnRanks
from embfilter_viz.figures.palette import FILTERED, RAW
from embfilter_viz.figures.sketch import Sketch

if TYPE_CHECKING:
    import pandas as pd
    from plotly.graph_objects import Figure

__all__ = ["RELATIVE", "own_ranks_figure", "own_ranks_sketch", "own_ranks_table"]

RELATIVE = ("e − μ", "(e − μ) Φ")
"""What the two sides of the relative lens are called."""

FIRST = 0.5
"""Where rank 0 stands on a scale of powers of ten."""

LABELS = {
    "raw": "e",
    "filtered": "e Φ",
    "relative": RELATIVE[0],
    "relative_filtered": RELATIVE[1],
}
COLOURS = {"raw": RAW, "filtered": FILTERED, "relative": RAW, "relative_filtered": FILTERED}


def own_ranks_sketch(found: OwnRanks, *, height: int = 230) -> Sketch:
    """A dot and its interval for each side, on a scale of powers of ten: further left is better.

    Such a scale has no 0: what is first stands at one half.
    """
    sketch = Sketch(
        height=height, x="median rank of a text's own tokens, 0 is the first", name="own-ranks"
    )
    sketch.update(margin={"l": 80, "r": 40})
    for name, one in list(found.median.items())[::-1]:
        value, low, high = (max(end, FIRST) for end in (one.value, one.low, one.high))
        sketch.add(
            "scatter", x=[value], y=[LABELS[name]], mode="markers+text", text=[f"{one.value:,.0f}"],
            textposition="top center", cliponaxis=False,
            marker={"color": COLOURS[name], "size": 11,
                    "symbol": "diamond" if name.startswith("relative") else "circle"},
            error_x={
                "type": "data", "symmetric": False, "array": [high - value],
                "arrayminus": [value - low], "color": COLOURS[name], "thickness": 2,
            },
            hovertemplate=(
                f"%{{y}}: {one.value:,.0f} ({one.low:,.0f} to {one.high:,.0f})<extra></extra>"
            ),
        )  # fmt: skip
    sketch.x(type="log", dtick="D2")
    sketch.y(range=[-0.5, len(found.median) - 0.3])
    return sketch


def own_ranks_figure(found: OwnRanks, *, height: int = 230) -> "Figure":
    """:func:`own_ranks_sketch` as a figure, for a notebook or a file."""
    return own_ranks_sketch(found, height=height).figure()


def own_ranks_table(found: OwnRanks) -> "pd.DataFrame":
    """The medians behind the dots, ranks from 0."""
    import pandas as pd

    return pd.DataFrame(
        [
            {"side": name, "median_rank": one.value, "low": one.low, "high": one.high}
            for name, one in found.median.items()
        ]
    )
