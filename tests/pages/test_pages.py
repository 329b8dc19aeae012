"""Every page: complete on a model, and with one control changed the numbers change with it."""

import threading
from pathlib import Path

import pytest

from embfilter_viz import Window, open_model
from embfilter_viz.analyses.lesson import lesson
from embfilter_viz.data import UNRELATED_PAIR
from embfilter_viz.ui import services
from embfilter_viz.ui.pair_inputs import BOXES
from tests.pages.explorer import PAGES, Explorer, as_read

FIGURES = {
    "start": {"start_alike", "start_anatomy", "start_worth"},
    "spectrum": {"spectrum_chart", "direction_chart", "energy_chart"},
    "average_token": {"shift_chart", "map_chart"},
    "filter_and_lens": {
        *("ranks_chart", "layers_chart", "layers_chart_filtered", "relative_chart"),
    },
    "two_texts": {"growth_chart", "anatomy_chart"},
    "geometry": {"isotropy_chart", "histogram_chart", "map_chart"},
}
TITLES = {
    "start": "Why do two unrelated sentences look alike?",
    "spectrum": "Spectrum",
    "average_token": "Average token",
    "filter_and_lens": "Filter and lens",
    "two_texts": "Two texts",
    "geometry": "Geometry",
}


def filled(page: str, folder: Path | None = None, **link: str) -> Explorer:
    """The page with everything on it: pages that embed many texts wait for a button.

    On the bundled model where no folder is given.
    """
    explorer = Explorer(page, **({} if folder is None else {"model": str(folder)}), **link)
    # No such button where the store has the embeddings.
    if any(button.label.startswith("Embed") for button in explorer.at.button):
        explorer.press("Embed")
    return explorer


@pytest.mark.parametrize("page", PAGES)
def test_while_the_model_opens_a_page_asks_its_question_and_shows_progress(
    page: str, tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = threading.Event()
    real = services.open_model

    def slow(name: str, **more):
        more["progress"]("Reading the head", 3, 10, "MB")
        assert go_on.wait(60)
        return real(name, **more)

    monkeypatch.setattr(services, "open_model", slow)
    try:
        explorer = Explorer(page, wait=False, model=str(tiny))
        assert explorer.at.title[0].value == TITLES[page]
        assert explorer.progress
        assert "Reading the head" in explorer.progress[0]
        assert "3.0 of 10.0 MB" in explorer.progress[0].replace("\\", "")
        assert [button.label for button in explorer.at.button] == ["Cancel"]
        assert explorer.errors == []
        assert explorer.figures == set()
    finally:
        go_on.set()
    explorer.settle()
    assert explorer.strip["d"] == 32


@pytest.mark.parametrize("page", PAGES)
def test_filled(page: str, tiny: Path) -> None:
    explorer = filled(page, tiny)
    assert explorer.errors == []
    assert explorer.at.title[0].value == TITLES[page]
    assert explorer.figures == FIGURES[page]
    assert explorer.answers, "the page says what this model shows"
    assert explorer.window == "8:24"  # τ = 2 of 32
    for key in explorer.figures:
        assert explorer.figure(key)["data"], key
    assert "$" in explorer.fold("Formula and source").markdown[0].value
    compile(explorer.python, page, "exec")
    assert str(tiny) in explorer.python
    assert explorer.command.startswith("embfilter-viz ")


@pytest.mark.parametrize("page", PAGES)
def test_the_window_moves_every_page(page: str, tiny: Path) -> None:
    explorer = filled(page, tiny)
    before = explorer.parts
    explorer.move("2:30")
    assert explorer.errors == []
    assert explorer.window == "2:30"
    changed = {key for key in explorer.figures if explorer.parts[key] != before[key]}
    still = {"direction_chart"} if page == "spectrum" else set()
    if page == "average_token":
        still = {"map_chart"}  # no window in it
    assert changed == FIGURES[page] - still
    if page in ("start", "filter_and_lens", "two_texts", "geometry"):
        assert "--window 2:30" in explorer.command


@pytest.mark.parametrize("page", PAGES)
def test_the_model_is_shared_by_all_pages(page: str, tiny: Path) -> None:
    explorer = Explorer("start", model=str(tiny))
    explorer.change("prompt", "mean").move("3:9")
    explorer.go(page)
    assert explorer.errors == []
    assert explorer.strip["d"] == 32
    assert explorer.window == "3:9"
    assert explorer.control("prompt").value == "mean"
    assert explorer.control("model").value == str(tiny)


def test_start_sentences_prompt_and_window(tiny: Path) -> None:
    explorer = filled("start", tiny)
    assert explorer.control("prompt").value == "mean", "the prompt that shows the effect"
    assert [explorer.control(key).value for key in BOXES] == list(UNRELATED_PAIR)
    shown, said = explorer.figure("start_alike"), explorer.answers
    explorer.change("second_text", "the cat sat on the mat")
    assert explorer.figure("start_alike") != shown
    worth = explorer.figure("start_worth")
    explorer.change("prompt", "last")
    assert explorer.figure("start_worth") != worth
    assert explorer.strip["stops"][0] == ["1", 0, 32]
    assert ["4", 12, 20] in explorer.strip["stops"]
    explorer.move("4")
    assert explorer.window == "12:20"
    explorer.move("1")
    assert explorer.window == "0:32"
    assert explorer.answers != said
    nothing = [answer for answer in explorer.answers if "drops nothing" in answer]
    assert len(nothing) == 3, "the cosine, the tokens and the score"
    explorer.change("first_text", " ")
    assert explorer.errors == ["The first sentence is empty: type a word or a sentence above."]


def test_start_says_what_the_analyses_say(tiny: Path) -> None:
    explorer = filled("start", tiny, window="3:20")
    model, window = open_model(str(tiny)), Window(3, 20, 32)
    found = lesson(model, UNRELATED_PAIR, "mean", window, random=False)
    assert explorer.answers == [
        found.pair.short, found.alike.sentence, found.pair.ends_sentence, found.worth.sentence,
    ]  # fmt: skip
    for token in (*found.alike.raw[0], *found.alike.filtered[1]):
        assert f'title="token {token.id}, logit {token.logit:.3f}' in explorer.words


def test_the_prompt_of_start_is_in_the_link_and_stays(tiny: Path) -> None:
    explorer = Explorer("start", model=str(tiny))
    assert explorer.at.query_params["prompt"] in ("mean", ["mean"])
    explorer.go("filter_and_lens")
    assert explorer.control("prompt").value == "mean"
    elsewhere = Explorer("geometry", model=str(tiny))
    assert elsewhere.control("prompt").value == "prompteol"
    elsewhere.go("start")
    assert elsewhere.control("prompt").value == "prompteol", "a choice is not changed"


def test_the_text_goes_along_to_the_next_page(tiny: Path) -> None:
    explorer = Explorer("filter_and_lens", model=str(tiny)).change("text", "a stock market index")
    explorer.go("spectrum").go("filter_and_lens")
    assert explorer.control("text").value == "a stock market index"
    explorer.go("start").change("second_text", "a market").go("spectrum").go("two_texts")
    assert explorer.control("second_text").value == "a market"


def test_spectrum_axis_head_and_direction(tiny: Path) -> None:
    explorer = filled("spectrum", tiny)
    assert explorer.figure("spectrum_chart")["layout"]["yaxis"]["type"] == "log"
    sentence = explorer.answers[0]
    explorer.change("axis", "linear")
    assert explorer.figure("spectrum_chart")["layout"]["yaxis"]["type"] == "linear"
    assert explorer.answers[0] == sentence
    explorer.change("head", "centred")
    assert explorer.answers[0] != sentence
    assert "--centre" in explorer.command
    ends = explorer.figure("direction_chart")
    explorer.change("direction", 31)
    assert explorer.figure("direction_chart") != ends
    assert "direction 31" in explorer.figure("direction_chart")["layout"]["xaxis"]["title"]["text"]
    explorer.change("direction", 32_000)
    assert explorer.control("direction").value == 31, "the last there is"
    assert explorer.errors == []


def test_average_token_controls(tiny: Path) -> None:
    explorer = filled("average_token", tiny)
    n_dots = len(explorer.figure("shift_chart")["data"][0]["x"]["bdata"])
    before = explorer.answers
    explorer.change("gauge", "invariant")
    assert explorer.answers != before
    explorer.change("k", 20).change("bands", 4)
    assert "--top 20" in explorer.command
    assert len(explorer.figure("shift_chart")["data"][0]["x"]["bdata"]) < n_dots
    explorer.change("log", False)
    assert explorer.figure("shift_chart")["layout"]["yaxis"]["type"] == "linear"
    decoded = [html.value for html in explorer.at.get("html")]
    explorer.change("source", "wordfreq")
    assert [html.value for html in explorer.at.get("html")] != decoded
    seen = explorer.words
    explorer.change("alpha", 5.0)
    assert "5 was added to every count" in explorer.words
    assert explorer.words != seen
    assert explorer.errors == []


def test_average_token_says_which_scripts_are_frequent(tiny: Path) -> None:
    explorer = filled("average_token", tiny)
    table = explorer.at.dataframe[0].value
    assert list(table.columns) == ["script", "% of p̂", "% of the vocabulary", "tokens"]
    assert table["% of p̂"].sum() == pytest.approx(100, abs=0.1)
    assert "Latin tokens have " in explorer.words


def test_average_token_says_so_where_k_is_too_large_for_the_vocabulary(tiny: Path) -> None:
    explorer = filled("average_token", tiny).change("k", 5000)
    (error,) = explorer.errors
    assert "5000" in error
    assert "2 to 128" in error
    assert explorer.change("k", 100).errors == []


def test_average_token_counts_a_file(tiny: Path) -> None:
    explorer = filled("average_token", tiny).change("source", "corpus")
    assert "Upload the texts whose tokens are counted" in explorer.at.info[0].value
    assert explorer.figures == set()
    explorer.change("corpus", ("mine.txt", b"the cat\nthe dog\nthe stars\n", "text/plain"))
    assert explorer.figures == FIGURES["average_token"]
    assert explorer.errors == []


@pytest.mark.parametrize("removal", ["dominant", "secondary", "bulk", "optimal"])
def test_lens_removes_what_the_paper_names(removal: str, tiny: Path) -> None:
    explorer = filled("filter_and_lens", tiny)
    shown = ("ranks_chart", "layers_chart_filtered")
    columns = [explorer.figure(key) for key in shown]
    explorer.change("remove", removal)
    assert removal in explorer.answers[0]
    assert all(explorer.figure(key) != one for key, one in zip(shown, columns, strict=True))
    assert explorer.errors == []


def test_lens_top_and_forms(tiny: Path) -> None:
    explorer = filled("filter_and_lens", tiny).change("top", 5)
    assert "of the top 5 tokens, " in explorer.answers[0]
    shares = {metric.label: metric.value for metric in explorer.at.metric}
    assert set(shares) == {
        "Frequent tokens, raw → filtered",
        "Specific to the text, raw → filtered",
        "The two forms differ by",
    }
    assert float(shares["The two forms differ by"]) < 1e-4
    assert "agree to rounding" in explorer.words


def test_geometry_row_and_scale(tiny: Path) -> None:
    explorer = filled("geometry", tiny)
    shown = explorer.at.text[0].value
    tables = [table.value for table in explorer.at.dataframe]
    explorer.change("row", 7)
    assert explorer.at.text[0].value != shown
    assert not explorer.at.dataframe[0].value.equals(tables[0])
    explorer.change("row", 10_000)
    assert explorer.control("row").value == 319
    shared = explorer.figure("map_chart")["layout"]
    explorer.change("one_scale", False)
    assert explorer.figure("map_chart")["layout"] != shared
    assert explorer.errors == []


def test_geometry_waits_with_umap_for_the_button(tiny: Path) -> None:
    explorer = filled("geometry", tiny).change("layout", "UMAP")
    assert "map_chart" not in explorer.figures
    assert as_read(explorer.button("Lay out").label).endswith("8:24")
    assert explorer.control("n_neighbors").value == 15
    assert "isotropy_chart" in explorer.figures
    assert explorer.errors == []


@pytest.mark.real_model
@pytest.mark.parametrize("page", PAGES)
def test_on_the_bundled_model(page: str) -> None:
    explorer = filled(page)
    assert explorer.errors == []
    assert explorer.window == "144:432"
    assert explorer.answers
    card = explorer.fold("Model card")
    assert "49,152" in str(card.table[0].value.values)


@pytest.mark.real_model
def test_the_filter_brings_words_of_the_text_up() -> None:
    explorer = Explorer("filter_and_lens", text="A woman is playing the violin.", prompt="mean")
    before, after = explorer.at.metric[0].value.replace("%", "").split(" → ")
    assert float(after) < float(before)
    assert "takes frequent tokens out" in explorer.answers[0]


def test_what_is_folded_is_not_sent(tiny: Path) -> None:
    explorer = Explorer("start", model=str(tiny))
    assert len(explorer.at.expander) == 3
    assert not explorer.at.code
    assert not explorer.at.table
    assert explorer.python
    assert len(explorer.at.code) == 2


def test_a_lower_precision_is_said_and_is_another_result(tiny: Path) -> None:
    full = Explorer("filter_and_lens", model=str(tiny))
    half = Explorer("filter_and_lens", model=str(tiny), dtype="bfloat16")
    assert half.errors == []
    assert "Texts are read in **bfloat16**" in half.words
    assert "not in float32" not in full.words
    assert half.figure("ranks_chart") != full.figure("ranks_chart")
    code = half.python + half.command
    assert f"open_model({str(tiny)!r}, dtype='bfloat16')" in code
    assert " --dtype bfloat16" in code
    assert "Processor" in half.words  # here there is nothing else to choose


def test_early_layers_are_translated_once_asked_for(tiny: Path) -> None:
    explorer = filled("filter_and_lens", tiny, prompt="mean")
    assert "translators_chart" not in explorer.figures
    explorer.change("translate", True).press("Fit translators")
    assert explorer.errors == []
    assert {"translators_chart", "translated_chart", "translated_chart_filtered"} <= (
        explorer.figures
    )
    before = explorer.figure("translated_chart"), explorer.figure("translated_chart_filtered")
    explorer.move("12:20")
    after = explorer.figure("translated_chart"), explorer.figure("translated_chart_filtered")
    assert before[0] == after[0], "the window changes the filtered side alone"
    assert before[1] != after[1]
    explorer.change("prompt", "metaeol")
    assert "no single state to translate" in explorer.words
