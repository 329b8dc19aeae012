"""Start the explorer: the script it is, and Streamlit, which serves it."""

from pathlib import Path

import embfilter_viz
from embfilter_viz.errors import InputError
from embfilter_viz.ui.streamlit_internals import run

__all__ = ["launch"]


def launch(*, port: int, headless: bool) -> None:
    """Serve the explorer at ``port`` until it is stopped; open a browser unless ``headless``.

    Raises:
        InputError: the explorer's script is not there.
    """
    run(_app(), ["--server.port", str(port), "--server.headless", str(headless).lower()])


def _app() -> Path:
    """The app's script: beside the package in a checkout, inside it when installed."""
    package = Path(embfilter_viz.__file__).parent
    for script in (package.parent / "app.py", package / "_explorer" / "app.py"):
        if script.exists() and (script.parent / "pages").is_dir():
            return script
    raise InputError("the explorer's app.py is not there; install embfilter-viz again")
