"""See what a language model's unembedding writes into its text embeddings, and filter it out.

The names below are imported when first used, so that importing the package costs nothing:

>>> import embfilter_viz
>>> embfilter_viz.Window.of_tau(2, 8)
Window(l=2, r=6, d=8)
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from embfilter_viz.errors import InputError
    from embfilter_viz.export.filter_file import load_filter
    from embfilter_viz.model import Model, open_model
    from embfilter_viz.models.encoding.prompts import Prompt
    from embfilter_viz.spectral.filters import EmbedFilter
    from embfilter_viz.spectral.windows import Window

__version__ = "0.1.0"
__all__ = ["EmbedFilter", "InputError", "Model", "Prompt", "Window", "load_filter", "open_model"]

_HOMES = {
    "EmbedFilter": "embfilter_viz.spectral.filters",
    "InputError": "embfilter_viz.errors",
    "Model": "embfilter_viz.model",
    "Prompt": "embfilter_viz.models.encoding.prompts",
    "Window": "embfilter_viz.spectral.windows",
    "load_filter": "embfilter_viz.export.filter_file",
    "open_model": "embfilter_viz.model",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
