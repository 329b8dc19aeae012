"""A proposed window, with all that speaks for it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from embfilter_viz.embeddings.isotropy import Interval
from embfilter_viz.spectral.windows import Window

__all__ = ["Curve", "Proposal", "Shared"]


@dataclass(frozen=True, eq=False)
class Curve:
    """One line of a proposal's evidence."""

    name: str
    """What it shows, in words for a label."""
    at: np.ndarray
    """(m,) int64 places in the spectrum, 0 to d."""
    values: np.ndarray
    """(m,) float64, in the proposal's measure."""

    def __post_init__(self) -> None:
        self.at.setflags(write=False)
        self.values.setflags(write=False)


@dataclass(frozen=True)
class Shared:
    """The mean cosine over all pairs of texts: what a cosine says of any two of them."""

    raw: float
    """Scalar, -1 to 1: of raw embeddings."""
    window: float
    """Scalar, -1 to 1: in the window."""
    random: float
    """Scalar, -1 to 1: of windows of the same width the lowest; 97.5 % of random orders of the
    directions exceed it."""

    @property
    def less(self) -> bool:
        """Tell whether the window leaves less of it than raw embeddings and than chance."""
        return self.window < min(self.raw, self.random)


@dataclass(frozen=True, eq=False)
class Proposal:
    """A window, and what speaks for it."""

    window: Window
    """The window proposed; all directions where none is worth dropping."""
    source: str
    """``texts`` or ``checkpoint``: what it was proposed from."""
    why: str
    """The evidence in words."""
    worth: bool
    """Whether the evidence speaks for dropping anything at all."""
    measure: str
    """What the curves measure, in words for an axis."""
    curves: tuple[Curve, ...]
    """From the head the logit shift along the spectrum; from texts the agreement of windows with
    one end moved, the other where it is proposed."""
    level: float
    """What the curves are compared with: the shift that counts as bulk, or the raw agreement."""
    n_texts: int = 0
    """Texts it was proposed from; 0 for the checkpoint and its word frequencies."""
    gain: Interval | None = None
    """From texts: agreement of the window less that of raw embeddings, 95 % over texts."""
    shared: Shared | None = None
    """From texts: what all pairs share, raw and in the window."""
    figures: Mapping[str, float] = field(default_factory=dict)
    """The other numbers that ``why`` speaks of, by name."""
    language: str | None = None
    """The language of the word frequencies, where these were used."""
    undecided_texts: "Proposal | None" = None
    """What texts said that left the choice to the checkpoint."""

    @property
    def undecided(self) -> bool:
        """Tell whether texts may speak for dropping something, but within the uncertainty."""
        return not self.worth and self.gain is not None and self.gain.high > 0

    def to_json(self) -> dict[str, Any]:
        """The proposal under its names on the command line."""
        return {
            "l": self.window.l,
            "r": self.window.r,
            "why": self.why,
            "d": self.window.d,
            "tau": self.window.tau,
            "source": self.source,
            "worth": self.worth,
            "n_texts": self.n_texts,
            "language": self.language,
            "gain": None if self.gain is None else asdict(self.gain),
            "shared": None if self.shared is None else asdict(self.shared),
            "figures": dict(self.figures),
            "undecided_texts": None
            if self.undecided_texts is None
            else self.undecided_texts.to_json(),
            "measure": self.measure,
            "level": self.level,
            "curves": [
                {"name": one.name, "at": one.at.tolist(), "values": one.values.tolist()}
                for one in self.curves
            ],
        }
