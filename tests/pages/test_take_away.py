"""The fold that takes a window away, drawn without a browser."""

import shutil
import time
import zipfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from embfilter_viz.export.numpy_lines import numpy_zip
from embfilter_viz.export.trying import FolderExport
from embfilter_viz.model import Model
from embfilter_viz.spectral.windows import Window
from embfilter_viz.system.paths import cache_folder
from embfilter_viz.ui.choices import View
from tests.pages.explorer import as_read


def script() -> None:
    import streamlit as st

    from embfilter_viz.ui.take_away import take_away

    take_away(st.session_state["view"], about=st.session_state["about"])


def awaited(app: AppTest, found: Callable[[], Any]) -> Any:
    """What ``found`` gives once the page has it: a job ends in its own time."""
    for _ in range(200):
        if there := found():
            return there
        time.sleep(0.1)
        app.run()
    raise AssertionError("the page never had it")


def button(app: AppTest, words: str) -> Any:
    """The button whose words begin so."""
    return awaited(
        app, lambda: [one for one in app.button if as_read(one.label).startswith(words)]
    )[0]


def test_the_fold_offers_everything_and_starts_nothing(tiny_model: Model) -> None:
    app = AppTest.from_function(script, default_timeout=30)
    app.session_state["view"] = View(tiny_model, "prompteol", Window(3, 20, 32))
    app.session_state["about"] = None
    app.run()
    assert not app.exception
    assert [fold.label for fold in app.expander] == ["Take the window 3:20 away"]
    downloads = [element.proto.label for element in app.get("download_button")]
    assert downloads == ["Filter file", "FAISS transform", "Lines of NumPy"]
    assert [as_read(button.label) for button in app.button] == [
        "Make a report",
        "Write a folder for sentence-transformers",
        "Write a folder for onnxruntime",
    ]


def test_a_folder_is_packed_and_can_be_downloaded(
    tiny_model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    def save(path: Path, *_: Any, **__: Any) -> FolderExport:
        path.mkdir(parents=True)
        (path / "modules.json").write_text("[]")
        return FolderExport(path, 2, SimpleNamespace(sentence="It agrees."))  # type: ignore[arg-type]

    monkeypatch.setattr("embfilter_viz.ui.take_away.save_model_folder", save)
    app = AppTest.from_function(script, default_timeout=30)
    app.session_state["view"] = View(tiny_model, "prompteol", Window(3, 20, 32))
    app.session_state["about"] = "a folder"
    app.run()
    for words in ("Write a folder", "Pack the folder for sentence-transformers"):
        button(app, words).click().run()
    awaited(app, lambda: app.code)
    awaited(app, lambda: len(app.get("download_button")) > 3)
    assert not app.exception
    assert app.get("download_button")[-1].proto.label.startswith(
        "Model folder for sentence-transformers, "
    )
    (packed,) = cache_folder().glob("exports/*.zip")
    with zipfile.ZipFile(packed) as archive:
        assert archive.namelist() == [f"{packed.stem}/modules.json"]
    assert f"SentenceTransformer('{packed.stem}')" in app.code[0].value
    # What was removed to make room is offered anew, and what a killed process left goes.
    (packed.parent / ".old.999999999-abc.part").mkdir()
    packed.unlink()
    shutil.rmtree(packed.with_suffix(""))
    app.run()
    assert not app.exception
    button(app, "Write a folder").click().run()
    awaited(app, lambda: app.code)
    assert [path.name for path in packed.parent.iterdir()] == [packed.stem]


def test_an_onnx_folder_is_written_beside_it(
    tiny_model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    def save(path: Path, *_: Any, **__: Any) -> FolderExport:
        path.mkdir(parents=True)
        return FolderExport(path, 2, SimpleNamespace(sentence="It agrees."))  # type: ignore[arg-type]

    monkeypatch.setattr("embfilter_viz.ui.take_away.save_onnx_folder", save)
    app = AppTest.from_function(script, default_timeout=30)
    app.session_state["view"] = View(tiny_model, "prompteol", Window(3, 20, 32))
    app.session_state["about"] = "an ONNX folder"
    app.run()
    button(app, "Write a folder for onnxruntime").click().run()
    awaited(app, lambda: app.code)
    assert not app.exception
    (folder,) = cache_folder().glob("exports/*-onnx-*")
    assert f"Embedder('{folder.name}')" in app.code[-1].value


def test_a_report_is_not_offered_once_the_page_says_something_else(
    tiny_model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("embfilter_viz.ui.take_away.session_report", lambda *_, **__: "<html>")
    app = AppTest.from_function(script, default_timeout=30)
    app.session_state["view"] = View(tiny_model, "prompteol", Window(3, 20, 32))
    app.session_state["about"] = "no sweep yet"
    app.run()
    app.button[0].click().run()
    assert "Report" in [element.proto.label for element in app.get("download_button")]
    app.session_state["about"] = "a sweep"
    app.run()
    assert "Report" not in [element.proto.label for element in app.get("download_button")]
    assert app.button[0].label == "Make a report"


def test_the_zip_holds_a_script_and_its_matrix(tiny_model: Model) -> None:
    with zipfile.ZipFile(BytesIO(numpy_zip(tiny_model, Window(3, 20, 32)))) as archive:
        assert sorted(archive.namelist()) == ["embed_filter.npy", "embed_filter.py"]
        V = np.load(BytesIO(archive.read("embed_filter.npy")))
        assert b"np.load(here / 'embed_filter.npy')" in archive.read("embed_filter.py")
    np.testing.assert_array_equal(V, tiny_model.spectrum.V[:, 3:20])
