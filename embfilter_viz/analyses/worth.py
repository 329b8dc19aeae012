"""What is a window worth on graded pairs, beside its controls and what it is mistaken for?"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from embfilter_viz.analyses.beside_raw import BesideRaw, Scored, compared
from embfilter_viz.analyses.calibration import (
    REFERENCE_TEXTS,
    CalibrationRows,
    embedded_reference,
)
from embfilter_viz.analyses.finite import finite
from embfilter_viz.analyses.geometry import RANDOM
from embfilter_viz.embeddings.rotated import Rotated
from embfilter_viz.embeddings.subspaces import RandomSubspaces
from embfilter_viz.evaluation.cosine_pairs import CosinePairs
from embfilter_viz.evaluation.pair_cosines import DECIMALS
from embfilter_viz.model import Model
from embfilter_viz.spectral.baselines import (
    RANDOM_SUBSPACES,
    MeanRemoval,
    random_orders,
    random_rotation,
)
from embfilter_viz.spectral.windows import Window
from embfilter_viz.system.progress import Progress, silent
from embfilter_viz.wording import counted, fixed, spanned

__all__ = ["CONTROLS", "MISTAKEN", "PairTexts", "Worth", "pairs_of", "worth"]

CONTROLS = ("raw", "filtered", RANDOM, "mean removed")
"""The filter and what it is held against."""

MISTAKEN = {
    "dominant": "only the strongest directions dropped, as many as the window drops in all",
    "truncation": "the first raw coordinates dropped, as many as the window drops in all",
}
"""What the filter is taken for at times: "remove the top k", "fewer numbers are enough"."""


@dataclass(frozen=True)
class Worth:
    """The scores of a window and its controls on pairs of texts that people graded."""

    window: Window
    """What the filter keeps."""
    scores: dict[str, Scored]
    """By the names in ``CONTROLS`` and ``MISTAKEN``; without the latter where nothing is dropped.
    Of the random subspaces mean, least and greatest."""
    measure: str
    """What the scores are."""
    source: str
    """Where the pairs come from, in words."""
    n_pairs: int
    """How many pairs."""
    reference: str
    """Which texts' mean one of the controls removes."""

    @property
    def beats_chance(self) -> bool:
        """Tell whether the window scores above every one of the random subspaces."""
        return self.scores["filtered"].score.value > self.scores[RANDOM].score.high

    @property
    def said(self) -> str:
        """Say how many pairs of what, in words."""
        return pairs_of(self.n_pairs, self.source)

    @property
    def sentence(self) -> str:
        """Tell whether the window helps, and whether its size or one direction would do."""
        raw, filtered, random, removed = (self.scores[name].score for name in CONTROLS)
        begin = f"on {self.said} that a person graded, "
        control = (
            f"Without the direction of the mean of {self.reference}, raw embeddings score "
            f"{fixed(removed.value, 1)}."
        )
        if self.window.drops_nothing:
            return f"{begin}raw embeddings score {fixed(raw.value, 1)}. The window {self.window} " \
                   f"drops nothing. {control}"  # fmt: skip
        where = "all below the filter" if self.beats_chance else "not all below the filter"
        return (
            f"{begin}raw embeddings score {fixed(raw.value, 1)}. Filtered embeddings score "
            f"{fixed(filtered.value, 1)}, which is "
            f"{compared(self.scores['filtered'].to_raw, 'raw')}. {RANDOM_SUBSPACES} random "
            f"subspaces of the same size score {fixed(random.value, 1)} "
            f"({spanned(random.low, random.high, 1)}), {where}. {control}"
        )

    @property
    def mistaken_sentence(self) -> str:
        """Say what one gets by dropping the strongest directions alone, or numbers alone."""
        if self.window.drops_nothing:
            return f"The window {self.window} drops nothing, so there is nothing to mistake it for."
        filtered, dominant, truncation, random = (
            self.scores[name].score.value for name in ("filtered", *MISTAKEN, RANDOM)
        )
        dropped = counted(self.window.d - self.window.k, "number")
        return (
            f"With {self.window.k} of {self.window.d} numbers kept, dropping both ends scores "
            f"{fixed(filtered, 1)}. Dropping only the strongest directions scores "
            f"{fixed(dominant, 1)}, dropping the first {dropped} of the raw embedding scores "
            f"{fixed(truncation, 1)}, and random subspaces score {fixed(random, 1)}."
        )

    def to_json(self) -> dict[str, Any]:
        """The report under its names on the command line."""
        return finite(
            {
                "window": [self.window.l, self.window.r],
                "measure": self.measure,
                "source": self.source,
                "n_pairs": self.n_pairs,
                "scores": {
                    name.replace(" ", "_"): asdict(one) for name, one in self.scores.items()
                },
                "n_subspaces": RANDOM_SUBSPACES,
                "beats_chance": self.beats_chance,
                "mean_removed_of": self.reference,
                "n_mean_removed_of": REFERENCE_TEXTS,
                "sentence": self.sentence,
                "mistaken_sentence": self.mistaken_sentence,
            }
        )  # fmt: skip


def pairs_of(n_pairs: int, source: str) -> str:
    """Say how many pairs of what, in words.

    >>> pairs_of(160, "our demo pairs"), pairs_of(20, "mine.csv")
    ('our 160 demo pairs', '20 pairs of mine.csv')
    """
    if source.startswith("our "):
        return f"our {n_pairs:,} {source.removeprefix('our ')}"
    return f"{counted(n_pairs, 'pair')} of {source}"


def worth(
    model: Model, task: CosinePairs, prompt: str, window: Window, *, progress: Progress = silent
) -> Worth:
    """Embed the pairs of a task and score a window beside its controls.

    Args:
        model: the opened model.
        task: pairs of texts and what people think of them.
        prompt: how texts are put to the model.
        window: what the filter keeps.
        progress: told of the work; may raise to stop.

    Returns:
        the scores of the window and its controls.
    """
    embeddings = model.encode(task.texts, prompt, progress=progress)
    reference = embedded_reference(model, task.texts, prompt, progress=progress)
    return PairTexts(model, task, embeddings, reference, progress=progress).report(window)


class PairTexts:
    """The texts of a task's pairs made ready to be scored under any window, as a slider asks.

    What no window changes is scored once. May be asked from several threads.

    Args:
        model: the opened model.
        task: pairs of texts and what people think of them.
        embeddings: (n, d_model) raw, of the task's texts.
        reference: embeddings of other texts, whose mean's direction one control removes.
        progress: told of the work; may raise to stop.
    """

    def __init__(
        self,
        model: Model,
        task: CosinePairs,
        embeddings: np.ndarray,
        reference: CalibrationRows,
        *,
        progress: Progress = silent,
    ) -> None:
        self.task, self._reference = task, reference.name
        self._embeddings = embeddings
        self.rows = embeddings.astype(np.float64) @ model.spectrum.V.astype(np.float64)
        """(n, d_model) the embeddings in the basis of the singular vectors."""
        d = self.rows.shape[1]
        rotated = Rotated(embeddings, random_rotation(d, 0), groups=2, progress=progress)
        self._random = RandomSubspaces(rotated, random_orders(d, 0))
        self.beside = BesideRaw(task, task.outcomes(embeddings))
        """Scores beside those of the raw embeddings."""
        removed = MeanRemoval().fit(reference.embeddings).transform(embeddings)
        self._removed = self.beside.one(task.outcomes(removed))
        self._last: Worth | None = None

    @property
    def nbytes(self) -> int:
        """Bytes held, the embeddings included."""
        return self._embeddings.nbytes + self.rows.nbytes + self._random.nbytes

    @property
    def said(self) -> str:
        """Say how many pairs of what, in words."""
        return pairs_of(self.task.n_units, self.task.source)

    def report(self, window: Window) -> Worth:
        """Return what ``window`` is worth.

        Raises:
            InputError: the window leaves nothing of a text.
        """
        last = self._last
        if last is None or last.window != window:
            last = self._last = self._report(window)
        return last

    def _report(self, window: Window) -> Worth:
        task, beside = self.task, self.beside
        found = dict.fromkeys(CONTROLS, beside.raw) | {"mean removed": self._removed}
        if not window.drops_nothing:
            last = Window(window.d - window.k, window.d, window.d)
            filtered, dominant = task.outcomes_of_windows(self.rows, [window, last])
            (truncated,) = task.outcomes_of_windows(self._embeddings, [last])
            found |= {
                "filtered": beside.one(filtered),
                RANDOM: beside.drawn(self._in_random(window.k)),
                "dominant": beside.one(dominant),
                "truncation": beside.one(truncated),
            }
        return Worth(
            window, found, task.measure, task.source, task.n_units, self._reference
        )  # fmt: skip

    def _in_random(self, k: int) -> np.ndarray:
        """Cosines of the pairs in random subspaces of k dimensions, (20, n_pairs)."""
        return self._random.cosines(k, self.task.first, self.task.second).round(DECIMALS)
