"""Vectors as a folder or a running server gives them, to be held against ours."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from embfilter_viz.errors import InputError
from embfilter_viz.export.onnx_vectors import is_onnx_folder, vectors_of_onnx
from embfilter_viz.models.engines.line import API_KEY, Line
from embfilter_viz.models.sources.hub_embedder import checked_embedder
from embfilter_viz.system.progress import Progress, silent
from embfilter_viz.wording import counted

__all__ = ["API_KEY", "is_address", "served_vectors", "vectors_of_folder", "vectors_of_server"]

_AT_ONCE = 16


def is_address(where: str) -> bool:
    """Tell whether ``where`` is a server.

    >>> is_address("http://localhost:8000"), is_address("folder/http")
    (True, False)
    """
    return where.startswith(("http://", "https://"))


def served_vectors(
    where: str, texts: Sequence[str], *, messages: bool = False, progress: Progress = silent
) -> np.ndarray:
    """The vectors of ``texts``, (n, k) float64, from a folder or a server.

    Args:
        where: a folder, or a server's address, with ``#NAME`` for one of several models.
        texts: what to embed.
        messages: ask a server with chat messages instead of plain text.
        progress: told texts as they are done.

    Returns:
        one row a text, in their order.

    Raises:
        InputError: it cannot be opened or reached, or gives no such vectors.
    """
    if is_address(where):
        return vectors_of_server(where, texts, messages=messages, progress=progress)
    return vectors_of_folder(Path(where), texts, progress=progress)


def vectors_of_folder(
    folder: Path, texts: Sequence[str], *, progress: Progress = silent
) -> np.ndarray:
    """The vectors of ``texts`` by the libraries that are installed here: (n, k).

    An ONNX folder is read by onnxruntime, any other by sentence-transformers.

    Raises:
        InputError: there is no such folder, the library is missing, it cannot open the folder, or
            the folder holds code of its own or pickled weights.
    """
    if is_onnx_folder(folder):
        return _rows(vectors_of_onnx(folder, texts, progress=progress), len(texts), str(folder))
    if not (folder / "modules.json").is_file():
        raise InputError(
            f"{folder}: there is no modules.json, so it is no folder of sentence-transformers, and "
            "no ONNX folder of ours; name one, or a server's address with http:// before it"
        )
    try:
        from sentence_transformers import SentenceTransformer
    except ImportError as error:
        raise InputError(
            "sentence-transformers is not installed, and a folder is read with it; "
            "pip install 'embfilter-viz[deploy]'"
        ) from error
    progress("Opening the folder", 0, 0, "")
    checked_embedder(folder, str(folder))
    try:
        opened = SentenceTransformer(
            str(folder), device="cpu", local_files_only=True, trust_remote_code=False,
            model_kwargs={"use_safetensors": True},
        )  # fmt: skip
        found = opened.encode(list(texts), batch_size=_AT_ONCE, show_progress_bar=False)
    except Exception as error:  # whatever a library makes of foreign files
        said = " ".join(str(error).split())[:200]
        raise InputError(
            f"{folder}: sentence-transformers cannot read it ({type(error).__name__}: {said}); "
            "export it anew"
        ) from error
    return _rows(found, len(texts), str(folder))


def vectors_of_server(
    address: str, texts: Sequence[str], *, messages: bool = False, progress: Progress = silent
) -> np.ndarray:
    """The vectors of ``texts`` from ``/v1/embeddings``, as OpenAI's interface has it: (n, k).

    Args:
        address: the server, with ``#NAME`` where it has several models.
        texts: what to embed.
        messages: ask with chat messages, one text at a time, as vLLM takes them.
        progress: told texts as they are done.

    Returns:
        one row a text, in their order.

    Raises:
        InputError: it cannot be reached, refuses, or answers with something else.
    """
    address, _, name = address.partition("#")
    base = address.rstrip("/").removesuffix("/embeddings").removesuffix("/v1")
    line = Line(base)
    name = name or _only_model(line)
    rows: list[Any] = []
    step = 1 if messages else _AT_ONCE
    for begin in range(0, len(texts), step):
        progress("Asking the server", begin, len(texts), "texts")
        some = list(texts[begin : begin + step])
        asked: dict[str, Any] = {"model": name, "encoding_format": "float"}
        if messages:
            asked["messages"] = [{"role": "user", "content": some[0]}]
        else:
            asked["input"] = some
        said = line.ask(("/v1/embeddings", asked))
        try:
            data = sorted(said["data"], key=lambda one: one["index"])
            rows += [one["embedding"] for one in data]
        except (KeyError, TypeError, AttributeError) as error:
            raise InputError(
                f"{base}/v1/embeddings: the answer holds no embeddings; is it a server of OpenAI's "
                "interface, serving an embedding model?"
            ) from error
    return _rows(rows, len(texts), base)


def _only_model(line: Line) -> str:
    base, said = line.url, line.get("/v1/models")
    try:
        names = [str(one["id"]) for one in said["data"]]
    except (KeyError, TypeError) as error:
        raise InputError(
            f"{base}/v1/models: the answer names no models; name one with {base}#NAME"
        ) from error
    if len(names) != 1:
        known = ", ".join(names[:5]) or "none"
        raise InputError(
            f"{base}: it serves {counted(len(names), 'model')} ({known}); name one with {base}#NAME"
        )
    return names[0]


def _rows(found: Any, n: int, where: str) -> np.ndarray:
    try:
        rows = np.asarray(found, dtype=np.float64)
    except (ValueError, TypeError) as error:
        raise InputError(
            f"{where}: its vectors are not lists of numbers of one length; is it an embedding "
            "model?"
        ) from error
    if rows.ndim != 2 or len(rows) != n:
        raise InputError(
            f"{where}: {counted(n, 'text')} gave an array of shape {rows.shape}; one vector a text "
            "was expected, so serve it as an embedding model"
        )
    if not np.isfinite(rows).all():
        raise InputError(f"{where}: its vectors hold numbers that are not finite")
    return rows
