"""Texts to embeddings by a served engine: prompts and cuts are ours, the states are its own."""

from collections.abc import Iterator, Sequence
from typing import Any, NoReturn

import numpy as np

from embfilter_viz.errors import InputError
from embfilter_viz.models.encoding.devices import Precision
from embfilter_viz.models.encoding.encoder import Encoder
from embfilter_viz.models.encoding.prepared import Prepared
from embfilter_viz.models.engines.engine import Engine
from embfilter_viz.models.engines.line import Line
from embfilter_viz.models.engines.trial import Trial, dialect_of
from embfilter_viz.models.head.vocabulary import Vocabulary
from embfilter_viz.models.outline import Outline
from embfilter_viz.system.progress import Progress, silent

__all__ = ["EngineEncoder"]

_WHAT = "Encoding"


class EngineEncoder(Encoder):
    """A served engine that reads texts as the checkpoint's own layers would.

    Texts are put into the prompt and cut on this machine, by the checkpoint's tokenizer. What needs
    more of a model than its last states (layers, routers, predictions, writing) is refused in one
    line.

    Args:
        outline: of the checkpoint; its tokenizer and configuration are read.
        trial: what the engine was found to answer.
        line: the way to it.
        dtype: the precision it was tried for.
        vocabulary: the tokens of the checkpoint.
        d_model: numbers of a state.
    """

    def __init__(
        self,
        outline: Outline,
        trial: Trial,
        line: Line,
        *,
        dtype: Precision,
        vocabulary: Vocabulary,
        d_model: int,
    ) -> None:
        super().__init__(outline, dtype=dtype, vocabulary=vocabulary)
        self.trial = trial
        self.engine = Engine(line, dialect_of(trial), vocabulary, d_model)

    def encode_batches(
        self, texts: Sequence[str], prompt: str = "prompteol", *, progress: Progress = silent
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """The embeddings of ``texts``, request by request as they are answered.

        Args:
            texts: any texts.
            prompt: one whose pooling the engine gives.
            progress: told texts as they are done; may raise ``Cancelled``.

        Yields:
            rows (m,) int64 of ``texts``, each row exactly once in all, and their embeddings
            (m, d_model) float32: of length 1 where the engine normalises.

        Raises:
            InputError: as ``Encoder.encode``; a prompt that needs another pooling or another layer
                than the engine gives; an engine that cannot be reached, refuses or answers wrong.
        """
        asked = self.prompt(prompt)
        if asked.layer is not None:
            self._refuse(f"the states after layer {asked.layer}, which {asked.words} reads")
        prepared = self.prepare(texts, prompt, progress=progress)
        for sequence in prepared:
            self._check_pooling(sequence, asked.words)
        done, total = 0, len(texts)

        def beat() -> None:
            progress(_WHAT, done, total, "texts")

        beat()
        for places, states in self.engine.states(prepared, beat=beat):
            vectors = np.stack(
                [self._pool(prepared[i], one) for i, one in zip(places, states, strict=True)]
            )
            yield np.array(places, dtype=np.int64), self._finished(vectors, prompt)
            done += len(places)
            beat()

    def _pool(self, sequence: Prepared, states: np.ndarray) -> np.ndarray:
        """(d_model,) float32 the embedding of one sequence from what came for it."""
        if self.trial.gives != "tokens":
            return states[0]
        if len(states) != len(sequence.ids):
            raise InputError(
                f"{self.trial.engine} answers {len(states)} states for {len(sequence.ids)} tokens; "
                "start it so that it reads prompts of up to 512 tokens whole"
            )
        mean: np.ndarray = states[sequence.start :].mean(axis=0, dtype=np.float64)
        return mean.astype(np.float32)

    def _check_pooling(self, sequence: Prepared, words: str) -> None:
        """Refuse a prompt whose pooling the engine does not give.

        Raises:
            InputError: it does not.
        """
        gives, ways = self.trial.gives, self.engine.dialect.ways_out
        last, whole = sequence.start == len(sequence.ids) - 1, sequence.start == 0
        if last and gives == "mean" and not whole:
            met, needed, way = "the mean of the states", "the last", ways.get("last")
        elif not last and gives == "last":
            kind = "mean" if whole and "mean" in ways else "tokens"
            met, needed, way = "the last state alone", "the mean of several", ways.get(kind)
        elif not last and not whole and gives == "mean":
            met, needed = "the mean of all states", "the mean of some of them"
            way = ways.get("tokens")
        elif not last and gives == "tokens" and self.trial.normalised:
            met, needed = "states of length 1", "the mean of states of their own lengths"
            way = ways.get("states")
        else:
            return
        raise InputError(
            f"{self.trial.engine} answers {met}; the prompt {words} needs {needed}: "
            f"{way or 'start it with that pooling'}, or open {self.outline.name} itself"
        )

    def _refuse(self, what: str) -> NoReturn:
        raise InputError(
            f"{self.trial.engine} gives the states after the last layer alone, and this needs "
            f"{what}; open {self.outline.name} itself"
        )

    @property
    def n_layers(self) -> int:
        """Layers of the checkpoint, by its configuration."""
        from embfilter_viz.models.families import layers_of

        return layers_of(self.outline.config, self.outline.stored)

    @property
    def _model(self) -> Any:
        self._refuse("states between its layers, its routers or its predictions")
