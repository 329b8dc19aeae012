"""A corpus in Parquet files, for the command ``embed``."""

from collections.abc import Callable
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import click

from embfilter_viz.cli.inputs import opened_model, reopening, window_of
from embfilter_viz.cli.options import COUNT, column_option
from embfilter_viz.cli.output import print_record
from embfilter_viz.cli.reporting import watched
from embfilter_viz.errors import InputError

__all__ = ["Asked", "corpus_options", "embed_shards", "is_corpus"]


@dataclass(frozen=True)
class Asked:
    """Options that only a corpus has."""

    column: str | None
    key: str | None
    rows: int | None
    half: bool
    workers: int | None
    ray: str | None

    def refuse(self, file: str) -> None:
        """Refuse them beside another file; a table of texts has columns too.

        Raises:
            InputError: one was given.
        """
        names = ("--id", "--rows", "--half", "--workers", "--ray")
        for name, value in zip(names, astuple(self)[1:], strict=True):
            if value:
                raise InputError(
                    f"{name}: only a corpus in Parquet takes it, and {file} is none; drop it"
                )


def corpus_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of a corpus in Parquet."""
    for option in (
        click.option("--ray", metavar="ADDRESS",
                     help="Take the workers of a Ray cluster that runs."),
        click.option("--workers", type=COUNT, metavar="N",
                     help="Of a corpus: embed with N processes on Ray, each with a model."),
        click.option("--half", is_flag=True, help="Of a corpus: write float16."),
        click.option("--rows", type=COUNT, metavar="N",
                     help="Of a corpus: rows in each shard.  [default: 5000]"),
        click.option("--id", "key", metavar="NAME",
                     help="Of a corpus: the column that tells rows apart. Without it, the file and "
                     "the row's number do."),
        column_option,
    ):  # fmt: skip
        command = option(command)
    return command


def is_corpus(file: str, output: str) -> bool:
    """Tell whether a file goes into shards: a folder, or Parquet that is not asked as one array.

    >>> is_corpus("texts.parquet", "shards"), is_corpus("texts.parquet", "out.npy")
    (True, False)
    """
    if Path(file).is_dir():
        return True
    return Path(file).suffix == ".parquet" and output != "-" and not output.endswith(".npy")


def embed_shards(
    model: str, file: str, output: str, *, prompt: str, raw: bool, tau: str | None,
    window: str | None, full: bool, asked: Asked, as_json: bool,
) -> None:  # fmt: skip
    """Embed a corpus into shards and print what lies there.

    Args:
        model: the model.
        file: the corpus.
        output: the folder of shards.
        prompt: how texts are put to the model.
        raw: whether nothing is filtered.
        tau: as the option.
        window: as the option.
        full: whether vectors keep d numbers.
        asked: the options of a corpus.
        as_json: whether JSON is printed.

    Returns:
        nothing.
    """
    from embfilter_viz.corpus import Corpus, embed_corpus, plan_for

    if output == "-" or output.endswith((".npy", ".parquet")):
        raise InputError(f"-o {output}: a corpus goes into a folder of shards; name one")
    if asked.ray is not None and asked.workers is None:
        raise InputError(f"--ray {asked.ray}: say with how many workers, such as --workers 8")
    rows = {} if asked.rows is None else {"rows_in_shard": asked.rows}
    column = None if asked.column is None else asked.column.removeprefix("text=")
    corpus = Corpus.of(file, column, asked.key, **rows)
    opened = opened_model(model)
    chosen = None if raw else window_of(opened, tau, window)
    with watched() as progress:
        plan = plan_for(opened, corpus, output, prompt=prompt, window=chosen, full=full,
                        half=asked.half, progress=progress)  # fmt: skip
        if asked.workers is None:
            found = embed_corpus(opened, plan, progress=progress)
        else:
            from embfilter_viz.corpus.on_ray import embed_on_ray

            found = embed_on_ray(reopening(model), plan, workers=asked.workers,
                                 address=asked.ray, progress=progress)  # fmt: skip
    record = {
        **found.to_json(),
        "window": None if chosen is None else [chosen.l, chosen.r],
        "prompt": prompt,
        "checkpoint": opened.checkpoint.content_hash,
    }

    def words() -> str:
        cut = ""
        if found.truncated:
            cut = f"; {found.truncated:,} cut to {opened.longest(prompt):,} tokens"
        return f"{found.sentence}{cut}"

    print_record(record, as_json, words)
