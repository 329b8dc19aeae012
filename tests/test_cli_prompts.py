"""The options of the command line that say how a text is read."""

from pathlib import Path

import numpy as np
import pytest

from embfilter_viz import EmbedFilter, Prompt, load_filter
from embfilter_viz.cli import commands
from embfilter_viz.cli.prompting import POOLINGS
from embfilter_viz.model import Model
from embfilter_viz.models.encoding import prompts
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

ASKED = 'Is "{text}" so:'


@pytest.mark.parametrize(
    ("options", "prompt"),
    [
        (["--prompt-template", ASKED], Prompt.of(ASKED)),
        (["--prompt-template", ASKED, "--pooling", "mean", "--layer", 1], f"mean@1:{ASKED}"),
        (["--prompt-template", r"So:\n{text}"], Prompt.of("So:\n{text}")),
        (["--prompt-template", "So:\n{text}"], Prompt.of("So:\n{text}")),
        (["--prompt", f"last@2:{ASKED}"], Prompt.of(ASKED, layer=2)),
        (["--prompt", "mean@1"], "mean@1"),
        (["--layer", 0], "prompteol@0"),
    ],
)
def test_embed_reads_as_it_is_asked(
    options: list[str], prompt: str, run: Run, tiny: Path, model: Model, file: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out.npy"
    said = run("embed", tiny, file, *options, "-o", out, "--json").json
    expected = EmbedFilter(model.spectrum, tau=2).transform(model.encode(TEXTS, prompt))
    np.testing.assert_array_equal(np.load(out), expected)
    assert said["prompt"] == prompt
    layer = prompts.find_prompt(prompt).layer
    if layer is None:
        assert "reading" not in said
        return
    (reading,) = said["reading"]
    assert (reading["layer"], reading["n_layers"]) == (layer, model.n_layers)
    assert reading["forwards_per_text"] == 1
    assert reading["sentence"] in run("embed", tiny, file, *options, "-o", out).out


def test_a_file_of_templates_is_their_mean(
    run: Run, tiny: Path, model: Model, file: Path, tmp_path: Path
) -> None:
    templates = tmp_path / "templates.txt"
    templates.write_text(f"{ASKED}\nSo\\n{{text}}\n", encoding="utf-8")
    out = tmp_path / "out.npy"
    asked = ("--prompt-file", templates, "--pooling", "mean", "--raw", "-o", out, "--json")
    said = run("embed", tiny, file, *asked).json
    each = [model.encode(TEXTS, f"mean:{one}") for one in (ASKED, "So\\n{text}")]
    np.testing.assert_allclose(np.load(out), np.mean(each, axis=0), rtol=1e-6, atol=1e-7)
    assert said["reading"][0]["forwards_per_text"] == 2
    again = run("embed", tiny, file, "--prompt", said["prompt"], "--raw", "-o", out, "--json").json
    assert again["prompt"] == said["prompt"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--prompt-template", "So:"], "{text}, which stands for the text, must be in it once"),
        (["--prompt-template", "{text}{text}"], "there 2 times"),
        (["--prompt-template", "so " * 800 + "{text}"], "its template alone has"),
        (["--prompt-template", "{text}?", "--prompt", "mean"], "--prompt and --prompt-template"),
        (["--pooling", "mean"], "--pooling mean: goes with --prompt-template"),
        (["--layer", 99], "layer 99: "),
        (["--prompt", "prompteol@x"], "'x' after the @ is not a layer's number"),
        (["--prompt-file", "no-such.txt"], "no-such.txt"),
    ],
)
def test_what_cannot_be_read_is_one_line(
    options: list[str], said: str, run: Run, tiny: Path, file: Path, tmp_path: Path
) -> None:
    line = run("embed", tiny, file, *options, "-o", tmp_path / "out.npy").complaint
    assert said in line
    assert len(line) < 400
    assert not (tmp_path / "out.npy").exists()


def test_lens_and_compare_say_the_layer(run: Run, tiny: Path, model: Model) -> None:
    said = run("lens", tiny, "the cat", "--layer", 1, "--layers", "--json").json
    assert said["layer"] == 1
    assert said["sentence"].startswith("after layer 1, of the top 10 tokens")
    assert len(said["layers"]["raw"]) == 2  # the input, and the layer that is read
    assert run("lens", tiny, "the cat", "--json").json["layer"] is None
    runs = ("--run", tiny, f"last@1:{ASKED}", "raw", "--run", tiny, "mean", "2")
    both = run("compare", "demo", "--task", "pairs", *runs, "--json").json
    assert both["first"]["prompt"] == f"last@1:{ASKED}"
    assert [one["layer"] for one in both["reading"]] == [1]
    assert f"“{ASKED}” (last) after layer 1" in both["sentence"]


def test_an_export_states_what_was_read_or_refuses(run: Run, tiny: Path, tmp_path: Path) -> None:
    out = tmp_path / "window.safetensors"
    asked = ("--prompt-template", ASKED, "--layer", 1)
    assert run("export", tiny, "--format", "filter", *asked, "-o", out).status == 0
    told = load_filter(out).metadata
    assert (told["prompt"], told["template"], told["layer"]) == (f"last@1:{ASKED}", ASKED, "1")
    script = tmp_path / "window.py"
    assert run("export", tiny, "--format", "numpy", "--layer", 1, "-o", script).status == 0
    assert "#   Read after layer: 1" in script.read_text()
    folder = ("export", tiny, "--format", "sentence-transformers", "-o", tmp_path / "folder")
    refused = {
        "layer 1: a folder of sentence-transformers runs all layers": asked,
        "its mean begins with the text": ("--prompt-template", ASKED, "--pooling", "mean"),
        "not under 2 templates": ("--prompt", f"last:{ASKED}\n{{text}}?"),
    }
    for said, options in refused.items():
        assert said in run(*folder, *options).complaint
    assert not (tmp_path / "folder").exists()


def test_a_folder_reads_an_own_template_as_we_do(run: Run, tiny: Path, tmp_path: Path) -> None:
    pytest.importorskip("sentence_transformers")
    asked = ("--prompt-template", ASKED, "-o", tmp_path / "folder", "--json")
    check = run("export", tiny, "--format", "sentence-transformers", *asked).json["check"]
    assert check["cosine"] > 0.99999


def test_every_command_that_takes_a_prompt_takes_a_template_and_a_layer() -> None:
    options = {"prompt_template", "prompt_file", "pooling", "layer"}
    taken = {
        name: {parameter.name for parameter in command.params}
        for name, command in commands.cli.commands.items()
    }
    asked = {name for name, parameters in taken.items() if "prompt" in parameters}
    assert asked >= {"embed", "lens", "pair", "lesson", "geometry", "claims", "sweep", "export"}
    for name in asked:
        assert options <= taken[name], name


def test_names_that_help_spells_out_are_the_librarys() -> None:
    assert prompts.POOLINGS == POOLINGS
