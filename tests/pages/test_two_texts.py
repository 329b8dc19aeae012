"""Two texts: what the boxes hold, what they are compared with, and which two of many."""

from pathlib import Path

import numpy as np
import pytest

from embfilter_viz import open_model
from embfilter_viz.analyses.pair import above, pair
from embfilter_viz.analyses.reference import COSINES, reference_of
from embfilter_viz.data import EXAMPLE_PAIR, demo_texts
from embfilter_viz.spectral.windows import Window
from embfilter_viz.ui import pair_inputs
from tests.pages.explorer import Explorer

CHARTS = {"growth_chart", "anatomy_chart"}
MATRICES = {"matrix_before", "matrix_after"}


def compared(tiny: Path, **link: str) -> Explorer:
    """The page with everything on it."""
    explorer = Explorer("two_texts", model=str(tiny), prompt="mean", **link)
    if explorer.at.button:  # no button where the store has the embeddings
        explorer.press("Embed 160 demo texts")
    assert explorer.errors == []
    return explorer


def test_the_page_says_what_the_analysis_says(tiny: Path) -> None:
    explorer = compared(tiny, window="3:20", first_text="the cat sat", second_text="a dog & a cat")
    model = open_model(str(tiny))
    frequencies = model.frequencies("model")
    found = pair(model, ("the cat sat", "a dog & a cat"), "mean", Window(3, 20, 32),
                 reference=reference_of("demo"), frequencies=frequencies)  # fmt: skip
    assert explorer.answers == [found.sentence, found.ends_sentence]
    assert [metric.value for metric in explorer.at.metric] == [
        f"{found.cosine[name]:.3f}" for name in COSINES
    ]
    for name in COSINES:
        assert f"pairs with a smaller cosine: {above(found.percentile[name])}" in explorer.words
    for tokens in (found.words.shared, found.filtered_words.second_only):
        assert f'title="token {tokens[0].id}, logit {tokens[0].logit:.3f}' in explorer.words
    assert explorer.figures == CHARTS
    assert "--prompt mean --window 3:20" in explorer.command


def test_it_begins_with_two_sentences(tiny: Path) -> None:
    explorer = compared(tiny)
    boxes = [explorer.control(key).value for key in pair_inputs.BOXES]
    assert tuple(boxes) == EXAMPLE_PAIR
    before = explorer.answers
    explorer.change("second_text", "Whisk the eggs with the sugar.")
    assert explorer.answers != before
    explorer.go("filter_and_lens").go("two_texts")
    assert explorer.control("second_text").value == "Whisk the eggs with the sugar."


def test_more_than_two_lines_are_all_compared(tiny: Path) -> None:
    explorer = compared(tiny, first_text="one cat\n\ntwo dogs\nthree", second_text="four")
    assert explorer.figures == CHARTS | MATRICES
    raw, filtered = (explorer.figure(key)["data"][0]["z"] for key in sorted(MATRICES)[::-1])
    assert np.shape(raw) == np.shape(filtered) == (4, 4)
    assert explorer.answers[0].startswith("the 6 pairs of these 4 texts")
    closely = explorer.answers[1]
    explorer.change("one", 3)
    assert explorer.answers[1] != closely
    explorer.change("less_mean", True)
    assert explorer.figure("matrix_before")["data"][0]["z"] != raw
    assert "Mean removed, filtered" in explorer.words
    explorer.change("other", 99)  # no more than there are
    assert explorer.errors == []
    before = explorer.parts
    explorer.move("2:30")
    changed = {key for key in explorer.figures if explorer.parts[key] != before[key]}
    assert changed >= {"matrix_after", "growth_chart"}


def test_a_click_on_a_cell_looks_at_its_two_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    class Chart:
        selected = ((2, 0),)

    state: dict = {"matrix_after": Chart()}
    monkeypatch.setattr(pair_inputs.st, "session_state", state)
    pair_inputs.choose_cell("matrix_after")()
    assert (state["one"], state["other"]) == (3, 1)
    Chart.selected = ()  # clicked beside it
    pair_inputs.choose_cell("matrix_after")()
    assert (state["one"], state["other"]) == (3, 1)


def test_a_file_of_the_readers_to_compare_with(tiny: Path) -> None:
    explorer = Explorer("two_texts", model=str(tiny), prompt="mean", others="your file")
    assert explorer.figures == set()
    lines = [f"A sentence about the number {i}." for i in range(12)]
    explorer.change("others_file", ("mine.txt", "\n".join(lines).encode(), "text/plain"))
    explorer.press("Embed 12 texts of mine.txt")
    assert explorer.figures == CHARTS
    assert "66 pairs of 12 texts of mine.txt" in explorer.answers[0]
    assert "AUC" not in " ".join(explorer.answers), "no labels, nothing to know"
    explorer.change("others_file", ("few.txt", b"one\ntwo", "text/plain"))
    (error,) = explorer.errors
    assert "few.txt: at least 10 texts" in error


def test_a_text_to_compare_with_is_left_out_where_it_is_compared(tiny: Path) -> None:
    explorer = Explorer("two_texts", model=str(tiny), prompt="mean",
                        first_text=demo_texts().texts[0])  # fmt: skip
    if explorer.at.button:
        explorer.press("Embed 159 demo texts")
    assert "pairs of 159 demo texts" in explorer.answers[0]


def test_equal_texts_are_told_apart_by_nothing(tiny: Path) -> None:
    explorer = compared(tiny, first_text="the same", second_text=" the same ")
    assert "Only the first: nothing, because the two texts are equal" in explorer.words
    assert explorer.at.metric[0].value == "1.000"


@pytest.mark.parametrize(("key", "box"), pair_inputs.BOXES.items())
def test_an_empty_box_is_one_line(key: str, box: str, tiny: Path) -> None:
    explorer = compared(tiny)
    explorer.change(key, " \n ")
    assert explorer.errors == [f"{box} is empty: type a word or a sentence above."]
    assert [explorer.control(other) for other in pair_inputs.BOXES], "both boxes stay"
    explorer.change(key, "the cat")
    assert explorer.errors == []


def test_too_many_lines(tiny: Path) -> None:
    explorer = compared(tiny)
    explorer.change("first_text", "\n".join(f"line {i}" for i in range(30)))
    (error,) = explorer.errors
    assert "hold 31 lines. At most 30 texts" in error


def test_a_long_text_does_not_go_into_the_link(tiny: Path) -> None:
    explorer = compared(tiny)
    explorer.change("first_text", "the cat sat on the mat. " * 40)
    assert explorer.errors == []
    assert "longer than 750 characters" in explorer.words
    assert "first_text" not in explorer.at.query_params
