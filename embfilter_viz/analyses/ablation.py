"""What else one could do to the embeddings, at as many dimensions: the paper's ablation table.

Calibrated methods learn from texts that are named, never silently from those of the task.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from embfilter_viz.data import paper_table
from embfilter_viz.errors import InputError
from embfilter_viz.spectral.baselines import (
    RANDOM_SUBSPACES,
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
    "Variant",
    "paper_ablation",
    "variants",
]

SEEDS = RANDOM_SUBSPACES
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


def variants(
    spectrum: Spectrum,
    k: int,
    calibration: np.ndarray,
    name: str,
    shifts: np.ndarray,
    *,
    names: Sequence[str] = BASELINES,
) -> Iterator[Variant]:
    """Baselines at k dimensions; mean removal and all-but-the-top keep their own number.

    Args:
        spectrum: of the head.
        k: dimensions kept.
        calibration: (n, d) raw embeddings of the calibration texts.
        name: which texts those are.
        shifts: (d,) logit shifts Δπ, for ``optimal``.
        names: which of :data:`BASELINES`.

    Returns:
        the baselines one by one, ready to be scored.
    """
    learning: dict[str, tuple[Filter, int]] = {
        "mean removal": (MeanRemoval(), spectrum.d_model),
        "all-but-the-top": (AllButTheTop(), spectrum.d_model),
        "whitening": (Whitening(k=k), k),
    }
    chance = {"random coordinates": RandomCoordinates, "random subspace": RandomSubspace}
    for title in names:
        if title in learning:
            yield _learnt(title, *learning[title], calibration, name)
        elif title in chance:
            drawn = tuple(chance[title](k=k, seed=seed) for seed in range(SEEDS))
            yield Variant(title, drawn[0].removes, k, None, drawn)
        else:
            one = Truncation(k=k) if title == "truncation" else BandFilter(
                spectrum, title, k=k, shifts=shifts if title == "optimal" else None
            )  # fmt: skip
            yield Variant(title, one.removes, k, None, (one,))


def _learnt(title: str, one: Filter, dims: int, calibration: np.ndarray, name: str) -> Variant:
    """A method fitted to the calibration embeddings, or why it could not be.

    Args:
        title: what it is called.
        one: the method, not fitted yet.
        dims: how many dimensions it keeps.
        calibration: (n, d_model) embeddings to learn from.
        name: what the calibration texts are called.

    Returns:
        the method ready to be scored, or why it could not be fitted.
    """
    fitted: tuple[Filter, ...] = ()
    refusal = None
    try:
        fitted = (one.fit(calibration),)
    except InputError as error:
        refusal = str(error)
    return Variant(title, one.removes, dims, name, fitted, refusal)


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
