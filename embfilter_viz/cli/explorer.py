"""The command that opens the explorer in the browser."""

import click

__all__ = ["app"]


@click.command(epilog="Example: embfilter-viz app --port 8600 --headless")
@click.option("--port", type=click.IntRange(1, 65535), default=8501, show_default=True,
              help="The port at which the explorer answers.")  # fmt: skip
@click.option("--headless", is_flag=True, help="Do not open a browser.")
def app(port: int, headless: bool) -> None:
    """Open the explorer in the browser."""
    from embfilter_viz.ui.launch import launch

    launch(port=port, headless=headless)
