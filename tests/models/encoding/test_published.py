"""The prompt ``published``, held against sentence-transformers itself on folders it wrote."""

import json
import shutil
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Dense
from sentence_transformers.sentence_transformer.modules import Normalize, Pooling

from embfilter_viz import open_model
from embfilter_viz.errors import InputError
from embfilter_viz.models.sources.locate import outline
from tests.models.hub_stand_in import Repository, hub_stand_in
from tests.models.tiny_checkpoints import build_model, byte_level_tokenizer, one_thread, save
from tests.models.tiny_embedders import QUERY, embedder, lender, theirs

__all__ = ["one_thread"]

pytestmark = pytest.mark.usefixtures("own_cache")

TEXTS = [
    "the cat sat on the mat.",
    " x ",
    "Größe 東京 שלום 😀",
    "</s> and <s> as text",
    "the stock market. " * 40,
    "a",
]
QWEN = {"family": "qwen2", "tokenizer": byte_level_tokenizer}


@pytest.mark.parametrize(
    "asked",
    [
        {"more": (Normalize(),)},
        {"pooling": "mean"},
        {
            "pooling": "mean",
            "include_prompt": False,
            "prompts": {"query": QUERY, "document": ""},
            "default_prompt_name": "query",
        },
        {"prompts": {"query": QUERY}, "default_prompt_name": "query", "more": (Normalize(),)},
        {"prompts": {"query": QUERY}, "length": None},
        QWEN,
    ],
    ids=["last", "mean", "prompt-left-out", "prompt", "own-length", "qwen2"],
)
def test_vectors_are_those_of_sentence_transformers(asked: dict[str, Any], tmp_path: Path) -> None:
    folder = embedder(tmp_path, **asked)
    expected = theirs(folder, TEXTS)
    head_from = (
        lender(tmp_path)
        if "family" not in asked
        else str(save(build_model("qwen2", seed=3), tmp_path / "lender").folder)
    )
    model = open_model(str(folder), head_from=head_from)
    assert model.prompts[-1] == "published"
    found = model.encode(TEXTS, "published")
    np.testing.assert_allclose(found, expected, atol=1e-5, rtol=1e-5)
    np.testing.assert_allclose(model.layers(TEXTS[0], "published")[-1], found[0], atol=1e-5)
    lengths = np.linalg.norm(found, axis=1)
    assert np.allclose(lengths, 1) == ("more" in asked)
    prepared = model.encoder.prepare(TEXTS, "published")
    assert [p.truncated for p in prepared] == [len(p.ids) == 64 for p in prepared]
    assert any(p.truncated for p in prepared) == ("length" not in asked)
    if "family" not in asked:
        assert all(p.ids[-1] == 1 for p in prepared), "EOS stays where a text is cut"
    assert np.abs(found - model.encode(TEXTS, "last")).max() > 1e-3


def test_an_adapter_is_read_as_it_is_published_and_not_as_its_base_is(tmp_path: Path) -> None:
    from peft import LoraConfig

    base = embedder(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        opened = SentenceTransformer(str(base), device="cpu")
        opened[0].auto_model.add_adapter(LoraConfig(target_modules=["q_proj"], r=4))
        generator = torch.Generator().manual_seed(1)
        for name, parameter in opened.named_parameters():
            if "lora_" in name:
                parameter.data = 0.3 * torch.randn(parameter.shape, generator=generator)
        opened[1] = Pooling(32, "mean")
        opened.save(str(tmp_path / "adapter"))
    expected = theirs(tmp_path / "adapter", TEXTS)
    model = open_model(str(tmp_path / "adapter"), head_from=lender(tmp_path))
    found = model.encode(TEXTS, "published")
    np.testing.assert_allclose(found, expected, atol=1e-5, rtol=1e-5)
    assert model.prompt("published").pooling == "mean"


def test_the_store_keeps_two_ways_of_publishing_apart(tmp_path: Path) -> None:
    folder, head_from = embedder(tmp_path), lender(tmp_path)
    first = open_model(str(folder), head_from=head_from).encode(TEXTS, "published")
    pooling = folder / "1_Pooling" / "config.json"
    pooling.write_text(json.dumps({"embedding_dimension": 32, "pooling_mode_mean_tokens": True}))
    again = open_model(str(folder), head_from=head_from).encode(TEXTS, "published")
    np.testing.assert_allclose(again, theirs(folder, TEXTS), atol=1e-5, rtol=1e-5)
    assert np.abs(first - again).max() > 1e-3
    older = open_model(str(as_before_release_6(folder)), head_from=head_from)
    shorter = older.encode(TEXTS, "published")
    np.testing.assert_allclose(shorter, theirs(folder, TEXTS), atol=1e-5, rtol=1e-5)
    assert (older.longest("published"), older.truncated(TEXTS, "published")) == (16, 2)
    assert "at most 16 tokens" in older.prompt("published").description
    assert np.abs(shorter - again).max() > 1e-3


def as_before_release_6(folder: Path) -> Path:
    """The same folder with the names and settings of most that are on the hub."""
    modules = json.loads((folder / "modules.json").read_text())
    for module in modules:
        kind = module["type"].rpartition(".")[2]
        module["type"] = f"sentence_transformers.models.{kind}"
    (folder / "modules.json").write_text(json.dumps(modules))
    settings = {"max_seq_length": 16, "do_lower_case": False}
    (folder / "sentence_bert_config.json").write_text(json.dumps(settings))
    return folder


def changed(folder: Path, file: str, **settings: Any) -> Path:
    path = folder / file
    path.write_text(json.dumps(json.loads(path.read_text()) | settings))
    return folder


REFUSED = {
    "cls": ("1_Pooling/config.json", {"pooling_mode": "cls"}, "pools by cls"),
    "max": (
        "1_Pooling/config.json",
        {"pooling_mode": ["max", "mean"]},
        "pools by max and mean",
    ),
    "short": ("config_sentence_transformers.json", {"truncate_dim": 8}, "first 8 coordinates"),
    "sparse": ("config_sentence_transformers.json", {"model_type": "SparseEncoder"}, "no vector"),
    "no such prompt": (
        "config_sentence_transformers.json",
        {"default_prompt_name": "task"},
        "'task' is not among its prompts",
    ),
    "lower case": ("sentence_bert_config.json", {"do_lower_case": True}, "do_lower_case: True"),
    "changed model": (
        "sentence_bert_config.json",
        {"config_args": {"is_causal": False}},
        "config_args: is_causal",
    ),
    "chat": (
        "sentence_bert_config.json",
        {"modality_config": {"message": {}}},
        "modality_config: message",
    ),
    "something new": ("sentence_bert_config.json", {"rotate": 3}, "says rotate: 3"),
}


def test_what_is_not_done_here_is_refused_by_name(tmp_path: Path) -> None:
    whole = embedder(tmp_path)
    for name, (file, settings, said) in REFUSED.items():
        folder = changed(Path(shutil.copytree(whole, tmp_path / name)), file, **settings)
        assert said in refusal(folder), name
    modules = json.loads((whole / "modules.json").read_text())
    modules.append({"idx": 2, "name": "2", "path": "2_X", "type": "custom_code.Rotate"})
    (whole / "modules.json").write_text(json.dumps(modules))
    assert "modules.json asks for custom_code.Rotate" in refusal(whole)


def refusal(folder: Path) -> str:
    from embfilter_viz.models.encoding.published import read_published

    with pytest.raises(InputError) as refused:
        read_published(outline(str(folder)))
    said = str(refused.value)
    assert "\n" not in said
    assert said.startswith(f"{folder}: prompt published: ")
    assert "take the prompt mean or last" in said
    return said


def test_a_further_layer_is_refused(tmp_path: Path) -> None:
    folder = embedder(tmp_path, more=(Dense(32, 8, activation_function=torch.nn.Identity()),))
    assert "a further layer (Dense)" in refusal(folder)
    model = open_model(str(folder), head_from=lender(tmp_path))
    assert "published" not in model.prompts


def test_another_model_has_no_such_prompt(tiny: Path) -> None:
    model = open_model(str(tiny))
    assert model.prompts == ("prompteol", "echo", "mean", "last", "metaeol", "geneol")
    with pytest.raises(InputError, match=r"prompt published: it has no modules\.json"):
        model.encode(TEXTS, "published")
    assert not model.is_whole, "nothing was read for it"


def test_from_the_hub_the_few_files_that_say_it_come_along(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = embedder(tmp_path, more=(Normalize(),))
    with hub_stand_in({"org/embedder": Repository(folder)}) as running:
        monkeypatch.setenv("HF_ENDPOINT", running.address)
        model = open_model("org/embedder", head_from=lender(tmp_path))
        assert running.bytes_sent["model.safetensors"] < 5000, "its table alone"
        assert model.prompts[-1] == "published"
        assert "of the last token, scaled to length 1." in model.prompt("published").description
        found = model.encode(TEXTS, "published")
    np.testing.assert_allclose(found, theirs(folder, TEXTS), atol=1e-5, rtol=1e-5)
