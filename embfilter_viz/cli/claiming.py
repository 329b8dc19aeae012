"""The command that decides the paper's claims."""

from typing import TYPE_CHECKING

import click

from embfilter_viz.cli.inputs import opened_model
from embfilter_viz.cli.options import (
    COUNT,
    SEED,
    TASKS,
    columns_of,
    encodes,
    json_option,
    model_argument,
    prompt_option,
)
from embfilter_viz.cli.output import print_record
from embfilter_viz.cli.reporting import watched

if TYPE_CHECKING:
    from embfilter_viz.analyses.claim_record import Claim

__all__ = ["claims_command"]


@click.command(
    "claims",
    short_help="Decide the paper's twelve claims on this model.",
    epilog="""Example: embfilter-viz claims smollm2-135m --prompt mean

    JSON: {"claims": [{"claim": 1, "title", "verdict": "holds" | "fails" | "not decided",
    "statistic", "value", "low", "high", "control": {"name", "value", "low", "high", …}, "rule":
    {"holds", "fails", "note"}, "figures": […], "controls": […], "details": […], "measured",
    "sentence"}, …], "data": […], "verdicts": {verdict: count}, "sentence", …}""",
)
@model_argument
@click.argument("data", metavar="[DATA]", default="demo")
@prompt_option
@click.option("--task", "kinds", multiple=True, type=click.Choice(TASKS),
              help="The task that claims 7 to 11 are scored on; may be repeated.  [default: all "
                  "demo sets, or the tasks that the columns of DATA are for]")  # fmt: skip
@click.option("--column", "named", multiple=True, metavar="ROLE=NAME",
              help="Which column of DATA has which role, such as score=gold; may "
              "be repeated.")  # fmt: skip
@click.option("--limit", type=COUNT, metavar="ROWS", help="Sample at most this many rows of DATA.")
@click.option("--seed", type=SEED, default=0, show_default=True, help="Seed of that sample.")
@encodes
@json_option
def claims_command(model: str, data: str, prompt: str, kinds: tuple[str, ...],
                   named: tuple[str, ...], limit: int | None, seed: int,
                   as_json: bool) -> None:  # fmt: skip
    """Decide the paper's twelve claims on MODEL, and show each with its control and its rule.

    DATA is a .csv file as `sweep` takes it, or "demo" for our own sets ("demo-hi", "demo-id",
    "demo-ru" and "demo-zh" in other languages). A verdict is "holds",
    "fails" or "not decided". The rules were fixed before anything was measured, and each is printed
    with its verdict. Claims 2, 3 and 12 are about the head and the token frequencies alone. Claims
    1, 4, 5 and 6 read up to 320 of the texts, and need 120. Claims 7 to 11 compare scores, pooled
    over the tasks. The filter is that of τ = 2, and for claim 7 of τ = 4 and 8 as well.
    """
    from embfilter_viz.analyses.claims import claims
    from embfilter_viz.cli.claim_tables import claims_in_words
    from embfilter_viz.evaluation.tasks import read_tasks

    columns = columns_of(named)
    tasks = read_tasks(data, kinds, columns=columns, limit=limit, seed=seed)
    opened = opened_model(model)

    def tell(one: "Claim") -> None:
        click.echo(f"claim {one.number}: {one.verdict}", err=True)

    with watched() as progress:
        found = claims(opened, tasks, prompt, tell=tell, progress=progress)
    print_record(found.to_json(), as_json, lambda: claims_in_words(found))
