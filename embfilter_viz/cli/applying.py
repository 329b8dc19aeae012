"""The command that filters vectors which are stored already."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from embfilter_viz.cli.inputs import lines_of, opened_model
from embfilter_viz.cli.options import encodes, json_option, prompt_option
from embfilter_viz.cli.output import print_record
from embfilter_viz.cli.outputs import STANDARD_OUTPUT, output_option, placed
from embfilter_viz.cli.reporting import watched
from embfilter_viz.errors import InputError

if TYPE_CHECKING:
    from embfilter_viz.vectors import StoredVectors

__all__ = ["apply_command"]


@click.command(
    "apply",
    short_help="Filter raw vectors that are stored already.",
    epilog="""Example: embfilter-viz apply filter.safetensors vectors.parquet -o filtered.parquet

    JSON: {"output", "rows", "width", "dimensions", "dtype", "scales", "normalised", "checked",
    "texts_checked", "sentence"}""",
)
@click.argument("filter_file", metavar="FILTER")
@click.argument("vectors", metavar="VECTORS")
@output_option(
    "OUT", "The file to write, of the same kind as VECTORS; - for standard output.", required=True
)
@click.option("--column", metavar="NAME", help="The column of vectors, where a table has several.")
@click.option("--ranges", metavar="FILE.npy",
              help="Of int8 or uint8 made by sentence-transformers: the lowest and the highest "
              "number of each dimension, an array (2, d).")  # fmt: skip
@click.option("--scales", metavar="FILE.npy",
              help="Of int8 or uint8: a scale for each dimension, (d,), or each row, (n, 1); with "
              "offsets (2, d) or (n, 2).")  # fmt: skip
@click.option("--scale-column", metavar="NAME",
              help="Of int8: the column with a scale for each row.")  # fmt: skip
@click.option("--numbers", type=click.Choice(("float16", "float32", "int8")),
              help="Numbers to write; int8 with a scale for each row, in a column NAME_scale or a "
              "file OUT.scales.npy.  [default: as they are, float32 for bytes]")  # fmt: skip
@click.option("--model", "name", metavar="MODEL",
              help="Embed a few texts with this model, and refuse vectors that are not theirs; "
              "needs --text-column or --texts.")  # fmt: skip
@click.option("--text-column", metavar="NAME", help="The column of the vectors' texts.")
@click.option("--texts", "file", metavar="FILE", help="The text of each vector, one on each line.")
@prompt_option
@encodes
@json_option
def apply_command(filter_file: str, vectors: str, output: str, force: bool, column: str | None,
                  ranges: str | None, scales: str | None, scale_column: str | None,
                  numbers: str | None, name: str | None, text_column: str | None,
                  file: str | None, prompt: str, as_json: bool) -> None:  # fmt: skip
    """Filter the raw vectors in VECTORS with FILTER, which `export --format filter` wrote.

    \b
    .npy                      an array, one vector a row
    .parquet, .arrow,         a column of lists of numbers; all other columns are kept
    .feather
    .faiss, .index            an index that can give its vectors back; the result is flat, with
                              the same ids, and FAISS holds both in memory

    Numbers are float16, float32, float64, int8 or uint8; bytes become float32. Bytes of one scale
    need none of the options; where each dimension or row has a scale, give it. All but an index is
    read and written block by block. The width, and the model where the file says it, must be those
    of the filter. Vectors of length 1 are filtered as they are: cosines come out the same.
    """  # noqa: D301 - click's mark for lines to keep
    from embfilter_viz.export.filter_file import load_filter
    from embfilter_viz.vectors import apply_filter, open_vectors
    from embfilter_viz.vectors.applying import check_place, check_texts, sample_of

    given = [option for option, value in (("--text-column", text_column), ("--texts", file))
             if value is not None]  # fmt: skip
    if bool(given) != (name is not None) or len(given) > 1:
        said = " and ".join(given) or "--model alone"
        raise InputError(
            f"{said}: to check texts give --model, and --text-column or --texts with it"
        )
    loaded = load_filter(filter_file)
    stored = _numbers_of(open_vectors(vectors, column), ranges, scales, scale_column)
    if output == STANDARD_OUTPUT and numbers == "int8" and stored.path.suffix == ".npy":
        raise InputError("-o -: the scales of int8 need a file beside it; name a file")
    if output != STANDARD_OUTPUT:
        check_place(stored, Path(output))
    found = ""
    with placed(output, stored.path.suffix, force=force) as out, watched() as progress:
        if name is not None:
            opened = opened_model(name)
            loaded.check_model(opened)
            lines = None if file is None else lines_of(file)
            found = check_texts(stored, opened, prompt, *sample_of(stored, text_column, lines))
        applied = apply_filter(loaded, stored, out, numbers=numbers, force=force,
                               progress=progress)  # fmt: skip
    applied = replace(applied, output=output)
    record = {**applied.to_json(), "texts_checked": found or None}

    def words() -> str:
        from embfilter_viz.cli.tables import paragraph

        return paragraph(f"{applied.sentence}{f' {found}.' if found else ''}")

    print_record(record, as_json, words)


def _numbers_of(
    stored: "StoredVectors", ranges: str | None, scales: str | None, column: str | None
) -> "StoredVectors":
    """Return stored vectors as the numbers that they stand for.

    Args:
        stored: the vectors.
        ranges: as the option.
        scales: as the option.
        column: the column of scales.

    Returns:
        the same, or those that take bytes back.
    """
    from embfilter_viz.vectors.scales import Scaled, ranges_of, scale_column, scales_of

    if sum(one is not None for one in (ranges, scales, column)) > 1:
        raise InputError("--ranges, --scales and --scale-column: give one of them")
    if ranges is not None:
        return Scaled(stored, ranges_of(ranges, stored.width, stored.dtype))
    if scales is not None:
        return Scaled(stored, scales_of(scales, stored.rows, stored.width))
    if column is not None:
        return Scaled(stored, scale_column(stored, column))
    return stored
