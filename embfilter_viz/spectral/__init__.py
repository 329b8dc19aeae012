"""Pure mathematics of W_U: arrays in, arrays out, nothing of any model."""

from typing import TYPE_CHECKING, Any

from embfilter_viz.spectral.average_token import GAUGES, AverageToken, average_token
from embfilter_viz.spectral.edge_to_bulk import EdgeToBulk, Ratio, describe, edge_to_bulk
from embfilter_viz.spectral.spectroscopy import (
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
        MeanRemoval,
        RandomCoordinates,
        RandomSubspace,
        Truncation,
        Whitening,
    )
    from embfilter_viz.spectral.filters import BandFilter, EmbedFilter

__all__ = [
    "BANDS",
    "GAUGES",
    "ROUTES",
    "AllButTheTop",
    "AverageToken",
    "Band",
    "BandFilter",
    "EdgeToBulk",
    "EmbedFilter",
    "MeanRemoval",
    "RandomCoordinates",
    "RandomSubspace",
    "Ratio",
    "Spectrum",
    "Truncation",
    "Whitening",
    "Window",
    "average_token",
    "band",
    "band_shifts",
    "bands",
    "contributions",
    "describe",
    "edge_to_bulk",
    "logit_shifts",
    "signed_shifts",
    "spectrum_of",
    "token_rows",
]

# scikit-learn takes most of a second to import, so the filters wait until they are asked for.
_FILTERS = {"BandFilter", "EmbedFilter"}
_BASELINES = {
    "AllButTheTop",
    "MeanRemoval",
    "RandomCoordinates",
    "RandomSubspace",
    "Truncation",
    "Whitening",
}


def __getattr__(name: str) -> Any:
    from importlib import import_module

    for module, names in (("filters", _FILTERS), ("baselines", _BASELINES)):
        if name in names:
            return getattr(import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
