"""A filter without a hard edge: every direction of the centred W_U by a weight of its own.

Ours, found on other sets than those it is confirmed on (docs/rivals.md). As EmbedFilter it comes
from the checkpoint alone and learns from no text.
"""

import numpy as np

from embfilter_viz.errors import InputError
from embfilter_viz.spectral.filters import Filter, projected
from embfilter_viz.spectral.spectroscopy import running_median
from embfilter_viz.spectral.spectrum import Spectrum

__all__ = ["NEIGHBOURS", "SpectralReweighting", "spectral_weights"]

NEIGHBOURS = 15
"""Directions that the logit shift of one is smoothed over, by their median."""


def spectral_weights(
    singular_values: np.ndarray, shifts: np.ndarray, *, neighbours: int = NEIGHBOURS
) -> np.ndarray:
    """Weight of every direction: (d,) float64, the largest of them 1.

    σ⁻¹ · min(1, median(Δπ) / Δπ)², with Δπ smoothed by a running median over its neighbours.
    Directions that move frequent tokens' logits no more than the median one are only divided by
    their singular value; those that move them m times as much count m² times less again.

    Args:
        singular_values: (d,) of the centred W_U, descending; a zero gives the weight 0.
        shifts: (d,) logit shifts Δπ of frequent tokens in the invariant gauge.
        neighbours: an odd number of directions to smooth over; 1: none.

    Raises:
        InputError: arrays of other shapes, an even number of neighbours, or no shift above 0.

    >>> spectral_weights(np.array([4.0, 2.0, 1.0]), np.array([2.0, 1.0, 1.0]), neighbours=1)
    array([0.0625, 0.5   , 1.    ])
    """
    sigma, shifts = (np.asarray(one, dtype=np.float64) for one in (singular_values, shifts))
    if sigma.ndim != 1 or shifts.shape != sigma.shape:
        raise InputError(
            f"one logit shift for each of {sigma.size} singular values is needed; got "
            f"shapes {shifts.shape} and {sigma.shape}"
        )
    if neighbours < 1 or neighbours % 2 == 0:
        raise InputError(f"neighbours must be an odd number from 1; got {neighbours}")
    smooth = running_median(shifts, neighbours)
    usual = float(np.median(smooth))
    if not usual > 0 or not np.isfinite(shifts).all():
        raise InputError("logit shifts must be finite, and most of them above 0")
    damped = np.minimum(1.0, usual / np.maximum(smooth, usual)) ** 2
    weights = np.divide(damped, sigma, out=np.zeros_like(sigma), where=sigma > 0)
    return weights / weights.max()


class SpectralReweighting(Filter):
    """Weigh every direction of the centred W_U by what it moves, instead of keeping some of them.

    E V_c diag(w) with V_c the right singular vectors of W_U less its mean row and w the weights of
    :func:`spectral_weights`: d numbers, or in the full form E V_c diag(w) V_cᵀ with the same
    cosines.

    Args:
        spectrum: The model's centred :class:`~embfilter_viz.spectral.Spectrum`,
            ``model.centred_spectrum``.
        shifts: (d_model,) logit shifts Δπ in the invariant gauge.
        neighbours: Directions that Δπ is smoothed over.
        window: (l, r): only these directions are kept; None: all.
        full: Return the full form.
        checkpoint: Carried along.

    >>> from embfilter_viz.spectral import spectrum_of
    >>> W_U = np.array([[2.0, 0.0], [-2.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
    >>> soft = SpectralReweighting(spectrum_of(W_U, centre=True), np.array([1.0, 1.0]))
    >>> soft.transform(np.array([[1.0, 1.0]]))
    array([[0.5, 1. ]])
    """

    def __init__(
        self,
        spectrum: Spectrum | None = None,
        shifts: np.ndarray | None = None,
        neighbours: int = NEIGHBOURS,
        window: tuple[int, int] | None = None,
        full: bool = False,
        checkpoint: str | None = None,
    ) -> None:
        self.spectrum = spectrum
        self.shifts = shifts
        self.neighbours = neighbours
        self.window = window
        self.full = full
        self.checkpoint = checkpoint

    @property
    def removes(self) -> str:
        """Return what is removed, in words for a caption."""
        return (
            "no direction whole: each is divided by its singular value, and once more as far as it "
            "moves frequent tokens"
        )

    @property
    def weights_(self) -> np.ndarray:
        """(d_model,) weight of each direction, the largest 1."""
        spectrum = self._spectrum()
        if self.shifts is None:
            raise InputError("SpectralReweighting needs logit shifts: SpectralReweighting(…, Δπ)")
        known = np.where(np.arange(spectrum.d_model) < spectrum.rank, spectrum.singular_values, 0.0)
        return spectral_weights(known, self.shifts, neighbours=self.neighbours)

    @property
    def kept_(self) -> np.ndarray:
        """(k,) numbers of the directions kept."""
        left, right = self.window or (0, self._spectrum().d_model)
        return np.arange(self._spectrum().d_model)[left:right]

    def _apply(self, E: np.ndarray) -> np.ndarray:
        kept = self.kept_
        V = self._spectrum().V[:, kept].astype(np.float64)
        weighted = projected(E, V * self.weights_[kept])
        return projected(weighted, V.T) if self.full else weighted

    def _names(self) -> list[str]:
        if self.full:
            return [f"h{i}" for i in range(self._spectrum().d_model)]
        return [f"c{i}" for i in self.kept_]

    def _width(self) -> int:
        return self._spectrum().d_model

    def _spectrum(self) -> Spectrum:
        if not isinstance(self.spectrum, Spectrum) or not self.spectrum.centred:
            raise InputError(
                "SpectralReweighting needs a model's centred spectrum: "
                "SpectralReweighting(model.centred_spectrum, shifts)"
            )
        return self.spectrum
