"""Where a cosine comes from: what each direction, or each band of them, adds to it.

With C = E V the embeddings in the basis of the singular vectors and U its rows divided by their
lengths, cos(a, b) = Σ_i U_ai U_bi, because V is orthonormal. So each direction adds a number to the
cosine of a pair, and the sums over a band are the band's. Over many pairs the mean of a band is
what it gives to every pair, and how well it tells pairs of one label from others is what it knows.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from embfilter_viz.embeddings.cosines import checked, unit_rows
from embfilter_viz.embeddings.interval import Interval
from embfilter_viz.embeddings.pair_measures import (
    auc_difference,
    auc_over_pairs,
    mean_over_pairs,
    same_label,
    spread_over_pairs,
)
from embfilter_viz.errors import InputError
from embfilter_viz.system.progress import Progress, silent

__all__ = [
    "Anatomy",
    "Band",
    "Ends",
    "PartOfCosine",
    "anatomy",
    "band_edges",
    "band_sums",
    "contributions",
    "cumulative_quantiles",
]

BAND_SHARES = (0.05, 0.25)
"""Where the bands of the anatomy end, as shares of the spectrum from either end."""

_PLACES = 257
"""Places along the spectrum at which quantiles over pairs are taken: each sorts all pairs."""


def band_edges(d: int, shares: Sequence[float] = BAND_SHARES) -> np.ndarray:
    """Edges of bands that lie alike at both ends of the spectrum, (m + 1,) int64 from 0 to d.

    A share is rounded down to whole directions, on either side, so that both ends are as wide.

    >>> band_edges(576)
    array([  0,  28, 144, 432, 548, 576])
    """
    widths = [math.floor(share * d) for share in shares]
    return np.unique([0, *widths, *(d - width for width in widths), d])


def contributions(C: np.ndarray, a: int, b: int) -> np.ndarray:
    """Return what each direction adds to the cosine of two texts, (d,) float64.

    Args:
        C: (n, d) embeddings in the basis of the singular vectors, E V.
        a: row of the one text.
        b: row of the other.

    Raises:
        InputError: a row is zero, so that its cosine is undefined.

    >>> contributions(np.array([[3.0, 4.0], [4.0, 3.0]]), 0, 1)
    array([0.48, 0.48])
    """
    one, other = unit_rows(np.asarray(C, dtype=np.float64)[[a, b]])
    return one * other


def band_sums(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Sums over bands of directions, (m,), of one value a direction, (d,).

    >>> band_sums(np.array([0.5, 0.25, 0.125]), np.array([0, 1, 3]))
    array([0.5  , 0.375])
    """
    return np.add.reduceat(values, edges[:-1])


@dataclass(frozen=True)
class PartOfCosine:
    """The part of the cosines of all pairs that some directions add."""

    mean: Interval
    """() mean over pairs: what they give to every pair."""
    spread: Interval
    """() standard deviation over pairs."""
    auc: Interval | None
    """() how well they tell pairs of one label from others; None where there are no labels."""


@dataclass(frozen=True)
class Band(PartOfCosine):
    """The same of neighbouring directions."""

    left: int
    """() its first direction."""
    right: int
    """() one past its last direction."""


@dataclass(frozen=True)
class Ends:
    """The first and the last band together, against all that lies between them."""

    ends: PartOfCosine
    """Both ends."""
    between: PartOfCosine
    """All other directions."""
    difference: Interval | None
    """() AUC of the ends less that of what lies between, paired; None without labels."""


@dataclass(frozen=True)
class Anatomy:
    """The parts of the cosines of all pairs of some texts, by band."""

    n_texts: int
    """() how many texts."""
    bands: tuple[Band, ...]
    """(m,) from the strongest directions to the weakest."""
    whole: PartOfCosine
    """All directions together: the cosine itself."""
    ends: Ends | None
    """The first and the last band; None where there are fewer than three."""


def anatomy(
    C: np.ndarray,
    edges: np.ndarray | None = None,
    labels: Sequence[str] | None = None,
    *,
    progress: Progress = silent,
) -> Anatomy:
    """Measure what each band of directions adds to every pair, and how well it tells labels apart.

    Takes one (n, k) by (k, n) product a band and holds n² numbers some times over: of more than
    about 2,000 texts give a sample.

    Args:
        C: (n, d) embeddings in the basis of the singular vectors, E V; n >= 3.
        edges: (m + 1,) ascending from 0 to d; :func:`band_edges` if not given.
        labels: (n,) what is to be known of the texts.
        progress: told the bands done; may raise to stop.

    Returns:
        the bands, their ends and the whole cosine.

    Raises:
        InputError: fewer than three texts, a row of zeros, labels of another number of texts, or
            labels of which no AUC can be had.

    >>> C = np.array([[1.0, 1.0], [1.0, 1.0], [1.0, -1.0]])
    >>> found = anatomy(C, np.array([0, 1, 2]), ["law", "law", "art"])
    >>> [round(band.mean.value, 3) for band in found.bands], found.bands[1].auc.value
    ([0.5, -0.167], 1.0)
    """
    U = unit_rows(np.asarray(checked(C, at_least=3), dtype=np.float64))
    n, d = U.shape
    if labels is not None and len(labels) != n:
        raise InputError(f"labels: {len(labels)} for {n} texts; give one for each text")
    ends = (band_edges(d) if edges is None else edges).tolist()
    same = None if labels is None else same_label(labels)
    bands, products = [], []
    for number, (left, right) in enumerate(pairwise(ends)):
        progress("measuring bands", number, len(ends) + 1, "bands")
        products.append(U[:, left:right] @ U[:, left:right].T)
        bands.append(Band(**vars(_part(products[-1], same)), left=left, right=right))
    progress("measuring bands", len(bands), len(ends) + 1, "bands")
    whole = sum(products, np.zeros((n, n)))
    outer = None if len(bands) < 3 else _ends(products[0] + products[-1], whole, same)
    return Anatomy(n, tuple(bands), _part(whole, same), outer)


def _part(X: np.ndarray, same: np.ndarray | None) -> PartOfCosine:
    auc = None if same is None else auc_over_pairs(X, same)
    return PartOfCosine(mean_over_pairs(X), spread_over_pairs(X), auc)


def _ends(outer: np.ndarray, whole: np.ndarray, same: np.ndarray | None) -> Ends:
    inner = whole - outer
    difference = None if same is None else auc_difference(outer, inner, same)
    return Ends(_part(outer, same), _part(inner, same), difference)


def cumulative_quantiles(
    C: np.ndarray,
    shares: Sequence[float] = (0.05, 0.5, 0.95),
    *,
    progress: Progress = silent,
) -> tuple[np.ndarray, np.ndarray]:
    """Say how far the cosine of a pair has grown along the spectrum, in quantiles over all pairs.

    After the first i directions a pair has Σ_{j<i} U_aj U_bj of its cosine.

    Args:
        C: (n, d) embeddings in the basis of the singular vectors, E V; n >= 2.
        shares: which quantiles.
        progress: told the directions done; may raise to stop.

    Returns:
        Places i from 0 to d, (m,) int64: all of them, or 257 where there are more; and the
        quantiles there, (m, len(shares)) float64.

    >>> cumulative_quantiles(np.array([[3.0, 4.0], [4.0, 3.0]]), [0.5])
    (array([0, 1, 2]), array([[0.  ],
           [0.48],
           [0.96]]))
    """
    U = unit_rows(np.asarray(checked(C, at_least=2), dtype=np.float64))
    n, d = U.shape
    places = np.unique(np.linspace(0, d, min(d + 1, _PLACES)).round().astype(int))
    pairs = np.triu_indices(n, k=1)
    found = np.zeros((len(places), len(shares)))
    grown = np.zeros(len(pairs[0]))
    for number, (left, right) in enumerate(pairwise(places.tolist()), start=1):
        progress("following cosines along the spectrum", right, d, "directions")
        grown += (U[:, left:right] @ U[:, left:right].T)[pairs]
        found[number] = np.quantile(grown, shares)
    return places, found
