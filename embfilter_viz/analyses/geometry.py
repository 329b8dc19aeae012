"""How do many texts lie in space, before and after the filter, and beside the controls?"""

import math
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from embfilter_viz.analyses.calibration import (
    REFERENCE_TEXTS,
    CalibrationRows,
    embedded_reference,
)
from embfilter_viz.analyses.finite import finite
from embfilter_viz.embeddings.cosines import CosineHistogram
from embfilter_viz.embeddings.isotropy import Interval, Isotropy, isotropy
from embfilter_viz.embeddings.layouts import Layout
from embfilter_viz.embeddings.neighbours import NeighbourChanges, Neighbours, changes_of
from embfilter_viz.embeddings.ranking import top_k
from embfilter_viz.embeddings.rotated import Rotated, Run
from embfilter_viz.embeddings.subspaces import RandomSubspaces
from embfilter_viz.embeddings.text_intervals import FEWEST_FOR_INTERVAL, difference_of_means
from embfilter_viz.model import Model
from embfilter_viz.spectral.baselines import (
    RANDOM_SUBSPACES,
    MeanRemoval,
    RandomSubspace,
    random_orders,
    random_rotation,
)
from embfilter_viz.spectral.filters import EmbedFilter
from embfilter_viz.spectral.windows import Window
from embfilter_viz.system.progress import Progress, silent
from embfilter_viz.wording import counted, decimals, fixed, spanned

__all__ = [
    "RANDOM",
    "VARIANTS",
    "Geometry",
    "TextGeometry",
    "geometry",
    "geometry_of",
    "variants_of",
]

RANDOM = "random subspaces"
"""The control whose interval is no interval: the least and the greatest of its subspaces."""

VARIANTS = {
    "raw": "the embeddings as they are",
    "filtered": "EmbedFilter, reduced form",
    RANDOM: f"control: {RANDOM_SUBSPACES} of as many dimensions as the filter keeps; their mean, "
    "the least and the greatest",
    "mean removed": "control: only the direction of the mean embedding of other texts is removed",
}
"""What is measured side by side, and what each is."""

GROUPS = 10
"""Groups of the jackknife: enough for an interval, few enough for a page."""

REMEMBERED = 256
"""Windows whose measures are remembered, each some numbers."""

QUICK_RANK = 64
"""Directions, or texts, up to which an eigen-decomposition takes no time worth sparing."""

QUICK_SCORE = 4e8
"""Products of texts with their covariance, in multiplications, that take some ten milliseconds."""


def variants_of(
    model: Model,
    embeddings: np.ndarray,
    window: Window,
    reference: CalibrationRows,
    *,
    full: bool = False,
    seed: int = 0,
) -> dict[str, list[np.ndarray]]:
    """The embeddings raw, filtered and under both controls.

    Args:
        model: the opened model.
        embeddings: (n, d_model) raw.
        window: what the filter keeps.
        reference: embeddings of other texts, whose mean's direction is removed.
        full: in the full form, d_model numbers, which the lens reads.
        seed: of the random subspaces.

    Returns:
        By the names of :data:`VARIANTS`, each (n, d_model) or (n, k) float32: one, or as many as
        there are random subspaces.
    """
    kept = EmbedFilter(model.spectrum, window=window, full=full)
    drawn = [
        RandomSubspace(k=window.k, seed=RANDOM_SUBSPACES * seed + i, full=full)
        for i in range(RANDOM_SUBSPACES)
    ]
    return {
        "raw": [embeddings],
        "filtered": [kept.transform(embeddings)],
        RANDOM: [one.transform(embeddings) for one in drawn],
        "mean removed": [MeanRemoval().fit(reference.embeddings).transform(embeddings)],
    }


@dataclass(frozen=True)
class Geometry:
    """Isotropy of one set of texts, raw, filtered and under the controls."""

    window: Window
    """What the filter keeps."""
    n_texts: int
    """How many texts were measured."""
    variants: dict[str, Isotropy]
    """By the names of :data:`VARIANTS`: mean cosine, IsoScore, effective rank, with intervals; of
    the random subspaces the mean, and the least and the greatest."""
    difference: Interval
    """Mean cosine filtered less raw, paired, with its 95 % interval over texts."""
    reference: str
    """Which texts' mean the control removes."""

    @property
    def complete(self) -> bool:
        """Tell whether every interval was measured."""
        return all(found.complete for found in self.variants.values())

    @property
    def sentence(self) -> str:
        """Return what the filter did to these texts, in words, beside its controls."""
        raw, filtered, random, removed = (
            self.variants[name].mean_cosine for name in ("raw", "filtered", RANDOM, "mean removed")
        )
        texts = counted(self.n_texts, "text")
        lower = ", which is lower still" if removed.value < filtered.value else ""
        control = (
            f"Without the direction of the mean of {self.reference}, it is "
            f"{fixed(removed.value, 2)}{lower}."
        )
        if self.window.drops_nothing:
            return (
                f"over {texts} the mean cosine is {fixed(raw.value, 2)}. The window {self.window} "
                f"drops nothing, so the filtered embeddings are the raw ones. {control}"
            )
        gap = self.difference
        digits = decimals([gap.low, gap.high], 2)
        change = (
            f"goes from {fixed(raw.value, digits)} to {fixed(filtered.value, digits)} "
            f"(95 % interval of the change {spanned(gap.low, gap.high, digits, sign=True)})"
        )
        return f"over {texts} the mean cosine {change}: {self._effect(random, digits)}. {control}"

    def _effect(self, random: Interval, digits: int) -> str:
        value, gap = self.variants["filtered"].mean_cosine.value, self.difference
        subspaces = (
            f"In {RANDOM_SUBSPACES} random subspaces of the same size it is on average "
            f"{fixed(random.value, digits)} ({spanned(random.low, random.high, digits)})"
        )
        if self.n_texts < FEWEST_FOR_INTERVAL:
            return f"so few texts say nothing about others. {subspaces}"
        if gap.high < 0:
            every = "in each of them" if random.low > value else "but not in each of them"
            return f"the filter lowers anisotropy. {subspaces}, {every} above the filter's"
        if gap.low > 0:
            claim = ", the opposite of what the paper claims" if self.window.is_papers else ""
            return f"the filter raises anisotropy{claim}. {subspaces}"
        return f"the filter makes no difference beyond the uncertainty. {subspaces}"

    def to_json(self) -> dict[str, Any]:
        """The report under its names on the command line."""
        return finite(
            {
                "window": [self.window.l, self.window.r],
                "n_texts": self.n_texts,
                **{
                    name.replace(" ", "_"): {
                        "mean_cosine": found.mean_cosine.value,
                        "isoscore": found.isoscore.value,
                        "effective_rank": found.effective_rank.value,
                        "ranges" if name == RANDOM else "intervals": {
                            "mean_cosine": _ends(found.mean_cosine),
                            "isoscore": _ends(found.isoscore),
                            "effective_rank": _ends(found.effective_rank),
                        },
                    }
                    for name, found in self.variants.items()
                },
                "difference": {
                    "mean_cosine": self.difference.value,
                    "interval": _ends(self.difference),
                },
                "n_subspaces": RANDOM_SUBSPACES,
                "mean_removed_of": self.reference,
                "n_mean_removed_of": REFERENCE_TEXTS,
                "sentence": self.sentence,
            }
        )


def geometry(
    model: Model,
    texts: Sequence[str],
    prompt: str,
    window: Window,
    *,
    seed: int = 0,
    progress: Progress = silent,
) -> Geometry:
    """Embed ``texts`` and measure how evenly they fill space, with controls.

    The mean embedding whose direction the control removes is that of texts of ours, which are
    embedded as well: of these texts themselves it would be zero by construction.

    Args:
        model: the opened model.
        texts: at least two.
        prompt: the prompt's name.
        window: what the filter keeps.
        seed: of the random subspaces.
        progress: told of the work.

    Returns:
        the three measures of raw, filtered and controls.

    Raises:
        InputError: for fewer than two texts, an empty one, or an unknown prompt.
    """
    embeddings = model.encode(texts, prompt, progress=progress)
    reference = embedded_reference(model, texts, prompt, progress=progress)
    return geometry_of(model, embeddings, window, reference, seed=seed, progress=progress)


def geometry_of(
    model: Model,
    embeddings: np.ndarray,
    window: Window,
    reference: CalibrationRows,
    *,
    seed: int = 0,
    progress: Progress = silent,
) -> Geometry:
    """The same for embeddings (n, d_model) that are there already.

    Args:
        model: the opened model.
        embeddings: (n, d_model) raw.
        window: what the filter keeps.
        reference: embeddings whose mean is removed as a control.
        seed: of the random subspaces.
        progress: told of the work.

    Returns:
        the three measures of raw, filtered and controls.
    """
    made = TextGeometry(model, embeddings, reference, seed=seed, progress=progress)
    return made.report(window, progress=progress)


class TextGeometry:
    """One set of embeddings made ready to be asked about any window, as a slider asks.

    What no window changes is measured once: the embeddings in the basis V, their covariance with
    and without each group of the jackknife, the raw side, and the control with the mean removed.
    The random subspaces are columns of one random basis, so the embeddings are rotated into that
    once as well. May be asked from several threads.

    Args:
        model: the opened model.
        embeddings: (n, d_model) raw, n >= 2.
        reference: embeddings of other texts, whose mean's direction the control removes.
        seed: of the random subspaces.
        progress: told of the work, which takes seconds for 20,000 texts; may raise to stop.

    Raises:
        InputError: fewer than two texts, all the same, or embeddings of another model.
    """

    def __init__(
        self,
        model: Model,
        embeddings: np.ndarray,
        reference: CalibrationRows,
        *,
        seed: int = 0,
        progress: Progress = silent,
    ) -> None:
        self.embeddings = embeddings
        self.reference = reference.name
        self._inside = Rotated(embeddings, model.spectrum.V, groups=GROUPS, progress=progress)
        rotation = random_rotation(self._inside.d, seed)
        self._random = RandomSubspaces(
            Rotated(embeddings, rotation, groups=GROUPS, progress=progress),
            random_orders(self._inside.d, seed),
        )
        if self.n > self.d:
            self._inside.prepare(progress)
        self._whole = self._last = whole = self._inside.run(0, self.d)
        removed = MeanRemoval().fit(reference.embeddings).transform(embeddings)
        self._steady = {
            "raw": whole.isotropy(progress=progress),
            "mean removed": isotropy(removed, groups=GROUPS, progress=progress),
        }
        self._raw_histogram = whole.histogram()
        self._known: OrderedDict[tuple[str, int, int], Isotropy] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def n(self) -> int:
        """Say how many texts."""
        return self._inside.n

    @property
    def d(self) -> int:
        """Numbers in a raw embedding."""
        return self._inside.d

    @property
    def nbytes(self) -> int:
        """Bytes held, the embeddings included."""
        return self.embeddings.nbytes + self._inside.nbytes + self._random.nbytes

    @property
    def sampled_texts(self) -> int:
        """Say how many texts the histograms take their pairs from: not all where there are many."""
        return len(self._inside.sampled)

    def filtered(self, window: Window) -> Run:
        """The reduced form under ``window``, ready to be measured."""
        run = self._last
        if (run.kept.start, run.kept.stop) != (window.l, window.r):
            # Kept for the other figures of the same page, which need its norms as well.
            run = self._last = self._inside.run(window.l, window.r)
        return run

    def report(self, window: Window, *, progress: Progress = silent) -> Geometry:
        """Isotropy of raw, filtered and controls, with all intervals."""
        return self._report(window, True, progress)

    def quick_report(self, window: Window) -> Geometry:
        """The same at a slider's pace: without what takes its time.

        That is the interval of the effective rank, which needs ten eigen-decompositions; the
        effective ranks in the random subspaces, which need twenty; and with many texts the
        interval of IsoScore. They are there all the same where they take no time, and once
        :meth:`report` has measured them.
        """
        return self._report(window, False, silent)

    def _report(self, window: Window, all_of_it: bool, progress: Progress) -> Geometry:
        small = min(window.k, self.n) <= QUICK_RANK
        run, rank = self.filtered(window), all_of_it or small
        score = rank or self.n <= window.k or self.n * window.k**2 <= QUICK_SCORE
        found = {
            "raw": self._steady["raw"],
            "filtered": self._remembered(
                ("filtered", window.l, window.r),
                lambda: run.isotropy(score_interval=score, rank_interval=rank, progress=progress),
                all_of_it,
            ),
            RANDOM: self._remembered(
                ("random", 0, window.k),
                lambda: self._of_subspaces(window.k, rank, progress),
                all_of_it,
            ),
            "mean removed": self._steady["mean removed"],
        }
        gap = difference_of_means(run.cosines, self._whole.cosines)
        return Geometry(window, self.n, found, gap, self.reference)

    def histograms(self, window: Window) -> tuple[CosineHistogram, CosineHistogram]:
        """Say how the cosines of pairs are spread, raw and filtered, of the same texts' pairs."""
        return self._raw_histogram, self.filtered(window).histogram()

    def maps(self, window: Window) -> Layout:
        """Raw and filtered on the same two principal axes."""
        return self.filtered(window).maps()

    def neighbours(self, window: Window, index: int, k: int) -> NeighbourChanges:
        """The nearest texts of one text, raw and filtered, by exact search."""
        return changes_of(self._whole.nearest(index, k), self.filtered(window).nearest(index, k))

    @property
    def basis(self) -> np.ndarray:
        """(d_model, d_model) the singular vectors of the head, in columns."""
        return self._inside.basis

    def nearest_to(
        self, along: np.ndarray, kept: slice, k: int, *, without: Sequence[int] = ()
    ) -> Neighbours:
        """The texts nearest to a vector (r − l,) given along the directions ``kept``.

        Args:
            along: the vector, in the basis of the singular vectors.
            kept: the directions in which cosines are taken.
            k: how many texts.
            without: rows that are left out.

        Returns:
            the nearest rows with their cosines, best first.
        """
        run = self._inside.run(kept.start, kept.stop)
        products = (run.rows @ along.astype(run.rows.dtype)).astype(np.float64)
        cosines = products / (run.norms * np.linalg.norm(along))
        cosines[list(without)] = -np.inf
        ids = top_k(cosines, min(k, self.n - len(without)))
        return Neighbours(-1, ids, np.clip(cosines[ids], -1, 1))

    def mean_unit(self, kept: slice, rows: np.ndarray) -> np.ndarray:
        """(r − l,) the mean unit vector of some texts, in the directions ``kept``."""
        run = self._inside.run(kept.start, kept.stop)
        inverse = np.zeros(self.n)
        inverse[rows] = 1 / run.norms[rows]
        return np.asarray(inverse @ run.rows) / len(rows)

    def _of_subspaces(self, k: int, ranks: bool, progress: Progress) -> Isotropy:
        """Mean, least and greatest over the random subspaces of k dimensions."""
        unknown = np.full(RANDOM_SUBSPACES, math.nan)
        measured = (
            self._random.mean_cosines(k),
            self._random.isoscores(k),
            self._random.effective_ranks(k, progress=progress) if ranks else unknown,
        )
        cosine, score, rank = (
            Interval(float(one.mean()), float(one.min()), float(one.max())) for one in measured
        )
        return Isotropy(cosine, score, rank, self.n, k, 1.0)

    def _remembered(
        self, key: tuple[str, int, int], measure: Callable[[], Isotropy], all_of_it: bool
    ) -> Isotropy:
        with self._lock:
            known = self._known.get(key)
            if known is not None and (known.complete or not all_of_it):
                self._known.move_to_end(key)
                return known
        # Outside the lock: a job that takes its time must not hold up a slider.
        found = measure()
        with self._lock:
            before = self._known.get(key)
            if before is None or not before.complete:
                self._known[key] = found
            while len(self._known) > 2 * REMEMBERED:
                self._known.popitem(last=False)
        return found


def _ends(interval: Interval) -> list[float]:
    return [interval.low, interval.high]
