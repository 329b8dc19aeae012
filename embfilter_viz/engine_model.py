"""A model whose texts a served engine reads, and whose head is read on this machine.

It is asked as any other model is. What needs the layers themselves says so in one line.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np

from embfilter_viz.errors import InputError
from embfilter_viz.model import Model
from embfilter_viz.models.card import ModelCard, check_fits
from embfilter_viz.models.encoding.encoder import Encoder
from embfilter_viz.models.encoding.prepared import Prepared
from embfilter_viz.models.encoding.prompts import GENEOL, Prompt
from embfilter_viz.models.engines.encoder import EngineEncoder
from embfilter_viz.models.engines.engine import Engine
from embfilter_viz.models.engines.identify import Found, identify
from embfilter_viz.models.engines.line import IN_FLIGHT, Line
from embfilter_viz.models.engines.names import EngineName
from embfilter_viz.models.engines.trial import Trial, dialect_of, still_answers, try_engine
from embfilter_viz.models.head.frequencies import TokenFrequencies
from embfilter_viz.models.head.languages import ENGLISH
from embfilter_viz.models.outline import Checkpoint, Outline
from embfilter_viz.models.sources.locate import find_whole
from embfilter_viz.store import Records, Store
from embfilter_viz.system.progress import Progress, silent, with_heartbeat

__all__ = ["EngineModel"]

_VERSION = 1
"""Raised whenever what a kept trial means changes."""


class EngineModel(Model):
    """A served engine with the head of a checkpoint, made by :func:`~embfilter_viz.open_model`.

    Opening it asks nobody. With the first text the engine is tried (``models/engines/trial.py``);
    what was found is kept, and found again when the engine says that it is another or answers two
    texts in another way. Embeddings are kept by the engine's address, its name of the model, the
    head and what the engine answered when it was tried, so never beside those of another.

    Args:
        outline: of the checkpoint whose head, tokenizer and configuration are read.
        engine: the engine and its model.
        in_flight: requests that run at once.
        dtype: the precision that the engine must compute in at least.
        store: where results are kept.
        line: the way to the engine, made from the address if not given.
        device: where the local layers run that the engine is held against.
    """

    def __init__(
        self,
        outline: Outline,
        engine: EngineName,
        *,
        in_flight: int = IN_FLIGHT,
        dtype: str = "float32",
        store: Store | None = None,
        line: Line | None = None,
        device: str = "auto",
    ) -> None:
        super().__init__(outline, device=device, dtype=dtype, store=store)
        self.engine = engine
        self.line = line or Line(engine.url, in_flight=in_flight)
        self._records = Records()
        self._trial: Trial | None = None

    @property
    def name(self) -> str:
        """Return what the user typed to choose it."""
        return str(self.engine)

    @cached_property
    def card(self) -> ModelCard:
        """Return what the checkpoint is; texts are read by the engine, whatever the memory."""
        return replace(super().card, name=self.name, only_head=None, content_hash=None)

    @cached_property
    def identity(self) -> str:
        """Names this model among all that are open, for keys in memory; reads nothing."""
        return f"{super().identity} read by {self.name}"

    @property
    def can_encode(self) -> bool:
        """Tell whether texts can be read: by the engine, whatever the memory here."""
        return True

    @property
    def is_whole(self) -> bool:
        """Tell whether the engine was tried since this model was opened."""
        return self._trial is not None

    @property
    def loaded(self) -> str:
        """Return what of its tensors was read and what was left, in words."""
        return f"{super().loaded.partition(':')[0]}: the head alone; texts go to {self.engine.url}"

    @property
    def encoded(self) -> dict[str, Any] | None:
        """Name the engine that texts were read by, and say how, if any were asked for."""
        trial = self._trial
        if trial is None:
            return None
        return {
            "engine": trial.engine, "url": self.engine.url, "served": trial.served,
            "gives": trial.gives, "normalised": trial.normalised, "dtype": self.dtype,
            "lowest_cosine": trial.lowest_cosine, "largest_deviation": trial.largest_deviation,
            "tested_against": trial.against, "sentence": self.encoded_sentence,
        }  # fmt: skip

    @property
    def encoded_sentence(self) -> str:
        """Say by what texts were read; empty before any was."""
        trial = self._trial
        if trial is None:
            return ""
        lengths = ""
        if trial.normalised:
            lengths = (
                " Cosines before and after a window are right; logits, means over texts and what "
                "else depends on the lengths of states are those of vectors of length 1."
            )
        return f"Texts were read by {self.engine.url}: {trial.sentence}{lengths}"

    @property
    def normalised(self) -> bool:
        """Tell whether the engine's vectors are of length 1, which is known once it was tried."""
        return self._trial is not None and self._trial.normalised

    @property
    def default_frequencies(self) -> str:
        """Return where token frequencies come from if nothing is said: an engine predicts none."""
        return "wordfreq"

    @property
    def trial(self) -> Trial:
        """Return what the engine was found to answer; it is tried if it was not."""
        self.fetch()
        assert self._trial is not None
        return self._trial

    def fetch(self, *, progress: Progress = silent) -> Checkpoint:
        """Try the engine where that was not done, and name what it reads texts with.

        Nothing of the checkpoint is fetched.

        Args:
            progress: told of the work; may raise ``Cancelled``.

        Returns:
            the checkpoint, under a hash of the engine, its model, the head and its answers.

        Raises:
            InputError: the engine cannot be reached, serves another model, or answers something
                that cannot be used as it is; in one line.
        """
        while not self._fetching.acquire(timeout=0.2):
            progress("waiting for the test of the engine", 0, 0, "")
        try:
            if self._trial is None or self._whole is None:
                self._trial = self._tried(progress)
                said = {**self._place(progress), "weights": self._trial.weights}
                digest = hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()
                self._whole = Checkpoint(self.outline, digest)
            return self._whole
        finally:
            self._fetching.release()

    @property
    def encoder(self) -> EngineEncoder:
        """The reader of texts."""
        trial = self.trial
        return self._opened(
            "encoder",
            lambda: EngineEncoder(
                self.outline,
                trial,
                self.line,
                dtype=self.dtype,
                vocabulary=self.vocabulary,
                d_model=self.d_model,
            ),
        )

    def frequencies(
        self,
        source: str = "wordfreq",
        texts: Sequence[str] | None = None,
        *,
        alpha: float = 1.0,
        language: str = ENGLISH,
        whole: bool = False,
        progress: Progress = silent,
    ) -> TokenFrequencies:
        """Token frequencies p̂ over the vocabulary, see :meth:`Model.frequencies`.

        Args:
            source: ``wordfreq`` or ``corpus``.
            texts: the texts to count over.
            alpha: additive smoothing, in counts.
            language: of ``wordfreq``.
            whole: not used: no model is run.
            progress: told of the work.

        Returns:
            p̂ with its source.

        Raises:
            InputError: the source ``model``, whose predictions an engine does not give; and as
                :meth:`Model.frequencies`.
        """
        if source == "model":
            raise InputError(
                f"frequencies 'model': they are the model's predictions at every token, and "
                f"{self.engine.url} gives vectors alone; take wordfreq, or open "
                f"{self.engine.checkpoint} itself"
            )
        return super().frequencies(
            source, texts, alpha=alpha, language=language, whole=whole, progress=progress
        )

    @cached_property
    def prompts(self) -> tuple[str, ...]:
        """The prompts it can be read with: an engine of vectors writes no rewritings."""
        return tuple(name for name in super().prompts if name != GENEOL.name)

    @property
    def read_by(self) -> str:
        """Name the engine, without its address; known once it was tried."""
        return "a served engine" if self._trial is None else self._trial.engine

    def check_layers(self, what: str) -> None:
        """Refuse what needs the layers: a served engine gives vectors alone.

        Raises:
            InputError: always.
        """
        raise InputError(
            f"{what}, and {self.engine.url} gives vectors alone; open {self.engine.checkpoint} "
            "itself"
        )

    def check_lengths(self, what: str) -> None:
        """Refuse what needs the lengths of states, where the engine normalises them away.

        Raises:
            InputError: it does.
        """
        if self.trial.normalised:
            raise InputError(
                f"{what} needs the lengths of the states, and {self.trial.engine} gives vectors of "
                f"length 1; {dialect_of(self.trial).ways_out.get('states', 'take vLLM')}, or open "
                f"{self.engine.checkpoint} itself"
            )

    def _averaged(
        self,
        read: Callable[..., np.ndarray],
        texts: Sequence[str],
        asked: Prompt,
        progress: Progress,
    ) -> np.ndarray:
        self.fetch(progress=progress)
        self.check_lengths(f"prompt {asked.words}: the mean over {asked.averages}")
        return super()._averaged(read, texts, asked, progress)

    def _place(self, progress: Progress) -> dict[str, Any]:
        """Name the engine, its model and the head."""
        return {
            "version": _VERSION, "url": self.engine.url, "served": self.engine.served,
            "checkpoint": self.engine.checkpoint, "head": self._digest(progress),
            "tokenizer": self._tokenizer_digest, "dtype": self.dtype,
        }  # fmt: skip

    def _tried(self, progress: Progress) -> Trial:
        """The trial that was kept, where the engine is as it was, or a new one."""

        def work(told: Progress) -> Trial:
            told("Asking the engine what it is", 0, 0, "")
            found = identify(self.line, self.engine)
            key = self._place(told)
            kept = self._kept(key)
            same = kept is not None and self._answers_as(kept)
            if kept is not None and same and kept.fingerprint == found.fingerprint:
                return kept
            trial = self._try(found, told)
            if kept is not None and same:
                # Another release of the same model: what it read before is still right.
                trial = replace(trial, weights=kept.weights, reference=kept.reference)
            self._records.put("engines", key, trial.to_json())
            return trial

        return with_heartbeat(work, progress, "Testing the engine")

    def _kept(self, key: dict[str, Any]) -> Trial | None:
        said = self._records.get("engines", key)
        with suppress(TypeError, KeyError):
            return None if said is None else Trial.of_json(said)
        return None

    def _answers_as(self, kept: Trial) -> bool:
        engine = Engine(self.line, dialect_of(kept), self.vocabulary, self.d_model)
        return still_answers(kept, engine, self._reader, self.dtype)

    @cached_property
    def _reader(self) -> Encoder:
        """A preparer of texts; its layers are never loaded."""
        return Encoder(self.outline, vocabulary=self.vocabulary)

    def _try(self, found: Found, progress: Progress) -> Trial:
        local = self._local()

        def pooled(sequences: Sequence[Prepared]) -> np.ndarray:
            assert local is not None
            return local.pooled(sequences, progress=progress)

        return try_engine(
            self.line,
            found,
            self._reader,
            self.vocabulary,
            self.unembedding.W_U,
            local=None if local is None else pooled,
            dtype=self.dtype,
            checkpoint=self.engine.checkpoint,
            progress=progress,
        )

    def _local(self) -> Encoder | None:
        """The checkpoint's own layers, where they are on this machine and fit in memory."""
        whole = find_whole(self.outline)
        if whole is None and not (self.outline.kind == "folder" and self.outline.here):
            return None
        outline = self.outline if whole is None else whole.outline
        try:
            check_fits(outline)
        except InputError:
            return None
        return Encoder(outline, device=self._asked_device, vocabulary=self.vocabulary)
