"""Every weight is the checkpoint's own, and every way of reading agrees with a plain forward."""

import json
import logging

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from embfilter_viz.errors import InputError
from embfilter_viz.models.encoding import backbone, packed
from embfilter_viz.models.encoding.encoder import Encoder
from embfilter_viz.models.sources.locate import outline
from tests.models.tiny_checkpoints import (
    build_model,
    one_thread,  # noqa: F401
    save,
    write_checkpoint,
)

TEXTS = ["the cat sat", "the cat sat on the mat and the dog sat on the cat", "stars"]


def change_tensors(folder, change):
    tensors = change(load_file(folder / "model.safetensors"))
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})


def change_config(folder, **more):
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | more))


def refusal(folder):
    with pytest.raises(InputError) as refused:
        Encoder(outline(str(folder))).encode(TEXTS)
    said = str(refused.value)
    assert "\n" not in said
    assert "above" not in said
    return said


def test_a_width_that_is_not_said_is_not_made_up(folder):
    path = folder / "config.json"
    config = json.loads(path.read_text())
    del config["hidden_size"]  # transformers then makes a Llama of 4,096
    path.write_text(json.dumps(config))
    assert "at a width of 4,096 and the weights have" in refusal(folder)


@pytest.fixture(scope="module")
def model():
    return build_model("llama")


@pytest.fixture
def folder(model, tmp_path):
    return save(model, tmp_path).folder


def alone(model, encoder, text):
    """The naive definition: one text, one forward pass of the whole model."""
    prepared = encoder.prepare([text], "mean")[0]
    with torch.inference_mode():
        states = model.base_model(input_ids=torch.tensor([prepared.ids])).last_hidden_state[0]
    return states[prepared.start :].mean(dim=0).numpy()


def test_a_missing_layer_is_refused_by_name(folder):
    change_tensors(
        folder, lambda held: {k: t for k, t in held.items() if not k.startswith("model.layers.1.")}
    )
    said = refusal(folder)
    assert "model.layers.1." in said
    assert "would be random" in said


def test_more_layers_than_there_are_is_refused(folder):
    change_config(folder, num_hidden_layers=4)
    assert "model.layers.3." in refusal(folder)


def test_foreign_prefixes_are_refused(folder):
    change_tensors(
        folder,
        lambda held: {
            k if "lm_head" in k or "embed" in k else f"wrapped.{k}": t for k, t in held.items()
        },
    )
    assert "it has wrapped.model.layers.0" in refusal(folder)


def test_gptq_names_without_their_configuration_are_refused(folder):
    def quantised(held):
        name = "model.layers.0.mlp.up_proj"
        held.pop(f"{name}.weight")
        return {**held, f"{name}.qweight": torch.zeros(4, 48, dtype=torch.int32)}

    change_tensors(folder, quantised)
    assert "its weights are quantised and config.json does not say how" in refusal(folder)


def test_an_adapter_saved_with_its_base_is_refused(folder):
    def with_adapter(held):
        name = "model.layers.0.self_attn.q_proj"
        weight = held.pop(f"{name}.weight")
        return {
            **held,
            f"{name}.base_layer.weight": weight,
            f"{name}.lora_A.default.weight": torch.zeros(2, 32),
            f"{name}.lora_B.default.weight": torch.zeros(32, 2),
        }

    change_tensors(folder, with_adapter)
    assert "merge it" in refusal(folder)


def test_what_is_left_out_on_purpose_is_named(model, folder, caplog):
    def more(held):
        return {
            **held,
            "model.layers.3.mlp.up_proj.weight": torch.zeros(48, 32),
            "vision_tower.blocks.0.weight": torch.zeros(2, 2),
            "v_head.summary.weight": torch.zeros(1, 32),
        }

    change_tensors(folder, more)
    encoder = Encoder(outline(str(folder)))
    with caplog.at_level(logging.INFO, backbone.__name__):
        found = encoder.encode(TEXTS, "mean")
    np.testing.assert_allclose(found[0], alone(model, encoder, TEXTS[0]), rtol=1e-4, atol=1e-5)
    said = caplog.text
    assert "layers beyond the 3 of config.json (1 tensor)" in said
    assert "parts for images and sound (1 tensor)" in said
    assert "heads of other tasks (1 tensor)" in said


def test_a_model_that_attends_both_ways_by_its_configuration_is_refused(tmp_path):
    folder = write_checkpoint(tmp_path, "qwen2").folder
    change_config(folder, is_causal=False)
    with pytest.raises(InputError, match="attends in both directions"):
        outline(str(folder))


def test_a_model_that_attends_both_ways_whatever_it_says_is_refused(folder, monkeypatch):
    """A layer that looks at the text's end: found by reading the first half by itself."""
    from transformers.models.llama.modeling_llama import LlamaMLP

    real = LlamaMLP.forward
    monkeypatch.setattr(LlamaMLP, "forward", lambda self, h: real(self, h) + h[:, -1:])
    assert "its states change with the tokens that follow" in refusal(folder)


def test_a_packed_pass_that_gives_something_else_is_given_up(model, folder, monkeypatch, caplog):
    """As a new release of transformers might: slower then, not wrong."""
    real = packed.PackedReader.pooled
    monkeypatch.setattr(packed.PackedReader, "pooled", lambda *given: 1.001 * real(*given))
    encoder = Encoder(outline(str(folder)))
    found = encoder.encode(TEXTS, "mean")
    assert not encoder._model.packs
    assert encoder._model.pads
    assert "read without packing" in caplog.text
    expected = [alone(model, encoder, text) for text in TEXTS]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_where_company_changes_a_text_each_is_read_alone(folder, monkeypatch, caplog):
    """As where padding is not masked: the first of a batch is right, the others are not."""
    real = backbone.Backbone._read

    def read(self, sequences, **more):
        found = real(self, sequences, **more)
        found.last_hidden_state[1:] += 1.0
        return found

    monkeypatch.setattr(packed.PackedReader, "pooled", _not_packed)
    monkeypatch.setattr(backbone.Backbone, "_read", read)
    encoder = Encoder(outline(str(folder)))
    together = encoder.encode(TEXTS, "mean")
    assert not encoder._model.pads
    assert "read one text at a time" in caplog.text
    for row, text in enumerate(TEXTS):
        np.testing.assert_array_equal(encoder.encode([text], "mean")[0], together[row])


def _not_packed(*_):
    raise packed.NotPacked


def test_a_configuration_that_asks_for_flash_attention_is_read_all_the_same(model, folder):
    change_config(folder, attn_implementation="flash_attention_2")
    encoder = Encoder(outline(str(folder)))
    found = encoder.encode(TEXTS[:1], "mean")[0]
    np.testing.assert_allclose(found, alone(model, encoder, TEXTS[0]), rtol=1e-4, atol=1e-5)


def test_a_token_beyond_the_models_rows_is_refused_by_name(tmp_path):
    folder = write_checkpoint(tmp_path, vocab_size=300).folder
    said = refusal(folder)
    assert said.startswith("row 1 of 3: ")
    assert "the model has rows for 300 tokens" in said


def test_one_text_costs_no_more_passes_than_before_but_for_the_probes(folder):
    encoder = Encoder(outline(str(folder)))
    encoder.encode(TEXTS[:1])
    before = encoder.work.forwards
    encoder.encode(TEXTS[1:2])
    assert encoder.work.forwards - before == 1
