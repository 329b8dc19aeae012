"""Maps of texts in the plane: PCA in one shared frame, aligned UMAP, and how far to trust them."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import numpy as np

from embfilter_viz.embeddings.cosines import checked, unit_rows
from embfilter_viz.embeddings.ranking import top_k
from embfilter_viz.errors import InputError
from embfilter_viz.system.progress import Progress, silent

__all__ = [
    "Layout",
    "aligned_umap",
    "leading_eigenvectors",
    "pca_in_one_frame",
    "trustworthiness",
]

# Distances held at once, as in a search for neighbours: 32 MB in float32.
_NUMBERS_AT_ONCE = 8_000_000
# The width UMAP itself scales its starting positions to.
_START_WIDTH = 10.0
# Texts whose neighbourhoods on a UMAP are checked where there are more: the check looks at all
# others for each, once for every neighbour, and would take longer than the map itself.
_CHECKED_TEXTS = 2000


@dataclass(frozen=True)
class Layout:
    """The same texts drawn once for each set of embeddings, with all that reproduces it."""

    method: str
    """() ``pca`` or ``umap``."""
    points: tuple[np.ndarray, ...]
    """One (n, 2) float32 for each set, in the order of the sets, rows in the order of texts."""
    explained: np.ndarray | None = None
    """(sets, 2) float64 share of each set's own variance along each axis; None for UMAP."""
    trustworthiness: tuple[float, ...] | None = None
    """One number in [0, 1] for each set, or None where it was not computed."""
    seed: int | None = None
    """() what the random steps began from; None where there are none."""
    parameters: Mapping[str, object] = field(default_factory=dict)
    """By name, as used: what was asked for may have been cut down to the number of texts."""

    def __post_init__(self) -> None:
        for array in (*self.points, *([] if self.explained is None else [self.explained])):
            array.flags.writeable = False


def pca_in_one_frame(sets: Sequence[np.ndarray], *, frame: int | None = None) -> Layout:
    """Each set projected on the same two principal axes, so that positions can be compared.

    Raw embeddings and the full form of filtered ones live in the same d dimensions: the frame is
    a pair of directions there. Each set is centred on its own mean, because the distance between
    the two means would else be the first axis and press both clouds flat; the axes are the
    leading eigenvectors of the mean of the sets' covariances, each divided by its trace, because
    raw embeddings vary most along directions that the filter removes and would else leave it
    only axes on which it has nothing. Coordinates are in the embeddings' own units, unscaled, so
    a cloud that shrinks is seen to shrink. Each axis points where its largest loading is
    positive.

    Args:
        sets: (n, d) embeddings each, of the same n >= 2 texts, d >= 2.
        frame: index of the one set whose own axes are the frame; None: all sets equally.

    Raises:
        InputError: shapes differ, there are too few texts, or a set has no spread at all.

    >>> E = np.array([[3.0, 0, 0], [-3, 0, 0], [0, 1, 0], [0, -1, 0]])
    >>> layout = pca_in_one_frame([E, E * [0, 1, 1]])
    >>> layout.points[1][:, 0].tolist(), layout.explained[0].round(2).tolist()
    ([0.0, 0.0, 1.0, -1.0], [0.1, 0.9])
    """
    sets = [checked(E, at_least=2) for E in sets]
    shapes = sorted({E.shape for E in sets})
    if len(shapes) != 1:
        raise InputError(
            f"embeddings of shapes {shapes[0]} and {shapes[1]}: one frame needs the same texts and "
            "dimensions; give the full form of the filter"
        )
    d = shapes[0][1]
    if d < 2:
        raise InputError("embeddings: a map needs at least 2 dimensions, not 1; keep more")
    centred = [E - E.mean(axis=0, dtype=np.float64) for E in sets]
    traces = [float(np.einsum("ij,ij->", X, X)) for X in centred]
    fitted = range(len(sets)) if frame is None else [frame]
    for index in fitted:
        mean_square = float(np.einsum("ij,ij->", sets[index], sets[index], dtype=np.float64))
        if traces[index] <= 1e-24 * mean_square:
            raise InputError(f"embeddings: all rows of set {index} are the same; add texts")
    axes = _leading_axes([centred[i] / np.sqrt(traces[i]) for i in fitted])
    points = [X @ axes for X in centred]
    explained = [
        (P**2).sum(axis=0) / (trace or 1.0) for P, trace in zip(points, traces, strict=True)
    ]
    return Layout(
        method="pca",
        points=tuple(P.astype(np.float32) for P in points),
        explained=np.array(explained),
        parameters={"frame": "all sets equally" if frame is None else f"set {frame}"},
    )


def _leading_axes(sets: Sequence[np.ndarray]) -> np.ndarray:
    """(d, 2) leading right singular vectors of the sets stacked, with a deterministic sign."""
    n, d = len(sets) * len(sets[0]), sets[0].shape[1]
    if n <= d:
        axes = np.linalg.svd(np.vstack(sets), full_matrices=n < 2)[2][:2].T
    else:
        scatter = np.zeros((d, d))
        for X in sets:
            scatter += X.T @ X
        axes = leading_eigenvectors(scatter)
    largest = np.abs(axes).argmax(axis=0)
    return axes * np.sign(axes[largest, [0, 1]])


_ALL_AT_ONCE = 64
"""Columns up to which all eigenvectors take no longer than two of them by iteration."""


def leading_eigenvectors(matrix: np.ndarray) -> np.ndarray:
    """(d, 2) eigenvectors of the two largest eigenvalues of a symmetric (d, d), largest first.

    By ARPACK to the last digit, from the same start each time, or all of them where it does not
    settle.
    """
    from scipy.linalg import eigh
    from scipy.sparse.linalg import ArpackError, eigsh

    d = len(matrix)
    if d > _ALL_AT_ONCE:
        with suppress(ArpackError):
            start = np.random.default_rng(0).standard_normal(d)
            values, vectors = eigsh(matrix, 2, which="LA", v0=start)
            return vectors[:, np.argsort(-values)]
    return eigh(matrix, subset_by_index=[d - 2, d - 1])[1][:, ::-1]


def trustworthiness(
    E: np.ndarray,
    points: np.ndarray,
    n_neighbors: int = 15,
    *,
    sample: int | None = None,
    seed: int = 0,
    progress: Progress = silent,
) -> float:
    r"""Share of a map's neighbourhoods that are true (Venna & Kaski 2001), by cosine.

    .. math:: 1 - \frac{2}{n k (2n - 3k - 1)} \sum_i \sum_{j \in U_k(i)} (r(i, j) - k)

    over the points j among the k nearest of i on the map but not in E, where r ranks them by
    cosine in E. 1: whoever is near on the map is near in truth; about 0.5: a map at random.
    In chunks of bounded memory; time grows as n squared, or with ``sample`` as n.

    Args:
        E: (n, d) embeddings, n >= 3, none of them zero.
        points: (n, 2) their places on the map.
        n_neighbors: k, cut down to below n / 2.
        sample: number of texts drawn at random whose neighbourhoods, among all texts, are
            checked; None or n and more: those of all.
        seed: of that sample.
        progress: told the texts done.

    Returns:
        () from 0 to 1; 1 is perfect.

    Raises:
        InputError: fewer than 3 texts, or not one point for each.

    >>> angles = np.linspace(0, 3, 9)
    >>> circle = np.column_stack([np.cos(angles), np.sin(angles)])
    >>> trustworthiness(circle, circle, 3)
    1.0
    """
    n = len(E)
    if n < 3 or len(points) != n:
        raise InputError(
            f"trustworthiness: {n} texts and {len(points)} points; it needs one point for each of "
            "at least 3 texts"
        )
    k = min(n_neighbors, (n - 1) // 2)
    U, points = unit_rows(E), np.asarray(points, dtype=np.float64)
    penalty = 0
    step = max(1, _NUMBERS_AT_ONCE // n)
    asked = np.arange(n)
    if sample is not None and sample < n:
        asked = np.sort(np.random.default_rng(seed).choice(n, sample, replace=False))
    for start in range(0, len(asked), step):
        progress("checking the map's neighbourhoods", start, len(asked), "texts")
        rows = asked[start : start + step]
        here = np.arange(len(rows))
        near_on_map = -sum(
            np.subtract.outer(points[rows, axis], points[:, axis]) ** 2
            for axis in range(points.shape[1])
        )
        near_on_map[here, rows] = -np.inf
        cosines = U[rows] @ U.T
        cosines[here, rows] = -np.inf
        for neighbour in top_k(near_on_map, k).T:
            ranks = 1 + (cosines > cosines[here, neighbour][:, None]).sum(axis=1)
            penalty += int(np.maximum(ranks - k, 0).sum())
    progress("checking the map's neighbourhoods", len(asked), len(asked), "texts")
    return 1 - penalty * 2 / (len(asked) * k * (2 * n - 3 * k - 1))


def aligned_umap(
    sets: Sequence[np.ndarray],
    *,
    n_neighbors: int = 15,
    min_dist: float = 0.1,
    seed: int = 0,
    n_epochs: int = 200,
    progress: Progress = silent,
) -> Layout:
    """UMAP (McInnes et al. 2018) of each set at once, each text pulled to its own other points.

    The optimisation is that of ``umap.AlignedUMAP`` with the identity as relations, fed step by
    step, because the class itself (umap-learn 0.5.12) lets neither ``min_dist`` nor
    ``random_state`` reach the layout, ties the second set to the first but not the first to the
    second, lays out every set alone only to throw it away, and says nothing while it runs.
    Neighbours are exact, by cosine. Both sets start from their places in
    :func:`pca_in_one_frame` (Kobak & Linderman 2021), or each from its own principal axes where
    dimensions differ.

    Distances between clusters, and their sizes, carry no meaning; only who is near whom does,
    and :func:`trustworthiness` says how much.

    Not to be called twice at once in one process: numba's default threading layer may abort it.
    :mod:`embfilter_viz.layout_process` runs it in a process of its own, which can be cancelled.

    Args:
        sets: embeddings each (n, d) of the same texts, n >= 4, none of them zero; d may differ.
        n_neighbors: size of the neighbourhoods to keep, the text itself included, 2 or more; cut
            down to n where there are fewer texts. Small: detail; large: the whole.
        min_dist: how close points may lie, 0 to 1.
        seed: of starting positions and optimisation; the same seed gives the same map.
        n_epochs: rounds of the optimisation.
        progress: told stage by stage; may raise to stop between them and between rounds.

    Returns:
        one map (n, 2) for each set, and how true they are.

    Raises:
        InputError: fewer than 4 texts, sets of different texts, or parameters out of range.
    """
    _check_umap(sets, n_neighbors, min_dist)
    n = len(sets[0])
    k = min(n_neighbors, n)
    progress("loading UMAP (2 to 17 s the first time)", 0, 0, "")
    from embfilter_viz.embeddings.umap_steps import fuzzy_graph, optimise

    graphs = []
    for number, E in enumerate(sets):
        near, distances = _neighbours(E, k, number, len(sets), progress)
        progress("weighing neighbours (compiles for some 10 s the first time)", 0, 0, "")
        graphs.append(fuzzy_graph(near, distances))
    start = _starting_positions(sets, np.random.default_rng(seed))
    points = optimise(
        graphs, start, min_dist=min_dist, n_epochs=n_epochs, seed=seed, progress=progress
    )
    trusted = tuple(
        trustworthiness(E, P, k, sample=_CHECKED_TEXTS, seed=seed, progress=progress)
        for E, P in zip(sets, points, strict=True)
    )
    return Layout(
        method="umap",
        points=tuple(points),
        trustworthiness=trusted,
        seed=seed,
        parameters={
            "n_neighbors": k,
            "min_dist": min_dist,
            "metric": "cosine",
            "n_epochs": n_epochs,
            "trustworthiness_neighbors": min(k, (n - 1) // 2),
            "trustworthiness_texts": min(n, _CHECKED_TEXTS),
        },
    )


def _check_umap(sets: Sequence[np.ndarray], n_neighbors: int, min_dist: float) -> None:
    rows = sorted({len(checked(E)) for E in sets})
    if len(rows) != 1:
        raise InputError(f"UMAP: sets of {rows} texts; give embeddings of the same texts")
    if rows[0] < 4:
        raise InputError(f"UMAP: at least 4 texts are needed, not {rows[0]}; take PCA or add some")
    if n_neighbors < 2:
        raise InputError(f"n_neighbors {n_neighbors}: at least 2 are needed; take 15")
    if not 0 <= min_dist <= 1:
        raise InputError(f"min_dist {min_dist}: must lie between 0 and 1; take 0.1")


def _neighbours(
    E: np.ndarray, k: int, number: int, of: int, progress: Progress
) -> tuple[np.ndarray, np.ndarray]:
    """(n, k) rows nearest by cosine, each row first among its own, and their distances.

    Args:
        E: (n, d) embeddings.
        k: how many neighbours, the row itself included.
        number: which set this is.
        of: how many sets there are.
        progress: told of the work.

    Returns:
        (n, k) rows and (n, k) distances.
    """
    U = unit_rows(E)
    n = len(U)
    near, distances = np.empty((n, k), np.int64), np.empty((n, k), np.float32)
    step = max(1, _NUMBERS_AT_ONCE // n)
    for start in range(0, n, step):
        progress("finding neighbours", number * n + start, of * n, "texts")
        rows = np.arange(start, min(start + step, n))
        cosines = U[rows] @ U.T
        # UMAP counts a point as its own first neighbour, also where texts repeat.
        cosines[np.arange(len(rows)), rows] = np.inf
        near[rows] = top_k(cosines, k)
        found = np.take_along_axis(cosines, near[rows], axis=1)
        distances[rows] = np.maximum(1 - np.minimum(found, 1), 0)
    return near, distances


def _starting_positions(sets: Sequence[np.ndarray], rng: np.random.Generator) -> list[np.ndarray]:
    units = [unit_rows(E).astype(np.float64) for E in sets]
    if len({U.shape[1] for U in units}) == 1 and units[0].shape[1] > 1:
        flat = [np.array(P, dtype=np.float64) for P in _pca_or_nothing(units)]
    else:
        flat = [np.array(_pca_or_nothing([U])[0], dtype=np.float64) for U in units]
    # A little noise, or repeated texts would start, and stay, on one point.
    return [
        (P * (_START_WIDTH / (np.abs(P).max() or 1.0)) + rng.normal(0, 1e-3, P.shape)).astype(
            np.float32
        )
        for P in flat
    ]


def _pca_or_nothing(units: Sequence[np.ndarray]) -> Sequence[np.ndarray]:
    """Places in one frame; the origin for all where the texts do not differ."""
    try:
        return pca_in_one_frame(units).points
    except InputError:
        return [np.zeros((len(U), 2)) for U in units]
