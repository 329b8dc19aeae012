"""What can be removed from an embedding, by the paper's names, each at the window's size."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from embfilter_viz.errors import InputError
from embfilter_viz.model import Model
from embfilter_viz.models.head.frequencies import TokenFrequencies
from embfilter_viz.spectral.filters import BandFilter, EmbedFilter
from embfilter_viz.spectral.spectroscopy import logit_shifts, token_rows
from embfilter_viz.spectral.windows import BANDS, Window, band

__all__ = ["FREQUENT_TOKENS", "REMOVALS", "Removal", "frequent_shifts", "removal_of"]

REMOVALS = {name: one.removes for name, one in BANDS.items()}
"""Every removal by name, with what it removes in words."""

FREQUENT_TOKENS = 100
"""k of the logit shifts that say which directions ``optimal`` removes, as in the paper."""


@dataclass(frozen=True)
class Removal:
    """A removal in its full form: embeddings (n, d_model) in, (n, d_model) out."""

    name: str
    """By the paper's names."""
    removes: str
    """What it removes, in words."""
    k: int
    """Dimensions it leaves."""
    transform: Callable[[np.ndarray], np.ndarray]
    """(n, d_model) float32 to (n, d_model) float32."""


def removal_of(
    model: Model, name: str, window: Window, *, frequencies: TokenFrequencies | None = None
) -> Removal:
    """The removal called ``name``, leaving as many dimensions as ``window``.

    Args:
        model: the opened model.
        name: one of :data:`REMOVALS`.
        window: what ``embedfilter`` keeps; the others keep k of their own choice.
        frequencies: p̂, for ``optimal``.

    Returns:
        the removal, fitted.

    Raises:
        InputError: for an unknown name, or ``optimal`` without frequencies.
    """
    if name not in REMOVALS:
        raise InputError(f"remove {name!r}: unknown; take one of {', '.join(REMOVALS)}")
    if name == "embedfilter":
        kept = EmbedFilter(model.spectrum, window=window, full=True)
        return Removal(name, window.removes, window.k, kept.transform)
    if BANDS[name].coordinates:
        keep = np.zeros(model.d_model, dtype=np.float32)
        keep[band(name, model.d_model, window.k)] = 1
        return Removal(name, REMOVALS[name], window.k, lambda rows: rows * keep)
    shifts = None
    if name == "optimal":
        if frequencies is None:
            raise InputError(
                "remove 'optimal': needs token frequencies to measure logit shifts; give some"
            )
        shifts = frequent_shifts(model, frequencies)
    chosen = BandFilter(model.spectrum, name, k=window.k, shifts=shifts, full=True)
    return Removal(name, REMOVALS[name], window.k, chosen.transform)


def frequent_shifts(
    model: Model, frequencies: TokenFrequencies, gauge: str = "centred"
) -> np.ndarray:
    """Logit shifts Δπ of the 100 most frequent tokens, one a direction of W_U: (d_model,) float64.

    ``optimal`` removes the directions where they are largest. In the invariant gauge the directions
    are those of W_U less its mean row.
    """
    spectrum = model.spectrum_of_head(centre=gauge == "invariant")
    average = model.average_token(frequencies, gauge)
    ids = frequencies.most(min(FREQUENT_TOKENS, model.d_vocab))
    rows = token_rows(model.unembedding.W_U, ids, gauge, spectrum.mean_row)
    return logit_shifts(spectrum.V, rows, average.h)
