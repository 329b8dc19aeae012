"""The filter as a few lines of NumPy that need nothing of ours."""

import io
import zipfile
from pathlib import Path

import numpy as np

from embfilter_viz.export.places import writable_file
from embfilter_viz.export.provenance import Check, Provenance, check_of, projection, provenance
from embfilter_viz.files import written_whole
from embfilter_viz.model import Model
from embfilter_viz.spectral.windows import Window

__all__ = ["npy_bytes", "numpy_lines", "numpy_zip", "save_numpy"]

_CHECKED = 64


def numpy_lines(about: Provenance, file: str, check: Check | None = None) -> str:
    """A script that filters embeddings with the matrix in ``file``, a ``.npy`` beside it."""
    said = "\n".join(f"#   {what}: {_one_line(value)}" for what, value in about.rows())
    checked = f"# {check.sentence}\n" if check else ""
    return f'''# Made by embfilter-viz {about.version}: EmbedFilter in NumPy alone.
{said}
{checked}import numpy as np

V = np.load({file!r}).astype(np.float64)  # {about.window.d} × {about.window.k}, orthonormal


def embed_filter(embeddings, full=False):
    """Filter (n, {about.window.d}) pooled embeddings, not normalised: (n, {about.window.k})."""
    filtered = np.asarray(embeddings, dtype=np.float64) @ V
    if full:  # {about.window.d} numbers again, with the same cosines
        filtered = filtered @ V.T
    return filtered.astype(np.float32)
'''


def npy_bytes(model: Model, window: Window) -> bytes:
    """V_window (d_model, k) as a ``.npy``."""
    buffer = io.BytesIO()
    np.save(buffer, projection(model, window))
    return buffer.getvalue()


def numpy_zip(
    model: Model, window: Window, *, prompt: str = "prompteol", gauge: str = "paper"
) -> bytes:
    """The script and its matrix in one ``.zip``, for a download button."""
    about = provenance(model, window, prompt=prompt, gauge=gauge)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("embed_filter.npy", npy_bytes(model, window))
        archive.writestr("embed_filter.py", numpy_lines(about, "embed_filter.npy"))
    return buffer.getvalue()


def save_numpy(
    path: Path,
    model: Model,
    window: Window,
    *,
    prompt: str = "prompteol",
    gauge: str = "paper",
    force: bool = False,
) -> Check:
    """Write the script ``path`` and its matrix, under the same name with ``.npy``.

    Raises:
        InputError: either place cannot be written to, or holds something foreign.
    """
    matrix = path.with_suffix(".npy")
    writable_file(path, force=force)
    if not path.exists():
        writable_file(matrix, force=force)
    about = provenance(model, window, prompt=prompt, gauge=gauge)
    content = npy_bytes(model, window)
    E = np.random.default_rng(0).standard_normal((_CHECKED, model.d_model), dtype=np.float32)
    theirs = E @ np.load(io.BytesIO(content))
    check = check_of(E @ projection(model, window), theirs, f"{_CHECKED} random vectors")
    with written_whole(matrix) as array, written_whole(path) as script:
        array.write(content)
        script.write(numpy_lines(about, matrix.name, check).encode())
    return check


def _one_line(text: str) -> str:
    return " ".join(text.split())
