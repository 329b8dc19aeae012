"""Ensembles on the command line: what they cost beside what they gain, and what was written."""

import json
from pathlib import Path

import numpy as np
import pytest

from embfilter_viz import EmbedFilter, load_filter
from embfilter_viz.analyses.rewritten import rewritten
from embfilter_viz.evaluation.tasks import read_task
from embfilter_viz.model import Model
from embfilter_viz.models.encoding.rewriting import RECIPE
from embfilter_viz.spectral.windows import Window
from tests.test_cli import (
    TEXTS,
    Run,
    file,
    model,
    one_cache,
    one_thread,
    run,
)

__all__ = ["file", "model", "one_cache", "one_thread", "run"]


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    """Thirty graded pairs of eight short texts."""
    path = tmp_path / "pairs.csv"
    texts = ["a cat", "the dog", "stock", "the sun", "gas", "a mat", "one", "so"]
    rows = [f"{texts[i % 8]},{texts[(i * 3 + i // 8) % 8]},{i % 6}" for i in range(30)]
    path.write_text("sentence1,sentence2,score\n" + "\n".join(rows) + "\n", encoding="utf-8")
    return path


def test_rewritings_are_printed_and_are_what_geneol_reads(
    run: Run, tiny: Path, model: Model, file: Path, tmp_path: Path
) -> None:
    said = run("rewritings", tiny, file, "--json").json
    found = rewritten(model, TEXTS)
    assert said == json.loads(json.dumps(found.to_json()))
    assert said["sampling"]["seed"] == RECIPE.seed
    assert [len(one["rewritings"]) for one in said["texts"]] == [8] * len(TEXTS)
    shown = run("rewritings", tiny, file).out
    assert "sampled at temperature 0.7, top-p 0.9 of the 50 likeliest tokens, seed 0" in (
        " ".join(shown.split())
    )
    out = tmp_path / "out.npy"
    read = run("embed", tiny, file, "--prompt", "geneol", "--raw", "-o", out, "--json").json
    np.testing.assert_array_equal(np.load(out), model.encode(TEXTS, "geneol"))
    assert read["prompt"] == "geneol"
    (reading,) = read["reading"]
    assert reading["forwards_per_text"] == 9
    assert reading["sentence"].endswith("a text, after 8 rewritings of it were written.")


def test_compare_says_what_a_text_costs_and_samples(run: Run, tiny: Path, pairs: Path) -> None:
    asked = ("compare", pairs, "--task", "sts", "--limit", 24, "--seed", 3)
    runs = ("--run", tiny, "metaeol", "raw", "--run", tiny, "geneol", "2")
    said = run(*asked, *runs, "--json").json
    assert said["task"]["n_units"] == 24
    first, second = said["first"], said["second"]
    assert (first["forwards_per_text"], first["generated_tokens_per_text"]) == (8, 0)
    assert second["forwards_per_text"] == 9
    assert second["generated_tokens_per_text"] > 8
    n = len(read_task("sts", pairs, limit=24, seed=3).texts)
    assert second["rewritings"]["count"] == 8 * n
    assert (
        "A text takes 8 forward passes in the first run and 9 forward passes and"
        in (said["sentence"])
    )
    shown = run(*asked, *runs).out
    assert "A random sample of 24 of the 30 pairs, seed 3." in shown
    assert "a text takes" in shown


def test_a_leaderboard_has_other_prompts_raw_and_with_the_window(
    run: Run, tiny: Path, model: Model, pairs: Path
) -> None:
    asked = ("leaderboard", tiny, pairs, "--task", "sts", "--methods", "truncation")
    beside = ("--beside", "metaeol", "--beside", "geneol", "--beside", "prompteol")
    said = run(*asked, *beside, "--json").json
    found = {one["name"]: one for one in said["methods"]}
    assert set(found) == {
        *("raw", "embedfilter", "truncation", "metaeol, raw", "metaeol, embedfilter"),
        *("geneol, raw", "geneol, embedfilter"),
    }
    assert said["n_compared"] == 6
    task = read_task("sts", pairs)
    keep = EmbedFilter(model.spectrum, window=Window(*said["window"], model.d_model))
    scores = {}
    for prompt in ("prompteol", "metaeol", "geneol"):
        E = model.encode(task.texts, prompt)
        scores[prompt] = task.score(E), task.score(keep.transform(E))
    for prompt in ("metaeol", "geneol"):
        for name, score in zip(("raw", "embedfilter"), scores[prompt], strict=True):
            row = found[f"{prompt}, {name}"]
            assert row["prompt"] == prompt
            assert row["score"]["value"] == pytest.approx(score)
            assert row["to_raw"]["value"] == pytest.approx(score - scores["prompteol"][0])
            assert row["to_window"]["value"] == pytest.approx(score - scores["prompteol"][1])
    assert found["geneol, raw"]["forwards_per_text"] == 9
    assert found["metaeol, embedfilter"]["removes"] == found["embedfilter"]["removes"]
    assert found["raw"]["forwards_per_text"] == 1
    assert (
        "A text takes 1 forward pass under prompteol, 8 forward passes under metaeol and 9"
        in (said["sentence"])
    )
    table = run(*asked, "--beside", "metaeol").out
    assert "a text takes" in table
    assert "a text takes" not in run(*asked).out


def test_a_filter_file_says_how_rewritings_were_sampled(
    run: Run, tiny: Path, tmp_path: Path
) -> None:
    told = {}
    for prompt in ("geneol", "metaeol"):
        out = tmp_path / f"{prompt}.safetensors"
        asked = ("--format", "filter", "--prompt", prompt, "-o", out)
        assert run("export", tiny, *asked).status == 0
        told[prompt] = load_filter(out).metadata
    assert told["geneol"]["prompt"] == "geneol"
    assert told["geneol"]["rewritings"] == RECIPE.sentence
    assert "rewritings" not in told["metaeol"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("leaderboard", "demo", "--task", "sts", "--beside", "poem"), "'poem' is not one of"),
        (("leaderboard", "demo", "--task", "sts", "--beside", "last:So"), "must be in it once"),
        (
            ("export", "--format", "sentence-transformers", "--prompt", "geneol", "-o", "folder"),
            "prompt geneol: a folder of sentence-transformers reads a text once and writes no",
        ),
    ],
)
def test_refusals_are_one_line(
    arguments: tuple[str, ...], said: str, run: Run, tiny: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    command, *rest = arguments
    assert said in run(command, tiny, *rest).complaint
    assert list(tmp_path.iterdir()) == [] or not (tmp_path / "folder").exists()
