"""A plane of windows from one rotation, beside filtering again for each window.

    python benchmarks/sweep.py PAIRS.csv [--model MODEL] [--grid 20] [--runs 5]

PAIRS.csv has the columns sentence1, sentence2 and score. Texts are embedded first (or come from the
store); what is timed begins at the embeddings. Three things are timed in turns in one process:

- scoring: all windows' Spearman, against EmbedFilter, cosines and scipy's spearmanr for each;
- intervals: 1,000 resamples of some windows, against ranking every resample again;
- the whole sweep: raw, all windows, intervals of all differences, the two halves.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from scipy.stats import spearmanr

from embfilter_viz import EmbedFilter, open_model
from embfilter_viz.analyses.sweep import sweep_of
from embfilter_viz.embeddings.cosines import unit_rows
from embfilter_viz.evaluation.grids import windows_of_plane
from embfilter_viz.evaluation.sts import StsTask
from embfilter_viz.evaluation.tasks import read_task

RANKED_AGAIN = 4
"""Windows whose resamples are ranked again: each takes a good part of a second."""


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("pairs", type=Path)
    arguments.add_argument("--model", default="smollm2-135m")
    arguments.add_argument("--grid", type=int, default=20)
    arguments.add_argument("--runs", type=int, default=5)
    given = arguments.parse_args()
    model = open_model(given.model)
    task = read_task("sts", given.pairs)
    assert isinstance(task, StsTask)
    E, V = model.encode(task.texts), model.spectrum.V
    windows = windows_of_plane(given.grid, model.d_model)
    some = windows[:: len(windows) // RANKED_AGAIN][:RANKED_AGAIN]
    counts = task.resamples().counts

    def rotated() -> np.ndarray:
        R = E.astype(np.float64) @ V.astype(np.float64)
        return task.scores(task.outcomes_of_windows(R, windows))[:, 0]

    def cosines_of(rows: np.ndarray) -> np.ndarray:
        U = unit_rows(rows)
        return np.einsum("ij,ij->i", U[task.first], U[task.second])

    def filtered_again() -> np.ndarray:
        found = []
        for window in windows:
            rows = EmbedFilter(model.spectrum, window=window).transform(E)
            found.append(100 * spearmanr(cosines_of(rows), task.grades).statistic)
        return np.array(found)

    R = E.astype(np.float64) @ V.astype(np.float64)
    outcomes = task.outcomes_of_windows(R, some)

    def running_sums() -> np.ndarray:
        return task.scores(outcomes, counts).std(axis=1)

    def ranked_again() -> np.ndarray:
        found = []
        for window in some:
            cosines = cosines_of(E @ V[:, window.kept])
            drawn = (np.repeat(np.arange(task.n_units), one.astype(int)) for one in counts)
            found.append([spearmanr(cosines[one], task.grades[one]).statistic for one in drawn])
        return np.array(found).std(axis=1)

    apart = np.abs(rotated() - filtered_again()).max()
    print(f"{task.describe()}; {len(windows)} windows; scores differ by {apart:.1e} at most\n")
    print("| | again for each | at once | times as fast, median [least, greatest] |")
    print("|---|---|---|---|")
    _compare("scores of all windows", filtered_again, rotated, given.runs)
    _compare(f"1,000 resamples of {len(some)} windows", ranked_again, running_sums, given.runs)
    whole = [
        _seconds(lambda: sweep_of(model, task, "prompteol", windows, E)) for _ in range(given.runs)
    ]
    print(
        f"\nThe whole sweep with intervals: {np.median(whole):.2f} s "
        f"[{min(whole):.2f}, {max(whole):.2f}] over {given.runs} runs."
    )


def _compare(name: str, slow: Callable[[], object], fast: Callable[[], object], runs: int) -> None:
    """Both in turns, so that whatever else the machine does falls on both."""
    times = np.array([[_seconds(slow), _seconds(fast)] for _ in range(runs)])
    ratios = times[:, 0] / times[:, 1]
    before, after = np.median(times, axis=0)
    print(
        f"| {name} | {before:.2f} s | {after:.3f} s | {np.median(ratios):.1f} "
        f"[{ratios.min():.1f}, {ratios.max():.1f}] |",
        flush=True,
    )


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
