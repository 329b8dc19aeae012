"""Tasks over pairs of texts that look at nothing but the cosine of each pair."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from embfilter_viz.evaluation.pair_cosines import cosines_of_windows
from embfilter_viz.evaluation.task import Task
from embfilter_viz.progress import Progress, silent
from embfilter_viz.spectral.windows import Window

__all__ = ["CosinePairs"]


@dataclass(frozen=True, eq=False)
class CosinePairs(Task):
    """Pairs of texts; all windows are scored from running sums along one rotation."""

    first: np.ndarray
    """(n_pairs,) the place of each pair's first sentence among the texts."""
    second: np.ndarray
    """(n_pairs,) the place of its second sentence."""

    def outcomes(self, E: np.ndarray) -> np.ndarray:
        """Cosines of the pairs, (n_pairs,) float64."""
        d = E.shape[1]
        return self.outcomes_of_windows(E, [Window(0, d, d)])[0]

    def outcomes_of_windows(
        self, R: np.ndarray, windows: Sequence[Window], *, progress: Progress = silent
    ) -> np.ndarray:
        """Cosines of the pairs under every window, (m, n_pairs), from running sums along R."""
        progress("Scoring windows", 0, len(windows), "windows")
        return cosines_of_windows(R, self.first, self.second, windows)
