"""Own templates, pooling and layer in the sidebar, in links, and on the pages they lead to."""

import shlex
from pathlib import Path

import pytest

from embfilter_viz.analyses.lens import lens
from embfilter_viz.cli import main
from embfilter_viz.model import open_model
from embfilter_viz.models.encoding.prompts import METAEOL, Prompt
from embfilter_viz.spectral.windows import Window
from embfilter_viz.ui.prompt_choice import OWN, SEVERAL, prompt_parameters
from tests.models.tiny_checkpoints import write_checkpoint
from tests.pages.explorer import Explorer

ASKED = 'Is "{text}" so:'


def test_own_words_pooling_and_layer_come_from_the_link(tiny: Path) -> None:
    prompt = Prompt.of(ASKED, "mean", 1)
    explorer = Explorer(
        "filter_and_lens", model=str(tiny), text="the cat", window="3:20",
        **prompt_parameters(prompt),
    )  # fmt: skip
    assert explorer.errors == []
    found = {key: explorer.control(key).value for key in ("prompt", "template", "layer")}
    assert found == {"prompt": OWN, "template": ASKED, "layer": 1}
    model = open_model(str(tiny))
    expected = lens(
        model, "the cat", prompt, Window(3, 20, model.d_model), frequencies=model.frequencies()
    )
    first = expected.sentence.partition(". ")[0]  # random subspaces follow when the window rests
    assert explorer.answers[0].startswith(first)
    assert expected.sentence.startswith("after layer 1, ")
    assert f"Read after layer 1 of {model.n_layers}." in explorer.words
    assert f"prompt={str(prompt)!r}" in explorer.python
    assert f"--prompt-template {shlex.quote(ASKED)} --pooling mean --layer 1" in explorer.command


def test_what_the_sidebar_says_is_what_the_command_takes(
    tiny: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    explorer = Explorer("geometry", model=str(tiny), **prompt_parameters(Prompt.of(ASKED, "mean")))
    if explorer.at.button[0].label.startswith("Embed"):
        explorer.press("Embed")
    words = shlex.split(explorer.command.splitlines()[0])[1:]
    texts = tiny.parent / "texts.txt"
    texts.write_text("a cat\na dog\nstock markets\n", encoding="utf-8")
    with pytest.raises(SystemExit) as left:
        main([str(texts) if word == "texts.txt" else word for word in words])
    assert left.value.code == 0, capsys.readouterr().err


def test_choices_are_made_one_by_one_and_outlive_a_page(tiny: Path) -> None:
    explorer = Explorer("filter_and_lens", model=str(tiny), prompt="mean")
    n = open_model(str(tiny)).n_layers
    assert explorer.control("layer").value == n
    explorer.change("layer", n - 1)
    assert explorer.answers[0].startswith(f"after layer {n - 1}, ")
    explorer.change("prompt", OWN).change("template", ASKED)
    assert explorer.errors == []
    assert f"--prompt-template {shlex.quote(ASKED)} --layer {n - 1}" in explorer.command
    explorer.go("geometry")
    assert explorer.control("template").value == ASKED
    assert explorer.control("layer").value == n - 1
    explorer.change("prompt", "mean").change("prompt", OWN)
    assert explorer.control("template").value == ASKED
    explorer.go("filter_and_lens").change("layer", n)
    assert "--layer" not in explorer.command


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("So:", "must be in it once and is missing"),
        ("{text} {text}", "must be in it once and is there 2 times"),
        ("so " * 800 + "{text}", "its template alone has"),
        ("", "is missing"),
        ("**{text} $x$", ""),
    ],
)
def test_a_template_that_cannot_be_read_is_one_line(template: str, said: str, tiny: Path) -> None:
    explorer = Explorer("filter_and_lens", model=str(tiny), prompt=OWN, text="the cat")
    explorer.change("template", template)
    if not said:
        assert explorer.errors == []
        assert template in explorer.words
        return
    (line,) = explorer.errors
    assert said in line
    assert line.endswith("Showing PromptEOL instead.")
    assert "--prompt prompteol" in explorer.command
    assert explorer.answers


def test_a_prompt_named_whole_in_a_link_is_taken_apart(tiny: Path) -> None:
    explorer = Explorer("geometry", model=str(tiny), prompt=f"mean@2:{ASKED}")
    found = {key: explorer.control(key).value for key in ("prompt", "template", "layer")}
    assert found == {"prompt": OWN, "template": ASKED, "layer": 2}
    several = Prompt.of([ASKED, "{text}?"])
    explorer = Explorer("geometry", model=str(tiny), prompt=str(several))
    assert explorer.control("prompt").value == SEVERAL
    assert "under 2 templates of yours" in explorer.words


def test_a_layer_of_a_larger_model_is_the_last_of_this_one(tiny: Path) -> None:
    explorer = Explorer("filter_and_lens", model=str(tiny), prompt="mean", layer="29")
    assert explorer.errors == []
    assert explorer.control("layer").value == open_model(str(tiny)).n_layers


def test_metaeol_says_its_cost_and_has_no_one_list_of_tokens(tiny: Path) -> None:
    explorer = Explorer(
        "filter_and_lens", model=str(tiny), prompt="metaeol", text="the cat", positions="true"
    )
    assert explorer.errors == []
    assert "eight forward passes a text" in explorer.words
    assert f"the mean of {len(METAEOL.members)} templates" in explorer.words
    assert "--prompt metaeol" in explorer.command
    explorer.go("window_lab")
    assert "The prompt takes 8 forward passes a text." in explorer.words


def test_the_last_layer_stays_the_last_one_of_another_model(tiny: Path, tmp_path: Path) -> None:
    deep = write_checkpoint(tmp_path / "deep", num_hidden_layers=5).folder
    explorer = Explorer("spectrum", model=str(tiny))
    assert explorer.control("layer").value == 3
    explorer.change("model", str(deep))
    assert explorer.control("layer").value == 5
    assert "Read after layer" not in explorer.words
    # A layer that was chosen stays the same layer where there is one, and the last one where not.
    explorer.change("layer", 4).change("model", str(tiny))
    assert explorer.control("layer").value == 3
    assert "Read after layer" not in explorer.words
    explorer.change("layer", 2).change("model", str(deep))
    assert explorer.control("layer").value == 2
    assert "Read after layer 2 of 5." in explorer.words
