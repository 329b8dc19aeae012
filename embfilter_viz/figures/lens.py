"""Figures of the Filter and lens page: ranks before and after, and the lens by layer."""

from typing import TYPE_CHECKING

from embfilter_viz.analyses.lens import FREQUENT, LayerLens, Lens
from embfilter_viz.analyses.tokens import Token
from embfilter_viz.figures.palette import FILTERED, INFREQUENT, RAW
from embfilter_viz.figures.palette import FREQUENT as FREQUENT_COLOUR
from embfilter_viz.figures.sketch import MONOSPACE, Sketch
from embfilter_viz.figures.style import faded, frequency_scale, token_label

if TYPE_CHECKING:
    import pandas as pd
    from plotly.graph_objects import Figure

__all__ = ["layers_figure", "layers_table", "lens_table", "ranks_figure"]

LEFT, RIGHT = 0.41, 0.59
GAP = "\u00a0"
"""Between a token and the square of its colour."""


def ranks_figure(
    report: Lens, d_vocab: int, *, height: int | None = None, width: int = 18
) -> "Figure":
    """Top tokens raw on the left, filtered on the right, a line for each that stays.

    Beside a token that leaves or enters stands the rank it goes to or comes from. The colour of
    a token is its frequency rank. Tokens longer than ``width`` are cut.
    """
    k = len(report.raw)
    sketch = Sketch(height=height or 90 + 32 * k, name="ranks")
    sketch.update(margin={"l": 8, "r": 8, "t": 8, "b": 8})
    _column(sketch, report.raw, report.rank_in_filtered, LEFT, "left", d_vocab, width)
    _column(sketch, report.filtered, report.rank_in_raw, RIGHT, "right", d_vocab, width)
    after = {token.id: place for place, token in enumerate(report.filtered)}
    for place, token in enumerate(report.raw):
        if token.id in after:
            sketch.add(
                "scatter",
                x=[LEFT + 0.012, RIGHT - 0.012], y=[place, after[token.id]], mode="lines",
                line={"color": faded(FILTERED, 0.55), "width": 2}, hoverinfo="skip",
            )  # fmt: skip
    for x, words, colour in ((LEFT, "raw", RAW), (RIGHT, "filtered", FILTERED)):
        sketch.annotate(
            f"<b>{words}</b>", x=x, y=-1.05,
            font={"color": colour, "size": 15}, xanchor="right" if x == LEFT else "left",
        )  # fmt: skip
    sketch.x(visible=False, range=[0, 1], fixedrange=True)
    sketch.y(visible=False, range=[k - 0.4, -1.5], fixedrange=True)
    return sketch.figure()


def _column(
    sketch: Sketch,
    tokens: tuple[Token, ...],
    ranks: tuple[int, ...],
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
        x=[x] * k, y=list(range(k)), mode="markers+text",
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


def lens_table(report: Lens) -> "pd.DataFrame":
    """The tokens behind the columns, one row a token and side."""
    import pandas as pd

    sides = (
        ("raw", report.raw, report.rank_in_filtered),
        ("filtered", report.filtered, report.rank_in_raw),
    )
    return pd.DataFrame(
        [
            {"side": side, "place": place + 1, **token.to_json(), "rank_on_other_side": rank + 1}
            for side, tokens, ranks in sides
            for place, (token, rank) in enumerate(zip(tokens, ranks, strict=True))
        ]
    )


def layers_figure(report: LayerLens, d_vocab: int, *, height: int | None = None) -> "Figure":
    """Top tokens after every layer, raw in the left block and filtered in the right one."""
    layers, k = len(report.raw), len(report.raw[0])
    sketch = Sketch(height=height or 90 + 24 * layers, y="layer", name="layers")
    sketch.update(margin={"l": 56, "r": 8, "t": 36, "b": 12})
    for column, (block, rows) in enumerate((("raw", report.raw), ("filtered", report.filtered))):
        tokens = [token for row in rows for token in row]
        colours = frequency_scale(
            [t.frequency_rank for t in tokens], (FREQUENT_COLOUR, INFREQUENT), d_vocab
        )
        sketch.add(
            "scatter", x=[column * (k + 0.4) + i % k for i in range(len(tokens))],
            y=[i // k for i in range(len(tokens))],
            mode="text", text=[token_label(t.text, 11) for t in tokens],
            textfont={"family": MONOSPACE, "size": 11, "color": colours},
            customdata=[[t.id, t.logit, t.frequency_rank] for t in tokens],
            hovertemplate=(
                "%{text}<br>token %{customdata[0]}, logit %{customdata[1]:.3f}"
                "<br>frequency rank %{customdata[2]}<extra></extra>"
            ),
        )  # fmt: skip
        sketch.annotate(
            f"<b>{block}</b>", x=column * (k + 0.4) + (k - 1) / 2, y=-1.3,
            font={"color": RAW if block == "raw" else FILTERED, "size": 14},
        )  # fmt: skip
    sketch.x(visible=False, range=[-0.6, 2 * k + 0.0], fixedrange=True)
    sketch.y(
        range=[layers - 0.3, -1.9], tickmode="linear", dtick=5, showgrid=False, fixedrange=True
    )
    return sketch.figure()


def layers_table(report: LayerLens) -> "pd.DataFrame":
    """The tokens behind the blocks, one row a layer, block and place."""
    import pandas as pd

    return pd.DataFrame(
        [
            {"layer": layer, "side": side, "place": place + 1, **token.to_json()}
            for side in ("raw", "filtered")
            for layer, row in enumerate(getattr(report, side))
            for place, token in enumerate(row)
        ]
    )
