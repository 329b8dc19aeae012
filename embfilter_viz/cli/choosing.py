"""The commands that help to choose a window: scores of many, two runs compared, a proposal."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from embfilter_viz.cli.inputs import (
    language_asked,
    lines_of,
    opened_model,
    opened_models,
    opened_yardstick,
)
from embfilter_viz.cli.options import (
    COUNT,
    SEED,
    TASKS,
    column_option,
    columns_of,
    encodes,
    head_from_option,
    json_option,
    language_option,
    model_argument,
    prompt_option,
    yardstick_option,
)
from embfilter_viz.cli.output import print_record
from embfilter_viz.cli.reporting import watched
from embfilter_viz.errors import InputError
from embfilter_viz.wording import fixed, signed

if TYPE_CHECKING:
    from embfilter_viz.model import Model
    from embfilter_viz.spectral.windows import Window

__all__ = ["compare_command", "propose", "sweep_command"]

MTEB = "mteb:"


@click.command(
    "sweep",
    short_help="Score many windows on your data: which is best?",
    epilog="""Example: embfilter-viz sweep smollm2-135m pairs.csv --task sts --grid 20

    JSON: {"raw": score, "windows": [{"l", "r", "tau", "tau_asked", "score", "low", "high", …}, …],
    "baselines": {name: score}, "best": {"l", "r", "tau", "score", "chosen_on", "reported_on", …},
    …}""",
)
@model_argument
@click.argument("data", metavar="DATA")
@click.option("--task", "kind", type=click.Choice(TASKS),
              help="The task that is scored; not needed for mteb:NAME.")  # fmt: skip
@prompt_option
@click.option("--taus", metavar="T,T,…",
              help="Score the symmetric windows of these τ.  [default: "
              "1,1.25,1.5,2,3,4,6,8]")  # fmt: skip
@click.option("--grid", type=int, metavar="N",
              help="Score instead all windows whose ends are multiples of d/N.")  # fmt: skip
@click.option("--column", "named", multiple=True, metavar="ROLE=NAME",
              help="Role of a column of DATA, such as score=gold; may be repeated.")  # fmt: skip
@click.option("--limit", type=COUNT, metavar="ROWS", help="Sample at most this many rows of DATA.")
@click.option("--calibration", metavar="FILE",
              help="Texts, one on each line, that whitening and similar alternatives learn from; "
                  "those of DATA are left out. By default our demo texts.")  # fmt: skip
@click.option(
    "--baselines/--no-baselines", default=True, help="Score the alternatives of the filter too."
)
@click.option("--seed", type=SEED, default=0, show_default=True,
              help="Seed of sampling and resampling.")  # fmt: skip
@encodes
@json_option
def sweep_command(model: str, data: str, kind: str | None, prompt: str, taus: str | None,
                  grid: int | None, named: tuple[str, ...], limit: int | None,
                  calibration: str | None, baselines: bool, seed: int,
                  as_json: bool) -> None:  # fmt: skip
    """Score many windows of MODEL on DATA, a .csv file or "demo" for one of our own sets.

    Our sets in other languages are "demo-hi", "demo-id", "demo-ru" and "demo-zh".

    \b
    sts, pairs                  columns sentence1, sentence2, score
    classification, clustering  text, label
    retrieval                   query, passage, relevance

    One half of the data chooses the best window and the other half reports its score. Intervals are
    95 % paired bootstrap intervals. Those of the differences to raw are also given corrected for
    all windows and alternatives at once. For Mistral, the paper's own windows, shifted to l = 128,
    are scored as well, unless --taus names others. The tasks classification and clustering fit a
    model for each window: --taus or a --grid of 8 takes seconds on a few hundred texts, and a
    --grid of 20 about a minute.

    DATA may also be mteb:NAME, one of MTEB's tasks (needs the extra embfilter-viz[mteb] and a
    network): MTEB gives one score a window, so there are no intervals.
    """  # noqa: D301 - click's mark for lines to keep
    from embfilter_viz.analyses.calibration import calibration_from
    from embfilter_viz.analyses.sweep import sweep
    from embfilter_viz.cli.tables import paragraph, sweep_tables
    from embfilter_viz.evaluation.grids import (
        TAUS,
        shifted_windows,
        windows_of_plane,
        windows_of_taus,
    )
    from embfilter_viz.evaluation.tasks import read_task
    from embfilter_viz.models.encoding.prompts import find_prompt

    if taus is not None and grid is not None:
        raise InputError("--taus and --grid: both choose the windows; give one of them")

    def tried(opened: "Model") -> list["Window"]:
        d = opened.d_model
        if taus is not None:
            return windows_of_taus([one.strip() for one in taus.split(",") if one.strip()], d)
        common = windows_of_taus(TAUS, d) if grid is None else windows_of_plane(grid, d)
        return list(dict.fromkeys([*common, *shifted_windows(opened.card.family, d)]))

    if data.startswith(MTEB):
        if kind is not None:
            raise InputError(f"--task {kind}: {data} says itself what is scored; drop it")
        for option, value in (
            ("--column", named),
            ("--limit", limit),
            ("--calibration", calibration),
        ):
            if value:
                raise InputError(f"{option}: {data} is scored whole, as MTEB does; drop it")
        _print_mteb(model, data.removeprefix(MTEB), prompt, tried, as_json)
        return
    if kind is None:
        raise InputError(f"--task: say what DATA is for; take one of {', '.join(TASKS)}")
    task = read_task(kind, data, columns=columns_of(named), limit=limit, seed=seed)
    learnt_from = None
    if calibration is not None:
        learnt_from = calibration_from(lines_of(calibration), Path(calibration).name, task)
    opened = opened_model(model)
    windows = tried(opened)
    with watched() as progress:
        found = sweep(
            opened, task, prompt, windows, baselines=baselines, calibration=learnt_from, seed=seed,
            progress=progress,
        )  # fmt: skip

    def words() -> str:
        said = " ".join(task.notes)
        read = find_prompt(prompt).words
        about = f"{task.describe()}; prompt {read}." + (f" {said}" if said else "")
        return f"{paragraph(found.sentence)}\n\n{paragraph(about)}\n\n{sweep_tables(found)}"

    print_record(found.to_json(), as_json, words)


@click.command(
    "compare",
    short_help="Compare two runs on the same data: is one better beyond noise?",
    epilog="""Example: embfilter-viz compare demo --task sts --run smollm2-135m prompteol raw
    --run smollm2-135m prompteol 2

    Example: embfilter-viz compare demo --task sts --run smollm2-135m prompteol 2
    --yardstick sentence-transformers/all-MiniLM-L6-v2

    JSON: {"first": {"score", "mean_cosine", "trained_for_embeddings", "forwards_per_text",
    "generated_tokens_per_text", …}, "second": {…}, "difference": {"value", "low", "high"},
    "sentence", …}""",
)
@click.argument("data", metavar="DATA")
@click.option(
    "--task", "kind", type=click.Choice(TASKS), required=True, help="The task that is scored."
)
@click.option(
    "--run", "runs", nargs=3, multiple=True, metavar="MODEL PROMPT WINDOW",
    help="A model, a prompt, and a window as τ, L:R or raw. Give it twice.",
)  # fmt: skip
@yardstick_option
@click.option("--limit", type=COUNT, metavar="ROWS", help="Sample at most this many rows of DATA.")
@click.option("--seed", type=SEED, default=0, show_default=True,
              help="Seed of sampling and resampling.")  # fmt: skip
@head_from_option
@encodes
@json_option
def compare_command(
    data: str, kind: str, runs: tuple[tuple[str, str, str], ...], yardsticks: tuple[str, ...],
    limit: int | None, seed: int, as_json: bool,
) -> None:  # fmt: skip
    """Score two runs on the same resamples of DATA, a .csv file, "demo", or "demo-id" and the like.

    The interval is that of the difference of the two scores. They may differ beyond noise even if
    their own intervals overlap. What a text costs under either prompt stands beside it.
    """
    from embfilter_viz.analyses.compare import Run, TrainedRun, compare
    from embfilter_viz.cli.tables import columns, paragraph
    from embfilter_viz.evaluation.tasks import read_task
    from embfilter_viz.spectral.windows import Window

    if len(runs) + len(yardsticks) != 2:
        raise InputError(
            f"--run and --yardstick: given {len(runs) + len(yardsticks)} times; give the two runs "
            "to compare"
        )
    task = read_task(kind, data, limit=limit, seed=seed)
    trained = [TrainedRun(opened_yardstick(name)) for name in yardsticks]
    opened = opened_models(run[0] for run in runs)

    def run_of(name: str, prompt: str, window: str) -> Run:
        d = opened[name].d_model
        kept = Window(0, d, d) if window == "raw" else Window.parse(window, d)
        return Run(opened[name], prompt, kept)

    both: list[Run | TrainedRun] = [*(run_of(*run) for run in runs), *trained]
    with watched() as progress:
        found = compare(both[0], both[1], task, seed=seed, progress=progress)

    def words() -> str:
        rows = [
            [side.name, fixed(side.score.value, 1), fixed(side.isotropy.mean_cosine.value, 3),
             f"{side.window.k}", side.cost.words]
            for side in (found.first, found.second)
        ]  # fmt: skip
        heads = ["run", found.measure, "mean cosine", "dimensions", "a text takes"]
        said = paragraph(" ".join([f"{task.describe()}.", *task.notes]))
        return f"{paragraph(found.sentence)}\n\n{said}\n\n{columns([heads, *rows], '<>>><')}"

    print_record(found.to_json(), as_json, words)


@click.command(
    short_help="Propose a window to start from, without labels.",
    epilog="""Example: embfilter-viz propose smollm2-135m texts.txt --prompt mean

    JSON: {"l", "r", "why", "source": "texts" or "checkpoint", "worth", "curves": [{"name", "at",
    "values"}, …], …}""",
)
@model_argument
@click.argument("texts", metavar="[TEXTS.txt]", required=False)
@column_option
@prompt_option
@language_option
@encodes
@json_option
def propose(model: str, texts: str | None, column: str | None, prompt: str,
            as_json: bool) -> None:  # fmt: skip
    """Propose a window from unlabelled texts, one on each line, or from the checkpoint alone.

    TEXTS.txt may be "demo", or "demo-hi", "demo-id", "demo-ru" or "demo-zh": our demo texts. It
    may also be a table (.csv, .tsv, .json, .jsonl, .parquet), of which one column is read.

    From the checkpoint and word frequencies (wordfreq; English unless --language says else), the
    proposal is the longest run of directions that move the logits of frequent tokens at most three
    times as much as the median direction. 50 texts or more move it towards the middle of the
    windows whose cosines order pairs of texts most like soft whitening does: n texts weigh
    n / (n + 50). Where the texts show nothing beyond chance, the checkpoint decides alone. A
    proposal is for comparing texts by cosine: a classifier that is trained on embeddings can get
    worse with a window.
    """
    from embfilter_viz.analyses.propose import propose_window
    from embfilter_viz.cli.tables import paragraph

    if texts is None and column is not None:
        raise InputError(
            f"--column {column}: there is no file to have columns; name one, or drop it"
        )
    lines = lines_of(texts, column) if texts is not None else []
    opened = opened_model(model)
    with watched() as progress:
        proposal = propose_window(
            opened, lines, prompt, language=language_asked(), progress=progress
        )

    def words() -> str:
        about = f"window {proposal.window} {proposal.window.description}"
        return f"{paragraph(about)}\n{paragraph(proposal.why)}"

    print_record(proposal.to_json(), as_json, words)


def _print_mteb(
    name: str,
    task_name: str,
    prompt: str,
    tried: Callable[["Model"], list["Window"]],
    as_json: bool,
) -> None:
    """Run one of MTEB's tasks raw and under every window.

    Args:
        name: the model's name.
        task_name: the task's name in MTEB.
        prompt: the prompt's name.
        tried: the windows to score, for a model.
        as_json: whether to print JSON.
    """
    from embfilter_viz.analyses.mteb_sweep import mteb_sweep
    from embfilter_viz.cli.tables import columns, paragraph, tau_cell
    from embfilter_viz.evaluation.mteb_model import mteb_task

    task = mteb_task(task_name)
    opened = opened_model(name)
    with watched() as progress:
        found = mteb_sweep(opened, task, prompt, tried(opened), progress=progress)

    def words() -> str:
        rows = [["window", "tau", found.measure, "to raw"]]
        rows += [
            [str(w), tau_cell(w), fixed(score, 2), signed(score - found.raw, 2)]
            for w, score in zip(found.windows, found.scores, strict=True)
        ]
        return f"{paragraph(found.sentence)}\n\n{columns(rows, '<>>>')}"

    print_record(found.to_json(), as_json, words)
