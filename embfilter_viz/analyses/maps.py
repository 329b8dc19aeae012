"""Where texts lie on a map, and which are next to one another, before and after."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from embfilter_viz.analyses.geometry import TextGeometry
from embfilter_viz.embeddings.layouts import Layout, pca_in_one_frame
from embfilter_viz.embeddings.neighbours import NeighbourChanges
from embfilter_viz.model import Model
from embfilter_viz.spectral.filters import EmbedFilter
from embfilter_viz.spectral.windows import Window
from embfilter_viz.wording import counted

__all__ = [
    "full_forms",
    "map_caption",
    "memory_caption",
    "named_maps",
    "neighbour_tables",
    "pairs_caption",
    "pca_maps",
]

UMAP_WARNING = (
    "Read only which texts are near each other: on a UMAP the distances between clusters and their "
    "sizes carry no meaning."
)


def full_forms(model: Model, embeddings: np.ndarray, window: Window) -> list[np.ndarray]:
    """Raw embeddings and their full filtered form, each (n, d_model): one space for both."""
    filtered = EmbedFilter(model.spectrum, window=window, full=True).transform(embeddings)
    return [embeddings, filtered]


def pca_maps(model: Model, embeddings: np.ndarray, window: Window) -> Layout:
    """Both sets on the same two principal axes."""
    return pca_in_one_frame(full_forms(model, embeddings, window))


def named_maps(layout: Layout) -> list[tuple[str, np.ndarray]]:
    """The maps with their titles, raw first."""
    return list(zip(("raw", "filtered"), layout.points, strict=True))


def map_caption(layout: Layout) -> str:
    """Say how the map was made and how far to trust it, in one line."""
    if layout.explained is not None:
        shares = [f"{share.sum():.0%}" for share in layout.explained]
        return (
            "PCA: both sets on the same two axes and in the same units, so they can be compared. "
            f"The axes show {shares[0]} of the raw and {shares[1]} of the filtered variance."
        )
    n, checked = len(layout.points[0]), layout.parameters["trustworthiness_texts"]
    parameters = ", ".join(
        f"{name} {value}"
        for name, value in layout.parameters.items()
        if name != "trustworthiness_texts"
    )
    by = "" if checked == n else f", by the neighbourhoods of {checked:,} texts drawn at random"
    trust = [f"{one:.2f}" for one in layout.trustworthiness or ()]
    return (
        f"Aligned UMAP, seed {layout.seed}, {parameters}. Trustworthiness (1 is perfect): raw "
        f"{trust[0]}, filtered {trust[1]}{by}. {UMAP_WARNING}"
    )


def pairs_caption(ready: TextGeometry) -> str:
    """Return which pairs a histogram counts."""
    n, m = ready.n, ready.sampled_texts
    if m == n:
        return f"All {n * (n - 1) // 2:,} pairs."
    return (
        f"The {m * (m - 1) // 2:,} pairs of {m:,} texts drawn at random; the mean cosine above is "
        f"that of all {n * (n - 1) // 2:,} pairs."
    )


def memory_caption(ready: TextGeometry) -> str:
    """Return what the page holds for these texts, and that neighbours are exact."""
    return (
        f"Neighbours are found by exact search among all {ready.n:,} texts. For these texts the "
        f"page holds {ready.nbytes / 1e6:,.0f} MB under any window: three times {ready.n:,} × "
        f"{ready.d:,} numbers, and covariances. No table of all pairs is made."
    )


def neighbour_tables(
    changes: NeighbourChanges, texts: Sequence[str], labels: Sequence[str] | None
) -> tuple[pd.DataFrame, pd.DataFrame, str]:
    """The nearest texts of one text, raw and filtered, and what changed in words.

    Args:
        changes: its neighbours before and after.
        texts: (n,) the texts.
        labels: (n,) their labels, if they have any.
    """
    index = changes.before.index
    sides = (
        (changes.before, set(changes.left.tolist()), "leaves"),
        (changes.after, set(changes.entered.tolist()), "enters"),
    )
    tables = []
    for found, moved, word in sides:
        table = pd.DataFrame({"cosine": np.round(found.cosines, 3)})
        table["text"] = [texts[i] for i in found.ids]
        if labels:
            table["label"] = [labels[i] for i in found.ids]
        table["change"] = [word if i in moved else "stays" for i in found.ids.tolist()]
        table["row"] = found.ids
        tables.append(table)
    stayed, count = len(changes.stayed), counted(len(changes.before.ids), "neighbour")
    verb = "is" if stayed < 2 else "are"
    words = f"{stayed or 'none'} of {count} {verb} the same after the filter"
    if labels and index >= 0:
        own = labels[index]
        same = [int((table["label"] == own).sum()) for table in tables]
        words += (
            f". Neighbours with its label “{own}”: {same[0]} before the filter, {same[1]} after it"
        )
    return tables[0], tables[1], f"{words}."
