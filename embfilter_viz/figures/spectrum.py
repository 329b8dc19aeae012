"""Figures of the Spectrum page: singular values, energy, and a direction's two ends."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from embfilter_viz.analyses.spectrum import Direction
from embfilter_viz.figures.guess import guess_level
from embfilter_viz.figures.palette import BULK, EDGE, FREQUENT, INFREQUENT, RAW
from embfilter_viz.figures.sketch import MONOSPACE, Sketch
from embfilter_viz.figures.style import frequency_scale, plain, text_label, token_label
from embfilter_viz.spectral.spectrum import Spectrum
from embfilter_viz.spectral.windows import Window

if TYPE_CHECKING:
    import pandas as pd
    from plotly.graph_objects import Figure

__all__ = [
    "curves_table",
    "direction_figure",
    "direction_table",
    "energy_figure",
    "spectrum_figure",
    "spectrum_table",
]


def spectrum_figure(
    curves: Sequence[tuple[str, Spectrum]],
    window: Window,
    *,
    log: bool = True,
    chosen: int | None = None,
    guess: float | None = None,
    height: int = 400,
) -> "Figure":
    """Singular values along the spectrum, what the window drops shaded.

    With several curves the axis is relative, position / d, so that models of different width can
    be laid over one another; the window is that of the first.

    Args:
        curves: models' names and spectra.
        window: what the filter keeps.
        log: whether the values stand on a logarithmic axis.
        chosen: a direction to mark.
        guess: a reader's guess of how many times the first value is the last, drawn as the level
            where the last would be.
        height: in pixels.

    Returns:
        the figure.
    """
    relative = len(curves) > 1
    sketch = Sketch(
        height=height,
        x="position in the spectrum, i / d" if relative else "direction i, largest σ first",
        y="σᵢ / σ₀" if relative else "singular value σᵢ",
        name=f"spectrum-{relative}-{log}",
    )
    styles = [(BULK, "solid"), (RAW, "dash"), (INFREQUENT, "dot")]
    for number, (name, spectrum) in enumerate(curves):
        colour, dash = styles[number % len(styles)]
        sigma = spectrum.singular_values
        x = np.arange(spectrum.d_model)
        sketch.add(
            "scatter", x=(x / spectrum.d_model if relative else x).astype(np.float32),
            y=(sigma / sigma[0] if relative else sigma).astype(np.float32),
            mode="lines", line={"color": colour, "dash": dash, "width": 2.2}, name=plain(name),
            hovertemplate="i = %{x}<br>σ = %{y:.4g}<extra></extra>",
        )  # fmt: skip
        if relative:
            at = int((0.6 - 0.15 * (number % 4)) * spectrum.d_model)
            height_there = max(sigma[at] / sigma[0], 1e-12)
            sketch.annotate(
                text_label(name, 40),
                x=at / spectrum.d_model, y=np.log10(height_there) if log else height_there,
                font={"color": colour}, yshift=12,
            )  # fmt: skip
    sketch.shade_dropped(window, relative=relative)
    if not relative:
        _mark_groups(sketch, curves[0][1])
        if chosen is not None:
            sigma = curves[0][1].singular_values
            sketch.add(
                "scatter",
                x=[chosen], y=[sigma[chosen]], mode="markers+text", text=[f"  i = {chosen}"],
                textposition="middle right", marker={"size": 10, "color": FREQUENT},
                hoverinfo="skip",
            )  # fmt: skip
    if guess is not None:
        last = float(curves[0][1].singular_values[0]) / guess
        guess_level(sketch, last, words="the last, by your guess", log=log)
    if log:
        sketch.y(type="log", dtick=1, minor={"ticks": ""}, exponentformat="power")
    else:
        sketch.y(type="linear", rangemode="tozero")
    return sketch.figure()


def _mark_groups(sketch: Sketch, spectrum: Spectrum) -> None:
    """Underline neighbours whose σ are too close to tell the directions apart."""
    for start, stop in spectrum.groups:
        values = spectrum.singular_values[start:stop]
        sketch.add(
            "scatter", x=np.arange(start, stop), y=values, mode="markers",
            marker={"symbol": "line-ns-open", "size": 12, "color": EDGE},
            hovertemplate=f"directions {start} to {stop - 1} have the same σ<extra></extra>",
        )  # fmt: skip


def energy_figure(spectrum: Spectrum, window: Window, *, height: int = 260) -> "Figure":
    """Cumulative energy, Σ σ² up to i over all, with what the window keeps."""
    sketch = Sketch(
        height=height, x="direction i, largest σ first", y="cumulative energy", name="energy"
    )
    sketch.add(
        "scatter",
        x=np.arange(1, spectrum.d_model + 1), y=spectrum.cumulative_energy.astype(np.float32),
        mode="lines", line={"color": BULK, "width": 2.2}, name="up to direction i",
        hovertemplate="first %{x} directions: %{y:.1%}<extra></extra>",
    )  # fmt: skip
    sketch.shade_dropped(window)
    sketch.annotate(
        f"the window keeps {kept_energy(spectrum, window):.1%} of the energy",
        x=(window.l + window.r) / 2, y=0.08, font={"color": BULK},
    )  # fmt: skip
    sketch.y(range=[0, 1.02], tickformat=".0%")
    return sketch.figure()


def kept_energy(spectrum: Spectrum, window: Window) -> float:
    """Share of Σ σ² inside the window, 0 to 1."""
    energy = spectrum.singular_values**2
    return float(energy[window.kept].sum() / energy.sum())


def spectrum_table(spectrum: Spectrum, window: Window) -> "pd.DataFrame":
    """The numbers behind the spectrum, one row a direction."""
    import pandas as pd

    index = np.arange(spectrum.d_model)
    return pd.DataFrame(
        {
            "direction": index,
            "singular_value": spectrum.singular_values,
            "relative_error": spectrum.relative_error,
            "cumulative_energy": spectrum.cumulative_energy,
            "kept": (index >= window.l) & (index < window.r),
        }
    )


def curves_table(curves: Sequence[tuple[str, Spectrum]], window: Window) -> "pd.DataFrame":
    """The numbers behind all curves, one row a model and direction.

    The window is that of the first model: of another one no direction is kept or dropped.
    """
    import pandas as pd

    tables = []
    for number, (name, spectrum) in enumerate(curves):
        table = spectrum_table(spectrum, window)
        table.insert(0, "model", name)
        table.insert(2, "position", table["direction"] / spectrum.d_model)
        table.insert(4, "relative_to_first", table["singular_value"] / table["singular_value"][0])
        if number:
            table["kept"] = None
        tables.append(table.astype({"kept": object}))
    return pd.concat(tables, ignore_index=True)


def direction_figure(direction: Direction, d_vocab: int, *, height: int = 460) -> "Figure":
    """The tokens at both ends of one direction, as bars of w_j·v_i."""
    tokens = [*direction.positive, *reversed(direction.negative)][::-1]
    sketch = Sketch(height=height, x=f"w · v for direction {direction.index}", name="direction")
    sketch.add(
        "bar",
        x=[t.logit for t in tokens],
        y=np.arange(len(tokens)),
        orientation="h",
        marker={
            "color": frequency_scale(
                [t.frequency_rank for t in tokens], (FREQUENT, INFREQUENT), d_vocab
            )
        },
        customdata=[[t.id, t.frequency_rank] for t in tokens],
        hovertemplate=(
            "token %{customdata[0]}, frequency rank %{customdata[1]}: %{x:.4g}<extra></extra>"
        ),
    )
    sketch.y(
        tickmode="array", tickvals=np.arange(len(tokens)),
        ticktext=[token_label(t.text) for t in tokens],
        tickfont={"family": MONOSPACE, "size": 12}, showgrid=False,
    )  # fmt: skip
    sketch.update(bargap=0.25)
    return sketch.figure()


def direction_table(direction: Direction) -> "pd.DataFrame":
    """The tokens behind the bars."""
    import pandas as pd

    rows = [
        {"end": end, **token.to_json()}
        for end in ("positive", "negative")
        for token in getattr(direction, end)
    ]
    return pd.DataFrame(rows)
