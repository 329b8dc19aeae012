"""How far each layer reads from the model's own output: plain, translated, and the control."""

from typing import TYPE_CHECKING

from embfilter_viz.analyses.translated_lens import LensTranslators
from embfilter_viz.figures.palette import FILTERED, RANDOM, RAW
from embfilter_viz.figures.sketch import Sketch

if TYPE_CHECKING:
    import pandas as pd
    from plotly.graph_objects import Figure

__all__ = ["TRANSLATED", "divergence_figure", "divergence_sketch", "divergence_table"]

TRANSLATED = ("translated", "translated and filtered")
"""What the two sides of the translated lens are called."""


def divergence_sketch(found: LensTranslators, *, height: int = 300) -> Sketch:
    """Two lines with their intervals over the layers, and the control as a level."""
    sketch = Sketch(
        height=height, x="layer, 0 is the input", y="bits from the model's own output",
        legend=True, name="translators",
    )  # fmt: skip
    layers = list(range(len(found.plain)))
    one = found.constant
    sketch.add(
        "scatter", x=[layers[0], layers[-1]], y=[one.value] * 2, mode="lines",
        line={"color": RANDOM, "dash": "dash", "width": 2}, name="the same for every text",
        hovertemplate=f"control: {one.value:.2f} [{one.low:.2f}, {one.high:.2f}]<extra></extra>",
    )  # fmt: skip
    for name, colour, line in (
        ("plain", RAW, found.plain),
        ("translated", FILTERED, found.translated),
    ):
        sketch.add(
            "scatter", x=layers, y=[one.value for one in line], mode="lines+markers", name=name,
            line={"color": colour, "width": 2}, marker={"color": colour, "size": 6},
            error_y={
                "type": "data", "symmetric": False, "color": colour, "thickness": 1.5, "width": 0,
                "array": [one.high - one.value for one in line],
                "arrayminus": [one.value - max(one.low, 0.01 * one.value) for one in line],
            },
            customdata=[[one.low, one.high] for one in line],
            hovertemplate=(
                f"layer %{{x}}, {name}: %{{y:.2f}} [%{{customdata[0]:.2f}}, "
                "%{customdata[1]:.2f}]<extra></extra>"
            ),
        )  # fmt: skip
    sketch.y(type="log", dtick="D2")  # the input's own state may be a hundred bits away
    return sketch


def divergence_figure(found: LensTranslators, *, height: int = 300) -> "Figure":
    """:func:`divergence_sketch` as a figure, for a notebook or a file."""
    return divergence_sketch(found, height=height).figure()


def divergence_table(found: LensTranslators) -> "pd.DataFrame":
    """Divergences in bits, a row a layer."""
    import pandas as pd

    return pd.DataFrame(
        [
            {
                "layer": layer,
                "plain": plain.value, "plain_low": plain.low, "plain_high": plain.high,
                "translated": moved.value, "translated_low": moved.low,
                "translated_high": moved.high,
                "constant": found.constant.value, "constant_low": found.constant.low,
                "constant_high": found.constant.high, "ridge": one.ridge,
            }
            for layer, (plain, moved, one) in enumerate(
                zip(found.plain, found.translated, found.translators, strict=True)
            )
        ]
    )  # fmt: skip
