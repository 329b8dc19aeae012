"""Figures of the lens by position: the map of a prompt, and a token's rank through the layers."""

from typing import TYPE_CHECKING, Any

import numpy as np

from embfilter_viz.analyses.position_lens import PositionMap, RankPath
from embfilter_viz.figures.palette import FILTERED, RAW
from embfilter_viz.figures.sketch import MONOSPACE, Sketch
from embfilter_viz.figures.style import token_label
from embfilter_viz.models.head.vocabulary import visible

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "COLOURED_BY",
    "map_sketch",
    "map_table",
    "map_width",
    "path_sketch",
    "path_table",
]

COLOURED_BY = {
    "probability": "probability of the top token",
    "rank": "place of the followed token, 1 = first",
    "entropy": "entropy in bits",
}
"""What the colour of a cell can say, and how the colour bar calls it."""

COLUMN, LEFT, RIGHT = 68, 64, 96
"""Pixels of a token's column, and beside all of them."""

LETTERS = 9
"""Characters of a token that a cell has room for."""

PALE, CELL_TEXT = "#f3f4f5", "#14171c"
"""Where the colours begin; words dark enough on the palest and on the strongest of them."""

COLOURS = {
    "raw": RAW,
    "filtered": FILTERED,
    "relative": RAW,
    "relative_filtered": FILTERED,
}
DASHES = {"raw": "solid", "filtered": "solid", "relative": "dot", "relative_filtered": "dot"}


def map_width(found: PositionMap) -> int:
    """Pixels that the map needs for its words to be read."""
    return LEFT + RIGHT + COLUMN * len(found.tokens)


def map_sketch(
    found: PositionMap, coloured_by: str, *, chosen: tuple[int, int] | None = None, faded: bool
) -> Sketch:
    """A cell for every layer and token: its top token as a word, another number as its colour.

    Read from the top down, as the model does; tokens stand in the order of the prompt, and those
    that count towards the embedding have bold names.

    Args:
        found: the map.
        coloured_by: one of ``COLOURED_BY``; by rank where a token was followed.
        chosen: layer and position of a cell that is framed.
        faded: whether the map is one of another window, to be replaced in a moment.

    Returns:
        the figure.
    """
    layers, columns = found.top.shape
    sketch = Sketch(
        height=110 + 24 * layers, y="layer", name=f"positions-{found.first}-{columns}",
        about=f"{found.side} lens by layer and token of the prompt: {COLOURED_BY[coloured_by]}",
    )  # fmt: skip
    sketch.update(margin={"l": LEFT, "r": 12, "t": 64, "b": 12})
    z, low, high, bar = _colours(found, coloured_by)
    words = [[token_label(text, LETTERS) for text in row] for row in found.texts]
    sketch.add(
        "heatmap", z=z.astype(np.float32), x=list(range(columns)), y=list(range(layers)),
        text=words, texttemplate="%{text}",
        textfont={"family": MONOSPACE, "size": 11, "color": CELL_TEXT},
        hovertext=_hover(found), hoverinfo="text", xgap=1, ygap=1, zmin=low, zmax=high,
        opacity=0.35 if faded else 1.0,
        colorscale=[[0, PALE], [1, COLOURS[found.side]]],
        colorbar={
            "thickness": 10, "outlinewidth": 0,
            "title": {"text": COLOURED_BY[coloured_by], "side": "right"},
            **bar,
        },
    )  # fmt: skip
    names = [
        f"<b>{token_label(token, LETTERS)}</b>"
        if found.first + i >= found.start
        else token_label(token, LETTERS)
        for i, token in enumerate(found.tokens)
    ]
    sketch.x(
        side="top", tickmode="array", tickvals=list(range(columns)), ticktext=names,
        tickfont={"family": MONOSPACE, "size": 11}, tickangle=-30, showgrid=False, fixedrange=True,
        range=[-0.5, columns - 0.5],
    )  # fmt: skip
    sketch.y(
        range=[layers - 0.5, -0.5], tickmode="linear", dtick=5, showgrid=False, fixedrange=True
    )
    if chosen is not None and 0 <= chosen[1] - found.first < columns:
        layer, column = chosen[0], chosen[1] - found.first
        frame = {
            "type": "rect", "x0": column - 0.5, "x1": column + 0.5, "y0": layer - 0.5,
            "y1": layer + 0.5, "line": {"color": "#D55E00", "width": 3},
        }  # fmt: skip
        sketch.update(shapes=[frame])
    return sketch


def _colours(
    found: PositionMap, coloured_by: str
) -> tuple[np.ndarray, float, float, dict[str, Any]]:
    """Return what the colours stand for, where they begin and end, and the ticks of their bar."""
    if coloured_by == "entropy":
        return found.entropy, 0.0, float(np.nanmax(found.entropy, initial=1.0)), {}
    if coloured_by == "probability":
        return found.probability, 0.0, 1.0, {"tickformat": ".1f"}
    assert found.rank is not None
    # The first rank has the strongest colour; ranks differ by factors.
    z = np.where(found.rank < 0, np.nan, -np.log10(np.maximum(found.rank, 0) + 1.0))
    deepest = np.ceil(-np.nanmin(z, initial=-1.0))
    powers = np.arange(int(deepest) + 1)
    ticks: dict[str, Any] = {
        "tickmode": "array",
        "tickvals": [-int(p) for p in powers],
        "ticktext": [f"{10**p:,}" for p in powers.tolist()],
    }
    return z, -float(deepest), 0.0, ticks


def _hover(found: PositionMap) -> list[list[str]]:
    rows = []
    for layer, texts in enumerate(found.texts):
        row = []
        for column, text in enumerate(texts):
            where = f"layer {layer}, token {found.first + column}"
            if not text:
                row.append(f"{where}: equal to the mean of other texts")
                continue
            said = (
                f"{where}: {token_label(text, 24)}<br>probability "
                f"{found.probability[layer, column]:.3g}, entropy "
                f"{found.entropy[layer, column]:.2f} bits"
            )
            if found.rank is not None and found.token is not None:
                followed = token_label(found.token.text, 24)
                said += f"<br>place of {followed}: {int(found.rank[layer, column]) + 1:,}"
            row.append(said)
        rows.append(row)
    return rows


def map_table(found: PositionMap) -> "pd.DataFrame":
    """The cells behind the map, a row each."""
    import pandas as pd

    layers, columns = found.top.shape
    layer, column = (index.ravel() for index in np.indices((layers, columns)))
    return pd.DataFrame(
        {
            "layer": layer,
            "position": column + found.first,
            "token": [found.tokens[i] for i in column],
            "top_id": found.top.ravel(),
            "top_text": [text for row in found.texts for text in row],
            "probability": found.probability.ravel(),
            "entropy_bits": found.entropy.ravel(),
            **({} if found.rank is None else {"rank": found.rank.ravel()}),
        }
    )


def path_sketch(path: RankPath, *, height: int = 320) -> Sketch:
    """The place of one token at one position after every layer, the first on top."""
    sketch = Sketch(
        height=height, x="layer", y=f"place of {token_label(path.token.text, 24)}, 1 = first",
        legend=True, name="rank-path",
    )  # fmt: skip
    for name, ranks in list(path.ranks.items())[::-1]:
        layers = np.flatnonzero(ranks >= 0)
        sketch.add(
            "scatter", x=layers.astype(np.int32), y=(ranks[layers] + 1).astype(np.int32),
            mode="lines+markers", name=name.replace("_", ", "),
            line={"color": COLOURS[name], "width": 2.2, "dash": DASHES[name]},
            marker={"size": 6, "symbol": "circle" if name in ("raw", "filtered") else "diamond"},
            hovertemplate=f"{name.replace('_', ', ')}, layer %{{x}}: %{{y:,}}<extra></extra>",
        )  # fmt: skip
    sketch.y(type="log", autorange="reversed", tickformat=",d", dtick=1)
    return sketch


def path_table(path: RankPath) -> "pd.DataFrame":
    """The ranks behind the lines, a row a layer; empty where a state is the mean itself."""
    import pandas as pd

    return pd.DataFrame(
        {
            "layer": np.arange(len(next(iter(path.ranks.values())))),
            "token": visible(path.token.text),
            **{
                f"rank_{name}": pd.array(
                    [None if rank < 0 else int(rank) for rank in ranks], dtype="Int64"
                )
                for name, ranks in path.ranks.items()
            },
        }
    )
