"""Labelled texts as classification and clustering need them: two labels, enough of each."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Self

import numpy as np

from embfilter_viz.errors import InputError
from embfilter_viz.evaluation.task import Task, halves
from embfilter_viz.wording import counted

__all__ = ["FEWEST_OF_A_LABEL", "LabelledTask", "checked_labels"]

FEWEST_TEXTS = 10
"""Texts below which the task is refused."""
FEWEST_OF_A_LABEL = 4
"""Texts a label must have: two in each half, one to learn from and one to be asked."""


@dataclass(frozen=True, eq=False)
class LabelledTask(Task):
    """Texts with a label each; something is fitted to their embeddings and held against labels."""

    unit: ClassVar[str] = "texts"
    is_slow: ClassVar[bool] = True

    label: np.ndarray
    """(n,) number of each text's label."""
    labels: tuple[str, ...]
    """(c,) the distinct labels."""

    @classmethod
    def of_texts(
        cls, texts: Iterable[str], labels: Iterable[str], source: str, notes: Iterable[str] = ()
    ) -> Self:
        """The task of texts with a label each.

        Args:
            texts: the texts.
            labels: one for each text.
            source: what the texts are called.
            notes: what was decided on the way.

        Returns:
            the task.

        Raises:
            InputError: fewer than 10 texts, or fewer than two labels with 4 texts each.
        """
        kept, number, names, told = checked_labels(texts, labels, source)
        return cls(kept, source, number, names, notes=(*notes, *told))

    @property
    def n_units(self) -> int:
        """Say how many texts there are."""
        return len(self.label)

    @cached_property
    def chooses(self) -> np.ndarray:
        """(n,) bool: half of the texts of each label, by chance."""
        return halves(self.label)


def checked_labels(
    texts: Iterable[str], labels: Iterable[str], source: str
) -> tuple[tuple[str, ...], np.ndarray, tuple[str, ...], list[str]]:
    """Texts that can be used, the number of each one's label, the labels, and what was left out.

    A text that comes again under its label is left out, one that comes under several labels is
    left out altogether, and so are labels of fewer than 4 texts.

    Raises:
        InputError: what is left has fewer than 10 texts or two labels.

    >>> checked_labels(["x", *map(str, range(10))], "c" + "ab" * 5, "by hand")[2:]
    (('a', 'b'), ['1 label with fewer than 4 texts left out, with its 1 text.'])
    """
    label_of: dict[str, str] = {}
    count: Counter[str] = Counter()
    conflicting: dict[str, tuple[str, str]] = {}
    for text, label in zip(texts, labels, strict=True):
        if label_of.setdefault(text, label) != label:
            conflicting.setdefault(text, (label_of[text], label))
        count[text] += 1
    notes = []
    if conflicting:
        text, (one, other) = next(iter(conflicting.items()))
        notes.append(
            f"{counted(len(conflicting), 'text')} left out that "
            f"{'stands' if len(conflicting) == 1 else 'stand'} under several labels (first: "
            f"{text[:40]!r} under {one!r} and under {other!r})."
        )
        label_of = {text: label for text, label in label_of.items() if text not in conflicting}
        if not label_of:
            raise InputError(
                f"{source}: every text stands under several labels (first: {text[:40]!r} under "
                f"{one!r} and under {other!r}); give each text one label"
            )
    if repeated := sum(count[text] - 1 for text in label_of):
        notes.append(f"{counted(repeated, 'text')} left out that came before.")
    sizes = Counter(label_of.values())
    rare = {label for label, size in sizes.items() if size < FEWEST_OF_A_LABEL}
    if len(sizes) == 1:
        raise InputError(
            f"{source}: all texts have the one label {next(iter(sizes))!r}; give at least two"
        )
    if len(sizes) - len(rare) < 2:
        raise InputError(
            f"{source}: fewer than two labels have {FEWEST_OF_A_LABEL} texts or more; give more "
            "texts of each label, or another column of labels"
        )
    if rare:
        lost = sum(sizes[label] for label in rare)
        whose = "its" if len(rare) == 1 else "their"
        notes.append(
            f"{counted(len(rare), 'label')} with fewer than {FEWEST_OF_A_LABEL} texts left out, "
            f"with {whose} {counted(lost, 'text')}."
        )
    kept = {text: label for text, label in label_of.items() if label not in rare}
    if len(kept) < FEWEST_TEXTS:
        raise InputError(
            f"{source}: at least {FEWEST_TEXTS} labelled texts are needed; it holds {len(kept)}"
        )
    names = tuple(dict.fromkeys(kept.values()))
    number = {name: i for i, name in enumerate(names)}
    return tuple(kept), np.array([number[label] for label in kept.values()]), names, notes
