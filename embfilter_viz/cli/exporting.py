"""The command that takes a window away: what it writes, and its record."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from embfilter_viz.cli.inputs import lines_of, opened_model, window_of
from embfilter_viz.cli.options import (
    EXPORTS,
    GAUGES,
    encodes,
    json_option,
    model_argument,
    prompt_option,
    tau_option,
    window_option,
)
from embfilter_viz.cli.output import print_record
from embfilter_viz.cli.reporting import watched
from embfilter_viz.errors import InputError

if TYPE_CHECKING:
    from embfilter_viz.export.provenance import Check
    from embfilter_viz.model import Model
    from embfilter_viz.spectral.windows import Window

__all__ = ["export"]

_ENDINGS = {"filter": ".safetensors", "faiss": ".vt", "numpy": ".py", "report": ".html"}


@click.command(
    short_help="Take a window away: a file, a model folder, FAISS, a report.",
    epilog="""Example: embfilter-viz export smollm2-135m --format filter -o window.safetensors

    JSON: {"output", "format", "window": [l, r], "tau", "dimensions", "removes", "prompt",
    "head", "checkpoint", "bytes", "check": {"vectors", "cosine", "on"} or null}""",
)
@model_argument
@tau_option
@window_option
@click.option("--format", "kind", type=click.Choice(EXPORTS), required=True,
              help="What to write; see below.")  # fmt: skip
@click.option("-o", "--output", required=True, metavar="OUT", help="The file or folder to write.")
@prompt_option
@click.option("--gauge", type=click.Choice(GAUGES), default="paper", show_default=True,
              help="Noted in the export, and used by the report.")  # fmt: skip
@click.option("--texts", "file", metavar="FILE", help="Texts of the report, one a line.")
@click.option(
    "--force", is_flag=True, help="Replace a foreign file, or move a foreign folder aside."
)
@encodes
@json_option
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
    cosine with our own vectors is printed. Only the report can be made in another --dtype than
    float32, and says so.
    """  # noqa: D301 - click's mark for lines to keep
    from embfilter_viz.models.memory import in_words

    if file is not None and kind != "report":
        raise InputError(f"--texts: only --format report embeds texts; drop it, or drop {kind}")
    texts = None if file is None else lines_of(file)
    opened = opened_model(model)
    chosen = window_of(opened, tau, window)
    record = _write(
        kind, Path(output), opened, chosen, prompt=prompt, gauge=gauge, texts=texts, force=force
    )

    def words() -> str:
        check = record["check"]
        told = f"; lowest cosine with ours {check['cosine']:.7f}, {check['on']}" if check else ""
        size = in_words(record["bytes"]) if record["bytes"] >= 1e6 else f"{record['bytes']:,} bytes"
        return f"{output}: window {chosen} {chosen.description}; {size}{told}"

    print_record(record, as_json, words)


def _write(
    kind: str,
    path: Path,
    model: "Model",
    window: "Window",
    *,
    prompt: str,
    gauge: str,
    texts: Sequence[str] | None,
    force: bool,
) -> dict[str, Any]:
    """Write one export and return its record."""
    if kind in _ENDINGS and path.suffix != _ENDINGS[kind]:
        ending = _ENDINGS[kind]
        raise InputError(f"-o {path}: --format {kind} writes {ending}; name it {path.name}{ending}")
    if model.dtype != "float32" and kind != "report":
        raise InputError(
            f"--dtype {model.dtype}: only --format report can be made in it, {kind} is float32; "
            f"drop it, or drop {kind}"
        )
    with watched() as progress:
        model.spectrum_of_head(progress=progress)
        check: Check | None = None
        if kind == "sentence-transformers":
            from embfilter_viz.export.model_folder import save_model_folder

            made = save_model_folder(
                path, model, window, prompt=prompt, gauge=gauge, force=force, progress=progress
            )
            check, size = made.check, made.n_bytes
        elif kind == "report":
            from embfilter_viz.export.places import writable_file
            from embfilter_viz.export.session import save_report, session_report

            writable_file(path, force=force)  # before the work, not after it
            html = session_report(
                model, window, prompt=prompt, gauge=gauge, texts=texts, progress=progress
            )
            save_report(path, html, force=force)
            size = path.stat().st_size
        else:
            check = _write_small(kind, path, model, window, prompt, gauge, force)
            size = path.stat().st_size
    return {
        "output": str(path),
        "format": kind,
        "window": [window.l, window.r],
        "tau": window.tau,
        "dimensions": window.k,
        "removes": window.removes,
        "prompt": prompt,
        "head": model.head.digest(),
        "checkpoint": model.checkpoint.content_hash if model.is_whole else None,
        "bytes": size,
        "check": None
        if check is None or check.cosine is None
        else {"vectors": check.vectors, "cosine": check.cosine, "on": check.on},
    }


def _write_small(
    kind: str,
    path: Path,
    model: "Model",
    window: "Window",
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
    return save(path, model, window, prompt=prompt, gauge=gauge, force=force)
