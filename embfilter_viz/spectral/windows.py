"""Which directions are kept: windows of the spectrum, and the paper's named bands.

Directions are numbered 0 … d−1 from the strongest singular value to the weakest. Source of τ and
of the band names: Wu et al., arXiv 2606.07502 (2026).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from types import MappingProxyType

import numpy as np

from embfilter_viz.errors import InputError
from embfilter_viz.wording import counted

__all__ = ["BANDS", "PAPER_TAUS", "Band", "Window", "band", "kept_by_tau"]

PAPER_TAUS = (2, 4, 8)
"""τ of the windows that the paper's tables are about."""
_LONGEST_END = 40
"""Characters of an end of a window."""
_LONGEST_TAU = 400
"""Characters; Python makes no integer of some thousand digits."""


@dataclass(frozen=True)
class Window:
    """The directions l … r − 1 of d are kept, the l strongest and the d − r weakest dropped.

    >>> window = Window.of_tau(2, 576)
    >>> str(window), window.k, window.tau, window.dropped_strong, window.dropped_weak
    ('144:432', 288, 2.0, 144, 144)
    >>> print(window.description)
    keeps 288 of 576 directions (144 to 431), drops the 144 strongest and the 144 weakest
    """

    l: int  # noqa: E741 - the paper's name
    """(). First direction kept."""
    r: int
    """(). One past the last direction kept."""
    d: int
    """(). Number of directions, d_model."""
    tau_asked: float | None = field(default=None, compare=False, repr=False)
    """(). The τ it was made of, where it was. ``tau``, what it comes to, is d over a whole k."""

    def __post_init__(self) -> None:
        if self.d < 1:
            raise InputError(f"d must be at least 1; got {self.d}")
        if self.l >= self.r:
            better = f"{self.r}:{self.l}" if 0 <= self.r < self.l <= self.d else f"0:{self.d}"
            raise InputError(f"window {self}: l must be smaller than r; try {better}")
        if self.l < 0 or self.r > self.d:
            raise InputError(
                f"window {self}: l and r must lie in 0 … {self.d}, the model's number of "
                f"directions; try {max(0, min(self.l, self.d - 1))}:{min(self.r, self.d)}"
            )

    @classmethod
    def of_tau(cls, tau: float | str | Fraction, d: int) -> "Window":
        """The paper's symmetric window: k = ⌊d/τ⌋, l = ⌊(d − k)/2⌋, r = l + k.

        τ is taken as the exact decimal that was typed, not as its binary neighbour.

        Raises:
            InputError: τ is not a number from 1 to d.

        >>> Window.of_tau(1.1, 11).k  # 11/1.1 is 10; in floating point it is 9.99…
        10
        >>> window = Window.of_tau("1.25", 576)
        >>> window.tau_asked, round(window.tau, 4)
        (1.25, 1.2522)
        """
        k = kept_by_tau(tau, d)
        left = (d - k) // 2
        return cls(left, left + k, d, float(tau))

    @classmethod
    def parse(cls, text: str, d: int) -> "Window":
        """A window as typed: τ as ``2``, ``tau=2`` or ``τ=2``, or l and r as ``72:504``.

        An end left out is the spectrum's own: ``72:`` drops only the strongest 72.

        >>> [str(Window.parse(text, 8)) for text in ("2", "tau = 4", "τ=1", "1:7", ":5")]
        ['2:6', '3:5', '0:8', '1:7', '0:5']
        """
        if ":" not in text:
            name, equals, value = text.rpartition("=")
            if equals and name.strip().lower() not in {"tau", "τ"}:
                raise InputError(_unreadable(text, d))
            return cls.of_tau(value.strip(), d)
        ends = [end.strip() for end in text.split(":")]
        if len(ends) != 2 or max(map(len, ends)) > _LONGEST_END:
            raise InputError(_unreadable(text, d))
        try:
            left, right = int(ends[0] or "0"), int(ends[1] or str(d))
        except ValueError:
            raise InputError(_unreadable(text, d)) from None
        return cls(left, right, d)

    @property
    def k(self) -> int:
        """Directions kept."""
        return self.r - self.l

    @property
    def tau(self) -> float:
        """Say how many times fewer numbers the reduced form has: d / k."""
        return self.d / self.k

    @property
    def dropped_strong(self) -> int:
        """Directions dropped at the strong end of the spectrum."""
        return self.l

    @property
    def dropped_weak(self) -> int:
        """Directions dropped at the weak end of the spectrum."""
        return self.d - self.r

    @property
    def drops_nothing(self) -> bool:
        """Tell whether all directions are kept, so that filtered embeddings are the raw ones."""
        return self.k == self.d

    @property
    def is_papers(self) -> bool:
        """Tell whether it is the paper's window at one of the τ of its tables: 2, 4 or 8.

        What the paper claims of its filter it claims of these; :data:`PAPER_TAUS`.

        >>> [Window(*ends, 16).is_papers for ends in ((4, 12), (1, 16), (0, 8), (0, 16), (3, 11))]
        [True, False, False, False, False]
        """
        return any(self == Window.of_tau(tau, self.d) for tau in PAPER_TAUS if tau <= self.d)

    @property
    def kept(self) -> slice:
        """The columns of V that are kept."""
        return slice(self.l, self.r)

    @property
    def removes(self) -> str:
        """Return what is dropped, in words for a caption."""
        ends = [
            f"the {end}" if count == 1 else f"the {count} {end}"
            for count, end in ((self.dropped_strong, "strongest"), (self.dropped_weak, "weakest"))
            if count
        ]
        if not ends:
            return "nothing"
        return f"{' and '.join(ends)} direction{'s' if self.d - self.k > 1 else ''}"

    @property
    def description(self) -> str:
        """Return what is kept and dropped, in words for a caption."""
        if self.drops_nothing:
            every = "all " if self.d > 1 else ""
            return f"keeps {every}{counted(self.d, 'direction')} and drops nothing"
        where = f"{self.l} to {self.r - 1}" if self.k > 1 else f"number {self.l}"
        dropped = self.removes.removesuffix(" directions").removesuffix(" direction")
        return f"keeps {self.k} of {counted(self.d, 'direction')} ({where}), drops {dropped}"

    def __str__(self) -> str:
        return f"{self.l}:{self.r}"


def kept_by_tau(tau: float | str | Fraction, d: int) -> int:
    """Directions kept, k = ⌊d/τ⌋, in exact arithmetic on the decimal typed.

    >>> kept_by_tau("1.6", 8), kept_by_tau(3, 8)
    (5, 2)
    """
    shown = str(tau)[:40] + ("…" if len(str(tau)) > 40 else "")
    try:
        size = float(tau) if len(str(tau)) <= _LONGEST_TAU else math.nan
    except (TypeError, ValueError, OverflowError):
        size = math.nan
    # Looked at as a float first: Fraction("1e999999999") would fill the memory.
    if not 1 <= size <= max(d, 1) * (1 + 1e-9):
        raise InputError(f"tau must be a number from 1 to {d}, the model's width; got {shown}")
    exact = tau if isinstance(tau, Fraction) else Fraction(str(tau))
    if not 1 <= exact <= d:
        raise InputError(f"tau must be a number from 1 to {d}, the model's width; got {shown}")
    return math.floor(d / exact)


def _unreadable(text: str, d: int) -> str:
    shown = text if len(text) <= 40 else text[:40] + "…"
    return (
        f"window {shown!r}: write tau as 2 or tau=2, or the ends as l:r with 0 <= l < r <= {d}, "
        f"such as {Window.of_tau(min(2, d), d)}"
    )


@dataclass(frozen=True)
class Band:
    """A named way to keep k of d directions or coordinates, as in the paper's ablation."""

    name: str
    """(). As in the paper, which names what is removed."""
    removes: str
    """(). What is removed, in words."""
    coordinates: bool = False
    """(). Whether it selects raw coordinates of the embedding instead of directions v_i."""


BANDS: Mapping[str, Band] = MappingProxyType(
    {
        one.name: one
        for one in (
            Band("embedfilter", "both edges: the strongest and the weakest directions"),
            Band("dominant", "the dominant directions: those of largest singular value"),
            Band("secondary", "the secondary directions: those of smallest singular value"),
            Band("bulk", "the bulk: the directions in the middle"),
            Band("optimal", "the directions of largest logit shift on frequent tokens"),
            Band("truncation", "the first of the raw coordinates", coordinates=True),
            Band("random", "raw coordinates picked at random", coordinates=True),
        )
    }
)
"""Every band by name, in the paper's order."""


def band(
    name: str, d: int, k: int, *, shifts: np.ndarray | None = None, seed: int = 0
) -> np.ndarray:
    """Indices kept by a named band: (k,) ascending, of directions or of raw coordinates.

    "bulk" keeps k directions like all others: the ⌊k/2⌋ strongest and the ⌈k/2⌉ weakest. The code
    released with the paper keeps ⌊k/2⌋ at either end, which is one direction fewer where k is odd.

    Args:
        name: One of ``BANDS``.
        d: Number of directions.
        k: Number kept, 1 to d; the same for every band one compares.
        shifts: (d,) logit shifts Δπ, for "optimal" alone.
        seed: For "random" alone.

    Returns:
        (k,) ascending int64.

    Raises:
        InputError: unknown name, k out of range, or shifts missing or of another length.

    >>> {name: band(name, 8, 4).tolist() for name in ("embedfilter", "dominant", "bulk")}
    {'embedfilter': [2, 3, 4, 5], 'dominant': [4, 5, 6, 7], 'bulk': [0, 1, 6, 7]}
    >>> band("bulk", 8, 3).tolist()  # the released code keeps [0, 7]
    [0, 6, 7]
    >>> band("optimal", 4, 2, shifts=np.array([0.9, 0.1, 0.2, 0.4])).tolist()
    [1, 2]
    """
    if name not in BANDS:
        raise InputError(f"band must be one of {', '.join(BANDS)}; got {name!r}")
    if not 1 <= k <= d:
        raise InputError(f"k must be from 1 to {d}, the number of directions; got {k}")
    everything = np.arange(d)
    if name == "embedfilter":
        return everything[(d - k) // 2 :][:k]
    if name in {"dominant", "truncation"}:
        return everything[d - k :]
    if name == "secondary":
        return everything[:k]
    if name == "bulk":
        return np.delete(everything, slice(k // 2, k // 2 + d - k))
    if name == "random":
        return np.sort(np.random.default_rng(seed).choice(d, size=k, replace=False))
    if shifts is None or np.shape(shifts) != (d,):
        got = "none" if shifts is None else f"an array of shape {np.shape(shifts)}"
        raise InputError(f"band optimal needs {d} logit shifts, one a direction; got {got}")
    # Stable, so that among equal shifts the weaker directions go first on any machine.
    return np.sort(np.argsort(np.asarray(shifts), kind="stable")[:k])
