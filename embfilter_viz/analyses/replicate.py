"""The paper's table on another model: MTEB's scores, raw and at τ = 2, 4 and 8.

Each text is embedded once and the windows are projections of that embedding. A score that is
finished is kept on disk and not computed again, so that a run of days can be stopped and goes on.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from embfilter_viz.analyses.finite import finite
from embfilter_viz.analyses.paper_rows import PaperRows, paper_rows
from embfilter_viz.errors import Cancelled, InputError
from embfilter_viz.evaluation.grids import shifted_windows
from embfilter_viz.evaluation.mteb_model import (
    MtebModel,
    check_mteb,
    first_line,
    load_task,
    mteb_score,
)
from embfilter_viz.evaluation.mteb_tasks import (
    PAPER,
    BenchmarkTask,
    benchmark_tasks,
    hub_answers,
    mteb_version,
    quiet,
)
from embfilter_viz.evaluation.paper_tasks import PAPER_TASKS
from embfilter_viz.model import Model
from embfilter_viz.models.sources.hub import endpoint
from embfilter_viz.spectral.windows import PAPER_TAUS, Window
from embfilter_viz.store import Records
from embfilter_viz.system.progress import Progress, silent, with_heartbeat
from embfilter_viz.wording import counted, fixed, listed, signed

__all__ = ["CategoryMean", "NotScored", "Replication", "TaskScores", "paper_windows", "replicate"]

RESULTS_VERSION = 1
"""Raised whenever what a finished score means changes."""


@dataclass(frozen=True)
class TaskScores:
    """The scores of one task, times 100."""

    task: str
    """() its name in MTEB."""
    category: str
    """() MTEB's type of task."""
    measure: str
    """() MTEB's name of the score."""
    data: tuple[str, ...]
    """(p,) data sets on the hub, each with its revision."""
    scores: tuple[float, ...]
    """(1 + m,) raw, then under each window."""
    n_texts: int
    """() different texts it has."""
    n_forwards: int
    """() forward passes over them for all scores; fewer where the store had some."""
    n_forwards_again: int
    """() those of them for windows after raw: 0, unless the store could not keep the embeddings."""
    kept: bool
    """() whether all scores came from disk, finished before."""


@dataclass(frozen=True)
class NotScored:
    """A task without scores."""

    task: str
    """() its name in MTEB."""
    category: str
    """() MTEB's type of task."""
    reason: str
    """() why, in one line."""


@dataclass(frozen=True)
class CategoryMean:
    """The mean over the tasks of a category."""

    category: str
    """() MTEB's type of task."""
    n_tasks: int
    """() tasks scored."""
    n_listed: int
    """() tasks of the paper's list in it."""
    scores: tuple[float, ...]
    """(1 + m,) raw, then under each window."""


@dataclass(frozen=True)
class Replication:
    """A model's scores on MTEB's tasks, with the paper's figures to stand beside them."""

    model: str
    """What the user typed to choose it."""
    prompt: str
    """How texts were put to the model."""
    windows: tuple[Window, ...]
    """(m,) of τ = 2, 4, 8."""
    tasks: tuple[TaskScores, ...]
    """(n,) those scored."""
    not_scored: tuple[NotScored, ...]
    """Those that could not be."""
    paper: PaperRows
    """The paper's figures, for this backbone or the nearest."""
    mteb: str
    """The version of MTEB."""

    @property
    def names(self) -> tuple[str, ...]:
        """(1 + m,) names of the scores: raw, tau_2, tau_4, tau_8."""
        return ("raw", *(f"tau_{tau}" for tau, _ in zip(PAPER_TAUS, self.windows, strict=False)))

    @property
    def categories(self) -> tuple[CategoryMean, ...]:
        """The mean over the tasks of each category, in the paper's order, others last."""
        order = dict.fromkeys([*PAPER_TASKS, *(one.category for one in self.tasks)])
        found = []
        for category in order:
            rows = [one.scores for one in self.tasks if one.category == category]
            if rows:
                n_listed = len(PAPER_TASKS.get(category, ()))
                found.append(CategoryMean(category, len(rows), n_listed, _mean(rows)))
        return tuple(found)

    @property
    def mean_over_tasks(self) -> tuple[float, ...]:
        """(1 + m,) each task counts once."""
        return _mean([one.scores for one in self.tasks])

    @property
    def mean_over_categories(self) -> tuple[float, ...]:
        """(1 + m,) each category counts once."""
        return _mean([one.scores for one in self.categories])

    @property
    def sentence(self) -> str:
        """The finding in words, with what it cannot say."""
        raw, *rest = self.mean_over_tasks
        n = len(self.tasks)
        said = []
        for place, (tau, mean) in enumerate(zip(PAPER_TAUS, rest, strict=False), start=1):
            better = sum(one.scores[place] > one.scores[0] for one in self.tasks)
            count = f", above raw on {better} of {n}" if n > 1 else ""
            said.append(f"τ = {tau} {fixed(mean, 2)} ({signed(mean - raw, 2)}{count})")
        about = f"The mean over {n} tasks" if n > 1 else f"{self.tasks[0].task}"
        return (
            f"{about}: raw {fixed(raw, 2)}, {listed(said)}. MTEB gives no intervals, so a small "
            "difference may be noise."
        )

    @property
    def beside(self) -> str:
        """Say whose figures stand beside, and where they are means over other tasks."""
        said = [self.paper.sentence]
        fewer = [one.category for one in self.categories if one.n_tasks != one.n_listed]
        absent = [kind for kind in PAPER_TASKS if kind not in {c.category for c in self.categories}]
        if fewer or absent:
            said.append("They are means over all tasks of the paper, and yours over fewer of them.")
        if any(one.category == "Retrieval" for one in self.categories):
            said.append(
                "Its averages follow from 8 retrieval tasks, and it does not say which; its code "
                f"lists {len(PAPER_TASKS['Retrieval'])}."
            )
        return " ".join(said)

    @property
    def encoding(self) -> str:
        """Say that each text was embedded once, or that it was not."""
        texts, forwards, again = (
            sum(getattr(one, name) for one in self.tasks)
            for name in ("n_texts", "n_forwards", "n_forwards_again")
        )
        passes = counted(forwards, "forward pass", "forward passes")
        said = f"The tasks have {counted(texts, 'text')}, shared ones counted in each; {passes} "
        said += "read them" if forwards != 1 else "reads them"
        if again:
            return (
                f"{said}, {again:,} of them for windows: the store no longer had all embeddings, "
                "so some texts were embedded again."
            )
        return f"{said}: the windows are projections of the raw embeddings."

    def to_json(self) -> dict[str, Any]:
        """The record under its names on the command line."""
        paper = self.paper
        return finite(
            {
                "model": self.model,
                "prompt": self.prompt,
                "mteb": self.mteb,
                "windows": [
                    {"tau": tau, "l": w.l, "r": w.r}
                    for tau, w in zip(PAPER_TAUS, self.windows, strict=False)
                ],
                "tasks": [
                    {
                        "task": one.task, "category": one.category, "measure": one.measure,
                        "data": list(one.data), **self._named(one.scores), "texts": one.n_texts,
                        "forwards": one.n_forwards, "forwards_again": one.n_forwards_again,
                        "kept": one.kept,
                    }
                    for one in self.tasks
                ],
                "categories": [
                    {
                        "category": one.category, "tasks": one.n_tasks, "listed": one.n_listed,
                        **self._named(one.scores), "paper": self._of_paper(one.category),
                    }
                    for one in self.categories
                ],
                "mean_over_tasks": {
                    **self._named(self.mean_over_tasks), "paper": self._of_paper("average")
                },
                "mean_over_categories": {
                    **self._named(self.mean_over_categories), "paper": self.paper_over_categories
                },
                "not_scored": [
                    {"task": one.task, "category": one.category, "reason": one.reason}
                    for one in self.not_scored
                ],
                "paper": {
                    "backbone": paper.backbone, "prompt": paper.prompt,
                    "same_backbone": paper.same_backbone, "same_prompt": paper.same_prompt,
                },
                "sentence": self.sentence,
                "beside": self.beside,
                "encoding": self.encoding,
            }
        )  # fmt: skip

    @property
    def paper_over_categories(self) -> dict[str, float | None]:
        """The paper's mean over its seven categories, computed from its columns."""
        return {
            name: sum(row[kind] for kind in PAPER_TASKS) / len(PAPER_TASKS) if row else None
            for name in self.names
            for row in [self.paper.rows.get(name, {})]
        }

    def _of_paper(self, column: str) -> dict[str, float | None]:
        return {name: self.paper.rows.get(name, {}).get(column) for name in self.names}

    def _named(self, scores: Sequence[float]) -> dict[str, float]:
        return dict(zip(self.names, scores, strict=True))


def replicate(
    model: Model,
    tasks: Sequence[str] = (PAPER,),
    prompt: str = "prompteol",
    *,
    records: Records | None = None,
    tell: Callable[[str], None] = lambda line: None,
    progress: Progress = silent,
) -> Replication:
    """Score MTEB's tasks raw and at τ = 2, 4 and 8, from one embedding of each text.

    Embeddings are kept in the model's store, which may take half of the free disk meanwhile. A
    score is kept by checkpoint, prompt, layer, window, task with its revision, and version of MTEB.
    As in the paper's code, embeddings have length 1 but for classification, and pair
    classification is scored by the average precision of cosines.

    Args:
        model: the opened model.
        tasks: names of MTEB's tasks; "paper" stands for the paper's.
        prompt: the prompt's name.
        records: where finished scores are kept; None: in the user's cache folder.
        tell: told in one line of each task that cannot be scored.
        progress: told of the work; may raise ``Cancelled``, and what is finished is kept.

    Returns:
        all scores, with the paper's figures.

    Raises:
        InputError: MTEB is not installed or knows no such task, texts cannot be embedded, or not
            one of the tasks can be scored.
    """
    check_mteb("replicate")
    wanted = with_heartbeat(lambda _: benchmark_tasks(tasks), progress, "Opening MTEB")
    run = _Run(model, prompt, records or Records(), progress)
    online = hub_answers(progress=progress)
    scored: list[TaskScores] = []
    failed: list[NotScored] = []
    told = 0
    with quiet(offline=not online):
        for place, task in enumerate(wanted, start=1):
            try:
                scored.append(run.scores(task, f"{task.name} ({place} of {len(wanted)})"))
            except _NotScoredError as error:
                reason = str(error) if online else f"{_unreachable()}, and {_NOT_CACHED}"
                failed.append(NotScored(task.name, task.category, reason))
            if scored:  # else one line will say of all of them
                for one in failed[told:]:
                    tell(f"{one.task}: not scored: {one.reason}")
                told = len(failed)
    if not scored:
        one = failed[0]
        none = f"{one.task} cannot" if len(failed) == 1 else f"none of {len(failed)} tasks can"
        raise InputError(
            f"replicate: {none} be scored: {one.reason}; check the network, HF_ENDPOINT or HF_HOME"
        )
    return Replication(
        model=model.name,
        prompt=prompt,
        windows=run.windows,
        tasks=tuple(scored),
        not_scored=tuple(failed),
        paper=paper_rows(model, prompt),
        mteb=mteb_version(),
    )


def paper_windows(family: str, d: int) -> tuple[Window, ...]:
    """The paper's windows of τ = 2, 4, 8 for a family of models: shifted for Mistral.

    >>> [str(window) for window in paper_windows("Llama", 64)]
    ['16:48', '24:40', '28:36']
    >>> [str(window) for window in paper_windows("Mistral", 4096)]
    ['128:2176', '128:1152', '128:640']
    """
    shifted = shifted_windows(family, d)
    if len(shifted) == len(PAPER_TAUS):
        return tuple(shifted)
    return tuple(Window.of_tau(tau, d) for tau in PAPER_TAUS if tau <= d)


_NOT_CACHED = "the data are not in the Hugging Face cache"


def _unreachable() -> str:
    return f"the hub {endpoint()} cannot be reached"


class _NotScoredError(Exception):
    """A task that cannot be scored, and why."""


class _Run:
    """One model under one prompt, going through tasks.

    Args:
        model: the opened model.
        prompt: the prompt's name.
        records: where finished scores are kept.
        progress: told of the work.
    """

    def __init__(self, model: Model, prompt: str, records: Records, progress: Progress) -> None:
        self.model = model
        self.prompt = prompt
        self.windows = paper_windows(model.card.family, model.d_model)
        self._records = records
        self._progress = progress
        self._keys: tuple[dict[str, Any], str] | None = None
        model.store.use_free_disk()

    def scores(self, task: BenchmarkTask, title: str) -> TaskScores:
        """Score a task raw and under every window.

        Raises:
            _NotScoredError: its data cannot be loaded, or MTEB fails on them.
        """
        found = [self._of_part(task, part, title) for part in task.parts]
        by_window = list(zip(*(rows for rows, _ in found), strict=True))
        flat = [row for rows in by_window for row in rows]
        return TaskScores(
            task=task.name,
            category=task.category,
            measure=task.measure,
            data=task.data,
            scores=tuple(100 * _mean([[row["score"]] for row in rows])[0] for rows in by_window),
            n_texts=sum(max(row["texts"] for row in rows) for rows, _ in found),
            n_forwards=sum(row["forwards"] for row in flat),
            n_forwards_again=sum(row["forwards"] for rows in by_window[1:] for row in rows),
            kept=all(kept for _, kept in found),
        )

    def _of_part(
        self, task: BenchmarkTask, part: Any, title: str
    ) -> tuple[list[dict[str, Any]], bool]:
        """The finished results of a part, raw and under every window, and whether all were kept."""
        about = task.key(part)
        keys = [{**about, **self._key(window)} for window in (None, *self.windows)]
        rows = [self._records.get("replicate", key) for key in keys]
        kept = all(row is not None for row in rows)
        try:
            for place, (window, key) in enumerate(zip((None, *self.windows), keys, strict=True)):
                if rows[place] is None:
                    self._load(part, title)
                    rows[place] = self._scored(task, part, window, title)
                    self._records.put("replicate", key, rows[place] or {})
        finally:
            if part.data_loaded:
                part.unload_data()
        return [row for row in rows if row is not None], kept

    def _load(self, part: Any, title: str) -> None:
        try:
            with_heartbeat(lambda _: load_task(part), self._progress, f"Loading {title}")
        except InputError as error:
            cause = error.__cause__ or error
            raise _NotScoredError(f"its data cannot be loaded ({first_line(cause)})") from error

    def _scored(
        self, task: BenchmarkTask, part: Any, window: Window | None, title: str
    ) -> dict[str, Any]:
        """One score, with the texts it took.

        Args:
            task: the task.
            part: the part of it that is scored; its data are loaded.
            window: the window; None for raw.
            title: the task's name and place, for progress.

        Returns:
            the score, from 0 to 1, the different texts, and the forward passes over them.
        """
        scoring = f"Scoring {title}, {'raw' if window is None else f'window {window}'}"

        def work(told: Progress) -> dict[str, Any]:
            def embedding(what: str, done: float, total: float, unit: str) -> None:
                told(f"{title}: {what[:1].lower()}{what[1:]}", done, total, unit)
                if total and done >= total:
                    told(scoring, 0, 0, "")

            before = self.model.forwarded
            encoder = MtebModel(self.model, self.prompt, window, unit=task.unit, progress=embedding)
            score = mteb_score(encoder, part, task.measure)
            forwards = self.model.forwarded - before
            return {"score": score, "texts": encoder.n_texts, "forwards": forwards}

        try:
            row = with_heartbeat(work, self._progress, scoring)
        except (InputError, Cancelled, MemoryError):
            raise
        except Exception as error:  # of MTEB on these data: the other tasks go on
            said = f"{type(error).__name__}: {first_line(error)}"
            raise _NotScoredError(f"MTEB fails on its data ({said})") from error
        if not math.isfinite(row["score"]):
            raise _NotScoredError(f"its {task.measure} is undefined")
        return row

    def _key(self, window: Window | None) -> dict[str, Any]:
        """All of the model that a score depends on."""
        if self._keys is None:
            reading = self.model.key_of_reading(self.prompt, progress=self._progress)
            self._keys = dict(reading), self.model.head.digest(progress=self._progress)
        reading, head = self._keys
        kept = {} if window is None else {"window": [window.l, window.r], "head": head}
        return {"results": RESULTS_VERSION, "reading": reading, **kept}


def _mean(rows: Iterable[Sequence[float]]) -> tuple[float, ...]:
    """The mean of rows, each column by itself."""
    columns = list(zip(*rows, strict=True))
    return tuple(sum(column) / len(column) for column in columns)
