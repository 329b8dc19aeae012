"""The command that makes the paper's table for another model."""

import csv
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from embfilter_viz.cli.inputs import opened_model
from embfilter_viz.cli.options import encodes, json_option, model_argument, prompt_option
from embfilter_viz.cli.output import print_record
from embfilter_viz.cli.outputs import STANDARD_OUTPUT, inputs, output_option, placed_too
from embfilter_viz.cli.reporting import watched
from embfilter_viz.errors import InputError
from embfilter_viz.wording import fixed

if TYPE_CHECKING:
    from embfilter_viz.analyses.replication import Replication

__all__ = ["replicate_command", "replication_tables"]

_FORMATS = (".json", ".csv")


@click.command(
    "replicate",
    short_help="Make the paper's table for your model, with MTEB's tasks.",
    epilog="""Example: embfilter-viz replicate smollm2-135m --tasks STSBenchmark,SciFact

    JSON: {"tasks": [{"task", "category", "measure", "data", "raw", "tau_2", "tau_4", "tau_8",
    "texts", "forwards", "forwards_again", "kept"}, …], "categories": [{"category", "tasks",
    "listed", "raw", …, "paper": {"raw", …}}, …], "mean_over_tasks", "mean_over_categories",
    "not_scored": [{"task", "reason"}, …], "paper": {"backbone", "prompt", "same_backbone",
    "same_prompt"}, "windows", "mteb", "sentence", …}""",
)
@model_argument
@click.option("--tasks", "named", metavar="paper|NAME,NAME,…", default="paper", show_default=True,
              help="MTEB's tasks by name; paper stands for all 56 of the paper.")  # fmt: skip
@prompt_option
@output_option(
    "FILE", "Also write the record (.json; - for standard output) or a line for each task (.csv)."
)
@encodes
@json_option
def replicate_command(model: str, named: str, prompt: str, output: str | None, force: bool,
                      as_json: bool) -> None:  # fmt: skip
    """Score the paper's MTEB tasks on MODEL, raw and at tau = 2, 4 and 8, beside its own figures.

    Each text is embedded once; the windows are projections of that embedding. A finished score is
    kept and not computed again, so a run that was stopped goes on where it was. A task whose data
    cannot be loaded is named, and the rest goes on.

    All 56 tasks take days: the largest corpus has 8.8 million texts. Their data come from the
    Hugging Face hub, and embeddings may take half of the free disk meanwhile. Needs
    pip install 'embfilter-viz[mteb]'.
    """
    from embfilter_viz.analyses.replicate import replicate
    from embfilter_viz.evaluation.mteb_model import check_mteb
    from embfilter_viz.system.outputs import written_output

    check_mteb("replicate")
    _check_ending(output)
    tasks = [one.strip() for one in named.split(",") if one.strip()]

    def tell(line: str) -> None:
        click.echo(f"embfilter-viz: {line}", err=True)

    with placed_too(output, ".json", force=force) as target:
        opened = opened_model(model)
        with watched() as progress:
            found = replicate(opened, tasks, prompt, tell=tell, progress=progress)
        if target is not None:
            as_csv = target.suffix == ".csv"
            text = _csv(found) if as_csv else f"{json.dumps(found.to_json())}\n"
            with written_output(target, inputs=inputs(), force=force) as file:
                file.write(text.encode())
    print_record(found.to_json(), as_json, lambda: replication_tables(found))


def replication_tables(found: "Replication") -> str:
    """The means by category beside the paper's, then every task, then what was not scored."""
    from embfilter_viz.cli.tables import columns, paragraph

    heads = [name.replace("tau_", "τ = ") for name in found.names]
    record = found.to_json()
    means = [
        (one["category"], f"{one['tasks']} of {one['listed']}", one) for one in record["categories"]
    ]
    means += [
        ("mean over tasks", str(len(found.tasks)), record["mean_over_tasks"]),
        ("mean over categories", str(len(found.categories)), record["mean_over_categories"]),
    ]
    by_category = [["", "tasks", *heads, *(f"{head}*" for head in heads)]]
    for name, count, one in means:
        ours = [fixed(one[key], 2) for key in found.names]
        theirs = [one["paper"][key] for key in found.names]
        printed = ("" if score is None else fixed(score, 2) for score in theirs)
        by_category.append([name, count, *ours, *printed])
    by_task = [["task", "measure × 100", *heads, "texts"]]
    by_task += [
        [one.task, one.measure, *(fixed(score, 2) for score in one.scores), f"{one.n_texts:,}"]
        for one in found.tasks
    ]
    m = len(heads)
    return "\n\n".join(
        [
            paragraph(found.sentence),
            columns(by_category, "<>" + ">" * (2 * m)),
            paragraph(f"* {found.beside}"),
            columns(by_task, "<<" + ">" * (m + 1)),
            paragraph(found.encoding),
            *(paragraph(f"{one.task} was not scored: {one.reason}.") for one in found.not_scored),
        ]
    )


def _check_ending(output: str | None) -> None:
    """Refuse, before the work, a file whose ending says neither form.

    Raises:
        InputError: another ending.
    """
    if output in (None, STANDARD_OUTPUT):
        return
    if Path(output or "").suffix not in _FORMATS:
        raise InputError(f"{output}: give it the ending {' or '.join(_FORMATS)}")


def _csv(found: "Replication") -> str:
    """A line for each task."""
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow(["task", "category", "measure", "data", *found.names, "texts", "forwards"])
    for one in found.tasks:
        lines.writerow(
            [one.task, one.category, one.measure, " ".join(one.data), *one.scores, one.n_texts,
             one.n_forwards]
        )  # fmt: skip
    return text.getvalue()
