"""What the export command writes, and the record it prints of it."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embfilter_viz.cli.reporting import watched
from embfilter_viz.errors import InputError

if TYPE_CHECKING:
    from embfilter_viz.export.provenance import Check
    from embfilter_viz.model import Model
    from embfilter_viz.spectral.windows import Window

__all__ = ["write"]

_ENDINGS = {"filter": ".safetensors", "faiss": ".vt", "numpy": ".py", "report": ".html"}


def write(
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
