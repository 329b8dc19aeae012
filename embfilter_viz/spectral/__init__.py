"""Pure mathematics of W_U: arrays in, arrays out, nothing of any model."""

from typing import TYPE_CHECKING, Any

from embfilter_viz.spectral.affine import AffineMap
from embfilter_viz.spectral.average_token import GAUGES, AverageToken, average_token
from embfilter_viz.spectral.contrast import Contrast, contrast
from embfilter_viz.spectral.edge_to_bulk import EdgeToBulk, Ratio, describe, edge_to_bulk
from embfilter_viz.spectral.ends import Ends
from embfilter_viz.spectral.permutations import PermutedShifts, permuted_shifts
from embfilter_viz.spectral.spectroscopy import (
    absolute_shifts,
    band_shifts,
    bands,
    contributions,
    logit_shifts,
    signed_shifts,
    token_rows,
)
from embfilter_viz.spectral.spectrum import ROUTES, Spectrum, spectrum_of
from embfilter_viz.spectral.windows import BANDS, Band, Window, band

if TYPE_CHECKING:
    from embfilter_viz.spectral.baselines import (
        AllButTheTop,
        FirstDirectionShift,
        MeanRemoval,
        PrincipalComponents,
        RandomCoordinates,
        RandomSubspace,
        RogueDimensions,
        SoftWhitening,
        Standardisation,
        Truncation,
        Whitening,
    )
    from embfilter_viz.spectral.composed import Composition
    from embfilter_viz.spectral.filters import BandFilter, EmbedFilter
    from embfilter_viz.spectral.reweighting import SpectralReweighting

__all__ = [
    "BANDS",
    "GAUGES",
    "ROUTES",
    "AffineMap",
    "AllButTheTop",
    "AverageToken",
    "Band",
    "BandFilter",
    "Composition",
    "Contrast",
    "EdgeToBulk",
    "EmbedFilter",
    "Ends",
    "FirstDirectionShift",
    "MeanRemoval",
    "PermutedShifts",
    "PrincipalComponents",
    "RandomCoordinates",
    "RandomSubspace",
    "Ratio",
    "RogueDimensions",
    "SoftWhitening",
    "SpectralReweighting",
    "Spectrum",
    "Standardisation",
    "Truncation",
    "Whitening",
    "Window",
    "absolute_shifts",
    "average_token",
    "band",
    "band_shifts",
    "bands",
    "contrast",
    "contributions",
    "describe",
    "edge_to_bulk",
    "logit_shifts",
    "permuted_shifts",
    "signed_shifts",
    "spectrum_of",
    "token_rows",
]

# scikit-learn takes most of a second to import, so the filters wait until they are asked for.
_HOMES = {
    "AllButTheTop": "baselines",
    "BandFilter": "filters",
    "Composition": "composed",
    "EmbedFilter": "filters",
    "FirstDirectionShift": "baselines",
    "MeanRemoval": "baselines",
    "PrincipalComponents": "baselines",
    "RandomCoordinates": "baselines",
    "RandomSubspace": "baselines",
    "RogueDimensions": "baselines",
    "SoftWhitening": "baselines",
    "SpectralReweighting": "reweighting",
    "Standardisation": "baselines",
    "Truncation": "baselines",
    "Whitening": "baselines",
}


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
