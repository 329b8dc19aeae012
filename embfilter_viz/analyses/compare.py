"""Two runs on one task, side by side: is one model, prompt or window better than the other?

Both are scored on the same resamples of the task's units, so that their difference has an interval
of its own: two scores whose intervals overlap may still differ beyond noise.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from embfilter_viz.analyses.finite import finite
from embfilter_viz.embeddings.isotropy import Interval, Isotropy, isotropy
from embfilter_viz.evaluation.resampling import intervals, resamples
from embfilter_viz.evaluation.task import Task
from embfilter_viz.model import Model
from embfilter_viz.progress import Progress, silent
from embfilter_viz.spectral.filters import EmbedFilter
from embfilter_viz.spectral.windows import Window

__all__ = ["Comparison", "Run", "Side", "compare"]


@dataclass(frozen=True)
class Run:
    """What makes embeddings: a model, a prompt and a window."""

    model: Model
    """The opened model."""
    prompt: str
    """How texts are put to it."""
    window: Window
    """What the filter keeps; all directions for embeddings as they are."""

    @property
    def name(self) -> str:
        """The run in a few words."""
        kept = "raw" if self.window.k == self.window.d else f"window {self.window}"
        return f"{self.model.name}, {self.prompt}, {kept}"


@dataclass(frozen=True)
class Side:
    """What one run gives."""

    name: str
    """The run in a few words."""
    model: str
    """What the user typed to choose the model."""
    prompt: str
    """How texts were put to it."""
    window: Window
    """What was kept."""
    score: Interval
    """On the task, in points of 100, with its 95 % interval."""
    more: dict[str, float]
    """Further measures of the task."""
    isotropy: Isotropy
    """Of the task's texts."""


@dataclass(frozen=True)
class Comparison:
    """Two runs on one task, and what lies between them."""

    kind: str
    """Kind of the task."""
    measure: str
    """What the scores are."""
    unit: str
    """What was resampled, in the plural."""
    n_units: int
    """How many of them."""
    source: str
    """Where the task's texts come from."""
    first: Side
    """One run."""
    second: Side
    """The other."""
    difference: Interval
    """Score of the second less that of the first, paired, with its 95 % interval."""

    @property
    def sentence(self) -> str:
        """Which is better, or that the difference is within noise."""
        gap = self.difference
        scores = (
            f"{self.first.name} scores {self.first.score.value:.1f} and {self.second.name} "
            f"{self.second.score.value:.1f} on {self.n_units:,} {self.unit}: a difference of "
            f"{gap.value:+.1f} ({gap.low:+.1f} to {gap.high:+.1f})"
        )
        if gap.low > 0:
            return f"{scores}, so the second is better beyond noise."
        if gap.high < 0:
            return f"{scores}, so the first is better beyond noise."
        return f"{scores}, which is within noise: these data do not tell the two apart."

    def to_json(self) -> dict[str, Any]:
        """The record under its names on the command line."""
        return finite(
            {
                "task": {
                    "kind": self.kind, "measure": self.measure, "unit": self.unit,
                    "n_units": self.n_units, "source": self.source,
                },
                "first": _side_json(self.first),
                "second": _side_json(self.second),
                "difference": asdict(self.difference),
                "sentence": self.sentence,
            }
        )  # fmt: skip


def compare(
    first: Run,
    second: Run,
    task: Task,
    *,
    n_resamples: int = 1000,
    seed: int = 0,
    progress: Progress = silent,
) -> Comparison:
    """Embed the task's texts under both runs and score them on the same resamples.

    Args:
        first: one run.
        second: the other; the difference is its score less that of ``first``.
        task: what is scored.
        n_resamples: of the bootstrap.
        seed: of the bootstrap.
        progress: told of embedding and measuring.

    Raises:
        InputError: the texts cannot be embedded, or a window leaves nothing of one.
    """
    embeddings = [_filtered(run, task, progress) for run in (first, second)]
    progress("Scoring both", 0, 0, "")
    outcomes = np.stack([task.outcomes(E) for E in embeddings])
    counts = resamples(task.n_units, count=n_resamples, seed=seed)
    values, again = task.scores(outcomes)[:, 0], task.scores(outcomes, counts)
    scores = intervals(values, again, bounds=task.bounds)
    (gap,) = intervals(values[1:] - values[:1], again[1:] - again[:1])
    sides = [
        Side(run.name, run.model.name, run.prompt, run.window, score, task.more(own), spread)
        for run, score, own, spread in zip(
            (first, second),
            scores,
            outcomes,
            [isotropy(E, progress=progress) for E in embeddings],
            strict=True,
        )
    ]
    return Comparison(
        task.kind, task.measure, task.unit, task.n_units, task.source, sides[0], sides[1], gap
    )


def _filtered(run: Run, task: Task, progress: Progress) -> np.ndarray:
    raw = run.model.encode(task.texts, run.prompt, progress=progress)
    return EmbedFilter(run.model.spectrum_of_head(progress=progress), window=run.window).transform(
        raw
    )


def _side_json(side: Side) -> dict[str, Any]:
    ends: Callable[[Interval], dict[str, float]] = asdict
    return {
        "model": side.model,
        "prompt": side.prompt,
        "window": [side.window.l, side.window.r],
        "dims": side.window.k,
        "score": ends(side.score),
        "more": side.more,
        "mean_cosine": ends(side.isotropy.mean_cosine),
        "isoscore": ends(side.isotropy.isoscore),
        "effective_rank": ends(side.isotropy.effective_rank),
    }
