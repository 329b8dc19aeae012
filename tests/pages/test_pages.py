"""Every page: complete on a model, and with one control changed the numbers change with it."""

import threading
from pathlib import Path

import pytest

from embfilter_viz.ui import services
from tests.pages.explorer import PAGES, Explorer

FIGURES = {
    "start": {"start_spectrum", "start_shift", "start_ranks", "start_anisotropy"},
    "spectrum": {"spectrum_chart", "direction_chart", "energy_chart"},
    "average_token": {"shift_chart", "map_chart"},
    "filter_and_lens": {"ranks_chart", "layers_chart"},
    "geometry": {"isotropy_chart", "histogram_chart", "map_chart"},
}
TITLES = {
    "start": "What a language model's head writes into its embeddings",
    "spectrum": "Spectrum",
    "average_token": "Average token",
    "filter_and_lens": "Filter and lens",
    "geometry": "Geometry",
}


def filled(page: str, tiny: Path, **link: str) -> Explorer:
    """The page with everything on it: the Geometry page waits for a button."""
    explorer = Explorer(page, model=str(tiny), **link)
    if page == "geometry" and explorer.at.button:  # no button where the store has the embeddings
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
    explorer.change("window", "2:30")
    assert explorer.errors == []
    assert explorer.window == "2:30"
    changed = {key for key in explorer.figures if explorer.parts[key] != before[key]}
    still = {"direction_chart"} if page == "spectrum" else set()
    if page == "average_token":
        still = {"map_chart"}  # no window in it
    assert changed == FIGURES[page] - still
    if page in ("start", "filter_and_lens", "geometry"):
        assert "--window 2:30" in explorer.command


@pytest.mark.parametrize("page", PAGES)
def test_the_model_is_shared_by_all_pages(page: str, tiny: Path) -> None:
    explorer = Explorer("start", model=str(tiny))
    explorer.change("prompt", "mean").change("window", "3:9")
    explorer.go(page)
    assert explorer.errors == []
    assert explorer.strip["d"] == 32
    assert explorer.window == "3:9"
    assert explorer.control("prompt").value == "mean"
    assert explorer.control("model").value == str(tiny)


def test_start_text_prompt_and_tau(tiny: Path) -> None:
    explorer = filled("start", tiny)
    tokens = explorer.figure("start_ranks")
    explorer.change("text", "the cat sat on the mat")
    assert explorer.figure("start_ranks") != tokens
    anisotropy = explorer.figure("start_anisotropy")
    explorer.change("prompt", "last")
    assert explorer.figure("start_anisotropy") != anisotropy
    explorer.change("tau_slider", 4.0)
    assert explorer.window == "12:20"
    explorer.change("tau_slider", 1.0)
    assert explorer.window == "0:32"
    assert "7 of the 7 stay" in " ".join(explorer.answers), "τ = 1 removes nothing"


def test_the_text_goes_along_to_the_next_page(tiny: Path) -> None:
    explorer = Explorer("start", model=str(tiny)).change("text", "a stock market index")
    explorer.go("spectrum").go("filter_and_lens")
    assert explorer.control("text").value == "a stock market index"


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
    assert "raised by 5" in explorer.words
    assert explorer.words != seen
    assert explorer.errors == []


def test_average_token_says_so_where_k_is_too_large_for_the_vocabulary(tiny: Path) -> None:
    explorer = filled("average_token", tiny).change("k", 5000)
    (error,) = explorer.errors
    assert "5000" in error
    assert "1 to 128" in error
    assert explorer.change("k", 100).errors == []


def test_average_token_counts_a_file(tiny: Path) -> None:
    explorer = filled("average_token", tiny).change("source", "corpus")
    assert "Upload texts to count" in explorer.at.info[0].value
    assert explorer.figures == set()
    explorer.change("corpus", ("mine.txt", b"the cat\nthe dog\nthe stars\n", "text/plain"))
    assert explorer.figures == FIGURES["average_token"]
    assert explorer.errors == []


@pytest.mark.parametrize("removal", ["dominant", "secondary", "bulk", "optimal"])
def test_lens_removes_what_the_paper_names(removal: str, tiny: Path) -> None:
    explorer = filled("filter_and_lens", tiny)
    columns = explorer.figure("ranks_chart"), explorer.figure("layers_chart")
    explorer.change("remove", removal)
    assert removal in explorer.answers[0]
    assert (explorer.figure("ranks_chart"), explorer.figure("layers_chart")) != columns
    assert explorer.errors == []


def test_lens_top_and_forms(tiny: Path) -> None:
    explorer = filled("filter_and_lens", tiny).change("top", 5)
    assert "of the top 5 tokens" in explorer.answers[0]
    shares = {metric.label: metric.value for metric in explorer.at.metric}
    assert set(shares) == {
        "Frequent tokens, raw",
        "Frequent tokens, filtered",
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
    assert explorer.button("Lay out").label.endswith("8:24")
    assert explorer.control("n_neighbors").value == 15
    assert "isotropy_chart" in explorer.figures
    assert explorer.errors == []


@pytest.mark.real_model
@pytest.mark.parametrize("page", PAGES)
def test_on_the_bundled_model(page: str) -> None:
    explorer = Explorer(page)
    assert explorer.errors == []
    assert explorer.window == "144:432"
    assert explorer.answers or page == "geometry"
    card = explorer.fold("Model card")
    assert "49,152" in str(card.table[0].value.values)


@pytest.mark.real_model
def test_the_filter_brings_words_of_the_text_up() -> None:
    explorer = Explorer("filter_and_lens", text="A woman is playing the violin.", prompt="mean")
    share = {metric.label: float(metric.value.rstrip("%")) for metric in explorer.at.metric[:2]}
    assert share["Frequent tokens, filtered"] < share["Frequent tokens, raw"]
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
    assert half.control("device").disabled  # here there is the processor only
