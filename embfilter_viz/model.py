"""One opened model: everything the pages, the command line and a notebook ask of it.

Costly parts are made when first asked for and kept: the head and the tokenizer open in moments,
the rest of the checkpoint is fetched, converted and loaded only when texts are encoded, and what
was computed once (the spectrum, the token frequencies, every embedding) comes from the store the
next time, in any process.
"""

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, TypeVar

import numpy as np

from embfilter_viz.data import demo_texts
from embfilter_viz.errors import InputError
from embfilter_viz.models.card import ModelCard, card, check_fits
from embfilter_viz.models.devices import Device, check_precision, resolve_device
from embfilter_viz.models.encoder import Encoder
from embfilter_viz.models.fingerprints import content_hash, files_of_tokenizer
from embfilter_viz.models.frequencies import (
    TokenFrequencies,
    check_smoothing,
    from_corpus,
    from_model,
    from_wordfreq,
)
from embfilter_viz.models.memory import in_words, memory_free
from embfilter_viz.models.rotated_head import RotatedHead
from embfilter_viz.models.sources import Checkpoint, Outline, find_whole, outline, whole
from embfilter_viz.models.unembedding import Head, Unembedding, find_head, open_head
from embfilter_viz.models.vocabulary import Vocabulary
from embfilter_viz.progress import Progress, silent
from embfilter_viz.spectral.average_token import AverageToken, average_token
from embfilter_viz.spectral.spectrum import Spectrum, spectrum_of
from embfilter_viz.store import RowStore, Store, text_key

__all__ = ["FREQUENCY_SOURCES", "Model", "open_model"]

FREQUENCY_SOURCES = {
    "model": "the model's own next-token probabilities, averaged over texts",
    "wordfreq": "English word frequencies pushed through the tokenizer",
    "corpus": "token counts over texts of yours",
}
"""Where the token frequencies p̂ can come from; see method.md, section 3."""

T = TypeVar("T")

REMEMBERED = 12
"""Token frequencies and average tokens an opened model keeps in memory, each (d_vocab,)."""

STORE_VERSION = 1
"""Raised whenever what a stored entry means changes, so that old entries are not read."""


class Model:
    """A checkpoint with its head, its vocabulary, its spectrum and its embeddings.

    Made by :func:`open_model`, with its head and vocabulary alone. All methods may be called from
    several threads.

    Results of the whole model are kept by precision, not by device: in one precision, devices
    differ by its rounding, as two batches of one device do.
    """

    def __init__(
        self,
        outline: Outline,
        *,
        device: str = "auto",
        dtype: str = "float32",
        store: Store | None = None,
    ) -> None:
        self.outline = outline
        self.dtype = check_precision(dtype)
        self._asked_device = device
        self.store = store or Store()
        self._lock = threading.RLock()
        self._fetching = threading.Lock()
        self._turning = threading.Lock()
        self._whole: Checkpoint | None = None
        self._head: Head | None = None
        self._parts: dict[str, Any] = {}
        self._spectra: dict[bool, Spectrum] = {}
        self._remembered: OrderedDict[Hashable, Any] = OrderedDict()

    def __repr__(self) -> str:
        return f"Model({self.name!r}, d_vocab={self.d_vocab}, d_model={self.d_model})"

    @property
    def name(self) -> str:
        """What the user typed to choose it."""
        return self.outline.name

    @property
    def d_model(self) -> int:
        """The width d of its embeddings."""
        return self.head.entry.shape[1]

    @property
    def d_vocab(self) -> int:
        """The number V of rows of its head."""
        return self.head.entry.shape[0]

    @cached_property
    def card(self) -> ModelCard:
        """What the checkpoint is: family, sizes, precision, source, memory."""
        return card(self.outline, self.dtype)

    @cached_property
    def device(self) -> Device:
        """Where texts are encoded; ``auto`` is settled when first asked, which may import torch."""
        return resolve_device(self._asked_device)

    @cached_property
    def identity(self) -> str:
        """Names this model among all that are open, for keys in memory; reads nothing."""
        known = self.outline.identity
        return known if self.dtype == "float32" else f"{known} in {self.dtype}"

    @property
    def head(self) -> Head:
        """Where the head lies, with its shape; nothing of it is read."""
        with self._lock:
            if self._head is not None and not self._head.entry.file.is_file():
                # The bundled model's first file goes when it was converted, by any process.
                self.outline, self._head = outline(self.name), None
            if self._head is None:
                self._head = find_head(self.outline, tables=self.outline.tables)
            return self._head

    @property
    def unembedding(self) -> Unembedding:
        """The head alone: W_U of shape (d_vocab, d_model) and what the head adds to it."""
        return self._opened("unembedding", lambda: open_head(self.head))

    @property
    def vocabulary(self) -> Vocabulary:
        """The tokens behind the rows of W_U."""
        return self._opened("vocabulary", lambda: Vocabulary.of(self.outline, self.d_vocab))

    # -- the rest of the checkpoint ---------------------------------------------------------

    @property
    def can_encode(self) -> bool:
        """Whether the whole model fits in memory, so that it can read texts."""
        return self.card.fits

    @property
    def loaded(self) -> str:
        """What of its tensors was read and what was left, in words."""
        if "encoder" in self._parts:
            return f"all {in_words(self.card.n_bytes)}"
        return f"{in_words(self.card.head_bytes)} of {in_words(self.card.n_bytes)}: the head alone"

    @property
    def encoded(self) -> dict[str, str] | None:
        """On what device and in what precision texts were encoded, if any were asked for."""
        if "encoder" not in self._parts:
            return None
        return {"device": self.device, "dtype": self.dtype}

    @property
    def is_whole(self) -> bool:
        """Whether the whole checkpoint is on this machine and its hash known."""
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
            return Encoder(checkpoint, device=self.device, dtype=self.dtype)

        return self._opened("encoder", made)

    # -- the head ---------------------------------------------------------------------------

    @property
    def spectrum(self) -> Spectrum:
        """Singular values (d_model,) and right singular vectors of W_U, from the store if known."""
        return self.spectrum_of_head()

    @property
    def centred_spectrum(self) -> Spectrum:
        """The same of W_U with its mean row subtracted."""
        return self.spectrum_of_head(centre=True)

    def spectrum_of_head(self, *, centre: bool = False, progress: Progress = silent) -> Spectrum:
        """The spectrum of W_U, or of W_U less its mean row, watched by ``progress``."""
        if centre not in self._spectra:
            entry = self.store.arrays(
                "spectrum",
                {"version": STORE_VERSION, "head": self._digest(progress), "centred": centre},
                lambda: spectrum_of(
                    self.unembedding.W_U, centre=centre, progress=progress
                ).arrays(),
                progress=progress,
            )
            self._spectra[centre] = Spectrum.of_arrays(entry)
        return self._spectra[centre]

    def rotated_head(self, *, progress: Progress = silent) -> RotatedHead | None:
        """W_U in the basis of its singular vectors, for pages whose window moves.

        As large in memory as W_U in float32; None where that is not there, or more than a quarter
        of what is free.
        """
        W_U, V = self.unembedding.W_U, self.spectrum.V
        with self._turning:
            made = self._parts.get("rotated head")
            if made is None and isinstance(W_U, np.ndarray) and 4 * W_U.nbytes <= memory_free():
                made = self._parts["rotated head"] = RotatedHead(W_U, V, progress=progress)
            return made

    def frequencies(
        self,
        source: str = "model",
        texts: Sequence[str] | None = None,
        *,
        alpha: float = 1.0,
        progress: Progress = silent,
    ) -> TokenFrequencies:
        """Token frequencies p̂ over the vocabulary, (d_vocab,), summing to 1.

        Args:
            source: one of :data:`FREQUENCY_SOURCES`.
            texts: the texts to count over (``corpus``) or to run the model over (``model``;
                the demo texts if not given). Not used by ``wordfreq``.
            alpha: additive smoothing, in counts, for the two sources that count.
            progress: told of the work.

        Raises:
            InputError: for an unknown source, ``corpus`` without texts, or an α below 0.
        """
        if source not in FREQUENCY_SOURCES:
            raise InputError(
                f"frequencies {source!r}: unknown source; "
                f"take one of {', '.join(FREQUENCY_SOURCES)}"
            )
        check_smoothing(alpha)
        if source == "corpus" and not texts:
            raise InputError("frequencies 'corpus': counting needs texts, and there are none")
        if source == "model" and texts is None:
            texts = demo_texts().texts
        makers: dict[str, Callable[[], TokenFrequencies]] = {
            "model": lambda: from_model(self._encoder(progress), texts or (), progress=progress),
            "wordfreq": lambda: from_wordfreq(self.vocabulary, alpha=alpha, progress=progress),
            "corpus": lambda: from_corpus(
                self.vocabulary, texts or (), alpha=alpha, progress=progress
            ),
        }
        # Counting needs the tokenizer alone: the layers are neither here nor read for it.
        of_tokenizer = {"tokenizer": self._tokenizer_digest, "d_vocab": self.d_vocab}
        if source == "model":
            self.fetch(progress=progress)
        key = {
            **(self._key() if source == "model" else of_tokenizer),
            "version": STORE_VERSION,
            "source": source,
            "alpha": None if source == "model" else alpha,
            "texts": None if source == "wordfreq" else digest_of_texts(texts or ()),
        }
        if source == "model" and self.dtype != "float32":
            key["dtype"] = self.dtype
        return self._once(
            ("frequencies", *sorted((name, str(value)) for name, value in key.items())),
            lambda: _frequencies_of(
                source,
                self.store.arrays(
                    "frequencies", key, lambda: _arrays_of(makers[source]()), progress=progress
                ),
            ),
        )

    def average_token(
        self, frequencies: TokenFrequencies, gauge: str = "paper", *, progress: Progress = silent
    ) -> AverageToken:
        """The hidden state whose logits come nearest to log p̂, in the given gauge."""
        spectrum = self.spectrum_of_head(centre=gauge == "invariant", progress=progress)
        return self._once(
            ("average token", gauge, frequencies.p.tobytes()),
            lambda: average_token(
                self.unembedding.W_U, spectrum, frequencies.p, gauge, progress=progress
            ),
        )

    # -- embeddings -------------------------------------------------------------------------

    def encode(
        self, texts: Sequence[str], prompt: str = "prompteol", *, progress: Progress = silent
    ) -> np.ndarray:
        """Embed ``texts``, one row each in their order: (n, d_model) float32, not normalised.

        What was embedded before, by any page, command or notebook, is read from the store;
        finished batches are stored at once, so a cancelled call loses nothing.

        Raises:
            InputError: for an unknown prompt, an empty text, naming its row, or weights that
                give NaN.
        """
        texts = list(texts)
        if not texts:
            raise InputError("texts: there is nothing to embed; give at least one text")
        for number, text in enumerate(texts, start=1):
            if not text.strip():
                raise InputError(f"text {number} of {len(texts):,} is empty; type or remove it")
        rows = self._rows(prompt, progress)
        keys = [text_key(text) for text in texts]
        found = dict(rows.get(list(dict.fromkeys(keys))))
        missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in found}
        if missing:
            with rows.turn(list(missing), progress):
                # Another process may have embedded them while this one waited for its turn.
                found.update(rows.get(list(missing)))
                missing = {key: text for key, text in missing.items() if key not in found}
                found.update(self._embedded(missing, rows, prompt, len(texts), progress))
        return np.stack([found[key] for key in keys])

    def _embedded(
        self,
        missing: Mapping[bytes, str],
        rows: RowStore,
        prompt: str,
        count: int,
        progress: Progress,
    ) -> Iterator[tuple[bytes, np.ndarray]]:
        """Embed the missing of ``count`` texts, each batch in the store before the next begins."""
        if not missing:
            return
        before = count - len(missing)

        def heard(what: str, done: float, total: float, unit: str) -> None:
            progress("Embedding texts", before + done, count, unit)

        names = list(missing)
        batches = self.encoder.encode_batches(list(missing.values()), prompt, progress=heard)
        for indices, vectors in batches:
            if not np.isfinite(vectors).all():
                raise InputError(self._why_not_finite())
            batch = {names[i]: vector for i, vector in zip(indices, vectors, strict=True)}
            rows.put(batch)
            yield from batch.items()

    def _why_not_finite(self) -> str:
        if self.dtype == "float16":
            why = "float16 ends at 65,504 and this model goes beyond; take bfloat16 or float32"
        else:
            why = "its weights are damaged; fetch or convert the model again"
        return f"{self.name}: embeddings come out as NaN or infinity: {why}"

    def is_encoded(self, texts: Iterable[str], prompt: str = "prompteol") -> bool:
        """Whether every one of ``texts`` is in the store, so that encoding takes a moment."""
        if not self.is_whole:
            return False  # or at least not known without reading all of the checkpoint
        keys = {text_key(text) for text in texts}
        return len(self._rows(prompt).get(list(keys))) == len(keys)

    def truncated(self, texts: Sequence[str], prompt: str = "prompteol") -> int:
        """How many of ``texts`` are longer than the model is given to read, 512 tokens."""
        return int(self.encoder.truncated(texts, prompt).sum())

    def layers(self, text: str, prompt: str = "prompteol") -> np.ndarray:
        """The pooled, normed state after each layer: (n_layers + 1, d_model) float32."""
        return self.encoder.layers(text, prompt)

    def _opened(self, part: str, read: Callable[[], T]) -> T:
        with self._lock:
            if part not in self._parts:
                self._parts[part] = read()
            return self._parts[part]

    def _once(self, key: Hashable, compute: Callable[[], T]) -> T:
        """What ``compute`` gives, remembered for the last few keys."""
        with self._lock:
            if key in self._remembered:
                self._remembered.move_to_end(key)
                return self._remembered[key]
        # Outside the lock: one reader's long computation must not hold up another's short one.
        made = compute()
        with self._lock:
            self._remembered[key] = made
            while len(self._remembered) > REMEMBERED:
                self._remembered.popitem(last=False)
        return made

    def _rows(self, prompt: str, progress: Progress = silent) -> RowStore:
        template = self._encoder(progress).prompt(prompt).template
        return self.store.rows(
            "embeddings",
            self._key(prompt=prompt, template=template, dtype=self.dtype, cut="between tokens"),
        )

    def _encoder(self, progress: Progress) -> Encoder:
        self.fetch(progress=progress)
        return self.encoder

    def _digest(self, progress: Progress) -> str:
        return self._opened("digest", lambda: self.head.digest(progress=progress))

    @cached_property
    def _tokenizer_digest(self) -> str:
        return content_hash(files_of_tokenizer(self.outline.folder))

    def _key(self, **more: Any) -> Mapping[str, Any]:
        """What names results of the whole model in the store; those of the head need less."""
        return {"version": STORE_VERSION, "checkpoint": self.checkpoint.content_hash, **more}


def open_model(
    name: str, *, progress: Progress = silent, device: str = "auto", dtype: str = "float32"
) -> Model:
    """Open a model by what a user would type: the front door of the library.

    Of its tensors only the head is read, and of that nothing where its hash and all that is asked
    are known. The tokenizer opens with the first token that is named; the layers are fetched and
    loaded with the first text that is encoded, so that a model of any size can be opened whose
    head fits.

    Args:
        name: ``smollm2-135m`` (bundled), a hub id ``org/name[@revision]``, a folder, or a
            ``.gguf`` file.
        progress: told of downloads and conversions; may raise ``Cancelled``.
        device: where texts are encoded: ``cpu``, ``cuda``, ``mps``, or ``auto``, the fastest here.
        dtype: in what precision: ``float32``, or half of it by choice, ``bfloat16`` or ``float16``.
            Results are kept apart by it.

    Raises:
        InputError: in one line, whatever is wrong with the name or the files behind it.
    """
    if device != "auto":
        device = resolve_device(device)  # before anything is fetched for a device that is absent
    model = Model(outline(name, progress=progress), device=device, dtype=dtype)
    progress("Opening the head", 0, 0, "")
    model.head.digest(progress=progress)
    return model


def digest_of_texts(texts: Iterable[str]) -> str:
    """SHA-256 over texts and their order, in hexadecimal.

    >>> digest_of_texts(["a", "b"]) == digest_of_texts(["ab"])
    False
    """
    digest = hashlib.sha256()
    for text in texts:
        digest.update(text_key(text))
    return digest.hexdigest()


def _arrays_of(frequencies: TokenFrequencies) -> dict[str, np.ndarray]:
    """Token frequencies as the store takes them."""
    return {
        "p": frequencies.p,
        "numbers": np.array([frequencies.smoothing, frequencies.counted, frequencies.zeros]),
        "detail": np.frombuffer(frequencies.detail.encode(), dtype=np.uint8),
    }


def _frequencies_of(source: str, arrays: Mapping[str, np.ndarray]) -> TokenFrequencies:
    smoothing, counted, zeros = arrays["numbers"].tolist()
    detail = arrays["detail"].tobytes().decode()
    return TokenFrequencies(arrays["p"], source, detail, smoothing, counted, int(zeros))  # type: ignore[arg-type]
