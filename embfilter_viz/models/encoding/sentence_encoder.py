"""The one module that runs sentence-transformers for us to encode texts."""

import logging
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from embfilter_viz.errors import InputError
from embfilter_viz.models.encoding.devices import resolve_device

__all__ = ["SentenceEncoder", "check_installed"]

BATCH = 32
"""Texts encoded at a time."""


def check_installed(name: str) -> None:
    """Refuse to open a model for which the library is not here.

    Raises:
        InputError: sentence-transformers is not installed.
    """
    if find_spec("sentence_transformers") is None:
        raise InputError(
            f"{name}: models trained for embeddings are read by sentence-transformers, which is "
            "not installed; pip install 'embfilter-viz[deploy]'"
        )


class SentenceEncoder:
    """A folder of sentence-transformers, loaded. No code of the folder is run.

    Args:
        folder: its files.
        name: the model as the user typed it, for messages.
        device: where it runs: ``auto`` for the fastest here.

    Raises:
        InputError: sentence-transformers is not installed, or cannot open the folder.
    """

    def __init__(self, folder: Path, name: str, *, device: str = "auto") -> None:
        check_installed(name)
        from sentence_transformers import SentenceTransformer

        # Else it speaks of default prompts, amid our own words.
        logging.getLogger("sentence_transformers").setLevel(logging.ERROR)
        try:
            self._model = SentenceTransformer(
                str(folder),
                device=resolve_device(device),
                local_files_only=True,
                trust_remote_code=False,
                model_kwargs={"use_safetensors": True},
            )
        except Exception as error:  # whatever a library of many models raises on a bad folder
            raise InputError(
                f"{name}: sentence-transformers cannot open it "
                f"({' '.join(str(error).split())[:120]}); fetch or save it again"
            ) from error

    def batches(self, texts: Sequence[str]) -> Iterator[tuple[range, np.ndarray]]:
        """Encode texts batch by batch: their places in ``texts``, and (b, d) float32 embeddings."""
        for start in range(0, len(texts), BATCH):
            part = list(texts[start : start + BATCH])
            vectors = self._model.encode(part, batch_size=BATCH, show_progress_bar=False)
            yield range(start, start + len(part)), np.asarray(vectors, dtype=np.float32)
