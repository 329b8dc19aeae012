"""The control of the window: strip, field and slider of τ in one, for :mod:`.window_state`."""

import json
from dataclasses import asdict
from typing import Any

import numpy as np
import streamlit as st

from embfilter_viz.spectral.windows import Window
from embfilter_viz.ui.assets import component_file
from embfilter_viz.ui.links import LONGEST
from embfilter_viz.ui.streamlit_internals import page_id
from embfilter_viz.ui.window_state import DEFAULT_WINDOW, WindowState

__all__ = ["profile", "said_here", "weights_on_strip", "window_strip"]

POINTS = 240
"""How many points the thin drawing has; the strip is some 1,000 pixels wide."""

TAUS = ("1", "1.25", "1.5", "2", "2.5", "3", "4", "5", "6", "8", "10", "12", "16")
"""Stops of the slider of τ."""


def profile(singular_values: np.ndarray, points: int = POINTS) -> str:
    """Heights from 0 to 1 of a log-scale drawing of the spectrum, as the strip takes them.

    Args:
        singular_values: (d,) descending, not all zero.
        points: how many heights, spread evenly over the d positions.

    >>> profile(np.array([100.0, 10.0, 1.0]), points=3)
    '1.000,0.540,0.080'
    """
    values = np.maximum(np.asarray(singular_values, dtype=float), 1e-6 * singular_values[0])
    heights = np.log(values)
    heights = (heights - heights.min()) / max(float(np.ptp(heights)), 1e-12)
    positions = np.linspace(0, len(heights) - 1, min(points, max(len(heights), 2)))
    drawn = 0.08 + 0.92 * np.interp(positions, np.arange(len(heights)), heights)
    return ",".join(f"{height:.3f}" for height in drawn)


def window_strip(
    state: WindowState, window: Window, spectrum_profile: str, *, more_help: str = ""
) -> None:
    """Draw the control and answer what it says, which :func:`said_here` finds in the next run.

    Args:
        state: the window as the session has it.
        window: what it means.
        spectrum_profile: the drawing of the spectrum.
        more_help: a sentence added to the help.
    """
    stops = [(tau, Window.of_tau(tau, state.d)) for tau in TAUS if float(tau) <= state.d]
    _component()(
        key=_key(),
        data={
            **asdict(state),
            "l": window.l,
            "r": window.r,
            "profile": spectrum_profile,
            "stops": [(tau, stop.l, stop.r) for tau, stop in stops],
            "help": _HELP + more_help,
        },
        on_said_change=lambda: None,
    )


def weights_on_strip(weights: np.ndarray, points: int = POINTS) -> None:
    """Draw a method's weights over the strip's spectrum while this is called in each run.

    Args:
        weights: (d,) from 0, at the foot of the strip, to 1, at its top.
        points: how many heights are drawn at most.
    """
    _weights_component()(key="strip_weights", data={"weights": _weights_profile(weights, points)})


def _weights_profile(weights: np.ndarray, points: int = POINTS) -> str:
    """Heights from 0 to 1 as the strip takes them: the mean weight of each equal part.

    >>> _weights_profile(np.array([0.0, 1.0, 1.0, 0.5]), points=2)
    '0.500,0.750'
    """
    parts = np.array_split(np.asarray(weights, dtype=float), min(points, len(weights)))
    return ",".join(f"{part.mean():.3f}" for part in parts)


_HELP = (
    "2 keeps the middle half of the spectrum (τ = 2), as the paper recommends; 72:504 keeps "
    "directions 72 to 503; τ = 1 keeps everything. You can also drag the strip's ends; arrow "
    "keys move them by one. Ctrl+Z undoes the last move."
)


def said_here() -> Any:
    """Return what the control of this page said last; None where it said nothing."""
    return getattr(st.session_state.get(_key()), "said", None)


def _key() -> str:
    """Each page's own: what one says may arrive when the next, which has no window yet, is here."""
    return f"strip_{page_id()}"


@st.cache_resource
def _component() -> Any:
    return st.components.v2.component(
        "embfilter_strip",
        html='<div class="window-control"></div>',
        css=component_file("strip.css"),
        js=f'const USUAL = "{DEFAULT_WINDOW}", LONGEST = {json.dumps(LONGEST)};\n'
        + component_file("window_state.js")
        + component_file("strip.js"),
        isolate_styles=False,
    )


@st.cache_resource
def _weights_component() -> Any:
    return st.components.v2.component(
        "embfilter_weights", js=component_file("weights.js"), isolate_styles=False
    )
