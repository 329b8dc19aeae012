import pytest

from embfilter_viz.errors import InputError
from embfilter_viz.models import families
from tests.models.tiny_checkpoints import RECIPES

LISTED = [t for family in families.FAMILIES for t in family.model_types]


@pytest.mark.parametrize("model_type", LISTED)
def test_the_table_says_what_transformers_assumes_where_a_config_is_silent(model_type):
    from transformers import CONFIG_MAPPING

    config = CONFIG_MAPPING[model_type]().get_text_config()
    silent = {"model_type": model_type}
    assert families.is_tied(silent) is config.tie_word_embeddings
    scale = getattr(config, "logit_scale", 1.0) / getattr(config, "logits_scaling", 1.0)
    assert families.logit_scale(silent) == scale
    assert families.soft_cap(silent) == getattr(config, "final_logit_softcapping", None)


def test_each_listed_family_is_proved_by_a_tiny_checkpoint():
    built_elsewhere = {"gemma3", "ministral3"}  # multimodal shells of gemma3_text and mistral
    assert {family.title for family in families.FAMILIES} == {
        families.family_of({"model_type": t}).title for t in RECIPES if t in LISTED
    }
    assert set(LISTED) - set(RECIPES) == built_elsewhere


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"model_type": "bert", "architectures": ["BertForMaskedLM"]}, "encoder-only model (bert)"),
        ({"model_type": "modernbert"}, "encoder-only"),
        ({"model_type": "new-one", "architectures": ["NewForMaskedLM"]}, "encoder-only"),
        ({"model_type": "t5", "architectures": ["T5ForConditionalGeneration"]}, "encoder-decoder"),
        ({"model_type": "llama", "is_encoder_decoder": True}, "encoder-decoder"),
        ({"model_type": "gemma3_text", "use_bidirectional_attention": True}, "both directions"),
        ({"model_type": "vit", "architectures": ["ViTModel"]}, "unknown architecture"),
        ({"model_type": "odd"}, "architectures: none named"),
        ({"model_type": "odd", "auto_map": {"AutoModel": "x.py"}}, "unknown architecture"),
        ({"hidden_size": 8}, "no model_type"),
        ({"model_type": 3}, "no model_type"),
    ],
)
def test_what_is_no_causal_model_is_refused_in_one_line(config, words):
    with pytest.raises(InputError) as refused:
        families.check_causal(config, "org/name")
    assert words in str(refused.value)
    assert str(refused.value).startswith("org/name: ")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "config",
    [
        {"model_type": "llama"},
        {"model_type": "odd", "architectures": ["OddForCausalLM"]},
        {"model_type": "llava", "text_config": {"model_type": "qwen2"}},
        {"model_type": "gemma3_text", "use_bidirectional_attention": None},
    ],
)
def test_causal_models_pass(config):
    families.check_causal(config, "org/name")


def test_a_nested_language_model_decides():
    config = {"model_type": "gemma3", "text_config": {"model_type": "gemma3_text"}}
    assert families.family_of(config).title == "Gemma 3"
    said = {
        "model_type": "x",
        "text_config": {"model_type": "gemma2", "tie_word_embeddings": False},
    }
    assert families.is_tied(said) is False
    assert families.soft_cap(said) == 30.0
    said["text_config"]["final_logit_softcapping"] = None
    assert families.soft_cap(said) is None


def test_a_family_nobody_listed_leaves_tying_to_the_tensors():
    assert families.is_tied({"model_type": "brand_new"}) is None


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("lm_head.weight", "head"),
        ("embed_out.weight", "head"),
        ("language_model.lm_head.weight", "head"),
        ("wte.weight", "embedding"),
        ("model.language_model.embed_tokens.weight", "embedding"),
        ("language_model.model.embed_tokens.weight", "embedding"),
        ("gpt_neox.embed_in.weight", "embedding"),
        ("model.layers.0.self_attn.output.weight", "neither"),
        ("vision_tower.embeddings.weight", "neither"),
    ],
)
def test_tensor_names(name, kind):
    assert list(families.head_names([name])) == ([name] if kind == "head" else [])
    assert list(families.embedding_names([name])) == ([name] if kind == "embedding" else [])
