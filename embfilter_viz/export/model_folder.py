"""A model folder that sentence-transformers opens, and that gives our vectors.

Backbone, pooling and the projection are modules that come with sentence-transformers, so nothing
of ours and no trust in the folder's code is needed to use it.
"""

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from embfilter_viz.errors import InputError
from embfilter_viz.export.places import CARD, written_folder
from embfilter_viz.export.provenance import Check, Provenance, check_of, projection, provenance
from embfilter_viz.export.tokenizing import TRIED_TEXTS, Tokenizing, tokenizing
from embfilter_viz.model import Model
from embfilter_viz.models.card import memory_needed
from embfilter_viz.models.families import family_of
from embfilter_viz.models.memory import in_words, memory_free
from embfilter_viz.models.prompts import Prompt, find_prompt
from embfilter_viz.models.safety import check_folder
from embfilter_viz.models.unembedding import causal_config
from embfilter_viz.progress import Progress, silent
from embfilter_viz.spectral.windows import Window

__all__ = ["LEAST_COSINE", "MODULES", "FolderExport", "save_model_folder"]

LEAST_COSINE = 0.99999
"""A folder whose vectors are further from ours is not handed out."""

_CHUNK = 1 << 22
_PLAIN = "olmo2"
"""A family for which transformers takes ``tokenizer.json`` as it is. For others, such as Qwen 2, it
puts a normaliser and a pre-tokeniser of its own in their place, whatever the file says."""
_NEWEST = "6.2"
MODULES = (
    ("", "sentence_transformers.base.modules.transformer.Transformer"),
    ("1_Pooling", "sentence_transformers.sentence_transformer.modules.pooling.Pooling"),
    ("2_Dense", "sentence_transformers.base.modules.dense.Dense"),
)
"""Folder and class of each module. Releases before 6 lack these names, so that they refuse the
folder instead of leaving the prompt out."""


@dataclass(frozen=True)
class FolderExport:
    """A folder that was written and tried."""

    path: Path
    """Where it is."""
    n_bytes: int
    """Its size."""
    check: Check
    """How its vectors compare with ours."""


def save_model_folder(
    path: Path,
    model: Model,
    window: Window,
    *,
    prompt: str = "prompteol",
    gauge: str = "paper",
    force: bool = False,
    progress: Progress = silent,
) -> FolderExport:
    """Write a folder for ``SentenceTransformer(path)``, then open it and compare its vectors.

    Args:
        path: the folder; an earlier export of ours in its place is replaced.
        model: the model.
        window: the directions to keep.
        prompt: ``prompteol``, ``mean`` or ``last``.
        gauge: noted in the README.
        force: move what is foreign in that place aside.
        progress: told megabytes and texts; may raise ``Cancelled``, which leaves nothing behind.

    Raises:
        InputError: sentence-transformers is not installed, the model is not open in float32, the
            prompt or tokenizer cannot be said in standard modules, the disk is too small, or the
            vectors differ from ours.
    """
    _check_installed()
    if model.dtype != "float32":
        raise InputError(
            f"{model.name} is open in {model.dtype}, and a folder's float32 vectors are compared "
            "with ours: open the model in float32"
        )
    # What refuses the export is asked before any of the layers is fetched.
    asked = find_prompt(prompt).of_family(family_of(causal_config(model.outline)))
    words = tokenizing(model.vocabulary, asked, model.name)
    source = model.fetch(progress=progress).folder
    about = provenance(model, window, prompt=prompt, gauge=gauge)
    _, tables = check_folder(source, model.name)
    weights = sorted({entry.file for entry in tables})
    _check_disk(path, sum(file.stat().st_size for file in weights))
    with written_folder(path, force=force) as folder:
        copied = [*weights, *source.glob("*.safetensors.index.json"), source / "config.json"]
        _copy(copied, folder, progress)
        for licence in source.glob("LICENSE*"):
            shutil.copyfile(licence, folder / licence.name)
        _write_tokenizer(folder, words, model.encoder.max_tokens)
        _write_modules(folder, words, asked, projection(model, window), model.encoder.max_tokens)
        check = _try_out(folder, model, window, prompt, memory_needed(tables), progress)
        _write(folder / CARD, {"format": "embfilter-viz folder", **about.metadata()})
        (folder / "README.md").write_text(_readme(about, asked, words, check), encoding="utf-8")
        size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    return FolderExport(path, size, check)


def _check_installed() -> None:
    from importlib.util import find_spec

    if find_spec("sentence_transformers") is None:
        raise InputError(
            "format sentence-transformers: the library is not installed, and the folder is tried "
            "with it before it is handed out; pip install 'embfilter-viz[deploy]'"
        )


def _check_disk(path: Path, needed: int) -> None:
    if path.parent.is_dir() and (free := shutil.disk_usage(path.parent).free) < needed:
        raise InputError(
            f"{path}: the model takes {in_words(needed)} and {in_words(free)} are free there; "
            "choose another disk"
        )


def _copy(files: Sequence[Path], folder: Path, progress: Progress) -> None:
    total = sum(file.stat().st_size for file in files)
    done = 0
    for file in files:
        with file.open("rb") as source, (folder / file.name).open("wb") as target:
            while chunk := source.read(_CHUNK):
                target.write(chunk)
                done += len(chunk)
                progress("Copying the model", done / 1e6, total / 1e6, "MB")


def _write_tokenizer(folder: Path, words: Tokenizing, max_tokens: int) -> None:
    _write(folder / "tokenizer.json", words.tokenizer)
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",  # as it is, whatever the family's class adds
        "pad_token": words.pad,
        "padding_side": "right",
        "truncation_side": "right",
        "model_max_length": max_tokens,
        "clean_up_tokenization_spaces": False,
    }
    _write(folder / "tokenizer_config.json", settings)
    if words.chat_template is not None:
        (folder / "chat_template.jinja").write_text(words.chat_template, encoding="utf-8")


def _write_modules(
    folder: Path, words: Tokenizing, prompt: Prompt, V: np.ndarray, max_tokens: int
) -> None:
    from safetensors.numpy import save_file

    d, k = V.shape
    states = {"method": "forward", "method_output_name": "last_hidden_state"}
    modality = {"text": states}
    if words.chat_template is not None:
        modality["message"] = {**states, "format": "flat"}
    transformer = {
        "transformer_task": "feature-extraction",
        "modality_config": modality,
        "module_output_name": "token_embeddings",
        "max_seq_length": max_tokens,
        "model_kwargs": {"dtype": "float32"},  # as our own vectors are computed
        "processor_kwargs": {"tokenizer_type": _PLAIN},
    }
    pooling = {
        "embedding_dimension": d,
        "pooling_mode": "lasttoken" if prompt.pooling == "last" else "mean",
        "include_prompt": not words.prefix,
    }
    dense = {
        "in_features": d,
        "out_features": k,
        "bias": False,
        "activation_function": "torch.nn.modules.linear.Identity",
        "module_input_name": "sentence_embedding",
        "module_output_name": "sentence_embedding",
    }
    modules = [
        {"idx": i, "name": str(i), "path": path, "type": kind}
        for i, (path, kind) in enumerate(MODULES)
    ]
    _write(folder / "modules.json", modules)
    _write(folder / "sentence_bert_config.json", transformer)
    for (name, _), settings in zip(MODULES[1:], (pooling, dense), strict=True):
        (folder / name).mkdir()
        _write(folder / name / "config.json", settings)
    save_file({"linear.weight": np.ascontiguousarray(V.T)}, folder / "2_Dense/model.safetensors")
    whole = {
        "model_type": "SentenceTransformer",
        "prompts": {"text": words.prefix} if words.prefix else {},
        "default_prompt_name": "text" if words.prefix else None,
        "similarity_fn_name": "cosine",
    }
    _write(folder / "config_sentence_transformers.json", whole)


def _try_out(
    folder: Path, model: Model, window: Window, prompt: str, needed: int, progress: Progress
) -> Check:
    """Encode awkward texts and one that is too long, here and in sentence-transformers."""
    texts = [*TRIED_TEXTS, "A man plays the guitar in the rain. " * (model.encoder.max_tokens // 4)]
    texts = [text for text in texts if text.strip()]
    ours = model.encode(texts, prompt, progress=progress) @ projection(model, window)
    if needed > (free := memory_free()):
        return Check(
            0,
            f"opening the model a second time needs {in_words(needed)} of memory and "
            f"{in_words(free)} are free; its tokens are ours",
            None,
        )
    from sentence_transformers import SentenceTransformer

    progress("Opening the folder", 0, 0, "")
    opened = SentenceTransformer(str(folder), device=model.device, local_files_only=True)
    progress("Comparing vectors", 0, len(texts), "texts")
    theirs = opened.encode(texts, batch_size=4, show_progress_bar=False, convert_to_numpy=True)
    found = check_of(
        ours, theirs, f"{len(texts)} texts (several scripts, one over the model's length)"
    )
    assert found.cosine is not None
    if not found.cosine >= LEAST_COSINE:
        raise InputError(
            f"{model.name}: sentence-transformers gives other vectors than ours from this folder "
            f"(cosine {found.cosine:.6f}), so it was not kept; export the filter file instead"
        )
    return found


def _readme(about: Provenance, prompt: Prompt, words: Tokenizing, check: Check) -> str:
    window = about.window
    rows = "\n".join(f"| {what} | {value} |" for what, value in about.rows())
    licence = f"license: {about.licence}\n" if about.licence else ""
    if about.licence:
        terms = f"The model in this folder is {about.model}, under {about.licence}."
    else:
        terms = (
            f"The model in this folder is {about.model}; its files state no licence, so ask where "
            "you had it from before you pass the folder on."
        )
    kept_out = f" `{words.prefix}` goes before it and is kept out of the mean." * bool(words.prefix)
    return f"""---
library_name: sentence-transformers
pipeline_tag: sentence-similarity
{licence}tags:
- sentence-transformers
- embfilter-viz
---

# {about.model}, filtered: {window.k} of {window.d} dimensions

Text embeddings of {about.model} without {window.removes} of its unembedding (EmbedFilter, Wu et
al., arXiv 2606.07502). Made by embfilter-viz {about.version}.

```python
from sentence_transformers import SentenceTransformer

model = SentenceTransformer("path/to/this/folder")
embeddings = model.encode(texts)  # (n, {window.k}) float32, not normalised
```

sentence-transformers {_NEWEST} or newer; nothing else, and no `trust_remote_code`.

| | |
|---|---|
{rows}

- **Text given to the model**: `{prompt.template}`.{kept_out} Do not pass a prompt of your own.
- **Pooling**: {prompt.pooling if prompt.pooling == "mean" else "last token"}, of the final hidden
  state after the last norm.
- **Projection**: `2_Dense` holds V_windowᵀ, {window.k} × {window.d}, without bias: cosines and
  distances are those of the full filtered embedding.
- **Precision**: float32, whatever the weights are stored in.

{check.sentence}

{terms}
"""


def _write(path: Path, content: Mapping[str, Any] | Sequence[Any]) -> None:
    path.write_text(json.dumps(content, ensure_ascii=False, indent=2), encoding="utf-8")
