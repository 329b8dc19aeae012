"""Figures of the Geometry page: isotropy with its controls, cosines, maps."""

import math
from collections import defaultdict
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from embfilter_viz.analyses.geometry import RANDOM as RANDOM_SUBSPACES
from embfilter_viz.analyses.geometry import Geometry
from embfilter_viz.embeddings.cosines import CosineHistogram
from embfilter_viz.embeddings.isotropy import Interval
from embfilter_viz.figures.palette import FILTERED, FREQUENT, RANDOM, RAW
from embfilter_viz.figures.sketch import MONOSPACE, Sketch
from embfilter_viz.figures.style import faded, plain, text_label
from embfilter_viz.wording import fixed, listed

if TYPE_CHECKING:
    import pandas as pd
    from plotly.graph_objects import Figure

__all__ = [
    "MEASURES",
    "histogram_figure",
    "histogram_sketch",
    "histogram_table",
    "isotropy_figure",
    "isotropy_sketch",
    "isotropy_table",
    "map_figure",
    "map_sketch",
    "map_table",
    "text_labels",
]

VARIANT_COLOURS = {
    "raw": RAW,
    "filtered": FILTERED,
    RANDOM_SUBSPACES: RANDOM,
    "mean removed": FREQUENT,
}

MEASURES = {
    "mean_cosine": ("mean cosine", "← more isotropic"),
    "isoscore": ("IsoScore", "more isotropic →"),
    "effective_rank": ("effective rank", "more isotropic →"),
}
"""Field of an ``Isotropy``, its name, and which way is better."""

TOPIC_COLOURS = (
    "#4E79A7", "#F28E2B", "#59A14F", "#E15759", "#B07AA1",
    "#9C755F", "#EDC948", "#76B7B2", "#FF9DA7", "#86868F",
)  # fmt: skip
"""Of the labels of texts, which mean nothing beyond telling groups apart."""

TOPIC_SYMBOLS = (
    "circle", "square", "diamond", "triangle-up", "cross",
    "x", "triangle-down", "star", "pentagon", "hexagram",
)  # fmt: skip
"""A shape for each of these colours, for eyes that do not tell all of them apart."""


def isotropy_sketch(
    report: Geometry, measures: Sequence[str] = tuple(MEASURES), *, height: int = 250
) -> Sketch:
    """Each measure in its own panel: a dot and its interval for raw, filtered and controls.

    The bar of the random subspaces is no interval: it reaches from the least to the greatest.
    Where an interval is not measured yet the dot stands without, and where a number is not there
    is none.
    """
    sketch = Sketch(height=height, name="isotropy")
    sketch.update(margin={"l": 130, "t": 36, "b": 58})
    names = list(report.variants)[::-1]
    _panels(sketch, len(measures), 0.06)
    for number, measure in enumerate(measures):
        suffix = _suffix(number)
        for name in names:
            one: Interval = getattr(report.variants[name], measure)
            colour = VARIANT_COLOURS[name]
            where = {"xaxis": f"x{suffix}", "yaxis": f"y{suffix}"}
            if math.isnan(one.value):  # the trace stands all the same, so that none changes places
                sketch.add("scatter", x=[], y=[], **where)
                continue
            interval, words = {}, f"{name}: {one.value:z.4g}"
            if one.known:
                ends = f"{one.low:z.4g} to {one.high:z.4g}"
                words += f", from {ends}" if name == RANDOM_SUBSPACES else f" ({ends})"
                interval["error_x"] = {
                    "type": "data", "symmetric": False, "array": [one.high - one.value],
                    "arrayminus": [one.value - one.low], "color": colour, "thickness": 2,
                }  # fmt: skip
            sketch.add(
                "scatter", x=[one.value], y=[name], mode="markers+text", **where,
                text=[_short(one.value)], textposition="top center", textfont={"size": 12},
                cliponaxis=False,
                marker={"size": 11, "color": colour},
                hovertemplate=f"{words}<extra></extra>", **interval,
            )  # fmt: skip
        title, better = MEASURES[measure]
        sketch.update(
            **{
                f"xaxis{suffix}": {
                    "title": {"text": f"{title}<br>{better}"},
                    "rangemode": "tozero", "zeroline": False, "showline": False,
                },
                f"yaxis{suffix}": {
                    "showline": False, "range": [-0.5, len(names) - 0.3],
                    "showticklabels": number == 0,
                },
            }
        )  # fmt: skip
    return sketch


def isotropy_figure(
    report: Geometry, measures: Sequence[str] = tuple(MEASURES), *, height: int = 250
) -> "Figure":
    """:func:`isotropy_sketch` as a figure, for a notebook or a file."""
    return isotropy_sketch(
        report, measures, height=height
    ).figure()  # fmt: skip


def isotropy_table(report: Geometry) -> "pd.DataFrame":
    """The numbers behind the dots, a row a variant and measure."""
    import pandas as pd

    rows = []
    for name, found in report.variants.items():
        for measure in MEASURES:
            one = getattr(found, measure)
            rows.append(
                {
                    "variant": name,
                    "measure": measure,
                    "value": one.value,
                    "low": one.low,
                    "high": one.high,
                    "low_and_high": "least and greatest" if name == RANDOM_SUBSPACES else "95 %",
                }
            )
    return pd.DataFrame(rows)


def histogram_sketch(
    raw: CosineHistogram, filtered: CosineHistogram, *, height: int = 280
) -> Sketch:
    """Say how alike two texts are: the cosines of all pairs, raw and filtered."""
    sketch = Sketch(height=height, x="cosine of two texts", y="share of pairs", name="cosines")
    for name, one, colour in (("raw", raw, RAW), ("filtered", filtered, FILTERED)):
        middle = (one.edges[:-1] + one.edges[1:]) / 2
        share = one.counts / one.counts.sum()
        sketch.add(
            "scatter", x=middle.astype(np.float32), y=share.astype(np.float32), mode="lines",
            name=name,
            line={"color": colour, "width": 2, "shape": "hvh"}, fill="tozeroy",
            fillcolor=faded(colour, 0.25),
            hovertemplate=f"{name}<br>%{{x:.2f}}: %{{y:.2%}}<extra></extra>",
        )  # fmt: skip
        peak = int(np.argmax(share))
        sketch.annotate(
            f"<b>{name}</b>", x=float(middle[peak]), y=float(share[peak]),
            font={"color": colour}, yshift=12,
        )  # fmt: skip
    used = np.flatnonzero(raw.counts + filtered.counts)
    ends = raw.edges[used[0]] - 0.02, raw.edges[used[-1] + 1] + 0.02
    sketch.x(range=[float(end) for end in ends])
    sketch.y(tickformat=".0%", rangemode="tozero")
    return sketch


def histogram_figure(
    raw: CosineHistogram, filtered: CosineHistogram, *, height: int = 280
) -> "Figure":
    """:func:`histogram_sketch` as a figure, for a notebook or a file."""
    return histogram_sketch(
        raw, filtered, height=height
    ).figure()  # fmt: skip


def histogram_table(raw: CosineHistogram, filtered: CosineHistogram) -> "pd.DataFrame":
    """The counts behind the histogram."""
    import pandas as pd

    return pd.DataFrame(
        {
            "from": raw.edges[:-1],
            "to": raw.edges[1:],
            "raw": raw.counts,
            "filtered": filtered.counts,
        }
    )


def map_sketch(
    maps: Sequence[tuple[str, np.ndarray]],
    texts: Sequence[str],
    labels: Sequence[str] | None,
    *,
    chosen: Sequence[int] = (),
    found: Sequence[int] = (),
    selected: Sequence[int] = (),
    axes: str = "PC",
    shared: bool = True,
    height: int = 470,
    name: str = "map",
    texts_known_as: str = "",
    faded: bool = False,
) -> Sketch:
    """Two maps of the same texts side by side; a chosen text is marked in both, found ones too.

    Where texts are selected, all others are pale in both maps, and all of them are where the maps
    are those of another window (``faded``).

    ``customdata`` of a point is its row, so that a label can never land on the wrong point. With
    ``texts_known_as`` the figure holds that name in place of the texts, for a page that has sent
    them once and shows them by row.

    Args:
        maps: two titles, each with (n, 2) points.
        texts: the texts.
        labels: one for each text, which choose colour and shape.
        chosen: rows that are marked.
        found: rows that a search found.
        selected: rows that are selected.
        axes: what the axes are called.
        shared: whether both maps have the same scale.
        height: in pixels.
        name: what the figure is called.
        texts_known_as: a name under which the browser keeps the texts, so that they travel once.
        faded: whether the maps are pale, because they are of another window.

    Returns:
        the figure.
    """
    sketch = Sketch(
        height=height, legend=True, name=name,
        about=f"Maps of the texts, {listed([title for title, _ in maps])}: {axes} 2 by {axes} 1",
    )  # fmt: skip
    sketch.update(
        margin={"l": 46, "r": 10, "t": 40, "b": 112},
        legend={"orientation": "h", "y": -0.22, "yanchor": "top", "font": {"size": 11},
                "itemsizing": "constant"},
        dragmode="pan",
        hoverlabel={"font": {"family": MONOSPACE, "size": 11}},
    )  # fmt: skip
    _panels(sketch, len(maps), 0.05)
    groups = _groups(None if labels is None else tuple(labels), len(texts))
    words = () if texts_known_as else text_labels(tuple(texts))
    for column, (title, points) in enumerate(maps):
        suffix = _suffix(column)
        points = points.astype(np.float32)
        where = {"xaxis": f"x{suffix}", "yaxis": f"y{suffix}"}
        sketch.annotate(
            f"<b>{plain(title)}</b>", x=0.5, y=1.0, font={"size": 16}, yanchor="bottom",
            xref=f"x{suffix} domain", yref="paper",
        )  # fmt: skip
        for number, (group, rows) in enumerate(groups.items()):
            said: dict[str, Any] = (
                {"meta": {"texts": texts_known_as}}
                if texts_known_as
                else {"text": [words[row] for row in rows]}
            )
            if len(selected):  # as a list: of an array Plotly takes no notice
                said["selectedpoints"] = np.flatnonzero(np.isin(rows, selected)).tolist()
            sketch.add(
                "scattergl", x=points[rows, 0], y=points[rows, 1], mode="markers", **where,
                name=text_label(group, 24) if group else "texts", legendgroup=str(number),
                showlegend=column == 0 and bool(group), customdata=rows,
                marker={"size": _dot(len(texts)), "opacity": 0.25 if faded else 0.8,
                        "color": TOPIC_COLOURS[number % len(TOPIC_COLOURS)],
                        "symbol": TOPIC_SYMBOLS[number % len(TOPIC_SYMBOLS)]},
                hovertemplate="%{text}<extra></extra>", **said,
            )  # fmt: skip
        for those, size in ((found, 11), (chosen, 15)):
            if not len(those):
                continue
            rows = np.asarray(those, dtype=np.int32)
            sketch.add(
                "scattergl", x=points[rows, 0], y=points[rows, 1], mode="markers", **where,
                marker={
                    "size": size, "color": "rgba(0,0,0,0)",
                    "line": {"width": 2.5, "color": FREQUENT},
                },
                customdata=rows, hoverinfo="skip", showlegend=False,
            )  # fmt: skip
        linked = {"matches": "x"} if shared and column else {}
        sketch.update(
            **{
                f"xaxis{suffix}": {
                    "title": {"text": f"{axes} 1"}, "showline": False, "zeroline": False,
                    "showticklabels": axes == "PC", **linked,
                },
                f"yaxis{suffix}": {
                    "showline": False, "zeroline": False,
                    "showticklabels": axes == "PC" and not (shared and column),
                    **({"matches": "y"} if linked else {}),
                },
            }
        )  # fmt: skip
    sketch.y(title={"text": f"{axes} 2"})
    return sketch


def map_figure(
    maps: Sequence[tuple[str, np.ndarray]],
    texts: Sequence[str],
    labels: Sequence[str] | None,
    *,
    chosen: Sequence[int] = (),
    found: Sequence[int] = (),
    selected: Sequence[int] = (),
    axes: str = "PC",
    shared: bool = True,
    height: int = 470,
    name: str = "map",
    texts_known_as: str = "",
) -> "Figure":
    """:func:`map_sketch` as a figure, for a notebook or a file.

    Args:
        maps: two titles, each with (n, 2) points.
        texts: the texts.
        labels: one for each text, which choose colour and shape.
        chosen: rows that are marked.
        found: rows that a search found.
        selected: rows that are selected.
        axes: what the axes are called.
        shared: whether both maps have the same scale.
        height: in pixels.
        name: what the figure is called.
        texts_known_as: a name under which the browser keeps the texts, so that they travel once.

    Returns:
        the figure.
    """
    return map_sketch(
        maps, texts, labels, chosen=chosen, found=found, selected=selected, axes=axes,
        shared=shared, height=height, name=name, texts_known_as=texts_known_as,
    ).figure()  # fmt: skip


def _short(value: float) -> str:
    """A number beside its dot: three digits, and what is next to nothing as 0."""
    return f"{value:.3g}" if abs(value) >= 0.001 else fixed(value, 3)


def _dot(n: int) -> float:
    """A point's size in pixels: the more there are, the smaller."""
    return 6 if n < 3000 else 3 if n < 10_000 else 2.5


def _suffix(number: int) -> str:
    """Return what Plotly adds to the names of a panel's axes."""
    return "" if number == 0 else str(number + 1)


def _panels(sketch: Sketch, count: int, gap: float) -> None:
    """Axes of ``count`` panels side by side, ``gap`` of the width between neighbours."""
    width = (1 - gap * (count - 1)) / count
    for number in range(count):
        left, suffix = number * (width + gap), _suffix(number)
        sketch.update(
            **{
                f"xaxis{suffix}": {"domain": [left, left + width], "anchor": f"y{suffix}"},
                f"yaxis{suffix}": {"domain": [0, 1], "anchor": f"x{suffix}"},
            }
        )


@lru_cache(maxsize=4)
def text_labels(texts: tuple[str, ...]) -> tuple[str, ...]:
    """Return the hover words of each text; they are kept, for they take longer than the map."""
    return tuple(text_label(text) for text in texts)


@lru_cache(maxsize=4)
def _groups(labels: tuple[str, ...] | None, n: int) -> dict[str, np.ndarray]:
    """Rows by label, the most frequent labels first; beyond ten, the rest together."""
    if labels is None:
        return {"": np.arange(n, dtype=np.int32)}
    rows: dict[str, list[int]] = defaultdict(list)
    for row, label in enumerate(labels):
        rows[str(label)].append(row)
    ordered = sorted(rows, key=lambda name: (-len(rows[name]), name))
    most = ordered if len(ordered) <= len(TOPIC_COLOURS) else ordered[: len(TOPIC_COLOURS) - 1]
    groups = {name: np.array(rows[name], dtype=np.int32) for name in most}
    if len(most) < len(ordered):
        rest = sorted(row for name in ordered[len(most) :] for row in rows[name])
        groups["other labels"] = np.array(rest, dtype=np.int32)
    return groups


def map_table(
    maps: Sequence[tuple[str, np.ndarray]], texts: Sequence[str], labels: Sequence[str] | None
) -> "pd.DataFrame":
    """The coordinates behind the maps, one row a text."""
    import pandas as pd

    table = {"row": np.arange(len(texts)), "text": list(texts)}
    if labels is not None:
        table["label"] = list(labels)
    for title, points in maps:
        for axis in range(points.shape[1]):
            table[f"{title} {axis + 1}"] = points[:, axis]
    return pd.DataFrame(table)
