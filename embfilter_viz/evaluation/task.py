"""What a task is: texts to embed, and a score that any embeddings of them can be given.

A score is taken in two steps, so that resampling costs next to nothing. :meth:`Task.outcomes`
looks at embeddings once and keeps what each unit (a pair, a query, a text) made of them: a cosine,
a query's nDCG, a right or wrong answer. :meth:`Task.scores` turns outcomes into scores, for all
units or for any number of resamples of them.
"""

import sys
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from embfilter_viz.embeddings.interval import Interval
from embfilter_viz.evaluation.resampling import N_RESAMPLES, Resamples, intervals, unit_counts
from embfilter_viz.spectral.windows import Window
from embfilter_viz.system.progress import Progress, silent

__all__ = ["Task", "halves"]


@dataclass(frozen=True, eq=False)
class Task(ABC):
    """Texts, what is known about them, and a score of their embeddings; larger is better."""

    kind: ClassVar[str]
    """Its name on the command line."""
    measure: ClassVar[str]
    """What the score is, in words for an axis."""
    unit: ClassVar[str]
    """What is resampled, in the plural: pairs, queries, texts."""
    bounds: ClassVar[tuple[float, float]] = (0.0, 100.0)
    """The least and the greatest score there can be."""
    widening: ClassVar[float] = 1.0
    """Factor on the length of all intervals, where resamples hold something fixed."""
    is_slow: ClassVar[bool] = False
    """Whether a window takes long (something is fitted to it), so that few should be tried."""

    texts: tuple[str, ...]
    """(n,) distinct texts; embeddings given to the task are of these, in this order."""
    source: str
    """Where they come from: the name of a file, or of a demo set."""
    notes: tuple[str, ...] = field(default=(), kw_only=True)
    """What was decided in making it, one plain sentence each."""

    @property
    def nbytes(self) -> int:
        """Bytes that the texts take in memory."""
        return sum(map(sys.getsizeof, self.texts))

    @property
    @abstractmethod
    def n_units(self) -> int:
        """Say how many units there are to resample."""

    @property
    @abstractmethod
    def chooses(self) -> np.ndarray:
        """(n_units,) bool: the half that chooses a window; the other half reports its score."""

    @abstractmethod
    def outcomes(self, E: np.ndarray) -> np.ndarray:
        """Return what each unit makes of embeddings E (n, k) of the texts: (n_units, …)."""

    @abstractmethod
    def scores(self, outcomes: np.ndarray, counts: np.ndarray | None = None) -> np.ndarray:
        """Scores of several embeddings, on all units or on resamples of them.

        Args:
            outcomes: (m, n_units, …), the outcomes of m embeddings.
            counts: (b, n_units) how often each resample holds each unit; None: each once.

        Returns:
            (m, b) float64 in points of 100, b = 1 without ``counts``; NaN where a resample
            leaves the score undefined.
        """

    def resamples(
        self, among: np.ndarray | None = None, *, count: int = N_RESAMPLES, seed: int = 0
    ) -> Resamples:
        """Resamples that intervals are made from: the units drawn with replacement.

        Args:
            among: (n_units,) bool, the units that are drawn; None: all.
            count: number of resamples.
            seed: the same seed draws the same for any variant.
        """
        counts = unit_counts(self.n_units, among, count=count, seed=seed)
        drawn = self.n_units if among is None else int(among.sum())
        return Resamples(counts, drawn, self.widening)

    def score_intervals(
        self, values: np.ndarray, resampled: np.ndarray, how: Resamples
    ) -> list[Interval]:
        """An interval for each of several scores (m,), from the same on the resamples (m, b)."""
        return intervals(values, resampled, how, bounds=self.bounds)

    def outcomes_of_windows(
        self, R: np.ndarray, windows: Sequence[Window], *, progress: Progress = silent
    ) -> np.ndarray:
        """Outcomes of many windows (m, n_units, …) from one rotation R = E V (n, d).

        Columns l … r − 1 of R are what the window (l, r) keeps.
        """
        found = []
        for done, window in enumerate(windows):
            progress("Scoring windows", done, len(windows), "windows")
            found.append(self.outcomes(R[:, window.kept]))
        progress("Scoring windows", len(windows), len(windows), "windows")
        return np.stack(found)

    def more(self, outcomes: np.ndarray) -> dict[str, float]:
        """Further measures of one embedding's outcomes (n_units, …), by name."""
        return {}

    def score(self, E: np.ndarray) -> float:
        """The score of embeddings E (n, k) of the texts, on all units, in points of 100."""
        return float(self.scores(self.outcomes(E)[None])[0, 0])

    def describe(self) -> str:
        """Return what was scored, in words for a caption."""
        return f"{self.measure} over {self.n_units:,} {self.unit} of {self.source}"


def halves(strata: np.ndarray, seed: int = 0) -> np.ndarray:
    """Split units into two halves that are alike: (n,) bool, True in the half that chooses.

    Units are shuffled, ordered by stratum and dealt out in turns, so that each half gets its part
    of every stratum and neither more than one unit above the other.

    Args:
        strata: (n,) numbers: a label, a score, or the same for all.
        seed: of the shuffle.

    >>> halves(np.array([0, 0, 0, 0, 1, 1])).sum(), halves(np.array([0, 0, 1, 1]))[:2].sum()
    (np.int64(3), np.int64(1))
    """
    rng = np.random.default_rng(seed)
    shuffled = rng.permutation(len(strata))
    order = shuffled[np.argsort(np.asarray(strata)[shuffled], kind="stable")]
    chooses = np.zeros(len(strata), dtype=bool)
    # Two by two, the first of each two by chance: alternating would give one half every larger
    # score of two neighbours.
    first = rng.integers(0, 2, size=(len(order) + 1) // 2)
    for pair, which in enumerate(first):
        place = min(2 * pair + int(which), len(order) - 1)
        chooses[order[place]] = True
    return chooses
