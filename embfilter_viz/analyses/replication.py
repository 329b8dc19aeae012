"""A model's scores on MTEB's tasks, with their means and the paper's figures beside."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from embfilter_viz.analyses.finite import finite
from embfilter_viz.analyses.paper_rows import PaperRows
from embfilter_viz.evaluation.paper_tasks import PAPER_TASKS
from embfilter_viz.spectral.windows import PAPER_TAUS, Window
from embfilter_viz.wording import counted, fixed, listed, signed

__all__ = ["CategoryMean", "NotScored", "Replication", "TaskScores", "mean_of"]


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
                found.append(CategoryMean(category, len(rows), n_listed, mean_of(rows)))
        return tuple(found)

    @property
    def mean_over_tasks(self) -> tuple[float, ...]:
        """(1 + m,) each task counts once."""
        return mean_of([one.scores for one in self.tasks])

    @property
    def mean_over_categories(self) -> tuple[float, ...]:
        """(1 + m,) each category counts once."""
        return mean_of([one.scores for one in self.categories])

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


def mean_of(rows: Iterable[Sequence[float]]) -> tuple[float, ...]:
    """The mean of rows, each column by itself.

    >>> mean_of([(1, 2), (3, 5)])
    (2.0, 3.5)
    """
    columns = list(zip(*rows, strict=True))
    return tuple(sum(column) / len(column) for column in columns)
