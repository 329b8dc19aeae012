"""What a window is worth: by the definitions, resample by resample, and what it says of itself."""

from dataclasses import replace

import numpy as np
import pytest

from embfilter_viz.analyses.by_eye import ByEye, Tried, WindowsByEye
from embfilter_viz.analyses.calibration import embedded_reference, reference_for
from embfilter_viz.analyses.forms import distances_kept
from embfilter_viz.analyses.geometry import RANDOM
from embfilter_viz.analyses.worth import CONTROLS, MISTAKEN, PairTexts, worth
from embfilter_viz.embeddings.interval import Interval
from embfilter_viz.errors import InputError
from embfilter_viz.evaluation.sts import StsTask
from embfilter_viz.model import Model
from embfilter_viz.spectral.baselines import RandomSubspace
from embfilter_viz.spectral.filters import BandFilter, EmbedFilter
from embfilter_viz.spectral.windows import Window
from tests.models.tiny_checkpoints import one_thread

__all__ = ["one_thread"]

TEXTS = ["the cat sat", "a dog sat", "the mat", "a cat", "the dog on the mat", "cats and dogs"]
TASK = StsTask.of_pairs(
    [(a, b) for i, a in enumerate(TEXTS) for b in TEXTS[:i]],
    [float((i * 7 + j * 3) % 5) for i in range(6) for j in range(i)],
    "by hand",
)
WINDOW = Window(5, 21, 32)


def test_each_score_is_that_of_the_embeddings_it_names(tiny_model: Model) -> None:
    found = worth(tiny_model, TASK, "mean", WINDOW)
    E, spectrum, k = tiny_model.encode(TASK.texts, "mean"), tiny_model.spectrum, WINDOW.k
    mean = tiny_model.encode(reference_for(TASK.texts).texts, "mean").mean(axis=0, dtype=float)
    unit = mean / np.linalg.norm(mean)
    embeddings = {
        "raw": [E],
        "filtered": [EmbedFilter(spectrum, window=WINDOW).transform(E)],
        RANDOM: [RandomSubspace(k=k, seed=seed).transform(E) for seed in range(20)],
        "mean removed": [E - np.outer(E @ unit, unit)],
        "dominant": [BandFilter(spectrum, "dominant", k=k).transform(E)],
        "truncation": [E[:, -k:]],
    }
    assert set(embeddings) == {*CONTROLS, *MISTAKEN} == set(found.scores)
    raw = TASK.score(E)
    for name, made in embeddings.items():
        scores, one = [TASK.score(each) for each in made], found.scores[name]
        assert one.score.value == pytest.approx(np.mean(scores), abs=0.3), name
        assert one.to_raw.value == pytest.approx(one.score.value - raw, abs=0.3)
        if name == RANDOM:
            assert (one.score.low, one.score.high) == pytest.approx(
                (min(scores), max(scores)), abs=0.5
            )
    assert found.said == "15 pairs of by hand"
    assert "15 pairs of by hand that a person graded" in found.sentence


def test_intervals_are_those_of_the_same_resamples(tiny_model: Model) -> None:
    found = worth(tiny_model, TASK, "mean", WINDOW).scores["filtered"]
    E, how = tiny_model.encode(TASK.texts, "mean"), TASK.resamples()
    both = np.stack(
        [TASK.outcomes(EmbedFilter(tiny_model.spectrum, window=WINDOW).transform(E)),
         TASK.outcomes(E)]
    )  # fmt: skip
    again = TASK.scores(both, how.counts)
    gaps = again[0] - again[1]
    assert found.to_raw.low < found.to_raw.value < found.to_raw.high
    inside = (found.to_raw.low <= gaps) & (gaps <= found.to_raw.high)
    assert inside.mean() > 0.9


def test_a_window_that_drops_nothing_is_raw(tiny_model: Model) -> None:
    found = worth(tiny_model, TASK, "mean", Window(0, 32, 32))
    assert found.scores["filtered"] == found.scores["raw"]
    assert set(found.scores) == set(CONTROLS)
    assert "drops nothing" in found.sentence
    assert "nothing to mistake it for" in found.mistaken_sentence


def test_a_window_chosen_by_two_sentences(tiny_model: Model) -> None:
    E = tiny_model.encode(TASK.texts, "mean")
    reference = embedded_reference(tiny_model, TASK.texts, "mean")
    ready = PairTexts(tiny_model, TASK, E, reference)
    two = tiny_model.encode(["a galaxy", "the market index"], "mean") @ tiny_model.spectrum.V
    made = WindowsByEye(two, ready)
    found = made.report(WINDOW)
    assert found.chosen.score == pytest.approx(ready.report(WINDOW).scores["filtered"].score.value)

    def cosine(window: Window) -> float:
        a, b = two[:, window.kept].astype(float)
        return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))

    assert found.chosen.cosine == pytest.approx(cosine(WINDOW))
    assert len(found.grid) == 20 * 21 / 2
    for one in found.grid[::30]:
        assert one.cosine == pytest.approx(cosine(one.window), abs=1e-6)
        assert one.score == pytest.approx(ready.report(one.window).scores["filtered"].score.value)
    assert found.parts_most.cosine == min(one.cosine for one in found.grid)
    assert found.scores_most.score == max(one.score for one in found.grid)
    assert found.raw.window.drops_nothing
    assert str(found.tau_2.window) == "8:24"
    assert found.gap.value == pytest.approx(found.parts_most.score - found.tau_2.score)
    assert found.gap.low < found.gap.value < found.gap.high
    assert found.overfits == (found.gap.high < 0)


@pytest.mark.parametrize(
    ("gap", "words"),
    [
        (Interval(-9, -12, -6), "This is overfitting"),
        (Interval(1, -2, 4), "no better for others than a window that nobody"),
        (Interval(9, 6, 12), "better for others too"),
    ],
)
def test_what_is_said_of_a_choice_by_eye(gap: Interval, words: str) -> None:
    one, two, raw = (
        Tried(Window(*ends, 32), cosine, 60.0)
        for ends, cosine in (((5, 21), 0.4), ((8, 24), 0.5), ((0, 32), 0.8))
    )
    found = ByEye(one, raw, two, replace(one, score=60 + gap.value), two, (one, two), 0.0, gap, "x")
    assert words in found.sentence
    assert found.overfits == (gap.high < 0)


def test_distances_by_hand() -> None:
    rows = np.array([[0.0, 0, 0], [3, 4, 0], [0, 0, 2]])
    found = distances_kept(rows, np.array([0, 0]), np.array([1, 2]), Window(1, 3, 3))
    assert found.share.value == pytest.approx((0.8 + 1) / 2)
    assert "90% of the raw one on average" in found.sentence
    assert "drops nothing" in distances_kept(
        rows, np.array([0]), np.array([1]), Window(0, 3, 3)
    ).sentence  # fmt: skip
    with pytest.raises(InputError, match="embeddings are equal"):
        distances_kept(rows, np.array([1]), np.array([1]), Window(1, 3, 3))
