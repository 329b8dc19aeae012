"""A model that was trained for embeddings: what a filtered language model is measured against.

A filter that makes a language model's embeddings better does not make them good. A small encoder
that was trained for embeddings is often better still, and whoever chooses should see both.
"""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np

from embfilter_viz.models.encoding.sentence_encoder import SentenceEncoder, check_installed
from embfilter_viz.models.sources.hub_embedder import embedder_digest, embedder_folder
from embfilter_viz.store import Batches, Store, read_once
from embfilter_viz.system.progress import Progress, silent
from embfilter_viz.texts import checked_texts

__all__ = ["Yardstick", "open_yardstick"]

STORE_VERSION = 1
"""Raised whenever what a stored embedding means changes."""


class Yardstick:
    """A sentence-transformers model, trained for embeddings. Made by :func:`open_yardstick`.

    Args:
        name: what the user typed to choose it.
        folder: its files.
        digest: SHA-256 over them.
        device: where texts are encoded.
        store: where embeddings are kept; None: the user's own.
    """

    def __init__(
        self, name: str, folder: Path, digest: str, *, device: str = "auto",
        store: Store | None = None,
    ) -> None:  # fmt: skip
        self.name = name
        self.identity = f"yardstick {digest}"
        self._folder, self._digest, self._device = folder, digest, device
        self._store = store or Store()

    def __repr__(self) -> str:
        return f"Yardstick({self.name!r})"

    @cached_property
    def _encoder(self) -> SentenceEncoder:
        return SentenceEncoder(self._folder, self.name, device=self._device)

    def encode(self, texts: Sequence[str], *, progress: Progress = silent) -> np.ndarray:
        """Embed ``texts`` as the model's makers have it, one row each: (n, d) float32.

        What was embedded before is read from the store; finished batches are stored at once.

        Args:
            texts: at least one, none of them empty.
            progress: told of the texts embedded; may raise ``Cancelled``.

        Raises:
            InputError: no text, an empty one, or a model that cannot be run.
        """
        texts = checked_texts(texts)
        rows = self._store.rows("yardsticks", {"version": STORE_VERSION, "files": self._digest})
        return read_once(texts, rows, self._read, damaged=self._damaged, progress=progress)

    def _read(self, texts: list[str], listener: Progress) -> Batches:
        listener(f"Opening {self.name}", 0, 0, "")
        for places, vectors in self._encoder.batches(texts):
            yield places, vectors
            listener("Embedding texts", places.stop, len(texts), "texts")

    def _damaged(self) -> str:
        return (
            f"{self.name}: embeddings come out as NaN or infinity: its weights are damaged; fetch "
            "the model again"
        )


def open_yardstick(name: str, *, device: str = "auto", progress: Progress = silent) -> Yardstick:
    """Open a model that was trained for embeddings.

    Args:
        name: the folder of a sentence-transformers model, or ``org/name[@revision]`` on the hub.
        device: where texts are encoded: ``cpu``, ``cuda``, ``mps``, or ``auto``.
        progress: told of downloads; may raise ``Cancelled``.

    Returns:
        The model; its weights are loaded with the first text.

    Raises:
        InputError: in one line, whatever is wrong with the name or the files behind it.

    >>> open_yardstick("no-such-folder")
    Traceback (most recent call last):
    embfilter_viz.errors.InputError: no-such-folder: neither a folder nor a hub id; give ...
    """
    check_installed(name)
    folder = embedder_folder(name, progress=progress)
    digest = embedder_digest(folder, progress=progress)
    return Yardstick(name, folder, digest, device=device)
