"""What do two texts decode to, and how much of it is the same, before and after the filter?"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from embfilter_viz.analyses.beside_raw import range_of
from embfilter_viz.analyses.finite import finite
from embfilter_viz.analyses.lens import TextLens
from embfilter_viz.analyses.specificity import FREQUENT, random_logits
from embfilter_viz.analyses.tokens import Token, tokens_of
from embfilter_viz.embeddings.interval import Interval
from embfilter_viz.embeddings.logit_lens import frequent_share, top_tokens
from embfilter_viz.model import Model
from embfilter_viz.models.head.frequencies import TokenFrequencies
from embfilter_viz.spectral.baselines import RANDOM_SUBSPACES
from embfilter_viz.spectral.windows import Window
from embfilter_viz.system.progress import Progress, silent
from embfilter_viz.wording import are, counted, fixed, spanned

__all__ = ["Alike", "AlikeTexts", "RandomAlike", "common", "of_both"]

Two = tuple[tuple[Token, ...], tuple[Token, ...]]
"""Top tokens of the first and of the second text, best first."""


def common(ids: np.ndarray) -> int:
    """Say how many tokens two lists have in common.

    Args:
        ids: (2, k) token ids, none twice in a row.

    >>> common(np.array([[3, 1, 2], [2, 5, 3]]))
    2
    """
    return len(np.intersect1d(ids[0], ids[1]))


def of_both(two: Two) -> frozenset[int]:
    """The ids of the tokens that both texts decode to."""
    first, second = ({token.id for token in tokens} for tokens in two)
    return frozenset(first & second)


@dataclass(frozen=True)
class RandomAlike:
    """The same counts in random subspaces of the filter's size."""

    common: Interval
    """() tokens that both texts decode to: mean over the subspaces, least and greatest."""
    frequent: Interval
    """() share of frequent tokens among those of both, likewise."""


@dataclass(frozen=True)
class Alike:
    """Two texts read through the head, raw and filtered, and what their top tokens share."""

    window: Window
    """What the filter keeps."""
    raw: Two
    """(2, k) top tokens of the embeddings as they are."""
    filtered: Two
    """(2, k) the same after the filter."""
    frequent_raw: float
    """() share of the 100 most frequent tokens among the raw ones of both."""
    frequent_filtered: float
    """() the same after the filter."""
    random: RandomAlike | None
    """What random subspaces of the filter's size give; None where it was not asked for."""

    @property
    def common(self) -> tuple[int, int]:
        """Say how many tokens both texts decode to, raw and filtered."""
        return len(of_both(self.raw)), len(of_both(self.filtered))

    @property
    def shows_effect(self) -> bool:
        """Tell whether the raw tokens are mostly frequent ones, and the filter takes them out."""
        return self.frequent_raw > 0.5 and self.frequent_filtered < self.frequent_raw / 2

    @property
    def sentence(self) -> str:
        """Say how much of what the two decode to is the same, and how much of it is frequent."""
        k, (before, after) = len(self.raw[0]), self.common
        n = 2 * k
        frequent, left = round(n * self.frequent_raw), round(n * self.frequent_filtered)
        said = (
            f"each of the two texts decodes to {_tokens(k)}: they share {_tokens(before)}, and of "
            f"all {n} tokens {are(frequent)} among the {FREQUENT} most frequent of the model."
        )
        if self.window.drops_nothing:
            return f"{said} The window {self.window} drops nothing, so the filter changes nothing."
        said += f" After the filter they share {_tokens(after)}, and {are(left)} frequent"
        if self.random is None:
            return f"{said}."
        same, share = self.random.common, self.random.frequent
        ends = spanned(n * share.low, n * share.high, 0)
        return (
            f"{said}. In {RANDOM_SUBSPACES} random subspaces of the same size they share "
            f"{fixed(same.value, 1)} ({spanned(same.low, same.high, 0)}) tokens on average, and "
            f"{fixed(n * share.value, 1)} ({ends}) are frequent."
        )

    def to_json(self) -> dict[str, Any]:
        """The report under its names on the command line."""
        return finite(
            {
                "window": [self.window.l, self.window.r],
                **{
                    name: [[token.to_json() for token in tokens] for tokens in two]
                    for name, two in (("raw", self.raw), ("filtered", self.filtered))
                },
                "top": len(self.raw[0]),
                "n_tokens": 2 * len(self.raw[0]),
                "common": dict(zip(("raw", "filtered"), self.common, strict=True)),
                "frequent_share": {"raw": self.frequent_raw, "filtered": self.frequent_filtered},
                "frequent_count": {
                    "raw": round(2 * len(self.raw[0]) * self.frequent_raw),
                    "filtered": round(2 * len(self.raw[0]) * self.frequent_filtered),
                },
                "random_subspaces": self._random_json(),
                "sentence": self.sentence,
            }
        )

    def _random_json(self) -> dict[str, Any] | None:
        if self.random is None:
            return None
        n, share = 2 * len(self.raw[0]), asdict(self.random.frequent)
        return {
            "common": asdict(self.random.common),
            "frequent_share": share,
            "frequent_count": {name: n * value for name, value in share.items()},
            "n_subspaces": RANDOM_SUBSPACES,
        }


def _tokens(n: int) -> str:
    return counted(n, "token") if n else "no token"


class AlikeTexts:
    """Two embeddings made ready to be decoded under any window, as a slider asks.

    Args:
        model: the opened model.
        embeddings: (2, d_model) raw.
        frequencies: which tokens are frequent.
        moving: whether to turn the head, so that a move of the window costs what it moves over.
        progress: told of the work.
    """

    def __init__(
        self,
        model: Model,
        embeddings: np.ndarray,
        frequencies: TokenFrequencies,
        *,
        moving: bool = False,
        progress: Progress = silent,
    ) -> None:
        self._model, self._embeddings, self._frequencies = model, embeddings, frequencies
        self._lens = TextLens(
            model, embeddings, frequencies=frequencies, moving=moving, progress=progress
        )
        self._raw = model.unembedding.logits(embeddings)
        self._random: dict[tuple[int, int], RandomAlike] = {}

    @property
    def nbytes(self) -> int:
        """Bytes held, the turned head aside."""
        return self._raw.nbytes + self._lens.nbytes

    def report(self, window: Window, *, top: int = 10, random: RandomAlike | None = None) -> Alike:
        """Return what the two decode to under ``window``, beside ``random`` where that is known.

        Raises:
            InputError: ``top`` is below 1.
        """
        (raw, ids), (filtered, kept) = (
            self._top(logits, top) for logits in (self._raw, self._lens.filtered_logits(window))
        )
        return Alike(window, raw, filtered, self._frequent(ids), self._frequent(kept), random)

    def known_random(self, k: int, top: int = 10) -> RandomAlike | None:
        """Return what random subspaces of k dimensions give, if that was measured."""
        return self._random.get((k, top))

    def random(self, k: int, top: int = 10) -> RandomAlike:
        """The same, measured: 40 vectors are put through the head."""
        if (k, top) not in self._random:
            both = [
                top_tokens(random_logits(self._model, one[None], k), top).ids
                for one in self._embeddings
            ]
            each = list(np.stack(both, axis=1))
            self._random[k, top] = RandomAlike(
                range_of([common(ids) for ids in each]),
                range_of([self._frequent(ids) for ids in each]),
            )
        return self._random[k, top]

    def _top(self, logits: np.ndarray, top: int) -> tuple[Two, np.ndarray]:
        ids = top_tokens(logits, top).ids
        vocabulary, frequencies = self._model.vocabulary, self._frequencies
        first, second = (
            tokens_of(found, row, vocabulary, frequencies)
            for found, row in zip(ids, logits, strict=True)
        )
        return (first, second), ids

    def _frequent(self, ids: np.ndarray) -> float:
        return float(frequent_share(ids, self._frequencies.ranks, FREQUENT).mean())
