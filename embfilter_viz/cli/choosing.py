"""The commands that help to choose a window: scores of many, two runs compared, a proposal."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from embfilter_viz.cli.inputs import lines_of, opened_model
from embfilter_viz.cli.options import (
    COUNT,
    SEED,
    TASKS,
    encodes,
    json_option,
    model_argument,
    prompt_option,
)
from embfilter_viz.cli.output import print_record
from embfilter_viz.cli.reporting import watched
from embfilter_viz.errors import InputError

if TYPE_CHECKING:
    from embfilter_viz.spectral.windows import Window

__all__ = ["compare_command", "propose", "sweep_command"]

MTEB = "mteb:"


@click.command(
    "sweep",
    short_help="Which window is best for your data, and by how much?",
    epilog="""Example: embfilter-viz sweep smollm2-135m pairs.csv --task sts --grid 20

    JSON: {"raw": score, "windows": [{"l", "r", "tau", "score", "low", "high", …}, …],
    "baselines": {name: score}, "best": {"l", "r", "tau", "score", "chosen_on", "reported_on", …},
    …}""",
)
@model_argument
@click.argument("data", metavar="DATA")
@click.option("--task", "kind", type=click.Choice(TASKS),
              help="What is scored; not needed for mteb:NAME.")  # fmt: skip
@prompt_option
@click.option("--taus", metavar="T,T,…",
              help="The symmetric windows of these.  [default: 1,1.25,1.5,2,3,4,6,8]")  # fmt: skip
@click.option("--grid", type=int, metavar="N",
              help="Instead all windows whose ends are multiples of d/N.")  # fmt: skip
@click.option("--column", "named", multiple=True, metavar="ROLE=NAME",
              help="Which column is what, such as score=gold; may be repeated.")  # fmt: skip
@click.option("--limit", type=COUNT, metavar="ROWS", help="Sample so many rows of DATA at most.")
@click.option("--calibration", metavar="FILE",
              help="Texts, one a line, that whitening and its like learn from; by default our "
              "demo texts, less those of DATA.")  # fmt: skip
@click.option("--baselines/--no-baselines", default=True, help="Score the alternatives too.")
@click.option("--seed", type=SEED, default=0, show_default=True,
              help="Of sampling and resampling.")  # fmt: skip
@encodes
@json_option
def sweep_command(model: str, data: str, kind: str | None, prompt: str, taus: str | None,
                  grid: int | None, named: tuple[str, ...], limit: int | None,
                  calibration: str | None, baselines: bool, seed: int,
                  as_json: bool) -> None:  # fmt: skip
    """Score many windows of MODEL on DATA, a .csv file or "demo" for a set of our own.

    \b
    sts, pairs                  columns sentence1, sentence2, score
    classification, clustering  text, label
    retrieval                   query, passage, relevance

    One half of the data chooses the best window and the other half reports its score. Intervals
    are 95 % paired bootstrap intervals; those of the differences to raw are also given corrected
    for trying many windows. classification and clustering fit something to each window: --taus
    or a --grid of 8 takes seconds on a few hundred texts, and a --grid of 20 about a minute.

    DATA may also be mteb:NAME, one of MTEB's tasks (needs the extra embfilter-viz[mteb] and a
    network): MTEB gives one score a window, so there are no intervals.
    """  # noqa: D301 - click's mark for lines to keep
    from embfilter_viz.analyses.ablation import Calibration
    from embfilter_viz.analyses.sweep import sweep
    from embfilter_viz.cli.tables import paragraph, sweep_tables
    from embfilter_viz.evaluation.grids import TAUS, windows_of_plane, windows_of_taus
    from embfilter_viz.evaluation.tasks import read_task

    if taus is not None and grid is not None:
        raise InputError("--taus and --grid: both choose the windows; give one of them")

    def tried(d: int) -> list["Window"]:
        if grid is not None:
            return windows_of_plane(grid, d)
        listed = TAUS if taus is None else [one.strip() for one in taus.split(",") if one.strip()]
        return windows_of_taus(listed, d)

    if data.startswith(MTEB):
        _print_mteb(model, data.removeprefix(MTEB), prompt, tried, as_json)
        return
    if kind is None:
        raise InputError(f"--task: say what DATA is for; take one of {', '.join(TASKS)}")
    for one in named:
        if "=" not in one:
            raise InputError(f"--column {one!r}: write it as ROLE=NAME, such as score=gold")
    columns = dict(one.split("=", 1) for one in named)
    task = read_task(kind, data, columns=columns, limit=limit, seed=seed)
    learnt_from = None
    if calibration is not None:
        texts = tuple(dict.fromkeys(lines_of(calibration)))
        learnt_from = Calibration(texts, f"{len(texts):,} texts of {Path(calibration).name}")
    opened = opened_model(model)
    windows = tried(opened.d_model)
    with watched() as progress:
        found = sweep(
            opened, task, prompt, windows, baselines=baselines, calibration=learnt_from, seed=seed,
            progress=progress,
        )  # fmt: skip

    def words() -> str:
        said = " ".join(task.notes)
        about = f"{task.describe()}; prompt {prompt}." + (f" {said}" if said else "")
        return f"{paragraph(found.sentence)}\n\n{paragraph(about)}\n\n{sweep_tables(found)}"

    print_record(found.to_json(), as_json, words)


@click.command(
    "compare",
    short_help="Two runs on the same data: is one better beyond noise?",
    epilog="""Example: embfilter-viz compare demo --task sts --run smollm2-135m prompteol raw
    --run smollm2-135m prompteol 2

    JSON: {"first": {"score", "mean_cosine", …}, "second": {…}, "difference": {"value", "low",
    "high"}, "sentence", …}""",
)
@click.argument("data", metavar="DATA")
@click.option("--task", "kind", type=click.Choice(TASKS), required=True, help="What is scored.")
@click.option(
    "--run", "runs", nargs=3, multiple=True, metavar="MODEL PROMPT WINDOW",
    help="Twice: a model, a prompt, and a window as τ, L:R or raw.",
)  # fmt: skip
@encodes
@json_option
def compare_command(
    data: str, kind: str, runs: tuple[tuple[str, str, str], ...], as_json: bool
) -> None:
    """Score two runs on the same resamples of DATA, a .csv file or "demo".

    The interval is that of the difference of the two scores: they may differ beyond noise even
    where their own intervals overlap.
    """
    from embfilter_viz.analyses.compare import Run, compare
    from embfilter_viz.cli.tables import columns, paragraph
    from embfilter_viz.evaluation.tasks import read_task
    from embfilter_viz.spectral.windows import Window

    if len(runs) != 2:
        raise InputError(f"--run: given {len(runs)} times; give the two runs to compare")
    task = read_task(kind, data)
    opened = {name: opened_model(name) for name in dict.fromkeys(run[0] for run in runs)}

    def run_of(name: str, prompt: str, window: str) -> Run:
        d = opened[name].d_model
        kept = Window(0, d, d) if window == "raw" else Window.parse(window, d)
        return Run(opened[name], prompt, kept)

    first, second = (run_of(*run) for run in runs)
    with watched() as progress:
        found = compare(first, second, task, progress=progress)

    def words() -> str:
        rows = [
            [side.name, f"{side.score.value:.1f}", f"{side.isotropy.mean_cosine.value:.3f}",
             f"{side.window.k}"]
            for side in (found.first, found.second)
        ]  # fmt: skip
        heads = ["run", found.measure, "mean cosine", "dimensions"]
        return f"{paragraph(found.sentence)}\n\n{columns([heads, *rows], '<>>>')}"

    print_record(found.to_json(), as_json, words)


@click.command(
    short_help="A window to start from, without labels.",
    epilog="""Example: embfilter-viz propose smollm2-135m texts.txt --prompt mean

    JSON: {"l", "r", "why", "source": "texts" or "checkpoint", "worth", "curves": [{"name", "at",
    "values"}, …], …}""",
)
@model_argument
@click.argument("texts", metavar="[TEXTS.txt]", required=False)
@prompt_option
@encodes
@json_option
def propose(model: str, texts: str | None, prompt: str, as_json: bool) -> None:
    """Propose a window from unlabelled texts, one a line, or from the checkpoint alone.

    From texts, 50 or more: the middle of the windows whose cosines order pairs of them most like
    soft whitening does. From the checkpoint: the longest run of directions that move the logits of
    frequent tokens at most three times as much as the median one; it also decides where texts do
    not. Both are for comparing by cosine: a classifier trained on embeddings can lose by a window.
    """
    from embfilter_viz.analyses.propose import propose_window
    from embfilter_viz.cli.tables import paragraph

    lines = lines_of(texts) if texts is not None else []
    opened = opened_model(model)
    with watched() as progress:
        proposal = propose_window(opened, lines, prompt, progress=progress)

    def words() -> str:
        about = f"window {proposal.window} {proposal.window.description}"
        return f"{paragraph(about)}\n{paragraph(proposal.why)}"

    print_record(proposal.to_json(), as_json, words)


def _print_mteb(
    name: str,
    task_name: str,
    prompt: str,
    tried: Callable[[int], list["Window"]],
    as_json: bool,
) -> None:
    """Run one of MTEB's tasks raw and under every window."""
    from embfilter_viz.analyses.mteb_sweep import mteb_sweep
    from embfilter_viz.cli.tables import columns, paragraph
    from embfilter_viz.evaluation.mteb_model import mteb_task

    task = mteb_task(task_name)
    opened = opened_model(name)
    with watched() as progress:
        found = mteb_sweep(opened, task, prompt, tried(opened.d_model), progress=progress)

    def words() -> str:
        rows = [["window", "tau", found.measure, "to raw"]]
        rows += [
            [str(w), f"{w.tau:.2f}", f"{score:.2f}", f"{score - found.raw:+.2f}"]
            for w, score in zip(found.windows, found.scores, strict=True)
        ]
        return f"{paragraph(found.sentence)}\n\n{columns(rows, '<>>>')}"

    print_record(found.to_json(), as_json, words)
