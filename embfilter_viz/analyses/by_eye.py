"""A window chosen by how far it parts two sentences: what is it worth on other pairs?"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from embfilter_viz.analyses.beside_raw import compared
from embfilter_viz.analyses.finite import finite
from embfilter_viz.analyses.worth import PairTexts
from embfilter_viz.embeddings.interval import Interval
from embfilter_viz.evaluation.grids import windows_of_plane
from embfilter_viz.evaluation.pair_cosines import cosines_of_windows
from embfilter_viz.evaluation.resampling import intervals
from embfilter_viz.evaluation.spearman import spearman
from embfilter_viz.spectral.windows import Window
from embfilter_viz.wording import fixed

__all__ = ["ByEye", "Tried", "WindowsByEye"]

STEPS = 20
"""Steps of the grid of windows along either end, as in the Window laboratory."""


@dataclass(frozen=True)
class Tried:
    """One window, by what one sees of it and by what it is worth."""

    window: Window
    """What is kept."""
    cosine: float
    """() of the two sentences under it."""
    score: float
    """() on the pairs that were held out, in points of 100; NaN where there is none."""


@dataclass(frozen=True, eq=False)
class ByEye:
    """A window somebody chose by looking at two sentences, among many others."""

    chosen: Tried
    """The window that was chosen."""
    raw: Tried
    """Nothing dropped."""
    tau_2: Tried
    """The paper's window."""
    parts_most: Tried
    """Of the grid, the window under which the two sentences have the smallest cosine."""
    scores_most: Tried
    """Of the grid, the window that scores most: chosen on these pairs, so it flatters."""
    grid: tuple[Tried, ...]
    """(m,) all windows of the grid."""
    correlation: float
    """() Spearman's correlation, over the grid, of how far a window parts the two sentences with
    what it scores; NaN where all windows do the same."""
    gap: Interval
    """() ``parts_most`` less ``tau_2``, paired, with its 95 % interval over the pairs."""
    held_out: str
    """The pairs that had no part in choosing, in words."""

    @property
    def overfits(self) -> bool:
        """Tell whether the window that parts the two most is worse than one that nobody chose."""
        return self.gap.high < 0

    @property
    def sentence(self) -> str:
        """Return what choosing by two sentences leads to, in words."""
        own, raw, two, best = self.chosen, self.raw, self.tau_2, self.parts_most
        return (
            f"under your window {own.window} the two sentences have a cosine of "
            f"{fixed(own.cosine, 2)}, and the window scores {_score(own)} on {self.held_out}. Raw "
            f"embeddings score {_score(raw)}, and the window of τ = 2, {two.window}, "
            f"scores {_score(two)}. Of the {len(self.grid)} windows of a grid, {best.window} "
            f"separates the two sentences most (cosine {fixed(best.cosine, 2)}). It scores "
            f"{_score(best)}, which is {compared(self.gap, 'τ = 2')}. {self._verdict}"
        )

    @property
    def _verdict(self) -> str:
        if self.overfits:
            return (
                "The window that fits two sentences best is worse for others. This is overfitting, "
                "and it is why a window must be judged on pairs that had no part in choosing it."
            )
        if self.gap.low > 0:
            return (
                "Here the window that fits two sentences best is better for others too. Try two "
                "other sentences."
            )
        return (
            "The window that fits two sentences best is no better for others than a window that "
            "nobody chose."
        )

    def to_json(self) -> dict[str, Any]:
        """The record under its names on the command line."""
        named = ("chosen", "raw", "tau_2", "parts_most", "scores_most")
        return finite(
            {
                **{name: _json(getattr(self, name)) for name in named},
                "n_windows": len(self.grid),
                "correlation": self.correlation,
                "gap": asdict(self.gap),
                "overfits": self.overfits,
                "sentence": self.sentence,
            }
        )


class WindowsByEye:
    """Two embeddings and the held-out pairs made ready, so that any window can be chosen by eye.

    Args:
        rows: (2, d_model) the two embeddings in the basis of the singular vectors, E V.
        held_out: the pairs that windows are scored on.
    """

    def __init__(self, rows: np.ndarray, held_out: PairTexts) -> None:
        self._rows, self._held_out = np.asarray(rows, dtype=np.float64), held_out
        d = self._rows.shape[1]
        self._grid = self._try(windows_of_plane(min(STEPS, d), d))
        cosines, scores = (np.array([getattr(one, name) for one in self._grid])
                           for name in ("cosine", "score"))  # fmt: skip
        known = np.isfinite(scores)
        self._correlation = float(spearman(-cosines[known][None], scores[known])[0, 0])
        self._parts_most = self._grid[int(np.argmin(np.where(known, cosines, np.inf)))]
        self._scores_most = self._grid[int(np.nanargmax(scores))]
        self._raw, self._tau_2 = self._try([Window(0, d, d), Window.of_tau(min(2, d), d)])
        self._gap = self._paired(self._parts_most.window, self._tau_2.window)

    def report(self, window: Window) -> ByEye:
        """The window that was chosen, among the others.

        Raises:
            InputError: the window leaves nothing of a text.
        """
        (own,) = self._try([window])
        return ByEye(
            own, self._raw, self._tau_2, self._parts_most, self._scores_most, self._grid,
            self._correlation, self._gap, self._held_out.said,
        )  # fmt: skip

    def _try(self, windows: list[Window]) -> tuple[Tried, ...]:
        ready = self._held_out
        own = cosines_of_windows(self._rows, np.array([0]), np.array([1]), windows)[:, 0]
        scores = ready.task.scores(ready.task.outcomes_of_windows(ready.rows, windows))[:, 0]
        return tuple(
            Tried(window, float(cosine), float(score))
            for window, cosine, score in zip(windows, own, scores, strict=True)
        )

    def _paired(self, one: Window, other: Window) -> Interval:
        """Return what one window scores less another, with its interval over the pairs."""
        task = self._held_out.task
        outcomes, how = (
            task.outcomes_of_windows(self._held_out.rows, [one, other]),
            task.resamples(),
        )
        value, again = task.scores(outcomes)[:, 0], task.scores(outcomes, how.counts)
        return intervals(value[:1] - value[1:], again[:1] - again[1:], how)[0]


def _score(one: Tried) -> str:
    return "nothing that is defined" if one.score != one.score else fixed(one.score, 1)


def _json(one: Tried) -> dict[str, Any]:
    return {**asdict(one), "window": [one.window.l, one.window.r]}
