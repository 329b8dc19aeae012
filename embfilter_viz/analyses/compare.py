"""Two runs on one task, side by side: is one model, prompt or window better than the other?

Both are scored on the same resamples of the task's units, so that their difference has an interval
of its own: two scores whose intervals overlap may still differ beyond noise.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from embfilter_viz.analyses.finite import finite
from embfilter_viz.analyses.rewritten import cost_of
from embfilter_viz.embeddings.isotropy import Interval, Isotropy, isotropy
from embfilter_viz.evaluation.resampling import intervals
from embfilter_viz.evaluation.task import Task
from embfilter_viz.model import Model
from embfilter_viz.models.encoding.prompts import find_prompt
from embfilter_viz.models.encoding.rewriting import ReadingCost
from embfilter_viz.spectral.filters import EmbedFilter
from embfilter_viz.spectral.windows import Window
from embfilter_viz.system.progress import Progress, silent
from embfilter_viz.wording import decimals, fixed, signed, spanned
from embfilter_viz.yardstick import Yardstick

__all__ = ["TRAINED", "Comparison", "Run", "Side", "TrainedRun", "compare"]

TRAINED = "trained for embeddings"
"""What is said of a model beside which a filter of a language model is measured."""


@dataclass(frozen=True)
class Run:
    """A way to make embeddings: a model, a prompt and a window."""

    model: Model
    """The opened model."""
    prompt: str
    """How texts are put to it."""
    window: Window
    """What the filter keeps; all directions for embeddings as they are."""

    @property
    def name(self) -> str:
        """The run in a few words."""
        kept = "raw" if self.window.drops_nothing else f"window {self.window}"
        return f"{self.model.name}, {find_prompt(self.prompt).words}, {kept}"

    def embeddings(self, texts: Sequence[str], progress: Progress = silent) -> np.ndarray:
        """The run's embeddings of ``texts``: (n, k) float32.

        Raises:
            InputError: the texts cannot be embedded, or the window leaves nothing of one.
        """
        raw = self.model.encode(texts, self.prompt, progress=progress)
        if self.window.drops_nothing:  # the same in another basis, whose rounding is no difference
            return raw
        spectrum = self.model.spectrum_of_head(progress=progress)
        return EmbedFilter(spectrum, window=self.window).transform(raw)

    def cost(self, texts: Sequence[str]) -> ReadingCost:
        """Return what it takes to embed one of ``texts``, which were embedded before."""
        return cost_of(self.model, texts, self.prompt)


@dataclass(frozen=True)
class TrainedRun:
    """A model that was trained for embeddings: it has neither a prompt of ours nor a window."""

    yardstick: Yardstick
    """The opened model."""

    @property
    def name(self) -> str:
        """The run in a few words."""
        return f"{self.yardstick.name}, {TRAINED}"

    def embeddings(self, texts: Sequence[str], progress: Progress = silent) -> np.ndarray:
        """The model's embeddings of ``texts``: (n, k) float32.

        Raises:
            InputError: the texts cannot be embedded.
        """
        return self.yardstick.encode(texts, progress=progress)

    def cost(self, texts: Sequence[str]) -> ReadingCost:
        """Return what it takes to embed one of ``texts``: one forward pass."""
        return ReadingCost(1)


@dataclass(frozen=True)
class Side:
    """The scores of one run."""

    name: str
    """The run in a few words."""
    model: str
    """What the user typed to choose the model."""
    prompt: str | None
    """How texts were put to it; None for a model that was trained for embeddings."""
    window: Window
    """What was kept."""
    score: Interval
    """On the task, in points of 100, with its 95 % interval."""
    more: dict[str, float]
    """Further measures of the task."""
    isotropy: Isotropy
    """Of the task's texts."""
    cost: ReadingCost = field(default_factory=lambda: ReadingCost(1))
    """What one of the task's texts takes."""


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
    no_interval: str | None = None
    """Why there is no interval, if there is none."""

    @property
    def sentence(self) -> str:
        """Return which is better, or that the difference is within noise, and what it costs."""
        return f"{self._finding}{self._costs}"

    @property
    def _costs(self) -> str:
        first, second = self.first.cost.words, self.second.cost.words
        if first == second:
            return ""
        return f" A text takes {first} in the first run and {second} in the second."

    @property
    def _finding(self) -> str:
        gap = self.difference
        digits = decimals([gap.low, gap.high], 1)
        first, second = (fixed(side.score.value, 1) for side in (self.first, self.second))
        units = f"{self.n_units:,} {self.unit}"
        if self.first.name == self.second.name:
            return f"both are the same run, {self.first.name}: it scores {first} on {units}."
        scores = (
            f"{self.first.name} scores {first} and {self.second.name} {second} on {units}: a "
            f"difference of {signed(gap.value, digits)}"
        )
        if self.no_interval:
            return f"{scores}; {self.no_interval}."
        scores += f" ({spanned(gap.low, gap.high, digits, sign=True)})"
        alone = "; this is one comparison, not corrected for others that were tried on these data"
        if gap.low > 0:
            return f"{scores}, so the second is better beyond noise{alone}."
        if gap.high < 0:
            return f"{scores}, so the first is better beyond noise{alone}."
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
                "no_interval": self.no_interval,
                "sentence": self.sentence,
            }
        )  # fmt: skip


def compare(
    first: Run | TrainedRun,
    second: Run | TrainedRun,
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

    Returns:
        both runs with their scores, and the difference.

    Raises:
        InputError: the texts cannot be embedded, or a window leaves nothing of one.
    """
    embeddings = [run.embeddings(task.texts, progress) for run in (first, second)]
    progress("Scoring both", 0, 0, "")
    outcomes = np.stack([task.outcomes(E) for E in embeddings])
    how = task.resamples(count=n_resamples, seed=seed)
    values, again = task.scores(outcomes)[:, 0], task.scores(outcomes, how.counts)
    scores = task.score_intervals(values, again, how)
    (gap,) = intervals(values[1:] - values[:1], again[1:] - again[:1], how)
    sides = [
        replace(
            _side(run, E, score, task.more(own), isotropy(E, progress=progress)),
            cost=run.cost(task.texts),
        )
        for run, E, score, own in zip((first, second), embeddings, scores, outcomes, strict=True)
    ]
    return Comparison(
        task.kind, task.measure, task.unit, task.n_units, task.source, sides[0], sides[1], gap,
        how.refusal,
    )  # fmt: skip


def _side(
    run: Run | TrainedRun, E: np.ndarray, score: Interval, more: dict[str, float], spread: Isotropy
) -> Side:
    if isinstance(run, Run):
        return Side(run.name, run.model.name, run.prompt, run.window, score, more, spread)
    d = E.shape[1]
    return Side(run.name, run.yardstick.name, None, Window(0, d, d), score, more, spread)


def _side_json(side: Side) -> dict[str, Any]:
    ends: Callable[[Interval], dict[str, float]] = asdict
    return {
        "model": side.model,
        "prompt": side.prompt,
        "trained_for_embeddings": side.prompt is None,
        "window": [side.window.l, side.window.r],
        "dims": side.window.k,
        "score": ends(side.score),
        "more": side.more,
        "mean_cosine": ends(side.isotropy.mean_cosine),
        "isoscore": ends(side.isotropy.isoscore),
        "effective_rank": ends(side.isotropy.effective_rank),
        **side.cost.to_json(),
    }
