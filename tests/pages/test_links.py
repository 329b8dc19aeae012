"""A copied link brings the view back; a bad value in it costs one line and nothing else."""

from pathlib import Path

import pytest

from embfilter_viz.data import demo_texts
from tests.pages.explorer import PAGES, Explorer


@pytest.mark.parametrize("page", PAGES)
def test_model_prompt_and_window_come_from_the_link(page: str, tiny: Path) -> None:
    explorer = Explorer(page, model=str(tiny), prompt="echo", window="3:20")
    assert explorer.errors == []
    assert explorer.control("model").value == str(tiny)
    assert explorer.control("prompt").value == "echo"
    assert explorer.strip["words"] == "3:20"
    assert explorer.window == "3:20"


def test_every_control_of_a_page_comes_from_the_link(tiny: Path) -> None:
    text = "50 % of R&D = 100 % of “fun” + 1?"
    lens = Explorer("filter_and_lens", model=str(tiny), text=text, remove="bulk", top="5")
    assert lens.control("text").value == text
    assert "of the top 5 tokens, " in lens.answers[0]
    assert "bulk" in lens.answers[0]
    spectrum = Explorer("spectrum", model=str(tiny), axis="linear", head="centred", direction="7")
    assert spectrum.figure("spectrum_chart")["layout"]["yaxis"]["type"] == "linear"
    assert "--centre" in spectrum.command
    assert "--index 7" in spectrum.command
    marked = spectrum.figure("spectrum_chart")["data"][-1]
    assert marked["x"] == [7]
    average = Explorer(
        "average_token", model=str(tiny), source="wordfreq", gauge="centred", k="50", bands="8"
    )
    assert "--gauge centred --top 50 --frequencies wordfreq --bands 8" in average.command
    geometry = Explorer(
        "geometry", model=str(tiny), layout="UMAP", row="7", n_neighbors="9", seed="3"
    )
    if geometry.at.button[0].label.startswith("Embed"):
        geometry.press("Embed")
    assert geometry.control("layout").value == "UMAP"
    assert geometry.control("row").value == 7
    assert geometry.at.text[0].value == demo_texts().texts[7]
    assert geometry.control("n_neighbors").value == 9
    assert geometry.control("seed").value == 3


def test_a_long_text_is_there_again_after_a_page_without_a_box(tiny: Path) -> None:
    explorer = Explorer("filter_and_lens", model=str(tiny))
    long = "a word " * 300
    explorer.change("text", long)
    explorer.go("spectrum").go("filter_and_lens")
    assert explorer.control("text").value == long
    assert "a copied link keeps all other choices, but not the text" in explorer.words
    # As the browser does, which leaves a long text out of the URL and writes a short one.
    explorer.at.query_params["text"] = "short"
    explorer.change("text", "short").go("spectrum").go("filter_and_lens")
    assert explorer.control("text").value == "short"


BAD_WINDOWS = {
    "9:3": "9",
    "tau": "tau",
    "5:5": "5",
    "0:33": "33",
    "-1:4": "-1",
    "33": "33",
    "0.5": "0.5",
    "nan": "nan",
    "a:b": "a:b",
    "<b>2</b>": "<b>",
}


@pytest.mark.parametrize(
    ("page", "spec"),
    [
        *((page, spec) for page in PAGES for spec in ("9:3", "tau")),
        *(("filter_and_lens", spec) for spec in list(BAD_WINDOWS)[2:]),
    ],
)
def test_a_bad_window_is_answered_in_one_line(page: str, spec: str, tiny: Path) -> None:
    explorer = Explorer(page, model=str(tiny), window=spec)
    (error,) = explorer.errors
    assert BAD_WINDOWS[spec] in error
    assert "\n" not in error
    assert "τ = 2" in error
    assert explorer.window == "8:24"
    assert explorer.figures or page == "geometry"
    explorer.move("4")
    assert explorer.errors == []
    assert explorer.window == "12:20"


def test_an_unknown_prompt_in_the_link_falls_back_to_the_first(tiny: Path) -> None:
    explorer = Explorer("start", model=str(tiny), prompt="promptoel")
    assert explorer.control("prompt").value == "prompteol"
    assert explorer.errors == []
    assert len(explorer.figures) == 3


def test_bad_values_of_other_controls_fall_back(tiny: Path) -> None:
    link = {"axis": "cubic", "head": "no", "direction": "-4", "second": ""}
    explorer = Explorer("spectrum", model=str(tiny), **link)
    assert explorer.errors == []
    assert explorer.control("axis").value == "log"
    assert explorer.control("direction").value == 0
    link = {"layout": "TSNE", "row": "100000000", "seed": "x", "one_scale": "maybe"}
    explorer = Explorer("geometry", model=str(tiny), **link)
    if explorer.at.button:
        explorer.press("Embed")
    assert explorer.errors == []
    assert explorer.control("layout").value == "PCA"
    assert explorer.at.text[0].value == demo_texts().texts[319], "the last there is"
    link = {"k": "0", "bands": "99999", "gauge": "tea", "source": "rumour", "alpha": "-1"}
    explorer = Explorer("average_token", model=str(tiny), **link)
    assert explorer.control("gauge").value == "centred"
    assert explorer.control("source").value == "model"
    for error in explorer.errors:
        assert "\n" not in error
    assert len(explorer.errors) <= 1


def test_unused_and_repeated_parameters_do_no_harm(tiny: Path) -> None:
    explorer = Explorer("start", model=str(tiny), utm_source="mail", tau_slider="3", strip="1:2")
    assert explorer.errors == []
    assert explorer.window == "8:24"


@pytest.mark.parametrize("page", PAGES)
def test_an_unknown_model_is_one_line_and_a_way_on(page: str, tiny: Path) -> None:
    explorer = Explorer(page, model="smolm2-135m")
    (error,) = explorer.errors
    assert "smolm2-135m" in error
    assert "did you mean smollm2-135m?" in error
    assert "\n" not in error
    assert explorer.figures == set()
    explorer.change("model", str(tiny))
    assert explorer.errors == []
    assert explorer.strip["d"] == 32


def test_a_folder_that_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("nothing here")
    explorer = Explorer("start", model=str(tmp_path))
    (error,) = explorer.errors
    assert str(tmp_path) in error
    assert "config.json" in error


def test_a_model_mended_on_disk_opens_at_the_second_try(tiny: Path, tmp_path: Path) -> None:
    import shutil

    folder = tmp_path / "later"
    explorer = Explorer("start", model=str(folder))
    assert len(explorer.errors) == 1
    shutil.copytree(tiny, folder)
    explorer.press("Try again")
    assert explorer.errors == []
    assert explorer.strip["d"] == 32


def test_a_window_of_ones_own_keeps_its_share_when_the_model_changes(
    tiny: Path, tmp_path: Path
) -> None:
    from tests.models.tiny_checkpoints import write_checkpoint

    wider = write_checkpoint(tmp_path / "wide", hidden_size=64).folder
    explorer = Explorer("filter_and_lens", model=str(tiny), window="4:24")
    explorer.change("model", str(wider))
    assert explorer.errors == []
    assert explorer.strip["d"] == 64
    assert explorer.window == "8:48"


def test_a_link_with_an_empty_text_says_so(tiny: Path) -> None:
    explorer = Explorer("filter_and_lens", model=str(tiny), text="")
    assert len(explorer.errors) == 1
    assert "empty" in explorer.errors[0]


@pytest.fixture
def short_lists(monkeypatch: pytest.MonkeyPatch) -> None:
    import wordfreq

    lists = {"en": {"the": 0.05, "cat": 0.01}, "id": {"kucing": 0.05, "yang": 0.03}}
    monkeypatch.setattr(wordfreq, "get_frequency_dict", lambda code, **_: lists[code])


@pytest.mark.usefixtures("short_lists")
def test_the_language_of_word_frequencies_comes_from_the_link_and_goes_into_commands(
    tiny: Path,
) -> None:
    explorer = Explorer("average_token", model=str(tiny), source="wordfreq", language="id,en")
    assert explorer.errors == []
    assert explorer.control("language").value == "id,en"
    assert "word frequencies of English and Indonesian in equal parts, pushed" in explorer.words
    assert " words of wordfreq (en, id), as in" in explorer.words
    assert "--frequencies wordfreq --language en,id" in explorer.command
    assert "model.frequencies('wordfreq', language='en,id')" in explorer.python
    explorer.change("language", "en")
    assert "--language" not in explorer.command
    explorer.change("language", "id").go("spectrum")
    assert "--index 0 --top 12 --language id" in explorer.command
    wrong = Explorer("average_token", model=str(tiny), source="wordfreq", language="tlh")
    (error,) = wrong.errors
    assert error.startswith("language 'tlh': wordfreq has no frequencies for it; it has ar, bg")
    assert error.endswith("Showing English instead.")
    assert " words of wordfreq (en), as in" in wrong.words
