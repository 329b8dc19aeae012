"""The window strip: the spectrum of the chosen model, and the two handles that filter it."""

from collections.abc import Callable
from typing import Any

import numpy as np
import streamlit as st

from embfilter_viz.spectral.windows import Window
from embfilter_viz.ui.assets import component_file

__all__ = ["newest_move", "profile", "window_strip"]

POINTS = 240
"""How many points the thin drawing has; the strip is some 1,000 pixels wide."""

_HEARD = "_strip_heard"
"""In the session: the number of the last move that arrived."""


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
    window: Window, spectrum_profile: str, *, key: str, on_move: Callable[[], None]
) -> None:
    """Draw the strip with ``window``; a move calls ``on_move``, which asks :func:`newest_move`.

    Each page wants a ``key`` of its own: a move may arrive when the next page has begun, and a
    key that both share then leads to the next page's strip, which has no window yet.
    """
    _component()(
        key=key,
        data={
            "l": window.l,
            "r": window.r,
            "d": window.d,
            "profile": spectrum_profile,
            "heard": st.session_state.get(_HEARD, 0),
        },
        on_window_change=on_move,
    )


def newest_move(key: str) -> str | None:
    """The window ``"l:r"`` that the strip of this key was moved to, once for every move.

    The browser numbers the moves of all pages in a row and sends one again until it is told that
    it was heard, so what arrives twice, or late, is left out here.
    """
    sent = getattr(st.session_state.get(key), "window", None)
    if not sent:
        return None
    spec, _, number = str(sent).partition("#")
    if int(number) <= st.session_state.get(_HEARD, 0):
        return None
    st.session_state[_HEARD] = int(number)
    return spec


@st.cache_resource
def _component() -> Any:
    return st.components.v2.component(
        "embfilter_strip",
        html='<div class="strip"></div>',
        css=component_file("strip.css"),
        js=component_file("strip.js"),
        isolate_styles=False,
    )
