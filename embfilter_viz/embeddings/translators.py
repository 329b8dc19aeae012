"""Translators: affine maps that make the states of an early layer read like those of the last.

The Logit Lens reads every layer through the head, which was trained to read the last one. Early
layers hold their content in other directions, so they read as noise. A translator maps a layer's
state to what the last layer makes of it on average, in closed form: ridge regression. This is not
the Tuned Lens (Belrose et al. 2023, arXiv 2303.08112), whose affine maps are trained by gradient
descent to minimise the divergence of the logits.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from embfilter_viz.errors import InputError

__all__ = ["RIDGES", "Translator", "divergence_bits", "fit_translator", "ridge_translators"]

RIDGES = (1e-3, 1e-2, 1e-1, 1.0)
"""Ridges tried, in units of the mean variance of the states' columns."""


@dataclass(frozen=True, eq=False)
class Translator:
    """An affine map x ↦ ȳ + (x − x̄)(I + B) of states (n, d)."""

    mean_from: np.ndarray
    """(d,) x̄, the mean state of the layer."""
    mean_to: np.ndarray
    """(d,) ȳ, the mean state of the last layer."""
    change: np.ndarray
    """(d, d) B, what the map adds to the identity."""
    ridge: float
    """() the ridge it was fitted with, in units of the mean variance of the layer's columns."""

    def apply(self, X: np.ndarray) -> np.ndarray:
        """The states X (n, d) as the last layer's: (n, d) in X's precision."""
        centred = X - self.mean_from.astype(X.dtype)
        moved = centred + centred @ self.change.astype(X.dtype)
        return np.asarray(moved + self.mean_to.astype(X.dtype))


def ridge_translators(
    X: np.ndarray, Y: np.ndarray, ridges: Sequence[float] = RIDGES
) -> tuple[Translator, ...]:
    """Fit a translator with each ridge: min_B ‖(Y − ȳ) − (X − x̄)(I + B)‖² + n λ ‖B‖².

    λ is the ridge times the mean variance of X's columns. The penalty draws the map towards the
    identity, which is the plain lens, and not towards zero. With the eigenpairs Q, w of
    (X − x̄)ᵀ(X − x̄), B = Q diag(1 / (w + n λ)) Qᵀ (X − x̄)ᵀ ((Y − ȳ) − (X − x̄)).

    Args:
        X: (n, d) states of a layer.
        Y: (n, d) states of the last layer at the same places.
        ridges: each above 0.

    Returns:
        One translator for each ridge, in their order.

    Raises:
        InputError: fewer than two states, or X and Y of different shapes.

    >>> X = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, -1.0], [2.0, 1.0]])
    >>> (found,) = ridge_translators(X, X @ [[0.0, 2.0], [1.0, 0.0]] + 3.0, [1e-9])
    >>> found.apply(np.array([[1.0, 2.0]])).round(3)
    array([[5., 5.]])
    """
    if X.shape != Y.shape or X.ndim != 2 or len(X) < 2:
        raise InputError(
            f"states: two tables of one shape with at least 2 rows are needed; got {X.shape} and "
            f"{Y.shape}"
        )
    mean_from, mean_to = X.mean(axis=0, dtype=np.float64), Y.mean(axis=0, dtype=np.float64)
    centred = X.astype(np.float64) - mean_from
    gap = Y.astype(np.float64) - mean_to - centred
    squares, Q = np.linalg.eigh(centred.T @ centred)
    squares = np.maximum(squares, 0.0)
    along = Q.T @ (centred.T @ gap)
    mean_variance = float(squares.sum()) / centred.size
    found = []
    for ridge in ridges:
        added = len(X) * ridge * mean_variance
        weight = 1 / (squares + added) if added > 0 else np.zeros_like(squares)
        change = Q @ (weight[:, None] * along)
        found.append(Translator(mean_from, mean_to, change.astype(np.float32), float(ridge)))
    return tuple(found)


def fit_translator(
    X: np.ndarray, Y: np.ndarray, chooses: np.ndarray, ridges: Sequence[float] = RIDGES
) -> Translator:
    """The translator whose ridge translates best what it was not fitted on, fitted on all.

    Args:
        X: (n, d) states of a layer.
        Y: (n, d) states of the last layer at the same places.
        chooses: (n,) bool, the states that choose the ridge by their squared error.
        ridges: each above 0.

    Returns:
        the fitted translator.

    Raises:
        InputError: as :func:`ridge_translators`.
    """
    tried = ridge_translators(X[~chooses], Y[~chooses], ridges)
    errors = [float(((one.apply(X[chooses]) - Y[chooses]) ** 2).sum()) for one in tried]
    (found,) = ridge_translators(X, Y, [ridges[int(np.argmin(errors))]])
    return found


def divergence_bits(logits: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Kullback–Leibler divergence of the softmax of ``others`` from that of ``logits``, in bits.

    Σ_j p_j (log₂ p_j − log₂ q_j) with p of ``logits`` and q of ``others``.

    Args:
        logits: (n, d_vocab) of the distribution that is true.
        others: (n, d_vocab) of the one that stands for it.

    Returns:
        (n,) float64, at least 0.

    >>> divergence_bits(np.log([[0.5, 0.5]]), np.log([[0.25, 0.75]])).round(4)
    array([0.2075])
    """
    log_p, log_q = _log_softmax(logits), _log_softmax(others)
    found = np.einsum("ij,ij->i", np.exp(log_p), log_p - log_q, dtype=np.float64) / np.log(2)
    return np.maximum(found, 0.0)


def _log_softmax(logits: np.ndarray) -> np.ndarray:
    """In the precision given, sums in float64: what they add up to is near 1 in all."""
    shifted = logits - logits.max(axis=-1, keepdims=True)
    total = np.exp(shifted).sum(axis=-1, keepdims=True, dtype=np.float64)
    return np.asarray(shifted - np.log(total).astype(shifted.dtype))
