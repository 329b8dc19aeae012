"""Where the two ends of a spectrum and its bulk lie."""

import math
from dataclasses import dataclass

import numpy as np

from embfilter_viz.errors import InputError

__all__ = ["BULK", "EDGE", "Ends"]

EDGE = 0.05
"""Share of the spectrum that each end takes."""

BULK = (0.10, 0.75)
"""Where the bulk begins and ends, as shares of the spectrum."""


@dataclass(frozen=True)
class Ends:
    """The strong end, the weak end and the bulk of d directions, strongest first.

    >>> ends = Ends.of(100)
    >>> ends.width, ends.start, ends.stop
    (5, 10, 75)
    >>> [float(mean) for mean in ends.means(np.arange(100.0))]
    [2.0, 97.0, 42.0]
    """

    d: int
    """(). Directions of the spectrum."""
    width: int
    """(). Directions of either end."""
    start: int
    """(). First direction of the bulk."""
    stop: int
    """(). First direction after the bulk."""
    edge: float
    """(). The share of the spectrum that was asked for at either end."""
    bulk: tuple[float, float]
    """(2,). Where the bulk was asked to begin and end, as shares of the spectrum."""

    @classmethod
    def of(cls, d: int, edge: float = EDGE, bulk: tuple[float, float] = BULK) -> "Ends":
        """The ends of d directions, at least one direction each.

        Raises:
            InputError: edge and bulk out of order, or a spectrum too short for them.
        """
        if not 0 < edge <= bulk[0] < bulk[1] <= 1 - edge:
            raise InputError(
                f"edge {edge} and bulk {bulk[0]} to {bulk[1]} must be shares of the spectrum in "
                "the order edge <= bulk's start < bulk's end <= 1 - edge"
            )
        width = max(1, math.floor(edge * d))
        start, stop = math.ceil(bulk[0] * d), math.floor(bulk[1] * d)
        if not width <= start < stop <= d - width:
            raise InputError(f"a spectrum of {d} directions is too short for edges and a bulk")
        return cls(d, width, start, stop, edge, (bulk[0], bulk[1]))

    def means(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Mean over the strong end, the weak end and the bulk of ``values`` (…, d): each (…,)."""
        return (
            values[..., : self.width].mean(axis=-1),
            values[..., self.d - self.width :].mean(axis=-1),
            values[..., self.start : self.stop].mean(axis=-1),
        )
