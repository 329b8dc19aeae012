"""Words and figures that light one another up, and the heading that takes the focus."""

from typing import Any

import streamlit as st

from embfilter_viz.ui.assets import component_file

__all__ = ["light_up"]


def light_up(focus: str = "", *, key: str = "see") -> None:
    """Have the browser join the words of :mod:`~embfilter_viz.ui.prose` to their figures.

    Args:
        focus: names what stands under the page's heading, which takes the focus when that changes.
        key: of the component.
    """
    _component()(key=key, data={"focus": focus or None})


@st.cache_resource
def _component() -> Any:
    return st.components.v2.component(
        "embfilter_see", js=component_file("see.js"), isolate_styles=False
    )
