"""The commands that embed texts, raw and filtered, and look at what came of it."""

from pathlib import Path

import click

from embfilter_viz.cli.inputs import (
    frequencies_of,
    lines_of,
    opened_model,
    texts_of,
    window_of,
)
from embfilter_viz.cli.options import (
    COUNT,
    REMOVALS,
    SEED,
    alpha_option,
    encodes,
    frequencies_option,
    json_option,
    model_argument,
    prompt_option,
    tau_option,
    window_option,
)
from embfilter_viz.cli.output import print_record
from embfilter_viz.cli.reporting import watched
from embfilter_viz.errors import InputError

__all__ = ["embed", "geometry", "lens"]


@click.command(
    short_help="What a text's embedding decodes to, raw and filtered.",
    epilog="""Example: embfilter-viz lens smollm2-135m "A man plays guitar." --prompt mean --tau 4

    JSON: {"window": [l, r], "raw": [token, …], "filtered": [token, …], …}""",
)
@model_argument
@click.argument("text")
@prompt_option
@tau_option
@window_option
@click.option("--top", type=COUNT, default=10, show_default=True, help="Tokens on each side.")
@click.option("--remove", type=click.Choice(REMOVALS), default="embedfilter", show_default=True,
              help="What to remove, by the paper's names; embedfilter is both edges.")  # fmt: skip
@frequencies_option
@alpha_option
@encodes
@json_option
def lens(model: str, text: str, prompt: str, tau: str | None, window: str | None, top: int,
         remove: str, source: str, alpha: float, as_json: bool) -> None:  # fmt: skip
    """What the embedding of TEXT decodes to, raw and filtered.

    Frequency ranks begin at 0, the most frequent token; raw place is where a filtered token stood
    before.
    """
    from embfilter_viz.analyses.lens import lens as read
    from embfilter_viz.cli.tables import lens_table, paragraph

    corpus = texts_of(source)
    opened = opened_model(model)
    chosen = window_of(opened, tau, window)
    with watched() as progress:
        opened.spectrum_of_head(progress=progress)
        opened.encode([text], prompt, progress=progress)
    frequencies = frequencies_of(opened, source, corpus, alpha)
    report = read(opened, text, prompt, chosen, top=top, frequencies=frequencies, removal=remove)

    def words() -> str:
        cut = "\nThe text was cut to the 512 tokens that the model is given." * report.truncated
        about = f"window {chosen} {chosen.description}" if remove == "embedfilter" else remove
        return f"{paragraph(about)}\n{paragraph(report.sentence)}{cut}\n\n{lens_table(report)}"

    print_record(report.to_json(), as_json, words)


@click.command(
    short_help="Embed a file of texts into a .npy, raw or filtered.",
    epilog="""Example: embfilter-viz embed smollm2-135m texts.txt --prompt mean --tau 2 -o out.npy

    JSON: {"output", "rows", "columns", "dtype", "window": [l, r] or null, "prompt", "truncated",
    "checkpoint"}""",
)
@model_argument
@click.argument("file")
@prompt_option
@click.option("--raw", is_flag=True, help="Do not filter: d columns.")
@tau_option
@window_option
@click.option("--full", is_flag=True, help="The filter's full form, d columns, instead of R - L.")
@click.option("-o", "--output", required=True, metavar="OUT.npy", help="The file to write.")
@encodes
@json_option
def embed(model: str, file: str, prompt: str, raw: bool, tau: str | None, window: str | None,
          full: bool, output: str, as_json: bool) -> None:  # fmt: skip
    """Embed FILE, one text a line, into a float32 .npy with one row a line.

    Rows stand in the order of the lines and are not normalised. The file appears when all of it
    is there; what was embedded before a Ctrl-C is kept and not computed again.
    """
    import numpy as np

    from embfilter_viz.files import written_whole
    from embfilter_viz.spectral.filters import EmbedFilter

    if raw and (tau is not None or window is not None or full):
        raise InputError("--raw: leaves nothing to filter; drop it, or drop --tau/--window/--full")
    texts, target = lines_of(file), Path(output)
    if output == "-" or (target.exists() and target.samefile(file)):
        raise InputError(f"-o {output}: must be another file than FILE; name one, such as out.npy")
    opened = opened_model(model)
    chosen = None if raw else window_of(opened, tau, window)
    with written_whole(target) as out, watched() as progress:
        rows = opened.encode(texts, prompt, progress=progress)
        if chosen is not None:
            opened.spectrum_of_head(progress=progress)
            rows = EmbedFilter(opened.spectrum, window=chosen, full=full).transform(rows)
        np.save(out, rows)
    record = {
        "output": output,
        "rows": rows.shape[0],
        "columns": rows.shape[1],
        "dtype": str(rows.dtype),
        "window": None if chosen is None else [chosen.l, chosen.r],
        "prompt": prompt,
        "truncated": opened.truncated(texts, prompt),
        "checkpoint": opened.checkpoint.content_hash,
    }

    def words() -> str:
        cut = f"; {record['truncated']} cut to 512 tokens" if record["truncated"] else ""
        return f"{output}: {rows.shape[0]:,} × {rows.shape[1]} {rows.dtype}{cut}"

    print_record(record, as_json, words)


@click.command(
    short_help="Isotropy of a file of texts, before and after the filter.",
    epilog="""Example: embfilter-viz geometry smollm2-135m texts.txt --tau 2

    JSON: {"raw": {"mean_cosine", "isoscore", "effective_rank", …}, "filtered": {…}, …}""",
)
@model_argument
@click.argument("file")
@prompt_option
@tau_option
@window_option
@click.option("--seed", type=SEED, default=0, show_default=True, help="Of the random subspace.")
@encodes
@json_option
def geometry(model: str, file: str, prompt: str, tau: str | None, window: str | None, seed: int,
             as_json: bool) -> None:  # fmt: skip
    """Isotropy of the texts in FILE, one a line: raw, filtered, and two controls.

    In brackets 95 % intervals over texts. The controls: a random subspace of the filter's size,
    and only the mean embedding's direction removed.
    """
    from embfilter_viz.analyses.geometry import geometry as measure
    from embfilter_viz.cli.tables import geometry_table, paragraph

    texts = lines_of(file)
    opened = opened_model(model)
    chosen = window_of(opened, tau, window)
    with watched() as progress:
        report = measure(opened, texts, prompt, chosen, seed=seed, progress=progress)

    def words() -> str:
        about = f"window {chosen} {chosen.description}"
        return f"{paragraph(about)}\n{paragraph(report.sentence)}\n\n{geometry_table(report)}"

    print_record(report.to_json(), as_json, words)
