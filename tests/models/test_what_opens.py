"""A dozen kinds of checkpoint through the real door, by the checks of ``tools/what_opens.py``.

Each is the specimen of a kind that once opened wrong, was refused or ended in a traceback.
"""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from embfilter_viz import open_model
from embfilter_viz.models.families import logit_scale
from tests.models.family_checks import Truth, opened, verdict
from tests.models.tiny_checkpoints import one_thread, save
from tests.models.tiny_families import tiny_model, write_without_eyes

__all__ = ["one_thread"]

RIGHT = {
    "qwen2_vl": "hub names",  # its language model has the names of a model without eyes
    "mllama": "module names",  # transformers' causal class would fill it with random numbers
    "kosmos-2": "hub names",  # the whole reads no text alone, a part of it does
    "aya_vision": "hub names",  # leaves out the scale that its language model has
    "llama4_text": "hub names",  # has no base model of its own
    "falcon_h1": "hub names",  # multiplies its logits
    "recurrent_gemma": "hub names",  # caps them, under a name of its own
    "modernbert-decoder": "hub names",  # transforms its states before the head, which is tied
    "rwkv": "hub names",  # calls its head "head"; states between layers from the layers alone
    "deepseek_v4": "module names",  # has four streams between its layers
    "openai-gpt": "tie flipped",  # has no norm after its last layer
}


@pytest.mark.parametrize("model_type", RIGHT)
def test_opens_and_agrees_with_transformers(model_type, tmp_path):
    form = RIGHT[model_type]
    model = tiny_model(model_type, tie_flipped=form == "tie flipped")
    save(model, tmp_path, save_original_format=form != "module names")
    row = opened(tmp_path, Truth(model))
    assert verdict(row) == "right"
    assert row["layers_first_differs"] < 1e-4


def test_eyes_that_need_a_package_are_left_out(tmp_path):
    """Gemma 3n without timm; also merges its streams by arithmetic of its own."""
    row = opened(tmp_path, Truth(write_without_eyes(tmp_path, "gemma3n")))
    assert verdict(row) == "right"


def test_what_attends_both_ways_by_default_is_refused(tmp_path):
    model = tiny_model("paligemma")
    save(model, tmp_path)
    row = opened(tmp_path, Truth(model))
    assert row["causal"] is False
    assert "attends in both directions" in verdict(row)


def test_code_of_a_checkpoint_never_runs_where_transformers_knows_its_type(tmp_path):
    model = tiny_model("arcee")
    folder = save(model, tmp_path / "m").folder
    trace = tmp_path / "trace"
    for file in ("configuration_x.py", "modeling_x.py"):
        (folder / file).write_text(f"open({str(trace)!r}, 'w')\nclass X: pass\nclass Y: pass\n")
    config = json.loads((folder / "config.json").read_text())
    config["auto_map"] = {"AutoConfig": "configuration_x.X", "AutoModelForCausalLM": "modeling_x.Y"}
    (folder / "config.json").write_text(json.dumps(config))
    assert verdict(opened(folder, Truth(model))) == "right"
    assert not trace.exists()


def test_a_word_for_mpts_scale_is_passed_over_as_transformers_does(tmp_path):
    model = tiny_model("mpt")
    save(model, tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"logit_scale": "inv_sqrt_d_model"}))
    assert verdict(opened(tmp_path, Truth(model))) == "right"
    assert logit_scale({"model_type": "mpt", "logit_scale": 0.5}) == 1.0


@pytest.mark.parametrize("changed", ["lm_head.weight", "model.norm.weight"])
def test_a_model_that_is_not_the_one_that_was_saved_is_not_called_right(changed, tmp_path):
    model = tiny_model("llama")
    save(model, tmp_path)
    held = load_file(tmp_path / "model.safetensors")
    held[changed] *= 1.001
    save_file(held, tmp_path / "model.safetensors", {"format": "pt"})
    assert "WRONG" in verdict(opened(tmp_path, Truth(model)))


def test_layers_that_are_not_the_models_are_not_called_right(tmp_path):
    model = tiny_model("llama")
    save(model, tmp_path)
    truth = Truth(model)
    with torch.no_grad():
        model.model.layers[0].mlp.up_proj.weight.mul_(1.01)
    row = opened(tmp_path, truth)
    assert row["layers_first_differs"] > 1e-4


def test_each_refusal_is_one_line_with_a_way_out(tmp_path):
    model = tiny_model("idefics")
    save(model, tmp_path)
    said = opened(tmp_path, Truth(model))["refused"]["embeddings"]
    assert "reads no text alone" in said
    assert "its spectrum can be seen, or pick a model of text" in said
    assert open_model(str(tmp_path)).spectrum.d_model == 32
