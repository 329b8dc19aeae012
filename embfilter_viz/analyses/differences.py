"""Differences of states read through the head: what one text has and others have not."""

import numpy as np

from embfilter_viz.analyses.removals import removal_of
from embfilter_viz.model import Model
from embfilter_viz.models.head.frequencies import TokenFrequencies
from embfilter_viz.models.head.products import times_head
from embfilter_viz.models.head.rotated_head import MovingProducts
from embfilter_viz.spectral.windows import Window
from embfilter_viz.system.progress import Progress, silent

__all__ = ["Differences"]


class Differences:
    """Logits of differences of states, as they are and under any window, as a slider asks.

    The logits of a difference are the difference of the logits: a bias of the head, which both
    states have, is not added, and a soft cap, which changes no order, is left out. May be asked
    from several threads.

    Args:
        model: the opened model.
        states: (n, d_model), each less another.
        moving: whether to turn the head, so that a move of the window costs what it moves over.
        progress: told of the work.
    """

    def __init__(
        self, model: Model, states: np.ndarray, *, moving: bool = False, progress: Progress = silent
    ) -> None:
        self._model = model
        self.states = np.asarray(states, dtype=np.float32)
        """(n, d_model) float32."""
        self.logits = self._scaled(times_head(self.states, model.unembedding.W_U))
        """(n, d_vocab) float32."""
        head = model.rotated_head(progress=progress) if moving else None
        self._moving = None if head is None else MovingProducts(head, self.states)

    @property
    def nbytes(self) -> int:
        """Bytes held, the turned head aside."""
        return self.logits.nbytes + (self._moving.nbytes if self._moving else 0)

    def filtered_logits(
        self,
        window: Window,
        removal: str = "embedfilter",
        frequencies: TokenFrequencies | None = None,
    ) -> np.ndarray:
        """The same after the filter, or another removal of its size: (n, d_vocab) float32."""
        if self._moving is not None and removal == "embedfilter":
            return self._scaled(self._moving.kept(window.l, window.r))
        refine = removal_of(self._model, removal, window, frequencies=frequencies)
        return self._scaled(times_head(refine.transform(self.states), self._model.unembedding.W_U))

    def _scaled(self, products: np.ndarray) -> np.ndarray:
        scale = self._model.unembedding.logit_scale
        return products if scale == 1.0 else products * np.float32(scale)
