"""Texts to embeddings: batches, order, turns. The arithmetic is in ``backbone``."""

import time
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from threading import Lock
from typing import Any

import numpy as np

from embfilter_viz.errors import InputError
from embfilter_viz.models import families
from embfilter_viz.models.backbone import Backbone, open_backbone
from embfilter_viz.models.batches import Batch, batches_by_beginning, batches_by_length
from embfilter_viz.models.devices import Precision, check_precision, resolve_device
from embfilter_viz.models.packed import Work
from embfilter_viz.models.packing import common_beginning
from embfilter_viz.models.prompts import MAX_TOKENS, Prepared, Prompt, find_prompt, prepare
from embfilter_viz.models.turns import Turns
from embfilter_viz.models.unembedding import Located, causal_config, stored_head
from embfilter_viz.models.vocabulary import Vocabulary
from embfilter_viz.progress import Progress, silent

__all__ = ["Encoder"]

_PREPARED_AT_ONCE = 512
"""Texts tokenised between two looks at the listener: a tenth of a second."""
_BEAT = 0.25
"""Seconds between two looks at the listener inside a batch."""


class Encoder:
    """A checkpoint that reads texts: the model is loaded on the first question, once.

    An embedding depends on its text alone: a causal model's state is a function of the tokens up
    to it. What texts share at their beginning is therefore computed once, and where a family is
    not known to allow that, sequences of nearly one length are padded on the right, where the
    model cannot see it. Neighbours in a batch change an embedding by rounding only.

    Several threads may share an encoder: one batch runs at a time, in the order of asking, so
    a long job delays a single sentence by one batch.

    Args:
        checkpoint: a checkpoint on this machine.
        device: where the model runs: ``cpu``, ``cuda``, ``mps``, or ``auto``, the fastest here.
        dtype: in what precision it runs there; embeddings come back as float32.
        threads: of the processor; all cores but one if not given.

    Raises:
        InputError: an absent device, or an unknown precision.
    """

    def __init__(
        self,
        checkpoint: Located,
        device: str = "cpu",
        dtype: Precision = "float32",
        threads: int | None = None,
    ) -> None:
        self.checkpoint = checkpoint
        self.device = resolve_device(device)
        self.dtype = check_precision(dtype)
        self.threads = threads
        self._config = causal_config(checkpoint)
        self._loading = Lock()
        self._turns = Turns()
        self._loaded: Backbone | None = None
        self._beat: Callable[[], None] = _still

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """The tokens of the checkpoint."""
        return Vocabulary.of(self.checkpoint, stored_head(self.checkpoint)[0].shape[0])

    @cached_property
    def max_tokens(self) -> int:
        """Tokens a prompt may have: 512, or what the model was made for if that is less."""
        config = families.text_config(self._config)
        positions = config.get("max_position_embeddings") or config.get("n_positions")
        return min(MAX_TOKENS, positions) if isinstance(positions, int) else MAX_TOKENS

    def prompt(self, name: str) -> Prompt:
        """The prompt called ``name`` in the words used for this model's family.

        Raises:
            InputError: no such prompt.
        """
        return find_prompt(name).of_family(families.family_of(self._config))

    def prepare(
        self, texts: Sequence[str], prompt: str = "prompteol", *, progress: Progress = silent
    ) -> list[Prepared]:
        """What the model will read for each of ``texts``, and where each was cut.

        Raises:
            InputError: an empty text (named by its row), or an unknown prompt.
        """
        asked = self.prompt(prompt)
        prepared = []
        for row, text in enumerate(texts):
            try:
                prepared.append(prepare(self.vocabulary, asked, text, self.max_tokens))
            except InputError as error:
                where = f"row {row + 1} of {len(texts):,}: " if len(texts) > 1 else ""
                raise InputError(f"{where}{error}") from error
            if (row + 1) % _PREPARED_AT_ONCE == 0:
                progress("Encoding", 0, len(texts), "texts")
        return prepared

    def truncated(self, texts: Sequence[str], prompt: str = "prompteol") -> np.ndarray:
        """(n,) bool: which of ``texts`` are longer than the model is given to read."""
        return np.array([p.truncated for p in self.prepare(texts, prompt)], dtype=bool)

    def encode(
        self, texts: Sequence[str], prompt: str = "prompteol", *, progress: Progress = silent
    ) -> np.ndarray:
        """Embeddings of ``texts``: pooled final hidden states, after the last norm.

        Args:
            texts: any texts; over 512 tokens with the prompt, a text is cut (``truncated``).
            prompt: ``prompteol``, ``echo``, ``mean`` or ``last``.
            progress: told texts as they are done; may raise ``Cancelled``.

        Returns:
            (n, d_model) float32, in the order of ``texts``, not normalised.

        Raises:
            InputError: an empty text, an unknown prompt, or a model that cannot run here.
        """
        found: np.ndarray | None = None
        for rows, vectors in self.encode_batches(texts, prompt, progress=progress):
            if found is None:
                found = np.empty((len(texts), vectors.shape[1]), dtype=np.float32)
            found[rows] = vectors
        return np.empty((0, self._model.d_model), np.float32) if found is None else found

    def encode_batches(
        self, texts: Sequence[str], prompt: str = "prompteol", *, progress: Progress = silent
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """The same, batch by batch as they are done, so that a cancel loses nothing finished.

        Yields:
            rows (m,) int64 of ``texts``, each row exactly once in all, and their embeddings
            (m, d_model) float32.
        """
        batches, beginning = self._planned(self.prepare(texts, prompt, progress=progress))
        done = 0
        for batch in batches:
            with self._turn(progress, done, len(texts)):
                vectors = self._model.pooled(batch.sequences, beginning)
            yield batch.rows, vectors[batch.source]
            done += len(batch.rows)
            progress("Encoding", done, len(texts), "texts")

    def _planned(self, prepared: Sequence[Prepared]) -> tuple[list[Batch], tuple[int, ...]]:
        """Batches, and the tokens that all of them begin with: computed before the first."""
        model = self._model
        if not model.packs or not prepared:
            return batches_by_length(prepared, model.tokens_per_batch), ()
        beginning = common_beginning(prepared)
        batches = batches_by_beginning(prepared, model.tokens_per_batch, len(beginning))
        # A single batch shares its beginning anyhow, without a pass of its own.
        return batches, beginning if len(batches) > 1 else ()

    def layers(self, text: str, prompt: str = "prompteol") -> np.ndarray:
        """The pooled state after each layer, each seen through the final norm.

        Returns:
            (n_layers + 1, d_model) float32: the input embedding, then every layer; the last
            row is the row of ``encode``.
        """
        sequence = self.prepare([text], prompt)[0]
        model = self._model
        with self._turn(silent, 0, 1):
            return model.layers(sequence)

    def unigram(self, texts: Sequence[str], *, progress: Progress = silent) -> np.ndarray:
        """The model's own token frequencies: the mean of softmax(logits) over all positions.

        The logits are the model's: bias, scale and soft cap included. Positions are those of
        the texts' tokens (at most 512 a text), each weighing the same.

        Returns:
            (d_vocab,) float64, positive but for underflow, with sum 1.
        """
        prepared = self.prepare(texts, "mean", progress=progress)
        model = self._model
        total = np.zeros(model.d_vocab)
        positions = done = 0
        for batch in batches_by_length(prepared, model.tokens_per_batch):
            copies = np.bincount(batch.source, minlength=len(batch.sequences))
            with self._turn(progress, done, len(texts)):
                total += model.summed_predictions(batch.sequences, copies, lambda: self._beat())
            positions += sum(
                int(n) * (len(s.ids) - s.start)
                for n, s in zip(copies, batch.sequences, strict=True)
            )
            done += len(batch.rows)
            progress("Asking the model for its token frequencies", done, len(texts), "texts")
        if not positions:
            raise InputError("no texts were given; the model's token frequencies need at least one")
        return total / positions

    @property
    def work(self) -> Work:
        """What was computed so far, counted: passes and tokens."""
        return self._model.work

    @property
    def n_layers(self) -> int:
        """Layers of the model, which is loaded if it was not."""
        return self._model.n_layers

    @property
    def _model(self) -> Backbone:
        with self._loading:
            if self._loaded is None:
                self._loaded = open_backbone(
                    self.checkpoint,
                    self._config,
                    self.device,
                    self.dtype,
                    beat=lambda: self._beat(),
                    threads=self.threads,
                )
            return self._loaded

    def _turn(self, progress: Progress, done: int, total: int) -> "_Turn":
        return _Turn(self, progress, done, total)


def _still() -> None:
    """No heartbeat is wanted."""


class _Turn:
    """One batch's turn at the model, with the listener heard between the model's layers."""

    def __init__(self, encoder: Encoder, progress: Progress, done: int, total: int) -> None:
        self._encoder = encoder
        self._progress = progress
        self._done = done
        self._total = total
        self._last = time.monotonic()

    def __enter__(self) -> None:
        self._encoder._turns.__enter__()
        self._last = time.monotonic()
        self._encoder._beat = self._beat

    def __exit__(self, *raised: Any) -> None:
        self._encoder._beat = _still
        self._encoder._turns.__exit__(*raised)

    def _beat(self) -> None:
        now = time.monotonic()
        if now - self._last >= _BEAT:
            self._last = now
            self._progress("Encoding", self._done, self._total, "texts")
