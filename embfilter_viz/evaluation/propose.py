"""A window proposed without labels: from the head, or from texts that nobody has judged.

From texts: soft whitening damps the directions that vary most among the texts and lets the others
speak; it needs the texts again wherever it is used, so it is no filter to deploy, but it tells
similar texts apart better than raw cosines do (Su et al. 2021, "Whitening Sentence
Representations", here shrunk towards the identity as in Ledoit and Wolf 2004). The texts' window
is the middle of those whose plain cosines order pairs of texts most like soft whitening does. Few
texts say little, so what is proposed lies between it and the window from the head, and the nearer
to it the more texts there are. The texts decide where the order gains beyond the uncertainty, or
where the window leaves less of what all pairs of texts share than random directions do.

From the head: the longest run of directions whose logit shift Δπ stays near that of the bulk. Which
tokens are frequent is known from word frequencies; no text is read.

Both are for comparing by cosine. A classifier trained on embeddings weighs directions itself: it
gains little or nothing by a window, and can lose. ``benchmarks/propose.py`` compares the proposals
with windows chosen by labels, on three tasks.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from embfilter_viz.embeddings.isotropy import Interval
from embfilter_viz.errors import InputError
from embfilter_viz.evaluation.pair_cosines import cosines_of_windows
from embfilter_viz.evaluation.spearman import spearman
from embfilter_viz.spectral.spectrum import Spectrum
from embfilter_viz.spectral.windows import Window
from embfilter_viz.wording import fixed, spanned

__all__ = [
    "FEWEST_TEXTS",
    "Curve",
    "Proposal",
    "Shared",
    "propose_from_head",
    "propose_from_texts",
    "windows_tried",
]

FREQUENCIES = "English word frequencies (wordfreq)"
"""What says which tokens are frequent where no texts do, unless another language is named."""

FEWEST_TEXTS = 50
"""Texts below which their pairs say too little about a window to choose by."""

MOST_TEXTS = 1_500
"""Texts looked at; more are sampled, for a proposal should take a second."""

_PAIRS = 4_000
_RESAMPLES = 200
_ORDERS = 100
"""Random orders of the directions that the proposed window is compared with."""
_SHARED_BY = 400
"""Texts that what all of them share is found from."""

_RIDGE = 0.3
"""What soft whitening adds to every variance, in units of their mean. Chosen on STS-B's training
pairs; from 0.1 to 1 the windows proposed score within a point of each other."""
_NEAR_BEST = 0.8
"""Share of the largest gain in agreement from which a window counts as one of the best. Many do:
their middle moves little with the texts, where the very best of them jumps."""

_STEPS = 40
_NEAR_ENDS = (0.005, 0.01, 0.015, 0.035)
"""Ends tried between the steps: near both ends of the spectrum a per cent makes a difference."""
_NARROWEST = 0.25
"""Least share of the directions a proposed window keeps: narrow ones agree by chance."""

_NEAR_BULK = 3.0
"""Logit shift, in medians, up to which a direction counts as bulk. Chosen on two checkpoints."""
_SMOOTHED = 0.04
"""Share of the spectrum that a direction's logit shift is averaged over."""


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
    shared: "Shared | None" = None
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


def propose_from_texts(
    embeddings: np.ndarray, spectrum: Spectrum, *, prior: Window | None = None
) -> Proposal:
    """The middle of the windows whose cosines order pairs of texts most like soft whitening does.

    With centred rows C of n texts, S = CᵀC/n and s̄ its mean eigenvalue, soft whitening gives two
    texts the similarity cos under (S + 0.3 s̄ I)⁻¹. Of some 750 windows those count whose
    cosines have a Spearman correlation with it, over 4,000 random pairs, that gains at least 80 %
    of the largest gain over raw embeddings; the mean of their ends is the texts' window. With a
    prior window the ends proposed are (n · the texts' + 50 · the prior's) / (n + 50).

    It is worth it where that correlation gains beyond the uncertainty over texts, or where the
    mean cosine of pairs is lower than of raw embeddings and than in any window of its width in
    97.5 % of random orders of the directions (:class:`Shared`). Elsewhere all directions are kept.

    Args:
        embeddings: (n, d_model) raw embeddings of distinct texts; 1,500 of more are looked at.
        spectrum: of the same checkpoint's head.
        prior: what is proposed without texts.

    Raises:
        InputError: fewer than 50 texts, embeddings of another width, not finite, or all equal.

    >>> from embfilter_viz.spectral import spectrum_of
    >>> rng = np.random.default_rng(0)
    >>> spectrum = spectrum_of(np.diag(np.arange(20.0, 0, -1)))
    >>> E = rng.standard_normal((200, 20)) + 30 * np.eye(20)[0] + 30 * np.eye(20)[19]
    >>> str(propose_from_texts(E, spectrum).window)
    '1:19'
    """
    E, d = np.asarray(embeddings), spectrum.d_model
    if E.ndim != 2 or E.shape[1] != d:
        raise InputError(f"embeddings of shape {E.shape}: the spectrum is of {d} dimensions")
    if len(E) < FEWEST_TEXTS:
        raise InputError(
            f"{len(E)} texts: pairs of fewer than {FEWEST_TEXTS} say too little to choose a window "
            "by; give more, or none to use the checkpoint and word frequencies"
        )
    if not np.isfinite(E).all():
        raise InputError("embeddings: some are NaN or infinite; encode the texts again")
    rng = np.random.default_rng(0)
    if len(E) > MOST_TEXTS:
        E = E[np.sort(rng.choice(len(E), MOST_TEXTS, replace=False))]
    R = E.astype(np.float64) @ spectrum.V
    first, second = _pairs(len(R), rng)
    wanted = _softly_whitened(R, first, second)
    windows, whole = windows_tried(d), Window(0, d, d)

    def agreement(some: list[Window]) -> np.ndarray:
        found = spearman(cosines_of_windows(R, first, second, some), wanted)[:, 0]
        return np.where(np.isnan(found), -1.0, found)  # cosines that are all equal order nothing

    tried = agreement(windows)
    raw = float(tried[windows.index(whole)])
    near = tried >= raw + _NEAR_BEST * (tried.max() - raw)
    best = [window for window, one in zip(windows, near, strict=True) if one]
    of_texts = _middle(best) if tried.max() > raw else whole
    window = of_texts
    if prior is not None and of_texts != whole:
        window = _between(of_texts, prior, len(R))
    gain = _gain(cosines_of_windows(R, first, second, [window, whole]), wanted, first, second,
                 len(R), rng)  # fmt: skip
    shared = _shared(R, window, rng)
    worth = gain.low > 0 or shared.less
    if not worth:
        window = whole
    ends = sorted({end for one in windows for end in (one.l, one.r)} | {window.l, window.r})
    starts = [end for end in ends if window.r - end >= _narrowest(d)]
    stops = [end for end in ends if end - window.l >= _narrowest(d)]
    curves = (
        Curve(
            f"window from here to {window.r}",
            np.array(starts),
            agreement([Window(one, window.r, d) for one in starts]),
        ),
        Curve(
            f"window from {window.l} to here",
            np.array(stops),
            agreement([Window(window.l, one, d) for one in stops]),
        ),
    )
    found = raw + gain.value if worth else raw
    return Proposal(
        window,
        "texts",
        _why(window, of_texts, prior, worth, len(R), len(best), len(windows), found, raw, gain,
             shared),
        worth,
        "agreement with soft whitening, Spearman",
        curves,
        raw,
        len(R),
        gain,
        shared,
        {"n_near_best": len(best), "n_tried": len(windows), "raw": raw, "proposed": found}
        | ({} if prior is None else {"weight_of_texts": _weight(len(R))}),
    )  # fmt: skip


def _why(
    window: Window,
    of_texts: Window,
    prior: Window | None,
    worth: bool,
    n: int,
    near: int,
    tried: int,
    found: float,
    raw: float,
    gain: Interval,
    shared: Shared,
) -> str:
    """Say the evidence in words.

    Args:
        window: what is proposed.
        of_texts: what the texts alone would propose.
        prior: what is proposed without texts.
        worth: whether it is worth it.
        n: how many texts.
        near: how many windows are near the best.
        tried: how many were tried.
        found: the agreement of what is proposed.
        raw: the agreement of raw embeddings.
        gain: the difference, with its interval.
        shared: the mean cosines.

    Returns:
        a sentence without its full stop.
    """
    if not worth and gain.high > 0:
        return (
            f"pairs of your {n:,} texts do not decide: the agreement of windows with soft "
            f"whitening of them differs from that of raw embeddings ({fixed(raw, 2)}) within the "
            f"uncertainty (by {spanned(gain.low, gain.high, 2, sign=True)})"
        )
    if not worth:
        return (
            f"over pairs of your {n:,} texts no window's cosines agree more with soft whitening "
            f"of them than those of the raw embeddings do ({fixed(raw, 2)}): none is worth it"
        )
    some = f"{of_texts} is the middle of the {near:,} of {tried:,} windows that order"
    one = f"of {tried:,} windows {of_texts} is the one that orders"
    said = (
        f"{some if near > 1 else one} pairs of your {n:,} texts most like soft whitening of them "
    )
    said += "does"
    if window != of_texts:
        said += (
            f"; the checkpoint and word frequencies propose {prior}; {window} lies between them, "
            f"and your texts weigh {_weight(n):.0%} of it"
        )
    return (
        f"{said}: Spearman {fixed(found, 2)}, raw {fixed(raw, 2)}; the mean cosine of pairs falls "
        f"from {fixed(shared.raw, 2)} to {fixed(shared.window, 2)}"
        + ("" if shared.less else ", no lower than in random directions")
    )


def _weight(n: int) -> float:
    """Share of n texts in a window between theirs and the prior."""
    return n / (n + FEWEST_TEXTS)


def _between(of_texts: Window, prior: Window, n: int) -> Window:
    """The window whose ends lie between two windows', nearer to the texts' the more there are.

    >>> str(_between(Window(100, 400, 576), Window(20, 540, 576), 150))
    '80:435'
    """
    share = _weight(n)
    left, right = (
        round(share * one + (1 - share) * other)
        for one, other in ((of_texts.l, prior.l), (of_texts.r, prior.r))
    )
    return Window(left, right, of_texts.d)


def _shared(R: np.ndarray, window: Window, rng: np.random.Generator) -> Shared:
    """Find the mean cosines of raw embeddings, in a window, and with directions in random orders.

    A window is chosen among many, so it is compared with the lowest of windows of its width, at
    every 40th of the spectrum, each time the directions stand in another order.
    """
    n, d = R.shape
    if n > _SHARED_BY:
        R = R[np.sort(rng.choice(n, _SHARED_BY, replace=False))]
    starts = np.unique(np.rint(np.linspace(0, d - window.k, _STEPS + 1)).astype(int))
    places = np.arange(d)[:, None]
    inside = (places >= starts) & (places < starts + window.k)  # (d, windows)
    lowest = [
        _mean_cosines(R, inside[rng.permutation(d)].astype(np.float64)).min()
        for _ in range(_ORDERS)
    ]
    own = (np.arange(d) >= window.l) & (np.arange(d) < window.r)
    raw, kept = _mean_cosines(R, np.stack([np.ones(d), own], axis=1))
    return Shared(float(raw), float(kept), float(np.quantile(lowest, 0.025)))


def _mean_cosines(R: np.ndarray, sets: np.ndarray) -> np.ndarray:
    """The mean cosine over all pairs of rows, in several sets of directions.

    It is (‖Σ u‖² − n) / (n (n − 1)) with unit rows u, one product for all sets.

    Args:
        R: (n, d) rows.
        sets: (d, m) 1 for the directions that are in a set, 0 for others.

    Returns:
        (m,) float64.

    >>> _mean_cosines(np.array([[1.0, 2], [1, -2]]), np.eye(2)).round(12).tolist()
    [1.0, -1.0]
    """
    n = len(R)
    lengths = np.sqrt(np.maximum(R**2 @ sets, np.finfo(np.float64).tiny))
    sums = (R.T @ (1 / lengths)) * sets
    return ((sums**2).sum(axis=0) - n) / (n * (n - 1))


def _middle(windows: list[Window]) -> Window:
    """The window of the mean l and the mean r."""
    left = round(float(np.mean([window.l for window in windows])))
    right = round(float(np.mean([window.r for window in windows])))
    return Window(left, right, windows[0].d)


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


def windows_tried(d: int) -> list[Window]:
    """Windows that are tried: ends at every 40th of the spectrum, and closer near both ends."""
    near = np.array(_NEAR_ENDS)
    shares = np.concatenate([np.arange(_STEPS + 1) / _STEPS, near, 1 - near])
    edges = np.unique(np.rint(shares * d).astype(int)).tolist()
    return [Window(a, b, d) for a in edges for b in edges if b - a >= _narrowest(d)]


def _narrowest(d: int) -> float:
    return max(1, _NARROWEST * d)


def _pairs(n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Rows of distinct texts, at most 4,000 pairs: all there are, or random ones."""
    if n * (n - 1) // 2 <= _PAIRS:
        first, second = np.triu_indices(n, 1)
        return first, second
    first = rng.integers(0, n, size=_PAIRS)
    return first, (first + rng.integers(1, n, size=_PAIRS)) % n


def _softly_whitened(R: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Cosine of each pair under (S + 0.3 s̄ I)⁻¹, (n_pairs,) float64.

    By K = C Cᵀ, of the size of the texts instead of the model's: C (S + μI)⁻¹ Cᵀ is
    (K/n + μI)⁻¹ K.
    """
    n, d = R.shape
    C = R - R.mean(axis=0)
    K = C @ C.T
    mean_variance = np.trace(K) / n / d
    if mean_variance <= 1e-12 * (R**2).mean():
        raise InputError("embeddings: all texts have the same one; give texts that differ")
    T = np.linalg.solve(K / n + _RIDGE * mean_variance * np.eye(n), K)
    lengths = np.sqrt(np.maximum(np.diag(T), np.finfo(np.float64).tiny))
    return T[first, second] / (lengths[first] * lengths[second])


def _gain(
    cosines: np.ndarray,
    wanted: np.ndarray,
    first: np.ndarray,
    second: np.ndarray,
    n: int,
    rng: np.random.Generator,
) -> Interval:
    """Agreement of the first row of cosines (2, n_pairs) less that of the second, over texts.

    A resample of texts holds a pair as often as it holds both of its texts.

    Args:
        cosines: (2, n_pairs) of both sides.
        wanted: (n_pairs,) what they should order like.
        first: (n_pairs,) one text of each pair.
        second: (n_pairs,) the other.
        n: how many texts.
        rng: what draws the texts.

    Returns:
        the gain with its interval over texts.
    """
    held = rng.multinomial(n, np.full(n, 1 / n), size=_RESAMPLES)
    counts = (held[:, first] * held[:, second]).astype(np.float64)
    found = spearman(cosines, wanted)[:, 0]
    again = spearman(cosines, wanted, counts)
    low, high = np.nanquantile(again[0] - again[1], [0.025, 0.975])
    return Interval(float(found[0] - found[1]), float(low), float(high))
