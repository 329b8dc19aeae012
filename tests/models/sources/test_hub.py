import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from embfilter_viz.errors import Cancelled, InputError
from embfilter_viz.models.sources import hub
from embfilter_viz.models.sources.known import known_models
from embfilter_viz.models.sources.locate import locate
from tests.models import hand_made
from tests.models.hand_made import Listener
from tests.models.hub_stand_in import HubStandIn, Repository, hub_stand_in

pytestmark = pytest.mark.usefixtures("own_cache")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = hand_made.write(tmp_path / "content", shards=2)
    (folder / "pytorch_model.bin").write_bytes(b"a pickle")
    (folder / "modeling_tiny.py").write_text("raise SystemExit")
    (folder / "consolidated.safetensors").write_bytes(b"the weights once more")
    (folder / "onnx").mkdir()
    (folder / "onnx" / "config.json").write_text("{}")
    return folder


@pytest.fixture
def served(model: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubStandIn]:
    with hub_stand_in({"org/tiny": Repository(model, revisions=("main", "v1"))}) as running:
        monkeypatch.setenv("HF_ENDPOINT", running.address)
        yield running


def one_line(name: str) -> str:
    with pytest.raises(InputError) as refusal:
        locate(name)
    said = str(refusal.value)
    assert said.startswith(name)
    assert "\n" not in said
    return said


def test_fetched_once_then_opened_without_the_network(
    served: HubStandIn, model: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    listener = Listener()
    checkpoint = locate("org/tiny", progress=listener)
    commit = served.repositories["org/tiny"].commit
    assert (checkpoint.outline.kind, checkpoint.outline.revision) == ("hub", commit)
    assert checkpoint.outline.precision == "float32"
    fetched = {p.name for p in checkpoint.folder.iterdir()}
    shards = {"model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"}
    assert fetched == {
        "config.json",
        "model.safetensors.index.json",
        "tokenizer.json",
        *shards,
    }
    for name in fetched:
        assert (checkpoint.folder / name).read_bytes() == (model / name).read_bytes()
    assert set(served.bytes_sent) == fetched  # no pickle, no code, no second copy
    assert any(what == f"asking {served.address}" for what, *_ in listener.told)
    asked = len(served.requests)
    assert locate("org/tiny") == checkpoint
    assert len(served.requests) == asked
    assert ("org/tiny", True) in [(m.name, m.present) for m in known_models()]
    assert capfd.readouterr() == ("", "")


def test_same_content_hash_as_the_folder(served: HubStandIn, model: Path) -> None:
    (model / "consolidated.safetensors").unlink()
    assert locate("org/tiny").content_hash == locate(str(model)).content_hash


def test_revision(served: HubStandIn) -> None:
    commit = served.repositories["org/tiny"].commit
    by_tag = locate("org/tiny@v1")
    assert (by_tag.name, by_tag.outline.revision) == ("org/tiny@v1", commit)
    asked = len(served.requests)
    by_commit = locate(f"org/tiny@{commit}")
    assert (by_commit.folder, len(served.requests)) == (by_tag.folder, asked)


def test_unknown_repository_and_revision(served: HubStandIn) -> None:
    assert "no model org/tinny" in one_line("org/tinny")
    assert "no revision v2" in one_line("org/tiny@v2")


def test_gated(served: HubStandIn) -> None:
    served.repositories["org/tiny"].gated = True
    assert "gated" in one_line("org/tiny")


def test_pickle_only_is_refused_before_fetching_weights(served: HubStandIn, model: Path) -> None:
    for path in model.glob("*.safetensors*"):
        path.unlink()
    assert "pickle can run any code" in one_line("org/tiny")
    assert set(served.bytes_sent) == {"config.json"}


def test_encoder_is_refused_before_fetching_weights(served: HubStandIn, model: Path) -> None:
    (model / "config.json").write_text(json.dumps({"model_type": "bert"}))
    assert "encoder-only" in one_line("org/tiny")
    assert set(served.bytes_sent) == {"config.json"}


def test_gguf_only_says_what_to_do(served: HubStandIn, model: Path) -> None:
    for path in [*model.glob("*.safetensors*"), model / "pytorch_model.bin", model / "config.json"]:
        path.unlink()
    (model / "tiny-q4.gguf").write_bytes(b"GGUF")
    assert "download one of them and give its path" in one_line("org/tiny")


def test_connection_refused_is_told_within_ten_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: refused
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{taken.getsockname()[1]}")
        before = time.monotonic()
        assert "cannot be reached" in one_line("org/tiny")
    assert time.monotonic() - before < 10


def test_a_silent_hub_is_told_within_ten_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()  # connects and never answers
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{silent.getsockname()[1]}")
        before = time.monotonic()
        assert "cannot be reached" in one_line("org/tiny")
    assert time.monotonic() - before < 10


def test_offline_is_respected(served: HubStandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert "HF_HUB_OFFLINE forbids" in one_line("org/tiny")
    assert served.requests == []
    monkeypatch.delenv("HF_HUB_OFFLINE")
    fetched = locate("org/tiny")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert locate("org/tiny") == fetched


@pytest.fixture
def large(served: HubStandIn, model: Path) -> HubStandIn:
    """Weights of 48 MB over a line that takes three seconds for them; 10 MB is one write."""
    from safetensors.numpy import save_file

    for path in model.glob("*.safetensors*"):
        path.unlink()
    weights = {"model.embed_tokens.weight": np.ones((3_000_000, 4), np.float32)}
    save_file(weights, model / "model.safetensors")
    served.bytes_per_second = 16e6
    return served


def left_behind() -> list[Path]:
    return list(hub.hub_cache().rglob("*.incomplete"))


def test_cancelled_within_two_seconds_and_begun_again(large: HubStandIn) -> None:
    started = [0.0]

    def cancel(what: str, done: float, total: float, unit: str) -> None:
        if what == "fetching from the hub" and done > 1:
            assert 47.9 < total < 48.2
            assert unit == "MB"
            started[0] = time.monotonic()
            raise Cancelled

    with pytest.raises(Cancelled):
        locate("org/tiny", progress=cancel)
    assert time.monotonic() - started[0] < 2
    assert hub.find_cached("org/tiny") is None
    assert len(left_behind()) == 1
    large.bytes_per_second = float("inf")
    assert locate("org/tiny").outline.kind == "hub"
    assert left_behind() == []


_KILLED = """
import os, signal, sys
from embfilter_viz.models.sources.locate import locate
def progress(what, done, total, unit):
    if what == "fetching from the hub" and done > 1:
        os.kill(os.getpid(), signal.SIGKILL)
locate("org/tiny", progress=progress)
"""


def test_killed_while_fetching_recovers(large: HubStandIn) -> None:
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    ended = subprocess.run([sys.executable, "-c", _KILLED], env=env, timeout=60)
    assert ended.returncode == -9
    assert hub.find_cached("org/tiny") is None
    large.bytes_per_second = float("inf")
    assert locate("org/tiny").outline.kind == "hub"
    assert left_behind() == []


@pytest.mark.parametrize("name", ["./tiny", "a/b/c", "/org/tiny", "~/org", "..", "org/tiny.bin"])
def test_a_path_is_never_asked_of_the_hub(served: HubStandIn, name: str) -> None:
    with pytest.raises(InputError):
        locate(name)
    assert served.requests == []


def test_a_typo_beside_real_folders_is_no_hub_id(
    served: HubStandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "org").mkdir()
    monkeypatch.chdir(tmp_path)
    assert "no such folder" in one_line("org/tiny")
    assert served.requests == []


def test_a_folder_goes_before_a_hub_id(
    served: HubStandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hand_made.write(tmp_path / "org" / "tiny")
    monkeypatch.chdir(tmp_path)
    assert locate("org/tiny").outline.kind == "folder"
    assert served.requests == []
