"""The lesson's answers: those of the analyses they come from, and effects that are absent."""

import json
from dataclasses import replace

import numpy as np
import pytest

from embfilter_viz.analyses import lesson_seen as seen
from embfilter_viz.analyses.lesson import Lesson, held_out_pairs, lesson
from embfilter_viz.analyses.lesson_steps import STEPS, Choice, Number
from embfilter_viz.data import UNRELATED_PAIR
from embfilter_viz.embeddings.interval import Interval
from embfilter_viz.errors import InputError
from embfilter_viz.model import Model, open_model
from embfilter_viz.spectral.windows import Window
from tests.models.tiny_checkpoints import one_thread

__all__ = ["one_thread"]

WINDOW = Window(8, 24, 32)


@pytest.fixture(scope="module")
def found(tiny: object, tmp_path_factory: pytest.TempPathFactory) -> Lesson:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EMBFILTER_VIZ_CACHE", str(tmp_path_factory.mktemp("lesson")))
        return lesson(open_model(str(tiny)), UNRELATED_PAIR, "mean", WINDOW)


def test_each_answer_is_of_the_kind_that_is_guessed(found: Lesson) -> None:
    assert len(found.answers) == len(found.seen) == len(STEPS) == 7
    for step, answer in zip(STEPS, found.answers, strict=True):
        if isinstance(step.guess, Choice):
            assert answer in step.guess.answers
        else:
            assert isinstance(step.guess, Number)
            assert np.isfinite(float(answer))


def test_the_answers_are_those_of_the_definitions(found: Lesson, tiny: object) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EMBFILTER_VIZ_CACHE", str(tiny) + "-cache")
        model = open_model(str(tiny))
        a, b = model.encode(UNRELATED_PAIR, "mean").astype(float)
        task = held_out_pairs()
        E = model.encode(task.texts, "mean")
    cosine = a @ b / np.linalg.norm(a) / np.linalg.norm(b)
    assert found.answers[0] == pytest.approx(cosine, abs=1e-5)
    sigma = np.linalg.svd(model.unembedding.W_U, compute_uv=False)
    assert found.answers[2] == pytest.approx(sigma[0] / sigma[-1], rel=1e-3)
    kept = E @ model.spectrum.V[:, 8:24]
    assert found.answers[5] == pytest.approx(task.score(kept), abs=1e-3)
    bands = found.pair.anatomy.bands
    ends = bands[0].mean.value + bands[-1].mean.value
    assert found.answers[4] == pytest.approx(100 * ends / sum(band.mean.value for band in bands))


def test_the_record_is_json(found: Lesson) -> None:
    said = json.loads(json.dumps(found.to_json()))
    assert said["answers"][0] == found.pair.cosine["raw"]
    assert said["seen"][6].startswith("on our 160 demo pairs")


def test_effects_that_are_absent_are_said_to_be(found: Lesson) -> None:
    assert "do not look very alike" in seen.of_two(found.pair, 0.1)
    assert "they look alike" in seen.of_two(found.pair, 0.9)
    few = replace(found.alike, frequent_raw=0.1)
    assert "little for the filter to take out" in seen.of_tokens(few)
    left = replace(found.alike, frequent_raw=0.9, frequent_filtered=0.8)
    assert "leaves most of the frequent tokens" in seen.of_tokens(left)
    out = replace(found.alike, frequent_raw=0.9, frequent_filtered=0.1)
    assert "tokens that any text would say" in seen.of_tokens(out)
    scores = dict(found.worth.scores)
    raw = scores["raw"].score.value
    scores["filtered"] = replace(
        scores["filtered"], score=Interval(raw - 9, raw - 10, raw - 8), to_raw=Interval(-9, -10, -8)
    )
    assert "does not help beyond noise" in seen.of_controls(replace(found.worth, scores=scores))
    scores["filtered"] = replace(
        scores["filtered"], score=Interval(99, 98, 100), to_raw=Interval(50, 49, 51)
    )
    better = replace(found.worth, scores=scores)
    assert "none of its controls scores as much" in seen.of_controls(better)
    assert seen.most_of_controls(better) == "filtered"


def test_two_sentences_are_needed(tiny_model: Model) -> None:
    with pytest.raises(InputError, match="1 were given"):
        lesson(tiny_model, ["one"], "mean", WINDOW)


@pytest.mark.real_model
def test_on_the_bundled_model(bundled: Model) -> None:
    found = lesson(bundled, UNRELATED_PAIR, "mean", Window.of_tau(2, 576), random=False)
    assert found.answers[3] == "both", "the U of the paper"
    assert found.answers[4] == pytest.approx(70, abs=2), "seven tenths (method.md, section 10)"
    assert found.answers[6] == "filtered"
    assert found.worth.scores["filtered"].to_raw.low > 0
    assert found.worth.beats_chance
