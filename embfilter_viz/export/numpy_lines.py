"""The filter as a few lines of NumPy that need nothing of ours."""

import io
import zipfile
from pathlib import Path

import numpy as np

from embfilter_viz.analyses.methods import WINDOW
from embfilter_viz.export.provenance import Check, Provenance, check_of, provenance
from embfilter_viz.export.refinement import Refinement, map_of
from embfilter_viz.model import Model
from embfilter_viz.spectral.windows import Window
from embfilter_viz.system.arrays import write_npy
from embfilter_viz.system.outputs import checked_output, written_output

__all__ = ["npy_bytes", "numpy_lines", "numpy_zip", "save_numpy"]

_CHECKED = 64


def numpy_lines(about: Provenance, file: str, check: Check | None = None) -> str:
    """A script that filters embeddings with the numbers in ``file``, a ``.npy`` beside it."""
    said = "\n".join(f"#   {what}: {_one_line(value)}" for what, value in about.rows())
    checked = f"# {check.sentence}\n" if check else ""
    lines = (_WINDOW_LINES if about.method == WINDOW else _MAP_LINES).format(
        file=repr(file), d=about.d_model, k=about.dims, rows=about.d_model + 1
    )
    return f"""# Made by embfilter-viz {about.version}: {about.title} in NumPy alone.
{said}
{checked}from pathlib import Path

import numpy as np

# Beside this script; in a notebook, in the folder that it runs in.
here = Path(globals().get("__file__", ".")).parent

{lines}"""


_WINDOW_LINES = '''V = np.load(here / {file}).astype(np.float64)  # {d} × {k}, orthonormal


def embed_filter(embeddings, full=False):
    """Filter (n, {d}) pooled embeddings, not normalised: (n, {k})."""
    filtered = np.asarray(embeddings, dtype=np.float64) @ V
    if full:  # {d} numbers again, with the same cosines
        filtered = filtered @ V.T
    return filtered.astype(np.float32)
'''

_MAP_LINES = '''A = np.load(here / {file}).astype(np.float64)  # {rows} × {k}, offset last


def embed_filter(embeddings):
    """Filter (n, {d}) pooled embeddings, not normalised: (n, {k})."""
    filtered = np.asarray(embeddings, dtype=np.float64) @ A[:-1] + A[-1]
    return filtered.astype(np.float32)
'''


def npy_bytes(model: Model, what: Window | Refinement) -> bytes:
    """V_window (d_model, k) as a ``.npy``; of another method (d_model + 1, k), the offset last."""
    buffer = io.BytesIO()
    map = map_of(model, what)
    whole = map.matrix if isinstance(what, Window) else np.vstack([map.matrix, map.offset])
    write_npy(buffer, whole)
    return buffer.getvalue()


def numpy_zip(
    model: Model,
    what: Window | Refinement,
    *,
    prompt: str = "prompteol",
    gauge: str = "centred",
) -> bytes:
    """The script and its numbers in one ``.zip``, for a download button.

    Args:
        model: the opened model.
        what: the window, or another method made ready.
        prompt: noted in the script.
        gauge: noted in the script.

    Returns:
        the bytes of the zip.
    """
    about = provenance(model, what, prompt=prompt, gauge=gauge)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("embed_filter.npy", npy_bytes(model, what))
        archive.writestr("embed_filter.py", numpy_lines(about, "embed_filter.npy"))
    return buffer.getvalue()


def save_numpy(
    path: Path,
    model: Model,
    what: Window | Refinement,
    *,
    prompt: str = "prompteol",
    gauge: str = "centred",
    force: bool = False,
) -> Check:
    """Write the script ``path`` and its matrix, under the same name with ``.npy``.

    Args:
        path: the script to write.
        model: the opened model.
        what: the window, or another method made ready.
        prompt: noted in the script.
        gauge: noted in the script.
        force: whether what is there may be replaced.

    Returns:
        how near the vectors of the script come to ours.

    Raises:
        InputError: either place cannot be written to, or holds something foreign.
    """
    matrix = path.with_suffix(".npy")
    checked_output(path, force=force)
    ours = path.exists()  # a script that may be replaced, and so may its numbers
    about = provenance(model, what, prompt=prompt, gauge=gauge)
    content = npy_bytes(model, what)
    E = np.random.default_rng(0).standard_normal((_CHECKED, model.d_model), dtype=np.float32)
    stored = np.load(io.BytesIO(content))
    theirs = E @ stored[: model.d_model] + stored[model.d_model :].sum(axis=0)
    check = check_of(map_of(model, what)(E), theirs, f"{_CHECKED} random vectors")
    with (
        written_output(matrix, force=force or ours) as array,
        written_output(path, force=force) as script,
    ):
        array.write(content)
        script.write(numpy_lines(about, matrix.name, check).encode())
    return check


def _one_line(text: str) -> str:
    return " ".join(text.split())
