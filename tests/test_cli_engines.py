"""Commands on a served engine: the numbers of the local model, or one line why there are none."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from embfilter_viz.engine_model import EngineModel
from tests.models.engines.stand_in import LocalOnce, StandIn, serving
from tests.models.tiny_checkpoints import one_thread
from tests.test_cli import TEXTS, Run, file, one_cache, run

__all__ = ["file", "one_cache", "one_thread", "run"]

PAIRS = "sentence1\tsentence2\tscore\n" + "\n".join(
    f"the cat sat on {i}\tthe dog sat on {i * i}\t{(i * 7) % 5}" for i in range(12)
)


@pytest.fixture(autouse=True)
def loaded_once(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(EngineModel, "_local", lambda self: LocalOnce(tiny))


@pytest.fixture
def named(tiny: Path) -> Iterator[str]:
    """The name of an engine of the tiny model."""
    with serving(StandIn(tiny)) as address:
        yield f"engine:{address}#tiny={tiny}"


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    path = tmp_path / "pairs.tsv"
    path.write_text(PAIRS, encoding="utf-8")
    return path


def close(ours: Any, theirs: Any, at: str = "") -> None:
    """Two JSON values are the same but for rounding and names."""
    if isinstance(ours, dict):
        assert ours.keys() == theirs.keys(), at
        for key, value in ours.items():
            if key not in ("model", "sentence", "name", "encoded", "checkpoint", "output"):
                close(value, theirs[key], f"{at}.{key}")
    elif isinstance(ours, list):
        assert len(ours) == len(theirs), at
        for i, (one, other) in enumerate(zip(ours, theirs, strict=True)):
            close(one, other, f"{at}[{i}]")
    elif isinstance(ours, float):
        assert theirs == pytest.approx(ours, rel=2e-3, abs=2e-4), at
    else:
        assert ours == theirs, at


def test_embed_writes_the_local_rows_and_names_the_engine(
    run: Run, tiny: Path, named: str, file: Path, tmp_path: Path
) -> None:
    ours, theirs = tmp_path / "ours.npy", tmp_path / "theirs.npy"
    run("embed", tiny, file, "--tau", "2", "-o", ours)
    said = run("embed", named, file, "--tau", "2", "-o", theirs, "--engine-requests", 2, "--json")
    np.testing.assert_allclose(np.load(theirs), np.load(ours), atol=1e-5)
    encoded = said.json["encoded"]
    assert encoded["engine"] == "vLLM 0.32.0"
    assert encoded["tested_against"] == "the local model"
    assert encoded["lowest_cosine"] > 1 - 1e-6
    words = run("embed", named, file, "--tau", "2", "-o", tmp_path / "again.npy").out
    assert "vLLM 0.32.0 answers the state of a text's last token" in words


@pytest.mark.parametrize(
    "command",
    [
        ("geometry", "FILE"),
        ("pair", TEXTS[0], TEXTS[2], "--frequencies", "wordfreq"),
        ("lens", TEXTS[0], "--frequencies", "wordfreq"),
        ("propose", "demo"),
        ("sweep", "PAIRS", "--task", "sts", "--grid", "4", "--no-baselines"),
    ],
    ids=lambda command: command[0],
)
def test_what_needs_embeddings_gives_the_local_numbers(
    run: Run, tiny: Path, named: str, file: Path, pairs: Path, command: tuple[str, ...]
) -> None:
    verb, *rest = ({"FILE": file, "PAIRS": pairs}.get(word, word) for word in command)
    ours = run(verb, tiny, *rest, "--json").json
    theirs = run(verb, named, *rest, "--json").json
    assert theirs.pop("encoded")["gives"] == "last"
    close(ours, theirs)


def test_compare_sets_an_engine_beside_its_checkpoint(
    run: Run, tiny: Path, named: str, pairs: Path
) -> None:
    asked = ("--run", tiny, "prompteol", "2", "--run", named, "prompteol", "2")
    said = run("compare", pairs, "--task", "sts", *asked, "--json").json
    assert json.dumps(said).count("tested_against") == 1


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (("lens", "the cat", "--layers"), "gives the states after the last layer alone"),
        (("lens", "the cat", "--positions"), "gives the states after the last layer alone"),
        (("lens", "the cat", "--frequencies", "model"), "gives vectors alone; take wordfreq"),
        (("rewritings", "FILE"), "gives the states after the last layer alone"),
        (("embed", "FILE", "--prompt", "echo", "-o", "x.npy"), "token_embed"),
        (("export", "--format", "sentence-transformers", "-o", "folder"), "holds the layers, and"),
    ],
)
def test_what_an_engine_cannot_give_is_one_line(
    run: Run, named: str, file: Path, command: tuple[str, ...], words: str,
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    verb, *rest = ({"FILE": file}.get(word, word) for word in command)
    assert words in run(verb, named, *rest).complaint


def test_a_filter_file_says_the_checkpoint_and_not_the_address(
    run: Run, tiny: Path, named: str, tmp_path: Path
) -> None:
    from safetensors import safe_open

    out = tmp_path / "filter.safetensors"
    run("export", named, "--tau", "2", "--format", "filter", "-o", out)
    with safe_open(out, "np") as file:
        said = file.metadata()
    assert said["checkpoint"] == tiny.name
    assert "127.0.0.1" not in str(said)
