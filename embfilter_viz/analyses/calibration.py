"""The texts that calibrated controls learn from: always named, never those that are measured."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from embfilter_viz.data import a_few_demo_texts, demo_texts
from embfilter_viz.errors import InputError
from embfilter_viz.evaluation.retrieval import RetrievalTask
from embfilter_viz.evaluation.task import Task
from embfilter_viz.evaluation.tasks import demo_task
from embfilter_viz.model import Model
from embfilter_viz.system.progress import Progress, silent
from embfilter_viz.wording import counted

__all__ = [
    "REFERENCE_TEXTS",
    "Calibration",
    "CalibrationRows",
    "calibration_for",
    "calibration_from",
    "demo_calibration",
    "embedded_reference",
    "reference_for",
]

REFERENCE_TEXTS = 80
"""Texts that a mean embedding is taken of: more of them move the mean cosine without its direction
by a hundredth or two."""


@dataclass(frozen=True)
class Calibration:
    """Texts that methods learn from."""

    texts: tuple[str, ...]
    """(n,) distinct texts."""
    name: str
    """Which they are, in words for a caption."""


@dataclass(frozen=True, eq=False)
class CalibrationRows:
    """Embeddings of texts other than those that are measured."""

    embeddings: np.ndarray
    """(r, d_model) raw."""
    name: str
    """Which texts they are of, in words for a sentence."""


def calibration_for(task: Task) -> Calibration:
    """Our own demo texts, less those that the task is scored on.

    >>> from embfilter_viz.evaluation.tasks import demo_task
    >>> calibration_for(demo_task("classification")).name
    '680 of our demo texts, none of them in the task'
    """
    texts = _others(demo_calibration().texts, task.texts)
    return Calibration(texts, f"{len(texts)} of our demo texts, none of them in the task")


def demo_calibration() -> Calibration:
    """All of our own demo texts, passages and pairs, for what is scored on none of them.

    >>> demo_calibration().name
    '1,000 demo texts of embfilter-viz'
    """
    pool = [*demo_texts().texts, *demo_task("retrieval").texts, *demo_task("sts").texts]
    texts = tuple(dict.fromkeys(pool))
    return Calibration(texts, f"{counted(len(texts), 'demo text')} of embfilter-viz")


def calibration_from(texts: Iterable[str], source: str, task: Task) -> Calibration:
    """Texts of the user's own, less those that the task is scored on.

    Args:
        texts: any texts; repeated ones count once.
        source: what they are of, such as the name of a file.
        task: what is scored.

    Raises:
        InputError: fewer than two texts are left.

    >>> from embfilter_viz.evaluation.tasks import demo_task
    >>> task = demo_task("sts")
    >>> calibration_from(["One text.", "Another.", task.texts[0]], "mine.txt", task).name
    '2 texts of mine.txt, 1 more left out because the task has it'
    """
    distinct = tuple(dict.fromkeys(texts))
    kept = _others(distinct, task.texts)
    if len(kept) < 2:
        raise InputError(
            f"{source}: at least 2 texts that the task is not scored on are needed to learn from; "
            f"{counted(len(distinct), 'text')} given, {len(kept)} of them not in the task"
        )
    left_out = len(distinct) - len(kept)
    more = f", {left_out} more left out because the task has {'it' if left_out == 1 else 'them'}"
    return Calibration(kept, f"{counted(len(kept), 'text')} of {source}{more if left_out else ''}")


def reference_for(measured: Iterable[str]) -> Calibration:
    """Some of our own texts, none of them among those measured: what a mean is taken of.

    Demo texts, the topics taking turns; where those are measured, passages of our retrieval set.

    >>> reference_for(["A text of mine."]).name
    '80 of our demo texts, none of them measured'
    >>> from embfilter_viz.data import demo_texts
    >>> reference_for(demo_texts().texts).name
    '80 of our demo passages, none of them measured'
    """
    measured = set(measured)
    texts, which = _others(a_few_demo_texts(32).texts, measured), "texts"
    if len(texts) < REFERENCE_TEXTS:
        task = demo_task("retrieval")
        assert isinstance(task, RetrievalTask)
        passages = _others((task.texts[i] for i in task.passages), measured)
        # They stand by topic: taken at even distances, every topic has its part.
        step = len(passages) / REFERENCE_TEXTS
        texts, which = tuple(passages[int(i * step)] for i in range(REFERENCE_TEXTS)), "passages"
    texts = texts[:REFERENCE_TEXTS]
    return Calibration(texts, f"{len(texts)} of our demo {which}, none of them measured")


def embedded_reference(
    model: Model, measured: Sequence[str], prompt: str, *, progress: Progress = silent
) -> CalibrationRows:
    """The embeddings of :func:`reference_for`, under the same model and prompt.

    Args:
        model: the opened model.
        measured: texts that must not be among them.
        prompt: the prompt's name.
        progress: told of the work.

    Returns:
        the embeddings, and which texts they are of.
    """
    found = reference_for(measured)
    return CalibrationRows(model.encode(found.texts, prompt, progress=progress), found.name)


def _others(pool: Iterable[str], taken: Iterable[str]) -> tuple[str, ...]:
    taken = set(taken)
    return tuple(text for text in dict.fromkeys(pool) if text not in taken)
