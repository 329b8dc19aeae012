"""Embedders on the pages: the field for a lent head, their own prompt, the tokens left unread."""

import shutil
from pathlib import Path

import pytest
from sentence_transformers.sentence_transformer.modules import Normalize

from embfilter_viz import open_model
from embfilter_viz.errors import InputError
from tests.models.tiny_embedders import QUERY, embedder, lender
from tests.pages.explorer import Explorer, as_read


@pytest.fixture(scope="module")
def lent(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """An embedder without a head, and the model that has one for it."""
    folder = tmp_path_factory.mktemp("embedders")
    asked = {"prompts": {"query": QUERY}, "default_prompt_name": "query"}
    return str(embedder(folder, more=(Normalize(),), **asked)), lender(folder)


def fields(explorer: Explorer) -> list[str]:
    return [field.label for field in explorer.at.text_input]


def test_a_model_without_a_head_asks_for_one_and_opens_with_it(
    lent: tuple[str, str], tiny: Path
) -> None:
    model, other = lent
    explorer = Explorer("start", model=model)
    (error,) = explorer.errors
    assert "no output head" in error
    assert "Head from" in fields(explorer)
    explorer.change("head_from", other)
    assert explorer.errors == []
    assert explorer.strip["d"] == 32
    card = explorer.fold("Model card").table[0].value
    assert any(f"lent by {other}" in as_read(str(cell)) for cell in card.values.ravel())
    assert f"open_model({model!r}, head_from={other!r})" in explorer.python
    assert f"embfilter-viz lesson {model} --head-from {other} TEXT" in explorer.command
    explorer.change("model", str(tiny))
    assert explorer.errors == []
    assert "Head from" not in fields(explorer), "the next model has a head of its own"
    assert "head_from" not in explorer.at.query_params
    explorer.change("model", model)
    assert explorer.errors == []
    assert explorer.control("head_from").value == other, "it was given for this one"


def test_a_wrong_lender_is_one_line_and_can_be_mended(lent: tuple[str, str], tiny: Path) -> None:
    model, other = lent
    explorer = Explorer("start", model=model, head_from=str(tiny / "gone"))
    (error,) = explorer.errors
    assert "no such folder" in error
    explorer.change("head_from", other)
    assert explorer.errors == []
    assert explorer.figures


def test_a_link_brings_head_and_prompt_back(lent: tuple[str, str]) -> None:
    model, other = lent
    explorer = Explorer("filter_and_lens", model=model, head_from=other, prompt="published")
    assert explorer.errors == []
    assert explorer.control("prompt").value == "published"
    assert "published" in explorer.control("prompt").options
    assert "**As published.** As its makers have it: “Instruct: find the cat Query:” before" in (
        explorer.words
    )
    assert "--prompt published" in explorer.command
    figure = explorer.figure("ranks_chart")
    explorer.change("prompt", "last")
    assert explorer.figure("ranks_chart") != figure
    said = "without the token </s> that this model's tokenizer adds at its end, and the prompt"
    assert f"The prompts mean and last read a text {said} published reads it." in explorer.words
    explorer.change("prompt", "prompteol")
    assert "adds at its end" not in explorer.words


def test_the_prompt_is_offered_where_it_exists_alone(
    lent: tuple[str, str], tiny: Path, tmp_path: Path
) -> None:
    plain = Explorer("filter_and_lens", model=str(tiny))
    assert "published" not in plain.control("prompt").options
    linked = Explorer("filter_and_lens", model=str(tiny), prompt="published")
    (error,) = linked.errors
    assert "it has no modules.json" in error
    linked.change("prompt", "mean")
    assert linked.errors == []
    model, other = lent
    folder = Path(shutil.copytree(model, tmp_path / "cls"))
    config = folder / "1_Pooling" / "config.json"
    config.write_text(config.read_text().replace("lasttoken", "cls"))
    lent_to = open_model(str(folder), head_from=other)
    assert lent_to.prompts[-1] == "metaeol"
    with pytest.raises(InputError, match="has no head of its own, so it writes no text"):
        lent_to.encode(["a"], "geneol")
    explorer = Explorer("start", model=str(folder), head_from=other)
    assert "The prompt “As published” is not offered: it pools by cls" in explorer.words
    assert "published" not in explorer.control("prompt").options
