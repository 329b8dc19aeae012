"""A sweep over a model whose embeddings are made so that one window must win, or none."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest

from embfilter_viz.analyses.ablation import BASELINES
from embfilter_viz.analyses.calibration import Calibration
from embfilter_viz.analyses.sweep import Sweep, sweep, sweep_of
from embfilter_viz.embeddings.isotropy import Interval
from embfilter_viz.errors import Cancelled, InputError
from embfilter_viz.evaluation.grids import windows_of_plane
from embfilter_viz.evaluation.sts import StsTask
from embfilter_viz.evaluation.tasks import KINDS, read_task
from embfilter_viz.model import Model
from embfilter_viz.spectral.windows import Window
from tests.analyses.hand_made import HandModel

D = 8
MODEL = HandModel(np.diag(np.arange(D, 0, -1.0)))
PLANE = windows_of_plane(4, D)


def made(signal: float, n: int = 300) -> tuple[StsTask, np.ndarray]:
    """Pairs whose likeness stands in directions 2 … 5; the edges hold noise, and plenty."""
    rng = np.random.default_rng(0)
    grades = rng.uniform(0, 5, n)
    task = StsTask.of_pairs([(f"a{i}", f"b{i}") for i in range(n)], grades, "by hand")
    E = rng.normal(0, 2, size=(2 * n, D))
    E[task.second, 2:6] = E[task.first, 2:6] * signal + (
        rng.normal(0, 1, (n, 4)) * (5 - grades[:, None])
    )
    E[:, [0, 1, 6, 7]] *= 4
    return task, E


def swept(signal: float, windows: list[Window] = PLANE) -> Sweep:
    task, E = made(signal)
    return sweep_of(MODEL, task, "prompteol", windows, E, n_resamples=200)  # type: ignore[arg-type]


def test_the_window_that_must_win_is_found_and_said_to_be_better() -> None:
    found = swept(1.0)
    assert str(found.highest.window) == str(found.best.window) == "2:6"
    assert found.best.difference.low > 0
    assert found.highest.corrected.low > 0
    assert found.n_better >= 1
    assert "window 2:6 scores" in found.sentence
    assert re.search(r"The window is \d+\.\d better than raw \(95 % interval \+", found.sentence)
    assert "it is the paper's own window, τ = 2." in found.sentence


def test_where_no_window_helps_the_sentence_says_so() -> None:
    found = swept(0.0)
    assert "within noise of raw" in found.sentence
    assert found.n_better == 0
    assert "none of 10 windows is better than raw beyond noise, and none is worse" in found.sentence
    assert found.to_json()["best"]["beyond_noise_of_raw"] is False


def test_where_every_window_hurts_the_sentence_says_to_drop_nothing() -> None:
    """The likeness stands in all directions alike: each one dropped is a loss."""
    rng = np.random.default_rng(0)
    grades = rng.uniform(0, 5, 400)
    task = StsTask.of_pairs([(f"a{i}", f"b{i}") for i in range(400)], grades, "by hand")
    E = rng.normal(size=(800, D))
    E[task.second] = E[task.first] + rng.normal(0, 1, (400, D)) * (5 - grades[:, None]) / 2
    found = sweep_of(MODEL, task, "p", PLANE, E, n_resamples=200)  # type: ignore[arg-type]
    assert str(found.best.window) == "0:8"
    assert "the best is to drop nothing" in found.sentence
    assert re.search(r"better than τ = 2 \(95 % interval \+", found.sentence)
    assert (
        f"none of 10 windows is better than raw beyond noise, and {found.n_worse} are worse"
        in found.sentence
    )
    assert found.n_worse >= 5


def test_halves_choose_and_report_by_themselves() -> None:
    task, E = made(1.0)
    found = swept(1.0).best
    chosen_on, reported_on = task.chooses, ~task.chooses
    for half, side in ((found.chosen_on, chosen_on), (found.reported_on, reported_on)):
        alone = StsTask.of_pairs(
            [(f"a{i}", f"b{i}") for i in np.flatnonzero(side)], task.grades[side], "half"
        )
        rows = np.concatenate(
            [[a, b] for a, b in zip(task.first[side], task.second[side], strict=True)]
        )
        assert half.raw == pytest.approx(alone.score(E[rows]))
        assert half.score == pytest.approx(alone.score(E[rows][:, found.window.kept]))
        assert half.n_units == 150


def test_differences_are_paired_and_the_whole_spectrum_differs_from_raw_in_nothing() -> None:
    found = swept(1.0, [Window(0, D, D), Window(2, 6, D)])
    whole, middle = found.windows
    assert (whole.difference.low, whole.difference.high) == pytest.approx((0, 0), abs=1e-9)
    assert middle.difference.value == pytest.approx(middle.score.value - found.raw.value)
    alone = middle.difference.high - middle.difference.low
    assert middle.corrected.high - middle.corrected.low >= alone * 0.999
    assert found.windows[0].score.low < found.windows[0].score.value


def test_all_that_stands_on_the_page_is_corrected_together(tiny_model: Model) -> None:
    """τ = 2 is a window and stands among the alternatives: with one interval, not two."""
    pairs = "\n".join(f"a {i},b {i % 9},{i % 4}" for i in range(60))
    task = read_task("sts", f"sentence1,sentence2,score\n{pairs}".encode(), "data.csv")
    calibration = Calibration(tuple(f"the {i} of {i * i}" for i in range(40)), "forty texts")
    frequencies = tiny_model.frequencies("corpus", task.texts)
    windows = windows_of_plane(4, tiny_model.d_model)
    found = sweep(tiny_model, task, "mean", windows, frequencies=frequencies, n_resamples=100,
                  calibration=calibration)  # fmt: skip
    rows = {one.name: one for one in found.baselines}
    assert rows["embedfilter"].corrected == found.tau_2.corrected
    scored = [
        one for one in found.baselines if one.score and one.name not in ("raw", "embedfilter")
    ]
    assert found.n_compared == len(windows) + len(scored)
    E = tiny_model.encode(task.texts, "mean")
    alone = sweep_of(tiny_model, task, "mean", windows, E, n_resamples=100)
    assert alone.critical < found.critical
    assert f"corrected for all {found.n_compared} comparisons with raw." in found.sentence
    # The strip's own window is one more look: as wide as the sweep's.
    strip = sweep_of(tiny_model, task, "mean", [Window(3, 20, 32)], E, n_resamples=100,
                     at_least=found.critical).windows[0]  # fmt: skip
    wide, narrow = (one.high - one.low for one in (strip.corrected, strip.difference))
    assert wide > narrow


def test_a_sweep_of_one_window_has_chosen_nothing() -> None:
    good = swept(1.0, [Window(2, 6, D)]).sentence
    assert good.startswith("on all 300 pairs window 2:6 scores ")
    assert re.search(r"The window is \d+\.\d better than raw \(95 % interval \+\d", good)
    assert "corrected" not in good, "one window, which is τ = 2: one comparison"
    assert ", corrected for all 2 comparisons with raw." in swept(1.0, [Window(1, 8, D)]).sentence
    nothing = swept(1.0, [Window(0, D, D)]).sentence
    assert nothing.endswith("The window drops nothing.")
    for said in (good, nothing):
        assert "chosen" not in said
        assert "one half" not in said


def test_two_verdicts_that_seem_to_differ_are_told_apart() -> None:
    found = swept(1.0)
    won, lost = Interval(2.0, 0.5, 3.5), Interval(2.0, -0.5, 4.5)
    none = tuple(replace(one, corrected=lost) for one in found.windows)
    other = replace(found, windows=none, best=replace(found.best, difference=won))
    assert "2.0 better than raw" in other.sentence
    assert "none of 10 windows is better" in other.sentence
    assert "Both are true: the first is one comparison, on pairs that had no part" in other.sentence
    half = replace(found, best=replace(found.best, difference=lost))
    assert half.sentence.endswith(
        "Both are true: half of the pairs can show less than all of them."
    )
    assert "Both are true" not in found.sentence


def test_a_window_without_a_score_spoils_no_other() -> None:
    """Under the first direction alone every cosine is 1, and orders nothing."""
    task, E = made(1.0)
    E = np.concatenate([np.abs(E[:, :1]), E[:, 1:]], axis=1)
    blind, middle = Window(0, 1, D), Window(2, 6, D)
    found = sweep_of(MODEL, task, "p", [blind, middle], E, n_resamples=100)  # type: ignore[arg-type]
    assert np.isnan(found.windows[0].score.value)
    assert str(found.highest.window) == str(found.best.window) == "2:6"
    assert found.windows[1].corrected.low > 0
    assert found.to_json()["windows"][0]["score"] is None
    with pytest.raises(InputError, match="under each of them all cosines are the same"):
        sweep_of(MODEL, task, "p", [blind], E, n_resamples=100)  # type: ignore[arg-type]


def test_a_cancel_is_heard() -> None:
    def stop(what: str, done: float, total: float, unit: str) -> None:
        raise Cancelled

    task, E = made(1.0)
    with pytest.raises(Cancelled):
        sweep_of(MODEL, task, "p", PLANE, E, progress=stop)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_with_its_baselines_from_text_to_json(tiny_model: Model, kind: str) -> None:
    rows = {
        "sts": ["sentence1,sentence2,score", *(f"a {i},b {i % 5},{i % 4}" for i in range(12))],
        "pairs": ["sentence1,sentence2,score", *(f"a {i},b {i % 5},{i % 2}" for i in range(12))],
        "retrieval": ["query,passage,relevance", *(f"q {i},p {i},{1 + i % 2}" for i in range(12))],
        "classification": ["text,label", *(f"t {i},{'ab'[i % 2]}" for i in range(12))],
        "clustering": ["text,label", *(f"t {i},{'ab'[i % 2]}" for i in range(12))],
    }[kind]
    task = read_task(kind, "\n".join(rows).encode(), "data.csv")
    windows = [Window.of_tau(tau, tiny_model.d_model) for tau in (1, 4)]
    frequencies = tiny_model.frequencies("corpus", task.texts)
    found = sweep(
        tiny_model, task, "mean", windows, frequencies=frequencies, n_resamples=50,
        calibration=Calibration(tuple(f"the {i} of {i * i}" for i in range(40)), "forty texts"),
    )  # fmt: skip
    said = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert [(w["l"], w["r"]) for w in said["windows"]] == [(w.l, w.r) for w in windows]
    assert said["windows"][0]["score"] == pytest.approx(said["raw"], abs=0.5)
    refused = kind == "pairs"  # six of either kind: too few for an interval
    assert (said["no_interval"] is not None) == refused
    for one in said["windows"]:
        if refused:
            assert one["low"] is one["high"] is None
            assert "too few for an interval" in said["sentence"]
            assert "noise" not in said["sentence"]
        else:
            assert one["low"] <= one["score"] <= one["high"]
    assert set(said["baselines"]) == {"raw", "embedfilter", *BASELINES}
    details = {one["name"]: one for one in said["baseline_details"]}
    assert details["whitening"]["calibration"] == "forty texts"
    assert details["truncation"]["calibration"] is None
    low, high = details["random subspace"]["spread"]
    assert low <= said["baselines"]["random subspace"] <= high
    assert {one["dims"] for name, one in details.items() if name in
            ("dominant", "bulk", "optimal", "truncation", "whitening")} == {16}  # fmt: skip
    assert said["paper"]["scores"]["whitening"] > 0


def test_a_baseline_that_cannot_be_made_says_why(tiny_model: Model) -> None:
    pairs = "\n".join(f"a {i},b {i % 5},{i % 4}" for i in range(12))
    task = read_task("sts", f"sentence1,sentence2,score\n{pairs}".encode(), "data.csv")
    few = Calibration(("one text", "another text", "a third"), "three texts")
    found = sweep(tiny_model, task, "mean", [Window(0, 8, 32)], calibration=few, n_resamples=50,
                  frequencies=tiny_model.frequencies("corpus", task.texts))  # fmt: skip
    white = next(one for one in found.baselines if one.name == "whitening")
    assert white.score is None
    assert "whitening to 16 dimensions needs calibration texts" in (white.refusal or "")
    assert found.to_json()["baselines"]["whitening"] is None
