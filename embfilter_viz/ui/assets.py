"""What the browser needs that is not in the repository: Plotly's own script, and our style.

The figures are drawn by our component (``chart.js``), which calls ``Plotly.react``; the script it
calls is the one inside the installed plotly package, put where Streamlit serves files from.
"""

import shutil
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import streamlit as st

from embfilter_viz.figures.palette import COLOURS
from embfilter_viz.figures.plotly_js import plotly_script
from embfilter_viz.system.files import unfinished
from embfilter_viz.ui.streamlit_internals import (
    ask_nobody_for_our_address,
    keep_answers,
    offer_no_agent_skills,
    served_folder,
)

__all__ = ["component_file", "plotly_url", "put_policy", "put_style", "style_sheet"]


@cache
def component_file(name: str) -> str:
    """The text of one of our component's files, such as ``strip.js``."""
    return files("embfilter_viz.ui").joinpath("components", name).read_text(encoding="utf-8")


@cache
def plotly_url(static: Path) -> str:
    """Return the address of plotly's script, copied next to the app when it changed.

    Where nobody may write beside the app, it is served out of plotly's own package: by the way for
    parts of components, whose answers a browser asks for again at each visit.
    """
    source = plotly_script()
    target = static / source.name
    size = source.stat().st_size
    if not target.exists() or target.stat().st_size != size:
        try:
            static.mkdir(exist_ok=True)
            with unfinished(target) as part:
                shutil.copyfile(source, part)
                part.replace(target)
        except OSError:
            return f"{served_folder('plotly', source.parent)}/{source.name}?size={size}"
    return f"app/static/{source.name}?size={size}"


@cache
def style_sheet() -> str:
    """Our style, with the palette as CSS variables."""
    colours = "".join(f"--{name}: {colour};" for name, colour in COLOURS.items())
    return f"<style>:root {{{colours}}}\n{component_file('page.css')}</style>"


def put_style() -> None:
    """Add our style to the page."""
    st.html(style_sheet())


def put_policy() -> None:
    """Have the browser fetch nothing from other hosts, and the server do nothing but serve us."""
    ask_nobody_for_our_address()
    offer_no_agent_skills()
    keep_answers()
    _policy()(key="policy", data={})


@st.cache_resource
def _policy() -> Any:
    return st.components.v2.component(
        "embfilter_policy", js=component_file("policy.js"), isolate_styles=False
    )
