"""Scores that claims 7 to 11 are decided by: the filter against raw and alternatives, on tasks."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from embfilter_viz.analyses.ablation import variants
from embfilter_viz.analyses.calibration import calibration_for
from embfilter_viz.analyses.removals import frequent_shifts
from embfilter_viz.analyses.scored import scored_variants, scores_of_windows
from embfilter_viz.embeddings.interval import Interval
from embfilter_viz.errors import InputError
from embfilter_viz.evaluation.pooling import pooled, together
from embfilter_viz.evaluation.resampling import Resamples, intervals
from embfilter_viz.evaluation.task import Task
from embfilter_viz.evaluation.tasks import TITLES
from embfilter_viz.model import Model
from embfilter_viz.models.head.frequencies import TokenFrequencies
from embfilter_viz.spectral.windows import Window
from embfilter_viz.system.progress import Progress, silent

__all__ = ["RAW", "PooledDifference", "TaskScores", "pooled_difference"]

RAW = "raw"
"""The embeddings as they are, among the names of what is scored."""

Scores = tuple[float, np.ndarray]
"""A score on all units, and (b,) on the resamples."""


@dataclass(frozen=True)
class PooledDifference:
    """One thing scored less another, pooled over tasks and by task."""

    pooled: Interval
    """In points of 100."""
    by_task: tuple[Interval, ...]
    """(t,) the same of each task, paired."""
    no_interval: str | None
    """Why a task has no interval, if one has none."""


class TaskScores:
    """One task's scores, each made when first asked for and kept.

    What is scored is named ``raw``, ``τ`` with a number (a window), or as in
    :data:`~embfilter_viz.analyses.ablation.BASELINES`, at as many dimensions as τ = 2 leaves.

    Args:
        model: the opened model.
        task: what is scored.
        prompt: how its texts are put to the model.
        frequencies: which tokens are frequent, for ``optimal``.
        progress: told of the work; may raise to stop.
    """

    def __init__(
        self,
        model: Model,
        task: Task,
        prompt: str,
        frequencies: TokenFrequencies,
        *,
        progress: Progress = silent,
    ) -> None:
        self.task = task
        self._model, self._prompt, self._frequencies = model, prompt, frequencies
        self._progress = progress
        self._known: dict[str, Scores] = {}

    def difference(self, one: str, other: str) -> Interval:
        """One less the other, paired, with its 95 % interval.

        Raises:
            InputError: one of the two cannot be made.
        """
        (a, a_again), (b, b_again) = self._scores(one), self._scores(other)
        (found,) = intervals(np.array([a - b]), (a_again - b_again)[None], self.how)
        return found

    @cached_property
    def how(self) -> Resamples:
        """The resamples that all are scored on."""
        return self.task.resamples()

    def _scores(self, name: str) -> Scores:
        if name not in self._known:
            self._known[name] = self._of_window(name) or self._of_alternative(name)
        return self._known[name]

    @cached_property
    def _E(self) -> np.ndarray:
        return self._model.encode(self.task.texts, self._prompt, progress=self._progress)

    @cached_property
    def _rotated(self) -> np.ndarray:
        return self._E.astype(np.float64) @ self._model.spectrum.V.astype(np.float64)

    def _of_window(self, name: str) -> Scores | None:
        """Scores of the raw embeddings or of a window; None for what is neither."""
        if name == RAW:
            outcomes = self.task.outcomes(self._E)[None]
        elif name.startswith("τ"):
            window = Window.of_tau(name.removeprefix("τ").strip(), self._model.d_model)
            outcomes = self.task.outcomes_of_windows(
                self._rotated, [window], progress=self._progress
            )
        else:
            return None
        values, again = scores_of_windows(
            self.task, outcomes, self.how.counts, progress=self._progress
        )
        return float(values[0]), again[0]

    def _of_alternative(self, name: str) -> Scores:
        learnt_from = calibration_for(self.task)
        rows = np.empty((0, self._model.d_model))
        if name == "whitening":
            rows = self._model.encode(learnt_from.texts, self._prompt, progress=self._progress)
        shifts = frequent_shifts(self._model, self._frequencies)
        k = Window.of_tau(2, self._model.d_model).k
        made = variants(self._model.spectrum, k, rows, learnt_from.name, shifts, names=[name])
        (found,) = scored_variants(
            self.task, self._E, made, self.how.counts, total=1, progress=self._progress
        )
        if not len(found.value):
            raise InputError(str(found.variant.refusal))
        return float(found.value[0]), found.again[0]


def pooled_difference(tasks: Sequence[TaskScores], one: str, other: str) -> PooledDifference:
    """One thing less another over several tasks; each task counts the same.

    Raises:
        InputError: one of the two cannot be made for a task, which is named.
    """
    found = []
    for scores in tasks:
        try:
            found.append(scores.difference(one, other))
        except InputError as error:
            raise InputError(f"{TITLES[scores.task.kind]}: {error}") from None
    groups = together([scores.task.texts for scores in tasks])
    refusal = next(
        (f"{TITLES[s.task.kind]}: {s.how.refusal}" for s in tasks if s.how.refusal), None
    )
    return PooledDifference(pooled(found, groups), tuple(found), refusal)
