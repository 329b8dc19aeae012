"""What is made of embeddings, scored beside the embeddings as they are, on the same resamples."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from embfilter_viz.embeddings.interval import Interval
from embfilter_viz.evaluation.resampling import intervals
from embfilter_viz.evaluation.task import Task
from embfilter_viz.wording import decimals, fixed, signed, spanned

__all__ = ["BesideRaw", "Scored", "compared", "range_of"]


@dataclass(frozen=True)
class Scored:
    """A score and its difference to that of the raw embeddings."""

    score: Interval
    """() in points of 100, with its 95 % interval; of random subspaces mean, least, greatest."""
    to_raw: Interval
    """() its paired difference to raw, likewise."""


class BesideRaw:
    """Scores of several embeddings of one task's texts, each beside those of the raw ones.

    Args:
        task: what is scored.
        raw: (n_units, …) the outcomes of the raw embeddings.
    """

    def __init__(self, task: Task, raw: np.ndarray) -> None:
        self._task, self._how = task, task.resamples()
        self._raw, self._raw_again = task.scores(raw[None])[:, 0], self._resampled(raw)
        self.raw = self.one(raw)
        """The raw embeddings; their difference to themselves is zero."""

    def one(self, outcomes: np.ndarray) -> Scored:
        """Score one embedding's outcomes (n_units, …), with 95 % intervals over units."""
        value, again = self._task.scores(outcomes[None])[:, 0], self._resampled(outcomes)
        return Scored(
            self._task.score_intervals(value, again, self._how)[0],
            intervals(value - self._raw, again - self._raw_again, self._how)[0],
        )

    def drawn(self, outcomes: np.ndarray) -> Scored:
        """Score embeddings with a random part (s, n_units, …): mean, least and greatest."""
        values = self._task.scores(outcomes)[:, 0]
        return Scored(range_of(values), range_of(values - self._raw))

    def _resampled(self, outcomes: np.ndarray) -> np.ndarray:
        return self._task.scores(outcomes[None], self._how.counts)


def range_of(values: Sequence[float] | np.ndarray) -> Interval:
    """Mean, least and greatest of some numbers.

    >>> range_of([1.0, 2.0, 6.0])
    Interval(value=3.0, low=1.0, high=6.0)
    """
    return Interval(float(np.mean(values)), float(np.min(values)), float(np.max(values)))


def compared(difference: Interval, name: str) -> str:
    """Tell whether a score is better than another by its name, in words.

    >>> compared(Interval(2.0, 1.0, 3.0), "raw")
    '2.0 better than raw (95 % interval +1.0 to +3.0)'
    >>> compared(Interval(2.0, -1.0, 5.0), "raw")
    'within noise of raw (+2.0, 95 % interval -1.0 to +5.0)'
    """
    if not difference.known:
        return f"{signed(difference.value, 1)} against {name}, with no interval"
    digits = decimals([difference.low, difference.high], 1)
    ends = f"95 % interval {spanned(difference.low, difference.high, digits, sign=True)}"
    if difference.low > 0:
        return f"{fixed(difference.value, digits)} better than {name} ({ends})"
    if difference.high < 0:
        return f"{fixed(-difference.value, digits)} worse than {name} ({ends})"
    return f"within noise of {name} ({signed(difference.value, digits)}, {ends})"
