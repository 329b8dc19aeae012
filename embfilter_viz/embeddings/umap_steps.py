"""The two steps of umap-learn that an aligned layout needs; imported only where one is made."""

import re
import warnings
from collections.abc import Sequence

import numpy as np
from scipy.sparse import csr_matrix

from embfilter_viz.system.progress import Progress

with warnings.catch_warnings():
    # TensorFlow is optional there, and a missing one is told as a warning.
    warnings.simplefilter("ignore")
    import numba
    from umap.layouts import optimize_layout_aligned_euclidean
    from umap.umap_ import find_ab_params, fuzzy_simplicial_set, make_epochs_per_sample

__all__ = ["fuzzy_graph", "optimise"]

# AlignedUMAP's own: how strongly a text's points in neighbouring sets attract one another, and
# how many sets away they still do (the optimisation skips the last, so 3 reaches 2 either way).
ALIGNMENT = 0.01
WINDOW = 3


def fuzzy_graph(near: np.ndarray, distances: np.ndarray) -> csr_matrix:
    """UMAP's weighted graph over exact neighbours.

    Args:
        near: (n, k) int64 rows of the nearest, each row itself first.
        distances: (n, k) float32 ascending.

    Returns:
        (n, n) symmetric weights in (0, 1].
    """
    n, k = near.shape
    graph = fuzzy_simplicial_set(
        # Only its number of rows is read where neighbours are given.
        np.zeros((n, 1), dtype=np.float32),
        k,
        np.random.RandomState(0),
        "precomputed",
        knn_indices=near,
        knn_dists=distances,
    )[0].tocsr()
    graph.sort_indices()
    return graph


def optimise(
    graphs: Sequence[csr_matrix],
    start: Sequence[np.ndarray],
    *,
    min_dist: float,
    n_epochs: int,
    seed: int,
    progress: Progress,
) -> list[np.ndarray]:
    """UMAP's layout of all graphs together, row i of each tied to row i of its neighbours.

    Args:
        graphs: one (n, n) for each set.
        start: (n, 2) float32 starting positions for each.
        min_dist: how close points may lie.
        n_epochs: rounds.
        seed: of the drawing of pairs that repel.
        progress: told the rounds done; what it raises ends the optimisation.

    Returns:
        (n, 2) float32 for each set.
    """
    heads, tails, epochs = (numba.typed.List() for _ in range(3))
    for graph in graphs:
        edges = graph.tocoo()
        heads.append(edges.row.astype(np.int32))
        tails.append(edges.col.astype(np.int32))
        epochs.append(make_epochs_per_sample(edges.data, n_epochs))
    positions = numba.typed.List([np.array(P, dtype=np.float32, order="C") for P in start])
    relations, likeness = _ties(graphs)
    a, b = find_ab_params(1.0, min_dist)
    progress("compiling the layout (some seconds)", 0, 0, "")
    optimize_layout_aligned_euclidean(
        positions,
        positions,
        heads,
        tails,
        n_epochs,
        epochs,
        likeness,
        relations,
        np.random.RandomState(seed).randint(-(2**31) + 1, 2**31 - 1, 3).astype(np.int64),
        a=a,
        b=b,
        lambda_=ALIGNMENT,
        move_other=True,
        parallel=False,
        verbose=True,
        tqdm_kwds={
            "disable": False,
            "file": _Listener(progress, n_epochs),
            "bar_format": "{n}",
            "mininterval": 0.2,
            "miniters": 1,
        },
    )
    progress("laying out", n_epochs, n_epochs, "rounds")
    return [np.array(P) for P in positions]


def _ties(graphs: Sequence[csr_matrix]) -> tuple[np.ndarray, np.ndarray]:
    """Say how row i of one graph is tied to row i of another, as UMAP wants it told.

    Returns:
        (sets, 2 WINDOW + 1, n) int32: at [m, WINDOW + offset, i] the row of graph m + offset that
        is text i, or -1 where there is no such graph; and float32 how alike its neighbours are.
    """
    n, n_sets = graphs[0].shape[0], len(graphs)
    relations = np.full((n_sets, 2 * WINDOW + 1, n), -1, dtype=np.int32)
    likeness = np.zeros(relations.shape, dtype=np.float32)
    for m in range(n_sets):
        for other in range(max(0, m - WINDOW), min(n_sets, m + WINDOW + 1)):
            if other != m:
                relations[m, WINDOW + other - m] = np.arange(n)
                likeness[m, WINDOW + other - m] = _shared_neighbours(graphs[m], graphs[other])
    return relations, likeness


def _shared_neighbours(one: csr_matrix, other: csr_matrix) -> np.ndarray:
    """(n,) Jaccard similarity of each row's neighbours in two graphs; 1 where it has none."""
    first, second = one.astype(bool).astype(np.int32), other.astype(bool).astype(np.int32)
    both = np.asarray(first.multiply(second).sum(axis=1)).ravel()
    either = np.asarray(first.sum(axis=1) + second.sum(axis=1)).ravel() - both
    return np.where(either > 0, both / np.maximum(either, 1), 1.0)


class _Listener:
    """A terminal for tqdm: each bar that it would draw becomes a call of ``progress``."""

    def __init__(self, progress: Progress, total: int) -> None:
        self._progress = progress
        self._total = total
        self._stopped = False

    def write(self, drawn: str) -> None:
        number = re.search(r"\d+", drawn)
        # tqdm closes its bar while an exception passes, which must not raise another.
        if number is None or self._stopped:
            return
        try:
            self._progress("laying out", int(number.group()), self._total, "rounds")
        except BaseException:
            self._stopped = True
            raise

    def flush(self) -> None:
        """Nothing is held back."""
