"""Of all one could do without training, what is best for these data, and is it surely so?

Texts are embedded once. Every method is scored on the same resamples of the task's units, beside
the raw embeddings and beside the window; those that learn do so from texts that are not measured.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from embfilter_viz.analyses.ablation import Variant
from embfilter_viz.analyses.beside_raw import compared
from embfilter_viz.analyses.calibration import Calibration, calibration_for
from embfilter_viz.analyses.compare import TRAINED
from embfilter_viz.analyses.finite import finite
from embfilter_viz.analyses.methods import METHODS, WINDOW, Parts, method_of, variants_of
from embfilter_viz.analyses.rewritten import cost_of
from embfilter_viz.analyses.routed import ROUTED, routed
from embfilter_viz.analyses.scored import ScoredVariant, scored_variants
from embfilter_viz.embeddings.interval import Interval
from embfilter_viz.errors import InputError
from embfilter_viz.evaluation.resampling import Resamples, simultaneous_intervals
from embfilter_viz.evaluation.task import Task
from embfilter_viz.model import Model
from embfilter_viz.models.encoding.prompts import find_prompt
from embfilter_viz.models.encoding.rewriting import ReadingCost
from embfilter_viz.models.head.frequencies import TokenFrequencies
from embfilter_viz.spectral.filters import EmbedFilter
from embfilter_viz.spectral.windows import PAPER_TAUS, Window
from embfilter_viz.system.progress import Progress, silent
from embfilter_viz.wording import counted, fixed, listed
from embfilter_viz.yardstick import Yardstick

__all__ = ["AS_THEY_ARE", "RAW", "Leaderboard", "Place", "leaderboard"]

RAW = "raw"
"""The embeddings as they are, among the methods."""
AS_THEY_ARE = "the embeddings as they are"


@dataclass(frozen=True)
class Place:
    """One method with its score."""

    name: str
    """() one of :data:`~embfilter_viz.analyses.methods.METHODS`, or "raw"."""
    does: str
    """() what it does, in words."""
    removes: str
    """() what it removes here: the window's ends, the shrinkage found."""
    dims: int
    """() numbers it leaves of an embedding."""
    calibration: str | None
    """() which texts it learnt from; None where it learns from none."""
    score: Interval | None
    """() in points of 100, with its 95 % interval for itself; the mean over draws where chance has
    a part. None: see ``refusal``."""
    to_raw: Interval | None
    """() paired difference to raw; with 95 % probability all of the column hold together."""
    to_window: Interval | None
    """() the same to the window; None for the window itself."""
    spread: tuple[float, float] | None
    """() least and greatest score over the draws, where chance has a part."""
    refusal: str | None
    """() why there is no score."""
    trained: bool
    """() whether it is no method but another model, one that was trained for embeddings."""
    prompt: str | None
    """() how texts were put to the model; None for a model that was trained for embeddings."""
    cost: ReadingCost
    """What one of the task's texts takes."""


@dataclass(frozen=True)
class Leaderboard:
    """Methods on one task, the highest score first."""

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
    source: str
    """Where the task's texts come from."""
    notes: tuple[str, ...]
    """What was decided in reading them."""
    window: Window
    """What ``embedfilter`` keeps; methods that cut keep as many dimensions."""
    calibration: str
    """Which texts the methods that learn learnt from."""
    places: tuple[Place, ...]
    """(m,) the highest score first; those without one last."""
    n_compared: int
    """Differences in each column, whose intervals hold together."""
    n_resamples: int
    """Resamples behind the intervals."""
    no_interval: str | None
    """Why there are no intervals, if there are none."""

    def place(self, name: str) -> Place:
        """The method called ``name``."""
        return next(one for one in self.places if one.name == name)

    @property
    def window_words(self) -> str:
        """Return the window's name in a sentence: its τ where it is one of the paper's."""
        d = self.window.d
        taus = (tau for tau in PAPER_TAUS if tau <= d and Window.of_tau(tau, d) == self.window)
        return next((f"τ = {tau}" for tau in taus), "the window")

    @property
    def sentence(self) -> str:
        """The finding in words; where nothing is better beyond noise, it says so."""
        best = self._scored[0]
        about = f"Of {counted(len(self._scored), 'method')} on {self.n_units:,} {self.unit}"
        highest = f"{about} {best.name} scores highest, {fixed(_value(best), 1)}"
        said = [f"{highest}{self._gaps(best)}."]
        free = next((one for one in self._scored if one.calibration is None), None)
        if free is not None and free is not best and best.calibration is not None:
            said.append(
                f"Of those that learn from no text {free.name} scores highest, "
                f"{fixed(_value(free), 1)}{self._gaps(free)}."
            )
        if self.no_interval:
            refused = f"{self.no_interval[0].upper()}{self.no_interval[1:]}."
            return " ".join([*said, *self._of_trained, refused, *self._costs])
        said.append(
            f"Beyond noise, {self._count('to_raw', 'raw')}, and "
            f"{self._count('to_window', self.window_words)}; "
            f"each interval is corrected for the {counted(self.n_compared, 'comparison')} of its "
            "column. The highest of many is too optimistic."
        )
        return " ".join([*said, *self._of_trained, *self._costs])

    @property
    def costs_differ(self) -> bool:
        """Tell whether a text takes more than one forward pass under any of the prompts."""
        return any(one.cost.words != ReadingCost(1).words for one in self.places)

    @property
    def _costs(self) -> list[str]:
        """Say what a text takes under each prompt, where that is not one pass under all."""
        cheapest_first = sorted(self.places, key=lambda one: one.cost.forwards)
        costs = {one.prompt: one.cost.words for one in cheapest_first if one.prompt is not None}
        if not self.costs_differ:
            return []
        each = [f"{cost} under {find_prompt(prompt).words}" for prompt, cost in costs.items()]
        return [f"A text takes {listed(each)}."]

    @property
    def _scored(self) -> list[Place]:
        return [one for one in self.places if one.score is not None and not one.trained]

    @property
    def _of_trained(self) -> list[str]:
        """Say what models trained for embeddings score: without them a gain says little."""
        return [
            f"{one.name}, {TRAINED}, scores {fixed(_value(one), 1)}{self._gaps(one)}."
            for one in self.places
            if one.trained
        ]

    def _gaps(self, one: Place) -> str:
        gaps = [(one.to_raw, "raw") if one.name != RAW else None,
                (one.to_window, self.window_words)]  # fmt: skip
        words = [compared(*gap) for gap in gaps if gap is not None and gap[0] is not None]  # type: ignore[arg-type]
        return f": {'; '.join(words)}" if words else ""

    def _count(self, column: str, name: str) -> str:
        gaps = [gap for one in self._scored if (gap := getattr(one, column)) is not None]
        better = sum(gap.low > 0 for gap in gaps)
        worse = sum(gap.high < 0 for gap in gaps)
        good, bad = (str(count) if count else "none" for count in (better, worse))
        which = f"{good} of {len(gaps)} {'is' if better < 2 else 'are'}"
        return f"{which} better than {name} and {bad} worse"

    def to_json(self) -> dict[str, Any]:
        """The record under its names on the command line."""
        return finite(
            {
                "model": self.model,
                "prompt": self.prompt,
                "task": {
                    "kind": self.kind, "measure": self.measure, "unit": self.unit,
                    "n_units": self.n_units, "source": self.source, "notes": list(self.notes),
                },
                "window": [self.window.l, self.window.r],
                "calibration": self.calibration,
                "methods": [_place_json(one) for one in self.places],
                "n_compared": self.n_compared,
                "n_resamples": self.n_resamples,
                "no_interval": self.no_interval,
                "sentence": self.sentence,
            }
        )  # fmt: skip


def leaderboard(
    model: Model,
    task: Task,
    prompt: str,
    window: Window | None = None,
    *,
    methods: Sequence[str] = (),
    calibration: Calibration | None = None,
    frequencies: TokenFrequencies | None = None,
    yardsticks: Sequence[Yardstick] = (),
    beside: Sequence[str] = (),
    router_weight: float = 1.0,
    n_resamples: int = 1000,
    seed: int = 0,
    progress: Progress = silent,
) -> Leaderboard:
    """Score methods on a task, raw and the window always among them.

    Args:
        model: the opened model.
        task: what is scored.
        prompt: how texts are put to the model.
        window: what windows keep; None: the paper's at τ = 2.
        methods: of :data:`~embfilter_viz.analyses.methods.METHODS`; none: all.
        calibration: what those that learn learn from; None: our demo texts, less those of the task.
        frequencies: p̂ of the reweighting; None: the model's own.
        yardsticks: models that were trained for embeddings, to stand beside the methods.
        beside: other prompts; raw and with the window they stand beside the methods, which are of
            ``prompt`` alone.
        router_weight: of a mixture of experts, how much its routers' cosine counts beside the
            other in what has both.
        n_resamples: of the bootstrap.
        seed: of the bootstrap.
        progress: told of embedding and scoring; may raise ``Cancelled``.

    Returns:
        every method with its score, and with its differences to raw and to the window.

    Raises:
        InputError: an unknown method, calibration texts that the task is scored on, or texts that
            cannot be embedded.
    """
    names = list(dict.fromkeys([WINDOW, *(methods or METHODS)]))
    for name in names:
        method_of(name)  # refused before anything is embedded
    others = [
        one for one in dict.fromkeys(model.prompt(other) for other in beside)
        if one != model.prompt(prompt)
    ]  # fmt: skip
    kept = window or Window.of_tau(min(2, model.d_model), model.d_model)
    learnt_from = calibration or calibration_for(task)
    if shared := set(learnt_from.texts) & set(task.texts):
        raise InputError(
            f"calibration: {counted(len(shared), 'text is', 'texts are')} among those that are "
            "scored, which would flatter what learns from them; leave them out"
        )
    E = model.encode(task.texts, prompt, progress=progress)
    rows = model.encode(learnt_from.texts, prompt, progress=progress)
    parts = Parts(model, kept, frequencies=frequencies, progress=progress)
    how = task.resamples(count=n_resamples, seed=seed)
    raw = _as_they_are(RAW, E, task, how)
    trained = [
        _as_they_are(one.name, one.encode(task.texts, progress=progress), task, how)
        for one in yardsticks
    ]
    made = list(
        scored_variants(
            task, E, variants_of(names, parts, rows, learnt_from.name), how.counts,
            total=len(names), progress=progress,
        )
    )  # fmt: skip
    if kept.drops_nothing:
        # Not by chance but by what they are do these differ from raw in nothing.
        made = [
            replace(one, value=raw.value, again=raw.again, spread=None)
            if METHODS[one.variant.name].only_cuts
            else one
            for one in made
        ]
    made += [
        _as_they_are(name, rows, task, how)
        for name, rows in routed(
            model, task.texts, prompt, E, parts.embed_filter(), weight=router_weight,
            progress=progress,
        )
    ]  # fmt: skip
    read_otherwise = [
        (other, one) for other in others for one in _under(model, other, task, kept, how, progress)
    ]
    more = [one for _, one in read_otherwise]
    to_raw = _differences([*made, *more, *trained], raw, how)
    own = next(one for one in made if one.variant.name == WINDOW)
    to_window = _differences([raw, *made, *more, *trained], own, how)
    read: list[tuple[str | None, ScoredVariant]] = [
        *((prompt, one) for one in (raw, *made)),
        *read_otherwise,
        *((None, one) for one in trained),
    ]
    costs = {one: cost_of(model, task.texts, one) for one in (prompt, *others)}
    places = [
        _place(
            one, task, how, to_raw.get(one.variant.name), to_window.get(one.variant.name),
            prompt=by, cost=ReadingCost(1) if by is None else costs[by],
        )
        for by, one in read
    ]  # fmt: skip
    places.sort(key=lambda one: -np.inf if one.score is None else one.score.value, reverse=True)
    return Leaderboard(
        model=model.name,
        prompt=prompt,
        kind=task.kind,
        measure=task.measure,
        unit=task.unit,
        n_units=task.n_units,
        source=task.source,
        notes=task.notes,
        window=kept,
        calibration=learnt_from.name,
        places=tuple(places),
        n_compared=len(to_raw),
        n_resamples=n_resamples,
        no_interval=how.refusal,
    )


def _as_they_are(name: str, E: np.ndarray, task: Task, how: Resamples) -> ScoredVariant:
    """Score embeddings as they are: those of the model, or of one trained for embeddings.

    Args:
        name: what the alternative is called.
        E: (n, d) embeddings of the task's texts.
        task: what is scored.
        how: the resamples.

    Returns:
        the alternative with its scores.
    """
    outcomes = task.outcomes(E)[None]
    return ScoredVariant(
        Variant(name, "nothing", E.shape[1], None, ()),
        task.scores(outcomes)[:, 0],
        task.scores(outcomes, how.counts),
        None,
    )


def _under(
    model: Model, prompt: str, task: Task, window: Window, how: Resamples, progress: Progress
) -> list[ScoredVariant]:
    """Score another prompt's embeddings, raw and with the window if that drops anything.

    Args:
        model: the opened model.
        prompt: how texts are put to it.
        task: what is scored.
        window: what the window keeps.
        how: the resamples.
        progress: told of embedding.

    Returns:
        one alternative, or two.
    """
    name = find_prompt(prompt).words
    E = model.encode(task.texts, prompt, progress=progress)
    raw = _as_they_are(f"{name}, {RAW}", E, task, how)
    if window.drops_nothing:
        return [raw]
    kept = EmbedFilter(model.spectrum_of_head(progress=progress), window=window).transform(E)
    found = _as_they_are(f"{name}, {WINDOW}", kept, task, how)
    return [raw, replace(found, variant=replace(found.variant, removes=window.removes))]


def _differences(
    made: Sequence[ScoredVariant], other: ScoredVariant, how: Resamples
) -> dict[str, Interval]:
    """Paired differences to one of them by name, corrected together; it and refusals left out."""
    scored = [one for one in made if one is not other and len(one.value)]
    if not scored or not len(other.value):
        return {}
    values = np.concatenate([one.value for one in scored]) - other.value
    again = np.concatenate([one.again for one in scored]) - other.again
    found = simultaneous_intervals(values, again, how).intervals
    return {one.variant.name: gap for one, gap in zip(scored, found, strict=True)}


def _place(
    one: ScoredVariant,
    task: Task,
    how: Resamples,
    to_raw: Interval | None,
    to_window: Interval | None,
    *,
    prompt: str | None,
    cost: ReadingCost,
) -> Place:
    about = one.variant
    return Place(
        name=about.name,
        does=_does(about),
        removes=about.removes,
        dims=about.dims,
        calibration=about.calibration,
        score=next(iter(task.score_intervals(one.value, one.again, how)), None),
        to_raw=to_raw,
        to_window=to_window,
        spread=one.spread,
        refusal=about.refusal,
        trained=prompt is None,
        prompt=prompt,
        cost=cost,
    )


def _does(one: Variant) -> str:
    if one.name in METHODS:
        return METHODS[one.name].does
    same = one.removes == "nothing"
    return ROUTED.get(one.name, AS_THEY_ARE if same else METHODS[WINDOW].does)


def _value(one: Place) -> float:
    return float("nan") if one.score is None else one.score.value


def _place_json(one: Place) -> dict[str, Any]:
    def ends(found: Interval | None) -> dict[str, float] | None:
        return None if found is None else {
            "value": found.value, "low": found.low, "high": found.high}  # fmt: skip

    return {
        "name": one.name,
        "does": one.does,
        "removes": one.removes,
        "dimensions": one.dims,
        "calibration": one.calibration,
        "score": ends(one.score),
        "to_raw": ends(one.to_raw),
        "to_window": ends(one.to_window),
        "spread": None if one.spread is None else list(one.spread),
        "refusal": one.refusal,
        "trained_for_embeddings": one.trained,
        "prompt": one.prompt,
        **one.cost.to_json(),
    }
