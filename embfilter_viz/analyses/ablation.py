"""What else one could do to the embeddings, at as many dimensions: the paper's ablation table.

Calibrated methods learn from texts that are named, never silently from those of the task.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from embfilter_viz.data import demo_texts, paper_table
from embfilter_viz.errors import InputError
from embfilter_viz.evaluation.task import Task
from embfilter_viz.evaluation.tasks import demo_task
from embfilter_viz.spectral.baselines import (
    AllButTheTop,
    MeanRemoval,
    RandomCoordinates,
    RandomSubspace,
    Truncation,
    Whitening,
)
from embfilter_viz.spectral.filters import BandFilter, Filter
from embfilter_viz.spectral.spectrum import Spectrum

__all__ = [
    "BASELINES",
    "SEEDS",
    "Calibration",
    "Variant",
    "calibration_for",
    "paper_ablation",
    "variants",
]

SEEDS = 5
"""Draws of each random control."""

BASELINES = (
    *("mean removal", "all-but-the-top", "whitening", "truncation", "random coordinates"),
    *("random subspace", "dominant", "secondary", "bulk", "optimal"),
)
"""Every baseline by name, in the order of the table."""

_PAPER_NAMES = {
    "baseline": "raw", "EmbedFilter": "embedfilter", "Truncation": "truncation",
    "Random": "random coordinates", "Dominant": "dominant", "Secondary": "secondary",
    "Bulk": "bulk", "Optimal": "optimal", "Whitening": "whitening",
}  # fmt: skip
_PAPER_COLUMNS = {
    "sts": "sts", "retrieval": "retrieval", "classification": "classification",
    "clustering": "clustering", "pairs": "pair_classification",
}  # fmt: skip


@dataclass(frozen=True)
class Calibration:
    """Texts that mean removal, all-but-the-top and whitening learn from."""

    texts: tuple[str, ...]
    """(n,) distinct texts."""
    name: str
    """Which they are, in words for a caption."""


@dataclass(frozen=True)
class Variant:
    """One baseline with its filters, more than one where chance has a part."""

    name: str
    """One of :data:`BASELINES`."""
    removes: str
    """What it removes, in words."""
    dims: int
    """Numbers it leaves of an embedding."""
    calibration: str | None
    """Which texts it learnt from, None where it learns nothing."""
    filters: tuple[Filter, ...]
    """One fitted filter, or one a seed; none where it could not be made."""
    refusal: str | None = None
    """Why it could not be made."""


def calibration_for(task: Task) -> Calibration:
    """Our own demo texts, less those that the task is scored on.

    >>> from embfilter_viz.evaluation.tasks import demo_task
    >>> calibration_for(demo_task("classification")).name
    '680 of our demo texts, none of them in the task'
    """
    pool = dict.fromkeys(
        [*demo_texts().texts, *demo_task("retrieval").texts, *demo_task("sts").texts]
    )
    own = set(task.texts)
    texts = tuple(text for text in pool if text not in own)
    return Calibration(texts, f"{len(texts)} of our demo texts, none of them in the task")


def variants(
    spectrum: Spectrum, k: int, calibration: np.ndarray, name: str, shifts: np.ndarray
) -> Iterator[Variant]:
    """Every baseline at k dimensions; mean removal and all-but-the-top keep their own number.

    Args:
        spectrum: of the head.
        k: dimensions kept.
        calibration: (n, d) raw embeddings of the calibration texts.
        name: which texts those are.
        shifts: (d,) logit shifts Δπ, for ``optimal``.
    """
    d = spectrum.d_model
    learning: tuple[tuple[str, Filter, int], ...] = (
        ("mean removal", MeanRemoval(), d),
        ("all-but-the-top", AllButTheTop(), d),
        ("whitening", Whitening(k=k), k),
    )
    for title, one, dims in learning:
        fitted: tuple[Filter, ...] = ()
        refusal = None
        try:
            fitted = (one.fit(calibration),)
        except InputError as error:
            refusal = str(error)
        yield Variant(title, one.removes, dims, name, fitted, refusal)
    yield _plain("truncation", Truncation(k=k), k)
    chance = {
        "random coordinates": [RandomCoordinates(k=k, seed=seed) for seed in range(SEEDS)],
        "random subspace": [RandomSubspace(k=k, seed=seed) for seed in range(SEEDS)],
    }
    for title, drawn in chance.items():
        yield Variant(title, drawn[0].removes, k, None, tuple(drawn))
    for title in ("dominant", "secondary", "bulk"):
        yield _plain(title, BandFilter(spectrum, title, k=k), k)
    yield _plain("optimal", BandFilter(spectrum, "optimal", k=k, shifts=shifts), k)


def _plain(name: str, one: Filter, k: int) -> Variant:
    return Variant(name, one.removes, k, None, (one,))


def paper_ablation(kind: str) -> dict[str, float]:
    """The paper's own figures for a kind of task by our names: of another model, Qwen2.5-0.5B.

    >>> paper_ablation("sts")["raw"], paper_ablation("sts")["embedfilter"]
    (63.04, 69.48)
    """
    rows: Sequence[dict] = paper_table("ablation")
    return {
        _PAPER_NAMES[row["variant"]]: row[_PAPER_COLUMNS[kind]]
        for row in rows
        if row["backbone"] == "Qwen2.5-0.5B"
    }
