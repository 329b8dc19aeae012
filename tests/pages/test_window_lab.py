"""The Window laboratory and Compare: what they show is what the library computes."""

import json
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from embfilter_viz.analyses.compare import Run, TrainedRun, compare
from embfilter_viz.analyses.leaderboard import leaderboard
from embfilter_viz.analyses.sweep import sweep, sweep_of
from embfilter_viz.evaluation.tasks import demo_task, read_task
from embfilter_viz.model import open_model
from embfilter_viz.spectral.windows import Window
from embfilter_viz.ui import lab
from embfilter_viz.ui.history import Tried, tried_of_json
from embfilter_viz.wording import decimals, spanned
from embfilter_viz.yardstick import open_yardstick
from tests.models.tiny_embedders import embedder
from tests.pages.explorer import Explorer, as_read

PAIRS = "gold;one;two;id\n" + "".join(
    f"{i % 6};A cat has {i} toys.;{'A cat has' if i % 6 > 2 else 'The bank lends'} {i};{i}\n"
    for i in range(36)
)


def test_the_sweep_on_the_page_is_the_librarys(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # As measured on the page, over an index of a size that takes no time.
    monkeypatch.setattr(lab, "search_cost", partial(lab.search_cost, n_vectors=500))
    explorer = Explorer("window_lab", model=str(tiny), windows="τ curve")
    assert explorer.errors == []
    explorer.press("Score")
    assert explorer.errors == []
    assert explorer.figures == {"sweep_chart", "ablation_chart", "proposal_chart"}
    model, task = open_model(str(tiny)), demo_task("sts")
    found = sweep(model, task, "prompteol", lab.windows_of("τ curve", task, model))
    assert explorer.answers[0] == found.sentence
    values = [metric.value for metric in explorer.at.metric]
    assert values[0] == f"{found.tau_2.score.value:.1f}", "the strip stands at τ = 2"
    assert values[2] == f"{found.highest.score.value:.1f}"
    compile(explorer.python, "window_lab", "exec")

    # The window goes to the strip, is scored there and can be kept.
    (use,) = [button for button in explorer.at.button if button.key == "use-highest"]
    if found.highest.window != found.tau_2.window:
        use.click()
        explorer.settle()
    assert explorer.window == str(found.highest.window)
    assert explorer.at.metric[0].value == f"{found.highest.score.value:.1f}"
    # Its interval is one more look at the same data, and as long as those of the sweep.
    E = model.encode(task.texts, "prompteol")
    strip = sweep_of(
        model, task, "prompteol", [found.highest.window], E, at_least=found.critical
    ).windows[0]
    low, high = strip.corrected.low, strip.corrected.high
    ends = spanned(low, high, decimals([low, high], 1), sign=True)
    verdict = (
        "within noise of raw" if strip.corrected.low <= 0 <= strip.corrected.high else "beyond"
    )
    assert (
        f"{ends} (95 % interval for all {found.n_compared} comparisons of the sweep): {verdict}"
        in (explorer.words)
    )
    explorer.press("Keep")
    kept = [run["window"] for run in explorer.parts["history"]["add"]]
    # What the browser is given is what it may give back.
    read = tried_of_json(json.dumps(explorer.parts["history"]["add"]))
    assert [(run.prompt, run.window) for run in read] == [("prompteol", one) for one in kept[::-1]]
    assert str(found.highest.window) in kept
    saved = [button.proto.label for button in explorer.at.get("download_button")]
    assert saved == ["Filter file", "FAISS transform", "Lines of NumPy"]
    explorer.press("Make a report")
    assert "Report" in [button.proto.label for button in explorer.at.get("download_button")]
    explorer.press("Measure search")
    assert "times as fast" in explorer.answers[-1]


def test_the_methods_on_the_page_are_the_librarys(tiny: Path) -> None:
    explorer = Explorer("window_lab", model=str(tiny), windows="τ curve")
    explorer.press("Rank 25 methods with window 8:24")
    assert explorer.errors == []
    model, task = open_model(str(tiny)), demo_task("sts")
    found = leaderboard(model, task, "prompteol")
    assert found.sentence in explorer.answers
    explorer.change("method", "z-score")
    assert explorer.errors == []
    assert "leaderboard_chart" in explorer.figures
    assert "weights_chart" not in explorer.figures
    place = found.place("z-score")
    assert place.score is not None
    assert f") leaves 32 numbers and scores {place.score.value:.1f}: " in explorer.words
    assert f"It learnt from {found.calibration}." in explorer.words
    saved = [button.proto.label for button in explorer.at.get("download_button")]
    files = ("Filter file", "FAISS transform", "Lines of NumPy")
    assert {f"{one} of z-score" for one in files} <= set(saved)
    assert "Write a folder of z-score for sentence-transformers" in [
        as_read(button.label) for button in explorer.at.button
    ]
    explorer.change("method", "reweighting")
    assert "weights_chart" in explorer.figures
    explorer.change("method", "embedfilter")
    labels = [button.proto.label for button in explorer.at.get("download_button")]
    assert "Filter file" in labels
    assert not [label for label in labels if label.endswith("of embedfilter")]


def test_of_mistral_the_papers_own_windows_are_tried() -> None:
    task = demo_task("sts")
    model: Any = SimpleNamespace(d_model=4096, card=SimpleNamespace(family="Mistral"))
    for kind in ("plane", "τ curve"):
        windows = [str(window) for window in lab.windows_of(kind, task, model)]
        assert windows[-3:] == ["128:2176", "128:1152", "128:640"]
        assert len(set(windows)) == len(windows)
        model.card.family = "Llama"
        assert [str(one) for one in lab.windows_of(kind, task, model)] == windows[:-3]
        model.card.family = "Mistral"


def test_a_file_is_scored_once_its_columns_are_agreed_on(tiny: Path) -> None:
    explorer = Explorer("window_lab", model=str(tiny), data="your file", windows="τ curve")
    explorer.control("task_file").upload("pairs.csv", PAIRS.encode(), "text/csv")
    explorer.settle()
    columns = {box.label: box.value for box in explorer.at.selectbox if "column" in box.label}
    assert columns == {"Sentence1 column": "one", "Sentence2 column": "two", "Score column": "gold"}
    assert not [button for button in explorer.at.button if button.label.startswith("Score ")]
    explorer.press("Use these columns")
    task = read_task("sts", PAIRS.encode(), "pairs.csv",
                     columns={"sentence1": "one", "sentence2": "two", "score": "gold"})  # fmt: skip
    assert task.describe() in explorer.words
    explorer.press("Score 8")
    assert explorer.errors == []
    assert "of 36 pairs" in explorer.answers[0]


def test_two_grades_of_few_pairs_have_scores_and_no_interval(tiny: Path) -> None:
    explorer = Explorer("window_lab", model=str(tiny), data="your file", windows="τ curve")
    rows = "".join(f"A cat {i},A dog {i % 7},{i % 2}\n" for i in range(18))
    data = f"sentence1,sentence2,score\n{rows}".encode()
    explorer.control("task_file").upload("pairs.csv", data, "text/csv")
    explorer.settle().press("Use these columns").press("Score 8")
    assert explorer.errors == []
    assert "of 9 pairs only 4 have one of the two grades, too few" in explorer.answers[0]
    assert "There are no intervals: of 18 pairs only 9" in explorer.words
    assert "noise" not in explorer.answers[0]
    assert all(run["low"] is None for run in explorer.parts["history"]["add"])


def test_a_file_that_is_no_task_is_answered_in_one_line(tiny: Path) -> None:
    explorer = Explorer("window_lab", model=str(tiny), data="your file")
    explorer.control("task_file").upload("pairs.csv", b"one,two,gold\na,b,high\n", "text/csv")
    explorer.settle().press("Use these columns")
    (line,) = explorer.errors
    assert "row 2 has 'high' as score, not a number" in line


def test_two_runs_are_compared_as_the_library_does(tiny: Path) -> None:
    second = f"{tiny} · mean · 2:30"
    explorer = Explorer("compare", model=str(tiny), second=second)
    explorer.press("Score both")
    assert explorer.errors == []
    model = open_model(str(tiny))
    found = compare(
        Run(model, "prompteol", Window(0, 32, 32)),
        Run(model, "mean", Window(2, 30, 32)),
        demo_task("sts"),
    )
    assert explorer.answers == [found.sentence]
    assert explorer.figures == {"comparison_chart"}
    assert explorer.at.query_params["second"] == second
    explorer.change("second", "nonsense")
    assert "model · prompt · window" in explorer.errors[0]


def test_a_run_is_compared_with_a_model_trained_for_embeddings(tiny: Path, tmp_path: Path) -> None:
    trained = embedder(tmp_path)
    second = f"trained · {trained}"
    explorer = Explorer("compare", model=str(tiny), second=second)
    explorer.press("Score both")
    assert explorer.errors == []
    model = open_model(str(tiny))
    found = compare(
        Run(model, "prompteol", Window(0, 32, 32)),
        TrainedRun(open_yardstick(str(trained))),
        demo_task("sts"),
    )
    assert explorer.answers == [found.sentence]
    assert explorer.command.endswith(f"--run {tiny} prompteol 0:32 --yardstick {trained}")
    shown: dict[str, object] = {}
    exec(explorer.python, shown)
    assert shown["found"].sentence == found.sentence  # type: ignore[attr-defined]
    explorer.change("second", f"trained · {tiny}")
    assert "no modules.json" in explorer.errors[0]


def test_a_strangers_storage_is_read_with_care() -> None:
    good = {
        "model": "m", "prompt": "mean", "window": "1:2", "task": "sts", "data": "demo",
        "score": 1.0, "low": 0.5, "high": 1.5, "raw": 0.9, "units": 3,
    }  # fmt: skip
    bare = {**good, "low": None, "high": None}  # of too few units for an interval
    assert tried_of_json(json.dumps([bare])) == [Tried(**bare)]
    bad = [
        {**good, "score": "x"},
        {**good, "low": None},
        {**good, "raw": float("nan")},
        {**good, "model": "m" * 5000},
        [],
    ]
    assert tried_of_json(json.dumps([good, *bad])) == [Tried(**good)]


def test_the_demo_sets_of_other_languages_are_offered_by_their_names(tiny: Path) -> None:
    explorer = Explorer("window_lab", model=str(tiny), windows="τ curve", data="demo-zh")
    assert "over 72 pairs of our Chinese demo pairs" in explorer.words
    assert " demo-zh --task sts" in explorer.command
    explorer.change("data", "demo-hi").change("task", "classification")
    assert "over 60 texts of our Hindi demo texts" in explorer.words
    explorer.change("task", "retrieval")
    (error,) = explorer.errors
    assert error.startswith("demo-hi: has nothing for the task retrieval; take one of sts")


def test_geometry_offers_them_too(tiny: Path) -> None:
    explorer = Explorer("geometry", model=str(tiny), texts="demo-ru")
    assert "60 Russian texts in 6 topics" in explorer.words
    if explorer.at.button[0].label.startswith("Embed"):
        explorer.press("Embed 60 texts")
    assert "demo-ru --prompt" in explorer.command
    explorer.change("texts", "demo texts")
    assert "320 English texts in 10 topics" in explorer.words
