"""Which window is best for this model and this data, and is that more than chance?

Texts are embedded once and rotated once, R = E V; every window is a slice of columns of R. All
windows and baselines are scored on the same resamples of the task's units. One half of the units
chooses a window, the other half says what it is worth.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from embfilter_viz.analyses.ablation import paper_ablation, variants
from embfilter_viz.analyses.beside_raw import compared
from embfilter_viz.analyses.calibration import Calibration, calibration_for
from embfilter_viz.analyses.finite import finite
from embfilter_viz.analyses.removals import frequent_shifts
from embfilter_viz.analyses.scored import ScoredVariant, scored_variants, scores_of_windows
from embfilter_viz.embeddings.isotropy import Interval
from embfilter_viz.errors import InputError
from embfilter_viz.evaluation.resampling import Resamples, intervals, simultaneous_intervals
from embfilter_viz.evaluation.task import Task
from embfilter_viz.model import Model
from embfilter_viz.models.head.frequencies import TokenFrequencies
from embfilter_viz.spectral.windows import Window
from embfilter_viz.system.progress import Progress, silent
from embfilter_viz.wording import fixed

__all__ = ["Baseline", "Best", "Half", "Sweep", "WindowScore", "sweep", "sweep_of"]

PAPER = "Qwen2.5-0.5B, PromptEOL, in the paper"
"""Whose figures the paper's ablation are."""

NOTHING = Interval(0.0, 0.0, 0.0)
"""A difference that is none."""


@dataclass(frozen=True)
class WindowScore:
    """The score of one window on all units."""

    window: Window
    """What is kept."""
    score: Interval
    """In points of 100, with its 95 % interval for itself."""
    difference: Interval
    """To raw, paired, with its 95 % interval for itself."""
    corrected: Interval
    """The same difference; with 95 % probability all intervals of the sweep hold together."""


@dataclass(frozen=True)
class Baseline:
    """The score of one alternative on all units and the same resamples."""

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
    """Difference to raw; with 95 % probability all intervals of the sweep hold together. Where
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
    no_interval: str | None
    """Why the reporting half has no intervals, if it has none."""


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
    n_compared: int
    """Differences to raw whose intervals hold together: of windows and of alternatives."""
    critical: float
    """Standard errors that each of them reaches."""
    no_interval: str | None
    """Why there are no intervals, if there are none."""

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
        if len(self.windows) == 1:
            return self._of_one
        return " ".join(filter(None, (self._on_halves, self._on_all, self._both)))

    @property
    def _of_one(self) -> str:
        """One window has been chosen by nobody: what it scores on all units."""
        one = self.windows[0]
        scores = (
            f"on all {self.n_units:,} {self.unit} window {one.window} scores "
            f"{fixed(one.score.value, 1)} and raw scores {fixed(self.raw.value, 1)}"
        )
        if one.window.drops_nothing:
            return f"{scores}. The window drops nothing."
        if self.no_interval:
            return f"{scores}; {self.no_interval}."
        return f"{scores}. The window is {compared(one.corrected, 'raw')}{self._corrected}."

    @property
    def _corrected(self) -> str:
        if self.n_compared == 1:
            return ""
        return f", corrected for all {self.n_compared} comparisons with raw"

    @property
    def _on_halves(self) -> str:
        best, report = self.best, self.best.reported_on
        words = f"chosen on one half of {self.n_units:,} {self.unit}, "
        against_two = compared(best.difference_to_tau_2, "τ = 2")
        score, raw, two = (fixed(one, 1) for one in (report.score, report.raw, report.tau_2))
        if best.window.drops_nothing:
            said = f"{words}the best is to drop nothing. On the other half τ = 2 scores {two}, and "
            said += f"dropping nothing scores {score}"
            return f"{said}{f', which is {against_two}' if best.difference.known else ''}."
        said = (
            f"{words}window {best.window} scores {score} on the other half. There raw scores {raw}"
        )
        if best.window != self.tau_2.window:
            said += f", and τ = 2 scores {two}"
        if best.no_interval:
            return f"{said}; {best.no_interval}."
        if best.window == self.tau_2.window:
            against_two = "the paper's own window, τ = 2"
        return f"{said}. The window is {compared(best.difference, 'raw')}; it is {against_two}."

    @property
    def _on_all(self) -> str:
        """Say how many windows differ from raw, and how many do worse, on all units."""
        if self.no_interval:
            return ""
        better, worse = (str(count) if count else "none" for count in (self.n_better, self.n_worse))
        which = f"{better} of {len(self.windows)} windows {'is' if self.n_better < 2 else 'are'}"
        return (
            f"On all {self.unit}, {which} better than raw beyond noise, and {worse} "
            f"{'is' if self.n_worse < 2 else 'are'} worse{self._corrected}."
        )

    @property
    def _both(self) -> str:
        """Say why the two may say different things of one window."""
        if self.no_interval or self.best.no_interval or self.best.window.drops_nothing:
            return ""
        on_half = self.best.difference.low > 0
        if on_half and not self.n_better:
            return (
                f"Both are true: the first is one comparison, on {self.unit} that had no part in "
                "choosing, and one comparison needs less than many at once."
            )
        if self.n_better and not on_half:
            return f"Both are true: half of the {self.unit} can show less than all of them."
        return ""

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
                    "tau_asked": best.window.tau_asked, **_score_json(best.score),
                    "chosen_on": _half_json(best.chosen_on),
                    "reported_on": {
                        **_half_json(best.reported_on),
                        "difference": _interval_json(best.difference),
                        "difference_to_tau_2": _interval_json(best.difference_to_tau_2),
                    },
                    "beyond_noise_of_raw": _beyond(best.difference),
                    "beyond_noise_of_tau_2": _beyond(best.difference_to_tau_2),
                    "no_interval": best.no_interval,
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
                "n_compared": self.n_compared,
                "critical": self.critical,
                "no_interval": self.no_interval,
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

    Returns:
        all windows with their scores, the best one, and the alternatives.

    Raises:
        InputError: the texts cannot be embedded, or a window leaves nothing of one.
    """
    model.spectrum_of_head(progress=progress)
    E = model.encode(task.texts, prompt, progress=progress)
    beside = None
    if baselines:
        learnt_from = calibration or calibration_for(task)
        rows = model.encode(learnt_from.texts, prompt, progress=progress)
        known = frequencies or model.frequencies(model.default_frequencies, progress=progress)
        beside = (rows, learnt_from.name, frequent_shifts(model, known))
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
    at_least: float = 0.0,
    n_resamples: int = 1000,
    seed: int = 0,
    progress: Progress = silent,
) -> Sweep:
    """The same for embeddings E (n, d_model) of the task's texts that are there already.

    ``beside`` is what the baselines need: calibration embeddings (c, d_model), what they are
    embeddings of, and logit shifts (d_model,). ``at_least`` is the ``critical`` of a sweep that
    these windows are a further look at: their corrected intervals reach no less far.

    Args:
        model: the opened model.
        task: what is scored.
        prompt: the prompt's name.
        windows: which windows to score.
        E: (n, d_model) raw embeddings of the task's texts.
        beside: calibration embeddings, what they are called, and shifts for ``optimal``; without it
            no alternatives are scored.
        at_least: the least width of the corrected intervals, in standard errors.
        n_resamples: how often units are drawn.
        seed: of the random numbers.
        progress: told of the work.

    Returns:
        all windows with their scores, the best one, and the alternatives.
    """
    d = model.d_model
    paper_window = Window.of_tau(min(2, d), d)
    tried = list(dict.fromkeys(windows))
    scored = [*tried, *([] if paper_window in tried else [paper_window])]
    R = np.asarray(E, dtype=np.float64) @ model.spectrum.V.astype(np.float64)
    outcomes = task.outcomes_of_windows(R, scored, progress=progress)
    raw_outcomes = task.outcomes(E)[None]
    # The whole spectrum is the raw embeddings in another basis; rounding is no difference.
    outcomes[[one.drops_nothing for one in scored]] = raw_outcomes
    how = task.resamples(count=n_resamples, seed=seed)
    raw, raw_again = float(task.scores(raw_outcomes)[0, 0]), task.scores(raw_outcomes, how.counts)
    values, again = scores_of_windows(task, outcomes, how.counts, progress=progress)
    two = scored.index(paper_window)
    if not np.isfinite(values[: len(tried)]).any():
        raise InputError(
            "windows: under each of them all cosines are the same, so that none has a score; "
            "take wider ones"
        )
    made: list[ScoredVariant] = []
    if beside is not None:
        beside_it = variants(model.spectrum, paper_window.k, *beside)
        made = list(scored_variants(task, E, beside_it, how.counts, progress=progress))
    # One family: the windows and what stands beside them are looked at together.
    compared = np.concatenate([values, *(one.value for one in made)]) - raw
    compared_again = np.concatenate([again, *(one.again for one in made)]) - raw_again
    together = simultaneous_intervals(compared, compared_again, how, at_least=at_least)
    found = [
        # Not by chance but by what it is does the whole spectrum differ from raw in nothing.
        WindowScore(window, score, *((NOTHING, NOTHING) if window.drops_nothing else gaps))
        for window, score, *gaps in zip(
            scored,
            task.score_intervals(values, again, how),
            intervals(values - raw, again - raw_again, how),
            together.intervals[: len(scored)],
            strict=True,
        )
    ]
    at = int(np.nanargmax(values[: len(tried)]))
    to_two = simultaneous_intervals(values - values[two], again - again[two], how).intervals
    one = task.score_intervals(np.array([raw]), raw_again, how)[0]
    rows: tuple[Baseline, ...] = ()
    if beside is not None:
        ours = f"{paper_window.removes} (τ = 2)"
        rows = (
            Baseline("raw", "nothing", d, None, one, None, None, None),
            Baseline(
                "embedfilter", ours, paper_window.k, None, found[two].score, found[two].corrected,
                None, None,
            ),
            *_rows(task, made, together.intervals[len(scored) :], how),
        )  # fmt: skip
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
        n_compared=len(compared),
        critical=together.critical,
        no_interval=how.refusal,
    )


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
    """Choose on one half, report on the other.

    Args:
        task: what is scored.
        scored: the windows.
        n_tried: how many of them, from the first, can be chosen.
        two: the place of τ = 2 among them.
        outcomes: (m, n_units, …) of the windows.
        raw_outcomes: (n_units, …) of the raw embeddings.
        n_resamples: how often units are drawn.
        seed: of the random numbers.

    Returns:
        the window that one half chose, with its score on the other half.
    """
    chooses = task.chooses
    on_half = task.scores(outcomes[:n_tried], chooses[None].astype(float))[:, 0]
    at = int(np.nanargmax(on_half))
    three = np.concatenate([outcomes[[at, two]], raw_outcomes])
    sides = np.stack([chooses, ~chooses]).astype(float)
    chosen_on, reported_on = (
        Half(int(side.sum()), *map(float, task.scores(three, side[None])[[0, 2, 1], 0]))
        for side in sides
    )
    how = task.resamples(~chooses, count=n_resamples, seed=seed)
    again = task.scores(three, how.counts)
    (score,) = task.score_intervals(np.array([reported_on.score]), again[:1], how)
    to_two, to_raw = intervals(
        reported_on.score - np.array([reported_on.tau_2, reported_on.raw]),
        again[:1] - again[1:],
        how,
    )
    return Best(scored[at], chosen_on, reported_on, score, to_raw, to_two, how.refusal)


def _rows(
    task: Task, made: Sequence[ScoredVariant], corrected: Sequence[Interval], how: Resamples
) -> Iterator[Baseline]:
    """The alternatives as rows; ``corrected`` holds the intervals of those that have a score.

    Args:
        task: what is scored.
        made: the alternatives with their scores or refusals.
        corrected: corrected intervals of those that have a score.
        how: the resamples.

    Returns:
        a row for each alternative.
    """
    left = iter(corrected)
    for one in made:
        about = one.variant
        score = next(iter(task.score_intervals(one.value, one.again, how)), None)
        gain = None if score is None else next(left)
        yield Baseline(
            about.name, about.removes, about.dims, about.calibration, score, gain, one.spread,
            about.refusal,
        )  # fmt: skip


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
        "tau_asked": one.window.tau_asked,
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
