"""The command that takes a window or another method away: what it writes, and its record."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from embfilter_viz.cli.inputs import lines_of, opened_model, window_of
from embfilter_viz.cli.options import (
    EXPORTS,
    GAUGES,
    METHODS,
    encodes,
    json_option,
    model_argument,
    prompt_option,
    tau_option,
    window_option,
)
from embfilter_viz.cli.output import print_record
from embfilter_viz.cli.outputs import STANDARD_OUTPUT, inputs, output_option, placed
from embfilter_viz.cli.reporting import watched
from embfilter_viz.errors import InputError

if TYPE_CHECKING:
    from embfilter_viz.analyses.calibration import Calibration
    from embfilter_viz.export.provenance import Check
    from embfilter_viz.export.refinement import Refinement
    from embfilter_viz.export.trying import FolderExport
    from embfilter_viz.model import Model
    from embfilter_viz.spectral.windows import Window

__all__ = ["export"]

_ENDINGS = {"filter": ".safetensors", "faiss": ".vt", "numpy": ".py", "report": ".html"}
_SINGLE = {"filter", "report"}
"""Formats of one file, which can go to standard output."""


@click.command(
    short_help="Export a window or a method: file, folder, FAISS or report.",
    epilog="""Example: embfilter-viz export smollm2-135m --format filter -o window.safetensors

    JSON: {"output", "format", "method", "window": [l, r] or null, "tau", "dimensions", "removes",
    "calibration", "prompt", "head", "checkpoint", "bytes", "check": {"vectors", "cosine", "on"} or
    null}""",
)
@model_argument
@tau_option
@window_option
@click.option("--format", "kind", type=click.Choice(EXPORTS), required=True,
              help="The format to write; see below.")  # fmt: skip
@click.option(
    "--method",
    type=click.Choice(METHODS),
    default="embedfilter",
    show_default=True,
    metavar="NAME",
    help="Another method than the window, as `leaderboard` names it.",
)
@click.option("--calibrate", "learnt_from", metavar="demo|FILE",
              help="Texts that a method learns from, one on each line.")  # fmt: skip
@output_option(
    "OUT", "The file or folder to write; - for standard output, of one file.", required=True
)
@prompt_option
@click.option("--gauge", type=click.Choice(GAUGES), default="centred", show_default=True,
              help="The gauge; it is noted in the export, and the report uses it.")  # fmt: skip
@click.option("--texts", "file", metavar="FILE", help="Texts of the report, one on each line.")
@encodes
@json_option
def export(model: str, tau: str | None, window: str | None, kind: str, method: str,
           learnt_from: str | None, output: str, force: bool, prompt: str, gauge: str,
           file: str | None, as_json: bool) -> None:  # fmt: skip
    """Export a window of MODEL, or another method, to use it without the explorer.

    \b
    filter                 one safetensors file: V_window and what it was made from;
                           embfilter_viz.load_filter(OUT) reads it
    sentence-transformers  a folder that SentenceTransformer(OUT) opens, with the
                           backbone, the prompt, the pooling and the projection
    onnx                   the same as one ONNX graph in a folder, for onnxruntime and
                           tokenizers alone
    faiss                  a pre-transform for faiss.read_VectorTransform, and a note
    numpy                  OUT.py, a few lines that need NumPy alone, and its OUT.npy
    report                 figures, tables and sentences in one HTML file

    Every method of `leaderboard` is one affine map. It can be written in all formats but the
    report, with its offset: --method soft-whitening --calibrate texts.txt. A method that learns
    holds for the texts and the prompt that it learnt from.

    Each export is used once by the library that it is for, and the lowest cosine with our own
    vectors is printed. Only the report can be made in another --dtype than float32, and it says so.
    """  # noqa: D301 - click's mark for lines to keep
    from embfilter_viz.system.memory import in_words

    if file is not None and kind != "report":
        raise InputError(f"--texts: only --format report embeds texts; drop it, or drop {kind}")
    texts = None if file is None else lines_of(file)
    if method != "embedfilter" and kind == "report":
        raise InputError("--method: the report is of a window; drop it, or take another --format")
    calibration = _calibration(method, learnt_from)
    with _place(kind, output, force) as place:
        opened = opened_model(model)
        chosen = window_of(opened, tau, window)
        what: Window | Refinement = chosen
        if method != "embedfilter":
            from embfilter_viz.export.refinement import refinement

            with watched() as progress:
                what = refinement(
                    opened, method, chosen, prompt=prompt, calibration=calibration,
                    progress=progress,
                )  # fmt: skip
        record = _write(
            kind, place, opened, what, prompt=prompt, gauge=gauge, texts=texts, force=force
        )
    record["output"] = output

    def words() -> str:
        check = record["check"]
        told = f"; lowest cosine with ours {check['cosine']:.7f}, {check['on']}" if check else ""
        size = in_words(record["bytes"]) if record["bytes"] >= 1e6 else f"{record['bytes']:,} bytes"
        about = f"window {chosen} {chosen.description}"
        if method != "embedfilter":
            learnt = f", learnt from {record['calibration']}" if record["calibration"] else ""
            about = f"{method}, {opened.d_model} numbers in, {record['dimensions']} out{learnt}"
        return f"{output}: {about}; {size}{told}"

    print_record(record, as_json, words)


def _calibration(method: str, learnt_from: str | None) -> "Calibration | None":
    """The texts that ``--calibrate`` names, where the method learns from some."""
    from embfilter_viz.analyses.calibration import Calibration, demo_calibration
    from embfilter_viz.analyses.methods import METHODS as KNOWN
    from embfilter_viz.wording import counted

    if not KNOWN[method].learns:
        if learnt_from is not None:
            raise InputError(f"--calibrate: {method} learns from no texts; drop it")
        return None
    if learnt_from is None:
        raise InputError(
            f"--method {method}: it learns from texts; name yours with --calibrate FILE, or take "
            "ours with --calibrate demo"
        )
    if learnt_from == "demo":
        return demo_calibration()
    texts = tuple(dict.fromkeys(lines_of(learnt_from)))
    return Calibration(texts, f"{counted(len(texts), 'text')} of {Path(learnt_from).name}")


def _place(kind: str, output: str, force: bool) -> AbstractContextManager[Path]:
    """The place to write, refused before the work.

    Raises:
        InputError: an ending of another format, several files for standard output, or a place
            that may not be written to.
    """
    ending = _ENDINGS.get(kind)
    if output == STANDARD_OUTPUT and kind not in _SINGLE:
        what = "a folder" if ending is None else "two files"
        raise InputError(f"-o -: --format {kind} writes {what}; name it")
    if ending is None:
        from embfilter_viz.system.outputs import checked_folder

        checked_folder(Path(output), inputs=inputs(), force=force)
        return nullcontext(Path(output))
    named = Path(output).name
    name = named if named.strip(".") else "made"
    if output != STANDARD_OUTPUT and Path(output).suffix != ending:
        raise InputError(f"-o {output}: --format {kind} writes {ending}; name it {name}{ending}")
    return placed(output, ending, force=force)


def _write(
    kind: str,
    path: Path,
    model: "Model",
    what: "Window | Refinement",
    *,
    prompt: str,
    gauge: str,
    texts: Sequence[str] | None,
    force: bool,
) -> dict[str, Any]:
    """Write one export and return its record.

    Args:
        kind: the format.
        path: where to write.
        model: the opened model.
        what: the window, or another method made ready.
        prompt: the prompt's name.
        gauge: one of ``GAUGES``.
        texts: those of the report.
        force: whether what is there may be replaced.

    Returns:
        the record that the command prints.
    """
    from embfilter_viz.export.provenance import provenance
    from embfilter_viz.spectral.windows import Window

    if model.dtype != "float32" and kind != "report":
        raise InputError(
            f"--dtype {model.dtype}: only --format report can be made in it, {kind} is float32; "
            f"drop it, or drop {kind}"
        )
    with watched() as progress:
        model.spectrum_of_head(progress=progress)
        check: Check | None = None
        if kind in ("sentence-transformers", "onnx"):
            made = _folder_writer(kind)(
                path,
                model,
                what,
                prompt=prompt,
                gauge=gauge,
                inputs=inputs(),
                force=force,
                progress=progress,
            )
            check, size = made.check, made.n_bytes
        elif kind == "report":
            from embfilter_viz.export.session import save_report, session_report

            assert isinstance(what, Window)
            html = session_report(
                model, what, prompt=prompt, gauge=gauge, texts=texts, progress=progress
            )
            save_report(path, html, force=force)
            size = path.stat().st_size
        else:
            check = _write_small(kind, path, model, what, prompt, gauge, force)
            size = path.stat().st_size
    about = provenance(model, what, prompt=prompt, gauge=gauge)
    return {
        "output": str(path),
        "format": kind,
        "method": about.method,
        "window": None if about.window is None else [about.window.l, about.window.r],
        "tau": None if about.window is None else about.window.tau,
        "dimensions": about.dims,
        "removes": about.removes,
        "calibration": about.calibration,
        "prompt": prompt,
        "head": model.head.digest(),
        "checkpoint": model.checkpoint.content_hash if model.is_whole else None,
        "bytes": size,
        "check": None
        if check is None or check.cosine is None
        else {"vectors": check.vectors, "cosine": check.cosine, "on": check.on},
    }


def _folder_writer(kind: str) -> Callable[..., "FolderExport"]:
    """The function that writes the folder with the whole model."""
    if kind == "onnx":
        from embfilter_viz.export.onnx_folder import save_onnx_folder as save
    else:
        from embfilter_viz.export.model_folder import save_model_folder as save
    return save


def _write_small(
    kind: str,
    path: Path,
    model: "Model",
    what: "Window | Refinement",
    prompt: str,
    gauge: str,
    force: bool,
) -> "Check":
    if kind == "filter":
        from embfilter_viz.export.filter_file import save_filter as save
    elif kind == "faiss":
        from embfilter_viz.export.index_transform import save_faiss as save
    else:
        from embfilter_viz.export.numpy_lines import save_numpy as save
    return save(path, model, what, prompt=prompt, gauge=gauge, force=force)
