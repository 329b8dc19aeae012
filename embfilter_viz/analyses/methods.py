"""Everything one can do to embeddings in closed form, by name: EmbedFilter, ours, and the rivals.

Each is one affine map of the raw embeddings. Those that learn do so from calibration texts, which
are named and never those that are measured.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType

import numpy as np

from embfilter_viz.analyses.ablation import SEEDS, Variant
from embfilter_viz.analyses.removals import frequent_shifts
from embfilter_viz.errors import InputError
from embfilter_viz.model import Model
from embfilter_viz.models.head.frequencies import TokenFrequencies
from embfilter_viz.spectral.baselines import (
    AllButTheTop,
    FirstDirectionShift,
    MeanRemoval,
    PrincipalComponents,
    RandomCoordinates,
    RandomSubspace,
    RogueDimensions,
    SoftWhitening,
    Standardisation,
    Truncation,
    Whitening,
)
from embfilter_viz.spectral.composed import Composition
from embfilter_viz.spectral.filters import EmbedFilter, Filter
from embfilter_viz.spectral.reweighting import SpectralReweighting
from embfilter_viz.spectral.spectrum import Spectrum
from embfilter_viz.spectral.windows import Window
from embfilter_viz.system.progress import Progress, silent

__all__ = ["METHODS", "WINDOW", "Method", "Parts", "fitted", "method_of", "variants_of"]

WINDOW = "embedfilter"
"""The method that everything is compared with besides raw."""


class Parts:
    """The parts that methods are made of, each found when first asked for.

    Args:
        model: the opened model.
        window: the directions that windows keep; methods that cut keep as many.
        frequencies: p̂ of the reweighting; None: the model's own.
        progress: told of the work.
    """

    def __init__(
        self,
        model: Model,
        window: Window,
        *,
        frequencies: TokenFrequencies | None = None,
        progress: Progress = silent,
    ) -> None:
        self.model, self.window = model, window
        self._frequencies, self._progress = frequencies, progress

    @property
    def k(self) -> int:
        """Dimensions that the window leaves."""
        return self.window.k

    @property
    def centred(self) -> Spectrum:
        """The spectrum of W_U with its mean row subtracted."""
        return self.model.spectrum_of_head(centre=True, progress=self._progress)

    @cached_property
    def shifts(self) -> np.ndarray:
        """(d_model,) logit shifts Δπ of frequent tokens in the invariant gauge."""
        known = self._frequencies or self.model.frequencies(
            self.model.default_frequencies, progress=self._progress
        )
        return frequent_shifts(self.model, known, "invariant")

    def embed_filter(self) -> EmbedFilter:
        """EmbedFilter with the window."""
        spectrum = self.model.spectrum_of_head(progress=self._progress)
        return EmbedFilter(spectrum, window=self.window)

    def reweighting(self, *, cut: bool = False) -> SpectralReweighting:
        """The spectral reweighting, of all directions or of those in the window."""
        ends = (self.window.l, self.window.r) if cut else None
        return SpectralReweighting(self.centred, self.shifts, window=ends)


@dataclass(frozen=True)
class Method:
    """One thing to do to embeddings."""

    name: str
    """As on the command line."""
    does: str
    """What it does, in words for a table."""
    make: Callable[[Parts, int], Filter]
    """A filter from its parts and a seed, not fitted yet."""
    learns: bool = False
    """Whether it learns from calibration texts."""
    draws: int = 1
    """How many are made where chance has a part."""
    keeps_window: bool = False
    """Whether it keeps the window's own directions, not only as many."""
    only_cuts: bool = False
    """Whether it does no more than leave dimensions out: where it leaves none out it changes no
    cosine."""


def _learnt(name: str, does: str, make: Callable[[Parts], Filter]) -> Method:
    return Method(name, does, lambda parts, seed: make(parts), learns=True)


_LEARNT = (
    _learnt("mean-subtraction", "e − μ, the mean of other texts",
            lambda p: MeanRemoval("subtract")),
    _learnt("mean-projection", "e − (e·μ̂) μ̂", lambda p: MeanRemoval()),
    _learnt("first-direction", "e + λ v₁ (Nie et al. 2025), λ = −mean of e·v₁",
            lambda p: FirstDirectionShift()),
    _learnt("all-but-the-top", "mean and d/100 principal directions removed (Mu & Viswanath 2018)",
            lambda p: AllButTheTop()),
    _learnt("soft-whitening", "whitened, covariance shrunk by Ledoit and Wolf's α",
            lambda p: SoftWhitening()),
    _learnt("z-score", "each coordinate standardised (Timkey & van Schijndel 2021)",
            lambda p: Standardisation()),
)  # fmt: skip
"""What can also follow a window: each has a sense in any basis but the z-score, whose coordinates
are then the directions of W_U."""

_ALONE = (
    Method(WINDOW, "the window: both edges of the spectrum dropped", lambda p, s: p.embed_filter(),
           keeps_window=True, only_cuts=True),
    Method("centred-window", "the same window of W_U with its mean row subtracted (ours)",
           lambda p, s: EmbedFilter(p.centred, window=p.window), keeps_window=True,
           only_cuts=True),
    Method("reweighting", "every direction of the centred W_U by its weight (ours)",
           lambda p, s: p.reweighting()),
    Method("reweighting-window", "the same, and only the window kept (ours)",
           lambda p, s: p.reweighting(cut=True), keeps_window=True),
    *_LEARNT,
    _learnt("whitening", "whitened, the k strongest directions kept (Su et al. 2021)",
            lambda p: Whitening(k=p.k)),
    _learnt("whitening-full", "whitened, all directions kept",
            lambda p: Whitening(k=p.model.d_model)),
    _learnt("pca", "the k strongest principal directions", lambda p: PrincipalComponents(k=p.k)),
    _learnt("rogue-dimensions", "the 3 coordinates dropped that make most of every cosine",
            lambda p: RogueDimensions(components=min(3, p.model.d_model - 1))),
    Method("truncation", "the last k raw coordinates", lambda p, s: Truncation(k=p.k),
           only_cuts=True),
    Method("random-coordinates", "k raw coordinates drawn at random",
           lambda p, s: RandomCoordinates(k=p.k, seed=s), draws=SEEDS, only_cuts=True),
    Method("random-subspace", "a k-dimensional subspace drawn at random",
           lambda p, s: RandomSubspace(k=p.k, seed=s), draws=SEEDS, only_cuts=True),
)  # fmt: skip


def _after(first: Method, second: Method) -> Method:
    """The second method on what the first one leaves."""
    short = "window" if first.name == WINDOW else first.name
    return Method(
        f"{short}+{second.name}",
        f"{short}, then {second.name}",
        lambda parts, seed: Composition([first.make(parts, seed), second.make(parts, seed)]),
        learns=True,
        keeps_window=first.keeps_window,
    )


_BY_NAME = {one.name: one for one in _ALONE}
_COMBINED = (
    *(_after(_BY_NAME[WINDOW], one) for one in _LEARNT),
    _after(_BY_NAME["centred-window"], _BY_NAME["mean-subtraction"]),
    _after(_BY_NAME["reweighting"], _BY_NAME["mean-subtraction"]),
)

METHODS: Mapping[str, Method] = MappingProxyType({one.name: one for one in (*_ALONE, *_COMBINED)})
"""Every method by name.

>>> METHODS["window+mean-subtraction"].learns, METHODS["reweighting"].learns
(True, False)
"""


def method_of(name: str) -> Method:
    """The method called ``name``.

    Raises:
        InputError: there is none.

    >>> method_of("whitening").does
    'whitened, the k strongest directions kept (Su et al. 2021)'
    """
    if name not in METHODS:
        raise InputError(f"method {name!r}: unknown; take one of {', '.join(METHODS)}")
    return METHODS[name]


def fitted(name: str, parts: Parts, rows: np.ndarray | None = None) -> Filter:
    """One method made and, where it learns, fitted.

    Args:
        name: one of :data:`METHODS`.
        parts: what it is made of.
        rows: (n, d_model) raw embeddings of the calibration texts, for a method that learns.

    Raises:
        InputError: an unknown method, none to learn from, or too few.
    """
    method = method_of(name)
    one = method.make(parts, 0)
    if not method.learns:
        return one.fit(np.zeros((1, parts.model.d_model)))
    if rows is None:
        raise InputError(f"method {name}: it learns from texts; give some to calibrate on")
    return one.fit(rows)


def variants_of(
    names: Sequence[str], parts: Parts, rows: np.ndarray, calibration: str
) -> Iterator[Variant]:
    """Methods ready to be scored, or why they cannot be made.

    Args:
        names: of :data:`METHODS`.
        parts: what they are made of.
        rows: (n, d_model) raw embeddings of the calibration texts.
        calibration: which texts those are.

    Returns:
        the methods one by one, each fitted or refused.
    """
    for name in names:
        method = method_of(name)
        learnt_from = calibration if method.learns else None
        made: tuple[Filter, ...] = ()
        refusal = None
        try:
            if method.learns:
                made = (fitted(name, parts, rows),)
            else:
                made = tuple(method.make(parts, seed) for seed in range(method.draws))
            dims = made[0].transform(rows[:1]).shape[1]
            removes = made[0].removes
        except InputError as error:
            made, refusal, dims, removes = (), str(error), 0, method.does
        yield Variant(name, removes, dims, learnt_from, made, refusal)
