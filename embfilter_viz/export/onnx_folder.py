"""A folder that onnxruntime and tokenizers open alone: backbone, pooling and projection in a graph.

The graph and the trial of it run in processes of their own: neither torch's exporter nor
onnxruntime can be stopped while they work.
"""

import json
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from embfilter_viz.errors import InputError
from embfilter_viz.export import onnx_reader
from embfilter_viz.export.filter_file import FILTER_IN_FOLDER, filter_bytes
from embfilter_viz.export.folder_config import for_every_reader
from embfilter_viz.export.folder_readme import claim, front_matter, heading, terms
from embfilter_viz.export.onnx_reader import SETTINGS
from embfilter_viz.export.onnx_reading import ONNX_FOLDER, Reading, published_reading, reading_of
from embfilter_viz.export.onnx_vectors import check_installed, run_in_child_of, vectors_of_onnx
from embfilter_viz.export.provenance import Check, Provenance, check_of, markdown_rows, provenance
from embfilter_viz.export.refinement import Refinement, map_of
from embfilter_viz.export.trying import (
    LEAST_COSINE,
    FolderExport,
    check_disk,
    check_exportable,
    tried_texts,
)
from embfilter_viz.model import Model
from embfilter_viz.models.card import memory_needed
from embfilter_viz.models.encoding.onnx_graph import INLINE, OPSET, write_graph
from embfilter_viz.models.encoding.prompts import PUBLISHED
from embfilter_viz.spectral.windows import Window
from embfilter_viz.system.arrays import write_npy
from embfilter_viz.system.memory import in_words, memory_free
from embfilter_viz.system.outputs import CARD, written_folder
from embfilter_viz.system.progress import Progress, silent

__all__ = ["save_onnx_folder"]

_COPIES, _COPIES_INLINE = 3, 5
"""How often the weights lie in memory while the graph is saved: beside it, or in the same file."""


def save_onnx_folder(
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
    """Write an ONNX folder, then open it with onnxruntime and compare its vectors with ours.

    Args:
        path: the folder; an earlier export of ours in its place is replaced.
        model: the model.
        what: the window, or another method made ready.
        prompt: ``prompteol``, ``mean`` or ``last``, or ``published`` of an embedder.
        gauge: noted in the README.
        inputs: files and folders that the work reads, and that are not moved aside.
        force: move what is foreign in that place aside.
        progress: told of the stages; may raise ``Cancelled``, which leaves nothing behind.

    Returns:
        the folder, its size and how near its vectors come to ours.

    Raises:
        InputError: the libraries are not installed, the model is not open in float32, the prompt,
            tokenizer or architecture cannot be put into such a folder, memory or disk is too
            small, or the vectors differ from ours.
    """
    check_installed("onnx", "onnxscript", "onnxruntime")
    check_exportable(model, prompt, ONNX_FOLDER)
    asked = model.prompt(prompt)
    # What refuses the prompt is asked before any of the layers is fetched.
    read = None if asked.base == PUBLISHED.name else reading_of(model, asked)
    checkpoint = model.fetch(progress=progress).outline
    read = read or published_reading(checkpoint)
    about = provenance(model, what, prompt=prompt, gauge=gauge)
    needed = memory_needed(checkpoint.tables)
    _check_memory(model.name, needed * (_COPIES if needed > INLINE else _COPIES_INLINE))
    check_disk(path, needed)
    map = map_of(model, what)
    with written_folder(path, inputs=[*inputs, checkpoint.folder], force=force) as folder:
        _write(folder / "tokenizer.json", read.tokenizer)
        _write(folder / SETTINGS, read.settings(len(map.offset)))
        config = json.loads((checkpoint.folder / "config.json").read_text(encoding="utf-8-sig"))
        _write(folder / "config.json", for_every_reader(config))
        (folder / "embed.py").write_text(_source_of_reader(), encoding="utf-8")
        (folder / FILTER_IN_FOLDER).write_bytes(
            filter_bytes(model, what, prompt=prompt, gauge=gauge)
        )
        for licence in checkpoint.folder.glob("LICENSE*"):
            shutil.copyfile(licence, folder / licence.name)
        for name, numbers in (("matrix", map.matrix), ("offset", map.offset)):
            with (folder / f"{name}.npy").open("wb") as file:
                write_npy(file, numbers.astype(np.float32))
        given = {
            "folder": str(folder),
            "checkpoint": str(checkpoint.folder),
            "name": model.name,
            "pooling": read.pooling,
            "start": read.start,
            "normalised": read.normalised,
        }
        run_in_child_of(write_graph, given, model.name, progress, started="Starting torch")
        for part in ("matrix.npy", "offset.npy"):
            (folder / part).unlink()
        texts, which = tried_texts(model, prompt)
        ours = map(model.encode(texts, prompt, progress=progress))
        check = check_of(ours, vectors_of_onnx(folder, texts, progress=progress), which)
        assert check.cosine is not None
        if not check.cosine >= LEAST_COSINE:
            raise InputError(
                f"{model.name}: onnxruntime gives other vectors than ours from this folder (cosine "
                f"{check.cosine:.6f}), so it was not kept; export the folder of "
                "sentence-transformers, or the filter file"
            )
        _write(folder / CARD, {"format": "embfilter-viz folder", **about.metadata()})
        (folder / "README.md").write_text(_readme(about, read, check), encoding="utf-8")
        size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    return FolderExport(path, size, check)


def _check_memory(name: str, needed: int) -> None:
    if needed > (free := memory_free()):
        raise InputError(
            f"{name}: writing it as ONNX needs {in_words(needed)} of memory and {in_words(free)} "
            "are free; close other programs, or export the folder of sentence-transformers"
        )


def _source_of_reader() -> str:
    """The text of the module that reads such a folder."""
    return Path(onnx_reader.__file__).read_text(encoding="utf-8")


def _readme(about: Provenance, read: Reading, check: Check) -> str:
    pooling = "the last token" if read.pooling == "last" else "the mean over the text's tokens"
    tei = "last-token" if read.pooling == "last" else "mean"
    left_out = f"; the first {read.start} left out of it" if read.start else ""
    end = " and keeps the prompt's end" if read.closing else ""
    around = f"{read.before!r} + text + {read.after!r}" if read.before or read.after else "text"
    given = "list(texts)" if around == "text" else f"[{around} for text in texts]"
    return f"""---
{front_matter(about, library="onnx")}
---

# {about.model}, {heading(about)}

{claim(about)} Made by embfilter-viz {about.version}.

It needs NumPy, onnxruntime (1.17 or newer) and tokenizers. `embed.py` lies in this folder:

```python
from embed import Embedder

embedder = Embedder("path/to/this/folder")
embeddings = embedder.encode(texts)  # (n, {about.dims}) float32, not normalised
```

The same without it:

```python
import numpy as np
import onnxruntime
from tokenizers import Tokenizer

tokenizer = Tokenizer.from_file("tokenizer.json")
tokenizer.enable_padding(pad_id={read.pad_id})
given = {given}
read = tokenizer.encode_batch(given, add_special_tokens={read.add_special_tokens})
session = onnxruntime.InferenceSession("model.onnx")
embeddings = session.run(["sentence_embedding"], {{
    "input_ids": np.array([one.ids for one in read], dtype=np.int64),
    "attention_mask": np.array([one.attention_mask for one in read], dtype=np.int64),
}})[0]
```

At most {read.max_tokens} tokens are read: `embed.py` cuts a longer text{end}.

| | |
|---|---|
{markdown_rows(about.rows())}

- **Graph**: `model.onnx`, ONNX operators {OPSET}, float32. Over {in_words(INLINE)} its weights lie
  beside it, in `model.onnx.data`.
- **Inputs**: `input_ids` and `attention_mask`, (batch, length) int64, both free.
- **Output**: `sentence_embedding`, (batch, {about.dims}) float32.
- **Padding**: on either side. Positions count from a text's first token.
- **Pooling**: {pooling}{left_out}. Pooling and projection are in the graph.
- **`{FILTER_IN_FOLDER}`**: the projection alone, for raw vectors: `embfilter_viz.load_filter`.

{check.sentence}

Text Embeddings Inference, built with its onnxruntime backend, reads such a folder by its source
(not tried): `--model-id FOLDER --pooling {tei}`, which it asks for and does not use where
the graph gives one vector a text. It normalises unless asked not to; cut long texts before.

Check it: `embfilter-viz verify FOLDER --with texts.txt`.

{terms(about)}
"""


def _write(path: Path, content: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(content, ensure_ascii=False, indent=2), encoding="utf-8")
