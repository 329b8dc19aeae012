"""Two runs whose difference is known before it is measured."""

import numpy as np
import pytest

from embfilter_viz.analyses.compare import Run, compare
from embfilter_viz.evaluation.sts import StsTask
from embfilter_viz.spectral.windows import Window
from tests.analyses.test_sweep import MODEL, D, made


class Embedded:
    """A model by hand that has its texts' embeddings."""

    name, d_model, spectrum = "by hand", D, MODEL.spectrum

    def __init__(self, E: np.ndarray) -> None:
        self.E = E

    def encode(self, texts: object, prompt: str, **more: object) -> np.ndarray:
        return self.E

    def spectrum_of_head(self, **more: object) -> object:
        return self.spectrum


def test_the_window_that_holds_the_signal_is_better_beyond_noise() -> None:
    task, E = made(signal=1.0)
    model = Embedded(E)
    raw, kept = Run(model, "mean", Window(0, D, D)), Run(model, "mean", Window(2, 6, D))  # type: ignore[arg-type]
    found = compare(raw, kept, task)
    assert found.difference.value == pytest.approx(
        task.score(E @ MODEL.spectrum.V[:, 2:6]) - task.score(E)
    )
    assert found.difference.low > 0
    assert (
        "so the second is better beyond noise; this is one comparison, not corrected for others "
        "that were tried on these data."
    ) in found.sentence
    back = compare(kept, raw, task)
    assert back.difference.value == pytest.approx(-found.difference.value)
    assert "the first is better beyond noise" in back.sentence


def test_a_run_and_itself_differ_by_nothing() -> None:
    task, E = made(signal=1.0)
    run = Run(Embedded(E), "mean", Window(2, 6, D))  # type: ignore[arg-type]
    found = compare(run, run, task)
    assert (found.difference.low, found.difference.value, found.difference.high) == (0, 0, 0)
    assert found.sentence.startswith("both are the same run, by hand, mean, window 2:6: it scores ")
    assert found.to_json()["first"] == found.to_json()["second"]


def test_too_few_pairs_of_a_grade_have_scores_and_no_verdict() -> None:
    pairs = [(f"a{i}", f"b{i}") for i in range(18)]
    task = StsTask.of_pairs(pairs, [0.0, 1.0] * 9, "by hand")
    model = Embedded(np.random.default_rng(0).normal(size=(36, D)))
    found = compare(Run(model, "mean", Window(0, D, D)), Run(model, "mean", Window(2, 6, D)), task)  # type: ignore[arg-type]
    assert not found.difference.known
    assert found.sentence.endswith(
        "; of 18 pairs only 9 have one of the two grades, too few for an interval: 10 of either "
        "are needed."
    )
    assert "noise" not in found.sentence
    assert found.to_json()["difference"]["low"] is None
