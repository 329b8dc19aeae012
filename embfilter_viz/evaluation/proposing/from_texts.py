"""A window proposed from texts that nobody has judged.

Soft whitening damps the directions that vary most among the texts and lets the others
speak; it needs the texts again wherever it is used, so it is no filter to deploy, but it tells
similar texts apart better than raw cosines do (Su et al. 2021, "Whitening Sentence
Representations", here shrunk towards the identity as in Ledoit and Wolf 2004). The texts' window
is the middle of those whose plain cosines order pairs of texts most like soft whitening does. Few
texts say little, so what is proposed lies between it and the window from the head, and the nearer
to it the more texts there are. The texts decide where the order gains beyond the uncertainty, or
where the window leaves less of what all pairs of texts share than random directions do.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from embfilter_viz.embeddings.isotropy import Interval
from embfilter_viz.errors import InputError
from embfilter_viz.evaluation.pair_cosines import cosines_of_windows
from embfilter_viz.evaluation.proposing.proposal import Curve, Proposal, Shared
from embfilter_viz.evaluation.proposing.shared import shared_by_all
from embfilter_viz.evaluation.spearman import spearman
from embfilter_viz.spectral.spectrum import Spectrum
from embfilter_viz.spectral.windows import Window
from embfilter_viz.wording import fixed, spanned

__all__ = ["FEWEST_TEXTS", "propose_from_texts", "softly_whitened", "windows_tried"]

FEWEST_TEXTS = 50
"""Texts below which their pairs say too little about a window to choose by."""

MOST_TEXTS = 1_500
"""Texts looked at; more are sampled, for a proposal should take a second."""

_PAIRS = 4_000
_RESAMPLES = 200

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
    R = _turned(embeddings, spectrum, rng := np.random.default_rng(0))
    d, first, second = spectrum.d_model, *_pairs(len(R), rng)
    wanted = softly_whitened(R, first, second)
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
    both = cosines_of_windows(R, first, second, [window, whole])
    evidence = _Evidence(
        n=len(R),
        of_texts=of_texts,
        prior=prior,
        near=len(best),
        tried=len(windows),
        raw=raw,
        gain=_gain(both, wanted, first, second, len(R), rng),
        shared=shared_by_all(R, window, rng),
    )
    if not evidence.worth:
        window = whole
    figures = {"n_near_best": len(best), "n_tried": len(windows), "raw": raw}
    if prior is not None:
        figures["weight_of_texts"] = _weight(len(R))
    return Proposal(
        window,
        "texts",
        evidence.why(window),
        evidence.worth,
        "agreement with soft whitening, Spearman",
        _curves(window, windows, agreement),
        raw,
        len(R),
        evidence.gain,
        evidence.shared,
        {**figures, "proposed": evidence.proposed},
    )


@dataclass(frozen=True)
class _Evidence:
    """All that texts say about a window."""

    n: int
    """Texts looked at."""
    of_texts: Window
    """The window that the texts alone would propose."""
    prior: Window | None
    """The window proposed without texts."""
    near: int
    """Windows whose agreement is near the best."""
    tried: int
    """Windows tried."""
    raw: float
    """Agreement of raw embeddings with soft whitening."""
    gain: Interval
    """Agreement of the window less that of raw embeddings."""
    shared: Shared
    """The mean cosine of pairs, raw and in the window."""

    @property
    def worth(self) -> bool:
        """Tell whether the evidence speaks for dropping anything."""
        return self.gain.low > 0 or self.shared.less

    @property
    def proposed(self) -> float:
        """Agreement of what is proposed: of all directions where nothing is worth dropping."""
        return self.raw + self.gain.value if self.worth else self.raw

    def why(self, window: Window) -> str:
        """Say the evidence in words, in a sentence without its full stop."""
        if not self.worth and self.gain.high > 0:
            return (
                f"pairs of your {self.n:,} texts do not decide: the agreement of windows with soft "
                f"whitening of them differs from that of raw embeddings ({fixed(self.raw, 2)}) "
                "within the uncertainty "
                f"(by {spanned(self.gain.low, self.gain.high, 2, sign=True)})"
            )
        if not self.worth:
            return (
                f"over pairs of your {self.n:,} texts no window's cosines agree more with soft "
                "whitening of them than those of the raw embeddings do "
                f"({fixed(self.raw, 2)}): none is worth it"
            )
        some = (
            f"{self.of_texts} is the middle of the {self.near:,} of {self.tried:,} windows that "
            "order"
        )
        one = f"of {self.tried:,} windows {self.of_texts} is the one that orders"
        said = (
            f"{some if self.near > 1 else one} pairs of your {self.n:,} texts most like soft "
            "whitening of them does"
        )
        if window != self.of_texts:
            said += (
                f"; the checkpoint and word frequencies propose {self.prior}; {window} lies "
                f"between them, and your texts weigh {_weight(self.n):.0%} of it"
            )
        return (
            f"{said}: Spearman {fixed(self.proposed, 2)}, raw {fixed(self.raw, 2)}; the mean "
            f"cosine of pairs falls from {fixed(self.shared.raw, 2)} to "
            f"{fixed(self.shared.window, 2)}"
            + ("" if self.shared.less else ", no lower than in random directions")
        )


def _turned(embeddings: np.ndarray, spectrum: Spectrum, rng: np.random.Generator) -> np.ndarray:
    """Return checked embeddings in the basis of V, (n, d) float64: 1,500 of more, drawn."""
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
    if len(E) > MOST_TEXTS:
        E = E[np.sort(rng.choice(len(E), MOST_TEXTS, replace=False))]
    return E.astype(np.float64) @ spectrum.V


def _curves(
    window: Window, windows: list[Window], agreement: Callable[[list[Window]], np.ndarray]
) -> tuple[Curve, Curve]:
    """Return the agreement of windows with one end moved, the other where it is proposed."""
    d = window.d
    ends = sorted({end for one in windows for end in (one.l, one.r)} | {window.l, window.r})
    starts = [end for end in ends if window.r - end >= _narrowest(d)]
    stops = [end for end in ends if end - window.l >= _narrowest(d)]
    return (
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


def _middle(windows: list[Window]) -> Window:
    """The window of the mean l and the mean r."""
    left = round(float(np.mean([window.l for window in windows])))
    right = round(float(np.mean([window.r for window in windows])))
    return Window(left, right, windows[0].d)


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


def softly_whitened(R: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
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
