"""Windows and alternatives scored on a task, on all its units and on the same resamples of them."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from embfilter_viz.analyses.ablation import BASELINES, Variant
from embfilter_viz.evaluation.task import Task
from embfilter_viz.system.progress import Progress, silent

__all__ = ["ScoredVariant", "scored_variants", "scores_of_windows"]

_WINDOWS_AT_ONCE = 32
"""Windows resampled between two words to ``progress``."""


@dataclass(frozen=True, eq=False)
class ScoredVariant:
    """One alternative and its scores, none where it could not be made."""

    variant: Variant
    """What it is."""
    value: np.ndarray
    """(1,) score, or (0,)."""
    again: np.ndarray
    """(1, b) scores on the resamples, or (0, b)."""
    spread: tuple[float, float] | None
    """Least and greatest score over the draws, where chance has a part."""


def scores_of_windows(
    task: Task, outcomes: np.ndarray, counts: np.ndarray, *, progress: Progress = silent
) -> tuple[np.ndarray, np.ndarray]:
    """Scores (m,) of m windows on all units, and (m, b) on the resamples.

    Args:
        task: what is scored.
        outcomes: (m, n_units, …) of the windows.
        counts: (b, n_units) how often each resample holds each unit.
        progress: told of the windows.

    Returns:
        scores (m,), and scores (m, b) of the resamples.
    """
    again = np.empty((len(outcomes), len(counts)))
    for start in range(0, len(outcomes), _WINDOWS_AT_ONCE):
        progress("Resampling", start, len(outcomes), "windows")
        some = slice(start, start + _WINDOWS_AT_ONCE)
        again[some] = task.scores(outcomes[some], counts)
    return task.scores(outcomes)[:, 0], again


def scored_variants(
    task: Task,
    E: np.ndarray,
    made: Iterable[Variant],
    counts: np.ndarray,
    *,
    total: int = len(BASELINES),
    progress: Progress = silent,
) -> Iterator[ScoredVariant]:
    """Score alternatives one by one; where chance has a part, by the mean over its draws.

    Args:
        task: what is scored.
        E: (n, d_model) raw embeddings of its texts.
        made: the alternatives, fitted.
        counts: (b, n_units) how often each resample holds each unit.
        total: how many alternatives there are.
        progress: told of the alternatives.

    Returns:
        each alternative with its score and its difference to raw.
    """
    for done, one in enumerate(made):
        progress("Scoring baselines", done, total, "baselines")
        value, again, spread = np.empty(0), np.empty((0, len(counts))), None
        if one.filters:
            outcomes = np.stack([task.outcomes(each.transform(E)) for each in one.filters])
            scores = task.scores(outcomes)[:, 0]
            value = scores.mean(keepdims=True)
            again = task.scores(outcomes, counts).mean(axis=0, keepdims=True)
            spread = (float(scores.min()), float(scores.max())) if len(scores) > 1 else None
        yield ScoredVariant(one, value, again, spread)
