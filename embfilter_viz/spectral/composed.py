"""Several filters one after another, which are one affine map again."""

from collections.abc import Sequence

import numpy as np
from sklearn.base import clone

from embfilter_viz.errors import InputError
from embfilter_viz.spectral.filters import Filter

__all__ = ["Composition"]


class Composition(Filter):
    """Filters one after another, each fitted on what the ones before it make of E.

    scikit-learn's Pipeline does the same; this one is a filter: it says what it removes and gives
    the one affine map that all of it comes to, so that it can be exported.

    Args:
        steps: The filters, first to last. They are cloned before they are fitted.
        checkpoint: Carried along.

    >>> from embfilter_viz.spectral import EmbedFilter, MeanRemoval, spectrum_of
    >>> window = EmbedFilter(spectrum_of(np.diag([4.0, 3.0, 2.0, 1.0])), tau=2)
    >>> E = np.array([[9.0, 1.0, 2.0, 9.0], [9.0, 3.0, 2.0, 9.0]])
    >>> both = Composition([window, MeanRemoval("subtract")]).fit(E)
    >>> both.transform(E)
    array([[-1.,  0.],
           [ 1.,  0.]])
    >>> both.affine().offset
    array([-2., -2.])
    """

    def __init__(self, steps: Sequence[Filter] = (), checkpoint: str | None = None) -> None:
        self.steps = steps
        self.checkpoint = checkpoint

    @property
    def _learns(self) -> bool:  # type: ignore[override]
        return any(step._learns for step in self.steps)

    @property
    def removes(self) -> str:
        """Return what is removed, in words for a caption."""
        return "; then ".join(step.removes for step in self._now)

    @property
    def _now(self) -> Sequence[Filter]:
        """The steps as they are: fitted, or as given where there is nothing to learn."""
        if not self.steps:
            raise InputError("a composition needs at least one filter: Composition([filter, …])")
        return getattr(self, "steps_", self.steps)

    def _learn(self, E: np.ndarray) -> None:
        if not self.steps:
            raise InputError("a composition needs at least one filter: Composition([filter, …])")
        fitted = []
        for step in self.steps:
            fitted.append(clone(step).fit(E))
            E = fitted[-1].transform(E)
        self.steps_ = fitted

    def _apply(self, E: np.ndarray) -> np.ndarray:
        for step in self._now:
            E = step.transform(E)
        return E

    def _names(self) -> list[str]:
        return list(self._now[-1].get_feature_names_out())

    def _width(self) -> int | None:
        return self._now[0]._width()
