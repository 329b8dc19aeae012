"""The map that an exported folder says it applies, read from the folder itself."""

from pathlib import Path

import numpy as np

from embfilter_viz.errors import InputError
from embfilter_viz.export.filter_file import FILTER_IN_FOLDER, load_filter
from embfilter_viz.model import Model
from embfilter_viz.models.formats.safetensors_header import read_tables, weight_files
from embfilter_viz.models.formats.schemas import Modules, read_json
from embfilter_viz.models.formats.tensors import is_readable, row_blocks
from embfilter_viz.spectral.affine import AffineMap

__all__ = ["map_in_file", "map_in_folder"]

MODULES = "modules.json"
_AGAIN = "export the folder anew"


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
    if not (folder / MODULES).is_file():
        return None
    modules = read_json(folder / MODULES, Modules, str(folder), _AGAIN)
    places = [m.get("path", "") for m in modules if m["type"].endswith(".Dense")]
    if not places:
        return None
    found = {
        entry.name: np.concatenate(list(row_blocks(entry)))
        for entry in read_tables(weight_files(folder / places[-1], str(folder)), str(folder))
        if entry.name in ("linear.weight", "linear.bias") and entry.shape and is_readable(entry)
    }
    weight = found.get("linear.weight")
    if weight is None or weight.ndim != 2:
        return None
    offset = found.get("linear.bias", np.zeros(len(weight)))
    return AffineMap(weight.T.astype(np.float64), offset.astype(np.float64))
