"""EmbedFilter and the paper's other bands of directions, as scikit-learn transformers.

Embeddings E are (n, d_model), one row a text, as pooled from the normed hidden states and not
yet normalised to unit length. There is nothing to learn from them: ``transform`` works without
``fit``.
"""

from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin

from embfilter_viz.errors import InputError
from embfilter_viz.spectral.affine import AffineMap
from embfilter_viz.spectral.spectrum import Spectrum
from embfilter_viz.spectral.windows import BANDS, Window, band, kept_by_tau

__all__ = ["BandFilter", "EmbedFilter", "Filter", "checked_embeddings", "projected"]

_ROWS_AT_ONCE = 4096
"""Embeddings projected at once: 64 MB in float64 at d_model = 2,048."""


def checked_embeddings(E: Any, d: int | None = None) -> np.ndarray:
    """Return E as a finite (n, d) array of float32, or float64 where it is that already.

    Raises:
        InputError: not 2-D, of another width than ``d``, or not finite.

    >>> checked_embeddings([[1, 2]])
    array([[1., 2.]], dtype=float32)
    """
    E = np.asarray(E)
    if E.dtype not in (np.float32, np.float64):
        E = E.astype(np.float32)
    if E.ndim != 2:
        hint = "; for one embedding write e[None]" if E.ndim == 1 else ""
        raise InputError(f"embeddings must be 2-D, one row a text; their shape is {E.shape}{hint}")
    if d is not None and E.shape[1] != d:
        raise InputError(
            f"embeddings have {E.shape[1]} columns but the filter was made for {d}: they come "
            "from another model, or were filtered already"
        )
    if not np.isfinite(E).all():
        row = int(np.flatnonzero(~np.isfinite(E).all(axis=1))[0])
        raise InputError(f"embeddings must be finite; row {row} holds NaN or infinity")
    return E


def projected(E: np.ndarray, V_k: np.ndarray, full: bool = False) -> np.ndarray:
    """E V_k, or E V_k V_kᵀ if ``full``, in the dtype of E.

    Summed in float64: in float32 the last digits of a row would depend on which rows stand beside
    it, since BLAS adds in another order at the end of a block than inside it.

    Args:
        E: (n, d_model).
        V_k: (d_model, k) with orthonormal columns.
        full: return the full form.

    >>> projected(np.array([[1.0, 2.0]]), np.array([[0.0], [1.0]]), full=True)
    array([[0., 2.]])
    """
    V_k = V_k.astype(np.float64)
    filtered = np.empty((len(E), E.shape[1] if full else V_k.shape[1]), dtype=E.dtype)
    for start in range(0, len(E), _ROWS_AT_ONCE):
        reduced = E[start : start + _ROWS_AT_ONCE].astype(np.float64) @ V_k
        filtered[start : start + _ROWS_AT_ONCE] = reduced @ V_k.T if full else reduced
    return filtered


class Filter(TransformerMixin, BaseEstimator):
    """The base of every filter: check E, learn if needed, apply, name the columns.

    A subclass implements ``_apply`` and ``removes``; one that learns sets ``_learns`` and
    implements ``_learn``.
    """

    checkpoint: str | None = None
    _learns = False

    def fit(self, E: Any, y: Any = None) -> Self:
        """Check the width of E (n, d_model) and learn what is to be learnt, often nothing."""
        E = checked_embeddings(E, self._width())
        self.n_features_in_ = E.shape[1]
        self._learn(E)
        return self

    def transform(self, E: Any) -> np.ndarray:
        """Filter E (n, d_model): (n, k), or (n, d_model) in a full form, in the dtype of E.

        Raises:
            InputError: E is not finite, not 2-D or of another width, or a filter that learns
                was not fitted.
        """
        if not self.__sklearn_is_fitted__():
            name = type(self).__name__
            raise InputError(f"{name} learns from data: call fit on calibration embeddings first")
        return self._apply(checked_embeddings(E, self._width()))

    def affine(self) -> AffineMap:
        """The matrix and the offset that the filter comes to: e ↦ e A + b, in float64.

        Every filter here is affine, so both are read off what it does to zero and to the unit
        vectors.

        Raises:
            InputError: a filter that learns, or takes any width, was not fitted.
        """
        name, width = type(self).__name__, self._width()
        if width is None:
            raise InputError(f"{name} is of no width yet: call fit on embeddings first")
        offset = self.transform(np.zeros((1, width)))[0]
        return AffineMap(self.transform(np.eye(width)) - offset, offset)

    @property
    def removes(self) -> str:
        """Return what is removed, in words for a caption."""
        raise NotImplementedError

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Names of the columns that ``transform`` returns: v with the direction's number."""
        return np.array(self._names(), dtype=object)

    def _apply(self, E: np.ndarray) -> np.ndarray:
        raise NotImplementedError

    def _names(self) -> list[str]:
        raise NotImplementedError

    def _learn(self, E: np.ndarray) -> None:
        """Nothing, unless a subclass does."""

    def _width(self) -> int | None:
        """The width E must have, None while any will do."""
        return getattr(self, "n_features_in_", None)

    def __sklearn_is_fitted__(self) -> bool:
        return not self._learns or hasattr(self, "n_features_in_")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.requires_fit = self._learns
        return tags


class _DirectionFilter(Filter):
    """Keeps some of the directions v_i: reduced form E V_k, full form E V_k V_kᵀ."""

    spectrum: Spectrum | None
    full: bool

    def _kept(self) -> slice | np.ndarray:
        raise NotImplementedError

    @property
    def kept_(self) -> np.ndarray:
        """(k,) numbers of the directions kept, strongest first."""
        return np.arange(self._spectrum().d_model)[self._kept()]

    @property
    def projection_(self) -> np.ndarray:
        """(d_model, k) float32 with orthonormal columns: the reduced form is E times this."""
        return self._spectrum().V[:, self._kept()]

    def _apply(self, E: np.ndarray) -> np.ndarray:
        return projected(E, self.projection_, self.full)

    def _names(self) -> list[str]:
        if self.full:
            return [f"h{i}" for i in range(self._spectrum().d_model)]
        return [f"v{i}" for i in self.kept_]

    def _width(self) -> int:
        return self._spectrum().d_model

    def _spectrum(self) -> Spectrum:
        if not isinstance(self.spectrum, Spectrum):
            name = type(self).__name__
            raise InputError(f"{name} needs a model's spectrum: {name}(model.spectrum, …)")
        return self.spectrum


class EmbedFilter(_DirectionFilter):
    """Keep a window of the spectrum of W_U and drop both of its edges (Wu et al. 2026).

    With V_τ = V[:, l:r], the reduced form is E V_τ (k numbers, what an index stores) and the
    full form is E V_τ V_τᵀ (d_model numbers, what the logit lens reads). Inner products, norms,
    distances and cosines of the two are equal, because V_τᵀ V_τ = I.

    Args:
        spectrum: The model's :class:`~embfilter_viz.spectral.Spectrum`.
        tau: Compression τ from 1 to d_model: the symmetric window of ⌊d/τ⌋ directions.
        window: A ``Window``, (l, r), or text such as "72:504"; takes the place of ``tau``.
        full: Return the full form.
        checkpoint: Hash or name of the checkpoint the spectrum is of, carried along.

    >>> from embfilter_viz.spectral import spectrum_of
    >>> spectrum = spectrum_of(np.diag([4.0, 3.0, 2.0, 1.0]))
    >>> filter = EmbedFilter(spectrum, tau=2)
    >>> filter.transform([[1.0, 2.0, 3.0, 4.0]])
    array([[2., 3.]])
    >>> str(filter.window_), filter.removes
    ('1:3', 'the strongest and the weakest directions')
    >>> EmbedFilter(spectrum, window="0:3", full=True).transform([[1.0, 2.0, 3.0, 4.0]])
    array([[1., 2., 3., 0.]])
    """

    def __init__(
        self,
        spectrum: Spectrum | None = None,
        tau: float | str = 2,
        window: Window | tuple[int, int] | str | None = None,
        full: bool = False,
        checkpoint: str | None = None,
    ) -> None:
        self.spectrum = spectrum
        self.tau = tau
        self.window = window
        self.full = full
        self.checkpoint = checkpoint

    @property
    def window_(self) -> Window:
        """The window kept, from ``window`` or else ``tau``."""
        d = self._spectrum().d_model
        if self.window is None:
            return Window.of_tau(self.tau, d)
        if isinstance(self.window, str):
            return Window.parse(self.window, d)
        if isinstance(self.window, Window):
            if self.window.d != d:
                raise InputError(
                    f"window {self.window} is of {self.window.d} directions; the model has {d}"
                )
            return self.window
        left, right = self.window
        return Window(int(left), int(right), d)

    @property
    def removes(self) -> str:
        """Return what is removed, in words for a caption."""
        return self.window_.removes

    def _kept(self) -> slice:
        return self.window_.kept


class BandFilter(_DirectionFilter):
    """Remove one of the paper's bands of directions, named as there by what is removed.

    Args:
        spectrum: The model's :class:`~embfilter_viz.spectral.Spectrum`.
        band: A name in ``BANDS`` that is of directions: "embedfilter", "dominant", "secondary",
            "bulk" or "optimal".
        tau: Keeps k = ⌊d/τ⌋ directions, as EmbedFilter does.
        k: Directions kept; takes the place of ``tau``.
        shifts: (d_model,) logit shifts Δπ, for "optimal".
        full: Return the full form.
        checkpoint: Hash or name of the checkpoint the spectrum is of, carried along.

    >>> from embfilter_viz.spectral import spectrum_of
    >>> spectrum = spectrum_of(np.diag([4.0, 3.0, 2.0, 1.0]))
    >>> BandFilter(spectrum, "dominant").transform([[1.0, 2.0, 3.0, 4.0]])
    array([[3., 4.]])
    """

    def __init__(
        self,
        spectrum: Spectrum | None = None,
        band: str = "dominant",
        tau: float | str = 2,
        k: int | None = None,
        shifts: np.ndarray | None = None,
        full: bool = False,
        checkpoint: str | None = None,
    ) -> None:
        self.spectrum = spectrum
        self.band = band
        self.tau = tau
        self.k = k
        self.shifts = shifts
        self.full = full
        self.checkpoint = checkpoint

    @property
    def removes(self) -> str:
        """Return what is removed, in words for a caption."""
        self._kept()  # refuses a band that is not there
        return BANDS[self.band].removes

    def _kept(self) -> np.ndarray:
        d = self._spectrum().d_model
        if self.band in BANDS and BANDS[self.band].coordinates:
            raise InputError(
                f"band {self.band} is of raw coordinates, not directions; use Truncation or "
                "RandomCoordinates"
            )
        k = kept_by_tau(self.tau, d) if self.k is None else self.k
        return band(self.band, d, k, shifts=self.shifts)
