"""The filter in front of a FAISS index: it takes raw embeddings and stores filtered ones."""

import os
from pathlib import Path
from typing import Any

import numpy as np

from embfilter_viz.analyses.methods import WINDOW
from embfilter_viz.errors import InputError
from embfilter_viz.export.provenance import Check, Provenance, check_of, markdown_rows, provenance
from embfilter_viz.export.refinement import Refinement, map_of
from embfilter_viz.model import Model
from embfilter_viz.spectral.windows import Window
from embfilter_viz.system.files import temporary_folder
from embfilter_viz.system.outputs import beside, checked_output, written_output

__all__ = ["faiss_bytes", "faiss_transform", "save_faiss"]

_CHECKED = 64


def faiss_transform(matrix: np.ndarray, offset: np.ndarray | None = None) -> Any:
    """A ``faiss.LinearTransform`` x ↦ Aᵀ x + b, of a window V_windowᵀ x, without bias.

    Put it in front of any index of k dimensions: ``faiss.IndexPreTransform(transform, index)``.
    With a window an L2 or inner-product index on it ranks as one on the full form would, because
    V_windowᵀ V_window = I.

    Args:
        matrix: (d_model, k) float32; orthonormal columns where there is no offset.
        offset: (k,) float32 of a method that is no window; None: a window.

    Raises:
        InputError: FAISS is not installed.
    """
    faiss = _faiss()
    A = np.ascontiguousarray(matrix, dtype=np.float32)
    transform = faiss.LinearTransform(*A.shape, offset is not None)
    faiss.copy_array_to_vector(np.ascontiguousarray(A.T).ravel(), transform.A)
    transform.is_trained = True
    if offset is None:
        transform.set_is_orthonormal()
    else:
        faiss.copy_array_to_vector(np.ascontiguousarray(offset, dtype=np.float32), transform.b)
    return transform


def faiss_bytes(model: Model, what: Window | Refinement) -> tuple[bytes, Check]:
    """The transform as ``faiss.read_VectorTransform`` reads it, and how it did when read back."""
    faiss = _faiss()
    map = map_of(model, what)
    offset = None if isinstance(what, Window) else map.offset
    with temporary_folder() as folder:
        path = os.fspath(folder / "window.vt")
        faiss.write_VectorTransform(faiss_transform(map.matrix, offset), path)
        E = np.random.default_rng(0).standard_normal((_CHECKED, model.d_model), dtype=np.float32)
        theirs = faiss.read_VectorTransform(path).apply(E)
        return Path(path).read_bytes(), check_of(map(E), theirs, f"{_CHECKED} random vectors")


def save_faiss(
    path: Path,
    model: Model,
    what: Window | Refinement,
    *,
    prompt: str = "prompteol",
    gauge: str = "centred",
    force: bool = False,
) -> Check:
    """Write the transform, and beside it a note with its window and checkpoint.

    Args:
        path: the file to write.
        model: the opened model.
        what: the window, or another method made ready.
        prompt: noted beside the transform.
        gauge: noted beside the transform.
        force: whether what is there may be replaced.

    Returns:
        how near the vectors of the transform come to ours.

    Raises:
        InputError: FAISS is not installed, or the place cannot be written to.
    """
    checked_output(path, force=force)  # before the work, not after it
    content, check = faiss_bytes(model, what)
    about = provenance(model, what, prompt=prompt, gauge=gauge)
    with (
        written_output(path, force=force) as file,
        written_output(beside(path), force=force) as note,
    ):
        file.write(content)
        note.write(_note(path.name, about, check).encode())
    return check


def _note(name: str, about: Provenance, check: Check) -> str:
    rows = markdown_rows(about.rows())
    by_window = about.method == WINDOW
    kept = f"the window {about.window} keeps" if by_window else f"the method {about.method} gives"
    return f"""# {name}: a FAISS pre-transform by embfilter-viz

It takes {about.d_model} numbers of an embedding of {about.model} (prompt {about.words}, pooled,
not normalised) to the {about.dims} that {kept}.

```python
import faiss
transform = faiss.read_VectorTransform({name!r})
index = faiss.IndexPreTransform(transform, faiss.IndexFlatL2({about.dims}))
index.add(embeddings)  # (n, {about.d_model}) float32
```

For cosines, normalise after the filter, not before it:

```python
normalised = faiss.NormalizationTransform({about.dims})
index = faiss.IndexPreTransform(normalised, faiss.IndexFlatIP({about.dims}))
index.prepend_transform(transform)
```

| | |
|---|---|
{rows}

{check.sentence}
"""


def _faiss() -> Any:
    try:
        import faiss
    except ImportError as error:
        raise InputError(
            "format faiss: FAISS is not installed; pip install 'embfilter-viz[deploy]'"
        ) from error
    return faiss
