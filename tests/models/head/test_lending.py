"""A head lent by another model: whose it is, what it is compared with, and what it then says."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer

from embfilter_viz import open_model
from embfilter_viz.errors import InputError
from embfilter_viz.models.head.unembedding import NoHeadError
from embfilter_viz.models.sources.known import known_models
from embfilter_viz.models.sources.locate import locate, outline
from tests.models.hub_stand_in import HubStandIn, Repository, hub_stand_in
from tests.models.tiny_checkpoints import build_model, byte_level_tokenizer, one_thread, save

__all__ = ["one_thread"]

pytestmark = pytest.mark.usefixtures("own_cache")

TEXTS = ["the cat sat on the mat", "a stock market index", "stars"]


def headless(folder: Path, tokenizer: Tokenizer | None = None, **settings: int) -> Path:
    """An embedder as it is saved by AutoModel: the language model alone."""
    inner = build_model("mistral", seed=1, **settings).base_model
    inner.config.architectures = ["MistralModel"]
    return save(inner, folder, tokenizer).folder


@pytest.fixture(scope="module")
def embedder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return headless(tmp_path_factory.mktemp("headless") / "embedder")


@pytest.fixture(scope="module")
def backbone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(build_model("mistral"), tmp_path_factory.mktemp("headless") / "backbone").folder


def one_line(name: Path | str, head_from: Path | str | None) -> str:
    with pytest.raises(InputError) as refusal:
        open_model(str(name), head_from=None if head_from is None else str(head_from))
    said = str(refusal.value)
    assert "\n" not in said
    assert said.startswith(str(name))
    return said


def test_without_a_lender_the_way_out_is_named(embedder: Path) -> None:
    assert "--head-from" in one_line(embedder, None)
    with pytest.raises(NoHeadError):
        open_model(str(embedder))


def test_the_lens_is_the_lenders_head_on_the_embedders_states(
    embedder: Path, backbone: Path
) -> None:
    from transformers import AutoModel, AutoModelForCausalLM

    model = open_model(str(embedder), head_from=str(backbone))
    inner = AutoModel.from_pretrained(embedder).eval()
    head = AutoModelForCausalLM.from_pretrained(backbone).lm_head.weight.detach()
    np.testing.assert_array_equal(np.asarray(model.unembedding.W_U), head.numpy())
    predicted = []
    for text, embedding in zip(TEXTS, model.encode(TEXTS, "last"), strict=True):
        ids = torch.tensor([model.encoder.prepare([text], "last")[0].ids])
        with torch.inference_mode():
            states = inner(ids).last_hidden_state[0]
        np.testing.assert_allclose(embedding, states[-1].numpy(), atol=1e-4, rtol=1e-4)
        lens = model.unembedding.logits(embedding)
        np.testing.assert_allclose(lens, (states[-1] @ head.T).numpy(), atol=1e-4, rtol=1e-4)
        predicted.append((states @ head.T).softmax(-1))
    frequencies = model.frequencies("model", TEXTS)
    np.testing.assert_allclose(frequencies.p, torch.cat(predicted).mean(0).numpy(), rtol=1e-4)
    assert frequencies.detail.startswith("what the head of backbone predicts")
    own = open_model(str(backbone)).frequencies("model", TEXTS)
    assert own.detail == "the model's own predictions over 3 texts"


def test_the_lender_is_named_and_what_is_kept_is_kept_by_head(
    embedder: Path, backbone: Path, tmp_path: Path
) -> None:
    other = save(build_model("mistral", seed=5), tmp_path / "other").folder
    one, two = (open_model(str(embedder), head_from=str(name)) for name in (backbone, other))
    assert one.card.head_from == one.head_from == str(backbone)
    assert one.card.head_words == f"lent by {backbone}: the checkpoint has none"
    assert one.card.to_json()["head_from"] == str(backbone)
    assert one.loaded.endswith(f"the head of {backbone} alone")
    assert one.head.digest() == open_model(str(backbone)).head.digest()
    assert one.identity != two.identity
    np.testing.assert_array_equal(one.encode(TEXTS), two.encode(TEXTS))
    assert (
        one.checkpoint.content_hash
        == two.checkpoint.content_hash
        == (locate(str(embedder)).content_hash)
    )
    first, second = (model.frequencies("model", TEXTS).p for model in (one, two))
    assert np.abs(first - second).max() > 1e-4


def test_a_lender_of_another_width_or_without_a_head_is_refused(
    embedder: Path, tmp_path: Path
) -> None:
    wide = save(build_model("mistral", hidden_size=64), tmp_path / "wide").folder
    assert "its head has width 64 and the model has 32" in one_line(embedder, wide)
    with pytest.raises(NoHeadError, match="no output head"):
        open_model(str(embedder), head_from=str(embedder))


def test_a_model_with_a_head_takes_none(backbone: Path, tiny: Path) -> None:
    assert "an output head of its own (lm_head.weight)" in one_line(backbone, tiny)


def renamed(*pairs: tuple[str, str]) -> Tokenizer:
    """The tiny tokenizer with some of its words called otherwise."""
    state = json.loads(byte_level_tokenizer().to_str())
    vocabulary = state["model"]["vocab"]
    for old, new in pairs:
        vocabulary[new] = vocabulary.pop(old)
    state["model"]["merges"] = []
    return Tokenizer.from_str(json.dumps(state))


def test_a_lender_with_other_tokens_is_refused_and_told_how_many(
    backbone: Path, tmp_path: Path
) -> None:
    swapped = headless(tmp_path / "swapped", renamed(("A", "tmp"), ("B", "A"), ("tmp", "B")))
    said = one_line(swapped, backbone)
    assert ": 2 of 360 tokens are others than the model's (id " in said


def test_tokens_added_at_the_end_are_no_difference(backbone: Path, tmp_path: Path) -> None:
    tokenizer = byte_level_tokenizer()
    tokenizer.add_special_tokens(["<embed>"])
    model = open_model(str(headless(tmp_path / "more", tokenizer)), head_from=str(backbone))
    assert model.vocabulary.text(360) == "<embed>"
    assert model.d_vocab == 384


@pytest.fixture
def served(embedder: Path, backbone: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubStandIn]:
    repositories = {"org/embedder": Repository(embedder), "org/backbone": Repository(backbone)}
    with hub_stand_in(repositories) as running:
        monkeypatch.setenv("HF_ENDPOINT", running.address)
        yield running


@pytest.mark.usefixtures("in_process")
def test_from_the_hub_of_the_lender_the_head_alone_travels(served: HubStandIn) -> None:
    model = open_model("org/embedder", head_from="org/backbone")
    tables = sum(
        8 + int.from_bytes((r.folder / "model.safetensors").read_bytes()[:8], "little")
        for r in served.repositories.values()
    )
    head = model.head.entry.n_bytes
    assert served.bytes_sent["model.safetensors"] == tables + head
    assert head == 4 * 384 * 32
    listed = {known.name: known.source for known in known_models()}
    assert listed["org/embedder"] == "hub, has no head of its own"
    assert listed["org/backbone"] == "hub, its head alone fetched"
    assert model.encode(TEXTS).shape == (3, 32)
    assert served.bytes_sent["model.safetensors"] < 2 * tables + 2 * head + model.card.n_bytes
    assert outline("org/embedder", head_from="org/backbone").here
