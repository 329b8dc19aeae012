"""The lesson: a guess first, then the figure with it, and the place kept in session and link."""

import threading
from pathlib import Path
from typing import Any

import pytest

from embfilter_viz import Window, open_model
from embfilter_viz.analyses.lesson import lesson
from embfilter_viz.analyses.lesson_steps import MISREADINGS, STEPS, Choice
from embfilter_viz.data import UNRELATED_PAIR
from embfilter_viz.figures.guess import GUESS
from embfilter_viz.model import Model
from embfilter_viz.ui import services
from tests.pages.explorer import Explorer

GUESSES = {1: 0.25, 2: 4.0, 3: 12.0, 4: "both", 5: 35.0, 6: 20.0, 7: "raw"}


def opened(tiny: Path, **link: str) -> Explorer:
    explorer = Explorer("lesson", model=str(tiny), **link)
    assert explorer.errors == []
    return explorer


def heading(explorer: Explorer) -> str:
    (found,) = (html.value for html in explorer.at.get("html") if html.value.startswith("<h2"))
    return found


def guessed(explorer: Explorer, step: int) -> None:
    """Make the guess of a step."""
    key = f"lesson_guess_{step}"
    if isinstance(STEPS[step - 1].guess, Choice):
        (control,) = (radio for radio in explorer.at.radio if radio.key == key)
        control.set_value(GUESSES[step])
        explorer.settle()
    else:
        explorer.change(key, GUESSES[step])


def test_from_the_first_step_to_the_last(tiny: Path) -> None:
    explorer = opened(tiny)
    found = lesson(
        open_model(str(tiny)), UNRELATED_PAIR, "mean", Window(8, 24, 32), random=False
    )  # fmt: skip
    for number, step in enumerate(STEPS, start=1):
        assert f"Step {number} of 7 · {step.title}" in heading(explorer)
        assert explorer.figures == set(), "the guess comes first"
        assert explorer.answers == []
        guessed(explorer, number)
        assert explorer.errors == []
        figure = explorer.figure("lesson_chart")
        assert GUESS in str(figure), "the guess is drawn into the figure"
        assert explorer.answers[0] == found.seen[number - 1]
        answer = found.answers[number - 1]
        form = step.guess
        said = form.said(str(answer) if isinstance(form, Choice) else float(answer))  # type: ignore[arg-type]
        assert f"It is **{said}**." in explorer.words
        if number < len(STEPS):
            explorer.press("Next step")
    assert "7 of 7 guesses made" in explorer.words
    for claim in MISREADINGS:
        assert claim in explorer.words
    assert explorer.answers[1] == f"{found.worth.mistaken_sentence} {found.distances.sentence}"
    explorer.press("Back")
    assert "Step 6 of 7" in heading(explorer)
    assert "lesson_chart" in explorer.figures, "what was guessed is kept"


def test_a_link_brings_step_and_guess_back(tiny: Path) -> None:
    explorer = opened(tiny, step="5", guess_5="35", guess_1="0.5", guess_4="weak")
    assert "Step 5 of 7" in heading(explorer)
    assert explorer.control("lesson_guess_5").value == 35
    assert "You guessed **35 %**." in explorer.words
    assert "3 of 7 guesses made" in explorer.words
    explorer.press("4")
    assert "You guessed **those at the weak end (right)**." in explorer.words
    assert explorer.at.query_params["step"] in ("4", ["4"])


@pytest.mark.parametrize(
    "link",
    [
        {"step": "0"}, {"step": "8"}, {"step": "x"}, {"step": "²"}, {"guess_1": "2"},
        {"guess_1": "nan"}, {"guess_4": "middle"}, {"step": "4", "guess_4": "<b>"},
    ],
)  # fmt: skip
def test_what_a_link_cannot_mean_is_left_out(link: dict[str, str], tiny: Path) -> None:
    explorer = opened(tiny, **link)
    assert explorer.figures == set()
    assert "0 of 7 guesses made" in explorer.words
    step = link["step"] if link.get("step") == "4" else "1"
    assert f"Step {step} of 7" in heading(explorer)


def test_the_figure_can_be_seen_without_a_guess_which_is_no_guess(tiny: Path) -> None:
    explorer = opened(tiny).press("Show the figure without a guess")
    assert GUESS not in str(explorer.figure("lesson_chart"))
    assert "You guessed" not in explorer.words
    assert "0 of 7 guesses made" in explorer.words
    guessed(explorer, 1)
    assert "1 of 7 guesses made" in explorer.words
    explorer.change("lesson_guess_1", 0.5)
    assert "You guessed **0.50**" in explorer.words


def test_the_place_is_kept_when_the_page_is_left(tiny: Path) -> None:
    explorer = opened(tiny, step="2")
    guessed(explorer, 2)
    explorer.go("spectrum").go("lesson")
    assert "Step 2 of 7" in heading(explorer)
    assert "You guessed **4**." in explorer.words


def test_the_strip_moves_the_steps(tiny: Path) -> None:
    explorer = opened(tiny, step="6", guess_6="50")
    before = explorer.parts["lesson_chart"]
    explorer.move("2:30")
    assert explorer.parts["lesson_chart"] != before
    assert "under your window 2:30" in explorer.answers[0]
    assert "--window 2:30" in explorer.command
    compile(explorer.python, "lesson", "exec")


def test_step_3_shows_the_direction_that_is_chosen(tiny: Path) -> None:
    explorer = opened(tiny, step="3", guess_3="9")
    ends = explorer.figure("lesson_direction")
    explorer.change("direction", 31)
    assert explorer.figure("lesson_direction") != ends


def test_the_teachers_sheet_is_made_when_it_is_asked_for(tiny: Path) -> None:
    explorer = opened(tiny)
    explorer.at.session_state["fold_sheet"] = True
    explorer.settle()
    assert not explorer.at.get("download_button")
    explorer.press("Make the sheet")
    (button,) = explorer.at.get("download_button")
    assert button.proto.label == "Download the sheet"


@pytest.mark.parametrize(
    ("page", "link"), [("start", {}), ("lesson", {"step": "7", "guess_7": "raw"})]
)
def test_a_job_that_two_figures_wait_for_shows_its_progress_once(
    page: str, link: dict[str, str], tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = threading.Event()
    encode = Model.encode

    def slow(self: Model, *texts: Any, **more: Any) -> Any:
        assert go_on.wait(60)
        return encode(self, *texts, **more)

    Explorer("spectrum", model=str(tiny))  # opens the model
    monkeypatch.setattr(Model, "encode", slow)
    monkeypatch.setattr(services, "QUICK", 0.01)
    try:
        explorer = Explorer(page, wait=False, model=str(tiny), **link)
        assert len(explorer.progress) == len(set(explorer.progress)) >= 1
        assert explorer.figures == set()
    finally:
        go_on.set()
    explorer.settle()
    assert explorer.figures
