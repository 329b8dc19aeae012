"""Embed texts with the files of an ONNX folder: NumPy, onnxruntime and tokenizers are all it needs.

An export writes this module into its folder as ``embed.py``.
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["SETTINGS", "Embedder"]

SETTINGS = "embedding.json"
"""The file that says how a text becomes tokens, and which inputs and outputs the graph has."""


class Embedder:
    """The model of an ONNX folder, opened.

    Args:
        folder: model.onnx, tokenizer.json and embedding.json.
        providers: of onnxruntime; the processor if not given.
    """

    def __init__(self, folder: str | Path, providers: Sequence[str] | None = None) -> None:
        import onnxruntime
        from tokenizers import Tokenizer

        folder = Path(folder)
        self.settings: dict[str, Any] = json.loads((folder / SETTINGS).read_text(encoding="utf-8"))
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(
            str(folder / "model.onnx"), options, providers=providers or ["CPUExecutionProvider"]
        )

    def tokens(self, text: str) -> list[int]:
        """The ids that the model reads: a text that is too long is cut, the prompt's end is kept.

        Raises:
            ValueError: an empty text.
        """
        if not text.strip():
            raise ValueError("the text is empty; give it at least one visible character")
        said = self.settings
        ids = self._tokenizer.encode(
            said["before"] + text + said["after"], add_special_tokens=said["add_special_tokens"]
        ).ids
        if len(ids) > said["max_tokens"]:
            ids = ids[: said["max_tokens"] - len(said["closing"])] + said["closing"]
        return ids

    def encode(self, texts: Sequence[str], batch_size: int = 8) -> np.ndarray:
        """Embed ``texts``: (n, k) float32, in their order."""
        found = np.empty((len(texts), self.settings["dimensions"]), dtype=np.float32)
        for rows, vectors in self.encode_batches(texts, batch_size):
            found[rows] = vectors
        return found

    def encode_batches(
        self, texts: Sequence[str], batch_size: int = 8
    ) -> Iterator[tuple[list[int], np.ndarray]]:
        """The same batch by batch, texts of about one length together: their rows, their vectors.

        Raises:
            ValueError: an empty text, named by its row.
        """
        ids = []
        for row, text in enumerate(texts):
            try:
                ids.append(self.tokens(text))
            except ValueError as error:
                raise ValueError(f"row {row + 1}: {error}") from error
        order = sorted(range(len(ids)), key=lambda row: len(ids[row]))
        for begin in range(0, len(order), batch_size):
            rows = order[begin : begin + batch_size]
            longest = max(len(ids[row]) for row in rows)
            input_ids = np.full((len(rows), longest), self.settings["pad_id"], dtype=np.int64)
            attention_mask = np.zeros_like(input_ids)
            for place, row in enumerate(rows):
                input_ids[place, : len(ids[row])] = ids[row]
                attention_mask[place, : len(ids[row])] = 1
            given = {"input_ids": input_ids, "attention_mask": attention_mask}
            yield rows, self._session.run(["sentence_embedding"], given)[0]
