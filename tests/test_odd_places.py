"""Pipes, devices, folders and odd ids in the place of a model or a file: one line, and at once."""

import os
import resource
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from embfilter_viz.cli import main
from tests.models.tiny_checkpoints import D_MODEL, one_thread

__all__ = ["one_thread"]

pytestmark = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes on this system")

SECONDS = 30
"""Within which a line is said, on a busy machine too; a pipe that is opened waits for ever."""
BYTES = 1 << 30
"""More memory than a refusal needs; a device is as long as one reads."""

NAMES = (
    *("a/b@/dev/zero", "a/b@../../x", "a/b@x/../y", "a/b@..", "a/b@%2e%2e", "a/b@", "a/b@x@y"),
    *("../../etc", "a/../../etc/passwd", "a/..", "..", "/", "//", "a/%2e%2e", "%2e%2e/%2e%2e"),
    *("a--b/c", "ａ/b", "a∕b", "a\\b", "-a/b", "a/.b", "a/b\n", "a/\u202eb", "a/b.git", "a%2fb"),
    *("/dev/zero", "/dev/null", "/dev/stdin", "/proc/self/mem", "/proc/self/environ", "~no/m"),
    *("file:///etc/passwd", "http://127.0.0.1:9/m", "engine:file:///etc#x", "a" * 5000, "", " "),
    *("$(id)", "`id`", "; id", "*", "@main"),
)
"""What is no name of a model."""

INSIDE = (
    *("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"),
    *("model.safetensors.index.json", "special_tokens_map.json", "generation_config.json"),
    *("adapter_config.json", "modules.json", "refs/main", "embfilter.json"),
)
"""Files of a checkpoint in whose place something else lies."""


@contextmanager
def at_once() -> Iterator[None]:
    """Fail what does not end in time, also where it waits for the system, or reads without end."""

    def late(*_: Any) -> None:
        raise AssertionError(f"no answer within {SECONDS} s")

    before = signal.signal(signal.SIGALRM, late)
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    now = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (now + BYTES, hard))
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
        signal.signal(signal.SIGALRM, before)


@pytest.fixture(scope="module")
def made_filter(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("filter") / "f.safetensors"
    with pytest.raises(SystemExit) as end:
        main(["export", str(tiny), "--window", "3:20", "--format", "filter", "-o", str(path)])
    assert end.value.code == 0
    return path


@pytest.fixture
def told(capsys: pytest.CaptureFixture[str]) -> Any:
    """Run a command that is to be refused; the one line that it says."""

    def run(*words: object) -> str:
        with at_once(), pytest.raises(SystemExit) as end:
            main([*map(str, words)])
        said = capsys.readouterr()
        assert end.value.code == 2, (words, said.err)
        (line,) = [one for one in said.err.splitlines() if "Traceback" not in one][-1:]
        assert said.err.count("\n") <= 1, said.err
        assert line.startswith("embfilter-viz: ")
        assert line.isprintable()
        assert "memory" not in line
        return line

    return run


@pytest.mark.parametrize("name", NAMES)
def test_an_odd_name_of_a_model(name: str, told: Any, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    told("spectrum", "--", name)
    assert {path.name for path in tmp_path.iterdir()} <= {"cache"}


def put(kind: str, path: Path) -> Path:
    """Something that is no file, at a place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists():
        path.unlink()
    match kind:
        case "pipe":
            os.mkfifo(path)
        case "device":
            path.symlink_to("/dev/zero")
        case "folder":
            path.mkdir()
        case "loop":
            path.symlink_to(path.name)
    return path


KINDS = ("pipe", "device", "folder", "loop")


@pytest.mark.parametrize("kind", KINDS)
def test_no_file_inside_a_checkpoint(
    kind: str, tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ends = {}
    for file in INSIDE:
        folder = shutil.copytree(tiny, tmp_path / file.replace("/", "-"))
        put(kind, folder / file)
        with at_once(), pytest.raises(SystemExit) as end:
            main(["lens", str(folder), "a", "--tau", "2", "--prompt", "mean"])
        said = capsys.readouterr().err
        ends[file] = end.value.code
        assert "Traceback" not in said, said
        assert end.value.code in (0, 2), said
        assert said.count("\n") <= 1, said
        assert "memory" not in said, said
    for file in ("config.json", "model.safetensors", "tokenizer.json"):
        assert ends[file] == 2, file


@pytest.mark.parametrize("kind", KINDS)
def test_no_file_in_the_place_of_one(
    kind: str, tiny: Path, made_filter: Path, told: Any, tmp_path: Path
) -> None:
    texts, vectors = tmp_path / "t.txt", tmp_path / "v.npy"
    texts.write_text("a\nb\n")
    np.save(vectors, np.ones((2, D_MODEL), dtype=np.float32))
    odd = {end: put(kind, tmp_path / f"odd{end}") for end in (".txt", ".csv", ".jsonl", ".npy",
           ".parquet", ".arrow", ".safetensors", ".gguf", ".json", "")}  # fmt: skip
    out = tmp_path / "o.npy"
    embed = ("embed", tiny, "--prompt", "mean", "--raw", "-o", out)
    report = (
        "export",
        tiny,
        "--tau",
        2,
        "--format",
        "report",
        "-o",
        tmp_path / "r.html",
        "--texts",
    )
    for words in (
        ("spectrum", odd[""]),
        ("spectrum", odd[".gguf"]),
        ("spectrum", odd[".safetensors"]),
        *((*embed[:2], odd[end], *embed[2:]) for end in (".txt", ".csv", ".jsonl", ".parquet")),
        ("geometry", tiny, odd[".txt"], "--tau", 2),
        ("sweep", tiny, odd[".csv"], "--task", "sts"),
        ("claims", tiny, odd[".csv"]),
        (*report, "--texts", odd[".txt"]),
        ("spectroscopy", tiny, "--frequencies", odd[".json"]),
        *(("apply", made_filter, odd[end], "-o", out) for end in (".npy", ".parquet", ".arrow")),
        ("apply", odd[".safetensors"], vectors, "-o", out),
        ("verify", odd[""], "--with", texts, "--model", tiny),
        ("verify", tiny, "--with", odd[".txt"], "--model", tiny),
    ):  # fmt: skip
        told(*words)
    assert not out.exists()
