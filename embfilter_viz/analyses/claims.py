"""Is the paper right about this model? Twelve claims, each with its control and its verdict.

What is claimed and how it is decided stands in :mod:`embfilter_viz.analyses.claim_rules`. Every
number comes from the analysis that the pages show it by; nothing is measured here in another way.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import cached_property

import numpy as np

from embfilter_viz.analyses import claim_rules as rules
from embfilter_viz.analyses.ablation import SEEDS
from embfilter_viz.analyses.calibration import embedded_reference
from embfilter_viz.analyses.claim_record import Claim, Claims, Figure
from embfilter_viz.analyses.claim_rules import FEWEST_TEXTS, NOT_DECIDED, RULES, TAUS
from embfilter_viz.analyses.claim_scores import (
    RAW,
    PooledDifference,
    TaskScores,
    pooled_difference,
)
from embfilter_viz.analyses.forms import compare_forms
from embfilter_viz.analyses.geometry import RANDOM, TextGeometry
from embfilter_viz.analyses.removals import frequent_shifts
from embfilter_viz.analyses.specificity import FREQUENT, OwnWords
from embfilter_viz.analyses.spectroscopy import Spectroscopy, spectroscopy
from embfilter_viz.analyses.summary import top_of_texts
from embfilter_viz.embeddings.interval import Interval
from embfilter_viz.embeddings.logit_lens import frequent_share
from embfilter_viz.embeddings.text_intervals import mean_difference, mean_share
from embfilter_viz.errors import InputError
from embfilter_viz.evaluation.spearman import spearman
from embfilter_viz.evaluation.task import Task
from embfilter_viz.evaluation.tasks import TITLES
from embfilter_viz.model import Model
from embfilter_viz.models.head.frequencies import TokenFrequencies
from embfilter_viz.spectral.baselines import RANDOM_SUBSPACES, RandomSubspace
from embfilter_viz.spectral.filters import EmbedFilter
from embfilter_viz.spectral.windows import Window
from embfilter_viz.system.progress import Progress, silent
from embfilter_viz.wording import counted, listed, signed

__all__ = ["MOST_TEXTS", "ORDER", "claims", "decided", "summed_up"]

MOST_TEXTS = 320
"""Texts that claims 1, 4, 5 and 6 read at most; of more, so many are taken at even distances."""

ORDER = (2, 3, 12, 6, 1, 5, 4, 7, 8, 9, 10, 11)
"""The order in which claims are decided: those that are known soonest come first."""

_NAN = float("nan")


def claims(
    model: Model,
    tasks: Sequence[Task],
    prompt: str,
    *,
    known: Mapping[int, Claim] | None = None,
    tell: Callable[[Claim], None] | None = None,
    progress: Progress = silent,
) -> Claims:
    """Decide all twelve claims on one model under one prompt; texts are embedded once.

    A claim that cannot be measured is not decided and says why; the others go on.

    Args:
        model: the opened model.
        tasks: what claims 7 to 11 are scored on, pooled; their texts are read for the others.
        prompt: how texts are put to the model.
        known: claims by number that were decided before, of the same model, tasks and prompt.
        tell: called with each claim as soon as it is decided.
        progress: told of the work; may raise ``Cancelled``.

    Returns:
        all twelve claims, decided or not.

    Raises:
        InputError: no task, or an unknown prompt.
    """
    if not tasks:
        raise InputError("claims: at least one task is needed to score; name one")
    found = dict(known or {})
    for one in decided(model, tasks, prompt, known=found, progress=progress):
        found[one.number] = one
        if tell is not None:
            tell(one)
    return summed_up(model.name, tasks, prompt, found)


def summed_up(name: str, tasks: Sequence[Task], prompt: str, found: Mapping[int, Claim]) -> Claims:
    """The record of the claims that are known by number, all or some of them.

    Args:
        name: of the model.
        tasks: what claims 7 to 11 are scored on.
        prompt: how texts are put to the model.
        found: the claims.

    Returns:
        the record of the claims that are known.
    """
    texts = _distinct(tasks)
    data = tuple(
        {
            "kind": task.kind, "measure": task.measure, "unit": task.unit,
            "n_units": task.n_units, "n_texts": len(task.texts), "source": task.source,
            "notes": list(task.notes),
        }
        for task in tasks
    )  # fmt: skip
    in_order = tuple(found[number] for number in sorted(found))
    return Claims(name, prompt, data, len(texts), min(len(texts), MOST_TEXTS), in_order)


def decided(
    model: Model,
    tasks: Sequence[Task],
    prompt: str,
    *,
    known: Mapping[int, Claim] | None = None,
    progress: Progress = silent,
) -> Iterator[Claim]:
    """The claims one by one, in :data:`ORDER`; see :func:`claims`.

    Args:
        model: the opened model.
        tasks: what is scored.
        prompt: the prompt's name.
        known: claims that are decided already, by number.
        progress: told of the work.

    Returns:
        one claim after the other.
    """
    model.prompt(prompt)  # refused once, not twelve times
    evidence = _Evidence(model, tasks, prompt, progress)
    before = frozenset(known or ())
    for number in ORDER:
        if number in before:
            continue
        progress(f"Deciding claim {number}", 0, 0, "")
        try:
            yield _MEASURES[number](evidence)
        except InputError as error:
            yield _unmeasured(number, str(error))


class _Evidence:
    """The evidence of the claims, each part made when first asked for.

    Args:
        model: the opened model.
        tasks: what is scored.
        prompt: the prompt's name.
        progress: told of the work.
    """

    def __init__(
        self, model: Model, tasks: Sequence[Task], prompt: str, progress: Progress
    ) -> None:
        self.model, self.tasks, self.prompt, self.progress = model, tasks, prompt, progress

    @cached_property
    def window(self) -> Window:
        return Window.of_tau(TAUS[0], self.model.d_model)

    @cached_property
    def frequencies(self) -> TokenFrequencies:
        # A head alone, which reads no text, is still asked what English words it would write.
        source = self.model.default_frequencies if self.model.can_encode else "wordfreq"
        return self.model.frequencies(source, whole=True, progress=self.progress)

    @cached_property
    def shifts(self) -> Spectroscopy:
        top = min(FREQUENT, self.model.d_vocab // 3)
        return spectroscopy(self.model, self.frequencies, top=top, progress=self.progress)

    @cached_property
    def texts(self) -> tuple[str, ...]:
        """(n,) the texts that are read, at most 320.

        Raises:
            InputError: fewer than 120.
        """
        return _read_of(self._enough)

    @cached_property
    def _enough(self) -> tuple[str, ...]:
        texts = _distinct(self.tasks)
        if len(texts) < FEWEST_TEXTS:
            raise InputError(
                f"the data hold {counted(len(texts), 'text')}, and no claim about texts is decided "
                f"on fewer than {FEWEST_TEXTS}; give more"
            )
        return texts

    @cached_property
    def embeddings(self) -> np.ndarray:
        return self.model.encode(self.texts, self.prompt, progress=self.progress)

    @cached_property
    def words(self) -> OwnWords:
        return OwnWords(self.model, self.texts, self.frequencies)

    def read(self, E: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Measure the share of frequent tokens and the specificity, (n,) each, of (n, d_model)."""
        ids = top_of_texts(self.model, E)
        shares = frequent_share(ids, self.frequencies.ranks, FREQUENT)
        return shares, self.words.of_texts(ids)

    @cached_property
    def raw_read(self) -> tuple[np.ndarray, np.ndarray]:
        return self.read(self.embeddings)

    @cached_property
    def filtered_read(self) -> tuple[np.ndarray, np.ndarray]:
        kept = EmbedFilter(self.model.spectrum, window=self.window, full=True)
        return self.read(kept.transform(self.embeddings))

    @cached_property
    def scores(self) -> list[TaskScores]:
        _ = self._enough
        return [
            TaskScores(self.model, task, self.prompt, self.frequencies, progress=self.progress)
            for task in self.tasks
        ]

    def pooled(self, one: str, other: str) -> PooledDifference:
        return pooled_difference(self.scores, one, other)


def _distinct(tasks: Sequence[Task]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(text for task in tasks for text in task.texts))


def _read_of(texts: tuple[str, ...]) -> tuple[str, ...]:
    """At most 320 of the texts, at even distances."""
    n = min(len(texts), MOST_TEXTS)
    return tuple(texts[i * len(texts) // n] for i in range(n))


def _unmeasured(number: int, reason: str) -> Claim:
    return Claim(
        RULES[number - 1], NOT_DECIDED, f"It could not be measured: {reason}.", measured=False
    )


def _alone(value: float) -> Interval:
    return Interval(float(value), _NAN, _NAN)


def _drawn(values: Sequence[float] | np.ndarray) -> Interval:
    """Mean, least and greatest."""
    return Interval(float(np.mean(values)), float(np.min(values)), float(np.max(values)))


def _claim_1(evidence: _Evidence) -> Claim:
    raw, filtered = (mean_share(one[0]) for one in (evidence.raw_read, evidence.filtered_read))
    figure = Figure("raw", raw, "share")
    control = Figure("after the filter", filtered, "share")
    sentence = (
        f"Of the ten tokens that a raw embedding decodes to, {100 * raw.value:.1f} % are among the "
        f"{FREQUENT} most frequent, on average over {len(evidence.texts)} texts (95 % interval "
        f"{figure.ends} %). After the filter the share is {100 * filtered.value:.1f} %."
    )
    more = {"n_texts": len(evidence.texts), "n_frequent": FREQUENT}
    return Claim(RULES[0], rules.shares_are_high(raw), sentence, (figure,), (control,), more=more)


def _claim_2(evidence: _Evidence) -> Claim:
    found = evidence.shifts
    ends = (("strong end", found.edge_to_bulk.strong), ("weak end", found.edge_to_bulk.weak))
    return Claim(
        RULES[1],
        rules.u_is_there(found.edge_to_bulk),
        found.short,
        tuple(Figure(f"{n} over bulk", Interval(e.ratio, e.low, e.high), "times") for n, e in ends),
        tuple(Figure(f"{n}, permuted, 97.5 % point", _alone(e.permuted), "times") for n, e in ends),
        decider=int(np.argmin([end.ratio / end.permuted for _, end in ends])),
    )


def _claim_3(evidence: _Evidence) -> Claim:
    found = evidence.shifts
    sets = {
        name: Figure(f"frequent over {name}", Interval(one.ratio, one.low, one.high), "times")
        for name, one in found.contrast.items()
    }
    return Claim(
        RULES[2],
        rules.is_above(found.contrast["random"], 1),
        found.control_sentence,
        (sets["random"],),
        (sets["infrequent"],),
        more={"draws": found.draws, **{n: asdict(one) for n, one in found.contrast.items()}},
    )


def _claim_4(evidence: _Evidence) -> Claim:
    raw, filtered = evidence.raw_read[1], evidence.filtered_read[1]
    subspaces = []
    for seed in range(RANDOM_SUBSPACES):
        evidence.progress("Reading random subspaces", seed, RANDOM_SUBSPACES, "subspaces")
        one = RandomSubspace(k=evidence.window.k, seed=seed, full=True)
        subspaces.append(mean_share(evidence.read(one.transform(evidence.embeddings))[1]).value)
    value, gap, before = mean_share(filtered), mean_difference(filtered, raw), mean_share(raw)
    if not value.known:
        raise InputError("fewer than two texts contain infrequent tokens, so none can be compared")
    change = Figure("after the filter minus raw", _percent(gap), "points")
    chance = Figure(f"{RANDOM_SUBSPACES} random subspaces", _drawn(subspaces), "share", drawn=True)
    point = rules.subspace_point(subspaces)
    sentence = (
        f"After the filter the top ten tokens lie nearer to the text's own words than to those of "
        f"{100 * value.value:.1f} % of the other texts. Before it the share is "
        f"{100 * before.value:.1f} % (95 % interval of the change {change.ends} points). In "
        f"{RANDOM_SUBSPACES} random subspaces it is {100 * chance.interval.value:.1f} % on "
        f"average, and the 97.5 % point is {100 * point:.1f} %."
    )
    return Claim(
        RULES[3],
        rules.specific(gap, value.value, subspaces),
        sentence,
        (change, Figure("after the filter", value, "share")),
        (Figure("raw", before, "share"), chance),
        (Figure("97.5 % point of the subspaces", _alone(point), "share"),),
        {"n_texts": len(evidence.texts), "n_subspaces": RANDOM_SUBSPACES, "percent_point": 97.5},
        decider=int(gap.low > 0 and value.value <= point),
    )


def _percent(one: Interval) -> Interval:
    return Interval(100 * one.value, 100 * one.low, 100 * one.high)


def _claim_5(evidence: _Evidence) -> Claim:
    model, texts = evidence.model, evidence.texts
    reference = embedded_reference(model, texts, evidence.prompt, progress=evidence.progress)
    ready = TextGeometry(model, evidence.embeddings, reference, progress=evidence.progress)
    report = ready.quick_report(evidence.window)
    raw, filtered, chance = (
        report.variants[name].mean_cosine for name in ("raw", "filtered", RANDOM)
    )
    beside = Interval(*(one - raw.value for one in (chance.value, chance.low, chance.high)))
    name = f"{RANDOM_SUBSPACES} random subspaces minus raw"
    return Claim(
        RULES[4],
        rules.lowers_anisotropy(report.difference, filtered.value, chance.low),
        report.sentence[0].upper() + report.sentence[1:],
        (Figure("after the filter minus raw", report.difference, "change"),),
        (Figure(name, beside, "change", drawn=True),),
        (Figure("raw", raw, "cosine"), Figure("after the filter", filtered, "cosine")),
        {name: part for name, part in report.to_json().items() if name != "sentence"},
    )


def _claim_6(evidence: _Evidence) -> Claim:
    found = compare_forms(evidence.model, evidence.embeddings, evidence.window)
    return Claim(
        RULES[5],
        rules.same_forms(found.worst),
        f"{found.sentence} The largest difference is {found.worst:.0e}.",
        (Figure("largest difference", _alone(found.worst), "rounding"),),
        (Figure("one rounding of float32", _alone(float(np.finfo(np.float32).eps)), "rounding"),),
        more={"numbers": {"full": found.d, "reduced": found.k}},
    )


def _claim_7(evidence: _Evidence) -> Claim:
    gains = [evidence.pooled(f"τ {tau}", RAW) for tau in TAUS]
    figures = [_points(f"τ = {tau} minus raw", gain) for tau, gain in zip(TAUS, gains, strict=True)]
    control = _points("random subspaces minus raw", evidence.pooled("random subspace", RAW))
    at = [f"{signed(one.interval.value, 1)} ({one.ends}) at τ = {tau}"
          for one, tau in zip(figures, TAUS, strict=True)]  # fmt: skip
    return _scored(
        evidence, 7, figures, [control], gains, f"In points, the score changes by {listed(at)}"
    )


def _claim_8(evidence: _Evidence) -> Claim:
    return _against(evidence, 8, ("random subspace", "random coordinates", "truncation"))


def _claim_9(evidence: _Evidence) -> Claim:
    return _against(evidence, 9, ("dominant", "secondary", "bulk"))


def _claim_10(evidence: _Evidence) -> Claim:
    return _against(evidence, 10, ("optimal",))


def _claim_11(evidence: _Evidence) -> Claim:
    return _against(evidence, 11, ("whitening",))


_SEVERAL = {"random subspace": f"{SEEDS} random subspaces",
            "random coordinates": f"{SEEDS} choices of random coordinates"}  # fmt: skip
"""What the alternatives are called that chance has a part in."""


def _against(evidence: _Evidence, number: int, others: Sequence[str]) -> Claim:
    """Claims 8 to 11: τ = 2 minus others of its size."""
    two = f"τ {TAUS[0]}"
    gains = [evidence.pooled(two, other) for other in others]
    names = [_SEVERAL.get(other, other) for other in others]
    figures = [
        _points(f"τ = 2 minus {name}", gain) for name, gain in zip(names, gains, strict=True)
    ]
    controls = [
        _points(f"{name} minus raw", evidence.pooled(other, RAW))
        for name, other in zip(names, others, strict=True)
    ]
    said = listed([f"by {signed(figure.interval.value, 1)} ({figure.ends}) from {name}"
                   for figure, name in zip(figures, names, strict=True)])  # fmt: skip
    return _scored(
        evidence, number, figures, controls, gains, f"In points, the filter at τ = 2 differs {said}"
    )


def _scored(
    evidence: _Evidence,
    number: int,
    figures: Sequence[Figure],
    controls: Sequence[Figure],
    gains: Sequence[PooledDifference],
    sentence: str,
) -> Claim:
    """One of claims 7 to 11 from its pooled differences, with those of each task as details.

    Args:
        evidence: what is measured on.
        number: 7 to 11.
        figures: what the rule looks at.
        controls: what stands beside it.
        gains: the pooled differences behind the figures.
        sentence: the finding in words, without a full stop.

    Returns:
        the claim with its verdict.
    """
    found = [gain.pooled for gain in gains]
    verdict = rules.is_above(found[0], -1) if number == 10 else rules.all_above(found)
    tasks = evidence.tasks
    details = [
        Figure(f"{TITLES[task.kind]}: {figure.name}", one, "points")
        for figure, gain in zip(figures, gains, strict=True)
        for task, one in zip(tasks, gain.by_task, strict=True)
    ]
    over = "pooled over " + counted(len(tasks), "task")
    refusal = next((gain.no_interval for gain in gains if gain.no_interval), None)
    why = f" There is no interval: {refusal}." if refusal else ""
    ends = [one.high if verdict == rules.FAILS else one.low for one in found]
    return Claim(
        RULES[number - 1],
        verdict,
        f"{sentence}, {over if len(tasks) > 1 else f'on {tasks[0].source}'}.{why}",
        tuple(figures),
        tuple(controls),
        tuple(details) if len(tasks) > 1 else (),
        {"n_tasks": len(tasks), "n_draws": SEEDS},
        decider=int(np.nanargmin(ends)) if np.isfinite(ends).any() else 0,
    )


def _points(name: str, found: PooledDifference) -> Figure:
    return Figure(name, found.pooled, "points")


def _claim_12(evidence: _Evidence) -> Claim:
    model, frequencies = evidence.model, evidence.frequencies
    paper, centred = (
        model.average_token(frequencies, gauge, progress=evidence.progress)
        for gauge in ("paper", "centred")
    )
    cosine = float(paper.h @ centred.h / np.linalg.norm(paper.h) / np.linalg.norm(centred.h))
    profiles = [frequent_shifts(model, frequencies, one.gauge) for one in (paper, centred)]
    correlation = float(spearman(profiles[0][None], profiles[1])[0, 0])
    sentence = (
        f"The average tokens of the paper's gauge and of the centred gauge have a cosine of "
        f"{cosine:z.2f}, and their logit shifts have a rank correlation of {correlation:z.2f}. "
        f"Their logits have correlations of {paper.correlation:z.2f} and "
        f"{centred.correlation:z.2f} with the logarithms of the token frequencies."
    )
    return Claim(
        RULES[11],
        rules.gauges_agree(cosine, correlation),
        sentence,
        (
            Figure("cosine of the average tokens", _alone(cosine), "cosine"),
            Figure("rank correlation of the logit shifts", _alone(correlation), "cosine"),
        ),
        (
            Figure("fit of the paper's gauge", _alone(paper.correlation), "cosine"),
            Figure("fit of the centred gauge", _alone(centred.correlation), "cosine"),
        ),
        decider=int(correlation < cosine),
    )


_MEASURES: Mapping[int, Callable[[_Evidence], Claim]] = {
    1: _claim_1, 2: _claim_2, 3: _claim_3, 4: _claim_4, 5: _claim_5, 6: _claim_6,
    7: _claim_7, 8: _claim_8, 9: _claim_9, 10: _claim_10, 11: _claim_11, 12: _claim_12,
}  # fmt: skip
