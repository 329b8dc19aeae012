"""English windows in other languages: the numbers are the library's own, and so is their mean."""

from pathlib import Path

import numpy as np
import pytest

from embfilter_viz.analyses.languages import CONTRASTS, WINDOWS, LanguagesReport, languages
from embfilter_viz.analyses.propose import propose_window
from embfilter_viz.analyses.sweep import sweep_of
from embfilter_viz.data import demo_texts
from embfilter_viz.embeddings.interval import Interval
from embfilter_viz.errors import InputError
from embfilter_viz.evaluation.grids import windows_of_plane
from embfilter_viz.evaluation.tasks import demo_task
from embfilter_viz.model import Model, open_model
from embfilter_viz.spectral.windows import Window


@pytest.fixture(autouse=True)
def short_lists(monkeypatch: pytest.MonkeyPatch) -> None:
    import wordfreq

    lists = {"en": {"the": 0.05, "cat": 0.01}, "hi": {"के": 0.05}, "id": {"yang": 0.03}}
    monkeypatch.setattr(wordfreq, "get_frequency_dict", lambda code, **_: lists[code])


@pytest.fixture(scope="module")
def asked() -> dict[str, object]:
    return {}


@pytest.fixture
def model(tiny: Path, asked: dict[str, object]) -> Model:
    if "model" not in asked:
        asked["model"] = open_model(str(tiny))
    return asked["model"]  # type: ignore[return-value]


@pytest.fixture
def report(model: Model, asked: dict[str, object]) -> LanguagesReport:
    if "report" not in asked:
        asked["report"] = languages(model, "mean", ["en", "hi", "id"])
    return asked["report"]  # type: ignore[return-value]


def test_scores_and_differences_are_those_of_a_sweep(model: Model, report: LanguagesReport) -> None:
    for row in report.rows:
        task = demo_task("sts", row.language)
        E = model.encode(task.texts, "mean")
        swept = sweep_of(model, task, "mean", list(row.windows.values()), E)
        by_window = {one.window: one for one in swept.windows}
        assert row.raw.value == pytest.approx(swept.raw.value)
        assert row.n_pairs == task.n_units
        for name, window in row.windows.items():
            one = by_window[window]
            assert row.scores[name] == pytest.approx(one.score.value)
            assert row.to_raw[name].value == pytest.approx(one.corrected.value)
            assert row.to_raw[name].low <= row.to_raw[name].value <= row.to_raw[name].high


def test_windows_are_where_their_names_say(model: Model, report: LanguagesReport) -> None:
    english, hindi, _ = report.rows
    d = model.d_model
    assert list(hindi.windows) == list(WINDOWS)
    assert set(WINDOWS) - set(english.windows) == {"english-pairs"}
    assert hindi.windows["strong-half"] == Window(0, d // 2, d)
    assert hindi.windows["weak-half"] == Window(d // 2, d, d)
    texts = demo_texts("en").texts
    assert hindi.windows["english-texts"] == propose_window(model, texts, "mean").window
    assert hindi.windows["own-words"] == propose_window(model, language="hi").window
    assert english.windows["own-words"] == english.windows["english-words"]
    task = demo_task("sts")
    E = model.encode(task.texts, "mean")
    swept = sweep_of(model, task, "mean", windows_of_plane(20, d), E)
    best = max(one.score.value for one in swept.windows if one.window != swept.tau_2.window)
    chosen = {one.window: one.score.value for one in swept.windows}[hindi.windows["english-pairs"]]
    assert chosen >= best - 1e-9


def test_the_mean_is_over_all_but_english_and_draws_a_row_of_pairs_together(
    report: LanguagesReport,
) -> None:
    english, *others = report.rows
    assert (english.contrasts, report.others) == ({}, ["Hindi", "Indonesian"])
    for name, mean in report.to_raw.items():
        assert mean.value == pytest.approx(np.mean([row.to_raw[name].value for row in others]))
    for name, (first, second) in CONTRASTS.items():
        for row in others:
            gap = row.scores[first] - row.scores[second]
            assert row.contrasts[name].value == pytest.approx(gap)
        mean = report.contrasts[name].value
        assert mean == pytest.approx(np.mean([row.contrasts[name].value for row in others]))
    # The resamples of two languages hold the same pairs, in the order of the files.
    hindi, indonesian = (demo_task("sts", code).resamples(count=50) for code in ("hi", "id"))
    np.testing.assert_array_equal(hindi.counts, indonesian.counts)


def test_the_record_and_its_sentence(report: LanguagesReport) -> None:
    said = report.to_json()
    assert [one["language"] for one in said["languages"]] == ["en", "hi", "id"]
    assert (
        said["languages"][1]["tokens_per_character"] > said["languages"][0]["tokens_per_character"]
    )
    assert said["sentence"].startswith(
        "Over Hindi and Indonesian, the window proposed from English"
    )
    sure = LanguagesReport(
        "m", "mean", report.rows,
        {**report.to_raw, "english-texts": Interval(3.0, 1.0, 5.0)},
        {**report.contrasts, "halves: weak minus strong": Interval(-3.0, -5.0, -1.0)},
    )  # fmt: skip
    assert "is surely better than raw embeddings: +3.0 [+1.0, +5.0]." in sure.sentence
    assert "is surely worse than the stronger half: -3.0 [-5.0, -1.0]." in sure.sentence


@pytest.mark.parametrize(
    ("asked_for", "words"), [(["en"], "at least one other than English"), (["xx"], "'xx': there")]
)
def test_languages_that_cannot_be(model: Model, asked_for: list[str], words: str) -> None:
    with pytest.raises(InputError, match=words):
        languages(model, "mean", asked_for)
