"""The command that opens the explorer in the browser."""

import sys
from pathlib import Path

import click

import embfilter_viz
from embfilter_viz.errors import InputError

__all__ = ["app"]


@click.command(epilog="Example: embfilter-viz app --port 8600 --headless")
@click.option("--port", type=click.IntRange(1, 65535), default=8501, show_default=True,
              help="Where the explorer answers.")  # fmt: skip
@click.option("--headless", is_flag=True, help="Do not open a browser.")
def app(port: int, headless: bool) -> None:
    """Open the explorer in the browser."""
    script = _app_file()
    from streamlit.web import cli as streamlit

    sys.argv = [
        "streamlit", "run", str(script), "--server.port", str(port),
        "--server.headless", str(headless).lower(),
    ]  # fmt: skip
    streamlit.main()


def _app_file() -> Path:
    """The app's script: beside the package in a checkout, inside it when installed."""
    package = Path(embfilter_viz.__file__).parent
    for script in (package.parent / "app.py", package / "_explorer" / "app.py"):
        if script.exists() and (script.parent / "pages").is_dir():
            return script
    raise InputError("the explorer's app.py is not there; install embfilter-viz again")
