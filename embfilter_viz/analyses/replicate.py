"""The paper's table on another model: MTEB's scores, raw and at τ = 2, 4 and 8.

Each text is embedded once and the windows are projections of that embedding. A score that is
finished is kept on disk and not computed again, so that a run of days can be stopped and goes on.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

from embfilter_viz.analyses.paper_rows import paper_rows
from embfilter_viz.analyses.replication import NotScored, Replication, TaskScores, mean_of
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
from embfilter_viz.model import Model
from embfilter_viz.models.sources.hub_answers import endpoint
from embfilter_viz.spectral.windows import PAPER_TAUS, Window
from embfilter_viz.store import Records
from embfilter_viz.system.progress import Progress, silent, with_heartbeat

__all__ = ["paper_windows", "replicate"]

RESULTS_VERSION = 1
"""Raised whenever what a finished score means changes."""


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
    scored: list[TaskScores] = []
    failed: list[NotScored] = []
    told = 0
    with quiet():
        for place, task in enumerate(wanted, start=1):
            try:
                scored.append(run.scores(task, f"{task.name} ({place} of {len(wanted)})"))
            except _NotScoredError as error:
                failed.append(NotScored(task.name, task.category, str(error)))
            if scored:  # else one line will say of all of them
                for one in failed[told:]:
                    tell(f"{one.task}: not scored: {one.reason}")
                told = len(failed)
    if not scored:
        one = failed[0]
        none = f"{one.task} cannot" if len(failed) == 1 else f"none of {len(failed)} tasks can"
        raise InputError(
            f"replicate: {none} be scored: {one.reason}; check the network or HF_ENDPOINT"
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
        self._online: bool | None = None
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
            scores=tuple(100 * mean_of([[row["score"]] for row in rows])[0] for rows in by_window),
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
        """Load a part's data; a hub that did not answer once is not asked again."""
        if self._online is None:
            self._online = hub_answers(progress=self._progress)
        try:
            if self._online:
                with_heartbeat(lambda _: load_task(part), self._progress, f"Loading {title}")
                return
        except InputError as error:
            # Asked in vain, the hub costs half a minute a data set.
            self._online = hub_answers(progress=self._progress)
            if self._online:
                cause = first_line(error.__cause__ or error)
                raise _NotScoredError(f"its data cannot be loaded ({cause})") from error
        raise _NotScoredError(f"the hub {endpoint()} cannot be reached")

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
