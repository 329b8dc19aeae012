"""What a window saves: numbers per vector, bytes of an index, and time of exact search.

Sizes are arithmetic. The time is measured, both sides in one run and in turns, because a figure
taken on another machine, or a minute earlier on this one, says little about the ratio.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from time import perf_counter
from typing import Any

import numpy as np

from embfilter_viz.embeddings.isotropy import Interval
from embfilter_viz.errors import InputError
from embfilter_viz.spectral.windows import Window
from embfilter_viz.system.progress import Progress, silent
from embfilter_viz.wording import counted

__all__ = ["PRECISIONS", "Cost", "index_bytes", "search_cost"]

PRECISIONS = {"float32": 4, "float16": 2, "int8": 1}
"""Bytes of one number in the precisions that vector indexes store."""

MILLION = 1_000_000

_INDEX_BYTES = 256 * 2**20
"""Where the number of vectors is left open, the larger index of a measurement takes this much."""


@dataclass(frozen=True)
class Cost:
    """Size and speed of an index of embeddings, whole and filtered."""

    window: Window
    """What the filter keeps; after it a vector has ``window.k`` numbers instead of ``window.d``."""
    bytes_per_million: dict[str, tuple[int, int]]
    """By precision: bytes for a million vectors before and after, without an index's overhead."""
    n_vectors: int
    """Vectors searched in each measurement."""
    n_queries: int
    """Queries of each measurement, one after another."""
    top: int
    """Best vectors found for each query."""
    seconds_before: tuple[float, ...]
    """(repeats,) seconds a query over vectors of d numbers."""
    seconds_after: tuple[float, ...]
    """(repeats,) seconds a query over vectors of k numbers, each taken right after its partner."""

    @property
    def speedup(self) -> Interval:
        """Time before over time after: the median of the repeats, their least and greatest."""
        ratios = np.divide(self.seconds_before, self.seconds_after)
        return Interval(float(np.median(ratios)), float(ratios.min()), float(ratios.max()))

    @property
    def sentence(self) -> str:
        """Return what the window saves, in words."""
        before, after = self.bytes_per_million["float32"]
        faster = self.speedup
        slow, fast = (
            1000 * float(np.median(times)) for times in (self.seconds_before, self.seconds_after)
        )
        if self.window.drops_nothing:
            return (
                f"the window {self.window} drops nothing: filtered or not, a million vectors of "
                f"{counted(self.window.d, 'number')} in float32 take {before / 1e9:.2f} GB."
            )
        return (
            f"{self.window.k} instead of {self.window.d} numbers a vector: a million vectors in "
            f"float32 take {after / 1e9:.2f} GB instead of {before / 1e9:.2f}. Exact search over "
            f"{self.n_vectors:,} vectors took {fast:.2f} ms a query instead of {slow:.2f}: "
            f"{faster.value:.2f} times as fast ({faster.low:.2f} to {faster.high:.2f} over "
            f"{len(self.seconds_before)} repeats)."
        )

    def to_json(self) -> dict[str, Any]:
        """The record for a program."""
        return {
            "window": [self.window.l, self.window.r],
            "dimensions": [self.window.d, self.window.k],
            "bytes_per_million": {
                name: list(sizes) for name, sizes in self.bytes_per_million.items()
            },
            "n_vectors": self.n_vectors,
            "n_queries": self.n_queries,
            "top": self.top,
            "seconds_before": list(self.seconds_before),
            "seconds_after": list(self.seconds_after),
            "speedup": asdict(self.speedup),
            "sentence": self.sentence,
        }


def index_bytes(n_vectors: int, dimensions: int) -> dict[str, int]:
    """Bytes that vectors alone take, by precision.

    >>> index_bytes(1_000_000, 288)["float16"]
    576000000
    """
    return {name: n_vectors * dimensions * size for name, size in PRECISIONS.items()}


def search_cost(
    window: Window,
    *,
    n_vectors: int | None = None,
    n_queries: int = 16,
    top: int = 10,
    repeats: int = 7,
    seed: int = 0,
    progress: Progress = silent,
) -> Cost:
    """Measure exact search by inner product over vectors of d numbers and of k.

    Every query is one product with the whole index in float32 and a partial sort of its scores.
    The vectors are random, of length 1: the product costs the same whatever they hold. The two
    sides take turns on one thread, for on a busy machine several would mostly wait for one another,
    and after one turn each that is not counted.

    Args:
        window: the window; d and k are what matters of it.
        n_vectors: vectors in the index; as many as fill 256 MiB with d numbers each, if not given.
        n_queries: queries a measurement, one after another.
        top: best vectors to find.
        repeats: measurements of each side, at least 5.
        seed: of the vectors.
        progress: told of the repeats.

    Returns:
        bytes and times of both sizes, and the ratio of the times.

    Raises:
        InputError: fewer than 5 repeats, no queries, or fewer vectors than are to be found.

    >>> cost = search_cost(Window.of_tau(2, 8), n_vectors=100, n_queries=1, repeats=5)
    >>> cost.bytes_per_million["int8"], len(cost.seconds_after)
    ((8000000, 4000000), 5)
    """
    if repeats < 5:
        raise InputError(f"repeats {repeats}: a ratio needs its spread; take 5 or more")
    if n_queries < 1:
        raise InputError(f"n_queries {n_queries}: there must be one to time; take 1 or more")
    n = n_vectors or max(_INDEX_BYTES // (4 * window.d), top + 1)
    if not 1 <= top < n:
        raise InputError(f"top {top}: must be from 1 to {n - 1}, fewer than the {n} vectors")
    from threadpoolctl import threadpool_limits

    rng = np.random.default_rng(seed)
    before, after = (_searcher(n, size, n_queries, top, rng) for size in (window.d, window.k))
    seconds: tuple[list[float], list[float]] = ([], [])
    with threadpool_limits(1, "blas"):
        for turn in range(repeats + 1):
            progress("Timing exact search", turn, repeats + 1, "repeats")
            for search, times in zip((before, after), seconds, strict=True):
                start = perf_counter()
                search()
                # The first turn only warms the caches up.
                if turn:
                    times.append((perf_counter() - start) / n_queries)
    whole, kept = (index_bytes(MILLION, size) for size in (window.d, window.k))
    sizes = {name: (whole[name], kept[name]) for name in PRECISIONS}
    return Cost(window, sizes, n, n_queries, top, tuple(seconds[0]), tuple(seconds[1]))


def _searcher(
    n: int, size: int, n_queries: int, top: int, rng: np.random.Generator
) -> Callable[[], None]:
    """All queries over an index of its own, (n, size) float32.

    Args:
        n: how many vectors.
        size: how many numbers each has.
        n_queries: how many queries.
        top: how many results each.
        rng: what draws vectors and queries.

    Returns:
        a function that runs all queries once.
    """
    index = rng.standard_normal((n, size), dtype=np.float32)
    index /= np.linalg.norm(index, axis=1, keepdims=True)
    queries = index[rng.integers(0, n, size=n_queries)]

    def search() -> None:
        for query in queries:
            scores = index @ query
            best = np.argpartition(scores, n - top)[n - top :]
            best[np.argsort(-scores[best])]

    return search
