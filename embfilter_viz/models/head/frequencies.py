"""How often each token occurs: p̂, from a corpus, from word frequencies or from the model.

The average token is solved from log p̂, so no count may be zero: counts are smoothed additively,
p̂_j = (n_j + α) / Σ_i (n_i + α), and how many were zero is told.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, Protocol

import numpy as np

from embfilter_viz.errors import InputError
from embfilter_viz.models.encoding.unigram import Unigram
from embfilter_viz.models.head.languages import ENGLISH, Languages
from embfilter_viz.models.head.vocabulary import Vocabulary
from embfilter_viz.system.progress import Progress, silent

__all__ = [
    "TokenFrequencies",
    "WordCounts",
    "check_smoothing",
    "from_corpus",
    "from_model",
    "from_wordfreq",
    "mixed",
    "smoothed",
    "word_counts",
]

Source = Literal["model", "wordfreq", "corpus"]

WORDS_OF_RUNNING_TEXT = 10_000_000
"""How long a text the word frequencies stand for: α is weighed against its token counts."""
_AFTER_A_SPACE = 0.9
"""Share of words in running text that follow a space; the rest open a line, a quotation or a
bracket and are tokenised without one."""
_AFTER_A_SPACE_IN = {"ja": 0.0, "zh": 0.0, "ko": 0.5}
"""The same where words are not written with a space before each: none in Japanese and Chinese. The
words of the Korean list are mostly parts of words, of which about every second begins one."""
_CHUNK = 4096


@dataclass(frozen=True)
class TokenFrequencies:
    """A distribution over the rows of W_U, nowhere zero."""

    p: np.ndarray
    """(d_vocab,) float64, positive, sum 1, read-only."""
    source: Source
    """Where it comes from."""
    detail: str
    """The same in words, for a caption."""
    smoothing: float
    """Scalar α added to every count; 0 for the model's own."""
    counted: float
    """Scalar: tokens counted (positions predicted, for the model's own)."""
    zeros: int
    """Scalar: rows with a zero count before smoothing."""

    @cached_property
    def order(self) -> np.ndarray:
        """(d_vocab,) int64: ids from the most frequent on; ties in order of id."""
        return _frozen(np.argsort(-self.p, kind="stable"))

    @cached_property
    def ranks(self) -> np.ndarray:
        """(d_vocab,) int64: 0 for the most frequent token."""
        ranks = np.empty(len(self.p), dtype=np.int64)
        ranks[self.order] = np.arange(len(self.p))
        return _frozen(ranks)

    def most(self, k: int) -> np.ndarray:
        """(k,) ids of the most frequent tokens, the most frequent first."""
        return self.order[: self._checked(k)]

    def least(self, k: int, among: np.ndarray | None = None) -> np.ndarray:
        """(k,) ids of the least frequent tokens, the least frequent first.

        Args:
            k: how many.
            among: ids to choose from, all if not given. Rows that training never touched are the
                least frequent of all; :func:`~embfilter_viz.models.head.ordinary.ordinary_tokens`
                leaves them out.

        Where more than k rows share the smallest value (unseen ones do), which of them come is
        the order of their ids, from the end.
        """
        rising = self.order[::-1]
        if among is not None:
            chosen = np.zeros(len(self.p), dtype=bool)
            chosen[among] = True
            rising = rising[chosen[rising]]
        return rising[: self._checked(k, len(rising))]

    def random(
        self, k: int, seed: int | tuple[int, ...] = 0, among: np.ndarray | None = None
    ) -> np.ndarray:
        """(k,) distinct ids drawn evenly from ``among``, or from all rows, in order of id."""
        known = np.arange(len(self.p)) if among is None else np.asarray(among)
        drawn = np.random.default_rng(seed).choice(
            len(known), self._checked(k, len(known)), replace=False
        )
        return np.sort(known[drawn])

    def _checked(self, k: int, available: int | None = None) -> int:
        most = len(self.p) if available is None else available
        if not 1 <= k <= most:
            raise InputError(f"k = {k}: the number of tokens must be from 1 to {most}")
        return k


def smoothed(counts: np.ndarray, alpha: float, *, source: Source, detail: str) -> TokenFrequencies:
    """Counts to frequencies, p̂_j = (n_j + α) / Σ_i (n_i + α).

    Args:
        counts: (d_vocab,) how often each token was seen.
        alpha: what is added to every count.
        source: where the counts are from.
        detail: the source in words.

    Returns:
        p̂, summing to 1.

    Raises:
        InputError: α below zero or not finite, or α = 0 beside a zero count, whose logarithm
            the average token would need.

    >>> smoothed(np.array([3.0, 0.0]), 1.0, source="corpus", detail="by hand").p
    array([0.8, 0.2])
    """
    check_smoothing(alpha)
    zeros = int(np.count_nonzero(counts == 0))
    if alpha == 0 and zeros:
        raise InputError(
            f"smoothing α = 0: {zeros:,} of {len(counts):,} tokens were never seen and log 0 is "
            f"undefined; give a positive α, such as 1"
        )
    raised = np.asarray(counts, dtype=np.float64) + alpha
    return TokenFrequencies(
        p=_frozen(raised / raised.sum()),
        source=source,
        detail=detail,
        smoothing=float(alpha),
        counted=float(np.sum(counts)),
        zeros=zeros,
    )


def check_smoothing(alpha: float) -> None:
    """Refuse an α that cannot be added to counts, before anything is counted.

    Raises:
        InputError: α below zero or not finite.
    """
    if not (np.isfinite(alpha) and alpha >= 0):
        raise InputError(f"smoothing α = {alpha:g}: must be a number of at least 0; try 1")


def from_corpus(
    vocabulary: Vocabulary,
    texts: Iterable[str],
    alpha: float = 1.0,
    *,
    progress: Progress = silent,
) -> TokenFrequencies:
    """Count the tokens of ``texts``, each read from its beginning, without special tokens.

    Args:
        vocabulary: the model's tokens.
        texts: any number of texts; a generator is read piece by piece.
        alpha: added to every count.
        progress: told texts as they are counted; may raise ``Cancelled``.

    Returns:
        p̂, summing to 1.

    Raises:
        InputError: no tokens at all, an α that cannot be, or a tokenizer of which it is not known
            how it splits running texts (single words are another matter).
    """
    if vocabulary.refusal is not None:
        raise InputError(
            f"{vocabulary.refusal}; so tokens of a corpus cannot be counted, take wordfreq instead"
        )
    counts = np.zeros(vocabulary.d_vocab, dtype=np.int64)
    total = len(texts) if isinstance(texts, Sequence) else 0
    done = 0
    for chunk in _chunks(texts):
        for ids in vocabulary.encode_many(chunk):
            _count(counts, ids)
        done += len(chunk)
        progress("Counting tokens", done, total, "texts")
    if not counts.any():
        raise InputError("the corpus has no tokens; give at least one text that is not empty")
    return smoothed(
        counts,
        alpha,
        source="corpus",
        detail=f"{counts.sum():,} tokens counted in {done:,} texts, α = {alpha:g}",
    )


@dataclass(frozen=True)
class WordCounts:
    """Token counts of a text of ten million words of one language."""

    counts: np.ndarray
    """(d_vocab,) float64, not smoothed."""
    n_words: int
    """() distinct words that were pushed through the tokenizer."""


def word_counts(
    vocabulary: Vocabulary, language: str = ENGLISH, *, progress: Progress = silent
) -> WordCounts:
    """Push the word frequencies of one language of ``wordfreq`` through the tokenizer.

    Args:
        vocabulary: the model's tokens.
        language: the code of one language, such as ``de``.
        progress: told words as they are counted; may raise ``Cancelled``.

    Returns:
        the counts of tokens.

    Raises:
        InputError: a language that ``wordfreq`` does not know.
    """
    import wordfreq

    progress("Reading word frequencies", 0, 0, "words")
    Languages.of(language)  # else wordfreq would quietly take the nearest
    known = wordfreq.get_frequency_dict(language, wordlist="best")
    shares = {word: share for word, share in known.items() if "00" not in word}
    words = list(shares)
    counts = np.zeros(vocabulary.d_vocab)
    whole = sum(shares.values())
    spaced = _AFTER_A_SPACE_IN.get(language, _AFTER_A_SPACE)
    places = [(" ", spaced), ("", 1 - spaced)]
    for done in range(0, len(words), _CHUNK):
        chunk = words[done : done + _CHUNK]
        for before, share in places:
            if not share:
                continue
            for word, ids in zip(chunk, _in_place(vocabulary, before, chunk), strict=True):
                _count(counts, ids, shares[word] / whole * share * WORDS_OF_RUNNING_TEXT)
        progress("Tokenising words", done + len(chunk), len(words), "words")
    return WordCounts(counts, len(words))


def mixed(languages: Languages, each: Sequence[WordCounts], alpha: float) -> TokenFrequencies:
    """The frequencies of a text of ten million words in the given shares of languages.

    p̂_j ∝ Σ_l s_l n_lj + α, with the share s_l of a language and its counts n_l. A word that two
    languages write alike counts in both. Of languages whose words stand without spaces it is told
    that tokens over the border of two words are not counted.

    Args:
        languages: the languages and their shares.
        each: the counts of each of them, in their order.
        alpha: added to every count.

    Returns:
        p̂, summing to 1.

    Raises:
        InputError: an α that cannot be.

    >>> one, other = WordCounts(np.array([3.0, 0.0]), 1), WordCounts(np.array([0.0, 1.0]), 1)
    >>> mixed(Languages.of("de,en"), [one, other], 0.0).p
    array([0.75, 0.25])
    """
    shares = [share for _, share in languages.shares]
    joined = set(_AFTER_A_SPACE_IN) & {code for code, _ in languages.shares}
    borders = ", no tokens across two words" if joined else ""
    counts = np.sum([share * one.counts for share, one in zip(shares, each, strict=True)], axis=0)
    return smoothed(
        counts,
        alpha,
        source="wordfreq",
        detail=(
            f"{sum(one.n_words for one in each):,} words of wordfreq ({languages.short}), as in a "
            f"text of {WORDS_OF_RUNNING_TEXT:,} words, no punctuation{borders}, α = {alpha:g}"
        ),
    )


def from_wordfreq(
    vocabulary: Vocabulary,
    alpha: float = 1.0,
    language: str = ENGLISH,
    *,
    progress: Progress = silent,
) -> TokenFrequencies:
    """Push the word frequencies of ``wordfreq`` (Speer 2022) through the tokenizer.

    Each word stands for its share of a running text of ten million words. Nine times in ten it
    follows a space, as words do, else it opens a line; its tokens are counted as they are in
    that place. In Chinese and Japanese no word follows a space, in Korean every second of the
    list's words does, which are mostly parts of words. Needs no corpus and no forward pass, but
    knows no punctuation, no newlines, no capitals and no numbers of two digits or more
    (``wordfreq`` writes them all as zeros, so they are left out): their tokens count as unseen and
    get α. A tokenizer that joins letters over the border of two words, as many do where no space
    stands between them, would do so in a text and does not here.

    Args:
        vocabulary: the model's tokens.
        alpha: added to every count; at 1, as if each token had been seen once more in the
            ten million words.
        language: a language code ``wordfreq`` knows, such as ``en`` or ``de``, or several, such as
            ``en,id`` in equal parts or ``en=3,id=1``.
        progress: told words as they are counted; may raise ``Cancelled``.

    Returns:
        p̂, summing to 1.

    Raises:
        InputError: a language ``wordfreq`` does not know, or an α that cannot be.
    """
    languages = Languages.of(language)
    each = [word_counts(vocabulary, code, progress=progress) for code, _ in languages.shares]
    return mixed(languages, each, alpha)


class PredictsTokens(Protocol):
    """A model that tells its own token frequencies; the encoder does."""

    def unigram(
        self,
        texts: Sequence[str],
        *,
        good_enough: float | None = None,
        progress: Progress = silent,
    ) -> Unigram:
        """The mean of softmax(logits) over positions of ``texts``: all, or as many as it takes."""


def from_model(
    encoder: PredictsTokens,
    texts: Sequence[str],
    *,
    lender: str = "",
    good_enough: float | None = None,
    progress: Progress = silent,
) -> TokenFrequencies:
    """The model's own unigram: the mean of softmax(logits) over the positions of ``texts``.

    Never zero by nature, so nothing is smoothed; what underflows to zero even so is raised to
    the smallest positive number and told in ``zeros``.

    Args:
        encoder: the model.
        texts: any texts.
        good_enough: an error at which reading ends, told in ``detail``; all texts are read if not
            given. See :class:`~embfilter_viz.models.encoding.unigram.HalfSums`.
        lender: the model whose head it reads its states with, where it has none; only told.
        progress: told texts as they are done; may raise ``Cancelled``.

    Returns:
        p̂, summing to 1.

    Raises:
        InputError: no texts, or an empty one.
    """
    whose = "the model's own predictions"
    if lender:
        whose = f"what the head of {lender} predicts from the model's states"
    found = encoder.unigram(texts, good_enough=good_enough, progress=progress)
    p = found.p
    detail = f"{whose} over {len(texts):,} texts"
    if found.error is not None:
        detail = (
            f"{whose} at {found.positions:,} of the {found.available:,} positions of "
            f"{len(texts):,} texts, where about {found.error:.0%} of the probability stands on "
            "other tokens than by all such texts"
        )
    zeros = int(np.count_nonzero(p == 0))
    p = np.maximum(p, np.finfo(np.float64).tiny)
    return TokenFrequencies(
        p=_frozen(p / p.sum()),
        source="model",
        detail=detail,
        smoothing=0.0,
        counted=float(len(texts)),
        zeros=zeros,
    )


_ANCHOR = "."


def _in_place(vocabulary: Vocabulary, before: str, words: Sequence[str]) -> list[list[int]]:
    """The ids of words where they stand: sentencepiece would put a second space before " word".

    Each is tokenised behind an anchor whose ids are then taken off; where the tokenizer merges
    the two, the word is tokenised alone.
    """
    anchor = vocabulary.encode(_ANCHOR)
    behind = vocabulary.encode_many([f"{_ANCHOR}{before or chr(10)}{word}" for word in words])
    newline = [] if before else vocabulary.encode(f"{_ANCHOR}\n")[len(anchor) :]
    prefix = anchor + newline
    found = []
    for word, ids in zip(words, behind, strict=True):
        whole = ids[: len(prefix)] == prefix and len(ids) > len(prefix)
        found.append(ids[len(prefix) :] if whole else vocabulary.encode(before + word))
    return found


def _count(counts: np.ndarray, ids: list[int], weight: float = 1) -> None:
    for i in ids:
        if i < len(counts):  # a tokenizer may know more tokens than W_U has rows
            counts[i] += weight


def _chunks(texts: Iterable[str]) -> Iterable[list[str]]:
    chunk: list[str] = []
    for text in texts:
        chunk.append(text)
        if len(chunk) == _CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _frozen(array: np.ndarray) -> np.ndarray:
    array.flags.writeable = False
    return array
