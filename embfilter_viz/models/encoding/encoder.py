"""Texts to embeddings: batches, order, turns. The arithmetic is in ``backbone``."""

import time
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from threading import Lock
from typing import Any

import numpy as np

from embfilter_viz.errors import InputError
from embfilter_viz.models import families
from embfilter_viz.models.encoding.backbone import Backbone, open_backbone
from embfilter_viz.models.encoding.batches import Batch, batches_by_beginning, batches_by_length
from embfilter_viz.models.encoding.devices import Precision, check_precision, resolve_device
from embfilter_viz.models.encoding.packed import Work
from embfilter_viz.models.encoding.packing import common_beginning
from embfilter_viz.models.encoding.prepared import (
    Prepared,
    check_template_fits,
    longest_read,
    prepare,
)
from embfilter_viz.models.encoding.prompts import PUBLISHED, Prompt, find_prompt
from embfilter_viz.models.encoding.published import (
    Published,
    PublishedTokens,
    prompt_of,
    read_published,
)
from embfilter_viz.models.encoding.rewriting import (
    KINDS,
    RECIPE,
    Recipe,
    Rewritten,
    ask,
    line_of,
)
from embfilter_viz.models.encoding.token_states import TokenStates
from embfilter_viz.models.encoding.unigram import HalfSums, Unigram, rounds_of
from embfilter_viz.models.encoding.writing import Sampling
from embfilter_viz.models.head.unembedding import stored_head
from embfilter_viz.models.head.vocabulary import Vocabulary
from embfilter_viz.models.outline import Outline
from embfilter_viz.system.progress import Progress, silent
from embfilter_viz.system.turns import Turns

__all__ = ["Encoder"]

_PREPARED_AT_ONCE = 512
"""Texts tokenised between two looks at the listener: a tenth of a second."""
_PROBES = (
    "A storm closed the harbour for two days.",
    "A storm closed the road over the pass, so the village had no bread until Monday.",
)
"""What is read in several ways when a model is opened, see ``Backbone.check_ways``."""
_SHORTEST = 1e-12
"""What a length counts for at least where one divides by it, as in torch's ``normalize``."""
_REWRITING = "Rewriting texts"
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
        outline: of a checkpoint that is whole on this machine.
        device: where the model runs: ``cpu``, ``cuda``, ``mps``, or ``auto``, the fastest here.
        dtype: in what precision it runs there; embeddings come back as float32.
        threads: of the processor; all cores but one if not given.
        vocabulary: its tokens, where they were opened already.

    Raises:
        InputError: an absent device, or an unknown precision.
    """

    def __init__(
        self,
        outline: Outline,
        device: str = "cpu",
        dtype: Precision = "float32",
        threads: int | None = None,
        vocabulary: Vocabulary | None = None,
    ) -> None:
        self.outline = outline
        self.device = resolve_device(device)
        self.dtype = check_precision(dtype)
        self.threads = threads
        self._vocabulary = vocabulary
        self._loading = Lock()
        self._turns = Turns()
        self._loaded: Backbone | None = None
        self._beat: Callable[[], None] = _still

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """The tokens of the checkpoint."""
        return self._vocabulary or Vocabulary.of(self.outline, self._n_rows)

    @cached_property
    def max_tokens(self) -> int:
        """Tokens a prompt may have: 512, or what the model was made for if that is less."""
        return longest_read(self.outline)

    def prompt(self, name: str) -> Prompt:
        """The prompt called ``name`` in the words used for this model's family.

        Raises:
            InputError: no such prompt.
        """
        return prompt_of(self.outline, name)

    @cached_property
    def _published(self) -> Published:
        """Say how its makers have it read, for an embedder."""
        return read_published(self.outline)

    @cached_property
    def _published_tokens(self) -> PublishedTokens:
        return PublishedTokens(self._published, self.outline)

    def longest(self, prompt: str) -> int:
        """Tokens a text may have under a prompt, template and special tokens included.

        Raises:
            InputError: no such prompt.
        """
        return self._published_tokens.max_tokens if _is_published(prompt) else self.max_tokens

    def prepare(
        self, texts: Sequence[str], prompt: str = "prompteol", *, progress: Progress = silent
    ) -> list[Prepared]:
        """Return what the model will read for each of ``texts``, and where each was cut.

        Raises:
            InputError: an empty text (named by its row), an unknown prompt, or one of several
                templates, which gives no one sequence.
        """
        read = self._reader(prompt)
        prepared = []
        for row, text in enumerate(texts):
            try:
                prepared.append(read(text))
                self._check_ids(prepared[-1])
            except InputError as error:
                where = f"row {row + 1} of {len(texts):,}: " if len(texts) > 1 else ""
                raise InputError(f"{where}{error}") from error
            if (row + 1) % _PREPARED_AT_ONCE == 0:
                progress("Encoding", 0, len(texts), "texts")
        return prepared

    def _reader(self, prompt: str) -> Callable[[str], Prepared]:
        """Return what tokenises a text under a prompt."""
        if _is_published(prompt):
            return self._published_tokens.prepare
        asked = self.prompt(prompt)
        if asked.members:
            way_out = "take another prompt" if asked.rewritings else "pick one of them"
            under = f"as {asked.averages}" if asked.rewritings else f"under {asked.averages}"
            raise InputError(
                f"prompt {asked.words}: a text is read {under}, so it is no one list of tokens; "
                f"{way_out}"
            )
        if asked.is_own:
            check_template_fits(self.vocabulary, asked, self.max_tokens)
        return lambda text: prepare(self.vocabulary, asked, text, self.max_tokens)

    @cached_property
    def _n_rows(self) -> int:
        """Rows of the input embedding: token ids are below."""
        stored = self.outline.stored
        name = next(families.embedding_names(stored), None)  # a tied one may be stored as head
        entry = stored_head(self.outline)[0] if name is None else stored[name]
        return entry.shape[0]

    def _check_ids(self, prepared: Prepared) -> None:
        largest = max(prepared.ids)
        if largest >= self._n_rows:
            token = self.vocabulary.tokenizer.id_to_token(largest)
            raise InputError(
                f"the text has the token {token!r} (id {largest:,}), and the model has rows for "
                f"{self._n_rows:,} tokens alone; leave it out, or take the tokenizer of this model"
            )

    def truncated(self, texts: Sequence[str], prompt: str = "prompteol") -> np.ndarray:
        """(n,) bool: which of ``texts`` are longer than the model is given to read."""
        return np.array([p.truncated for p in self.prepare(texts, prompt)], dtype=bool)

    def encode(
        self, texts: Sequence[str], prompt: str = "prompteol", *, progress: Progress = silent
    ) -> np.ndarray:
        """Embeddings of ``texts``: pooled hidden states of one layer, after the last norm.

        Args:
            texts: any texts; over 512 tokens with the prompt, a text is cut (``truncated``).
            prompt: by name, see ``prompts``; of an embedder ``published``, which has a length of
                its own. It says the layer too, the last if nothing else.
            progress: told texts as they are done; may raise ``Cancelled``.

        Returns:
            (n, d_model) float32, in the order of ``texts``, not normalised but where an embedder
            is read as published and its makers do so.

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
        prepared = self.prepare(texts, prompt, progress=progress)
        layer = self.prompt(prompt).layer
        for rows, vectors in self._read_batches(prepared, layer, progress):
            yield rows, self._finished(vectors, prompt)

    def pooled(self, sequences: Sequence[Prepared], *, progress: Progress = silent) -> np.ndarray:
        """The mean of the states of ``ids[start:]`` of token sequences: (n, d_model) float32.

        Args:
            sequences: any tokens of the model, whatever the prompt they came from.
            progress: told sequences as they are done; may raise ``Cancelled``.

        Returns:
            one row a sequence, in their order.
        """
        found = np.empty((len(sequences), self._model.d_model), np.float32)
        for rows, vectors in self._read_batches(sequences, None, progress):
            found[rows] = vectors
        return found

    def _read_batches(
        self, prepared: Sequence[Prepared], layer: int | None, progress: Progress
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        batches, beginning = self._planned(prepared)
        done = 0
        for batch in batches:
            with self._turn(progress, done, len(prepared)):
                vectors = self._model.pooled(batch.sequences, beginning, layer)
            yield batch.rows, vectors[batch.source]
            done += len(batch.rows)
            progress("Encoding", done, len(prepared), "texts")

    def route_batches(
        self, texts: Sequence[str], prompt: str = "prompteol", *, progress: Progress = silent
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """The router embeddings of ``texts``, batch by batch as :meth:`encode_batches` gives them.

        Yields:
            rows (m,) int64 of ``texts``, each row exactly once in all, and the softmax of every
            router over its experts, pooled as the prompt pools states and joined layer by layer:
            (m, n_routers · n_experts) float32.

        Raises:
            InputError: as :meth:`encode`, and a model without routers.
        """
        prepared = self.prepare(texts, prompt, progress=progress)
        model = self._model
        done = 0
        for batch in batches_by_length(prepared, model.tokens_per_batch if model.pads else 1):
            with self._turn(progress, done, len(texts)):
                vectors = model.routed(batch.sequences)
            yield batch.rows, vectors[batch.source]
            done += len(batch.rows)
            progress("Encoding", done, len(texts), "texts")

    def _planned(self, prepared: Sequence[Prepared]) -> tuple[list[Batch], tuple[int, ...]]:
        """Batches, and the tokens that all of them begin with: computed before the first."""
        model = self._model
        if not model.packs or not prepared:
            return batches_by_length(prepared, model.tokens_per_batch if model.pads else 1), ()
        beginning = common_beginning(prepared)
        batches = batches_by_beginning(prepared, model.tokens_per_batch, len(beginning))
        # A single batch shares its beginning anyhow, without a pass of its own.
        return batches, beginning if len(batches) > 1 else ()

    def layers(self, text: str, prompt: str = "prompteol") -> np.ndarray:
        """The pooled state after each layer, each seen through the final norm.

        Returns:
            (n_layers + 1, d_model) float32: the input embedding, then every layer up to the one
            that the prompt reads, the last if it does not say; the last row is the row of
            ``encode``.
        """
        sequence = self.prepare([text], prompt)[0]
        model = self._model
        with self._turn(silent, 0, 1):
            return self._finished(model.layers([sequence])[0], prompt)[: self._read(prompt)]

    def token_states(self, text: str, prompt: str = "prompteol") -> TokenStates:
        """The state of every token of the prompt after each layer, through the final norm.

        Pooled as the prompt has it, they are what :meth:`layers` gives, of the same layers; where
        an embedder's makers normalise embeddings, each state is of length 1 instead.

        Raises:
            InputError: an empty text, an unknown prompt, or a model whose layers cannot be read.
        """
        sequence = self.prepare([text], prompt)[0]
        model = self._model
        with self._turn(silent, 0, 1):
            states = self._finished(model.layers_of_tokens(sequence), prompt)[: self._read(prompt)]
        return TokenStates(sequence.ids, sequence.start, sequence.truncated, states)

    def layer_means(
        self, texts: Sequence[str], prompt: str = "prompteol", *, progress: Progress = silent
    ) -> np.ndarray:
        """The mean over texts of what :meth:`layers` gives: (n_layers + 1, d_model) float64.

        Raises:
            InputError: no texts, an empty one, an unknown prompt, or a model whose layers cannot
                be read.
        """
        if not texts:
            raise InputError("no texts were given; a mean over texts needs at least one")
        prepared = self.prepare(texts, prompt, progress=progress)
        model = self._model
        total: np.ndarray | float = 0.0
        done = 0
        for batch in batches_by_length(prepared, model.tokens_per_batch if model.pads else 1):
            copies = np.bincount(batch.source, minlength=len(batch.sequences)).astype(np.float64)
            with self._turn(progress, done, len(texts)):
                states = self._finished(model.layers(batch.sequences), prompt)
                total = total + np.tensordot(copies, states, axes=1)
            done += len(batch.rows)
            progress("Reading texts, layer by layer", done, len(texts), "texts")
        return np.asarray(total / len(texts))[: self._read(prompt)]

    def _read(self, prompt: str) -> int:
        """Rows of a table of layers up to the one that the prompt reads, the input included."""
        layer = self.prompt(prompt).layer
        return 1 + (self.n_layers if layer is None else layer)

    def _finished(self, vectors: np.ndarray, prompt: str) -> np.ndarray:
        """Pooled states (…, d) as the prompt hands them out: of length 1 where it normalises."""
        if not (_is_published(prompt) and self._published.normalised):
            return vectors
        lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
        return vectors / np.maximum(lengths, np.float32(_SHORTEST))

    def rewrite(
        self, texts: Sequence[str], recipe: Recipe = RECIPE, *, progress: Progress = silent
    ) -> Iterator[Rewritten]:
        """Have the model write rewritings of each text, see ``rewriting``.

        Each text's are written side by side, with nothing of another text beside them: what is in
        the set changes none of them. It costs a pass over m prompts a text and then one a token.

        Args:
            texts: any texts; in the prompt a line's end is a space.
            recipe: how they are sampled.
            progress: told texts as they are done; may raise ``Cancelled``.

        Yields:
            each text with its rewritings, in the order of ``texts``.

        Raises:
            InputError: an empty text, a model without a head, or one that cannot generate.
        """
        model = self._model
        special = {
            id for id, token in self.vocabulary.tokenizer.get_added_tokens_decoder().items()
            if token.special
        } | {self.vocabulary.eos}  # fmt: skip
        for done, text in enumerate(texts):
            progress(_REWRITING, done, len(texts), "texts")
            n = recipe.tokens_for(len(self.vocabulary.encode(text)))
            sequences, draws = self._asked(text, recipe, n)
            how = Sampling(
                draws, recipe.temperature, recipe.top_p, recipe.top_k,
                n_tokens=min(self.vocabulary.size, self._n_rows),
                ends=lambda ids: ids[-1] in special or "\n" in self._said(ids).lstrip(),
            )  # fmt: skip
            with self._turn(progress, done, len(texts), _REWRITING) as turn:
                found = model.write(sequences, how, turn.pass_on)
            yield Rewritten.of(
                text,
                [
                    (kind, line_of(self._said(ids[:-1] if ids[-1] in special else ids)), len(ids))
                    for (kind, _), ids in zip(recipe.asks, found, strict=True)
                ],
            )
        progress(_REWRITING, len(texts), len(texts), "texts")

    def _asked(self, text: str, recipe: Recipe, n: int) -> tuple[list[Prepared], np.ndarray]:
        """Return what the model reads before each rewriting, and (m, n) numbers to draw with."""
        line, room = " ".join(text.split()), self.max_tokens - n
        reads = {}
        for kind in KINDS:
            check_template_fits(self.vocabulary, ask(kind), room)
            reads[kind] = prepare(self.vocabulary, ask(kind), line, room)
        draws = [recipe.draws(text, kind, number, n) for kind, number in recipe.asks]
        return [reads[kind] for kind, _ in recipe.asks], np.stack(draws)

    def _said(self, ids: Sequence[int]) -> str:
        return self.vocabulary.tokenizer.decode(list(ids), skip_special_tokens=False)

    def unigram(
        self,
        texts: Sequence[str],
        *,
        good_enough: float | None = None,
        progress: Progress = silent,
    ) -> Unigram:
        """The model's own token frequencies: the mean of softmax(logits) over positions.

        The logits are the model's: bias, scale and soft cap included. Positions are those of
        the texts' tokens (at most 512 a text), each weighing the same.

        Args:
            texts: any texts; a repeated one counts each time.
            good_enough: an error (:attr:`HalfSums.error`) at which reading ends, with texts taken
                in a random order that is the same each time; all are read if not given.
            progress: told texts as they are done; may raise ``Cancelled``.

        Raises:
            InputError: no texts, or an empty one.
        """
        prepared = self.prepare(texts, "mean", progress=progress)
        if not prepared:
            raise InputError("no texts were given; the model's token frequencies need at least one")
        available = sum(len(one.ids) - one.start for one in prepared)
        sums, done = HalfSums(), 0
        rounds, of = [np.arange(len(texts))], len(texts)
        if good_enough is not None:
            rounds, of = rounds_of(len(texts)), 0  # nobody knows how many it takes
        for rows in rounds:
            summed, positions = self._predicted([prepared[i] for i in rows], done, of, progress)
            sums.add(summed, positions)
            done += len(rows)
            if good_enough is not None and done < len(texts) and sums.enough(good_enough):
                return Unigram(sums.mean, sums.positions, available, sums.error)
        return Unigram(sums.mean, available, available, None)

    def _predicted(
        self, prepared: Sequence[Prepared], before: int, of: int, progress: Progress
    ) -> tuple[np.ndarray, int]:
        """(d_vocab,) float64 predictions summed over the positions of some texts, and how many.

        Args:
            prepared: the texts as the model reads them.
            before: positions counted before.
            of: positions in all.
            progress: told of the work.

        Returns:
            the summed predictions, and over how many positions.
        """
        model = self._model
        total: np.ndarray | float = 0.0
        positions = done = 0
        for batch in batches_by_length(prepared, model.tokens_per_batch if model.pads else 1):
            copies = np.bincount(batch.source, minlength=len(batch.sequences))
            with self._turn(progress, before + done, of):
                total = total + model.summed_predictions(
                    batch.sequences, copies, lambda: self._beat()
                )
            positions += sum(
                int(n) * (len(s.ids) - s.start)
                for n, s in zip(copies, batch.sequences, strict=True)
            )
            done += len(batch.rows)
            progress("Asking the model for its token frequencies", before + done, of, "texts")
        return np.asarray(total), positions

    @property
    def work(self) -> Work:
        """Return what was computed so far, counted: passes and tokens."""
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
                    self.outline,
                    self.device,
                    self.dtype,
                    probes=self.prepare(_PROBES, "mean"),
                    beat=lambda: self._beat(),
                    threads=self.threads,
                )
            return self._loaded

    def _turn(self, progress: Progress, done: int, total: int, what: str = "Encoding") -> "_Turn":
        return _Turn(self, progress, done, total, what)


def _is_published(prompt: str) -> bool:
    return find_prompt(prompt).base == PUBLISHED.name


def _still() -> None:
    """No heartbeat is wanted."""


class _Turn:
    """One batch's turn at the model, with the listener heard between the model's layers.

    Args:
        encoder: whose batch it is.
        progress: told of the work.
        done: texts done before.
        total: texts in all.
        what: what is being done.
    """

    def __init__(
        self, encoder: Encoder, progress: Progress, done: int, total: int, what: str
    ) -> None:
        self._encoder = encoder
        self._progress = progress
        self._done = done
        self._total = total
        self._what = what
        self._last = time.monotonic()

    def __enter__(self) -> "_Turn":
        self._encoder._turns.__enter__()
        self._last = time.monotonic()
        self._encoder._beat = self._beat
        return self

    def __exit__(self, *raised: Any) -> None:
        self._encoder._beat = _still
        self._encoder._turns.__exit__(*raised)

    def pass_on(self) -> None:
        """Let others have their turn, in the middle of long work of many passes."""
        last = self._last
        self.__exit__(None, None, None)
        self.__enter__()
        self._last = last  # the listener is heard as often as before

    def _beat(self) -> None:
        now = time.monotonic()
        if now - self._last >= _BEAT:
            self._last = now
            self._progress(self._what, self._done, self._total, "texts")
