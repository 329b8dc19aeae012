"""The map that an exported folder says it applies, read from the folder itself."""

import json
from pathlib import Path

import numpy as np

from embfilter_viz.errors import InputError
from embfilter_viz.export.filter_file import FILTER_IN_FOLDER, load_filter
from embfilter_viz.model import Model
from embfilter_viz.spectral.affine import AffineMap

__all__ = ["map_in_file", "map_in_folder"]


def map_in_file(path: str | Path, model: Model) -> AffineMap:
    """The map of a filter file, once it is seen to be of ``model``.

    Raises:
        InputError: no such file, or one of another model.
    """
    return load_filter(path, model=model).affine()


def map_in_folder(folder: Path, model: Model) -> AffineMap:
    """The map of an ONNX folder's filter file, or of the last Dense of a sentence-transformers one.

    Raises:
        InputError: it has neither, or one of another width than the model's.
    """
    if (folder / FILTER_IN_FOLDER).is_file():
        return map_in_file(folder / FILTER_IN_FOLDER, model)
    found = _last_dense(folder)
    if found is None or len(found.matrix) != model.d_model:
        raise InputError(
            f"{folder}: it holds no projection of {model.d_model} numbers; give the filter file of "
            "its method with --filter"
        )
    return found


def _last_dense(folder: Path) -> AffineMap | None:
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        modules = json.loads((folder / "modules.json").read_text(encoding="utf-8-sig"))
        place = [m["path"] for m in modules if m["type"].endswith(".Dense")][-1]
        tensors = load_file(folder / place / "model.safetensors")
        weight = tensors["linear.weight"].T.astype(np.float64)
        offset = tensors.get("linear.bias", np.zeros(weight.shape[1])).astype(np.float64)
    except (OSError, ValueError, LookupError, TypeError, SafetensorError):
        return None
    return AffineMap(weight, offset)
