"""Pages of a model whose layers do not fit, or are not fetched yet."""

import shutil
from pathlib import Path

import pytest

from embfilter_viz.ui import whole
from tests.models.hub_stand_in import Repository, hub_stand_in
from tests.models.tiny_gguf import write_gguf
from tests.pages.explorer import Explorer


def test_a_model_too_large_to_run_opens_on_what_its_head_shows(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    large = shutil.copytree(tiny, tmp_path / "large")
    monkeypatch.setattr("embfilter_viz.models.card.memory_free", lambda: 1000)
    explorer = Explorer("start", model=str(large))
    assert explorer.errors == []
    assert explorer.figures == {"start_spectrum", "start_shift"}
    assert "opened with its head alone" in explorer.words
    assert "Spectrum and Average token work with the head alone" in explorer.words
    explorer.go("average_token")
    assert explorer.control("source").value == "wordfreq"
    assert "shift_chart" in explorer.figures
    assert "English word frequencies" in explorer.words
    assert ": the head alone" in explorer.words
    for page in ("filter_and_lens", "geometry"):
        explorer.go(page)
        assert explorer.words.count("opened with its head alone") == 1
        assert (explorer.errors, explorer.figures) == ([], set())


def test_a_gguf_whose_layers_are_not_read_says_so_where_texts_are_needed(tmp_path: Path) -> None:
    write_gguf(tmp_path / "m.gguf", architecture="olmo")
    explorer = Explorer("filter_and_lens", model=str(tmp_path / "m.gguf"))
    assert "Texts cannot be encoded with it: the layers of the architecture olmo" in explorer.words
    assert (explorer.errors, explorer.figures) == ([], set())
    explorer.go("spectrum")
    assert "spectrum_chart" in explorer.figures
    assert explorer.errors == []


def test_the_layers_are_fetched_when_the_reader_says_so(
    tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(whole, "ASKED_BEFORE", 0)
    with hub_stand_in({"org/tiny": Repository(tiny)}) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.address)
        explorer = Explorer("filter_and_lens", model="org/tiny")
        assert explorer.figures == set()
        before = hub.bytes_sent["model.safetensors"]
        assert before < (tiny / "model.safetensors").stat().st_size / 2
        explorer.press("Fetch the layers")
        assert hub.bytes_sent["model.safetensors"] > 2 * before
        assert explorer.errors == []
        assert "ranks_chart" in explorer.figures
