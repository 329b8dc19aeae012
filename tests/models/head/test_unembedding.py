import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from embfilter_viz.errors import InputError
from embfilter_viz.models import families
from embfilter_viz.models.encoding.encoder import Encoder
from embfilter_viz.models.formats.tensors import row_blocks
from embfilter_viz.models.head.unembedding import (
    Unembedding,
    find_head,
    open_head,
    read_unembedding,
    stored_head,
)
from tests.models.tiny_checkpoints import (
    D_MODEL,
    D_VOCAB,
    RECIPES,
    TinyCheckpoint,
    build_model,
    one_thread,  # noqa: F401
    randomise,
    save,
    write_checkpoint,
)

TEXT = "the cat sat on the stock market, in clouds of gas"


def assert_lens_is_the_model(model, checkpoint, head_must_add=()):
    """The lens on the encoder's state = the model's own logits, through files on disk."""
    unembedding = read_unembedding(checkpoint.outline)
    encoder = Encoder(checkpoint.outline)
    for prompt in ("prompteol", "last"):
        ids = torch.tensor([encoder.prepare([TEXT], prompt)[0].ids])
        with torch.inference_mode():
            own = model(input_ids=ids).logits[0, -1].numpy()
        lens = unembedding.logits(encoder.encode([TEXT], prompt))[0]
        np.testing.assert_allclose(lens, own, atol=1e-4, rtol=1e-4)
    assert np.ptp(own) > 0.5, "logits so flat that anything would equal them"
    assert unembedding.adds == tuple(head_must_add)
    return unembedding


ADDS = {
    "gemma2": ["a soft cap at 30"],
    "vaultgemma": ["a soft cap at 30"],
    "nanochat": ["a soft cap at 15"],
    "gptj": ["a bias"],
    "codegen": ["a bias"],
    "phi": ["a bias"],
    "cohere": ["a logit scale of 0.0625"],
    "cohere2": ["a logit scale of 0.0625"],
    "hyperclovax": ["a logit scale of 3"],
    "granite": ["a logit scale of 0.333333"],
    "granitemoe": ["a logit scale of 0.333333"],
}


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("model_type", sorted(RECIPES))
def test_lens_logits_are_the_models_own(model_type, tied, tmp_path):
    model = build_model(model_type, tie_word_embeddings=tied)
    unembedding = assert_lens_is_the_model(model, save(model, tmp_path), ADDS.get(model_type, []))
    assert unembedding.tied is tied
    assert unembedding.W_U.shape == (D_VOCAB, D_MODEL)
    assert unembedding.W_U.dtype == np.float32
    assert not unembedding.W_U.flags.writeable


def test_a_multimodal_checkpoint_is_read_through_its_language_model(tmp_path):
    from transformers import Gemma3Config, Gemma3ForConditionalGeneration

    text = build_model("gemma3_text").config.to_dict()
    vision = {
        "hidden_size": 16,
        "intermediate_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "image_size": 16,
        "patch_size": 8,
    }
    config = Gemma3Config(text_config=text, vision_config=vision, mm_tokens_per_image=4)
    model = randomise(Gemma3ForConditionalGeneration(config))
    unembedding = assert_lens_is_the_model(model, save(model, tmp_path))
    assert unembedding.tied
    assert "embed_tokens" in unembedding.tensor_name


def test_the_soft_cap_bends_the_logits():
    W_U = np.eye(2, dtype=np.float32)
    capped = Unembedding(W_U, soft_cap=2.0).logits(np.array([[100.0, 1.0]], dtype=np.float32))
    np.testing.assert_allclose(capped, [[2.0, 2 * np.tanh(0.5)]], rtol=1e-6)


def test_bias_comes_before_scale():
    head = Unembedding(np.eye(2, dtype=np.float32), np.float32([1, 3]), logit_scale=2.0)
    np.testing.assert_array_equal(head.logits(np.float32([1, 1])), [4, 8])
    assert head.adds == ("a bias", "a logit scale of 2")


@pytest.mark.parametrize("precision", ["bfloat16", "float16", "float8_e4m3fn", "float8_e5m2"])
def test_precisions_are_widened_exactly(precision, tmp_path):
    checkpoint = write_checkpoint(tmp_path)
    tensors = load_file(tmp_path / "model.safetensors")
    tensors["lm_head.weight"] = tensors["lm_head.weight"].to(getattr(torch, precision))
    save_file(tensors, tmp_path / "model.safetensors", {"format": "pt"})
    unembedding = read_unembedding(checkpoint.outline)
    np.testing.assert_array_equal(unembedding.W_U, tensors["lm_head.weight"].float().numpy())
    assert precision.startswith(unembedding.stored_as)


def test_every_float8_is_what_torch_says():
    from embfilter_viz.models.formats.tensors import _widened

    codes = torch.arange(256, dtype=torch.uint8)
    for code, dtype in (("F8_E4M3", torch.float8_e4m3fn), ("F8_E5M2", torch.float8_e5m2)):
        ours = _widened(codes.numpy(), code)
        np.testing.assert_array_equal(ours, codes.view(dtype).float().numpy())


def test_the_values_of_one_shard_are_read_and_no_others(tmp_path, monkeypatch):
    from embfilter_viz.models.formats import tensors

    model = build_model("llama")
    checkpoint = save(model, tmp_path, max_shard_size="40KB")
    assert len(list(tmp_path.glob("model-*.safetensors"))) > 2
    read = []
    original = np.fromfile
    monkeypatch.setattr(
        tensors.np, "fromfile", lambda f, **how: read.append((f.name, how)) or original(f, **how)
    )
    unembedding = read_unembedding(checkpoint.outline)
    np.testing.assert_array_equal(unembedding.W_U, model.lm_head.weight.detach().numpy())
    head, tied = stored_head(checkpoint.outline)
    assert not tied
    assert {name for name, _ in read} == {str(head.file)}
    # Once to know it by its hash and to look for NaN, which is kept, and once for its values.
    assert sum(how["count"] for _, how in read) == 2 * D_VOCAB * D_MODEL
    read.clear()
    assert open_head(find_head(checkpoint.outline)).W_U.shape == (D_VOCAB, D_MODEL)
    assert sum(how["count"] for _, how in read) == D_VOCAB * D_MODEL


def test_a_row_block_at_a_time_gives_the_same_rows(tmp_path):
    head, _ = stored_head(write_checkpoint(tmp_path).outline)
    blocks = list(row_blocks(head, max_bytes=1000))
    assert len(blocks) > 40
    np.testing.assert_array_equal(np.concatenate(blocks), next(row_blocks(head)))


def rewrite(folder, change):
    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})


@pytest.mark.parametrize("same", [True, False])
def test_a_tied_checkpoint_that_stores_both_is_believed_where_both_are_equal(same, tmp_path):
    model = build_model("llama", tie_word_embeddings=True)
    checkpoint = save(model, tmp_path)

    def store_both(tensors):
        head = tensors["model.embed_tokens.weight"].clone()
        tensors["lm_head.weight"] = head if same else head.flip(0).contiguous()

    rewrite(tmp_path, store_both)
    read = read_unembedding(checkpoint.outline)
    assert read.tied is same
    # transformers decides the same way: the encoder's model says which head it took.
    assert_lens_is_the_model(reload(tmp_path), checkpoint)


def reload(folder):
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()


def test_a_tied_checkpoint_that_stores_only_the_head(tmp_path):
    checkpoint = write_checkpoint(tmp_path, tie_word_embeddings=True)

    def rename(tensors):
        tensors["lm_head.weight"] = tensors.pop("model.embed_tokens.weight")

    rewrite(tmp_path, rename)
    assert_lens_is_the_model(reload(tmp_path), checkpoint)


def test_no_head_is_refused(tmp_path):
    checkpoint = write_checkpoint(tmp_path, tie_word_embeddings=False)
    rewrite(tmp_path, lambda tensors: tensors.pop("lm_head.weight"))
    with pytest.raises(InputError, match=r"no output head \(lm_head.weight\)"):
        read_unembedding(checkpoint.outline)


def test_nan_in_the_head_is_counted_and_placed(tmp_path):
    checkpoint = write_checkpoint(tmp_path)

    def damage(tensors):
        tensors["lm_head.weight"][7, 3] = float("nan")
        tensors["lm_head.weight"][7, 4] = float("inf")
        tensors["lm_head.weight"][9, 0] = float("-inf")

    rewrite(tmp_path, damage)
    with pytest.raises(InputError, match=r"has 3 values that are NaN or infinite.*row 7 of 384;"):
        read_unembedding(checkpoint.outline)


def test_nan_in_the_bias_is_refused(tmp_path):
    checkpoint = write_checkpoint(tmp_path, "phi")
    rewrite(tmp_path, lambda tensors: tensors["lm_head.bias"].fill_(float("nan")))
    with pytest.raises(InputError, match=r"lm_head.bias holds NaN"):
        read_unembedding(checkpoint.outline)


def quantise_codes(tensors):
    tensors["lm_head.weight"] = torch.zeros(D_VOCAB, D_MODEL // 2, dtype=torch.uint8)


def quantise_with_scale(tensors):
    tensors["lm_head.weight"] = tensors["lm_head.weight"].to(torch.float8_e4m3fn)
    tensors["lm_head.weight_scale"] = torch.ones(1)


def quantise_gptq(tensors):
    tensors.pop("lm_head.weight")
    tensors["lm_head.qweight"] = torch.zeros(4, D_VOCAB, dtype=torch.int32)


@pytest.mark.parametrize("quantise", [quantise_codes, quantise_with_scale, quantise_gptq])
def test_a_quantised_head_is_refused_with_the_way_out(quantise, tmp_path):
    checkpoint = write_checkpoint(tmp_path)
    rewrite(tmp_path, quantise)
    with pytest.raises(InputError, match=r"head .*is quantised .*take the float16 or bfloat16"):
        read_unembedding(checkpoint.outline)


def test_damaged_files_are_named(tmp_path):
    checkpoint = write_checkpoint(tmp_path)
    weights = tmp_path / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"model.safetensors .*truncated"):
        read_unembedding(checkpoint.outline)
    weights.unlink()
    with pytest.raises(InputError, match=r"no weights \(model.safetensors\)"):
        read_unembedding(checkpoint.outline)
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"lm_head.weight": "gone.safetensors"}}))
    with pytest.raises(InputError, match=r"gone.safetensors .*is missing"):
        read_unembedding(checkpoint.outline)
    index.write_text("{")
    with pytest.raises(InputError, match=r"index.json is not valid JSON"):
        read_unembedding(checkpoint.outline)
    (tmp_path / "config.json").write_text("nonsense")
    with pytest.raises(InputError, match=r"config.json is not valid JSON"):
        read_unembedding(checkpoint.outline)
    (tmp_path / "config.json").unlink()
    with pytest.raises(InputError, match=r"config.json"):
        read_unembedding(checkpoint.outline)


def test_a_backbone_of_bert_is_refused_before_its_weights_are_looked_for(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert"}))
    with pytest.raises(InputError, match="encoder-only"):
        read_unembedding(TinyCheckpoint("some-bert", tmp_path).outline)


def test_an_unlisted_family_whose_head_does_more_is_refused_by_its_own_logits(tmp_path):
    checkpoint = write_checkpoint(tmp_path, "granite")
    config = json.loads((tmp_path / "config.json").read_text())
    hidden = families.Family("Granite", ("granite",), tied=False, listed=False)  # forgets the scale
    original = families.family_of
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(families, "family_of", lambda _: hidden)
        with pytest.raises(InputError, match="does more than is known here"):
            Encoder(checkpoint.outline).encode([TEXT])
    assert original(config).listed


def test_progress_tells_megabytes_of_the_head(tmp_path):
    told = []
    read_unembedding(write_checkpoint(tmp_path).outline, progress=lambda *said: told.append(said))
    what, done, total, unit = told[-1]
    assert (what, unit) == ("Reading the head", "MB")
    assert done == total == pytest.approx(D_VOCAB * D_MODEL * 4 / 1e6)
