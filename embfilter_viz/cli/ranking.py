"""The command that ranks all methods on one task."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from embfilter_viz.cli.inputs import lines_of, opened_model, opened_yardstick, window_of
from embfilter_viz.cli.options import (
    COUNT,
    METHODS,
    SEED,
    TASKS,
    WEIGHT,
    columns_of,
    encodes,
    json_option,
    model_argument,
    other_prompts_option,
    prompt_option,
    tau_option,
    window_option,
    yardstick_option,
)
from embfilter_viz.cli.output import print_record
from embfilter_viz.cli.reporting import watched
from embfilter_viz.errors import InputError
from embfilter_viz.wording import bracketed

if TYPE_CHECKING:
    from embfilter_viz.analyses.leaderboard import Leaderboard
    from embfilter_viz.embeddings.interval import Interval

__all__ = ["leaderboard_command", "leaderboard_table"]

DEMO = "demo"


@click.command(
    "leaderboard",
    short_help="Rank all methods that need no training on your data.",
    epilog="""Example: embfilter-viz leaderboard smollm2-135m pairs.csv --task sts --prompt mean

    JSON: {"methods": [{"name", "does", "removes", "dimensions", "calibration", "score": {"value",
    "low", "high"}, "to_raw": {…}, "to_window": {…}, "spread", "refusal",
    "trained_for_embeddings", "prompt", "forwards_per_text", "generated_tokens_per_text"}, …],
    "calibration", "window": [l, r], "sentence", …}""",
)
@model_argument
@click.argument("data", metavar="DATA")
@click.option(
    "--task", "kind", type=click.Choice(TASKS), required=True, help="The task that is scored."
)
@prompt_option
@tau_option
@window_option
@click.option(
    "--methods", "named", metavar="NAME,NAME,…", help="Score only these methods.  [default: all]"
)
@click.option("--calibrate", "learnt_from", metavar="demo|FILE", default=DEMO, show_default=True,
              help="Texts that methods learn from, one on each line; those of DATA "
              "are left out.")  # fmt: skip
@other_prompts_option
@yardstick_option
@click.option("--router-weight", type=WEIGHT, metavar="NUMBER",
              default=1.0, show_default=True, help="Of a mixture of experts: how much the cosine "
              "of its routers counts beside that of its states.")  # fmt: skip
@click.option("--column", "roles", multiple=True, metavar="ROLE=NAME",
              help="Role of a column of DATA, such as score=gold; may be repeated.")  # fmt: skip
@click.option("--limit", type=COUNT, metavar="ROWS", help="Sample at most this many rows of DATA.")
@click.option("--seed", type=SEED, default=0, show_default=True,
              help="Seed of sampling and resampling.")  # fmt: skip
@encodes
@json_option
def leaderboard_command(model: str, data: str, kind: str, prompt: str, tau: str | None,
                        window: str | None, named: str | None, learnt_from: str,
                        beside: tuple[str, ...], yardsticks: tuple[str, ...], router_weight: float,
                        roles: tuple[str, ...], limit: int | None, seed: int,
                        as_json: bool) -> None:  # fmt: skip
    """Score every closed-form method on DATA, a .csv file or "demo", beside raw and the window.

    Our sets in other languages are "demo-hi", "demo-id", "demo-ru" and "demo-zh".

    \b
    embfilter                     the window, tau = 2 unless --tau or --window says else
    centred-window, reweighting   ours, from the checkpoint alone
    mean-subtraction, mean-projection, first-direction, all-but-the-top,
    whitening, whitening-full, soft-whitening, pca, z-score, rogue-dimensions
                                  learn from the texts of --calibrate
    truncation, random-coordinates, random-subspace
                                  fewer dimensions and nothing else
    window+NAME                   the window, then a method that learns
    router, router+hidden, router+window
                                  of a mixture of experts: the weights of its experts, and MoEE

    Prompts of --beside stand among them raw and with the window, with what a text costs.

    Each method is one affine map of the raw embeddings, which `export --method NAME` exports; only
    those with routers are not.
    Intervals are 95 % paired bootstrap intervals, corrected for all methods of a column.
    """  # noqa: D301 - click's mark for lines to keep
    from embfilter_viz.analyses.calibration import calibration_from
    from embfilter_viz.analyses.leaderboard import leaderboard
    from embfilter_viz.cli.tables import paragraph
    from embfilter_viz.evaluation.tasks import read_task
    from embfilter_viz.models.encoding.prompts import find_prompt

    wanted = [] if named is None else [one.strip() for one in named.split(",") if one.strip()]
    for one in wanted:
        if one not in METHODS:
            raise InputError(f"--methods {one[:40]}: unknown; take some of {', '.join(METHODS)}")
    task = read_task(kind, data, columns=columns_of(roles), limit=limit, seed=seed)
    calibration = None
    if learnt_from != DEMO:
        calibration = calibration_from(lines_of(learnt_from), Path(learnt_from).name, task)
    trained = [opened_yardstick(name) for name in dict.fromkeys(yardsticks)]
    opened = opened_model(model)
    chosen = window_of(opened, tau, window)
    with watched() as progress:
        found = leaderboard(
            opened, task, prompt, chosen, methods=wanted, calibration=calibration,
            yardsticks=trained, beside=beside, router_weight=router_weight, seed=seed,
            progress=progress,
        )  # fmt: skip

    def words() -> str:
        said = " ".join(task.notes)
        read = find_prompt(prompt).words
        about = f"{task.describe()}; prompt {read}." + (f" {said}" if said else "")
        return "\n\n".join([paragraph(found.sentence), paragraph(about), leaderboard_table(found)])

    print_record(found.to_json(), as_json, words)


def leaderboard_table(found: "Leaderboard") -> str:
    """Every method on a line, and below which texts were learnt from and what was refused."""
    from embfilter_viz.analyses.methods import METHODS as KNOWN
    from embfilter_viz.cli.tables import columns, paragraph

    rows = [["method", "numbers", found.measure, "to raw", f"to {found.window_words}", "learns"]]
    if found.costs_differ:
        rows[0].append("a text takes")
    rows += [
        [
            one.name,
            str(one.dims) if one.score is not None else "–",
            _cell(one.score),
            _cell(one.to_raw, sign=True),
            _cell(one.to_window, sign=True),
            "trained" if one.trained else "yes" if one.calibration else "",
            *([one.cost.words] if found.costs_differ else []),
        ]
        for one in found.places
    ]
    learns = any(one.calibration for one in found.places)
    drawn = max((KNOWN[one.name].draws for one in found.places if one.spread), default=0)
    said = [
        f"What learns did so from {found.calibration}." if learns else "",
        f"Where chance has a part: the mean of {drawn} draws." if drawn else "",
        *(f"{one.name}: {one.removes}." for one in found.places if "shrinkage" in one.removes),
        *(f"{one.name}: {one.refusal}" for one in found.places if one.refusal),
    ]
    return "\n".join(
        [columns(rows, "<><<<<<"[: len(rows[0])]), "", *(paragraph(one) for one in said if one)]
    )


def _cell(one: "Interval | None", *, sign: bool = False) -> str:
    return "" if one is None else bracketed(one.value, one.low, one.high, 1, sign=sign)
