"""An encoder that a test holds up in the middle of its texts."""

import threading
from collections.abc import Iterator

from embfilter_viz.models.encoding.encoder import Encoder


class Brake:
    """An encoder that stops after so many texts and goes on when it is told."""

    def __init__(self) -> None:
        self.after = 16
        self.encoded = 0
        self.reached = threading.Event()
        self.released = threading.Event()

    def batches(self, encoder: Encoder, texts, prompt="prompteol", *, progress) -> Iterator:
        for start in range(0, len(texts), 16):
            if start >= self.after and not self.released.is_set():
                self.reached.set()
                while not self.released.wait(0.02):
                    progress("Encoding", start, len(texts), "texts")  # hears of a cancel
            for rows, vectors in REAL(encoder, texts[start : start + 16], prompt):
                self.encoded += len(rows)
                yield rows + start, vectors
            progress("Encoding", min(start + 16, len(texts)), len(texts), "texts")


REAL = Encoder.encode_batches
