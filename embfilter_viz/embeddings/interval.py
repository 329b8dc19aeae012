"""A number and the interval that belongs to it."""

import math
from dataclasses import dataclass

__all__ = ["Interval"]


@dataclass(frozen=True)
class Interval:
    """A number and the interval that belongs to it.

    >>> Interval(0.5, 0.4, 0.6).low
    0.4
    """

    value: float
    """() the measure on the texts given."""
    low: float
    """() lower end of the interval; NaN where it was not measured."""
    high: float
    """() upper end of the interval; NaN where it was not measured."""

    @property
    def known(self) -> bool:
        """Tell whether the interval was measured."""
        return not math.isnan(self.low)
