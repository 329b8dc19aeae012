"""How do many texts lie in space, before and after the filter, and beside the controls?"""

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from embfilter_viz.analyses.finite import finite
from embfilter_viz.embeddings.cosines import CosineHistogram
from embfilter_viz.embeddings.isotropy import Interval, Isotropy, isotropy
from embfilter_viz.embeddings.layouts import Layout
from embfilter_viz.embeddings.neighbours import NeighbourChanges, changes_of
from embfilter_viz.embeddings.rotated import Rotated, Run
from embfilter_viz.model import Model
from embfilter_viz.progress import Progress, silent
from embfilter_viz.spectral.baselines import MeanRemoval, RandomSubspace, random_rotation
from embfilter_viz.spectral.filters import EmbedFilter
from embfilter_viz.spectral.windows import Window

__all__ = ["VARIANTS", "Geometry", "TextGeometry", "geometry", "geometry_of", "variants_of"]

VARIANTS = {
    "raw": "the embeddings as they are",
    "filtered": "EmbedFilter, reduced form",
    "random subspace": "control: as many random dimensions",
    "mean removed": "control: only the mean embedding's direction removed",
}
"""What is measured side by side, and what each is."""


GROUPS = 10
"""Groups of the jackknife: enough for an interval, few enough for a slider."""

REMEMBERED = 256
"""Windows whose measures are remembered, each some numbers."""

QUICK_RANK = 128
"""Directions, or texts, up to which an eigen-decomposition takes no time worth sparing."""


def variants_of(
    model: Model, embeddings: np.ndarray, window: Window, *, seed: int = 0
) -> dict[str, np.ndarray]:
    """The embeddings raw, filtered and under both controls.

    Args:
        model: the opened model.
        embeddings: (n, d_model) raw.
        window: what the filter keeps.
        seed: of the random subspace.

    Returns:
        Each (n, d_model) or (n, k) float32, by the names of :data:`VARIANTS`.
    """
    return {
        "raw": embeddings,
        "filtered": EmbedFilter(model.spectrum, window=window).transform(embeddings),
        "random subspace": RandomSubspace(k=window.k, seed=seed).fit_transform(embeddings),
        "mean removed": MeanRemoval().fit_transform(embeddings),
    }


@dataclass(frozen=True)
class Geometry:
    """Isotropy of one set of texts, raw, filtered and under the controls."""

    window: Window
    """What the filter keeps."""
    n_texts: int
    """How many texts were measured."""
    variants: dict[str, Isotropy]
    """By the names of :data:`VARIANTS`: mean cosine, IsoScore, effective rank, with intervals."""

    @property
    def complete(self) -> bool:
        """Whether every interval was measured."""
        return all(found.complete for found in self.variants.values())

    @property
    def sentence(self) -> str:
        """What the filter did to these texts, in words, beside its controls."""
        return _sentence(
            self.n_texts, {name: found.mean_cosine for name, found in self.variants.items()}
        )

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
                        "intervals": {
                            "mean_cosine": _ends(found.mean_cosine),
                            "isoscore": _ends(found.isoscore),
                            "effective_rank": _ends(found.effective_rank),
                        },
                    }
                    for name, found in self.variants.items()
                },
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

    Raises:
        InputError: for fewer than two texts, an empty one, or an unknown prompt.
    """
    embeddings = model.encode(texts, prompt, progress=progress)
    return geometry_of(model, embeddings, window, seed=seed, progress=progress)


def geometry_of(
    model: Model,
    embeddings: np.ndarray,
    window: Window,
    *,
    seed: int = 0,
    progress: Progress = silent,
) -> Geometry:
    """The same for embeddings (n, d_model) that are there already."""
    made = TextGeometry(model, embeddings, seed=seed, progress=progress)
    return made.report(window, progress=progress)


class TextGeometry:
    """One set of embeddings made ready to be asked about any window, as a slider asks.

    What no window changes is measured once: the embeddings in the basis V, their covariance with
    and without each group of the jackknife, the raw side, and the control with the mean removed.
    The random subspaces of one seed lie within one another, so they are windows too, of a random
    basis. May be asked from several threads.

    Args:
        model: the opened model.
        embeddings: (n, d_model) raw, n >= 2.
        seed: of the random subspaces.
        progress: told of the work, which takes seconds for 20,000 texts; may raise to stop.

    Raises:
        InputError: fewer than two texts, all the same, or embeddings of another model.
    """

    def __init__(
        self,
        model: Model,
        embeddings: np.ndarray,
        *,
        seed: int = 0,
        progress: Progress = silent,
    ) -> None:
        self.embeddings = embeddings
        self._inside = Rotated(embeddings, model.spectrum.V, groups=GROUPS, progress=progress)
        rotation = random_rotation(self._inside.d, seed)
        self._random = Rotated(embeddings, rotation, groups=GROUPS, progress=progress)
        if self.n > self.d:
            for rotated in (self._inside, self._random):
                rotated.prepare(progress)
        self._whole = self._last = whole = self._inside.run(0, self.d)
        self._steady = {
            "raw": whole.isotropy(progress=progress),
            "mean removed": isotropy(
                MeanRemoval().fit_transform(embeddings), groups=GROUPS, progress=progress
            ),
        }
        self._raw_histogram = whole.histogram()
        self._known: OrderedDict[tuple[str, int, int, bool], Isotropy] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def n(self) -> int:
        """How many texts."""
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
        """How many texts the histograms take their pairs from: not all where there are many."""
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
        """The same at a slider's pace: without the two intervals that take their time.

        Those of the effective rank under the window and in the random subspace need ten
        eigen-decompositions each, where all the rest needs one. They are there all the same where
        they take no time, and once :meth:`report` has measured them.
        """
        known = self._known.get(("filtered", window.l, window.r, True))
        whole = known is not None or min(window.k, self.n) <= QUICK_RANK
        return self._report(window, whole, silent)

    def _report(self, window: Window, rank_interval: bool, progress: Progress) -> Geometry:
        found = {
            "raw": self._steady["raw"],
            "filtered": self._measured("filtered", self.filtered(window), rank_interval, progress),
            "random subspace": self._measured(
                "random", self._random.run(0, window.k), rank_interval, progress
            ),
            "mean removed": self._steady["mean removed"],
        }
        return Geometry(window, self.n, found)

    def histograms(self, window: Window) -> tuple[CosineHistogram, CosineHistogram]:
        """How the cosines of pairs are spread, raw and filtered, of the same texts' pairs."""
        return self._raw_histogram, self.filtered(window).histogram()

    def maps(self, window: Window) -> Layout:
        """Raw and filtered on the same two principal axes."""
        return self.filtered(window).maps()

    def neighbours(self, window: Window, index: int, k: int) -> NeighbourChanges:
        """The nearest texts of one text, raw and filtered, by exact search."""
        return changes_of(self._whole.nearest(index, k), self.filtered(window).nearest(index, k))

    def _measured(self, name: str, run: Run, rank_interval: bool, progress: Progress) -> Isotropy:
        of = (name, run.kept.start, run.kept.stop)
        with self._lock:
            for key in ((*of, True), (*of, rank_interval)):
                if key in self._known:
                    self._known.move_to_end(key)
                    return self._known[key]
        # Outside the lock: a job that takes its time must not hold up a slider.
        found = run.isotropy(rank_interval=rank_interval, progress=progress)
        with self._lock:
            self._known[*of, rank_interval] = found
            while len(self._known) > 2 * REMEMBERED:
                self._known.popitem(last=False)
        return found


def _ends(interval: Interval) -> list[float]:
    return [interval.low, interval.high]


def _sentence(n: int, cosine: dict[str, Interval]) -> str:
    raw, filtered = cosine["raw"], cosine["filtered"]
    if filtered.high < raw.low:
        effect = "the filter lowers anisotropy"
    elif filtered.low > raw.high:
        effect = "the filter raises anisotropy, the opposite of what the paper claims"
    else:
        effect = "the filter makes no difference beyond the uncertainty"
    words = (
        f"over {n:,} texts the mean cosine goes from {raw.value:.2f} to {filtered.value:.2f}: "
        f"{effect}."
    )
    control = cosine["mean removed"].value
    words += f" Removing only the mean embedding's direction gives {control + 0.0:z.2f}"
    if control < filtered.value:
        words += ", lower still"
    return f"{words}; a random subspace of the same size {cosine['random subspace'].value:.2f}."
