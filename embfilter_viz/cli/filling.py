"""The command that fills a database with filtered vectors."""

from contextlib import closing

import click

from embfilter_viz.cli.options import json_option
from embfilter_viz.cli.output import print_record
from embfilter_viz.cli.reporting import watched

__all__ = ["fill_command"]


@click.command(
    "fill",
    short_help="Filter the raw vectors of a database, beside them.",
    epilog="""Example: embfilter-viz fill filter.safetensors duckdb:books.duckdb#items.raw

    JSON: {"raw", "to", "rows", "before", "width", "dimensions", "dtype", "normalised", "checked",
    "sentence"}""",
)
@click.argument("filter_file", metavar="FILTER")
@click.argument("address", metavar="DATABASE")
@click.option("--to", metavar="NAME",
              help="The new column, table or collection; without it, NAME_filtered.")  # fmt: skip
@click.option("--id", "key", metavar="COLUMN",
              help="The column that tells rows apart, where a table of PostgreSQL has no primary "
              "key.")  # fmt: skip
@json_option
def fill_command(filter_file: str, address: str, to: str | None, key: str | None,
                 as_json: bool) -> None:  # fmt: skip
    """Filter the raw vectors in DATABASE with FILTER, which `export --format filter` wrote.

    \b
    duckdb:FILE#TABLE.COLUMN            a new column
    sqlite:FILE#TABLE.COLUMN            a new column; of a table of sqlite-vec's, a new table
    lancedb:FOLDER#TABLE.COLUMN         a new table with all other columns
    postgresql://…#TABLE.COLUMN         a new column, of pgvector's
    qdrant:FOLDER|URL#COLLECTION        a new collection with the same ids and payloads

    Raw vectors and all other columns stay as they are; a row without a vector gets none. Blocks are
    written whole: a run that was stopped, or killed, is finished by the same command, and so are
    rows that were added since. Each database needs its client, as in
    pip install 'embfilter-viz[duckdb]'.
    """  # noqa: D301 - click's mark for lines to keep
    from embfilter_viz.export.filter_file import load_filter
    from embfilter_viz.vectors.databases import open_database
    from embfilter_viz.vectors.filling import fill_database

    loaded = load_filter(filter_file)
    with closing(open_database(address, key)) as database, watched() as progress:
        filled = fill_database(loaded, database, to, progress=progress)

    def words() -> str:
        from embfilter_viz.cli.tables import paragraph

        return paragraph(filled.sentence)

    print_record(filled.to_json(), as_json, words)
