"""Which windows are tried: along τ, or all over the plane of (l, r)."""

from collections.abc import Iterable, Mapping
from fractions import Fraction
from types import MappingProxyType

from embfilter_viz.errors import InputError
from embfilter_viz.spectral.windows import PAPER_TAUS, Window, kept_by_tau

__all__ = ["SHIFTED", "TAUS", "shifted_windows", "windows_of_plane", "windows_of_taus"]

TAUS = ("1", "1.25", "1.5", "2", "3", "4", "6", "8")
"""Compressions tried where none are named."""
SHIFTED: Mapping[str, int] = MappingProxyType({"Mistral": 128})
"""By family, the first direction that the paper keeps where its window is not the symmetric one:
for Mistral-7B it drops the 128 strongest and keeps the next d/τ."""
FINEST = 60
"""Steps of the plane beyond which it has more windows than a figure has room for."""


def windows_of_taus(taus: Iterable[float | str | Fraction], d: int) -> list[Window]:
    """The symmetric window of each τ, each once, in the order given.

    Raises:
        InputError: a τ is no number from 1 to d, or there is none.

    >>> [str(window) for window in windows_of_taus(["1", "2", "2.0"], 8)]
    ['0:8', '2:6']
    """
    windows = list(dict.fromkeys(Window.of_tau(tau, d) for tau in taus))
    if not windows:
        raise InputError("taus: none is given; name some, such as 1,1.5,2,4")
    return windows


def windows_of_plane(steps: int, d: int) -> list[Window]:
    """Every window whose ends are multiples of d/steps, rounded: steps (steps + 1) / 2 of them.

    The plane has ``steps`` values of l and ``steps`` values of r; half of it has l < r.

    Raises:
        InputError: steps is not from 2 to 60.

    >>> [str(window) for window in windows_of_plane(2, 8)]
    ['0:4', '0:8', '4:8']
    >>> len(windows_of_plane(20, 576))
    210
    """
    if not 2 <= steps <= FINEST:
        raise InputError(f"grid {steps}: must be from 2 to {FINEST} steps; take 20")
    edges = sorted({(2 * i * d + steps) // (2 * steps) for i in range(steps + 1)})
    return [Window(a, b, d) for i, a in enumerate(edges) for b in edges[i + 1 :]]


def shifted_windows(family: str, d: int) -> list[Window]:
    """The paper's windows for a family of models whose window it shifts, at its τ; else none.

    >>> [str(window) for window in shifted_windows("Mistral", 4096)]
    ['128:2176', '128:1152', '128:640']
    >>> shifted_windows("Llama", 4096), shifted_windows("Mistral", 64)
    ([], [])
    """
    left = SHIFTED.get(family)
    if left is None:
        return []
    sizes = [kept_by_tau(tau, d) for tau in PAPER_TAUS if tau <= d]
    return [Window(left, left + k, d) for k in sizes if left + k <= d]
