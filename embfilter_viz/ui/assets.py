"""What the browser needs that is not in the repository: Plotly's own script, and our style.

The figures are drawn by our component (``chart.js``), which calls ``Plotly.react``; the script it
calls is the one inside the installed plotly package, put where Streamlit serves files from.
"""

import os
import shutil
from functools import cache
from importlib.resources import files
from pathlib import Path

import streamlit as st

from embfilter_viz.errors import InputError
from embfilter_viz.figures.palette import COLOURS

__all__ = ["component_file", "plotly_url", "style_sheet"]


@cache
def component_file(name: str) -> str:
    """The text of one of our component's files, such as ``strip.js``."""
    return files("embfilter_viz.ui").joinpath("components", name).read_text(encoding="utf-8")


@cache
def plotly_url(static: Path) -> str:
    """Where the browser finds plotly's script; it is copied next to the app when it changed."""
    source = files("plotly").joinpath("package_data", "plotly.min.js")
    target = static / "plotly.min.js"
    size = Path(str(source)).stat().st_size
    if not target.exists() or target.stat().st_size != size:
        part = target.with_suffix(f".{os.getpid()}.part")
        try:
            static.mkdir(exist_ok=True)
            shutil.copyfile(str(source), part)
            part.replace(target)
        except OSError as error:
            raise InputError(
                f"{static}: plotly's script must be put there and cannot be ({error.strerror}); "
                "make the folder writable, or start the explorer once as a user who may write it"
            ) from error
    return f"app/static/plotly.min.js?size={size}"


@cache
def style_sheet() -> str:
    """Our style, with the palette as CSS variables."""
    colours = "".join(f"--{name}: {colour};" for name, colour in COLOURS.items())
    return f"<style>:root {{{colours}}}\n{component_file('page.css')}</style>"


def put_style() -> None:
    """Add our style to the page."""
    st.html(style_sheet())
