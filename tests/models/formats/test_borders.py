"""What is read at the border: by a schema, within the file's own length, or refused in one line."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from embfilter_viz.errors import InputError
from embfilter_viz.models.formats.agreement import check_agreement
from embfilter_viz.models.formats.checks import check_folder, read_config
from embfilter_viz.models.formats.safetensors_header import read_tables
from embfilter_viz.models.sources import hub
from embfilter_viz.models.sources.known import known_models
from embfilter_viz.models.sources.locate import outline_of_folder
from embfilter_viz.models.sources.names import understood
from embfilter_viz.models.sources.package_index import index_url
from embfilter_viz.spectral.windows import Window
from embfilter_viz.system.paths import cache_folder
from tests.models import hand_made


def line_of(work: Callable[[], object]) -> str:
    """The one line in which ``work`` refuses."""
    with pytest.raises(InputError) as refused:
        work()
    line = str(refused.value)
    assert "\n" not in line
    assert len(line) <= 900
    return line


def write_table(path: Path, table: Any, n_bytes: int = 0, more: bytes = b"") -> Path:
    said = table if isinstance(table, bytes) else json.dumps(table).encode()
    path.write_bytes(len(said).to_bytes(8, "little") + said + bytes(n_bytes) + more)
    return path


ONE = {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"shape": [2**61, 2**61]}, "does not give its 24 bytes"),
        ({"shape": [2**62]}, "less than 4611686018427387904"),
        ({"shape": [2, 4]}, "does not give its 24 bytes"),
        ({"shape": ["2", 3]}, "w.shape.0 should be a valid integer, and is '2'"),
        ({"shape": [2, -3]}, "greater than or equal to 0"),
        ({"shape": "long"}, "w.shape should be a valid list"),
        ({"data_offsets": [24, 0]}, "ends before it begins"),
        ({"data_offsets": [0, 24.0]}, "should be a valid integer"),
        ({"data_offsets": [0, 2**63]}, "less than"),
        ({"data_offsets": [0]}, "at least 2 items"),
        ({"dtype": 7}, "w.dtype should be a valid string"),
        ({"dtype": "F128", "shape": [2**40]}, "does not give its 24 bytes"),
    ],
)
def test_a_table_whose_numbers_do_not_agree(
    change: dict[str, Any], says: str, tmp_path: Path
) -> None:
    path = write_table(tmp_path / "model.safetensors", {"w": ONE | change}, 24)
    assert says in line_of(lambda: read_tables([path], "m"))


@pytest.mark.parametrize(
    "table", [b"[" * 100_000, b"{", b"[]", b'{"w": 3}', b"\xff{}", b'{"w":1e999}']
)
def test_a_table_that_is_none(table: bytes, tmp_path: Path) -> None:
    path = write_table(tmp_path / "model.safetensors", table)
    assert "model.safetensors" in line_of(lambda: read_tables([path], "m"))


def test_bytes_of_no_tensor_and_of_two(tmp_path: Path) -> None:
    trailing = write_table(tmp_path / "a.safetensors", {"w": ONE}, 24, b"more")
    assert "bytes behind those of its table" in line_of(lambda: read_tables([trailing], "m"))
    twice = write_table(tmp_path / "b.safetensors", {"v": ONE, "w": ONE}, 24)
    assert "or to two" in line_of(lambda: read_tables([twice], "m"))


@pytest.mark.parametrize(
    ("said", "says"),
    [
        ({"num_hidden_layers": 2**31}, "less than or equal to 10000"),
        ({"num_hidden_layers": 0}, "greater than or equal to 1"),
        ({"max_position_embeddings": 1}, "greater than or equal to 8"),
        ({"num_hidden_layers": 9}, "asks for 9 layers and the weights have 2"),
        ({"vocab_size": 2**30}, "at a width of 4 and the weights have"),
        ({"hidden_size": "4"}, "hidden_size should be a valid integer"),
        ({"hidden_size": float("nan")}, "hidden_size should be a valid integer"),
        ({"logits_scaling": float("inf")}, "logits_scaling should be a finite number"),
        ({"architectures": 3}, "architectures should be a valid list"),
        ({"eos_token_id": 2**70}, "less than 4294967296"),
        ({"model_type": "gpt2", "n_positions": 2**30}, "1,073,741,824 positions"),
        ({"text_config": {"n_layer": -1}}, "text_config.n_layer should be greater"),
    ],
)
def test_a_configuration_of_no_model(said: dict[str, Any], says: str, tmp_path: Path) -> None:
    folder = hand_made.write(tmp_path / "m", **said)
    assert says in line_of(lambda: check_folder(folder, "m"))


def test_a_configuration_agrees_with_its_own_tensors(tmp_path: Path) -> None:
    folder = hand_made.write(tmp_path / "m", num_hidden_layers=2, intermediate_size=6)
    config, tables = check_folder(folder, "m")
    check_agreement(config, tables, "m")


def test_a_deep_configuration_is_refused_and_a_long_one_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_bytes(b'{"a":' * 100_000)
    assert "recursion limit" in line_of(lambda: read_config(tmp_path, "m"))
    with path.open("wb") as file:
        file.truncate(1 << 30)
    assert "longer than" in line_of(lambda: read_config(tmp_path, "m"))


@pytest.mark.parametrize(
    "shard", ["../x.safetensors", "/x.safetensors", "a/b.safetensors", "x.bin"]
)
def test_an_index_names_files_beside_it_alone(shard: str, tmp_path: Path) -> None:
    folder = hand_made.write(tmp_path / "m", shards=2)
    index = {"weight_map": {"w": shard}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    assert "model.safetensors.index.json" in line_of(lambda: check_folder(folder, "m"))


@pytest.mark.parametrize(
    "name",
    [
        *("a/b@/dev/zero", "a/b@../../x", "a/b@x/../y", "a/b@.git", "a/b@", "a/b@x y", "a/b@x@y"),
        *("a--b/c", "a/b--c", "ａ/b", "a/..", "../b", "a/%2e%2e", "a/b%2e", "-a/b", "a/b-", "a/.b"),
        *("a/" + "b" * 200, "a/b@" + "c" * 300, "~nosuchuser/m", "a/b\0", "/dev/zero", "", " "),
    ],
)
def test_what_is_no_name_of_a_model_builds_no_path(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert hub.parse_id(name) is None
    line_of(lambda: understood(name))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes on this system")
def test_pipes_and_devices_are_not_waited_for(tmp_path: Path) -> None:
    pipe = tmp_path / "m.gguf"
    os.mkfifo(pipe)
    assert "a pipe (FIFO)" in line_of(lambda: understood(str(pipe)))
    assert "a device" in line_of(lambda: understood(os.devnull))
    folder = hand_made.write(tmp_path / "m")
    (folder / "refs").mkdir()
    os.mkfifo(folder / "refs" / "main")
    assert hub.snapshot_in(folder) == folder
    for file in ("config.json", "tokenizer.json"):
        (folder / file).unlink()
        os.mkfifo(folder / file)
        line_of(lambda: outline_of_folder(folder, "m"))


def test_one_odd_configuration_in_the_cache_hides_itself_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    odd = (b"[]", b'{"model_type": 3}', b"{" * 100_000, b"\xff", b'{"architectures": 7}', b"")
    for number, config in enumerate((None, *odd)):
        home = tmp_path / f"models--org--m{number}"
        (home / "refs").mkdir(parents=True)
        (home / "refs" / "main").write_text("0" * 40)
        folder = hand_made.write(home / "snapshots" / ("0" * 40))
        if config is not None:
            (folder / "config.json").write_bytes(config)
    for foreign in ("models--a--b--c", "models--a--b%2e", "models--ａ--b", "models--x--"):
        (tmp_path / foreign).mkdir()
    assert [model.name for model in known_models() if "org/" in model.name] == ["org/m0"]


@pytest.mark.parametrize("text", ["9" * 5000, "1." + "1" * 5000, "1:" + "9" * 5000, "1e999999999"])
def test_thousands_of_digits_are_no_window(text: str) -> None:
    assert len(line_of(lambda: Window.parse(text, 576))) < 300


def test_places_that_are_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    for place in (tmp_path / "file", tmp_path / "file" / "in", "~nosuchuser/cache"):
        monkeypatch.setenv("EMBFILTER_VIZ_CACHE", str(place))
        assert "EMBFILTER_VIZ_CACHE" in line_of(cache_folder)
    monkeypatch.setenv("HF_HUB_CACHE", "~nosuchuser/hub")
    assert "HF_HUB_CACHE" in line_of(hub.hub_cache)


@pytest.mark.parametrize(
    "url", ["no url", "http://[x", "http://", "ftp://a/b", "http://a:b/c", "//x"]
)
def test_an_index_that_is_no_url(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", url)
    assert "PIP_INDEX_URL" in line_of(index_url)


def test_a_line_says_no_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "ftp://me:secret@host/simple")
    assert "secret" not in line_of(index_url)


def test_what_a_name_brings_into_a_line_cannot_break_it() -> None:
    line = str(InputError("a\nb\u2028c\ud800d\u202ee" + "x" * 5000 + "; the way out"))
    assert line.startswith("a b")
    assert line.endswith("; the way out")
    assert line.encode()
    assert np.all([c not in line for c in "\n\u2028\u202e"])
