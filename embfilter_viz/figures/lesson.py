"""Figures of the lesson that no other page has, each with the reader's guess drawn into it."""

from typing import TYPE_CHECKING

import numpy as np

from embfilter_viz.analyses.alike import Alike
from embfilter_viz.analyses.by_eye import ByEye, Tried
from embfilter_viz.analyses.lesson_seen import ends_share
from embfilter_viz.analyses.pair import Pair
from embfilter_viz.figures.guess import guess_level, guess_line
from embfilter_viz.figures.palette import BULK, EDGE, FILTERED, RANDOM, RAW
from embfilter_viz.figures.sketch import Sketch

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "by_eye_sketch",
    "by_eye_table",
    "common_sketch",
    "common_table",
    "ends_spans",
    "share_sketch",
    "share_table",
]


def common_sketch(report: Alike, *, guess: float | None = None, height: int = 230) -> Sketch:
    """Draw how many tokens two texts share: a bar for each row, random subspaces with range."""
    k = len(report.raw[0])
    sketch = Sketch(height=height, x=f"tokens that both share, of {k}", name="common")
    sketch.update(margin={"l": 110, "t": 14})
    before, after = report.common
    rows: list[tuple[str, float, str]] = [("raw", before, RAW), ("filtered", after, FILTERED)]
    if report.random is not None:
        rows.append(("20 random<br>subspaces", report.random.common.value, RANDOM))
    for place, (name, value, colour) in enumerate(reversed(rows)):
        more = {}
        if colour == RANDOM and report.random is not None:
            found = report.random.common
            more["error_x"] = {
                "type": "data", "symmetric": False, "array": [found.high - found.value],
                "arrayminus": [found.value - found.low], "thickness": 1.5, "width": 4,
            }  # fmt: skip
        sketch.add(
            "bar", x=[value], y=[place], orientation="h", width=0.55, marker={"color": colour},
            hovertemplate=f"{name.replace('<br>', ' ')}: %{{x:.3g}}<extra></extra>", **more,
        )  # fmt: skip
        sketch.annotate(
            f"<b>{value:.3g}</b>", x=0, y=place, xanchor="left", xshift=6,
            font={"color": "#fff" if value > 0.07 * k else colour},
        )  # fmt: skip
    top = len(rows) - 0.4
    sketch.x(range=[0, k + 0.2], dtick=1)
    if guess is not None:
        top += 0.5
        guess_line(sketch, guess, top=top, digits=0)
    names = [name for name, _, _ in reversed(rows)]
    sketch.y(range=[-0.5, top], tickmode="array", tickvals=list(range(len(rows))), ticktext=names,
             showgrid=False)  # fmt: skip
    return sketch


def common_table(report: Alike) -> "pd.DataFrame":
    """Return what the two decode to, one row a token."""
    import pandas as pd

    return pd.DataFrame(
        [
            {"variant": name, "text": number, "place": place, **token.to_json()}
            for name, two in (("raw", report.raw), ("filtered", report.filtered))
            for number, tokens in enumerate(two, start=1)
            for place, token in enumerate(tokens)
        ]
    )


def share_sketch(report: Pair, *, guess: float | None = None, height: int = 190) -> Sketch:
    """Two bars of 100 %: the directions, and the average cosine, each divided into ends and middle.

    Args:
        report: a pair, with the anatomy of the cosines of other pairs.
        guess: a reader's guess of the ends' share of the cosine, in per cent.
        height: in pixels.
    """
    sketch = Sketch(
        height=height, x="per cent", name="share",
        about="Share of the directions, and of the average cosine, at the two ends",
    )  # fmt: skip
    sketch.update(margin={"l": 110, "t": 14}, barmode="stack")
    bands, d = report.anatomy.bands, report.window.d
    directions = 100 * (d - (bands[-1].left - bands[0].right)) / d if len(bands) > 2 else 100.0
    cosine = 100 * ends_share(report)
    rows = ["of the average<br>cosine", "of the<br>directions"]
    for words, colour, values in (
        ("the two ends", EDGE, [cosine, directions]),
        ("all between", BULK, [100 - cosine, 100 - directions]),
    ):
        sketch.add(
            "bar", x=values, y=[0, 1], orientation="h", width=0.6, marker={"color": colour},
            name=words,
            text=[f"<b>{words} {value:.0f} %</b>" if value > 25 else f"<b>{value:.0f} %</b>"
                  for value in values],
            textposition="inside", insidetextanchor="middle", textangle=0,
            textfont={"color": "#fff"},
            hovertemplate=f"{words}: %{{x:.1f}} %<extra></extra>",
        )  # fmt: skip
    sketch.x(range=[0, 100])
    top = 1.5
    if guess is not None:
        top += 0.45
        guess_line(sketch, guess, top=top, digits=0)
    sketch.y(range=[-0.5, top], tickmode="array", tickvals=[0, 1], ticktext=rows, showgrid=False)
    return sketch


def share_table(report: Pair) -> "pd.DataFrame":
    """Return what the ends and the rest add to the mean cosine of other pairs."""
    import pandas as pd

    share = ends_share(report)
    mean = report.anatomy.whole.mean.value
    return pd.DataFrame(
        {"part": ["ends", "between"], "share": [share, 1 - share],
         "mean_contribution": [share * mean, (1 - share) * mean]}
    )  # fmt: skip


def ends_spans(answer: str, d: int) -> list[tuple[float, float]]:
    """Return which parts of a spectrum of d directions an answer of step 4 means.

    >>> ends_spans("both", 100)
    [(-0.5, 9.5), (89.5, 99.5)]
    >>> ends_spans("absent", 100)
    [(9.5, 89.5)]
    """
    width = max(d // 10, 1)
    strong, weak = (-0.5, width - 0.5), (d - width - 0.5, d - 0.5)
    return {
        "strong": [strong],
        "weak": [weak],
        "both": [strong, weak],
        "absent": [(strong[1], weak[0])],
    }[answer]


MARKED = {
    "raw": ("raw", RAW, "circle"),
    "tau_2": ("τ = 2", BULK, "square"),
    "parts_most": ("separates the two most", EDGE, "x"),
    "chosen": ("your window", FILTERED, "diamond"),
}
"""Points with a name: their words, colours and shapes."""


def by_eye_sketch(report: ByEye, *, guess: float | None = None, height: int = 420) -> Sketch:
    """Each window as a point: how alike it leaves the two sentences, and what it scores."""
    sketch = Sketch(
        height=height, x="cosine of your two sentences (left: further apart)",
        y="score on the 160 pairs", name="by-eye",
    )  # fmt: skip
    known = [one for one in report.grid if np.isfinite(one.score)]
    sketch.add(
        "scatter", x=np.array([one.cosine for one in known], np.float32),
        y=np.array([one.score for one in known], np.float32), mode="markers", name="windows",
        marker={"size": 6, "color": RANDOM, "opacity": 0.45},
        customdata=[str(one.window) for one in known],
        hovertemplate="window %{customdata}<br>cosine %{x:.3f}<br>score %{y:.1f}<extra></extra>",
    )  # fmt: skip
    for name, (words, colour, symbol) in MARKED.items():
        one: Tried = getattr(report, name)
        own = name == "chosen"
        sketch.add(
            "scatter", x=[one.cosine], y=[one.score], mode="markers+text", name=words,
            text=[f"<b>{words}</b>"], textposition="bottom center" if own else "top center",
            textfont={"color": colour}, cliponaxis=False,
            marker={"size": 15 if own else 11, "color": colour, "symbol": symbol,
                    "line": {"width": 1.5, "color": "rgba(255,255,255,0.85)"}},
            hovertemplate=f"{words} {one.window}<br>cosine %{{x:.3f}}<br>score %{{y:.1f}}"
            "<extra></extra>",
        )  # fmt: skip
    if guess is not None:
        guess_level(sketch, guess, words=f"your guess {guess:z.1f}")
    seen = [one.score for one in (*known, report.chosen) if np.isfinite(one.score)]
    low, high = (
        min([*seen, *([] if guess is None else [guess])]),
        max([*seen, *([] if guess is None else [guess])]),
    )
    sketch.y(range=[low - 0.08 * (high - low) - 1, high + 0.12 * (high - low) + 1])
    return sketch


def by_eye_table(report: ByEye) -> "pd.DataFrame":
    """The windows behind the points, your own first."""
    import pandas as pd

    return pd.DataFrame(
        [
            {"window": str(one.window), "cosine": one.cosine, "score": one.score}
            for one in (report.chosen, *report.grid)
        ]
    )
