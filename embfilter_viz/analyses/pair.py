"""Why are two texts alike: where does their cosine come from, and which words do they share?"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from embfilter_viz.analyses.differences import Differences
from embfilter_viz.analyses.finite import finite
from embfilter_viz.analyses.reference import COSINES, Reference, ReferenceTexts
from embfilter_viz.analyses.text_matrix import MOST_IN_MATRIX, TextMatrix, text_matrix
from embfilter_viz.analyses.tokens import Token, tokens_of
from embfilter_viz.embeddings.anatomy import Anatomy, band_sums, contributions
from embfilter_viz.embeddings.logit_lens import top_tokens
from embfilter_viz.embeddings.reference_pairs import cosine, percentile
from embfilter_viz.errors import InputError
from embfilter_viz.model import Model
from embfilter_viz.models.head.frequencies import TokenFrequencies
from embfilter_viz.spectral.windows import Window
from embfilter_viz.system.progress import Progress, silent
from embfilter_viz.wording import bracketed, fixed

__all__ = ["Pair", "PairWords", "TextPair", "above", "pair"]

SAME = 1 - 1e-9
"""A cosine from which on two texts are one: nothing tells them apart."""


@dataclass(frozen=True)
class PairWords:
    """The words that two texts share, and those that only one has, with the mean removed."""

    shared: tuple[Token, ...]
    """(k,) top tokens of the sum of their unit vectors."""
    first_only: tuple[Token, ...]
    """(k,) top tokens of the first's unit vector less the second's; none where they are equal."""
    second_only: tuple[Token, ...]
    """(k,) top tokens of the second's less the first's."""


@dataclass(frozen=True, eq=False)
class Pair:
    """Two texts side by side under one window."""

    window: Window
    """What the filter keeps."""
    cosine: dict[str, float]
    """By the names of ``COSINES``."""
    percentile: dict[str, float]
    """How many pairs of the reference texts have a smaller cosine, in per cent, by the same."""
    contributions: np.ndarray
    """(d_model,) what each direction adds to the raw cosine."""
    filtered_contributions: np.ndarray
    """(k,) what each direction the window keeps adds to the filtered cosine."""
    words: PairWords
    """Of the embeddings less the mean of the reference texts."""
    filtered_words: PairWords
    """Of the same after the filter."""
    reference: Reference
    """The texts whose mean is removed and whose pairs the percentiles are among."""
    anatomy: Anatomy
    """Where the cosines of all pairs of the reference texts come from."""
    truncated: int = 0
    """How many of the texts were cut to what the model is given to read."""
    matrix: TextMatrix | None = None
    """Cosines of each text with each, where there are more than these two."""

    @property
    def kept(self) -> float:
        """Return what the directions that the window keeps add to the raw cosine."""
        return float(self.contributions[self.window.kept].sum())

    @property
    def bands(self) -> np.ndarray:
        """(m,) what each band of the anatomy adds to the raw cosine."""
        edges = [*(band.left for band in self.anatomy.bands), len(self.contributions)]
        return band_sums(self.contributions, np.array(edges))

    @property
    def n_pairs(self) -> int:
        """Say how many pairs of the reference texts the percentiles are among."""
        n = len(self.reference.texts)
        return n * (n - 1) // 2

    @property
    def sentence(self) -> str:
        """Say how alike the two are, as they are and after the filter, in words."""
        raw, filtered, less_mean, both = (
            f"{fixed(self.cosine[name], 2)} ({above(self.percentile[name])})" for name in COSINES
        )
        begin = f"the cosine of the two texts is {raw} raw and {filtered} filtered. "
        then = (
            f"With the mean of the reference texts removed it is {less_mean}, and filtered as well "
            f"it is {both}."
        )
        if self.window.drops_nothing:
            begin = f"the cosine of the two texts is {raw}, and the window drops nothing. "
            then = f"With the mean of the reference texts removed it is {less_mean}."
        return (
            f"{begin}{then} In brackets is how many of the {self.n_pairs:,} pairs of "
            f"{self.reference.said} have a smaller cosine."
        )

    @property
    def short(self) -> str:
        """Say how alike the two are, before and after, each among other pairs, in words."""
        raw, filtered = (
            f"{fixed(self.cosine[name], 2)}, larger than {_of_pairs(self.percentile[name])}"
            for name in ("raw", "filtered")
        )
        others = f"the {self.n_pairs:,} pairs of {self.reference.said}"
        if self.window.drops_nothing:
            return f"the cosine of the two is {raw} of {others}. The window drops nothing."
        return f"the cosine of the two is {raw} of {others}; after the filter it is {filtered}."

    @property
    def at_ends(self) -> float | None:
        """Return what the first and last band add to the raw cosine; None if nothing is between."""
        return None if self.anatomy.ends is None else float(self.bands[0] + self.bands[-1])

    @property
    def ends_sentence(self) -> str:
        """Say how much the ends of the spectrum add to the cosine of this pair and of any."""
        found, own, d = self.anatomy.ends, self.at_ends, len(self.contributions)
        if found is None or own is None:
            return f"A spectrum of {d} directions is too short to tell its ends from its middle."
        width = self.anatomy.bands[0].right
        which = "strongest and the weakest direction"
        if width > 1:
            which = f"{width} strongest and the {width} weakest directions"
        said = (
            f"The {which} of {d} add {fixed(own, 2)} to this cosine. To the cosines of the "
            f"reference texts they add {fixed(found.ends.mean.value, 2)} of "
            f"{fixed(self.anatomy.whole.mean.value, 2)} on average"
        )
        apart, ends, rest = found.difference, found.ends.auc, found.between.auc
        if apart is None or ends is None or rest is None:
            return f"{said}."
        verdict = "does not decide which of the two knows less about the topics"
        if apart.high < 0:
            verdict = "says that the ends know less about the topics"
        elif apart.low > 0:
            verdict = "says that the ends know more about the topics"
        return (
            f"{said}. They tell pairs of one topic from others with an AUC of "
            f"{fixed(ends.value, 2)}, and all other directions do so with an AUC of "
            f"{fixed(rest.value, 2)} (chance is one half). The difference of "
            f"{bracketed(apart.value, apart.low, apart.high, 2, sign=True)} {verdict}."
        )

    def to_json(self) -> dict[str, Any]:
        """The report under its names on the command line."""
        return finite(
            {
                "window": [self.window.l, self.window.r],
                "cosine": self.cosine,
                "percentile": self.percentile,
                "n_pairs": self.n_pairs,
                "contributions": self.contributions.tolist(),
                "kept": self.kept,
                **_named(self.words),
                "filtered_words": _named(self.filtered_words),
                "reference": self.reference.to_json(),
                "bands": [
                    {
                        "directions": [band.left, band.right],
                        "contribution": float(own),
                        "mean": asdict(band.mean),
                        "spread": asdict(band.spread),
                        "auc": None if band.auc is None else asdict(band.auc),
                    }
                    for band, own in zip(self.anatomy.bands, self.bands, strict=True)
                ],
                "whole": asdict(self.anatomy.whole),
                "ends": None
                if self.anatomy.ends is None
                else {"contribution": self.at_ends, **asdict(self.anatomy.ends)},
                "truncated": self.truncated,
                **({} if self.matrix is None else {"matrix": self.matrix.to_json()}),
                "sentence": self.sentence,
                "short_sentence": self.short,
                "ends_sentence": self.ends_sentence,
            }
        )


def pair(
    model: Model,
    texts: Sequence[str],
    prompt: str,
    window: Window,
    *,
    reference: Reference,
    frequencies: TokenFrequencies | None = None,
    top: int = 10,
    progress: Progress = silent,
) -> Pair:
    """Embed two texts and say why they are alike, beside the pairs of reference texts.

    Of more than two texts the cosines of each with each are given too.

    Args:
        model: the opened model.
        texts: two to 30; the report is of the first two.
        prompt: how texts are put to the model.
        window: what the filter keeps.
        reference: texts to compare with; those that are one of these are left out.
        frequencies: for the frequency ranks of tokens; without them there are none.
        top: how many words of each kind.
        progress: told of the work; may raise to stop.

    Returns:
        the four cosines, where they come from and the words of the pair.

    Raises:
        InputError: fewer than two texts or more than 30, an empty one, an unknown prompt, or too
            few reference texts.
    """
    texts = tuple(texts)
    if not 2 <= len(texts) <= MOST_IN_MATRIX:
        raise InputError(
            f"texts: from 2 to {MOST_IN_MATRIX} can be compared; {len(texts)} were given"
        )
    others = reference.without(texts)
    embeddings = model.encode(texts, prompt, progress=progress)
    ready = ReferenceTexts(
        model, others, model.encode(others.texts, prompt, progress=progress), progress=progress
    )
    report = TextPair(model, embeddings[:2], ready, frequencies).report(window, top=top)
    more = len(texts) > 2
    return replace(
        report,
        truncated=model.truncated(texts, prompt),
        matrix=text_matrix(model, texts, embeddings, ready, window) if more else None,
    )


class TextPair:
    """Two embeddings made ready to be compared under any window, as a slider asks.

    Args:
        model: the opened model.
        embeddings: (2, d_model) raw.
        ready: the reference texts, none of which is one of the two.
        frequencies: for the frequency ranks of tokens, if known.
        moving: whether to turn the head, so that a move of the window costs what it moves over.
        progress: told of the work.

    Raises:
        InputError: an embedding that is zero, or is the mean of the reference texts.
    """

    def __init__(
        self,
        model: Model,
        embeddings: np.ndarray,
        ready: ReferenceTexts,
        frequencies: TokenFrequencies | None = None,
        *,
        moving: bool = False,
        progress: Progress = silent,
    ) -> None:
        self._model, self._ready, self._frequencies = model, ready, frequencies
        V = model.spectrum.V.astype(np.float64)
        self._rows = embeddings.astype(np.float64) @ V
        self._relative = (embeddings - ready.mean) @ V
        self.contributions = contributions(self._rows, 0, 1)
        """(d_model,) what each direction adds to the raw cosine."""
        self._raw = cosine(*self._rows), cosine(*self._relative)
        self._apart = Differences(model, embeddings - ready.mean, moving=moving, progress=progress)

    def report(self, window: Window, *, top: int = 10) -> Pair:
        """The two texts under ``window``.

        Raises:
            InputError: the window leaves nothing of a text, or ``top`` is below 1.
        """
        kept, relative = self._rows[:, window.kept], self._relative[:, window.kept]
        found = (self._raw[0], cosine(*kept), self._raw[1], cosine(*relative))
        cosines = dict(zip(COSINES, found, strict=True))
        among = self._ready.cosines(window)
        return Pair(
            window,
            cosines,
            {name: percentile(value, among[name]) for name, value in cosines.items()},
            self.contributions,
            contributions(kept, 0, 1),
            self._words(self._apart.logits, self._relative, cosines["mean_removed"], top),
            self._words(
                self._apart.filtered_logits(window), relative, cosines["filtered_mean_removed"], top
            ),
            self._ready.reference,
            self._ready.anatomy,
        )

    def _words(self, logits: np.ndarray, rows: np.ndarray, alike: float, top: int) -> PairWords:
        """The words of two vectors, from their logits (2, d_vocab) and coordinates (2, k).

        Args:
            logits: (2, d_vocab).
            rows: (2, k) coordinates.
            alike: the cosine of the two.
            top: how many tokens of each kind.

        Returns:
            what the two share, and what only one of them has.
        """
        one, other = logits / np.linalg.norm(rows, axis=1)[:, None].astype(np.float32)
        shared = self._top(one + other, top)
        if alike > SAME:
            return PairWords(shared, (), ())
        apart = one - other
        return PairWords(shared, self._top(apart, top), self._top(-apart, top))

    def _top(self, logits: np.ndarray, top: int) -> tuple[Token, ...]:
        ids = top_tokens(logits, top).ids
        return tokens_of(ids, logits, self._model.vocabulary, self._frequencies)


def _of_pairs(percentile: float) -> str:
    return "those of none" if percentile == 0 else f"those of {above(percentile)}"


def _named(words: PairWords) -> dict[str, Sequence[dict[str, Any]]]:
    """The words under their names on the command line."""
    return {
        "shared": [token.to_json() for token in words.shared],
        "first_only": [token.to_json() for token in words.first_only],
        "second_only": [token.to_json() for token in words.second_only],
    }


def above(percentile: float) -> str:
    """A percentile in a sentence, with digits enough that almost all is not said to be all.

    >>> above(97.3), above(99.7), above(99.9961), above(100.0), above(0.0), above(0.021)
    ('97 %', '99.7 %', '99.996 %', 'all', 'none', '0.02 %')
    """
    if percentile in (0.0, 100.0):
        return "all" if percentile else "none"
    digits = next(n for n in range(20) if 0 < round(percentile, n) < 100)
    return f"{fixed(percentile, digits)} %"
