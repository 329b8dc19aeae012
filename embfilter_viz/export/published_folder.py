"""An embedder's own sentence-transformers folder, with a projection put behind its modules."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from embfilter_viz.models.encoding.published import MODULES, Published
from embfilter_viz.models.formats.fingerprints import files_of_tokenizer
from embfilter_viz.spectral.affine import AffineMap

__all__ = ["write_projection", "write_published"]

_DENSE = "sentence_transformers.models.Dense"
_SETTINGS = "sentence_bert_config.json"
_WHOLE = "config_sentence_transformers.json"


def write_published(folder: Path, published: Published, map: AffineMap) -> None:
    """Write how an embedder is published into ``folder``, and the map behind it.

    What it says of prompt, tokens, pooling and norm is copied as it stands; the weights and
    config.json are there already.
    """
    source = published.folder
    modules = json.loads((source / MODULES).read_text(encoding="utf-8-sig"))
    for file in files_of_tokenizer(source):
        shutil.copyfile(file, folder / file.name)
    if (source / _WHOLE).is_file():
        shutil.copyfile(source / _WHOLE, folder / _WHOLE)
    for module in modules[1:]:
        target = folder / module["path"]
        target.mkdir(exist_ok=True)
        config = source / module["path"] / "config.json"
        if config.is_file():
            shutil.copyfile(config, target / "config.json")
    _write(folder / _SETTINGS, _in_float32(source))
    place = f"{len(modules)}_Dense"
    write_projection(folder / place, map)
    last = {"idx": len(modules), "name": str(len(modules)), "path": place, "type": _DENSE}
    _write(folder / MODULES, [*modules, last])


def _in_float32(source: Path) -> dict[str, Any]:
    """The settings of the transformer, in the precision that our own vectors are computed in."""
    found = sorted(source.glob("sentence_*_config.json"))
    said = json.loads(found[0].read_text(encoding="utf-8-sig")) if found else {}
    key = "model_args" if "model_args" in said else "model_kwargs"
    asked = {k: v for k, v in (said.get(key) or {}).items() if k != "torch_dtype"}
    return {**said, key: {**asked, "dtype": "float32"}}


def write_projection(folder: Path, map: AffineMap) -> None:
    """Write e ↦ e A + b as a module of sentence-transformers, without bias where b is zero."""
    from safetensors.numpy import save_file

    d, k = map.matrix.shape
    settings = {
        "in_features": d,
        "out_features": k,
        "bias": not map.is_linear,
        "activation_function": "torch.nn.modules.linear.Identity",
    }
    tensors = {"linear.weight": np.ascontiguousarray(map.matrix.T)}
    if not map.is_linear:
        tensors["linear.bias"] = map.offset
    folder.mkdir()
    _write(folder / "config.json", settings)
    save_file(tensors, folder / "model.safetensors")


def _write(path: Path, content: dict[str, Any] | list[Any]) -> None:
    path.write_text(json.dumps(content, ensure_ascii=False, indent=2), encoding="utf-8")
