"""A window proposed from the head: no text is read, frequent tokens are known from elsewhere.

It is the longest run of directions whose logit shift Δπ stays near that of the bulk.
"""

import numpy as np

from embfilter_viz.errors import InputError
from embfilter_viz.evaluation.proposing.proposal import Curve, Proposal
from embfilter_viz.spectral.windows import Window

__all__ = ["propose_from_head"]

FREQUENCIES = "English word frequencies (wordfreq)"
"""What says which tokens are frequent where no texts do, unless another language is named."""

_NEAR_BULK = 3.0
"""Logit shift, in medians, up to which a direction counts as bulk. Chosen on two checkpoints."""
_SMOOTHED = 0.04
"""Share of the spectrum that a direction's logit shift is averaged over."""


def propose_from_head(shifts: np.ndarray, frequencies: str = FREQUENCIES) -> Proposal:
    """The longest run of directions whose logit shift is at most three times the median.

    Shifts are averaged over neighbours first (4 % of the spectrum), so that one direction that
    sticks out does not end the run.

    Args:
        shifts: (d,) logit shift Δπ of frequent tokens, direction by direction, in a gauge that
            ties it down, such as ``centred``.
        frequencies: what said which tokens are frequent, in words for the reason.

    Raises:
        InputError: no shifts, or some that are no finite numbers.

    >>> U = np.r_[np.full(10, 9.0), np.ones(70), np.full(20, 9.0)]
    >>> proposed = propose_from_head(U)
    >>> str(proposed.window), proposed.worth
    ('11:79', True)
    >>> propose_from_head(np.ones(100)).worth
    False
    """
    shifts = np.asarray(shifts, dtype=np.float64)
    if shifts.ndim != 1 or not shifts.size or not np.isfinite(shifts).all():
        raise InputError(
            f"shifts: one finite number a direction is needed; got shape {shifts.shape}"
        )
    d = len(shifts)
    reach = round(_SMOOTHED * d / 2)
    around = np.pad(shifts, reach, mode="edge") if reach else shifts
    smooth = np.convolve(around, np.full(2 * reach + 1, 1 / (2 * reach + 1)), mode="valid")
    level = _NEAR_BULK * float(np.median(shifts))
    window = Window(*_longest_run(smooth <= level), d)
    figures = {"most": _NEAR_BULK}
    if window.k == d:
        why = (
            "no part of the spectrum moves the logits of frequent tokens more than "
            f"{_NEAR_BULK:g} times as much as the median direction does, so the checkpoint and "
            f"{frequencies} give no reason to drop any"
        )
    else:
        sides = []
        for count, name, part in (
            (window.l, "strongest", slice(0, window.l)),
            (d - window.r, "weakest", slice(window.r, d)),
        ):
            if count:
                figures |= {f"n_{name}": count, name: smooth[part].mean() / np.median(shifts)}
                many = f"{count} " if count > 1 else ""
                sides.append(f"the {many}{name} {_times(figures[name])}")
        why = (
            f"from the checkpoint and {frequencies}: {window} is the longest run of directions "
            f"that move the logits of frequent tokens at most {_NEAR_BULK:g} times as much as the "
            f"median direction; on average {' and '.join(sides)} as much"
        )
    curve = Curve("logit shift of frequent tokens", np.arange(d), smooth)
    return Proposal(
        window,
        "checkpoint",
        why,
        window.k < d,
        "logit shift Δπ, smoothed",
        (curve,),
        level,
        figures=figures,
    )


def _times(ratio: float) -> str:
    return f"{ratio:.1f} times" if ratio < 10 else f"{ratio:.0f} times"


def _longest_run(inside: np.ndarray) -> tuple[int, int]:
    """Start and stop of the longest run of True; the first of several, all if there is none."""
    borders = np.flatnonzero(np.diff(np.r_[False, inside, False]))
    starts, stops = borders[::2], borders[1::2]
    if not len(starts):
        return 0, len(inside)
    longest = int(np.argmax(stops - starts))
    return int(starts[longest]), int(stops[longest])
