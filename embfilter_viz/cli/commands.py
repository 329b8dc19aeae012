"""The commands. Each opens a model, asks one question of the library and prints its record."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import embfilter_viz
from embfilter_viz.cli.reporting import watched
from embfilter_viz.errors import InputError

if TYPE_CHECKING:
    from embfilter_viz.model import Model
    from embfilter_viz.models.frequencies import TokenFrequencies
    from embfilter_viz.spectral.windows import Window

__all__ = ["cli"]

# Spelled out, so that --help imports nothing; a test holds them to the library's own names.
PROMPTS = ("prompteol", "echo", "mean", "last")
GAUGES = ("paper", "centred", "invariant")
DEVICES = ("auto", "cpu", "cuda", "mps")
PRECISIONS = ("float32", "bfloat16", "float16")
REMOVALS = ("embedfilter", "dominant", "secondary", "bulk", "optimal", "truncation", "random")
EXPORTS = ("filter", "sentence-transformers", "faiss", "numpy", "report")

MTEB = "mteb:"
TASKS = ("sts", "retrieval", "classification", "clustering", "pairs")

_COUNT = click.IntRange(min=1)
_SEED = click.IntRange(min=0)

_json = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
_model = click.argument("model")
_prompt = click.option(
    "--prompt", type=click.Choice(PROMPTS), default="prompteol", show_default=True,
    help="How a text is put to the model, and what is pooled.",
)  # fmt: skip
_tau = click.option(
    "--tau", metavar="T", help="Keep the middle d/T directions, as the paper does.  [default: 2]"
)
_window_option = click.option(
    "--window",
    metavar="L:R",
    help="Keep directions L to R - 1 instead; either end may be left out.",
)
_source = click.option(
    "--frequencies", "source", metavar="model|wordfreq|FILE", default="model", show_default=True,
    help="Where token frequencies come from: the model's own predictions, English word "
    "frequencies, or the counts in a file of texts.",
)  # fmt: skip
_alpha = click.option(
    "--alpha", type=float, default=1.0, show_default=True,
    help="Added to every count of wordfreq or FILE, for log 0 is undefined.",
)  # fmt: skip


def _noted(ctx: click.Context, parameter: click.Parameter, value: str) -> str:
    """Keep an option that every command hands to ``_open`` alike."""
    ctx.meta[f"embfilter_viz.{parameter.name}"] = value
    return value


_device = click.option(
    "--device", type=click.Choice(DEVICES), default="auto", show_default=True,
    expose_value=False, callback=_noted,
    help="Where the model runs: the fastest that is here, the processor, a graphics card, Apple's.",
)  # fmt: skip
_dtype = click.option(
    "--dtype", type=click.Choice(PRECISIONS), default="float32", show_default=True,
    expose_value=False, callback=_noted,
    help='Precision the model runs in; a lower one is said, in JSON as "encoded".',
)  # fmt: skip


def _encodes(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of a command that runs the model over texts."""
    return _device(_dtype(command))


class _Commands(click.Group):
    """Commands in the order one meets them, not in the alphabet's."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(embfilter_viz.__version__, prog_name="embfilter-viz")
def cli() -> None:
    """See what a model's unembedding writes into its text embeddings, and filter it out.

    A language model's head W_U turns hidden states into logits. Its strongest and weakest
    singular directions write frequent, empty tokens into every embedding; EmbedFilter keeps the
    middle of the spectrum.

    MODEL is smollm2-135m (bundled, fetched once), a Hugging Face id as org/name or
    org/name@revision, a folder with safetensors, or a .gguf file. FILE holds one text a line.

    \b
    A first walk:
      embfilter-viz spectrum smollm2-135m
      embfilter-viz directions smollm2-135m --index 0
      embfilter-viz spectroscopy smollm2-135m --gauge centred
      embfilter-viz lens smollm2-135m "A man plays the guitar." --tau 2
      embfilter-viz embed smollm2-135m texts.txt --window 58:432 -o out.npy
      embfilter-viz geometry smollm2-135m texts.txt
      embfilter-viz sweep smollm2-135m demo --task sts --grid 20
      embfilter-viz export smollm2-135m --tau 2 --format filter -o window.safetensors
      embfilter-viz app

    Each command has a --help of its own, and --json for programs: there null stands for a number
    that is infinite or undefined. Models and results are kept in the folder that the environment
    variable EMBFILTER_VIZ_CACHE names, or in the platform's cache folder.
    """  # noqa: D301 - click's mark for lines to keep


@cli.command(epilog='JSON: {"models": [{"name", "source", "bytes", "present"}, …]}')
@_json
def models(as_json: bool) -> None:
    """What can be picked, and what is already on this machine."""
    from embfilter_viz.cli.tables import columns
    from embfilter_viz.models.sources import known_models

    found = known_models()

    def words() -> str:
        rows = [
            [m.name, f"{m.n_bytes / 1e6:,.0f} MB", "here" if m.present else "to fetch", m.source]
            for m in found
        ]
        more = "Or give a hub id (org/name[@revision]), a folder, or a .gguf file."
        return f"{columns(rows, '<><<')}\n\n{more}"

    record = [
        {"name": m.name, "source": m.source, "bytes": m.n_bytes, "present": m.present}
        for m in found
    ]
    _print({"models": record}, as_json, words)


@cli.command(
    short_help="Singular values of the head, and how accurate they are.",
    epilog="""Example: embfilter-viz spectrum smollm2-135m --centre

    JSON: {"d_vocab", "d_model", "singular_values": [d], "condition_number", "relative_error": [d],
    "degenerate_groups": [[start, stop], …], "loaded": {"sentence", "head_bytes",
    "checkpoint_bytes"}, …}""",
)
@_model
@click.option("--centre", is_flag=True, help="Subtract the mean row of W_U first.")
@_json
def spectrum(model: str, centre: bool, as_json: bool) -> None:
    """Singular values of the head, how accurate they are, and which cannot be told apart.

    Directions are numbered from the strongest, 0. Only the head is opened, not the whole model.
    """
    from embfilter_viz.analyses.spectrum import describe_spectrum
    from embfilter_viz.cli.tables import paragraph, spectrum_table

    opened = _open(model)
    with watched() as progress:
        report = describe_spectrum(opened, centre=centre, progress=progress)

    def words() -> str:
        size = f"{opened.d_vocab:,} × {opened.d_model}"
        head = f"{model}, a head of {size}{', centred' if centre else ''}: {report.sentence}"
        table = spectrum_table(report.spectrum)
        return f"{paragraph(head)}\n{paragraph(_loaded(opened))}\n\n{table}"

    _print(report.to_json() | _read_of(opened), as_json, words)


@cli.command(
    short_help="The tokens at both ends of one direction.",
    epilog="""Example: embfilter-viz directions smollm2-135m --index 0 --top 10

    JSON: {"index", "singular_value", "positive": [token, …], "negative": [token, …], …} with token
    {"id", "text", "logit", "frequency_rank"}""",
)
@_model
@click.option("--index", type=int, required=True, help="Which direction; 0 is the strongest.")
@click.option("--top", type=_COUNT, default=20, show_default=True, help="Tokens at each end.")
@click.option("--centre", is_flag=True, help="Of the head with its mean row subtracted.")
@_json
def directions(model: str, index: int, top: int, centre: bool, as_json: bool) -> None:
    """The tokens at both ends of one direction: what it writes, up and down.

    The sign of a singular vector is arbitrary, so which end is called raised is too. Frequency
    ranks are by wordfreq, 0 for the most frequent token.
    """
    from embfilter_viz.analyses.spectrum import describe_direction
    from embfilter_viz.cli.tables import direction_table, number, paragraph

    opened = _open(model)
    if not 0 <= index < opened.d_model:  # before word frequencies are counted for nothing
        raise InputError(
            f"--index {index}: {model} has directions 0 to {opened.d_model - 1}; take one of those"
        )
    with watched() as progress:
        frequencies = opened.frequencies("wordfreq", progress=progress)
        opened.spectrum_of_head(centre=centre, progress=progress)
    found = describe_direction(opened, index, top=top, centre=centre, frequencies=frequencies)

    def words() -> str:
        head = f"direction {index} of {model}: sigma {number(found.singular_value)}"
        if found.group:
            a, b = found.group
            head += (
                f", too close to its neighbours to tell {a} to {b - 1} apart: read no meaning "
                "into it alone"
            )
        return f"{paragraph(head)}\n{paragraph(_loaded(opened))}\n\n{direction_table(found)}"

    _print(found.to_json() | _read_of(opened), as_json, words)


@cli.command(
    short_help="Which directions carry the frequent tokens?",
    epilog="""Example: embfilter-viz spectroscopy smollm2-135m --gauge centred --bands 20

    JSON: {"shift": {"frequent": [d or N], "infrequent": […], "random": […]},
    "edge_to_bulk": {"ratio", "low", "high", …}, "frequent_tokens": [token, …], …}""",
)
@_model
@_source
@click.option("--gauge", type=click.Choice(GAUGES), default="paper", show_default=True,
              help="How the constant that softmax ignores is fixed.")  # fmt: skip
@click.option("--top", type=_COUNT, default=100, show_default=True, help="Tokens in each set, k.")
@click.option("--bands", "n_bands", type=_COUNT, metavar="N",
              help="Remove N whole bands instead of single directions.")  # fmt: skip
@click.option("--spacing", type=click.Choice(["linear", "log"]), default="linear",
              show_default=True, help="Widths of the bands.")  # fmt: skip
@_alpha
@click.option("--seed", type=_SEED, default=0, show_default=True,
              help="Of the random tokens and of the resampling.")  # fmt: skip
@_encodes
@_json
def spectroscopy(model: str, source: str, gauge: str, top: int, n_bands: int | None, spacing: str,
                 alpha: float, seed: int, as_json: bool) -> None:  # fmt: skip
    """Logit shifts of the average token: which directions carry the frequent tokens?

    The average token is the hidden state whose logits come nearest to the log token frequencies.
    Each direction is removed from it in turn, and the shift of its logits measured over the
    most frequent tokens and, as controls, over infrequent and random ones.
    """
    from embfilter_viz.analyses.spectroscopy import spectroscopy as measure
    from embfilter_viz.cli.tables import paragraph, shift_table

    texts = _texts_of(source)
    opened = _open(model)
    frequencies = _frequencies(opened, source, texts, alpha)
    with watched() as progress:
        result = measure(
            opened, frequencies, gauge=gauge, top=top, n_bands=n_bands, spacing=spacing, seed=seed,
            progress=progress,
        )  # fmt: skip

    def words() -> str:
        about = f"Logit shift, gauge {gauge}, frequencies: {frequencies.detail}."
        about = f"{paragraph(about)}\n{paragraph(_loaded(opened))}"
        return f"{paragraph(result.sentence)}\n\n{about}\n{shift_table(result)}"

    _print(result.to_json() | _read_of(opened), as_json, words)


@cli.command(
    short_help="What a text's embedding decodes to, raw and filtered.",
    epilog="""Example: embfilter-viz lens smollm2-135m "A man plays guitar." --prompt mean --tau 4

    JSON: {"window": [l, r], "raw": [token, …], "filtered": [token, …], …}""",
)
@_model
@click.argument("text")
@_prompt
@_tau
@_window_option
@click.option("--top", type=_COUNT, default=10, show_default=True, help="Tokens on each side.")
@click.option("--remove", type=click.Choice(REMOVALS), default="embedfilter", show_default=True,
              help="What to remove, by the paper's names; embedfilter is both edges.")  # fmt: skip
@_source
@_alpha
@_encodes
@_json
def lens(model: str, text: str, prompt: str, tau: str | None, window: str | None, top: int,
         remove: str, source: str, alpha: float, as_json: bool) -> None:  # fmt: skip
    """What the embedding of TEXT decodes to, raw and filtered.

    Frequency ranks begin at 0, the most frequent token; raw place is where a filtered token stood
    before.
    """
    from embfilter_viz.analyses.lens import lens as read
    from embfilter_viz.cli.tables import lens_table, paragraph

    corpus = _texts_of(source)
    opened = _open(model)
    chosen = _window(opened, tau, window)
    with watched() as progress:
        opened.spectrum_of_head(progress=progress)
        opened.encode([text], prompt, progress=progress)
    frequencies = _frequencies(opened, source, corpus, alpha)
    report = read(opened, text, prompt, chosen, top=top, frequencies=frequencies, removal=remove)

    def words() -> str:
        cut = "\nThe text was cut to the 512 tokens that the model is given." * report.truncated
        about = f"window {chosen} {chosen.description}" if remove == "embedfilter" else remove
        return f"{paragraph(about)}\n{paragraph(report.sentence)}{cut}\n\n{lens_table(report)}"

    _print(report.to_json(), as_json, words)


@cli.command(
    short_help="Embed a file of texts into a .npy, raw or filtered.",
    epilog="""Example: embfilter-viz embed smollm2-135m texts.txt --prompt mean --tau 2 -o out.npy

    JSON: {"output", "rows", "columns", "dtype", "window": [l, r] or null, "prompt", "truncated",
    "checkpoint"}""",
)
@_model
@click.argument("file")
@_prompt
@click.option("--raw", is_flag=True, help="Do not filter: d columns.")
@_tau
@_window_option
@click.option("--full", is_flag=True, help="The filter's full form, d columns, instead of R - L.")
@click.option("-o", "--output", required=True, metavar="OUT.npy", help="The file to write.")
@_encodes
@_json
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
    texts, target = _lines(file), Path(output)
    if output == "-" or (target.exists() and target.samefile(file)):
        raise InputError(f"-o {output}: must be another file than FILE; name one, such as out.npy")
    opened = _open(model)
    chosen = None if raw else _window(opened, tau, window)
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

    _print(record, as_json, words)


@cli.command(
    short_help="Isotropy of a file of texts, before and after the filter.",
    epilog="""Example: embfilter-viz geometry smollm2-135m texts.txt --tau 2

    JSON: {"raw": {"mean_cosine", "isoscore", "effective_rank", …}, "filtered": {…}, …}""",
)
@_model
@click.argument("file")
@_prompt
@_tau
@_window_option
@click.option("--seed", type=_SEED, default=0, show_default=True, help="Of the random subspace.")
@_encodes
@_json
def geometry(model: str, file: str, prompt: str, tau: str | None, window: str | None, seed: int,
             as_json: bool) -> None:  # fmt: skip
    """Isotropy of the texts in FILE, one a line: raw, filtered, and two controls.

    In brackets 95 % intervals over texts. The controls: a random subspace of the filter's size,
    and only the mean embedding's direction removed.
    """
    from embfilter_viz.analyses.geometry import geometry as measure
    from embfilter_viz.cli.tables import geometry_table, paragraph

    texts = _lines(file)
    opened = _open(model)
    chosen = _window(opened, tau, window)
    with watched() as progress:
        report = measure(opened, texts, prompt, chosen, seed=seed, progress=progress)

    def words() -> str:
        about = f"window {chosen} {chosen.description}"
        return f"{paragraph(about)}\n{paragraph(report.sentence)}\n\n{geometry_table(report)}"

    _print(report.to_json(), as_json, words)


@cli.command(
    "sweep",
    short_help="Which window is best for your data, and by how much?",
    epilog="""Example: embfilter-viz sweep smollm2-135m pairs.csv --task sts --grid 20

    JSON: {"raw": score, "windows": [{"l", "r", "tau", "score", "low", "high", …}, …],
    "baselines": {name: score}, "best": {"l", "r", "tau", "score", "chosen_on", "reported_on", …},
    …}""",
)
@_model
@click.argument("data", metavar="DATA")
@click.option("--task", "kind", type=click.Choice(TASKS),
              help="What is scored; not needed for mteb:NAME.")  # fmt: skip
@_prompt
@click.option("--taus", metavar="T,T,…",
              help="The symmetric windows of these.  [default: 1,1.25,1.5,2,3,4,6,8]")  # fmt: skip
@click.option("--grid", type=int, metavar="N",
              help="Instead all windows whose ends are multiples of d/N.")  # fmt: skip
@click.option("--column", "named", multiple=True, metavar="ROLE=NAME",
              help="Which column is what, such as score=gold; may be repeated.")  # fmt: skip
@click.option("--limit", type=_COUNT, metavar="ROWS", help="Sample so many rows of DATA at most.")
@click.option("--calibration", metavar="FILE",
              help="Texts, one a line, that whitening and its like learn from; by default our "
              "demo texts, less those of DATA.")  # fmt: skip
@click.option("--baselines/--no-baselines", default=True, help="Score the alternatives too.")
@click.option("--seed", type=_SEED, default=0, show_default=True,
              help="Of sampling and resampling.")  # fmt: skip
@_encodes
@_json
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
        texts = tuple(dict.fromkeys(_lines(calibration)))
        learnt_from = Calibration(texts, f"{len(texts):,} texts of {Path(calibration).name}")
    opened = _open(model)
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

    _print(found.to_json(), as_json, words)


@cli.command(
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
@_encodes
@_json
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
    opened = {name: _open(name) for name in dict.fromkeys(run[0] for run in runs)}

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

    _print(found.to_json(), as_json, words)


@cli.command(
    short_help="A window to start from, without labels.",
    epilog="""Example: embfilter-viz propose smollm2-135m texts.txt --prompt mean

    JSON: {"l", "r", "why", "source": "texts" or "checkpoint", "worth", "curves": [{"name", "at",
    "values"}, …], …}""",
)
@_model
@click.argument("texts", metavar="[TEXTS.txt]", required=False)
@_prompt
@_encodes
@_json
def propose(model: str, texts: str | None, prompt: str, as_json: bool) -> None:
    """Propose a window from unlabelled texts, one a line, or from the checkpoint alone.

    From texts, 50 or more: the middle of the windows whose cosines order pairs of them most like
    soft whitening does. From the checkpoint: the longest run of directions that move the logits of
    frequent tokens at most three times as much as the median one; it also decides where texts do
    not. Both are for comparing by cosine: a classifier trained on embeddings can lose by a window.
    """
    from embfilter_viz.analyses.propose import propose_window
    from embfilter_viz.cli.tables import paragraph

    lines = _lines(texts) if texts is not None else []
    opened = _open(model)
    with watched() as progress:
        proposal = propose_window(opened, lines, prompt, progress=progress)

    def words() -> str:
        about = f"window {proposal.window} {proposal.window.description}"
        return f"{paragraph(about)}\n{paragraph(proposal.why)}"

    _print(proposal.to_json(), as_json, words)


@cli.command(
    short_help="Take a window away: a file, a model folder, FAISS, a report.",
    epilog="""Example: embfilter-viz export smollm2-135m --format filter -o window.safetensors

    JSON: {"output", "format", "window": [l, r], "tau", "dimensions", "removes", "prompt",
    "head", "checkpoint", "bytes", "check": {"vectors", "cosine", "on"} or null}""",
)
@_model
@_tau
@_window_option
@click.option("--format", "kind", type=click.Choice(EXPORTS), required=True,
              help="What to write; see below.")  # fmt: skip
@click.option("-o", "--output", required=True, metavar="OUT", help="The file or folder to write.")
@_prompt
@click.option("--gauge", type=click.Choice(GAUGES), default="paper", show_default=True,
              help="Noted in the export, and used by the report.")  # fmt: skip
@click.option("--texts", "file", metavar="FILE", help="Texts of the report, one a line.")
@click.option(
    "--force", is_flag=True, help="Replace a foreign file, or move a foreign folder aside."
)
@_json
def export(model: str, tau: str | None, window: str | None, kind: str, output: str, prompt: str,
           gauge: str, file: str | None, force: bool, as_json: bool) -> None:  # fmt: skip
    """Take a window of MODEL away, to use without the explorer.

    \b
    filter                 one safetensors file: V_window and all it came from;
                           embfilter_viz.load_filter(OUT) reads it
    sentence-transformers  a folder that SentenceTransformer(OUT) opens, with the
                           backbone, the prompt, the pooling and the projection
    faiss                  a pre-transform for faiss.read_VectorTransform, and a note
    numpy                  OUT.py, a few lines that need NumPy alone, and its OUT.npy
    report                 figures, tables and sentences in one HTML file

    What is written is used once before it is handed out, by the library it is for, and the lowest
    cosine with our own vectors is printed.
    """  # noqa: D301 - click's mark for lines to keep
    from embfilter_viz.cli.exporting import write
    from embfilter_viz.models.memory import in_words

    if file is not None and kind != "report":
        raise InputError(f"--texts: only --format report embeds texts; drop it, or drop {kind}")
    texts = None if file is None else _lines(file)
    opened = _open(model)
    chosen = _window(opened, tau, window)
    record = write(
        kind, Path(output), opened, chosen, prompt=prompt, gauge=gauge, texts=texts, force=force
    )

    def words() -> str:
        check = record["check"]
        told = f"; lowest cosine with ours {check['cosine']:.7f}, {check['on']}" if check else ""
        size = in_words(record["bytes"]) if record["bytes"] >= 1e6 else f"{record['bytes']:,} bytes"
        return f"{output}: window {chosen} {chosen.description}; {size}{told}"

    _print(record, as_json, words)


@cli.command(epilog="Example: embfilter-viz app --port 8600 --headless")
@click.option("--port", type=click.IntRange(1, 65535), default=8501, show_default=True,
              help="Where the explorer answers.")  # fmt: skip
@click.option("--headless", is_flag=True, help="Do not open a browser.")
def app(port: int, headless: bool) -> None:
    """Open the explorer in the browser."""
    script = _app_file()
    from streamlit.web import cli as streamlit

    sys.argv = [
        "streamlit", "run", str(script), "--server.port", str(port),
        "--server.headless", str(headless).lower(),
    ]  # fmt: skip
    streamlit.main()


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
    opened = _open(name)
    with watched() as progress:
        found = mteb_sweep(opened, task, prompt, tried(opened.d_model), progress=progress)

    def words() -> str:
        rows = [["window", "tau", found.measure, "to raw"]]
        rows += [
            [str(w), f"{w.tau:.2f}", f"{score:.2f}", f"{score - found.raw:+.2f}"]
            for w, score in zip(found.windows, found.scores, strict=True)
        ]
        return f"{paragraph(found.sentence)}\n\n{columns(rows, '<>>>')}"

    _print(found.to_json(), as_json, words)


# -- what commands share ----------------------------------------------------------------------


def _open(name: str) -> "Model":
    from embfilter_viz.model import open_model

    notes = click.get_current_context().meta
    options = {key: notes.get(f"embfilter_viz.{key}") for key in ("device", "dtype")}
    with watched() as progress:
        model = open_model(name, progress=progress, **{k: it for k, it in options.items() if it})
    notes["embfilter_viz.model"] = model
    return model


def _loaded(model: "Model") -> str:
    return f"Loaded {model.loaded}."


def _read_of(model: "Model") -> dict[str, Any]:
    """What was read of the checkpoint and what was left, for a program."""
    card = model.card
    return {
        "loaded": {
            "sentence": model.loaded,
            "head_bytes": card.head_bytes,
            "checkpoint_bytes": card.n_bytes,
        }
    }


def _print(record: dict[str, Any], as_json: bool, words: Callable[[], str]) -> None:
    """The record as JSON, or ``words()`` for a reader; with it a precision that is not float32."""
    model = click.get_current_context().meta.get("embfilter_viz.model")
    encoded = None if model is None or model.dtype == "float32" else model.encoded
    if not as_json:
        click.echo(words())
        if encoded is not None:
            said = f"Texts were read in {encoded['dtype']} on {encoded['device']}, not in float32."
            click.echo(f"\n{said}")
        return
    if encoded is not None:
        record = {**record, "encoded": encoded}
    utf8 = (getattr(sys.stdout, "encoding", None) or "utf-8").lower().replace("-", "") == "utf8"
    click.echo(json.dumps(record, ensure_ascii=not utf8, allow_nan=False))


def _window(model: "Model", tau: str | None, window: str | None) -> "Window":
    from embfilter_viz.spectral.windows import Window

    if tau is not None and window is not None:
        raise InputError("--tau and --window: both choose the window; give one of them")
    if window is None:
        return Window.of_tau("2" if tau is None else tau, model.d_model)
    if ":" not in window:
        raise InputError(f"--window {window!r}: write it as L:R, such as 72:504, or use --tau")
    return Window.parse(window, model.d_model)


def _texts_of(source: str) -> tuple[str, ...] | None:
    """The texts to count tokens in, where the source of frequencies is a file."""
    from embfilter_viz.texts import read_texts

    if source in {"model", "wordfreq"}:
        return None
    if not Path(source).is_file():
        raise InputError(
            f"--frequencies {source!r}: no such file, and it is neither model nor wordfreq"
        )
    return read_texts(source).texts


def _frequencies(
    model: "Model", source: str, texts: tuple[str, ...] | None, alpha: float
) -> "TokenFrequencies":
    with watched() as progress:
        if texts is None:
            return model.frequencies(source, alpha=alpha, progress=progress)
        return model.frequencies("corpus", texts, alpha=alpha, progress=progress)


def _lines(file: str) -> list[str]:
    from embfilter_viz.texts import read_lines

    return read_lines(file)


def _app_file() -> Path:
    """The app's script: beside the package in a checkout, inside it when installed."""
    package = Path(embfilter_viz.__file__).parent
    for script in (package.parent / "app.py", package / "_explorer" / "app.py"):
        if script.exists() and (script.parent / "pages").is_dir():
            return script
    raise InputError("the explorer's app.py is not there; install embfilter-viz again")
