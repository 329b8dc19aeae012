"""Classification: can a linear classifier read the label off an embedding?"""

import warnings
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from embfilter_viz.embeddings.cosines import unit_rows
from embfilter_viz.embeddings.interval import Interval
from embfilter_viz.evaluation.labels import LabelledTask
from embfilter_viz.evaluation.resampling import N_RESAMPLES, Resamples, share_interval

__all__ = ["ClassificationTask"]

FOLDS = 4
"""Parts of a half, each predicted by a classifier trained on the others; fewer where a label has
fewer texts."""


@dataclass(frozen=True, eq=False)
class ClassificationTask(LabelledTask):
    """Labelled texts, and the accuracy of logistic regression on their embeddings.

    Each half of the texts is cross-validated by itself, so that neither the texts nor the labels
    of the reporting half had a part in choosing. Embeddings are put to unit length, centred on
    the half's mean and divided by one number, their root mean square norm: so the penalty
    (scikit-learn's default, C = 1) weighs alike in every window.

    >>> task = ClassificationTask.of_texts([f"text {i}" for i in range(12)], "ab" * 6, "by hand")
    >>> task.labels, task.n_units
    (('a', 'b'), 12)
    """

    kind: ClassVar[str] = "classification"
    measure: ClassVar[str] = "accuracy × 100"

    def outcomes(self, E: np.ndarray) -> np.ndarray:
        """Tell whether each text's label is predicted right, (n,) float64 of 0 and 1."""
        right = np.empty(self.n_units)
        unit = unit_rows(E).astype(np.float64)
        for half in (self.chooses, ~self.chooses):
            right[half] = _cross_validated(unit[half], self.label[half])
        return right

    def resamples(
        self, among: np.ndarray | None = None, *, count: int = N_RESAMPLES, seed: int = 0
    ) -> Resamples:
        """Resamples of texts, each of which is right or wrong."""
        how = super().resamples(among, count=count, seed=seed)
        return replace(how, grain=100 / how.drawn)

    def score_intervals(
        self, values: np.ndarray, resampled: np.ndarray, how: Resamples
    ) -> list[Interval]:
        """Wilson's for each share of texts: near 100 % resamples have next to no spread."""
        return [share_interval(value, how.drawn) for value in values]

    def scores(self, outcomes: np.ndarray, counts: np.ndarray | None = None) -> np.ndarray:
        """Share of the texts predicted right, times 100: (m, b)."""
        if counts is None:
            return 100 * outcomes.mean(axis=1, keepdims=True)
        return 100 * outcomes @ counts.T / counts.sum(axis=1)


def _cross_validated(X: np.ndarray, label: np.ndarray) -> np.ndarray:
    """Tell whether each row is predicted right by a classifier that did not see it, (n,) bool."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold
    from threadpoolctl import threadpool_limits

    X = X - X.mean(axis=0)
    if X.shape[1] > len(X):
        # The penalty knows no direction, so the rows' coordinates in their own span will do.
        left, size, _ = np.linalg.svd(X, full_matrices=False)
        X = left * size
    X = X / max(np.sqrt((X**2).sum(axis=1).mean()), np.finfo(np.float64).tiny)
    folds = StratifiedKFold(min(FOLDS, int(np.bincount(label).clip(min=0)[np.unique(label)].min())),
                            shuffle=True, random_state=0)  # fmt: skip
    right = np.empty(len(X), dtype=bool)
    # So small a fit takes ten times as long where threads must meet at every step.
    with warnings.catch_warnings(), threadpool_limits(1):
        # A last digit of a coefficient moves no prediction worth a second of waiting.
        warnings.simplefilter("ignore", ConvergenceWarning)
        for train, test in folds.split(X, label):
            fitted = LogisticRegression(tol=1e-3, max_iter=200).fit(X[train], label[train])
            right[test] = fitted.predict(X[test]) == label[test]
    return right
