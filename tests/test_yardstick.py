"""A model trained for embeddings, beside which a filter is measured: read as its makers have it."""

import json
from pathlib import Path

import numpy as np
import pytest

from embfilter_viz.analyses.compare import Run, TrainedRun, compare
from embfilter_viz.errors import Cancelled, InputError
from embfilter_viz.evaluation.sts import StsTask
from embfilter_viz.models.sources.hub_embedder import embedder_folder
from embfilter_viz.spectral.windows import Window
from embfilter_viz.yardstick import open_yardstick
from tests.models.hub_stand_in import Repository, hub_stand_in
from tests.models.tiny_embedders import embedder, theirs

TEXTS = ["A cat sleeps.", "the judge", "A cat sleeps.", "the harbour was closed by a storm"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return embedder(tmp_path_factory.mktemp("encoder"))


def test_embeddings_are_those_of_sentence_transformers(folder: Path) -> None:
    ours = open_yardstick(str(folder))
    found = ours.encode(TEXTS)
    assert found.dtype == np.float32
    # They pad four texts and ours three, the same one being read once: float32 rounding.
    np.testing.assert_allclose(found, theirs(folder, TEXTS), rtol=1e-5, atol=1e-5)
    # The second time they come from the store, to the last digit, and nothing is loaded.
    again = open_yardstick(str(folder))
    assert np.array_equal(again.encode(TEXTS), found)
    assert "_encoder" not in vars(again)


def test_another_pooling_is_another_model(folder: Path, tmp_path: Path) -> None:
    other = embedder(tmp_path, pooling="mean")
    assert open_yardstick(str(other)).identity != open_yardstick(str(folder)).identity
    assert not np.allclose(
        open_yardstick(str(other)).encode(TEXTS), open_yardstick(str(folder)).encode(TEXTS)
    )


def test_it_stands_in_a_comparison_beside_a_filtered_model(folder: Path, tiny: Path) -> None:
    from embfilter_viz import open_model

    pairs = [(f"the cat {i}", f"the judge {i % 7}") for i in range(60)]
    task = StsTask.of_pairs(pairs, [float(i % 6) for i in range(60)], "by hand")
    model, trained = open_model(str(tiny)), open_yardstick(str(folder))
    found = compare(Run(model, "mean", Window.of_tau(2, model.d_model)), TrainedRun(trained), task)
    assert found.second.name == f"{folder}, trained for embeddings"
    assert found.second.score.value == pytest.approx(task.score(trained.encode(task.texts)))
    said = found.to_json()
    assert (said["first"]["trained_for_embeddings"], said["second"]["trained_for_embeddings"]) == (
        False,
        True,
    )
    assert said["second"]["prompt"] is None


def test_what_was_embedded_before_a_cancel_is_kept(folder: Path) -> None:
    texts = [f"text {i}" for i in range(70)]
    model = open_yardstick(str(folder))

    def cancelled(what: str, done: float, total: float, unit: str) -> None:
        if done >= 32:
            raise Cancelled

    with pytest.raises(Cancelled):
        model.encode(texts, progress=cancelled)
    told: list[float] = []
    model.encode(texts, progress=lambda what, done, total, unit: told.append(done))
    assert told[1] == 64  # the first 32 were there


def test_fetched_from_a_hub_without_pickles_or_code(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "pytorch_model.bin").write_bytes(b"a pickle")
    (folder / "modeling.py").write_text("raise SystemExit")
    with hub_stand_in({"org/tiny-embedder": Repository(folder, revisions=("main",))}) as running:
        monkeypatch.setenv("HF_ENDPOINT", running.address)
        fetched = embedder_folder("org/tiny-embedder")
        names = {p.relative_to(fetched).as_posix() for p in fetched.rglob("*") if p.is_file()}
        assert {"modules.json", "model.safetensors", "1_Pooling/config.json"} <= names
        assert not {"pytorch_model.bin", "modeling.py"} & names
        found = open_yardstick("org/tiny-embedder").encode(TEXTS)
    assert np.array_equal(found, open_yardstick(str(folder)).encode(TEXTS))


def one_line(name: str) -> str:
    with pytest.raises(InputError) as refusal:
        open_yardstick(name)
    said = str(refusal.value)
    assert said.startswith(name)
    assert "\n" not in said
    return said


def test_what_is_refused(folder: Path, tmp_path: Path, tiny: Path) -> None:
    assert "no modules.json" in one_line(str(tiny))
    assert "neither a folder nor a hub id" in one_line("no-such-folder")
    own = embedder(tmp_path / "own")
    modules = json.loads((own / "modules.json").read_text())
    modules[0]["type"] = "modeling.OwnTransformer"
    (own / "modules.json").write_text(json.dumps(modules))
    assert "modeling.OwnTransformer is code of its own" in one_line(str(own))
    pickled = embedder(tmp_path / "pickled")
    (pickled / "model.safetensors").rename(pickled / "pytorch_model.bin")
    assert "no safetensors" in one_line(str(pickled))
    (pickled / "modules.json").write_text("[{")
    assert "modules.json" in one_line(str(pickled))


def test_a_folder_that_does_not_open_is_one_line(tmp_path: Path) -> None:
    torn = embedder(tmp_path / "torn")
    weights = (torn / "model.safetensors").read_bytes()
    (torn / "model.safetensors").write_bytes(weights[: len(weights) // 2])
    with pytest.raises(InputError, match="sentence-transformers cannot open it") as refusal:
        open_yardstick(str(torn)).encode(TEXTS)
    assert "\n" not in str(refusal.value)
