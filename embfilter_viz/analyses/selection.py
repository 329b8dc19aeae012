"""Some texts of many, and a text that is none of them: their measures and their neighbours."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from embfilter_viz.analyses.geometry import TextGeometry
from embfilter_viz.analyses.reference import FEWEST_TEXTS, Reference
from embfilter_viz.embeddings.isotropy import Isotropy
from embfilter_viz.embeddings.neighbours import NeighbourChanges, changes_of
from embfilter_viz.embeddings.rotated import Rotated
from embfilter_viz.errors import InputError
from embfilter_viz.spectral.windows import Window
from embfilter_viz.wording import counted, fixed

__all__ = ["SelectedTexts", "Selection", "kept_reference", "matching_rows", "nearest_to"]


@dataclass(frozen=True)
class Selection:
    """Some texts under a window: how they lie, and which of the others are next to them."""

    window: Window
    """What the filter keeps."""
    rows: tuple[int, ...]
    """(m,) the selected texts."""
    raw: Isotropy
    """Their measures as they are; the intervals of the slow ones are left out."""
    filtered: Isotropy
    """The same after the filter."""
    to_others: tuple[float, float]
    """Mean cosine of their pairs with all other texts, raw and filtered; NaN without others."""
    neighbours: NeighbourChanges | None
    """The other texts nearest to the mean of their unit vectors; None without others."""

    @property
    def sentence(self) -> str:
        """Say how near they are to one another and to the rest, in words."""
        raw, filtered = self.raw.mean_cosine, self.filtered.mean_cosine
        said = (
            f"among the {counted(len(self.rows), 'selected text')} the mean cosine is "
            f"{fixed(raw.value, 2)} raw and {fixed(filtered.value, 2)} filtered"
        )
        if self.neighbours is None:
            return f"{said}."
        before, after = self.to_others
        return (
            f"{said}. To all other texts it is {fixed(before, 2)} raw and {fixed(after, 2)} "
            "filtered."
        )


class SelectedTexts:
    """Some texts made ready to be measured under any window.

    Args:
        ready: all texts.
        rows: (m,) those selected, m >= 2.

    Raises:
        InputError: fewer than two texts, or a row that is not there.
    """

    def __init__(self, ready: TextGeometry, rows: Sequence[int]) -> None:
        self.rows = tuple(sorted(set(rows)))
        if len(self.rows) < 2:
            raise InputError("selection: one text has no measures; select at least 2")
        if not 0 <= self.rows[0] <= self.rows[-1] < ready.n:
            raise InputError(f"selection: rows run from 0 to {ready.n - 1:,}; take some of those")
        self._ready = ready
        self._inside = Rotated(ready.embeddings[list(self.rows)], ready.basis)
        self._whole = self._inside.run(0, ready.d).isotropy(
            score_interval=False, rank_interval=False
        )
        self._others = np.setdiff1d(np.arange(ready.n), self.rows)

    def report(self, window: Window, k: int = 8) -> Selection:
        """Measures and the k nearest other texts under ``window``."""
        run = self._inside.run(window.l, window.r)
        filtered = run.isotropy(score_interval=False, rank_interval=False)
        if not len(self._others):
            nowhere = float("nan"), float("nan")
            return Selection(window, self.rows, self._whole, filtered, nowhere, None)
        ready, parts = self._ready, (slice(0, self._ready.d), window.kept)
        found, between = [], []
        for part in parts:
            centre = self._centre(part)
            found.append(ready.nearest_to(centre, part, k, without=self.rows))
            between.append(float(centre @ ready.mean_unit(part, self._others)))
        neighbours, (before, after) = changes_of(*found), between
        between_all = before, after
        return Selection(window, self.rows, self._whole, filtered, between_all, neighbours)

    def _centre(self, kept: slice) -> np.ndarray:
        """(k,) mean of the unit vectors in a run of directions."""
        rows = self._inside.rows[:, kept].astype(np.float64)
        return np.asarray((rows / np.linalg.norm(rows, axis=1, keepdims=True)).mean(axis=0))


def nearest_to(
    ready: TextGeometry, embedding: np.ndarray, window: Window, k: int = 8
) -> NeighbourChanges:
    """The texts nearest to one that is none of them, raw and filtered.

    Args:
        ready: the texts.
        embedding: (d_model,) raw, of the other text.
        window: what the filter keeps.
        k: how many.

    Returns:
        the nearest texts before and after the filter.
    """
    along = np.asarray(embedding, dtype=np.float64) @ ready.basis
    parts = slice(0, ready.d), window.kept
    return changes_of(*(ready.nearest_to(along[part], part, k) for part in parts))


def matching_rows(texts: Sequence[str], wanted: str) -> tuple[int, ...]:
    """The rows of the texts in which all words of ``wanted`` stand, whatever their case.

    >>> matching_rows(["A red cat", "a dog", "The cat is RED"], "cat red")
    (0, 2)
    """
    words = wanted.casefold().split()
    if not words:
        return ()
    return tuple(
        row for row, text in enumerate(texts) if all(word in text.casefold() for word in words)
    )


def kept_reference(
    texts: Sequence[str], labels: Sequence[str] | None, rows: Sequence[int]
) -> Reference:
    """Selected texts as the set that others are compared with, each text once.

    Raises:
        InputError: fewer than 10 different texts.
    """
    first = {texts[row]: row for row in sorted(rows, reverse=True)}
    chosen = sorted(first.values())
    if len(chosen) < FEWEST_TEXTS:
        raise InputError(
            f"selection: {counted(len(chosen), 'different text')} cannot be compared with; "
            f"select at least {FEWEST_TEXTS}"
        )
    return Reference(
        "your selection",
        tuple(texts[row] for row in chosen),
        None if labels is None else tuple(str(labels[row]) for row in chosen),
    )
