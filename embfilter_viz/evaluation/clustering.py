"""Clustering: do texts of one label fall together without being told the labels?"""

import warnings
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from embfilter_viz.embeddings.cosines import unit_rows
from embfilter_viz.embeddings.interval import Interval
from embfilter_viz.evaluation.labels import LabelledTask
from embfilter_viz.evaluation.resampling import Resamples, share_interval

__all__ = ["ClusteringTask", "v_measure"]

SEEDS = (0, 1, 2)
"""Of k-means; the score is the mean over them."""
INITS = 4
"""Starts of each run, of which the one with the least inertia counts."""


@dataclass(frozen=True, eq=False)
class ClusteringTask(LabelledTask):
    """Labelled texts, and the V-measure of k-means with as many clusters as labels.

    k-means sees the unit rows of all texts and no label. The score is V-measure (Rosenberg and
    Hirschberg 2007) times 100, the mean over three seeds. Its resamples hold the clusters fixed
    and resample texts, where other texts would give other clusters: intervals are twice as long,
    a factor from simulations (``benchmarks/coverage.py``), where without it they hold in 50 to
    80 % of cases.

    >>> task = ClusteringTask.of_texts([f"text {i}" for i in range(12)], "ab" * 6, "by hand")
    >>> task.labels, task.n_units
    (('a', 'b'), 12)
    """

    kind: ClassVar[str] = "clustering"
    measure: ClassVar[str] = "V-measure × 100"
    widening: ClassVar[float] = 2.0

    def outcomes(self, E: np.ndarray) -> np.ndarray:
        """The cluster of each text under each seed, (n, seeds) int64."""
        from sklearn.cluster import KMeans
        from sklearn.exceptions import ConvergenceWarning
        from threadpoolctl import threadpool_limits

        U = unit_rows(E)
        # Centred: distances stay, and float32 does not lose them beside a large common part.
        U = U - U.mean(axis=0)
        # So small a run takes ten times as long where threads must meet at every step.
        with warnings.catch_warnings(), threadpool_limits(1):
            # A window of one direction has two unit rows, and so two clusters: the score says it.
            warnings.simplefilter("ignore", ConvergenceWarning)
            runs = [
                KMeans(len(self.labels), n_init=INITS, random_state=seed).fit_predict(U)
                for seed in SEEDS
            ]
        return np.stack(runs, axis=1).astype(np.int64)

    def score_intervals(
        self, values: np.ndarray, resampled: np.ndarray, how: Resamples
    ) -> list[Interval]:
        """As for other tasks, and no shorter than for a share of as many texts.

        Where the clusters are the labels, resamples have no spread, but other texts would have.
        """
        found = super().score_intervals(values, resampled, how)
        shares = [share_interval(value, how.drawn) for value in values]
        return [
            Interval(one.value, min(one.low, other.low), max(one.high, other.high))
            for one, other in zip(found, shares, strict=True)
        ]

    def scores(self, outcomes: np.ndarray, counts: np.ndarray | None = None) -> np.ndarray:
        """Mean V-measure over the seeds, times 100: (m, b)."""
        given = np.ones((1, self.n_units)) if counts is None else counts
        return np.stack(
            [
                np.mean([100 * v_measure(self.label, run, given) for run in one.T], axis=0)
                for one in outcomes
            ]
        )


def v_measure(label: np.ndarray, cluster: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """V-measure of clusters against labels under each resample, (b,) float64 in [0, 1].

    2 I / (H(label) + H(cluster)) with the mutual information I: the harmonic mean of homogeneity
    and completeness.

    Args:
        label: (n,) integers from 0.
        cluster: (n,) integers from 0.
        counts: (b, n) how often each resample holds each text.

    >>> v_measure(np.array([0, 0, 1, 1]), np.array([1, 1, 0, 0]), np.ones((1, 4)))
    array([1.])
    """
    # Of the cells of the contingency table only those that hold a text.
    _, cell = np.unique(label * (int(cluster.max()) + 1) + cluster, return_inverse=True)
    of_labels, of_clusters, of_cells = (_entropy(counts, one) for one in (label, cluster, cell))
    shared = of_labels + of_clusters - of_cells
    both = of_labels + of_clusters
    return np.where(both > 0, 2 * shared / np.where(both > 0, both, 1), 1.0)


def _entropy(counts: np.ndarray, group: np.ndarray) -> np.ndarray:
    """Entropy of how each resample's texts are spread over groups, (b,)."""
    member = np.zeros((len(group), int(group.max()) + 1))
    member[np.arange(len(group)), group] = 1
    p = counts @ member / counts.sum(axis=1, keepdims=True)
    return -(p * np.log(np.where(p > 0, p, 1))).sum(axis=1)
