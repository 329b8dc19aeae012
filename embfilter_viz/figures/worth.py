"""What a window is worth on graded pairs: a score and its interval for it and each control."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from embfilter_viz.analyses.geometry import RANDOM as RANDOM_SUBSPACES
from embfilter_viz.analyses.worth import CONTROLS, Worth
from embfilter_viz.figures.guess import GUESS, guess_line
from embfilter_viz.figures.palette import EDGE, FILTERED, FREQUENT, RANDOM, RAW
from embfilter_viz.figures.sketch import Sketch

if TYPE_CHECKING:
    import pandas as pd
    from plotly.graph_objects import Figure

__all__ = ["worth_figure", "worth_sketch", "worth_table"]

COLOURS = {
    "raw": RAW,
    "filtered": FILTERED,
    RANDOM_SUBSPACES: RANDOM,
    "mean removed": FREQUENT,
    "dominant": EDGE,
    "truncation": EDGE,
}
WORDS = {
    RANDOM_SUBSPACES: "20 random<br>subspaces",
    "mean removed": "mean<br>removed",
    "dominant": "strong end<br>dropped",
    "truncation": "raw numbers<br>dropped",
}


def worth_sketch(
    report: Worth,
    names: Sequence[str] = CONTROLS,
    *,
    guess: float | str | None = None,
    height: int = 300,
) -> Sketch:
    """A dot and its interval a row; of the random subspaces the bar reaches from least to greatest.

    Args:
        report: the scores.
        names: which of them, from top to bottom; those that the report has not are left out.
        guess: a reader's guess of the filtered score, drawn as a dotted line, or of the variant
            that scores most, whose row is framed.
        height: in pixels.

    Returns:
        the figure.
    """
    sketch = Sketch(height=height, x=f"{report.measure}, more is better", name="worth")
    sketch.update(margin={"l": 110, "t": 14})
    shown = [name for name in names if name in report.scores]
    ends = [e for n in shown for e in (report.scores[n].score.low, report.scores[n].score.high)]
    seen = [end for end in ends if end == end]
    seen += [report.scores[name].score.value for name in shown]
    seen += [guess] if isinstance(guess, float) else []
    reach = max(max(seen) - min(seen), 1.0)
    sketch.x(range=[min(seen) - 0.08 * reach, max(seen) + 0.08 * reach])
    for place, name in enumerate(reversed(shown)):
        score, colour = report.scores[name].score, COLOURS[name]
        words, more = f"{name}: {score.value:z.1f}", {}
        if score.known:
            words += f" ({score.low:z.1f} to {score.high:z.1f})"
            more["error_x"] = {
                "type": "data", "symmetric": False, "array": [score.high - score.value],
                "arrayminus": [score.value - score.low], "color": colour, "thickness": 2.2,
            }  # fmt: skip
        sketch.add(
            "scatter", x=[score.value], y=[place], mode="markers+text", cliponaxis=False,
            text=[f"<b>{score.value:z.1f}</b>"], textposition="top center",
            marker={"size": 11, "color": colour,
                    "symbol": "diamond" if name == RANDOM_SUBSPACES else "circle"},
            hovertemplate=f"{words}<extra></extra>", **more,
        )  # fmt: skip
    top = len(shown) - 0.3
    if isinstance(guess, str) and guess in shown:
        _framed(sketch, len(shown) - 1 - shown.index(guess))
    if isinstance(guess, float):
        top += 0.6
        guess_line(sketch, guess, top=top, digits=1)
    sketch.y(
        range=[-0.5, top], tickmode="array", tickvals=list(range(len(shown))), showgrid=False,
        ticktext=[WORDS.get(name, name) for name in reversed(shown)],
    )  # fmt: skip
    return sketch


def _framed(sketch: Sketch, place: int) -> None:
    """A dotted frame about a row, with its name."""
    sketch.layout.setdefault("shapes", []).append(
        {
            "type": "rect", "xref": "paper", "x0": 0, "x1": 1, "yref": "y", "y0": place - 0.42,
            "y1": place + 0.55, "line": {"dash": "dot", "width": 2.5, "color": GUESS},
        }
    )  # fmt: skip
    sketch.annotate(
        "<b>your guess</b>", x=1, xref="paper", xanchor="right", y=place - 0.22, xshift=-6,
        font={"color": GUESS},
    )  # fmt: skip


def worth_figure(
    report: Worth,
    names: Sequence[str] = CONTROLS,
    *,
    guess: float | str | None = None,
    height: int = 300,
) -> "Figure":
    """:func:`worth_sketch` as a figure, for a notebook or a file.

    Args:
        report: the scores.
        names: which of them, in the order of the rows.
        guess: the reader's guess, if there is one.
        height: in pixels.

    Returns:
        the figure.
    """
    return worth_sketch(report, names, guess=guess, height=height).figure()


def worth_table(report: Worth) -> "pd.DataFrame":
    """The numbers behind the dots, one row a variant."""
    import pandas as pd

    return pd.DataFrame(
        [
            {
                "variant": name, "score": one.score.value, "low": one.score.low,
                "high": one.score.high, "to_raw": one.to_raw.value, "to_raw_low": one.to_raw.low,
                "to_raw_high": one.to_raw.high,
            }
            for name, one in report.scores.items()
        ]
    )  # fmt: skip
