"""Which window is best for this model and this data, and is that more than chance?

Texts are embedded once and rotated once, R = E V; every window is a slice of columns of R. All
windows and baselines are scored on the same resamples of the task's units. One half of the units
chooses a window, the other half says what it is worth.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from embfilter_viz.analyses.ablation import (
    BASELINES,
    Calibration,
    Variant,
    calibration_for,
    paper_ablation,
    variants,
)
from embfilter_viz.analyses.finite import finite
from embfilter_viz.analyses.removals import FREQUENT_TOKENS
from embfilter_viz.embeddings.isotropy import Interval
from embfilter_viz.errors import InputError
from embfilter_viz.evaluation.resampling import intervals, resamples, simultaneous_intervals
from embfilter_viz.evaluation.task import Task
from embfilter_viz.model import Model
from embfilter_viz.models.frequencies import TokenFrequencies
from embfilter_viz.progress import Progress, silent
from embfilter_viz.spectral.spectroscopy import logit_shifts
from embfilter_viz.spectral.windows import Window

__all__ = ["Baseline", "Best", "Half", "Sweep", "WindowScore", "sweep", "sweep_of"]

PAPER = "Qwen2.5-0.5B, PromptEOL, in the paper"
"""Whose figures the paper's ablation are."""

_UNBOUNDED = (-np.inf, np.inf)

_WINDOWS_AT_ONCE = 32
"""Windows resampled between two words to ``progress``."""


@dataclass(frozen=True)
class WindowScore:
    """What one window scores, on all units."""

    window: Window
    """What is kept."""
    score: Interval
    """In points of 100, with its 95 % interval for itself."""
    difference: Interval
    """To raw, paired, with its 95 % interval for itself."""
    corrected: Interval
    """The same difference; with 95 % probability all windows' intervals hold together."""


@dataclass(frozen=True)
class Baseline:
    """What one alternative scores, on all units and the same resamples."""

    name: str
    """One of ``ablation.BASELINES``, "raw" or "embedfilter"."""
    removes: str
    """What it removes, in words."""
    dims: int
    """Numbers it leaves of an embedding."""
    calibration: str | None
    """Which texts it learnt from; None where it learns nothing."""
    score: Interval | None
    """In points of 100; the mean over seeds where chance has a part. None: see ``refusal``."""
    corrected: Interval | None
    """Difference to raw; with 95 % probability all baselines' intervals hold together. Where
    chance has a part they are of the mean over seeds: of the units, not of the seeds."""
    spread: tuple[float, float] | None
    """Least and greatest score over the seeds, where chance has a part."""
    refusal: str | None
    """Why there is no score."""


@dataclass(frozen=True)
class Half:
    """Scores on one half of the units."""

    n_units: int
    """How many units."""
    score: float
    """Of the chosen window."""
    raw: float
    """Of the embeddings as they are."""
    tau_2: float
    """Of the paper's window at τ = 2."""


@dataclass(frozen=True)
class Best:
    """The window chosen on one half of the units, and what the other half says of it."""

    window: Window
    """Chosen: the best on the one half."""
    chosen_on: Half
    """The half that chose: its score flatters."""
    reported_on: Half
    """The other half, which had no part in choosing."""
    score: Interval
    """On the reporting half, with its 95 % interval."""
    difference: Interval
    """To raw on the reporting half, 95 % interval; one comparison, so not corrected."""
    difference_to_tau_2: Interval
    """To τ = 2 on the reporting half, likewise."""


@dataclass(frozen=True)
class Sweep:
    """A task under many windows of one model, with intervals, beside baselines."""

    model: str
    """What the user typed to choose it."""
    prompt: str
    """How texts were put to the model."""
    kind: str
    """Kind of the task."""
    measure: str
    """What the scores are."""
    unit: str
    """What was resampled, in the plural."""
    n_units: int
    """How many of them."""
    n_texts: int
    """Texts embedded for the task."""
    source: str
    """Where the task's texts come from."""
    notes: tuple[str, ...]
    """What was decided in reading them."""
    raw: Interval
    """Score of the embeddings as they are."""
    more_raw: dict[str, float]
    """Further measures of them."""
    windows: tuple[WindowScore, ...]
    """(m,) in the order asked for."""
    best: Best
    """The window chosen on one half, and its report on the other."""
    highest: WindowScore
    """The highest score on all units: the best cell of the plane, and a flattered one."""
    highest_to_tau_2: Interval
    """Its difference to τ = 2, corrected for all windows."""
    more_highest: dict[str, float]
    """Further measures of it."""
    tau_2: WindowScore
    """The paper's recommendation."""
    baselines: tuple[Baseline, ...]
    """Beside it, raw and τ = 2 first; empty where they were not asked for."""
    paper: dict[str, float]
    """The paper's own ablation for this kind of task, of another model: :data:`PAPER`."""
    n_resamples: int
    """Resamples behind the intervals."""

    @property
    def n_better(self) -> int:
        """Windows better than raw beyond noise, corrected for all that were tried."""
        return sum(one.corrected.low > 0 for one in self.windows)

    @property
    def n_worse(self) -> int:
        """Windows worse than raw beyond noise, likewise."""
        return sum(one.corrected.high < 0 for one in self.windows)

    @property
    def sentence(self) -> str:
        """The finding in words; where the best window is within noise of raw, it says so."""
        return f"{self._on_halves} {self._on_all}"

    @property
    def _on_halves(self) -> str:
        best, report = self.best, self.best.reported_on
        words = f"chosen on one half of {self.n_units:,} {self.unit}, "
        against_two = _compared(best.difference_to_tau_2, "τ = 2")
        if best.window.k == best.window.d:
            return (
                f"{words}the best is to drop nothing: on the other half that scores "
                f"{report.score:.1f} and τ = 2 {report.tau_2:.1f}, {against_two}."
            )
        if best.window == self.tau_2.window:
            against_two = "it is the paper's window, τ = 2, itself"
        return (
            f"{words}window {best.window} scores {report.score:.1f} on the other half, raw "
            f"{report.raw:.1f} and τ = 2 {report.tau_2:.1f}: {_compared(best.difference, 'raw')}; "
            f"{against_two}."
        )

    @property
    def _on_all(self) -> str:
        """How many windows differ from raw, and how many do worse, on all units."""
        n = len(self.windows)
        better, worse = (str(c) if c else "none" for c in (self.n_better, self.n_worse))
        which = f"{better} of {n} windows {'is' if self.n_better < 2 else 'are'}"
        if n == 1:
            which = "the one window is" if self.n_better else "the one window is not"
            worse = "is" if self.n_worse else "not"
        corrected = ", corrected for trying them all" if n > 1 else ""
        return (
            f"On all {self.unit}, {which} better than raw beyond noise and {worse} "
            f"worse{corrected}."
        )

    def to_json(self) -> dict[str, Any]:
        """The record under its names on the command line."""
        best, highest = self.best, self.highest
        return finite(
            {
                "model": self.model,
                "prompt": self.prompt,
                "task": {
                    "kind": self.kind, "measure": self.measure, "unit": self.unit,
                    "n_units": self.n_units, "n_texts": self.n_texts, "source": self.source,
                    "notes": list(self.notes),
                },
                "raw": self.raw.value,
                "raw_interval": _ends(self.raw),
                "raw_more": self.more_raw,
                "windows": [_window_json(one) for one in self.windows],
                "tau_2": _window_json(self.tau_2),
                "baselines": {
                    one.name: None if one.score is None else one.score.value
                    for one in self.baselines
                },
                "baseline_details": [_baseline_json(one) for one in self.baselines],
                "best": {
                    "l": best.window.l, "r": best.window.r, "tau": best.window.tau,
                    **_score_json(best.score),
                    "chosen_on": _half_json(best.chosen_on),
                    "reported_on": {
                        **_half_json(best.reported_on),
                        "difference": _interval_json(best.difference),
                        "difference_to_tau_2": _interval_json(best.difference_to_tau_2),
                    },
                    "beyond_noise_of_raw": _beyond(best.difference),
                    "beyond_noise_of_tau_2": _beyond(best.difference_to_tau_2),
                },
                "highest": {
                    **_window_json(highest),
                    "difference_to_tau_2": _interval_json(self.highest_to_tau_2),
                    "beyond_noise_of_raw": _beyond(highest.corrected),
                    "beyond_noise_of_tau_2": _beyond(self.highest_to_tau_2),
                    "more": self.more_highest,
                },
                "n_better": self.n_better,
                "n_worse": self.n_worse,
                "paper": {"of": PAPER, "scores": self.paper},
                "n_resamples": self.n_resamples,
                "sentence": self.sentence,
            }
        )  # fmt: skip


def sweep(
    model: Model,
    task: Task,
    prompt: str,
    windows: Sequence[Window],
    *,
    baselines: bool = True,
    frequencies: TokenFrequencies | None = None,
    calibration: Calibration | None = None,
    n_resamples: int = 1000,
    seed: int = 0,
    progress: Progress = silent,
) -> Sweep:
    """Embed the task's texts once and score every window, with intervals.

    Args:
        model: the opened model.
        task: what is scored.
        prompt: how texts are put to the model.
        windows: at least one; the paper's τ = 2 is scored beside them.
        baselines: whether to score the alternatives as well.
        frequencies: p̂ behind ``optimal``; None: the model's own.
        calibration: what the calibrated alternatives learn from; None: our demo texts, less
            those of the task.
        n_resamples: of the bootstrap.
        seed: of the bootstrap.
        progress: told of embedding, scoring and resampling.

    Raises:
        InputError: the texts cannot be embedded, or a window leaves nothing of one.
    """
    model.spectrum_of_head(progress=progress)
    E = model.encode(task.texts, prompt, progress=progress)
    beside = None
    if baselines:
        learnt_from = calibration or calibration_for(task)
        rows = model.encode(learnt_from.texts, prompt, progress=progress)
        known = frequencies or model.frequencies("model", progress=progress)
        beside = (rows, learnt_from.name, _shifts(model, known))
    return sweep_of(
        model, task, prompt, windows, E, beside=beside, n_resamples=n_resamples, seed=seed,
        progress=progress,
    )  # fmt: skip


def sweep_of(
    model: Model,
    task: Task,
    prompt: str,
    windows: Sequence[Window],
    E: np.ndarray,
    *,
    beside: tuple[np.ndarray, str, np.ndarray] | None = None,
    n_resamples: int = 1000,
    seed: int = 0,
    progress: Progress = silent,
) -> Sweep:
    """The same for embeddings E (n, d_model) of the task's texts that are there already.

    ``beside`` is what the baselines need: calibration embeddings (c, d_model), what they are
    embeddings of, and logit shifts (d_model,).
    """
    d = model.d_model
    paper_window = Window.of_tau(min(2, d), d)
    tried = list(dict.fromkeys(windows))
    scored = [*tried, *([] if paper_window in tried else [paper_window])]
    R = np.asarray(E, dtype=np.float64) @ model.spectrum.V.astype(np.float64)
    outcomes = task.outcomes_of_windows(R, scored, progress=progress)
    raw_outcomes = task.outcomes(E)[None]
    # The whole spectrum is the raw embeddings in another basis; rounding is no difference.
    outcomes[[one.k == d for one in scored]] = raw_outcomes
    counts = resamples(task.n_units, count=n_resamples, seed=seed)
    raw, raw_again = float(task.scores(raw_outcomes)[0, 0]), task.scores(raw_outcomes, counts)
    values, again = _resampled(task, outcomes, counts, progress)
    found = _window_scores(task, scored, values, again, raw, raw_again)
    two = scored.index(paper_window)
    if not np.isfinite(values[: len(tried)]).any():
        raise InputError(
            "windows: under each of them all cosines are the same, so that none has a score; "
            "take wider ones"
        )
    at = int(np.nanargmax(values[: len(tried)]))
    to_two = simultaneous_intervals(values - values[two], again - again[two])
    one = intervals(np.array([raw]), raw_again, bounds=task.bounds)[0]
    rows: tuple[Baseline, ...] = ()
    if beside is not None:
        ours = (paper_window, values[two], again[two])
        rows = (
            Baseline("raw", "nothing", d, None, one, None, None, None),
            *_baselines(model, task, E, ours, beside, counts, raw, raw_again, progress),
        )
    return Sweep(
        model=model.name,
        prompt=prompt,
        kind=task.kind,
        measure=task.measure,
        unit=task.unit,
        n_units=task.n_units,
        n_texts=len(task.texts),
        source=task.source,
        notes=task.notes,
        raw=one,
        more_raw=task.more(raw_outcomes[0]),
        windows=tuple(found[: len(tried)]),
        best=_best(task, scored, len(tried), two, outcomes, raw_outcomes, n_resamples, seed),
        highest=found[at],
        highest_to_tau_2=to_two[at],
        more_highest=task.more(outcomes[at]),
        tau_2=found[two],
        baselines=rows,
        paper=paper_ablation(task.kind),
        n_resamples=n_resamples,
    )


def _resampled(
    task: Task, outcomes: np.ndarray, counts: np.ndarray, progress: Progress
) -> tuple[np.ndarray, np.ndarray]:
    """Scores (m,) on all units and (m, b) on the resamples."""
    again = np.empty((len(outcomes), len(counts)))
    for start in range(0, len(outcomes), _WINDOWS_AT_ONCE):
        progress("Resampling", start, len(outcomes), "windows")
        some = slice(start, start + _WINDOWS_AT_ONCE)
        again[some] = task.scores(outcomes[some], counts)
    return task.scores(outcomes)[:, 0], again


def _window_scores(
    task: Task,
    scored: Sequence[Window],
    values: np.ndarray,
    again: np.ndarray,
    raw: float,
    raw_again: np.ndarray,
) -> list[WindowScore]:
    return [
        WindowScore(*parts)
        for parts in zip(
            scored,
            intervals(values, again, bounds=task.bounds),
            intervals(values - raw, again - raw_again),
            simultaneous_intervals(values - raw, again - raw_again),
            strict=True,
        )
    ]


def _best(
    task: Task,
    scored: Sequence[Window],
    n_tried: int,
    two: int,
    outcomes: np.ndarray,
    raw_outcomes: np.ndarray,
    n_resamples: int,
    seed: int,
) -> Best:
    """Choose on one half, report on the other."""
    chooses = task.chooses
    on_half = task.scores(outcomes[:n_tried], chooses[None].astype(float))[:, 0]
    at = int(np.nanargmax(on_half))
    three = np.concatenate([outcomes[[at, two]], raw_outcomes])
    sides = np.stack([chooses, ~chooses]).astype(float)
    chosen_on, reported_on = (
        Half(int(side.sum()), *map(float, task.scores(three, side[None])[[0, 2, 1], 0]))
        for side in sides
    )
    again = task.scores(three, resamples(task.n_units, ~chooses, count=n_resamples, seed=seed))
    score, to_two, to_raw = (
        intervals(np.array([value]), rows, bounds=bounds)[0]
        for value, rows, bounds in (
            (reported_on.score, again[:1], task.bounds),
            (reported_on.score - reported_on.tau_2, again[:1] - again[1:2], _UNBOUNDED),
            (reported_on.score - reported_on.raw, again[:1] - again[2:], _UNBOUNDED),
        )
    )
    return Best(scored[at], chosen_on, reported_on, score, to_raw, to_two)


def _baselines(
    model: Model,
    task: Task,
    E: np.ndarray,
    ours: tuple[Window, float, np.ndarray],
    beside: tuple[np.ndarray, str, np.ndarray],
    counts: np.ndarray,
    raw: float,
    raw_again: np.ndarray,
    progress: Progress,
) -> list[Baseline]:
    """EmbedFilter's window, score and resampled scores as a row, and the alternatives below."""
    window, value, resampled = ours
    filtered = Variant("embedfilter", f"{window.removes} (τ = 2)", window.k, None, ())
    made: list[tuple[Variant, bool, tuple[float, float] | None]] = [(filtered, True, None)]
    values, again = [value], [resampled]
    for done, one in enumerate(variants(model.spectrum, window.k, *beside)):
        progress("Scoring baselines", done, len(BASELINES), "baselines")
        spread = None
        if one.filters:
            outcomes = np.stack([task.outcomes(each.transform(E)) for each in one.filters])
            scores = task.scores(outcomes)[:, 0]
            values.append(float(scores.mean()))
            again.append(task.scores(outcomes, counts).mean(axis=0))
            spread = (float(scores.min()), float(scores.max())) if len(scores) > 1 else None
        made.append((one, bool(one.filters), spread))
    scored = np.array(values), np.stack(again)
    alone = iter(intervals(*scored, bounds=task.bounds))
    together = iter(simultaneous_intervals(scored[0] - raw, scored[1] - raw_again))
    return [
        Baseline(
            one.name, one.removes, one.dims, one.calibration, next(alone) if is_scored else None,
            next(together) if is_scored else None, spread, one.refusal,
        )
        for one, is_scored, spread in made
    ]  # fmt: skip


def _shifts(model: Model, frequencies: TokenFrequencies) -> np.ndarray:
    """Logit shifts Δπ (d_model,) in the paper's gauge."""
    average = model.average_token(frequencies)
    rows = model.unembedding.W_U[frequencies.most(FREQUENT_TOKENS)]
    return logit_shifts(model.spectrum.V, rows, average.h)


def _compared(difference: Interval, name: str) -> str:
    size, ends = f"{abs(difference.value):.1f}", f"{difference.low:+.1f} to {difference.high:+.1f}"
    if difference.low > 0:
        return f"{size} better than {name} (95 % interval {ends})"
    if difference.high < 0:
        return f"{size} worse than {name} (95 % interval {ends})"
    return f"within noise of {name} ({difference.value:+.1f}, 95 % interval {ends})"


def _beyond(difference: Interval) -> bool:
    return difference.low > 0 or difference.high < 0


def _ends(interval: Interval) -> list[float]:
    return [interval.low, interval.high]


def _interval_json(one: Interval) -> dict[str, float]:
    return {"value": one.value, "low": one.low, "high": one.high}


def _score_json(one: Interval) -> dict[str, float]:
    return {"score": one.value, "low": one.low, "high": one.high}


def _window_json(one: WindowScore) -> dict[str, Any]:
    return {
        "l": one.window.l,
        "r": one.window.r,
        "tau": one.window.tau,
        **_score_json(one.score),
        "difference": {**_interval_json(one.difference), "corrected": _ends(one.corrected)},
    }


def _baseline_json(one: Baseline) -> dict[str, Any]:
    return {
        "name": one.name,
        "removes": one.removes,
        "dims": one.dims,
        "calibration": one.calibration,
        "score": None if one.score is None else _interval_json(one.score),
        "difference": None if one.corrected is None else _interval_json(one.corrected),
        "spread": None if one.spread is None else list(one.spread),
        "refusal": one.refusal,
    }


def _half_json(one: Half) -> dict[str, Any]:
    return {"n_units": one.n_units, "score": one.score, "raw": one.raw, "tau_2": one.tau_2}
