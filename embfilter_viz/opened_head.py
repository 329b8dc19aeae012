"""The head and the tokenizer of an opened model, and all that follows from them alone.

Costly parts are made when first asked for and kept; what was computed once comes from the store the
next time, in any process.
"""

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any, TypeVar

import numpy as np

from embfilter_viz.errors import InputError
from embfilter_viz.models.formats.fingerprints import content_hash, files_of_tokenizer
from embfilter_viz.models.head.frequencies import (
    TokenFrequencies,
    WordCounts,
    check_smoothing,
    from_corpus,
    mixed,
    word_counts,
)
from embfilter_viz.models.head.languages import ENGLISH, Languages
from embfilter_viz.models.head.ordinary import OrdinaryTokens, ordinary_tokens
from embfilter_viz.models.head.rotated_head import RotatedHead
from embfilter_viz.models.head.scripts import token_scripts
from embfilter_viz.models.head.unembedding import Head, Unembedding, find_head, open_head
from embfilter_viz.models.head.vocabulary import Vocabulary
from embfilter_viz.models.outline import Outline
from embfilter_viz.models.sources.locate import outline
from embfilter_viz.spectral.average_token import AverageToken, average_token
from embfilter_viz.spectral.ends import Ends
from embfilter_viz.spectral.permutations import PERMUTATIONS, PermutedShifts, permuted_shifts
from embfilter_viz.spectral.spectrum import Spectrum, spectrum_of
from embfilter_viz.store import Store, array_digest, text_key
from embfilter_viz.system.memory import memory_free
from embfilter_viz.system.progress import Progress, silent

__all__ = ["STORE_VERSION", "OpenedHead", "check_no_language", "digest_of_texts"]

T = TypeVar("T")

REMEMBERED = 12
"""Token frequencies and average tokens an opened model keeps in memory, each (d_vocab,)."""

STORE_VERSION = 2
"""Raised whenever what a stored entry means changes, so that old entries are not read."""


class OpenedHead:
    """The head of a checkpoint, its vocabulary, its spectrum and what the spectrum says of tokens.

    The base of :class:`~embfilter_viz.model.Model`, which reads texts as well. All methods may be
    called from several threads.

    Args:
        outline: what the checkpoint holds.
        store: where results are kept.
    """

    def __init__(self, outline: Outline, *, store: Store | None = None) -> None:
        self.outline = outline
        self.store = store or Store()
        self._lock = threading.RLock()
        self._turning = threading.Lock()
        self._head: Head | None = None
        self._parts: dict[str, Any] = {}
        self._spectra: dict[bool, Spectrum] = {}
        self._remembered: OrderedDict[Hashable, Any] = OrderedDict()

    @property
    def name(self) -> str:
        """Return what the user typed to choose it."""
        return self.outline.name

    @property
    def head_from(self) -> str | None:
        """The model whose head it is read with, where it has none of its own."""
        return None if self.outline.head_from is None else self.outline.head_from.name

    @property
    def d_model(self) -> int:
        """The width d of its embeddings."""
        return self.head.entry.shape[1]

    @property
    def d_vocab(self) -> int:
        """The number V of rows of its head."""
        return self.head.entry.shape[0]

    @property
    def head(self) -> Head:
        """Return where the head lies, with its shape; nothing of it is read."""
        with self._lock:
            if self._head is not None and not self._head.entry.file.is_file():
                # The bundled model's first file goes when it was converted, by any process.
                name = self.outline.name
                self.outline, self._head = outline(name, head_from=self.head_from), None
            if self._head is None:
                self._head = find_head(self.outline)
            return self._head

    @property
    def unembedding(self) -> Unembedding:
        """The head alone: W_U of shape (d_vocab, d_model) and what the head adds to it."""
        return self._opened("unembedding", lambda: open_head(self.head))

    @property
    def vocabulary(self) -> Vocabulary:
        """The tokens behind the rows of W_U."""
        return self._opened("vocabulary", lambda: Vocabulary.of(self.outline, self.d_vocab))

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

    def counted_frequencies(
        self,
        source: str,
        texts: Sequence[str] | None = None,
        *,
        alpha: float = 1.0,
        language: str = ENGLISH,
        progress: Progress = silent,
    ) -> TokenFrequencies:
        """Token frequencies p̂ by counting, (d_vocab,), summing to 1: no layer is read for them.

        Args:
            source: ``wordfreq``, the words of a language, or ``corpus``, tokens of texts.
            texts: the texts to count over; not used by ``wordfreq``.
            alpha: additive smoothing, in counts.
            language: of ``wordfreq``, see :meth:`embfilter_viz.model.Model.frequencies`.
            progress: told of the work.

        Returns:
            p̂ with its source.

        Raises:
            InputError: an unknown language or one for ``corpus``, ``corpus`` without texts, or an α
                below 0.
        """
        check_smoothing(alpha)
        if source == "wordfreq":
            return self._word_frequencies(Languages.of(language), alpha, progress)
        check_no_language(source, language)
        if not texts:
            raise InputError("frequencies 'corpus': counting needs texts, and there are none")
        key = {
            **self._of_tokenizer,
            "source": source,
            "alpha": alpha,
            "texts": digest_of_texts(texts),
        }
        return self._kept_frequencies(
            source,
            key,
            lambda: from_corpus(self.vocabulary, texts, alpha=alpha, progress=progress),
            progress,
        )

    def _kept_frequencies(
        self,
        source: str,
        key: Mapping[str, Any],
        make: Callable[[], TokenFrequencies],
        progress: Progress,
    ) -> TokenFrequencies:
        """Token frequencies from memory or the store where they are known.

        Args:
            source: where they come from.
            key: all that they depend on.
            make: makes them.
            progress: told of the wait for another process.

        Returns:
            the frequencies.
        """
        return self._once(
            ("frequencies", *sorted((name, str(value)) for name, value in key.items())),
            lambda: _frequencies_of(
                source,
                self.store.arrays(
                    "frequencies", key, lambda: _arrays_of(make()), progress=progress
                ),
            ),
        )

    @property
    def _of_tokenizer(self) -> dict[str, Any]:
        """Return the key of what needs the tokenizer and the number of rows alone."""
        return {
            "version": STORE_VERSION,
            "tokenizer": self._tokenizer_digest,
            "d_vocab": self.d_vocab,
        }

    def _word_frequencies(
        self, languages: Languages, alpha: float, progress: Progress
    ) -> TokenFrequencies:
        """Return the token frequencies of words; only the counts of each language are work."""

        def counted(code: str) -> WordCounts:
            key = {**self._of_tokenizer, "language": code}

            def count() -> dict[str, np.ndarray]:
                found = word_counts(self.vocabulary, code, progress=progress)
                return {"counts": found.counts, "n_words": np.array(found.n_words)}

            kept = self.store.arrays("word-counts", key, count, progress=progress)
            return WordCounts(kept["counts"], int(kept["n_words"]))

        return self._once(
            ("word frequencies", languages.name, alpha),
            lambda: mixed(languages, [counted(code) for code, _ in languages.shares], alpha),
        )

    def ordinary_tokens(self, *, progress: Progress = silent) -> OrdinaryTokens:
        """The rows of W_U that are tokens of text, and how many of what kind the others are."""
        return self._once(
            "ordinary tokens", lambda: ordinary_tokens(self.vocabulary, progress=progress)
        )

    def token_scripts(self, *, progress: Progress = silent) -> tuple[str, ...]:
        """The script of each row of W_U, (d_vocab,), looked at once a tokenizer.

        See :mod:`embfilter_viz.models.head.scripts`.
        """

        def look() -> dict[str, np.ndarray]:
            names, codes = np.unique(
                token_scripts(self.vocabulary, progress=progress), return_inverse=True
            )
            said = "\n".join(names.tolist()).encode()
            return {"names": np.frombuffer(said, dtype=np.uint8), "codes": codes.astype(np.uint8)}

        def read() -> tuple[str, ...]:
            kept = self.store.arrays("token-scripts", self._of_tokenizer, look, progress=progress)
            names = kept["names"].tobytes().decode().split("\n")
            return tuple(names[code] for code in kept["codes"])

        return self._once("token scripts", read)

    def average_token(
        self, frequencies: TokenFrequencies, gauge: str = "centred", *, progress: Progress = silent
    ) -> AverageToken:
        """The hidden state whose logits come nearest to log p̂, in the given gauge."""
        spectrum = self.spectrum_of_head(centre=gauge == "invariant", progress=progress)
        return self._once(
            ("average token", gauge, frequencies.p.tobytes()),
            lambda: average_token(
                self.unembedding.W_U, spectrum, frequencies.p, gauge, progress=progress
            ),
        )

    def permuted_shifts(
        self,
        frequencies: TokenFrequencies,
        gauge: str = "centred",
        *,
        top: int = 100,
        borders: np.ndarray | None = None,
        seed: int = 0,
        progress: Progress = silent,
    ) -> PermutedShifts:
        """Logit shifts of the frequent tokens under permutations of p̂, from the store if known.

        Args:
            frequencies: p̂.
            gauge: as in :meth:`average_token`.
            top: tokens that count as frequent.
            borders: (N + 1,) of bands that are removed whole; none: single directions.
            seed: of the permutations.
            progress: told of the work; may raise ``Cancelled``.

        Returns:
            the shifts under the permutations.
        """
        spectrum = self.spectrum_of_head(centre=gauge == "invariant", progress=progress)
        arrays = self.store.arrays(
            "permuted",
            {
                "version": STORE_VERSION,
                "head": self._digest(progress),
                "frequencies": array_digest(frequencies.p),
                "gauge": gauge,
                "top": top,
                "borders": None if borders is None else borders.tolist(),
                "n": PERMUTATIONS,
                "seed": seed,
            },
            lambda: permuted_shifts(
                self.unembedding.W_U, spectrum, frequencies.p, gauge,
                top=top, borders=borders, seed=seed, progress=progress,
            ).arrays(),
            progress=progress,
        )  # fmt: skip
        return PermutedShifts.of_arrays(arrays, Ends.of(spectrum.d_model))

    def _opened(self, part: str, read: Callable[[], T]) -> T:
        with self._lock:
            if part not in self._parts:
                self._parts[part] = read()
            return self._parts[part]

    def _once(self, key: Hashable, compute: Callable[[], T]) -> T:
        """Return what ``compute`` gives, remembered for the last few keys."""
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

    def _digest(self, progress: Progress) -> str:
        return self._opened("digest", lambda: self.head.digest(progress=progress))

    @cached_property
    def _tokenizer_digest(self) -> str:
        return content_hash(files_of_tokenizer(self.outline.tokenizer_folder))


def check_no_language(source: str, language: str) -> None:
    """Check that a language is chosen for word frequencies alone.

    Raises:
        InputError: it is chosen for another source.
    """
    if language != ENGLISH:
        raise InputError(
            f"language {language!r}: frequencies {source!r} have no choice of language; take "
            "the source wordfreq"
        )


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
