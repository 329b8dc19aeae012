"""Other texts, that one or two are compared with: their mean, and the cosines of their pairs."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from embfilter_viz.data import DEMO_LANGUAGES, demo_language, demo_texts
from embfilter_viz.embeddings.anatomy import anatomy, cumulative_quantiles
from embfilter_viz.embeddings.reference_pairs import pair_cosines, pair_cosines_about_others
from embfilter_viz.errors import InputError
from embfilter_viz.model import Model
from embfilter_viz.spectral.windows import Window
from embfilter_viz.system.progress import Progress, silent
from embfilter_viz.texts import TextTable, read_texts
from embfilter_viz.wording import counted

__all__ = ["COSINES", "FEWEST_TEXTS", "MOST_TEXTS", "Reference", "ReferenceTexts", "reference_of"]

FEWEST_TEXTS = 10
"""Reference texts below which their mean and their pairs would say little."""

MOST_TEXTS = 1000
"""Reference texts taken from a file; more are sampled. They have half a million pairs."""

COSINES = {
    "raw": "of the embeddings as they are",
    "filtered": "after the filter",
    "mean_removed": "of the embeddings with the mean of the reference texts removed",
    "filtered_mean_removed": "of the embeddings with that mean removed, after the filter",
}
"""The cosines of two texts that stand side by side, and what each is."""


@dataclass(frozen=True)
class Reference:
    """Texts that others are compared with, each of them once."""

    name: str
    """``demo``, ``demo-hi`` and the like, or the name of the file they come from."""
    texts: tuple[str, ...]
    """(n,) the texts."""
    labels: tuple[str, ...] | None
    """(n,) what they are about, where that is known."""
    left_out: int = 0
    """() how many texts were left out because they are the ones that are compared."""

    def without(self, texts: Sequence[str]) -> "Reference":
        """The same without some texts, as a mean must be that of texts it is not taken from.

        Raises:
            InputError: fewer than 10 remain.
        """
        rows = [row for row, text in enumerate(self.texts) if text not in texts]
        if len(rows) < FEWEST_TEXTS:
            raise InputError(
                f"{self.name}: at least {FEWEST_TEXTS} texts other than those compared are "
                f"needed, and {len(rows)} remain; give more"
            )
        return replace(
            self,
            texts=tuple(self.texts[row] for row in rows),
            labels=None if self.labels is None else tuple(self.labels[row] for row in rows),
            left_out=self.left_out + len(self.texts) - len(rows),
        )

    @property
    def topics(self) -> tuple[str, ...] | None:
        """(n,) the labels where pairs of one label and pairs of two can be told apart."""
        sizes = Counter(self.labels or ()).values()
        return self.labels if len(sizes) > 1 and max(sizes) > 1 else None

    @property
    def said(self) -> str:
        """Say how many texts of what, in words.

        >>> reference_of("demo").said
        '160 demo texts'
        >>> reference_of("demo-hi").said
        '30 Hindi demo texts'
        """
        if self.name == "demo":
            return counted(len(self.texts), "demo text")
        if (language := demo_language(self.name)) is not None:
            return counted(len(self.texts), f"{DEMO_LANGUAGES[language]} demo text")
        return f"{counted(len(self.texts), 'text')} of {self.name}"

    def to_json(self) -> dict[str, Any]:
        """The reference under its names on the command line."""
        return {"name": self.name, "n_texts": len(self.texts), "left_out": self.left_out}


def reference_of(source: str | TextTable) -> Reference:
    """The reference texts called ``demo``, those of a file, or those of a table read from one.

    The demo reference is every second demo text, 16 of each topic (in the other languages 5): half
    of them are left for what must not be compared with itself.

    Args:
        source: ``demo`` or ``demo-hi`` and the like, the path of a file of texts, or a table.

    Raises:
        InputError: a file that cannot be read, or fewer than 10 different texts.
    """
    if isinstance(source, str) and (language := demo_language(source)) is not None:
        demo = demo_texts(language)
        return Reference(source, demo.texts[::2], demo.labels[::2])
    table = read_texts(source, limit=MOST_TEXTS) if isinstance(source, str) else source
    rows = {text: row for row, text in reversed(list(enumerate(table.texts)))}
    first = sorted(rows.values())
    labels = table.labels
    found = Reference(
        table.source,
        tuple(table.texts[row] for row in first),
        None if labels is None else tuple(str(labels[row]) for row in first),
    )
    return found.without(())


class ReferenceTexts:
    """Reference texts made ready: their mean, and what a cosine can be compared with.

    What no window changes is measured once. May be asked from several threads.

    Args:
        model: the opened model.
        reference: the texts.
        embeddings: (n, d_model) raw, in their order.
        progress: told of the work; may raise to stop.
    """

    def __init__(
        self,
        model: Model,
        reference: Reference,
        embeddings: np.ndarray,
        *,
        progress: Progress = silent,
    ) -> None:
        self.reference = reference
        self.mean = embeddings.mean(axis=0, dtype=np.float64)
        """(d_model,) float64 mean embedding μ."""
        self.rows = embeddings @ model.spectrum.V
        """(n, d_model) the embeddings in the basis of the singular vectors."""
        self.anatomy = anatomy(self.rows, labels=reference.topics, progress=progress)
        """Where the cosines of all their pairs come from."""
        self.places, self.growth = cumulative_quantiles(self.rows, progress=progress)
        """(m,) places along the spectrum; (m, 3) quantiles .05, .5, .95 of a cosine up to there."""
        self._whole = pair_cosines(self.rows), pair_cosines_about_others(self.rows)
        self._last: tuple[Window, tuple[np.ndarray, np.ndarray]] | None = None

    @property
    def n_pairs(self) -> int:
        """Say how many pairs there are."""
        return len(self._whole[0])

    @property
    def median(self) -> float:
        """Median cosine of all pairs, raw."""
        return float(np.median(self._whole[0]))

    def cosines(self, window: Window) -> dict[str, np.ndarray]:
        """Cosines of all pairs by the names of :data:`COSINES`, each (n_pairs,).

        Each pair's mean is that of the other texts, as it is for a pair that is none of them.

        Raises:
            InputError: the window leaves nothing of a text.
        """
        last = self._last
        if last is None or last[0] != window:
            kept = self.rows[:, window.kept]
            last = self._last = window, (pair_cosines(kept), pair_cosines_about_others(kept))
        found = (self._whole[0], last[1][0], self._whole[1], last[1][1])
        return dict(zip(COSINES, found, strict=True))
