"""The vectors of an ONNX folder, read in a process of its own: onnxruntime cannot be stopped.

It imports little, for so does the process.
"""

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from embfilter_viz.errors import InputError
from embfilter_viz.export.onnx_reader import SETTINGS, Embedder
from embfilter_viz.system.child_process import StoppedBySystem, run_in_child
from embfilter_viz.system.progress import Progress, silent

__all__ = ["check_installed", "is_onnx_folder", "run_in_child_of", "vectors_of_onnx"]


def is_onnx_folder(folder: Path) -> bool:
    """Tell whether ``folder`` holds an ONNX export of ours.

    >>> is_onnx_folder(Path("no-such"))
    False
    """
    return (folder / "model.onnx").is_file() and (folder / SETTINGS).is_file()


def check_installed(*libraries: str) -> None:
    """Refuse where a library is missing.

    Raises:
        InputError: the missing ones, and the extra that brings them.
    """
    missing = [library for library in libraries if find_spec(library) is None]
    if missing:
        raise InputError(
            f"format onnx: {', '.join(missing)} not installed; pip install 'embfilter-viz[onnx]'"
        )


def vectors_of_onnx(
    folder: Path, texts: Sequence[str], *, progress: Progress = silent
) -> np.ndarray:
    """The vectors of ``texts`` by onnxruntime in a process of its own: (n, k) float64.

    Args:
        folder: an ONNX export of ours; none of the code in it is run.
        texts: what to embed.
        progress: told texts as they are done; may raise ``Cancelled``.

    Returns:
        one row a text, in their order.

    Raises:
        InputError: onnxruntime is not installed, or cannot read the folder.
    """
    check_installed("onnxruntime")
    given = {"folder": str(folder), "texts": list(texts)}
    found = run_in_child_of(_vectors, given, str(folder), progress, started="Opening the folder")
    return np.asarray(found, dtype=np.float64).reshape(len(texts), -1)


def _vectors(folder: str, texts: list[str], *, progress: Progress = silent) -> list[list[float]]:
    """The same, in the child."""
    rows: list[list[float]] = [[] for _ in texts]
    try:
        embedder = Embedder(folder)
        done = 0
        for taken, vectors in embedder.encode_batches(texts):
            for row, vector in zip(taken, vectors.tolist(), strict=True):
                rows[row] = vector
            done += len(taken)
            progress("Comparing vectors", done, len(texts), "texts")
    except Exception as error:  # whatever a library makes of foreign files
        said = " ".join(str(error).split())[:200]
        raise InputError(
            f"{folder}: onnxruntime cannot read it ({type(error).__name__}: {said}); export it anew"
        ) from error
    return rows


def run_in_child_of(
    function: Any, given: Mapping[str, Any], name: str, progress: Progress, *, started: str
) -> Any:
    """Run ``function`` in a process of its own.

    Args:
        function: of the top level of a module.
        given: its arguments.
        name: the model or folder, for the message.
        progress: told of the work.
        started: what progress is told first.

    Returns:
        what it returned.

    Raises:
        InputError: as the function, or the system ended it for want of memory.
    """
    try:
        return run_in_child(function, given, progress=progress, started=started)
    except StoppedBySystem as error:
        raise InputError(
            f"{name}: the system ended the process that worked on the ONNX graph, most often for "
            "want of memory; close other programs, or take a smaller model"
        ) from error
