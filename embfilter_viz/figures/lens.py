"""Figures of the Filter and lens page: ranks before and after, and the lens by layer."""

from typing import TYPE_CHECKING

from embfilter_viz.analyses.lens import FREQUENT, LayerLens, Lens
from embfilter_viz.analyses.tokens import Token
from embfilter_viz.figures.palette import FILTERED, INFREQUENT, RAW
from embfilter_viz.figures.palette import FREQUENT as FREQUENT_COLOUR
from embfilter_viz.figures.sketch import MONOSPACE, Sketch
from embfilter_viz.figures.style import faded, frequency_scale, token_label
from embfilter_viz.wording import listed

if TYPE_CHECKING:
    import pandas as pd
    from plotly.graph_objects import Figure

__all__ = ["layers_figure", "layers_table", "lens_table", "ranks_figure"]

LEFT, RIGHT = 0.41, 0.59
GAP = "\u00a0"
"""Between a token and the square of its colour."""


NAMES = ("raw", "filtered")
"""What the two sides are called where nothing else is said."""


def ranks_figure(
    report: Lens,
    d_vocab: int,
    *,
    height: int | None = None,
    width: int = 18,
    names: tuple[str, str] = NAMES,
) -> "Figure":
    """Top tokens raw on the left, filtered on the right, a line for each that stays.

    Beside a token that leaves or enters stands the rank it goes to or comes from. The colour of
    a token is its frequency rank. Tokens longer than ``width`` are cut. ``names`` stand over the
    two sides.

    Args:
        report: the lens.
        d_vocab: where the scale of ranks ends.
        height: in pixels.
        width: in pixels.
        names: what both sides are called.

    Returns:
        the figure.
    """
    k = len(report.raw)
    sketch = Sketch(
        height=height or 90 + 32 * k, name="ranks", about=f"Top tokens, {names[0]} and {names[1]}"
    )
    sketch.update(margin={"l": 8, "r": 8, "t": 8, "b": 8})
    for called, tokens, ranks, x, side in (
        (names[0], report.raw, report.rank_in_filtered, LEFT, "left"),
        (names[1], report.filtered, report.rank_in_raw, RIGHT, "right"),
    ):
        _column(sketch, called, tokens, ranks, x=x, side=side, size=d_vocab, width=width)
    after = {token.id: place for place, token in enumerate(report.filtered)}
    for place, token in enumerate(report.raw):
        if token.id in after:
            sketch.add(
                "scatter",
                x=[LEFT + 0.012, RIGHT - 0.012], y=[place, after[token.id]], mode="lines",
                line={"color": faded(FILTERED, 0.55), "width": 2}, hoverinfo="skip",
            )  # fmt: skip
    for x, words, colour in ((LEFT, names[0], RAW), (RIGHT, names[1], FILTERED)):
        sketch.annotate(
            f"<b>{words}</b>", x=x, y=-1.05,
            font={"color": colour, "size": 15}, xanchor="right" if x == LEFT else "left",
        )  # fmt: skip
    sketch.x(visible=False, range=[0, 1], fixedrange=True)
    sketch.y(visible=False, range=[k - 0.4, -1.5], fixedrange=True)
    return sketch.figure()


def _column(
    sketch: Sketch,
    called: str,
    tokens: tuple[Token, ...],
    ranks: tuple[int, ...],
    *,
    x: float,
    side: str,
    size: int,
    width: int,
) -> None:
    k, left = len(tokens), side == "left"
    colours = frequency_scale(
        [t.frequency_rank for t in tokens], (FREQUENT_COLOUR, INFREQUENT), size
    )
    names, moves = [], []
    for token, rank in zip(tokens, ranks, strict=True):
        name = token_label(token.text, width)
        frequent = token.frequency_rank is not None and token.frequency_rank < FREQUENT
        names.append(f"<b>{name}</b>" if frequent else name)
        names[-1] = f"{names[-1]}{GAP}" if left else f"{GAP}{names[-1]}"
        move = f"→ #{rank + 1:,}" if left else f"from #{rank + 1:,}"
        moves.append("" if rank < k else move)
    # Words of traces, not annotations: Plotly draws twenty of them ten times as fast.
    sketch.add(
        "scatter",
        x=[x] * k, y=list(range(k)), mode="markers+text", name=called,
        marker={"color": colours, "size": 12, "symbol": "square"},
        text=names, textposition=f"middle {side}", textfont={"family": MONOSPACE, "size": 14},
        customdata=[
            [t.id, t.logit, t.frequency_rank, r + 1] for t, r in zip(tokens, ranks, strict=True)
        ],
        hovertemplate=(
            "token %{customdata[0]}<br>logit %{customdata[1]:.3f}"
            "<br>frequency rank %{customdata[2]}"
            f"<br>rank {'after' if left else 'before'}: %{{customdata[3]}}<extra></extra>"
        ),
    )  # fmt: skip
    sketch.add(
        "scatter",
        x=[0.0 if left else 1.0] * k, y=list(range(k)), mode="text", text=moves, opacity=0.7,
        textposition=f"middle {'right' if left else 'left'}", textfont={"size": 11},
        hoverinfo="skip",
    )  # fmt: skip


def lens_table(report: Lens, names: tuple[str, str] = NAMES) -> "pd.DataFrame":
    """The tokens behind the columns, one row a token and side."""
    import pandas as pd

    sides = (
        (names[0], report.raw, report.rank_in_filtered),
        (names[1], report.filtered, report.rank_in_raw),
    )
    return pd.DataFrame(
        [
            {"side": side, "place": place + 1, **token.to_json(), "rank_on_other_side": rank + 1}
            for side, tokens, ranks in sides
            for place, (token, rank) in enumerate(zip(tokens, ranks, strict=True))
        ]
    )


def layers_figure(
    report: LayerLens,
    d_vocab: int,
    *,
    height: int | None = None,
    names: tuple[str, str] = NAMES,
    side: int | None = None,
) -> "Figure":
    """Top tokens after every layer, raw in the left block and filtered in the right one.

    ``names`` stand over the two blocks. A layer may have no tokens. With ``side``, 0 for raw and 1
    for filtered, that block stands alone: pages have room for both beside one another or not.

    Args:
        report: the lens after every layer.
        d_vocab: where the scale of ranks ends.
        height: in pixels.
        names: what both sides are called.
        side: 0 or 1 for one side alone.

    Returns:
        the figure.
    """
    layers = len(report.raw)
    k = max(len(row) for row in (*report.raw, *report.filtered))
    both = zip(names, (report.raw, report.filtered), (RAW, FILTERED), strict=True)
    blocks = [one for number, one in enumerate(both) if side in (None, number)]
    sketch = Sketch(
        height=height or 90 + 24 * layers, y="layer", name=f"layers-{side}",
        about=f"Top tokens after each layer, {listed([block for block, _, _ in blocks])}",
    )  # fmt: skip
    sketch.update(margin={"l": 56, "r": 8, "t": 36, "b": 12})
    letters = 11 if side is None else 9
    for column, (block, rows, colour) in enumerate(blocks):
        placed = [(layer, place) for layer, row in enumerate(rows) for place in range(len(row))]
        tokens = [token for row in rows for token in row]
        colours = frequency_scale(
            [t.frequency_rank for t in tokens], (FREQUENT_COLOUR, INFREQUENT), d_vocab
        )
        sketch.add(
            "scatter", x=[column * (k + 0.4) + place for _, place in placed],
            y=[layer for layer, _ in placed],
            mode="text", text=[token_label(t.text, letters) for t in tokens], name=block,
            textfont={"family": MONOSPACE, "size": 11, "color": colours},
            customdata=[[t.id, t.logit, t.frequency_rank] for t in tokens],
            hovertemplate=(
                "%{text}<br>token %{customdata[0]}, logit %{customdata[1]:.3f}"
                "<br>frequency rank %{customdata[2]}<extra></extra>"
            ),
        )  # fmt: skip
        sketch.annotate(
            f"<b>{block}</b>", x=column * (k + 0.4) + (k - 1) / 2, y=-1.3,
            font={"color": colour, "size": 14},
        )  # fmt: skip
    sketch.x(visible=False, range=[-0.6, len(blocks) * (k + 0.4) - 0.8], fixedrange=True)
    sketch.y(
        range=[layers - 0.3, -1.9], tickmode="linear", dtick=5, showgrid=False, fixedrange=True
    )
    return sketch.figure()


def layers_table(
    report: LayerLens, names: tuple[str, str] = NAMES, side: int | None = None
) -> "pd.DataFrame":
    """The tokens behind the blocks, or behind one of them, one row a layer, block and place."""
    import pandas as pd

    return pd.DataFrame(
        [
            {"layer": layer, "side": block, "place": place + 1, **token.to_json()}
            for number, (block, layers) in enumerate(
                zip(names, (report.raw, report.filtered), strict=True)
            )
            if side in (None, number)
            for layer, row in enumerate(layers)
            for place, token in enumerate(row)
        ]
    )
