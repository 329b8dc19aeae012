"""Adapters, held against peft's own merged model and a plain forward pass of it."""

import json
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from peft import LoraModel, PeftModel, PromptTuningConfig, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import AutoModel, AutoModelForCausalLM

from embfilter_viz import open_model
from embfilter_viz.errors import InputError
from embfilter_viz.models.sources.known import known_models
from embfilter_viz.models.sources.locate import find_whole, locate, outline
from tests.models.hub_stand_in import HubStandIn, Repository, hub_stand_in
from tests.models.tiny_adapters import adapter_on, peft_as_it_is, peft_merged
from tests.models.tiny_checkpoints import (
    byte_level_tokenizer,
    one_thread,
    write_checkpoint,
)
from tests.models.tiny_gguf import write_gguf

__all__ = ["one_thread"]

pytestmark = pytest.mark.usefixtures("own_cache")

TEXTS = ["the cat sat on the mat", "a stock market index", "stars"]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untied tiny Llama."""
    return write_checkpoint(tmp_path_factory.mktemp("base") / "llama").folder


@pytest.fixture(scope="module")
def lora(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return adapter_on(base, tmp_path_factory.mktemp("adapters") / "lora")


def truth(base: Path, adapter: Path, ids: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """The last token's final state and logits, by peft's own merged model."""
    said = peft_merged(base, adapter)(torch.tensor([ids]), output_hidden_states=True)
    return said.hidden_states[-1][0, -1].numpy(), said.logits[0, -1].numpy()


def check_is_the_merged_model(base: Path, adapter: Path) -> Any:
    """Embeddings and lens within 1e-4, through our own doors."""
    model = open_model(str(adapter))
    embeddings = model.encode(TEXTS, "last")
    plain = open_model(str(base)).encode(TEXTS, "last")
    assert np.abs(embeddings - plain).max() > 0.01, "an adapter that changes nothing shows nothing"
    for text, embedding in zip(TEXTS, embeddings, strict=True):
        ids = model.encoder.prepare([text], "last")[0].ids
        state, logits = truth(base, adapter, ids)
        np.testing.assert_allclose(embedding, state, atol=1e-4, rtol=1e-4)
        np.testing.assert_allclose(
            model.unembedding.logits(embedding), logits, atol=1e-4, rtol=1e-4
        )
    return model


def one_line(call: Callable[[], object], name: Path | str) -> str:
    with pytest.raises(InputError) as refusal:
        call()
    said = str(refusal.value)
    assert "\n" not in said
    assert said.startswith(str(name))
    return said


def test_base_and_adapter_are_merged_as_peft_merges_them(base: Path, lora: Path) -> None:
    model = check_is_the_merged_model(base, lora)
    assert model.card.source == f"adapter on folder {base}"
    assert not model.card.tied
    plain = open_model(str(base))
    assert model.head.digest() == plain.head.digest(), "LoRA on the layers leaves the head alone"
    assert model.identity != plain.identity
    assert model.checkpoint.content_hash != plain.checkpoint.content_hash


def test_what_is_stored_is_kept_apart_from_the_base_and_from_another_adapter(
    base: Path, lora: Path, tmp_path: Path
) -> None:
    other = adapter_on(base, tmp_path / "other", seed=2)
    names = [str(path) for path in (base, lora, other)]
    known = [locate(name) for name in names]
    assert len({checkpoint.content_hash for checkpoint in known}) == 3
    assert len({outline(name).identity for name in names}) == 3
    rows = [open_model(name).encode(TEXTS[:1]) for name in names]  # one store for all three
    assert len({row.tobytes() for row in rows}) == 3
    found = find_whole(outline(str(lora)))
    assert found is not None
    assert found.content_hash == known[1].content_hash
    assert found.outline.adapter == known[1].outline.adapter


def test_a_trained_head_is_the_head(base: Path, tmp_path: Path) -> None:
    adapter = adapter_on(base, tmp_path / "a", modules_to_save=["lm_head"])
    model = check_is_the_merged_model(base, adapter)
    stored = load_file(adapter / "adapter_model.safetensors")
    trained = stored["base_model.model.lm_head.weight"].numpy()
    np.testing.assert_array_equal(np.asarray(model.unembedding.W_U), trained)
    assert model.head.digest() != open_model(str(base)).head.digest()


def test_an_adapter_trained_without_the_head_is_merged_below_it(base: Path, tmp_path: Path) -> None:
    """As embedders are: tensors are then named from the language model, not from the whole."""
    adapter = adapter_on(base, tmp_path / "a", whole=False, task_type="FEATURE_EXTRACTION")
    names = load_file(adapter / "adapter_model.safetensors")
    assert all(name.startswith("base_model.model.layers.") for name in names)
    model = open_model(str(adapter))
    ids = model.encoder.prepare(TEXTS[:1], "last")[0].ids
    states = peft_merged(base, adapter, AutoModel)(torch.tensor([ids])).last_hidden_state
    found = model.encode(TEXTS[:1], "last")[0]
    np.testing.assert_allclose(found, states[0, -1].numpy(), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("tied", [False, True])
def test_low_rank_on_the_head_is_refused(base: Path, tmp_path: Path, tied: bool) -> None:
    home = write_checkpoint(tmp_path / "tied", tie_word_embeddings=True).folder if tied else base
    target = ["embed_tokens" if tied else "lm_head", "q_proj"]
    adapter = adapter_on(home, tmp_path / "a", target_modules=target)
    said = one_line(lambda: open_model(str(adapter)), adapter)
    assert "by low rank" in said
    assert "merge_and_unload" in said


def test_an_input_embedding_trained_anew_beside_a_tied_head_is_refused(tmp_path: Path) -> None:
    home = write_checkpoint(tmp_path / "tied", tie_word_embeddings=True).folder
    adapter = adapter_on(home, tmp_path / "a", modules_to_save=["embed_tokens"])
    assert "merge_and_unload" in one_line(lambda: open_model(str(adapter)), adapter)


def test_a_base_that_is_not_there(base: Path, lora: Path, tmp_path: Path) -> None:
    adapter = rewritten(lora, tmp_path / "a", base_model_name_or_path=str(tmp_path / "gone"))
    said = one_line(lambda: outline(str(adapter)), adapter)
    assert f"whose base cannot be opened: {tmp_path / 'gone'}: no such folder" in said
    itself = rewritten(lora, tmp_path / "b", base_model_name_or_path=str(tmp_path / "b"))
    assert "an adapter itself" in one_line(lambda: outline(str(itself)), itself)
    nameless = rewritten(lora, tmp_path / "c", base_model_name_or_path=None)
    assert "does not name its base" in one_line(lambda: outline(str(nameless)), nameless)


def rewritten(adapter: Path, folder: Path, **settings: Any) -> Path:
    """A copy whose configuration says something else."""
    shutil.copytree(adapter, folder)
    config = folder / "adapter_config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | settings))
    return folder


def test_a_base_of_another_width(lora: Path, tmp_path: Path) -> None:
    wide = write_checkpoint(tmp_path / "wide", hidden_size=64).folder
    adapter = rewritten(lora, tmp_path / "a", base_model_name_or_path=str(wide))
    said = one_line(lambda: outline(str(adapter)), adapter)
    assert "does not fit" in said
    assert "width of 32" in said


def test_a_base_of_fewer_layers_is_refused_before_anything_is_read(
    lora: Path, tmp_path: Path
) -> None:
    short = write_checkpoint(tmp_path / "short", num_hidden_layers=2).folder
    adapter = rewritten(lora, tmp_path / "a", base_model_name_or_path=str(short))
    model = open_model(str(adapter))
    said = one_line(lambda: model.encode(TEXTS), adapter)
    assert "does not fit" in said
    assert "in the adapter alone" in said


def test_a_tensor_that_the_adapter_lacks_is_refused(lora: Path, tmp_path: Path) -> None:
    adapter = rewritten(lora, tmp_path / "a")
    weights = load_file(adapter / "adapter_model.safetensors")
    weights.pop(next(name for name in weights if "layers.1" in name))
    save_file(weights, adapter / "adapter_model.safetensors")
    said = one_line(lambda: open_model(str(adapter)).encode(TEXTS), adapter)
    assert "in the base alone" in said


def test_an_adapter_that_merging_would_change_is_refused(
    lora: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LoraModel, "merge_and_unload", LoraModel.unload)
    said = one_line(lambda: open_model(str(lora)).encode(TEXTS), lora)
    assert "without changing what it computes" in said


def test_adapters_that_cannot_be_merged(base: Path, lora: Path, tmp_path: Path) -> None:
    settings = PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=2)
    with peft_as_it_is():
        model = AutoModelForCausalLM.from_pretrained(base)
        get_peft_model(model, settings).save_pretrained(str(tmp_path / "prompt"))
    said = one_line(lambda: outline(str(tmp_path / "prompt")), tmp_path / "prompt")
    assert "PROMPT_TUNING cannot be merged" in said
    pickled = rewritten(lora, tmp_path / "pickled")
    (pickled / "adapter_model.safetensors").rename(pickled / "adapter_model.bin")
    assert "pickled weights are never opened" in one_line(lambda: outline(str(pickled)), pickled)


def test_an_unmerged_adapter_saved_whole_is_refused_and_the_way_out_named(
    base: Path, lora: Path, tmp_path: Path
) -> None:
    with peft_as_it_is():
        changed = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), str(lora))
    shutil.copytree(base, tmp_path / "whole")
    save_file(changed.state_dict(), tmp_path / "whole" / "model.safetensors", {"format": "pt"})
    model = open_model(str(tmp_path / "whole"))
    assert "merge_and_unload" in one_line(lambda: model.encode(TEXTS), tmp_path / "whole")


def test_without_peft_the_head_opens_and_encoding_says_what_to_install(
    lora: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "peft", None)
    model = open_model(str(lora))
    assert model.spectrum.d_model == 32
    said = one_line(lambda: model.encode(TEXTS), lora)
    assert "pip install 'embfilter-viz[peft]'" in said
    assert not model.is_whole, "nothing was hashed or loaded for it"


def test_the_tokenizer_that_an_adapter_brings_is_the_one_it_is_read_with(
    lora: Path, tmp_path: Path
) -> None:
    adapter = rewritten(lora, tmp_path / "a")
    byte_level_tokenizer(adds_bos=True).save(str(adapter / "tokenizer.json"))
    own, of_base = open_model(str(adapter)), open_model(str(lora))
    assert (own.vocabulary.opening, of_base.vocabulary.opening) == ((0,), ())
    assert own.checkpoint.content_hash != of_base.checkpoint.content_hash


@pytest.mark.usefixtures("in_process")
def test_a_gguf_file_may_be_the_base(tmp_path: Path) -> None:
    write_gguf(tmp_path / "base.gguf")
    converted = locate(str(tmp_path / "base.gguf")).folder
    adapter = adapter_on(converted, tmp_path / "a", modules_to_save=["lm_head"])
    adapter = rewritten(adapter, tmp_path / "b", base_model_name_or_path=f"{tmp_path}/base.gguf")
    model = open_model(str(adapter))
    ids = model.encoder.prepare(["AB"], "last")[0].ids
    (embedding,) = model.encode(["AB"], "last")
    state, logits = truth(converted, adapter, ids)
    np.testing.assert_allclose(embedding, state, atol=1e-4, rtol=1e-4)
    np.testing.assert_allclose(model.unembedding.logits(embedding), logits, atol=1e-4, rtol=1e-4)
    assert model.is_whole


# -- on a hub ---------------------------------------------------------------------------------


@pytest.fixture
def served(
    base: Path, lora: Path, tmp_path: Path, in_process: None, monkeypatch: pytest.MonkeyPatch
) -> Iterator[HubStandIn]:
    adapter = rewritten(lora, tmp_path / "content", base_model_name_or_path="org/base")
    repositories = {"org/base": Repository(base), "org/lora": Repository(adapter)}
    with hub_stand_in(repositories) as running:
        monkeypatch.setenv("HF_ENDPOINT", running.address)
        yield running


def test_an_adapter_on_the_hub_comes_with_the_head_of_its_base(
    served: HubStandIn, base: Path, lora: Path
) -> None:
    found = outline("org/lora")
    assert served.bytes_sent["model.safetensors"] < 60_000 < found.n_bytes
    assert found.adapter is not None
    assert found.adapter.base == "org/base"
    commit = served.repositories["org/lora"].commit
    assert found.source.startswith(f"adapter from the hub (org/lora at {commit[:12]}) on hub, org/")
    listed = {model.name: model for model in known_models()}
    assert listed["org/lora"].source == "Hugging Face cache, adapter on org/base"
    assert listed["org/lora"].present
    asked = len(served.requests)
    model = open_model("org/lora")
    assert model.spectrum.d_model == 32
    assert len(served.requests) == asked, "what is here is not asked for again"
    expected = open_model(str(lora)).encode(TEXTS)
    np.testing.assert_array_equal(model.encode(TEXTS), expected)
    assert locate("org/lora").content_hash == model.checkpoint.content_hash


def test_a_repository_that_holds_both_is_refused(served: HubStandIn, base: Path) -> None:
    folder = served.repositories["org/lora"].folder
    shutil.copyfile(base / "model.safetensors", folder / "model.safetensors")
    assert "a whole model and an adapter" in one_line(lambda: outline("org/lora"), "org/lora")
    (folder / "model.safetensors").unlink()
    (folder / "adapter_model.safetensors").rename(folder / "adapter_model.bin")
    assert "pickled weights are never" in one_line(lambda: outline("org/lora"), "org/lora")
    assert served.bytes_sent == {}
