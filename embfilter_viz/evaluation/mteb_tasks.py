"""Tasks of MTEB by name: the paper's as its benchmark has them, and their data from the hub."""

import logging
import os
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partialmethod
from typing import TYPE_CHECKING, Any

from embfilter_viz.errors import InputError
from embfilter_viz.evaluation.mteb_model import check_mteb
from embfilter_viz.evaluation.paper_tasks import PAPER_TASKS, category_of
from embfilter_viz.models.sources.hub import ANSWER_SECONDS
from embfilter_viz.models.sources.hub_answers import endpoint
from embfilter_viz.system.progress import Progress, silent, with_progress

if TYPE_CHECKING:
    from mteb.abstasks.abstask import AbsTask

__all__ = ["PAPER", "BenchmarkTask", "benchmark_tasks", "hub_answers", "mteb_version", "quiet"]

PAPER = "paper"
"""The name that stands for all of the paper's tasks."""
_MEASURES = {"PairClassification": "cosine_ap"}
"""By category, the score that the paper reports where it is not the task's main one in MTEB."""

_SUBSETS = {
    "STS17": ["en-en"], "STS22": ["en"], "AmazonCounterfactualClassification": ["en"]
}  # fmt: skip
_SPLITS = {"MSMARCO": "dev"}


@dataclass(frozen=True)
class BenchmarkTask:
    """One task with the score that is reported of it."""

    name: str
    """() its name in MTEB."""
    category: str
    """() MTEB's type of task, such as "STS"."""
    measure: str
    """() MTEB's name of the score."""
    parts: tuple["AbsTask", ...]
    """(p,) the tasks whose mean it is: itself, but for CQADupstack's twelve forums."""

    @property
    def unit(self) -> bool:
        """Tell whether the paper's code scales the embeddings to length 1 for it."""
        return self.category != "Classification"

    @property
    def data(self) -> tuple[str, ...]:
        """(p,) each part's data set on the hub with its revision."""
        return tuple(
            f"{one.metadata.dataset['path']}@{one.metadata.dataset['revision']}"
            for one in self.parts
        )

    def key(self, part: "AbsTask") -> dict[str, Any]:
        """All of the task that a score depends on, for keys of finished results."""
        return {
            "task": part.metadata.name,
            "dataset": part.metadata.dataset["path"],
            "revision": part.metadata.dataset["revision"],
            "subsets": list(part.hf_subsets),
            "splits": list(part.eval_splits),
            "measure": self.measure,
            "unit": self.unit,
            "mteb": mteb_version(),
        }


def mteb_version() -> str:
    """The installed version of MTEB."""
    from importlib.metadata import version

    return version("mteb")


def benchmark_tasks(names: Sequence[str]) -> list[BenchmarkTask]:
    """The tasks of those names, each once; "paper" stands for all of the paper's.

    The paper's are in English alone, as MTEB(eng, v1) has them; others are as MTEB defines them.

    Raises:
        InputError: MTEB is not installed, knows no such task, or no name is given.
    """
    paper = [task for tasks in PAPER_TASKS.values() for task in tasks]
    wanted = [task for name in names for task in (paper if name == PAPER else [name])]
    if not wanted:
        raise InputError("tasks: none is named; give names such as STSBenchmark, or paper")
    check_mteb("replicate")
    import mteb

    found = []
    for name in dict.fromkeys(wanted):
        try:
            task = mteb.get_task(name, **_english(name))
        except KeyError:
            raise InputError(
                f"tasks {name}: MTEB has no such task; take names such as STSBenchmark, or paper "
                f"for the {len(paper)} of the paper"
            ) from None
        about = task.metadata
        parts = tuple(getattr(about, "tasks", None) or (task,))
        category = category_of(name) or str(about.type)
        measure = _MEASURES.get(category, str(about.main_score))
        found.append(BenchmarkTask(name, category, measure, parts))
    return found


def _english(name: str) -> dict[str, list[str]]:
    """The part of a paper's task that it is about, as MTEB(eng, v1) has it; else all of a task."""
    if category_of(name) is None:
        return {}
    chosen = {"hf_subsets": _SUBSETS[name]} if name in _SUBSETS else {"languages": ["eng"]}
    return {**chosen, "eval_splits": [_SPLITS.get(name, "test")]}


def hub_answers(*, progress: Progress = silent) -> bool:
    """Ask the hub once, for nine seconds at most, and tell whether it answered."""
    import httpx2

    address, begun = endpoint(), time.monotonic()
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in {"1", "ON", "YES", "TRUE"}:
        return False

    def patient(what: str, done: float, total: float, unit: str) -> None:
        progress(what, done, total, unit)
        if time.monotonic() - begun > ANSWER_SECONDS:
            raise TimeoutError

    def asked() -> bool:
        return httpx2.head(address, timeout=ANSWER_SECONDS).status_code < 500

    try:
        return with_progress(asked, patient, f"Asking {address}", 0, 0, "")
    except (httpx2.HTTPError, OSError, ValueError):
        return False


@contextmanager
def quiet() -> Iterator[None]:
    """Have MTEB and datasets draw no bars and give no warnings while it lasts."""
    import datasets
    import tqdm.auto

    loud = [logging.getLogger(name) for name in ("mteb", "datasets", "huggingface_hub")]
    levels = [logger.level for logger in loud]
    bars = datasets.are_progress_bars_disabled()
    theirs: Any = tqdm.auto.tqdm  # a class of its own: our bars are of another
    begin = theirs.__init__
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            for logger in loud:
                logger.setLevel(logging.CRITICAL)
            datasets.disable_progress_bars()
            theirs.__init__ = partialmethod(begin, disable=True)
            yield
        finally:
            theirs.__init__ = begin
            for logger, level in zip(loud, levels, strict=True):
                logger.setLevel(level)
            if not bars:
                datasets.enable_progress_bars()
