"""One opened model: everything the pages, the command line and a notebook ask of it.

Costly parts are made when first asked for and kept: the head and the tokenizer open in moments,
the rest of the checkpoint is fetched, converted and loaded only when texts are encoded, and what
was computed once (the spectrum, the token frequencies, every embedding) comes from the store the
next time, in any process.
"""

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any, TypeVar

import numpy as np

from embfilter_viz.data import demo_texts
from embfilter_viz.errors import InputError
from embfilter_viz.models.card import ModelCard, card, check_fits
from embfilter_viz.models.encoding.devices import Device, check_precision, resolve_device
from embfilter_viz.models.encoding.encoder import Encoder
from embfilter_viz.models.encoding.loading import check_runs_here
from embfilter_viz.models.encoding.prepared import check_template_fits, longest_read
from embfilter_viz.models.encoding.prompts import (
    AVERAGED,
    GENEOL,
    PROMPTS,
    PUBLISHED,
    Prompt,
    find_prompt,
)
from embfilter_viz.models.encoding.published import is_embedder, prompt_of, read_published
from embfilter_viz.models.encoding.rewriting import RECIPE, Recipe, Rewritten
from embfilter_viz.models.encoding.routers import experts_of
from embfilter_viz.models.encoding.token_states import TokenStates
from embfilter_viz.models.encoding.unigram import GOOD_ENOUGH
from embfilter_viz.models.engines.line import IN_FLIGHT
from embfilter_viz.models.engines.names import EngineName, is_engine
from embfilter_viz.models.families import layers_of
from embfilter_viz.models.head.frequencies import (
    TokenFrequencies,
    check_smoothing,
    from_model,
)
from embfilter_viz.models.head.languages import ENGLISH
from embfilter_viz.models.outline import Checkpoint, Outline
from embfilter_viz.models.sources.locate import find_whole, outline, whole
from embfilter_viz.models.sources.names import without_place
from embfilter_viz.opened_head import (
    STORE_VERSION,
    OpenedHead,
    check_no_language,
    digest_of_texts,
)
from embfilter_viz.store import (
    Batches,
    RowStore,
    Store,
    TextStore,
    read_once,
    text_key,
)
from embfilter_viz.system.memory import in_words
from embfilter_viz.system.progress import Progress, silent
from embfilter_viz.texts import checked_texts
from embfilter_viz.wording import listed

__all__ = ["FREQUENCY_SOURCES", "Model", "open_model"]

FREQUENCY_SOURCES = {
    "model": "the model's own next-token probabilities, averaged over texts",
    "wordfreq": "the word frequencies of a language, pushed through the tokenizer",
    "corpus": "token counts over texts of yours",
}
"""Where the token frequencies p̂ can come from; see method.md, section 3."""

T = TypeVar("T")
Read = Callable[[list[str], Progress], Batches]
"""Reads texts batch by batch: their rows and what came out."""

COSTLY_HEAD = 100_000_000
"""Numbers in a head that is asked for its token frequencies at as few positions as it takes: over
the demo texts 262,144 rows of 640 numbers took 46 s to 6 min."""


class Model(OpenedHead):
    """A checkpoint with its head, its vocabulary, its spectrum and its embeddings.

    Made by :func:`open_model`, with its head and vocabulary alone. All methods may be called from
    several threads.

    Results of the whole model are kept by precision, not by device: in one precision, devices
    differ by its rounding, as two batches of one device do.

    Args:
        outline: what the checkpoint holds.
        device: where it runs.
        dtype: its precision.
        store: where results are kept.
    """

    def __init__(
        self,
        outline: Outline,
        *,
        device: str = "auto",
        dtype: str = "float32",
        store: Store | None = None,
    ) -> None:
        super().__init__(outline, store=store)
        self.dtype = check_precision(dtype)
        self._asked_device = device
        self._fetching = threading.Lock()
        self._whole: Checkpoint | None = None
        self._forwarded = 0

    def __repr__(self) -> str:
        return f"Model({self.name!r}, d_vocab={self.d_vocab}, d_model={self.d_model})"

    @cached_property
    def card(self) -> ModelCard:
        """Return what the checkpoint is: family, sizes, precision, source, memory."""
        _ = self.is_whole  # looked for once
        return card(self.outline, self.dtype, self._whole)

    @cached_property
    def device(self) -> Device:
        """Return the device that texts are encoded on; the first call may import torch."""
        return resolve_device(self._asked_device)

    @cached_property
    def identity(self) -> str:
        """Names this model among all that are open, for keys in memory; reads nothing."""
        known = self.outline.identity
        return known if self.dtype == "float32" else f"{known} in {self.dtype}"

    # -- the rest of the checkpoint ---------------------------------------------------------

    @property
    def can_encode(self) -> bool:
        """Tell whether the whole model can be read and fits in memory."""
        return self.outline.only_head is None and self.card.fits

    @property
    def loaded(self) -> str:
        """Return what of its tensors was read and what was left, in words."""
        if "encoder" in self._parts:
            return f"all {in_words(self.card.n_bytes)}"
        size = in_words(self.card.head_bytes)
        if self.head_from is not None:
            return f"{size}: the head of {self.head_from} alone"
        return f"{size} of {in_words(self.card.n_bytes)}: the head alone"

    @property
    def encoded(self) -> dict[str, Any] | None:
        """On what device and in what precision texts were encoded, if any were asked for."""
        if "encoder" not in self._parts:
            return None
        return {"device": self.device, "dtype": self.dtype}

    @property
    def encoded_sentence(self) -> str:
        """Say by what texts were read, where that is out of the ordinary; else empty."""
        if self.dtype == "float32" or self.encoded is None:
            return ""
        return f"Texts were read in {self.dtype} on {self.device}, not in float32."

    @property
    def normalised(self) -> bool:
        """Tell whether the lengths of states are lost, as with some served engines."""
        return False

    @property
    def default_frequencies(self) -> str:
        """Return where token frequencies come from if nothing is said: the model's predictions."""
        return "model"

    @property
    def read_by(self) -> str:
        """Name what reads texts in place of the checkpoint's layers; empty for those."""
        return ""

    def check_layers(self, what: str) -> None:
        """Refuse ``what``, which needs the layers, where a served engine stands for them.

        Raises:
            InputError: one does.
        """

    def check_lengths(self, what: str) -> None:
        """Refuse ``what``, which needs the lengths of states, where those are lost: nowhere here.

        Raises:
            InputError: they are lost, as with some served engines.
        """

    @property
    def is_whole(self) -> bool:
        """Tell whether the whole checkpoint is on this machine and its hash known."""
        with self._lock:
            if self._whole is None:
                self._whole = find_whole(self.outline)
            return self._whole is not None

    def fetch(self, *, progress: Progress = silent) -> Checkpoint:
        """The whole checkpoint: fetched, converted and hashed where that was not done before.

        Args:
            progress: told megabytes; may raise ``Cancelled``.

        Raises:
            InputError: it does not fit in memory, which is known before anything is fetched, or
                cannot be had.
        """
        while not self._fetching.acquire(timeout=0.2):
            progress("waiting for the rest of the model", 0, 0, "")
        try:
            if self._whole is None:
                check_runs_here(self.outline)
                check_fits(self.outline, self.dtype)
                self._whole = whole(self.outline, progress=progress)
            return self._whole
        finally:
            self._fetching.release()

    @property
    def checkpoint(self) -> Checkpoint:
        """The whole checkpoint; fetched, converted and hashed if it was not."""
        return self.fetch()

    @property
    def encoder(self) -> Encoder:
        """The transformer; refused before loading if it does not fit in memory."""
        checkpoint = self.fetch()

        def made() -> Encoder:
            check_fits(self.outline, self.dtype, self.device)
            return Encoder(
                checkpoint.outline,
                device=self.device,
                dtype=self.dtype,
                vocabulary=self.vocabulary,
            )

        return self._opened("encoder", made)

    def frequencies(
        self,
        source: str = "model",
        texts: Sequence[str] | None = None,
        *,
        alpha: float = 1.0,
        language: str = ENGLISH,
        whole: bool = False,
        progress: Progress = silent,
    ) -> TokenFrequencies:
        """Token frequencies p̂ over the vocabulary, (d_vocab,), summing to 1.

        Args:
            source: one of :data:`FREQUENCY_SOURCES`.
            texts: the texts to count over (``corpus``) or to run the model over (``model``;
                the demo texts if not given). Not used by ``wordfreq``.
            alpha: additive smoothing, in counts, for the two sources that count.
            language: of ``wordfreq``: a code such as ``de``, or several, such as ``en,id`` in equal
                parts or ``en=3,id=1``. Each language is counted once a tokenizer.
            whole: whether the model is run over all texts. With a large head
                (:data:`COSTLY_HEAD`) it is otherwise run until the estimate is good enough, and
                ``detail`` says its error.
            progress: told of the work.

        Returns:
            p̂ with its source.

        Raises:
            InputError: for an unknown source, an unknown language or one of another source than
                ``wordfreq``, ``corpus`` without texts, or an α below 0.
        """
        if source not in FREQUENCY_SOURCES:
            raise InputError(
                f"frequencies {source!r}: unknown source; "
                f"take one of {', '.join(FREQUENCY_SOURCES)}"
            )
        if source != "model":
            return self.counted_frequencies(
                source, texts, alpha=alpha, language=language, progress=progress
            )
        check_smoothing(alpha)
        check_no_language(source, language)
        texts = demo_texts().texts if texts is None else texts
        costly = self.d_vocab * self.d_model >= COSTLY_HEAD
        good_enough = GOOD_ENOUGH if costly and not whole else None
        self.fetch(progress=progress)
        key = {**self._key(), "source": source, "alpha": None, "texts": digest_of_texts(texts)}
        if good_enough is not None:
            key["good_enough"] = good_enough
        if self.dtype != "float32":
            key["dtype"] = self.dtype
        if self.head_from is not None:
            key |= {"head": self._digest(progress), "head_from": without_place(self.head_from)}
        return self._kept_frequencies(
            source,
            key,
            lambda: from_model(
                self._encoder(progress),
                texts,
                lender=without_place(self.head_from) if self.head_from else "",
                good_enough=good_enough,
                progress=progress,
            ),
            progress,
        )

    # -- embeddings -------------------------------------------------------------------------

    def encode(
        self, texts: Sequence[str], prompt: str = "prompteol", *, progress: Progress = silent
    ) -> np.ndarray:
        """Embed ``texts``, one row each in their order: (n, d_model) float32, not normalised.

        With the prompt ``published`` they are normalised where an embedder's makers do so. Of a
        prompt with several templates a row is the mean of the rows under each of them; of
        ``geneol`` the mean of the text's row and those of its rewritings.

        What was embedded before, by any page, command or notebook, is read from the store;
        finished batches are stored at once, so a cancelled call loses nothing.

        Raises:
            InputError: for an unknown prompt, an empty text, naming its row, or weights that
                give NaN.
        """
        texts = checked_texts(texts)
        asked = self.prompt(prompt)  # refused before anything is fetched for it
        if asked.members:
            return self._averaged(self.encode, texts, asked, progress)
        return self._known_or_read(
            texts,
            self._rows(asked, progress),
            lambda missing, heard: self.encoder.encode_batches(missing, asked, progress=heard),
            progress,
        )

    def route(
        self, texts: Sequence[str], prompt: str = "prompteol", *, progress: Progress = silent
    ) -> np.ndarray:
        """The router embedding of each text: (n, n_routers · n_experts) float32.

        Every layer of a mixture of experts has a router; its softmax over the experts, pooled over
        the tokens that the prompt reads, is one part, and the parts of all layers stand side by
        side (Li and Zhou, arXiv 2410.10814). A layer that the prompt names changes nothing in it.
        Kept in the store as embeddings are.

        Raises:
            InputError: as :meth:`encode`, and a model without routers (:attr:`n_experts`).
        """
        texts = checked_texts(texts)
        asked = self.prompt(prompt)
        if asked.members:
            return self._averaged(self.route, texts, asked, progress)
        rows = self.store.rows("routes", self._key_of_reading(asked, progress))
        return self._known_or_read(
            texts,
            rows,
            lambda missing, heard: self.encoder.route_batches(missing, asked, progress=heard),
            progress,
        )

    @property
    def n_experts(self) -> int:
        """Experts that each router chooses from; 0 for a model without routers."""
        return experts_of(self.outline.config)

    def _known_or_read(
        self,
        texts: Sequence[str],
        rows: RowStore,
        read: Read,
        progress: Progress,
    ) -> np.ndarray:
        """Rows of texts from the store, those that are missing there read and kept.

        Args:
            texts: checked texts.
            rows: where they are kept.
            read: what reads them under a prompt of one template, batch by batch.
            progress: told of the work.

        Returns:
            (n, width) float32, in the order of the texts.
        """

        def batches(missing: list[str], listener: Progress) -> Batches:
            for places, vectors in read(missing, listener):
                yield places, vectors
                self._forwarded += len(vectors)

        return read_once(texts, rows, batches, damaged=self._why_not_finite, progress=progress)

    def _averaged(
        self,
        read: Callable[..., np.ndarray],
        texts: Sequence[str],
        asked: Prompt,
        progress: Progress,
    ) -> np.ndarray:
        """The mean of the rows that a prompt averages over, added up in float64.

        Args:
            read: :meth:`encode` or :meth:`route`.
            texts: the texts.
            asked: a prompt of several templates, or of rewritings.
            progress: told of the work, over all of it.

        Returns:
            (n, width) float32.
        """
        parts = self._read_as(texts, asked, progress)
        n, m = len(texts), len(parts)
        total: np.ndarray | float = 0.0

        def heard(what: str, done: float, total: float, unit: str) -> None:
            counts = total == n and unit == "texts"  # else it waits, or fetches the model
            progress(what, before + done if counts else done, m * n if counts else total, unit)

        for before in range(0, m * n, n):
            rows = read(*parts[before // n], progress=heard)
            total = total + rows.astype(np.float64)
        return np.asarray(total / m).astype(np.float32)

    def _read_as(
        self, texts: Sequence[str], prompt: str, progress: Progress = silent
    ) -> list[tuple[Sequence[str], Prompt]]:
        """Return what is read for texts under a prompt, each part a text for each of ``texts``.

        All that is linear in an embedding is the mean over the parts; most prompts have one.
        """
        asked = self.prompt(prompt)
        if not asked.rewritings:
            return [(texts, one) for one in asked.members or (asked,)]
        (one,) = asked.members
        found = self.rewritings(texts, progress=progress)
        columns = zip(*(rewritten.texts for rewritten in found), strict=True)
        return [(texts, one), *((column, one) for column in columns)]

    def rewritings(
        self,
        texts: Sequence[str],
        recipe: Recipe = RECIPE,
        *,
        progress: Progress = silent,
    ) -> list[Rewritten]:
        """The model's own rewritings of each text, (n,) in the order of ``texts``.

        They are a function of the text, the model and the recipe: what else is in the set changes
        none. What was written before is read from the store, and each text's rewritings are stored
        at once, so a cancelled call loses nothing.

        Args:
            texts: any texts.
            recipe: how they are sampled.
            progress: told texts as they are done; may raise ``Cancelled``.

        Returns:
            each text with its rewritings.

        Raises:
            InputError: an empty text, a head that another model lends, or a model that
                transformers cannot generate with.
        """
        texts = checked_texts(texts)
        self.prompt(GENEOL)  # refused before anything is fetched for it
        self.fetch(progress=progress)
        rows = self._written(recipe)
        named = {text_key(text): text for text in texts}
        found = rows.get_texts(list(named))
        missing = [key for key in named if key not in found]
        if missing:
            with rows.turn(missing, progress):
                found |= rows.get_texts(missing)
                missing = [key for key in missing if key not in found]
                before = len(named) - len(missing)

                def heard(what: str, done: float, total: float, unit: str) -> None:
                    counts = total == len(missing) and unit == "texts"
                    progress(what, before + done if counts else done,
                             len(named) if counts else total, unit)  # fmt: skip

                made = self._encoder(progress).rewrite(
                    [named[key] for key in missing], recipe, progress=heard
                )
                for key, one in zip(missing, made, strict=True):
                    found[key] = one.kept
                    rows.put_texts({key: one.kept})
        return [Rewritten.of_json(text, found[text_key(text)]) for text in texts]

    def _written(self, recipe: Recipe) -> TextStore:
        """Return where rewritings are kept; a lower precision can choose other tokens."""
        key = self._key(recipe=recipe.settings, dtype=self.dtype)
        return self.store.texts("rewritings", key)

    def is_rewritten(self, texts: Iterable[str], recipe: Recipe = RECIPE) -> bool:
        """Tell whether the rewritings of all ``texts`` are in the store."""
        if not self.is_whole:
            return False
        keys = list({text_key(text) for text in texts})
        return len(self._written(recipe).get_texts(keys)) == len(keys)

    def _why_not_finite(self) -> str:
        if self.dtype == "float16":
            why = "float16 ends at 65,504 and this model goes beyond; take bfloat16 or float32"
        else:
            why = "its weights are damaged; fetch or convert the model again"
        return f"{self.name}: embeddings come out as NaN, infinity or nothing but zeros: {why}"

    def is_encoded(self, texts: Iterable[str], prompt: str = "prompteol") -> bool:
        """Tell whether every one of ``texts`` is in the store, so that encoding takes a moment."""
        if not self.is_whole:
            return False  # or at least not known without reading all of the checkpoint
        asked, texts = self.prompt(prompt), list(texts)
        if asked.rewritings and not self.is_rewritten(texts):
            return False

        def known(read: Sequence[str], one: Prompt) -> bool:
            keys = list({text_key(text) for text in read})
            return len(self._rows(one).get(keys)) == len(keys)

        return all(known(*part) for part in self._read_as(texts, asked))

    def truncated(self, texts: Sequence[str], prompt: str = "prompteol") -> int:
        """Say how many of ``texts`` are longer than the model is given to read under the prompt."""
        cut = [self.encoder.truncated(texts, one) for one in self._single(prompt)]
        return int(np.any(cut, axis=0).sum())

    def longest(self, prompt: str = "prompteol") -> int:
        """Tokens a text may have under the prompt, template included: 512 for most."""
        return min(self.encoder.longest(one) for one in self._single(prompt))

    def forwards(self, prompt: str = "prompteol") -> int:
        """Forward passes that one text takes under the prompt, beside those that write for it."""
        return self.prompt(prompt).forwards

    @property
    def forwarded(self) -> int:
        """Forward passes over texts since it was opened: what the store had is not among them."""
        return self._forwarded

    def key_of_reading(
        self, prompt: str = "prompteol", *, progress: Progress = silent
    ) -> Mapping[str, Any]:
        """All that embeddings under a prompt depend on, for keys of what is computed from them.

        That is the checkpoint, the templates, the rewritings, the layer and the precision.

        Raises:
            InputError: an unknown prompt, or a model that cannot be read.
        """
        self.fetch(progress=progress)
        keys = [self._key_of_prompt(one) for one in self._single(prompt)]
        written = RECIPE.settings if self.prompt(prompt).rewritings else None
        return {**keys[0], "templates": [key["template"] for key in keys], "rewritings": written}

    def layer_read(self, prompt: str = "prompteol") -> int:
        """Layers after which states are read under the prompt: all of them if it does not say.

        Of a model of 30 layers, 30 for ``prompteol`` and 20 for ``prompteol@20``.
        """
        layer = self.prompt(prompt).layer
        return self.n_layers if layer is None else layer

    @property
    def n_layers(self) -> int:
        """Decoder layers, as the configuration or the tensors say; nothing is fetched for it."""
        return layers_of(self.outline.config, self.outline.stored)

    def _single(self, prompt: str) -> tuple[Prompt, ...]:
        """The prompts of one template each that a prompt is made of: itself for most."""
        asked = self.prompt(prompt)
        return asked.members or (asked,)

    @cached_property
    def end_tokens(self) -> tuple[str, ...]:
        """The tokens that the model's tokenizer adds at the end of a text: none for most."""
        token = self.vocabulary.tokenizer.id_to_token
        return tuple(str(token(i)) for i in self.vocabulary.closing)

    def end_tokens_sentence(self, prompt: str) -> str:
        """Return the end tokens that a prompt of the text alone leaves out, if there are any."""
        if not self.end_tokens or not find_prompt(prompt).is_text_alone:
            return ""
        one = len(self.end_tokens) == 1
        names = f"the token{'' if one else 's'} {listed(self.end_tokens)}"
        it = "it" if one else "them"
        read = f", and the prompt published reads {it}" if PUBLISHED.name in self.prompts else ""
        return (
            f"The prompts mean and last read a text without {names} that this model's tokenizer "
            f"adds at its end{read}."
        )

    def prompt(self, name: str) -> Prompt:
        """The prompt called ``name`` in the words used for this model; nothing is fetched for it.

        Raises:
            InputError: no such prompt, a layer the model does not have, a template of the reader's
                that leaves no room for a text, or ``published`` of a model that cannot be read so.
        """
        asked = prompt_of(self.outline, name)
        if asked.rewritings and self.head_from is not None:
            raise InputError(
                f"prompt {asked.words}: {self.name} has no head of its own, so it writes no text; "
                f"take another prompt, such as metaeol"
            )
        if asked.is_own:
            for one in asked.members or (asked,):
                check_template_fits(self.vocabulary, one, longest_read(self.outline))
        return asked

    @cached_property
    def prompts(self) -> tuple[str, ...]:
        """The prompts it can be read with; ``published`` where it is an embedder.

        Not ``geneol`` where another model lends the head: it has none to write with.
        """
        offered = is_embedder(self.outline) and not self.not_published
        averaged = [
            name for name, one in AVERAGED.items() if not one.rewritings or self.head_from is None
        ]
        return (*PROMPTS, *averaged, *([PUBLISHED.name] if offered else []))

    @cached_property
    def not_published(self) -> str:
        """Say why an embedder cannot be read as published, in one line; empty for all others."""
        if not is_embedder(self.outline):
            return ""
        try:
            self.prompt(PUBLISHED.name)
        except InputError as error:
            return str(error).partition(f"prompt {PUBLISHED.name}: ")[2]
        return ""

    def layers(self, text: str, prompt: str = "prompteol") -> np.ndarray:
        """The pooled, normed state after each layer: (n_layers + 1, d_model) float32.

        The last row is the embedding: where the prompt reads an earlier layer, it is the last.
        """
        parts = self._read_as([text], prompt)
        return np.mean([self.encoder.layers(read[0], one) for read, one in parts], axis=0)

    def token_states(self, text: str, prompt: str = "prompteol") -> TokenStates:
        """The normed state of every token of the prompt after each layer, not pooled.

        Raises:
            InputError: an empty text, or a prompt of several templates.
        """
        return self.encoder.token_states(text, prompt)

    def layer_means(
        self, texts: Sequence[str], prompt: str = "prompteol", *, progress: Progress = silent
    ) -> np.ndarray:
        """The mean over texts of what :meth:`layers` gives: (n_layers + 1, d_model) float32.

        From the store if it was computed before, for the same texts in the same order.

        Raises:
            InputError: no texts, an empty one, an unknown prompt, or a model whose layers cannot be
                read.
        """

        def means(read: Sequence[str], one: Prompt) -> np.ndarray:
            key = {**self._key_of_reading(one, progress), "texts": digest_of_texts(read)}
            kept = self.store.arrays(
                "layer-means", key, lambda: compute(read, one), progress=progress
            )
            return kept["means"]

        def compute(read: Sequence[str], one: Prompt) -> dict[str, np.ndarray]:
            found = self.encoder.layer_means(read, one, progress=progress)
            return {"means": found.astype(np.float32)}

        return np.mean([means(*part) for part in self._read_as(texts, prompt, progress)], axis=0)

    def _rows(self, prompt: str, progress: Progress = silent) -> RowStore:
        return self.store.rows("embeddings", self._key_of_reading(prompt, progress))

    def _key_of_reading(self, prompt: str, progress: Progress) -> Mapping[str, Any]:
        """Return what names results of texts read under a prompt."""
        return self._key_of_prompt(self._encoder(progress).prompt(prompt))

    def _key_of_prompt(self, asked: Prompt) -> Mapping[str, Any]:
        said = {"prompt": asked.base, "template": asked.template}
        key = self._key(**said, dtype=self.dtype, cut="between tokens")
        if asked.layer is not None:
            key = {**key, "layer": asked.layer}
        if asked.base == PUBLISHED.name:
            key = {**key, "published": read_published(self.checkpoint.outline).settings}
        return key

    def _encoder(self, progress: Progress) -> Encoder:
        self.fetch(progress=progress)
        return self.encoder

    def _key(self, **more: Any) -> Mapping[str, Any]:
        """Return the key of results of the whole model in the store."""
        return {"version": STORE_VERSION, "checkpoint": self.checkpoint.content_hash, **more}


def open_model(
    name: str,
    *,
    head_from: str | None = None,
    progress: Progress = silent,
    device: str = "auto",
    dtype: str = "float32",
    engine_requests: int | None = None,
) -> Model:
    """Open a model by what a user would type: the front door of the library.

    Of its tensors only the head is read, and of that nothing where its hash and all that is asked
    are known. The tokenizer opens with the first token that is named; the layers are fetched and
    loaded with the first text that is encoded, so that a model of any size can be opened whose
    head fits.

    Args:
        name: ``smollm2-135m`` (bundled), a hub id ``org/name[@revision]``, a folder, a ``.gguf``
            file, or ``engine:URL#NAME``: a served engine reads the texts, and the head is read
            from NAME, which is one of the others (``engine:URL#SERVED=NAME`` where the engine calls
            it otherwise).
        head_from: another model, for one that was saved without a head: of that other one the head
            alone is read, and it must have the same width and the same tokens.
        progress: told of downloads and conversions; may raise ``Cancelled``.
        device: where texts are encoded: ``cpu``, ``cuda``, ``mps``, or ``auto``, the fastest here.
        dtype: in what precision: ``float32``, or half of it by choice, ``bfloat16`` or ``float16``.
            Results are kept apart by it. An engine must compute in it at least.
        engine_requests: requests to an engine that run at once; 8 if not given.

    Returns:
        the opened model.

    Raises:
        InputError: in one line, whatever is wrong with the name or the files behind it.
    """
    if device != "auto":
        device = resolve_device(device)  # before anything is fetched for a device that is absent
    engine = EngineName.of(name) if is_engine(name) else None
    found = outline(engine.checkpoint if engine else name, head_from=head_from, progress=progress)
    if engine is None:
        model = Model(found, device=device, dtype=dtype)
    else:
        from embfilter_viz.engine_model import EngineModel  # which is made of this module

        in_flight = IN_FLIGHT if engine_requests is None else engine_requests
        model = EngineModel(found, engine, in_flight=in_flight, device=device, dtype=dtype)
    progress("Opening the head", 0, 0, "")
    model.head.digest(progress=progress)
    return model
