"""The command that opens the explorer in the browser."""

import click

__all__ = ["app"]


@click.command(epilog="Example: embfilter-viz app --port 8600 --headless")
@click.option("--port", type=click.IntRange(1, 65535), default=8501, show_default=True,
              help="The port at which the explorer answers.")  # fmt: skip
@click.option("--address", metavar="HOST", default="127.0.0.1", show_default=True,
              help="The address of this machine at which it answers; 0.0.0.0 lets others in.",
              )  # fmt: skip
@click.option("--headless", is_flag=True, help="Do not open a browser.")
@click.option(
    "--prefix",
    default="",
    metavar="PATH",
    help="The path that the explorer answers below, where it shares an address: /embeddings.",
)
@click.option(
    "--public",
    is_flag=True,
    help="Serve strangers: only the models that --allow names, no files of this machine, "
    "bounded work. See docs/deploy.md.",
)
@click.option("--allow", "models", multiple=True, metavar="MODEL",
              help="A model that a public explorer opens; may be given several times. "
                   "The bundled model if not given.")  # fmt: skip
@click.option("--limit", "limits", multiple=True, metavar="NAME=VALUE",
              help="A limit of a public explorer; may be given several times: texts, file, "
                   "characters, jobs, all-jobs, memory-left, results. "
                   "See docs/deploy.md.")  # fmt: skip
@click.option("--engine", "engines", multiple=True, metavar="URL",
              help="A served engine that pages may ask, as URL or engine:URL#NAME; may be given "
                   "several times. Pages ask no other.")  # fmt: skip
def app(
    port: int, address: str, headless: bool, prefix: str, public: bool, models: tuple[str, ...],
    engines: tuple[str, ...], limits: tuple[str, ...],
) -> None:  # fmt: skip
    """Open the explorer in the browser.

    It answers on this machine only, unless --address says otherwise.
    """
    from embfilter_viz.ui.launch import launch

    if models and not public:
        raise click.UsageError("--allow names the models of a public explorer; give --public too")
    if limits and not public:
        raise click.UsageError("--limit bounds a public explorer; give --public too")
    launch(
        port=port, address=address, headless=headless, prefix=prefix, public=public, models=models,
        engines=engines, limits=limits,
    )  # fmt: skip
