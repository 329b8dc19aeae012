"""A model folder that sentence-transformers opens, and that gives our vectors.

Backbone, pooling and the projection are modules that come with sentence-transformers, so nothing
of ours and no trust in the folder's code is needed to use it.
"""

import json
import logging
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from embfilter_viz.analyses.methods import WINDOW
from embfilter_viz.errors import InputError
from embfilter_viz.export.folder_config import for_every_reader
from embfilter_viz.export.folder_readers import OLDER, readers_section
from embfilter_viz.export.folder_readme import claim, front_matter, heading, terms
from embfilter_viz.export.folder_weights import copy_weights
from embfilter_viz.export.provenance import Check, Provenance, check_of, markdown_rows, provenance
from embfilter_viz.export.published_folder import write_projection, write_published
from embfilter_viz.export.refinement import Refinement, map_of
from embfilter_viz.export.tokenizing import Tokenizing, tokenizing
from embfilter_viz.export.trying import (
    LEAST_COSINE,
    FolderExport,
    check_disk,
    check_exportable,
    tried_texts,
)
from embfilter_viz.model import Model
from embfilter_viz.models.card import memory_needed
from embfilter_viz.models.encoding.prompts import PUBLISHED, Prompt
from embfilter_viz.models.encoding.published import read_published
from embfilter_viz.spectral.affine import AffineMap
from embfilter_viz.spectral.windows import Window
from embfilter_viz.system.memory import in_words, memory_free
from embfilter_viz.system.outputs import CARD, written_folder
from embfilter_viz.system.progress import Progress, silent

__all__ = ["MODULES", "save_model_folder"]

_PLAIN = "olmo2"
"""A family for which transformers takes ``tokenizer.json`` as it is. For others, such as Qwen 2, it
puts a normaliser and a pre-tokeniser of its own in their place, whatever the file says."""
MODULES = (
    ("", "sentence_transformers.models.Transformer"),
    ("1_Pooling", "sentence_transformers.models.Pooling"),
    ("2_Dense", "sentence_transformers.models.Dense"),
)
"""Folder and class of each module, by the names that sentence-transformers 2 to 6 know."""

_SETTINGS = "sentence_bert_config.json"
_STATES = {"method": "forward", "method_output_name": "last_hidden_state"}
_THROUGH_CHAT_TEMPLATE = {
    "transformer_task": "feature-extraction",
    "modality_config": {"text": _STATES, "message": {**_STATES, "format": "flat"}},
    "module_output_name": "token_embeddings",
}
"""Settings with which sentence-transformers 6 keeps the template's end of texts that it cuts."""

_POOLINGS = ("cls_token", "mean_tokens", "max_tokens", "mean_sqrt_len_tokens",
             "weightedmean_tokens", "lasttoken")  # fmt: skip
"""Endings of the older keys of a pooling file, one flag each."""


def save_model_folder(
    path: Path,
    model: Model,
    what: Window | Refinement,
    *,
    prompt: str = "prompteol",
    gauge: str = "centred",
    inputs: Iterable[Path] = (),
    force: bool = False,
    progress: Progress = silent,
) -> FolderExport:
    """Write a folder for ``SentenceTransformer(path)``, then open it and compare its vectors.

    Args:
        path: the folder; an earlier export of ours in its place is replaced.
        model: the model.
        what: the window, or another method made ready.
        prompt: ``prompteol``, ``mean`` or ``last``, or ``published`` of an embedder.
        gauge: noted in the README.
        inputs: files and folders that the work reads, and that are not moved aside.
        force: move what is foreign in that place aside.
        progress: told megabytes and texts; may raise ``Cancelled``, which leaves nothing behind.

    Returns:
        the folder, its size and how near its vectors come to ours.

    Raises:
        InputError: sentence-transformers is not installed, the model is not open in float32, the
            prompt or tokenizer cannot be said in standard modules, the disk is too small, or the
            vectors differ from ours.
    """
    _check_installed()
    check_exportable(model, prompt, "a folder of sentence-transformers")
    asked = model.prompt(prompt)
    # What refuses the prompt is asked before any of the layers is fetched.
    words = None
    if asked.base != PUBLISHED.name:
        words = tokenizing(model.vocabulary, asked, model.name)
    checkpoint = model.fetch(progress=progress).outline
    source, tables = checkpoint.folder, checkpoint.tables
    about = provenance(model, what, prompt=prompt, gauge=gauge)
    weights = sorted({entry.file for entry in tables})
    check_disk(path, sum(file.stat().st_size for file in weights))
    with written_folder(path, inputs=[*inputs, source], force=force) as folder:
        # An embedder's own readers know the names that its makers gave.
        copy_weights(source, tables, folder, progress, rename=words is not None)
        config = json.loads((source / "config.json").read_text(encoding="utf-8-sig"))
        _write(folder / "config.json", for_every_reader(config))
        for licence in source.glob("LICENSE*"):
            shutil.copyfile(licence, folder / licence.name)
        map = map_of(model, what)
        if words is None:
            write_published(folder, read_published(checkpoint), map)
        else:
            _write_tokenizer(folder, words, model.encoder.max_tokens)
            _write_modules(folder, words, asked, map, model.encoder.max_tokens)
        check = _try_out(folder, model, map, prompt, memory_needed(tables), progress)
        _write(folder / CARD, {"format": "embfilter-viz folder", **about.metadata()})
        (folder / "README.md").write_text(
            _readme(about, asked, words, check, model.longest(prompt)), encoding="utf-8"
        )
        size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    return FolderExport(path, size, check)


def _check_installed() -> None:
    from importlib.util import find_spec

    if find_spec("sentence_transformers") is None:
        raise InputError(
            "format sentence-transformers: the library is not installed, and the folder is tried "
            "with it before it is handed out; pip install 'embfilter-viz[deploy]'"
        )


def _write_tokenizer(folder: Path, words: Tokenizing, max_tokens: int) -> None:
    _write(folder / "tokenizer.json", words.tokenizer)
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",  # as it is, whatever the family's class adds
        "pad_token": words.pad,
        **_bos(words),
        "padding_side": "right",
        "truncation_side": "right",
        "model_max_length": max_tokens,
        "clean_up_tokenization_spaces": False,
    }
    _write(folder / "tokenizer_config.json", settings)
    if words.chat_template is not None:
        (folder / "chat_template.jinja").write_text(words.chat_template, encoding="utf-8")


def _bos(words: Tokenizing) -> dict[str, Any]:
    """Name BOS where the tokenizer adds one that a prompt says as well.

    sentence-transformers then takes the two that the prompt alone has for one and a closing token.
    """
    if not words.prefix or words.tokenizer["post_processor"] is None:
        return {}
    named = next(t for t in words.tokenizer["added_tokens"] if t["content"] == words.prefix)
    said = {key: value for key, value in named.items() if key != "id"}
    return {"bos_token": {"__type": "AddedToken", **said}, "add_bos_token": True}


def _write_modules(
    folder: Path, words: Tokenizing, prompt: Prompt, map: AffineMap, max_tokens: int
) -> None:
    """Write modules in settings that releases from 3.4 on all take, but see :data:`OLDER`.

    Args:
        folder: the folder.
        words: the prompt in a tokenizer's files.
        prompt: the prompt.
        map: the projection.
        max_tokens: the longest text.
    """
    # The name of the pooling is for vLLM 0.30, the flags for older readers and TEI.
    taken = "lasttoken" if prompt.pooling == "last" else "mean_tokens"
    pooling = {
        "word_embedding_dimension": len(map.matrix),
        "pooling_mode": "lasttoken" if prompt.pooling == "last" else "mean",
        **{f"pooling_mode_{name}": name == taken for name in _POOLINGS},
        "include_prompt": not words.prefix,
    }
    modules = [
        {"idx": i, "name": str(i), "path": path, "type": kind}
        for i, (path, kind) in enumerate(MODULES)
    ]
    _write(folder / "modules.json", modules)
    transformer: dict[str, Any] = {"max_seq_length": max_tokens, "do_lower_case": False}
    if words.tokenizer["pre_tokenizer"] is not None:  # the class that reads it so needs one
        transformer["tokenizer_args"] = {"tokenizer_type": _PLAIN}
    if words.chat_template is not None:
        (folder / OLDER).mkdir()
        _write(folder / OLDER / _SETTINGS, transformer)
        transformer |= _THROUGH_CHAT_TEMPLATE
    _write(folder / _SETTINGS, transformer)
    (folder / MODULES[1][0]).mkdir()
    _write(folder / MODULES[1][0] / "config.json", pooling)
    write_projection(folder / MODULES[2][0], map)
    whole = {
        "model_type": "SentenceTransformer",
        "prompts": {"text": words.prefix} if words.prefix else {},
        "default_prompt_name": "text" if words.prefix else None,
        "similarity_fn_name": "cosine",
    }
    _write(folder / "config_sentence_transformers.json", whole)


def _try_out(
    folder: Path, model: Model, map: AffineMap, prompt: str, needed: int, progress: Progress
) -> Check:
    """Encode awkward texts and one that is too long, here and in sentence-transformers.

    Args:
        folder: what was written.
        model: the opened model.
        map: what the folder does to embeddings.
        prompt: the prompt's name.
        needed: bytes of memory that opening the model again needs.
        progress: told of the work.

    Returns:
        the lowest cosine with ours.
    """
    texts, which = tried_texts(model, prompt)
    ours = map(model.encode(texts, prompt, progress=progress))
    if needed > (free := memory_free()):
        return Check(
            0,
            f"opening the model a second time needs {in_words(needed)} of memory and "
            f"{in_words(free)} are free; its tokens are ours",
            None,
        )
    from sentence_transformers import SentenceTransformer

    progress("Opening the folder", 0, 0, "")
    # Else it speaks of default prompts, amid our own words.
    logging.getLogger("sentence_transformers").setLevel(logging.ERROR)
    opened = SentenceTransformer(str(folder), device=model.device, local_files_only=True)
    progress("Comparing vectors", 0, len(texts), "texts")
    theirs = opened.encode(texts, batch_size=4, show_progress_bar=False, convert_to_numpy=True)
    found = check_of(ours, theirs, which)
    assert found.cosine is not None
    if not found.cosine >= LEAST_COSINE:
        raise InputError(
            f"{model.name}: sentence-transformers gives other vectors than ours from this folder "
            f"(cosine {found.cosine:.6f}), so it was not kept; export the filter file instead"
        )
    return found


_READ = """- **Text given to the model**: `{template}`.{kept_out} Do not pass a prompt of your own.
- **Pooling**: {pooling}, of the final hidden state after the last norm."""


def _readme(
    about: Provenance, prompt: Prompt, words: Tokenizing | None, check: Check, max_tokens: int
) -> str:
    """Return the folder's README.

    Args:
        about: what the export says of itself.
        prompt: the prompt.
        words: the prompt in a tokenizer's files.
        check: how the vectors compare.
        max_tokens: tokens of the longest text.

    Returns:
        Markdown.
    """
    rows = markdown_rows(about.rows())
    if words is None:
        how = f"- **How a text is read**: {prompt.description[0].lower()}{prompt.description[1:]}"
    else:
        kept_out = f" `{words.prefix}` goes before it and is kept out of the mean."
        how = _READ.format(
            template=prompt.template,
            kept_out=kept_out if words.prefix else "",
            pooling="mean" if prompt.pooling == "mean" else "last token",
        )
    return f"""---
{front_matter(about, library="sentence-transformers")}
---

# {about.model}, {heading(about)}

{claim(about)} Made by embfilter-viz {about.version}.

```python
from sentence_transformers import SentenceTransformer

model = SentenceTransformer("path/to/this/folder")
embeddings = model.encode(texts)  # (n, {about.dims}) float32, not normalised
```

No `trust_remote_code`, and nothing of embfilter-viz.

| | |
|---|---|
{rows}

{how}
- **Projection**: {_projection(about)}
- **Precision**: float32, whatever the weights are stored in.

{check.sentence}

{readers_section(words, max_tokens)}

{terms(about)}
"""


def _projection(about: Provenance) -> str:
    if about.method == WINDOW:
        return (
            f"the last module holds V_windowᵀ, {about.dims} × {about.d_model}, without bias: "
            "cosines\n  and distances are those of the full filtered embedding."
        )
    return f"the last module holds the method as one affine map, {about.dims} × {about.d_model}."


def _write(path: Path, content: Mapping[str, Any] | Sequence[Any]) -> None:
    path.write_text(json.dumps(content, ensure_ascii=False, indent=2), encoding="utf-8")
