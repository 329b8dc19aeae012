"""The commands that embed texts, raw and filtered, and look at what came of it."""

from typing import Any

import click

from embfilter_viz.cli.corpus import Asked, corpus_options, embed_shards, is_corpus
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
    column_option,
    encodes,
    frequencies_option,
    json_option,
    language_option,
    model_argument,
    prompt_option,
    reference_option,
    tau_option,
    window_option,
)
from embfilter_viz.cli.output import print_record
from embfilter_viz.cli.outputs import inputs, output_option, placed
from embfilter_viz.cli.reporting import watched
from embfilter_viz.errors import InputError

__all__ = ["embed", "geometry", "lens"]


@click.command(
    short_help="Decode a text's embedding, raw and filtered.",
    epilog="""Example: embfilter-viz lens smollm2-135m "A man plays guitar." --prompt mean --tau 4

    JSON: {"window": [l, r], "raw": [token, …], "filtered": [token, …], …}, with --relative-to
    also {"relative": [token, …], "relative_filtered": [token, …], "reference": {…}, "own_tokens":
    {…}, "over_texts": {…}}, with --layers {"layers": {"raw": [[token, …], …], "filtered": …}} and
    with both {"relative_layers": {…}}, with --positions {"positions": {"tokens": [text, …],
    "start", "raw": {"top": [[{"id", "text"}, …], …], "probability", "entropy", "rank"},
    "filtered": …, "follow": {"token", "position", "ranks"}}}, a row a layer, with --translate
    {"translated_layers": {"raw", "filtered"}, "translators": {"plain_bits", "translated_bits",
    "constant_bits", …}}""",
)
@model_argument
@click.argument("text")
@prompt_option
@tau_option
@window_option
@click.option(
    "--top",
    type=COUNT,
    default=10,
    show_default=True,
    help="How many tokens are shown on each side.",
)
@click.option("--remove", type=click.Choice(REMOVALS), default="embedfilter", show_default=True,
              help="What to remove, by the paper's names; embedfilter removes "
              "both edges.")  # fmt: skip
@reference_option(default=None)
@click.option("--layers", is_flag=True, help="Also read the state after each layer.")
@click.option(
    "--translate", metavar="demo|FILE",
    help="Also read the state after each layer translated into the last one's, by a map that "
    "half of these texts fit and the other half test.",
)  # fmt: skip
@click.option(
    "--positions",
    is_flag=True,
    help="Also read the state of every token of the prompt after each layer.",
)
@click.option(
    "--follow",
    metavar="WORD",
    help="With --positions: show the place of this token, or of row #N, in every cell.",
)
@frequencies_option
@language_option
@alpha_option
@encodes
@json_option
def lens(model: str, text: str, prompt: str, tau: str | None, window: str | None, top: int,
         remove: str, relative_to: str | None, layers: bool, translate: str | None, positions: bool,
         follow: str | None, source: str, alpha: float, as_json: bool) -> None:  # fmt: skip
    """Decode the embedding of TEXT, raw and filtered.

    Frequency ranks begin at 0, the most frequent token. The raw place of a filtered token is its
    place before the filter. With --relative-to, the embedding with the mean of other texts removed
    is decoded too, and the ranks of each text's own infrequent tokens are compared. With
    --translate, early layers are read through an affine map, fitted by ridge regression. This is
    not the Tuned Lens, whose maps are trained.
    """
    from embfilter_viz.analyses.lens import lens as read
    from embfilter_viz.analyses.lens import lens_by_layer
    from embfilter_viz.analyses.position_lens import positions_report
    from embfilter_viz.analyses.reference import reference_of
    from embfilter_viz.analyses.relative_lens import relative_lens
    from embfilter_viz.cli.lens_tables import layers_words, positions_words, relative_words
    from embfilter_viz.cli.tables import lens_table, paragraph

    if follow is not None and not positions:
        raise InputError("--follow: a token is followed through a map; add --positions")
    corpus = texts_of(source)
    reference = None if relative_to is None else reference_of(relative_to)
    opened = opened_model(model)
    chosen = window_of(opened, tau, window)
    with watched() as progress:
        opened.spectrum_of_head(progress=progress)
        opened.encode([text], prompt, progress=progress)
    frequencies = frequencies_of(opened, source, corpus, alpha)
    report = read(opened, text, prompt, chosen, top=top, frequencies=frequencies, removal=remove)
    record, more = report.to_json(), []
    if layers:
        by_layer = lens_by_layer(
            opened, opened.layers(text, prompt), chosen, frequencies=frequencies, removal=remove
        )
        record["layers"] = by_layer.to_json()
        more.append(layers_words(by_layer, ("raw", "filtered")))
    if reference is not None:
        with watched() as progress:
            relative = relative_lens(
                opened, text, prompt, chosen, reference=reference, top=top,
                frequencies=frequencies, removal=remove, layers=layers, progress=progress,
            )  # fmt: skip
        record |= relative.to_json()
        more.append(relative_words(relative))
    if translate is not None:
        from embfilter_viz.analyses.translated_lens import lens_translators, texts_to_translate_by
        from embfilter_viz.cli.lens_tables import translators_words

        texts, said = texts_to_translate_by(translate)
        with watched() as progress:
            fitted = lens_translators(opened, texts, prompt, source=said, progress=progress)
        moved = lens_by_layer(
            opened, fitted.translate(opened.layers(text, prompt)), chosen,
            frequencies=frequencies, removal=remove,
        )  # fmt: skip
        record |= {"translated_layers": moved.to_json(), "translators": fitted.to_json()}
        more += [translators_words(fitted), layers_words(moved, ("translated", "and filtered"))]
    if positions:
        with watched() as progress:
            found = positions_report(
                opened, text, prompt, chosen, reference=reference, frequencies=frequencies,
                removal=remove, follow=follow, progress=progress,
            )  # fmt: skip
        record["positions"] = found.to_json()
        more.append(positions_words(found))

    def words() -> str:
        cut = ""
        if report.truncated:
            cut = (
                f"\nThe text was cut to the {opened.longest(prompt):,} tokens that the model can "
                "read."
            )
        about = f"window {chosen} {chosen.description}" if remove == "embedfilter" else remove
        first = f"{paragraph(about)}\n{paragraph(report.sentence)}{cut}\n\n{lens_table(report)}"
        return "\n\n".join([first, *more])

    print_record(record, as_json, words)


@click.command(
    short_help="Embed texts into a .npy, or a corpus into shards.",
    epilog="""Example: embfilter-viz embed smollm2-135m texts.txt --prompt mean --tau 2 -o out.npy

    Example: embfilter-viz embed smollm2-135m corpus.parquet --id id --tau 2 -o shards

    JSON: {"output", "rows", "columns", "dtype", "window": [l, r] or null, "prompt", "truncated",
    "checkpoint"}, of a corpus also {"shards", "before", "without_text", "sentence"}""",
)
@model_argument
@click.argument("file")
@prompt_option
@click.option("--raw", is_flag=True, help="Do not filter; the output has d columns.")
@tau_option
@window_option
@click.option(
    "--full", is_flag=True, help="Write the filter's full form, with d columns instead of R - L."
)
@output_option("OUT.npy|FOLDER", "The file to write, - for standard output; of a corpus, a folder.",
               required=True)  # fmt: skip
@corpus_options
@encodes
@json_option
def embed(model: str, file: str, prompt: str, raw: bool, tau: str | None, window: str | None,
          full: bool, output: str, force: bool, as_json: bool, **more: Any) -> None:  # fmt: skip
    """Embed FILE, one text on each line, into a float32 .npy file with one row for each line.

    FILE may also be a table (.csv, .tsv, .json, .jsonl, .parquet), of which one column is read.
    Rows are in the order of the lines. They are not normalised, unless the embedder's makers do
    so under --prompt published. The file appears when it is complete. After Ctrl-C, embeddings that
    are finished are kept and not computed again.

    With a folder as output FILE is a corpus: a .parquet file, or a folder of them. It is embedded
    into Parquet shards, each a range of rows with their ids, by this process or by --workers of
    Ray. A run that was stopped, or killed, is finished by the same command. A row without a text
    has no vector.
    """
    from embfilter_viz.spectral.filters import EmbedFilter
    from embfilter_viz.system.arrays import write_npy
    from embfilter_viz.system.outputs import written_output

    if raw and (tau is not None or window is not None or full):
        raise InputError("--raw: leaves nothing to filter; drop it, or drop --tau/--window/--full")
    asked = Asked(**more)
    if is_corpus(file, output):
        if force:
            raise InputError("--force: shards are not replaced; drop it, or name another folder")
        embed_shards(model, file, output, prompt=prompt, raw=raw, tau=tau, window=window, full=full,
                     asked=asked, as_json=as_json)  # fmt: skip
        return
    asked.refuse(file)
    texts = lines_of(file, asked.column)
    opened = opened_model(model)
    chosen = None if raw else window_of(opened, tau, window)
    with (
        placed(output, ".npy", force=force) as target,
        written_output(target, inputs=inputs(), force=force) as out,
        watched() as progress,
    ):
        rows = opened.encode(texts, prompt, progress=progress)
        if chosen is not None:
            opened.spectrum_of_head(progress=progress)
            rows = EmbedFilter(opened.spectrum, window=chosen, full=full).transform(rows)
        write_npy(out, rows)
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
        cut = ""
        if record["truncated"]:
            cut = f"; {record['truncated']} cut to {opened.longest(prompt):,} tokens"
        return f"{output}: {rows.shape[0]:,} × {rows.shape[1]} {rows.dtype}{cut}"

    print_record(record, as_json, words)


@click.command(
    short_help="Measure how isotropic texts are, before and after the filter.",
    epilog="""Example: embfilter-viz geometry smollm2-135m texts.txt --tau 2

    JSON: {"raw": {"mean_cosine", "isoscore", "effective_rank", …}, "filtered": {…}, …}""",
)
@model_argument
@click.argument("file")
@prompt_option
@tau_option
@window_option
@column_option
@click.option(
    "--seed", type=SEED, default=0, show_default=True, help="Seed of the random subspaces."
)
@encodes
@json_option
def geometry(model: str, file: str, prompt: str, tau: str | None, window: str | None,
             column: str | None, seed: int, as_json: bool) -> None:  # fmt: skip
    """Measure the isotropy of the texts in FILE, one on each line: raw, filtered, and two controls.

    One control is 20 random subspaces of the filter's size, with their mean, least and greatest.
    FILE may also be "demo", or "demo-hi", "demo-id", "demo-ru" or "demo-zh": our demo texts; or a
    table (.csv, .tsv, .json, .jsonl, .parquet), of which one column is read.
    The other removes only the direction of the mean embedding of 80 of our demo texts, which are
    embedded as well. With the mean of FILE's own texts, nothing would be left by construction.
    """
    from embfilter_viz.analyses.geometry import geometry as measure
    from embfilter_viz.cli.tables import geometry_table, paragraph

    texts = lines_of(file, column)
    opened = opened_model(model)
    chosen = window_of(opened, tau, window)
    with watched() as progress:
        report = measure(opened, texts, prompt, chosen, seed=seed, progress=progress)

    def words() -> str:
        about = f"window {chosen} {chosen.description}"
        return f"{paragraph(about)}\n{paragraph(report.sentence)}\n\n{geometry_table(report)}"

    print_record(report.to_json(), as_json, words)
