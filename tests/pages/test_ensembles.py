"""Ensembles on the pages: several own templates, what the model wrote, and the cost beside."""

from pathlib import Path

from embfilter_viz.analyses.rewritten import rewritten
from embfilter_viz.model import open_model
from embfilter_viz.models.encoding.prompts import Prompt
from embfilter_viz.ui.prompt_choice import SEVERAL, prompt_parameters
from embfilter_viz.wording import legible
from tests.pages.explorer import Explorer

ASKED = ['Is "{text}" so:', "On {text}:"]


def test_several_own_templates_are_typed_one_a_line(tiny: Path) -> None:
    prompt = Prompt.of(ASKED, layer=1)
    explorer = Explorer("two_texts", model=str(tiny), wait=False, **prompt_parameters(prompt))
    found = {key: explorer.control(key).value for key in ("prompt", "templates", "layer")}
    assert found == {"prompt": SEVERAL, "templates": "\n".join(ASKED), "layer": 1}
    assert "under 2 templates of yours" in explorer.words
    assert explorer.errors == []
    explorer.control("templates").set_value("\n".join([*ASKED, "", "So"]))
    explorer.run()
    assert "{text}, which stands for the text, must be in it once" in explorer.errors[0]


def test_what_the_model_wrote_is_shown_beside_the_lens(tiny: Path) -> None:
    explorer = Explorer("filter_and_lens", model=str(tiny), prompt="geneol", text="the cat")
    assert explorer.errors == []
    assert "nine forward passes a text" in explorer.words
    found = rewritten(open_model(str(tiny)), ["the cat"])
    assert found.sentence in explorer.words
    table = explorer.at.dataframe[-1].value
    wrote = [legible(one.said) for one in found.texts[0].rewritings]
    assert list(table["the model wrote"]) == wrote
    assert "--prompt geneol" in explorer.command


def test_other_prompts_are_chosen_for_the_leaderboard(tiny: Path) -> None:
    explorer = Explorer("window_lab", model=str(tiny), prompts_beside="metaeol", windows="τ curve")
    assert explorer.errors == []
    assert explorer.at.multiselect[0].value == ["metaeol"]
    assert "beside=('metaeol',)" in explorer.python
    assert "--beside metaeol" in explorer.command


def test_cost_stands_beside_gain(tiny: Path, tmp_path: Path) -> None:
    run = f"{tiny} · {{}} · raw"
    explorer = Explorer(
        "compare", model=str(tiny), task="pairs",
        first=run.format("mean"), second=run.format("metaeol"),
    )  # fmt: skip
    assert "The prompt takes 8 forward passes a text." in explorer.words
    explorer.press("Score both")
    assert explorer.errors == []
    table = explorer.at.dataframe[0].value.set_index("measure")
    row = table.loc["forward passes a text"]
    assert (row["first"], row["second"]) == ("1", "8")
    assert "A text takes 1 forward pass in the first run and 8 forward" in explorer.answers[0]
