"""All that Start and the lesson say of one model, prompt, window and pair of sentences."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from embfilter_viz.analyses import lesson_seen as seen
from embfilter_viz.analyses.alike import Alike, AlikeTexts
from embfilter_viz.analyses.by_eye import ByEye, WindowsByEye
from embfilter_viz.analyses.calibration import embedded_reference
from embfilter_viz.analyses.finite import finite
from embfilter_viz.analyses.forms import DistancesKept, distances_kept
from embfilter_viz.analyses.pair import Pair, TextPair
from embfilter_viz.analyses.reference import ReferenceTexts, reference_of
from embfilter_viz.analyses.spectroscopy import Spectroscopy, spectroscopy
from embfilter_viz.analyses.spectrum import SpectrumReport, describe_spectrum
from embfilter_viz.analyses.worth import PairTexts, Worth
from embfilter_viz.errors import InputError
from embfilter_viz.evaluation.cosine_pairs import CosinePairs
from embfilter_viz.evaluation.tasks import demo_task
from embfilter_viz.model import Model
from embfilter_viz.spectral.windows import Window
from embfilter_viz.system.progress import Progress, silent

__all__ = ["Lesson", "held_out_pairs", "lesson"]


@dataclass(frozen=True, eq=False)
class Lesson:
    """One model's answers to the seven steps."""

    prompt: str
    """How the texts were put to the model."""
    texts: tuple[str, str]
    """The two sentences."""
    window: Window
    """What the filter keeps."""
    pair: Pair
    """Where the cosine of the two comes from (steps 1 and 5)."""
    others: ReferenceTexts
    """The texts that the two are compared with."""
    alike: Alike
    """What the two decode to (step 2)."""
    spectrum: SpectrumReport
    """What the head is made of (step 3)."""
    shifts: Spectroscopy
    """Which directions carry frequent tokens (step 4)."""
    by_eye: ByEye
    """The window among others that part the two (step 6)."""
    worth: Worth
    """What it is worth beside its controls (step 7)."""
    distances: DistancesKept
    """What it does to distances (step 7)."""

    @property
    def answers(self) -> tuple[float | str, ...]:
        """(7,) what is right, step by step: numbers in the unit of the guess, or its name."""
        ratio = self.spectrum.spectrum.condition_number
        return (
            self.pair.cosine["raw"], self.alike.common[0], ratio, self.shifts.edge_to_bulk.verdict,
            100 * seen.ends_share(self.pair), self.by_eye.chosen.score,
            seen.most_of_controls(self.worth),
        )  # fmt: skip

    @property
    def seen(self) -> tuple[str, ...]:
        """(7,) what should be seen at each step on this model, in words."""
        return (
            seen.of_two(self.pair, self.others.median),
            seen.of_tokens(self.alike),
            seen.of_spectrum(self.spectrum),
            seen.of_shifts(self.shifts),
            seen.of_anatomy(self.pair),
            self.by_eye.sentence,
            seen.of_controls(self.worth),
        )

    def to_json(self) -> dict[str, Any]:
        """The record under its names on the command line."""
        share = seen.ends_share(self.pair)
        return {
            "prompt": self.prompt,
            "texts": list(self.texts),
            "window": [self.window.l, self.window.r],
            "answers": list(self.answers),
            "seen": list(self.seen),
            "median_cosine": self.others.median,
            "ends_share": share,
            "pair": self.pair.to_json(),
            "alike": self.alike.to_json(),
            "spectrum": _spectrum(self.spectrum),
            "edge_to_bulk": finite(asdict(self.shifts.edge_to_bulk)),
            "by_eye": self.by_eye.to_json(),
            "worth": self.worth.to_json(),
            "distances": self.distances.to_json(),
        }


def _spectrum(found: SpectrumReport) -> dict[str, Any]:
    """The ends of the spectrum and their ratio; ``spectrum MODEL --json`` has all of it."""
    values = found.spectrum.singular_values
    return finite(
        {
            "d_model": len(values),
            "first": float(values[0]),
            "last": float(values[-1]),
            "energy_of_first": float(values[0] ** 2 / np.sum(values**2)),
            "condition_number": found.spectrum.condition_number,
        }
    )


def held_out_pairs() -> CosinePairs:
    """The pairs that no window of the lesson is chosen on: our 160 graded ones."""
    task = demo_task("sts")
    assert isinstance(task, CosinePairs)
    return task


def lesson(
    model: Model,
    texts: Sequence[str],
    prompt: str,
    window: Window,
    *,
    random: bool = True,
    progress: Progress = silent,
) -> Lesson:
    """Embed what is needed and answer all steps.

    Args:
        model: the opened model.
        texts: two.
        prompt: how texts are put to the model.
        window: what the filter keeps.
        random: whether to decode the two in random subspaces as well.
        progress: told of the work; may raise to stop.

    Returns:
        the answers of all steps with what they are read from.

    Raises:
        InputError: not two texts, an empty one, or an unknown prompt.
    """
    if len(texts) != 2:
        raise InputError(
            f"texts: the lesson is about two sentences, and {len(texts)} were given; give two"
        )
    two = texts[0], texts[1]
    embeddings = model.encode(two, prompt, progress=progress)
    others = reference_of("demo").without(two)
    ready = ReferenceTexts(
        model, others, model.encode(others.texts, prompt, progress=progress), progress=progress
    )
    frequencies = model.frequencies(model.default_frequencies, progress=progress)
    task = held_out_pairs()
    pairs = PairTexts(
        model, task, model.encode(task.texts, prompt, progress=progress),
        embedded_reference(model, task.texts, prompt, progress=progress), progress=progress,
    )  # fmt: skip
    alike = AlikeTexts(model, embeddings, frequencies)
    rows = embeddings.astype(np.float64) @ model.spectrum.V.astype(np.float64)
    return Lesson(
        prompt,
        two,
        window,
        TextPair(model, embeddings, ready, frequencies).report(window),
        ready,
        alike.report(window, random=alike.random(window.k) if random else None),
        describe_spectrum(model, progress=progress),
        spectroscopy(model, frequencies, progress=progress),
        WindowsByEye(rows, pairs).report(window),
        pairs.report(window),
        distances_kept(pairs.rows, task.first, task.second, window),
    )
