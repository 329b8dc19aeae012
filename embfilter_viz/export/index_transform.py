"""The filter in front of a FAISS index: it takes raw embeddings and stores reduced ones."""

import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from embfilter_viz.errors import InputError
from embfilter_viz.export.places import beside, writable_file
from embfilter_viz.export.provenance import Check, Provenance, check_of, projection, provenance
from embfilter_viz.files import written_whole
from embfilter_viz.model import Model
from embfilter_viz.spectral.windows import Window

__all__ = ["faiss_bytes", "faiss_transform", "save_faiss"]

_CHECKED = 64


def faiss_transform(V_window: np.ndarray) -> Any:
    """A ``faiss.LinearTransform`` x ↦ V_windowᵀ x, without bias.

    Put it in front of any index of k dimensions: ``faiss.IndexPreTransform(transform, index)``.
    An L2 or inner-product index on it ranks as one on the full form would, because
    V_windowᵀ V_window = I.

    Args:
        V_window: (d_model, k) float32 with orthonormal columns.

    Raises:
        InputError: FAISS is not installed.
    """
    faiss = _faiss()
    V = np.ascontiguousarray(V_window, dtype=np.float32)
    transform = faiss.LinearTransform(V.shape[0], V.shape[1], False)
    faiss.copy_array_to_vector(np.ascontiguousarray(V.T).ravel(), transform.A)
    transform.is_trained = True
    transform.set_is_orthonormal()
    return transform


def faiss_bytes(model: Model, window: Window) -> tuple[bytes, Check]:
    """The transform as ``faiss.read_VectorTransform`` reads it, and how it did when read back."""
    faiss = _faiss()
    V = projection(model, window)
    with tempfile.TemporaryDirectory() as folder:
        path = os.fspath(Path(folder, "window.vt"))
        faiss.write_VectorTransform(faiss_transform(V), path)
        E = np.random.default_rng(0).standard_normal((_CHECKED, model.d_model), dtype=np.float32)
        theirs = faiss.read_VectorTransform(path).apply(E)
        return Path(path).read_bytes(), check_of(E @ V, theirs, f"{_CHECKED} random vectors")


def save_faiss(
    path: Path,
    model: Model,
    window: Window,
    *,
    prompt: str = "prompteol",
    gauge: str = "paper",
    force: bool = False,
) -> Check:
    """Write the transform, and beside it a note with its window and checkpoint.

    Raises:
        InputError: FAISS is not installed, or the place cannot be written to.
    """
    writable_file(path, force=force)
    content, check = faiss_bytes(model, window)
    about = provenance(model, window, prompt=prompt, gauge=gauge)
    with written_whole(path) as file, written_whole(beside(path)) as note:
        file.write(content)
        note.write(_note(path.name, about, check).encode())
    return check


def _note(name: str, about: Provenance, check: Check) -> str:
    rows = "\n".join(f"| {what} | {value} |" for what, value in about.rows())
    return f"""# {name}: a FAISS pre-transform by embfilter-viz

It takes {about.window.d} numbers of an embedding of {about.model} (prompt {about.prompt}, pooled,
not normalised) to the {about.window.k} that the window {about.window} keeps.

```python
import faiss
transform = faiss.read_VectorTransform({name!r})
index = faiss.IndexPreTransform(transform, faiss.IndexFlatL2({about.window.k}))
index.add(embeddings)  # (n, {about.window.d}) float32
```

For cosines, normalise after the filter, not before it:

```python
normalised = faiss.NormalizationTransform({about.window.k})
index = faiss.IndexPreTransform(normalised, faiss.IndexFlatIP({about.window.k}))
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
