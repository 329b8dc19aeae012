"""The average token: the hidden state whose logits come nearest to the log token frequencies.

Source: Wu et al., arXiv 2606.07502 (2026), after Cancedda, ACL 2024.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from embfilter_viz.errors import InputError
from embfilter_viz.spectral.gram import Rows, row_blocks
from embfilter_viz.spectral.spectrum import Spectrum
from embfilter_viz.system.progress import Progress, silent

__all__ = ["GAUGES", "AverageToken", "average_token", "check_fit", "log_of"]

GAUGES = ("paper", "centred", "invariant")
"""How the constant that softmax ignores is settled.

``paper``: it is taken to be 0, log p̂ is fitted as it is; the strong end of the spectrum is then
that constant, whatever the frequencies are. ``centred``, the default: the mean over the vocabulary
is taken from log p̂. ``invariant``: hidden state and constant are solved for together, which is
centring both log p̂ and the rows of W_U; then no constant added to the logits, and no vector added
to every row of W_U, can change the result.
"""


@dataclass(frozen=True, eq=False)
class AverageToken:
    """The least-squares hidden state ĥ of a token distribution p̂, and how well it fits."""

    h: np.ndarray
    """(d_model,) float64. ĥ."""
    gauge: str
    """(). One of ``GAUGES``."""
    b: float
    """(). The constant left out, so that log p̂_j ≈ w_j · ĥ + b with the rows of W_U as given."""
    coordinates: np.ndarray
    """(d_model,) float64. c_i = ĥ · v_i."""
    logits: np.ndarray
    """(d_vocab,) float64. ŵ_j = w_j · ĥ, with centred rows w_j in the invariant gauge."""
    correlation: float
    """(). Pearson's, of the logits with log p̂, over the vocabulary."""

    def __post_init__(self) -> None:
        for array in (self.h, self.coordinates, self.logits):
            array.setflags(write=False)


def average_token(
    W_U: Rows,
    spectrum: Spectrum,
    p: np.ndarray,
    gauge: str = "centred",
    *,
    progress: Progress = silent,
) -> AverageToken:
    """Least-squares solution of ĥ W_Uᵀ ≈ log p̂, through V and never a pseudo-inverse.

    In the basis V it is c_i = (Σ_j log p̂_j · w_j·v_i) / σ_i². The sums are made in float64, and
    as the division by σ_i² multiplies whatever error V and σ have, the result is corrected by
    its residual: once for usual heads, more often for badly conditioned ones. Directions that
    W_U does not span are left out, as a pseudo-inverse leaves them.

    Args:
        W_U: (d_vocab, d_model), one row a token.
        spectrum: Of W_U; of the centred W_U for the invariant gauge.
        p: (d_vocab,) token frequencies, all positive; they need not sum to 1.
        gauge: One of ``GAUGES``.
        progress: Called for each block of rows.

    Returns:
        ĥ, its coordinates and how well it fits.

    Raises:
        InputError: unknown gauge, a spectrum of the other kind, or a p of another length, with
            zeros, or equal for all tokens.

    >>> from embfilter_viz.spectral import spectrum_of
    >>> W_U = np.array([[1.0, 0.0], [0.0, 2.0], [0.0, 0.0]])
    >>> p = np.exp([0.5, -1.0, 0.5])
    >>> average_token(W_U, spectrum_of(W_U), p).h
    array([ 0.5, -0.5])
    """
    check_fit(W_U, spectrum, gauge)
    invariant = gauge == "invariant"
    d_vocab = W_U.shape[0]
    log_p = log_of(p, d_vocab)
    mean_log_p = float(log_p.mean())
    target = log_p if gauge == "paper" else log_p - mean_log_p

    def blocks(what: str) -> Iterator[tuple[slice, np.ndarray]]:
        for start, block in row_blocks(W_U, np.float64):
            progress(what, start, d_vocab, "rows")
            rows = slice(start, start + len(block))
            yield rows, block - spectrum.mean_row if invariant else block

    gradient = np.zeros(spectrum.d_model)
    for rows, block in blocks("Fitting the average token"):
        gradient += block.T @ target[rows]

    def gram_times(x: np.ndarray) -> np.ndarray:
        product = np.zeros(spectrum.d_model)
        for _, block in blocks("Correcting the average token"):
            product += block.T @ (block @ x)
        return product

    V = spectrum.V.astype(np.float64)
    h = _solved(gram_times, gradient, V, spectrum.singular_values[: spectrum.rank])
    logits = np.empty(d_vocab)
    for rows, block in blocks("Reading the average token's logits"):
        logits[rows] = block @ h
    b = 0.0 if gauge == "paper" else mean_log_p
    if invariant:  # the centred rows' logits lack what ĥ reads in the mean row
        b -= float(spectrum.mean_row @ h)
    correlation = float(np.corrcoef(logits, log_p)[0, 1])
    return AverageToken(h, gauge, b, V.T @ h, logits, correlation)


def _solved(
    gram_times: Callable[[np.ndarray], np.ndarray],
    gradient: np.ndarray,
    V: np.ndarray,
    sigma: np.ndarray,
) -> np.ndarray:
    """Solution of G h = gradient by conjugate gradients, with V Σ⁻² Vᵀ standing in for G⁻¹.

    V Σ⁻² Vᵀ is G⁻¹ but for rounding, so the first step is the closed form, and a step of relative
    size ρ leaves an error of about ρ².

    Args:
        gram_times: the product of G with a vector.
        gradient: (d,) the right-hand side.
        V: (d, d) singular vectors.
        sigma: (d,) singular values.

    Returns:
        (d,) float64.
    """
    spanned = V[:, : len(sigma)]

    def closed_form(residual: np.ndarray) -> np.ndarray:
        return spanned @ ((spanned.T @ residual) / sigma**2)

    h, residual = np.zeros_like(gradient), gradient
    step = direction = closed_form(residual)
    for _ in range(50):
        if np.linalg.norm(step) <= 1e-5 * np.linalg.norm(h + step):
            return h + step
        product = gram_times(direction)
        length = (residual @ step) / (direction @ product)
        h = h + length * direction
        before = residual @ step
        residual = residual - length * product
        step = closed_form(residual)
        direction = step + (residual @ step) / before * direction
    return h


def check_fit(W_U: Rows, spectrum: Spectrum, gauge: str) -> None:
    """Refuse an unknown gauge, and a spectrum that is not the one that the gauge needs of W_U.

    Raises:
        InputError: either of them.
    """
    if gauge not in GAUGES:
        raise InputError(f"gauge must be one of {', '.join(GAUGES)}; got {gauge!r}")
    invariant = gauge == "invariant"
    if spectrum.centred != invariant:
        wanted = "centred W_U" if invariant else "W_U as it is"
        raise InputError(f"gauge {gauge} needs the spectrum of the {wanted}; got the other one")
    if tuple(W_U.shape) != (spectrum.d_vocab, spectrum.d_model):
        raise InputError(
            f"W_U of shape {tuple(W_U.shape)} is not the one the spectrum is of, which is "
            f"{(spectrum.d_vocab, spectrum.d_model)}"
        )


def log_of(p: np.ndarray, d_vocab: int) -> np.ndarray:
    """Log of token frequencies: (d_vocab,) float64.

    Raises:
        InputError: a p of another length, with zeros, or equal for all tokens.

    >>> log_of(np.array([1.0, np.e]), 2)
    array([0., 1.])
    """
    p = np.asarray(p, dtype=np.float64)
    if p.shape != (d_vocab,):
        raise InputError(
            f"p must hold {d_vocab} frequencies, one a row of W_U; its shape is {p.shape}"
        )
    if not np.isfinite(p).all() or p.min() < 0:
        raise InputError("token frequencies p must be finite and positive; some are not")
    if p.min() == 0:
        raise InputError(
            f"token frequencies p are zero for {np.count_nonzero(p == 0)} of {d_vocab} tokens and "
            "log 0 is undefined: smooth them, for instance by adding 1 to every count"
        )
    if p.min() == p.max():
        raise InputError("token frequencies p are equal for all tokens: they say nothing to fit")
    return np.log(p)
