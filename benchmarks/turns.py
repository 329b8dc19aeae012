"""What the benchmarks share that time two sides in one process: turns, and words for them."""

import gc
import os
import time
from collections.abc import Callable, Mapping, Sequence

import numpy as np

__all__ = ["in_turns", "machine", "same_threads", "seconds", "times_as_long"]

PAUSE = 0.2
"""Seconds between two turns, in which the threads of the side before go to sleep."""


def in_turns(
    sides: Mapping[str, Callable[[], object]], runs: Mapping[str, int]
) -> dict[str, list[float]]:
    """Seconds of every run of every side; they take turns, so that each meets the same machine.

    A side with fewer runs than the others sits out the last rounds. Nothing of a run is kept.
    """
    taken: dict[str, list[float]] = {name: [] for name in sides}
    for turn in range(max(runs.values())):
        for name, work in sides.items():
            if turn < runs[name]:
                gc.collect()
                time.sleep(PAUSE)
                begun = time.perf_counter()
                work()
                taken[name].append(time.perf_counter() - begun)
    return taken


def seconds(taken: Sequence[float]) -> str:
    """Median and span of some times.

    >>> seconds([0.5, 0.25, 1.0])
    '0.500 s (0.250 to 1.000, 3 runs)'
    """
    runs = f"{len(taken)} run{'s' if len(taken) > 1 else ''}"
    return f"{np.median(taken):.3f} s ({min(taken):.3f} to {max(taken):.3f}, {runs})"


def times_as_long(theirs: Sequence[float], ours: Sequence[float]) -> str:
    """How many times as long theirs take: of the medians, with the span over pairs of turns.

    Beside it of the fastest runs, which other work on the machine disturbs least. Where one side
    ran less often, the span is over all pairs.

    >>> times_as_long([8.0, 9.0, 7.0], [1.0, 1.5, 1.0])
    '8 (6 to 8; of the fastest runs 7)'
    """
    a, b = np.asarray(theirs), np.asarray(ours)
    pairs = a / b if len(a) == len(b) else np.divide.outer(a, b)
    return (
        f"{np.median(a) / np.median(b):.3g} ({pairs.min():.3g} to {pairs.max():.3g}; "
        f"of the fastest runs {a.min() / b.min():.3g})"
    )


def same_threads(count: int | None = None) -> int:
    """Give every library the same number of threads: all cores if none is said."""
    import torch
    from threadpoolctl import threadpool_limits

    count = count or os.cpu_count() or 1
    torch.set_num_threads(count)
    threadpool_limits(count)
    return count


def machine() -> str:
    """The processor as the libraries see it: cores, kernels of BLAS, and load beside this run."""
    from threadpoolctl import threadpool_info

    kernels = sorted({str(i["architecture"]) for i in threadpool_info() if "architecture" in i})
    load = f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown"
    return f"{os.cpu_count()} cores, OpenBLAS kernels for {', '.join(kernels)}, load {load}"
