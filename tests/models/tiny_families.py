"""A tiny checkpoint of any family that transformers knows, made without a recipe for each.

A configuration class names its sizes much alike in all families, so one table of names shrinks
nearly all of them; ``BESIDES`` has what a family needs besides.
"""

import copy
import dataclasses
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from tests.models.tiny_checkpoints import D_MODEL, D_VOCAB, N_LAYERS, save

__all__ = ["BESIDES", "Besides", "families", "tiny_config", "tiny_model", "write_without_eyes"]

N_EYE_LAYERS = 2
"""Layers of a tower for images or sound: not as many as the language model has."""
N_TOKENS = 360
"""Rows that the tiny tokenizers use; tokens for images and sounds have ids above."""
LARGEST = 8_000_000
"""Parameters above which a model counts as not shrunk."""

_EYES = re.compile(
    r"vision|visual|audio|speech|image|vq|(?<!text_)encoder|qformer|perceiver|backbone|codec|"
    r"tokenizer|predictor|talker|token2wav|code2wav|projector|dit|bigvgan|depth|sam|acoustic|"
    r"semantic|assistant|mimi|protein|high_res|diar"
)

Rule = tuple[str, Callable[[int, bool], int]]


def _at_most(n: int) -> Callable[[int, bool], int]:
    return lambda default, eyes: min(default, n)


def _is(n: int) -> Callable[[int, bool], int]:
    return lambda default, eyes: n


_RULES: tuple[tuple[re.Pattern[str], Callable[[int, bool], int]], ...] = tuple(
    (re.compile(pattern), rule)
    for pattern, rule in (
        (
            r"(num_)?(hidden_|encoder_|decoder_)?layers|n_layers?|depth|num_blocks|num_layers_per_stack",
            lambda default, eyes: N_EYE_LAYERS if eyes else N_LAYERS,
        ),
        (
            r"vocab_size|decoder_vocab_size|unpadded_vocab_size|vocab_size_per_layer_input",
            lambda default, eyes: D_VOCAB,
        ),
        (r".*vocab_size.*|num_embeddings|codebook_size|num_embeds|vocab_offset", _at_most(D_VOCAB)),
        # Experts before sizes: moe_num_experts and the like.
        (
            r"(moe_)?num_experts_per_tok|moe_topk|moe_top_k|num_experts_per_token|top_k_experts|"
            r"num_selected_experts|moe_k|num_active_experts",
            _at_most(2),
        ),
        (r"n_shared_experts|num_shared_experts|moe_num_shared_experts|n_group|topk_group", _is(1)),
        (
            r".*(num|n)_?(local_|routed_|null_)*experts|.*experts_num|.*expert_num|zero_expert_num",
            _at_most(4),
        ),
        (r".*(moe|expert)\w*(intermediate|hidden)_size|share_expert_dim|moe_hidden_size", _is(16)),
        (
            r".*kv_heads|.*key_value_heads|kv_n_heads|num_query_groups|num_kv_heads",
            lambda default, eyes: min(default, 2),
        ),
        (r"linear_num_key_heads", _is(2)),
        (
            r".*(attention_heads|num_heads|n_heads|n_head|num_attention_heads|attention_heads)"
            r"|.*_num_value_heads|index_n_heads|resampler_(n_)?heads|.*_num_heads|\w*_n_heads",
            _is(4),
        ),
        (r".*head_dim|dim_head|head_size|d_kv|d_head|mamba_headdim|kv_channels", _is(8)),
        (r".*lora_rank|.*_rank|hc_lowrank", _at_most(16)),
        (
            r".*(intermediate_size|ffn_dim|ffn_hidden_size|d_ff|dff|dim_ff|mlp_dim|ffn_size|d_inner|"
            r"feed_forward_size|intermediate_dim|n_inner|hidden_dim|inner_dim)\w*",
            _is(48),
        ),
        (
            r".*(hidden_size\w*|d_model|n_embd|embed_dim|embedding_size|embedding_dim|emb_dim|"
            r"projection_dim|projector_\w*dim|_embed_dim|hidden|lru_width|dim|output_size|"
            r"projection_size|d_ssm|in_dim|out_dim)|dim|width|output_dim|input_dim",
            _is(D_MODEL),
        ),
        (r".*max_position_embeddings|n_positions|n_ctx|max_seq_len|context_length", _is(640)),
        (r"original_max_position_embeddings", _is(128)),
        (
            r".*sliding_window(_size)?|.*attention_window\w*|attention_chunk_size|local_attention|"
            r"keep_window_size|local_attention_window_len",
            _is(8),
        ),
        (r".*(state_size|d_state|mamba_state_dim|mamba_ngroups_size)", _at_most(8)),
        (r".*chunk_size", _at_most(16)),
        (r"image_size|crop_size|resolution", lambda default, eyes: 28 if default % 14 == 0 else 32),
        (r".*patch_size", lambda default, eyes: 14 if default == 14 else min(default, 16)),
        (r"base_channels", _at_most(32)),
        (
            r"(rel_extent|max_source_positions|num_position_embeddings|position_embedding_size|"
            r"relative_attention_max_distance|max_num_patches|\w*channels?|latent_query_num|"
            r"num_latents|\w*num_latents|hop_length|num_filters)",
            _at_most(64),
        ),
        (r"query_pre_attn_scalar", _is(8)),
    )
)


_TELLING = {
    "final_logit_softcapping": 3.0,
    "logits_soft_cap": 3.0,
    "output_logit_soft_cap": 3.0,
    "logits_scaling": 3.0,
    "lm_head_multiplier": 0.3,
    "logits_mup_width_multiplier": 3.0,
    "dim_model_base": 8,
    "output_multiplier": 0.3,
    "lm_head_bias": True,
}
"""Settings of a head whose default would change nothing, or too little to be seen."""

N_HEADS = 4
_KEY_HEADS = ("num_key_value_heads", "num_kv_heads", "kv_n_heads")
_QUERY_HEADS = ("num_attention_heads", "n_heads", "n_head")


@dataclasses.dataclass(frozen=True)
class Besides:
    """What a family needs beyond the table of names."""

    more: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    """Settings by their path: ``text_config.rope_parameters``."""
    without: tuple[str, ...] = ()
    """Paths of settings that keep their default."""


def _set(*without: str, **more: Any) -> Besides:
    """Settings by name; ``__`` in a name stands for the dot of a path."""
    return Besides({k.replace("__", "."): v for k, v in more.items()}, without)


_NANO_MAMBA = {"mamba_n_heads": 4, "mamba_d_head": 16, "mamba_d_state": 8}
_GLM_ROPE = {"rope_type": "default", "rope_theta": 1e4, "partial_rotary_factor": 1.0}
_MROPE = {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [2, 1, 1]}
_NEMOTRON = {
    "mamba_num_heads": 8,
    "mamba_head_dim": 8,
    "ssm_state_size": 8,
    "n_groups": 2,
    "layers_block_type": ["linear_attention", "moe", "full_attention"],
}

_NOTE = {
    "swa_num_attention_heads": 4,
    "swa_num_key_value_heads": 4,
    "swa_q_lora_rank": 16,
    "swa_kv_lora_rank": 16,
    "swa_head_dim": 16,
    "swa_qk_nope_head_dim": 8,
    "swa_v_head_dim": 8,
    "swa_qk_rope_head_dim": 8,
}
_COMPASS_LAYERS = ["sliding_attention", "sliding_attention", "full_attention"]
_COMPASS_ROPE = dict.fromkeys(("sliding_attention", "full_attention"), _MROPE)
_INDEXER = {
    "indexer_n_heads": 4,
    "indexer_kv_heads": 1,
    "indexer_head_dim": 8,
    "indexer_budget": 1024,
    "indexer_compress_ratio": 2,
    "ngram_vocab_size_base": 100,
    "make_ngram_vocab_size_divisible_by": 4,
    "split_ngram_parts": 2,
}
_SHARED_KV = {
    "num_hidden_layers": 4,
    "num_kv_shared_layers": 2,
    "layer_types": ["sliding_attention", "full_attention", "sliding_attention", "full_attention"],
}
_SAM = {"output_channels": 16, "downsample_channels": [16, 16], "mlp_dim": 48}

_PROTEIN = {
    "vocab_size": 446,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 48,
}

BESIDES: dict[str, Besides] = {
    "bamba": _set(attn_layer_indices=[1], mamba_n_heads=4, mamba_d_state=8),
    "blt": _set(encoder_hash_byte_group_vocab=50),
    "codegen": _set(rotary_dim=4),
    "gptj": _set(rotary_dim=4),
    "cohere_compass": _set(
        text_config__rope_parameters=_COMPASS_ROPE,
        text_config__logit_scale=0.3,
        text_config__layer_types=_COMPASS_LAYERS,
    ),
    "cohere_compass_text": _set(
        layer_types=_COMPASS_LAYERS, rope_parameters=_COMPASS_ROPE, logit_scale=0.3
    ),
    "cosmos3_edge": _set(text_config__rope_parameters=_MROPE),
    "deepseek_v2": _set(num_experts_per_tok=2, first_k_dense_replace=1),
    "deepseek_ocr2": _set(
        text_config__mlp_layer_types=["dense", "sparse", "sparse"],
        text_config__num_experts_per_tok=2,
    ),
    "dots1": _set(n_routed_experts=4, num_experts_per_tok=2, n_shared_experts=1),
    "gemma3n_text": Besides(_SHARED_KV),
    "gemma3n": Besides({f"text_config.{k}": v for k, v in _SHARED_KV.items()}),
    "gemma4_text": Besides(_SHARED_KV),
    "evolla": _set(protein_encoder_config=_PROTEIN),
    "nemo_speechlm": Besides({f"text_config.{k}": v for k, v in _NEMOTRON.items()}),
    "qwen4_exp": Besides({f"text_config.{k}": v for k, v in _INDEXER.items()}),
    "qwen4_exp_text": Besides(_INDEXER),
    "chameleon": _set(vocabulary_map={"<image>": 370, "IMGIMGBSZ": 371}),
    "emu3": _set(vocabulary_map={"<image>": 370, "<|extra_200|>": 371, "<|visual token 0|>": 372}),
    "granite4_vision": _set(
        deepstack_layer_map=[[-1, 0]],
        spatial_target_layers=[1],
        downsample_rate="1/2",
        vision_config__hidden_size=64,
    ),
    "fun_asr_nano": _set(adaptor_config__intermediate_size=8),
    "molmo2": _set(adapter_config__vision_feature_layer=[1, 0]),
    "diffusion_gemma": _set(
        text_config__num_experts=4,
        text_config__top_k_experts=2,
        text_config__moe_intermediate_size=16,
    ),
    "unlimited_ocr": Besides({f"vision_config.sam_config.{k}": v for k, v in _SAM.items()}),
    "florence2": _set(
        vision_config__embed_dim=[16, 16, 16, 32],
        vision_config__depths=[1, 1, 1, 1],
        vision_config__num_heads=[2, 2, 2, 2],
        vision_config__num_groups=[2, 2, 2, 2],
    ),
    "dots3_note": Besides(
        {f"text_config.{k}": v for k, v in _NOTE.items()}
        | {
            "audio_config.adapter_input_size": 32,
            "vision_config.adapter_in_dim": 32,
            "audio_config.adapter_out_dim": 32,
            "vision_config.adapter_out_dim": 32,
        }
    ),
    "dots3_note_text": Besides(_NOTE),
    "ernie4_5_vl_moe": _set(
        text_config__moe_intermediate_size=[16, 16],
        text_config__rope_parameters=_MROPE | {"mrope_section": [2, 2, 4]},
        text_config__hidden_size=64,
    ),
    "glm4v": _set(text_config__rope_parameters=_MROPE),
    "glm4v_moe": _set(text_config__rope_parameters=_MROPE),
    "glm46v": _set(text_config__rope_parameters=_MROPE),
    "glmga": _set(text_config__rope_parameters=_MROPE),
    "glm_ocr": _set(text_config__rope_parameters=_MROPE),
    "gpt_neo": _set(num_layers=4, attention_types=[[["global", "local"], 2]]),
    "granitemoehybrid": _set(
        layer_types=["mamba", "attention", "mamba"],
        mamba_n_heads=4,
        mamba_d_head=16,
        mamba_d_state=8,
        num_local_experts=4,
        num_experts_per_tok=2,
    ),
    "hunyuan_v1_dense": _set(head_dim=8),
    "hunyuan_v1_moe": _set(head_dim=8),
    "hunyuan_vl": _set(text_config__head_dim=8, text_config__rope_parameters=_MROPE),
    "jamba": _set(attn_layer_period=2, attn_layer_offset=1, mamba_d_state=8),
    "lfm2_moe": _set(layer_types=["conv", "full_attention", "conv"], num_dense_layers=1),
    "mamba2": _set(num_heads=8, head_dim=8, n_groups=2, state_size=8),
    "ministral": _set(head_dim=8),
    "nemotron": _set(head_dim=8, num_key_value_heads=2),
    "nemotron_h": Besides(_NEMOTRON),
    "nemotron_h_omni": Besides({f"text_config.{k}": v for k, v in _NEMOTRON.items()}),
    "paddleocr_vl": _set(text_config__rope_parameters=_MROPE),
    "qwen2_vl": _set(text_config__rope_parameters=_MROPE),
    "qwen2_5_vl": _set(text_config__rope_parameters=_MROPE),
    "qwen2_5_omni": _set(
        thinker_config__text_config__rope_parameters=_MROPE, talker_config__rope_parameters=_MROPE
    ),
    "qwen2_5_omni_thinker": _set(text_config__rope_parameters=_MROPE),
    "reformer": _set(is_decoder=True, axial_pos_embds_dim=[8, 24], axial_pos_shape=[32, 20]),
    "step3p7": _set(text_config__sliding_window=8),
    "xlstm": _set(hidden_size=64, num_heads=4, qk_dim_factor=1.0),
    "zamba": _set(layers_block_type=["linear_attention", "hybrid", "hybrid"]),
    "xmod": _set(default_language="en_XX"),
    "qwen3_omni_moe": _set(
        talker_config__text_config__shared_expert_intermediate_size=16,
        talker_config__spatial_merge_size=2,
    ),
    "kyutai_speech_to_text": _set(
        codec_config__codebook_size=64,
        codec_config__upsample_groups=32,
        codebook_vocab_size=65,
        codec_config__num_filters=4,
    ),
    "vibevoice_asr": _set(
        "acoustic_tokenizer_chunk_size",
        acoustic_tokenizer_encoder_config__num_filters=2,
        semantic_tokenizer_encoder_config__num_filters=2,
    ),
    "musicgen": _set(audio_encoder__codebook_size=64, audio_encoder__num_filters=4),
    "musicgen_melody": _set(audio_encoder__codebook_size=64, audio_encoder__num_filters=4),
    "moshi": _set(audio_encoder_config__codebook_size=64),
    "dbrx": _set(
        attn_config={"kv_n_heads": 2, "rope_theta": 1e4, "clip_qkv": 8.0},
        ffn_config={"ffn_hidden_size": 16, "moe_num_experts": 4, "moe_top_k": 2},
    ),
}


def families() -> dict[str, str]:
    """``model_type`` to the class that holds its language model, text and multimodal alike."""
    from transformers.models.auto import modeling_auto as auto

    found = dict(auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES)
    for table in ("IMAGE_TEXT_TO_TEXT", "MULTIMODAL_LM"):
        found |= getattr(auto, f"MODEL_FOR_{table}_MAPPING_NAMES", {})
    # The tables have the decoder alone, and checkpoints the whole.
    found |= {t: c.replace("ForCausalLM", _WHOLE) for t, c in found.items() if "musicgen" in t}
    return dict(sorted(found.items()))


_WHOLE = "ForConditionalGeneration"


def families_with_eyes() -> frozenset[str]:
    """Those of :func:`families` that read images, video or sound besides text."""
    from transformers.models.auto import modeling_auto as auto

    return frozenset(auto.MODEL_FOR_MULTIMODAL_LM_MAPPING_NAMES)


def tiny_config(model_type: str, **overrides: Any) -> Any:
    """The configuration of ``model_type``, all its sizes shrunk."""
    from transformers import CONFIG_MAPPING

    besides = BESIDES.get(model_type, Besides())
    return _shrunk(CONFIG_MAPPING[model_type], besides, "", False, overrides)


def _shrunk(
    config_class: Any, besides: Besides, path: str, eyes: bool, given: Mapping[str, Any]
) -> Any:
    settings = dict(_sizes(config_class, besides, path, eyes, given))
    for key, spec in (getattr(config_class, "sub_configs_defaults", None) or {}).items():
        if spec.optional and key not in given:
            continue
        settings[key] = _sub_config(config_class, key, spec, besides, path, eyes)
    settings |= {
        k: v for k, v in given.items() if k not in settings or k not in _subs(config_class)
    }
    settings |= _of_path(besides.more, path)
    names = {f.name for f in dataclasses.fields(config_class)}
    settings = {k: v for k, v in _TELLING.items() if k in names} | settings
    settings = _varied(config_class, settings)
    return _with_mrope(config_class(**settings))


def _with_mrope(config: Any) -> Any:
    """Rotary sections of images scaled to the tiny head: their sum is half of it."""
    rope = getattr(config, "rope_parameters", None)
    if isinstance(rope, dict) and isinstance(rope.get("mrope_section"), list | tuple):
        heads = getattr(config, "num_attention_heads", N_HEADS)
        size = getattr(config, "head_dim", None) or config.hidden_size // heads
        half = int(size * rope.get("partial_rotary_factor", 1.0)) // 2
        if sum(rope["mrope_section"]) == half:
            return config
        sections = [1] * len(rope["mrope_section"])
        sections[0] = half - len(sections) + 1
        config.rope_parameters = rope | {"mrope_section": sections}
    return config


def _subs(config_class: Any) -> Mapping[str, Any]:
    return getattr(config_class, "sub_configs_defaults", None) or {}


def _sub_config(owner: Any, key: str, spec: Any, besides: Besides, path: str, eyes: bool) -> Any:
    from transformers import CONFIG_MAPPING, PreTrainedConfig

    more = _of_path(besides.more, path)
    inner = f"{path}{key}."
    model_type = str(_of_path(besides.more, inner).get("model_type", spec.model_type))
    cls = spec.config_class
    if not issubclass(cls, PreTrainedConfig):
        cls = CONFIG_MAPPING[model_type]
    if key in more:
        return more[key]
    init = {
        k: v
        for k, v in spec.init_kwargs.items()
        if not isinstance(v, int | list) or isinstance(v, bool)
    }
    # What the owner sets is a default like any other, so it is shrunk by the same names.
    sized = {k: v for k, v in spec.init_kwargs.items() if k not in init}
    return _shrunk(
        cls,
        besides,
        inner,
        eyes or bool(_EYES.search(key)),
        init | dict(_sizes_of(sized, besides, inner, eyes or bool(_EYES.search(key)))),
    )


def _sizes(
    config_class: Any, besides: Besides, path: str, eyes: bool, given: Mapping[str, Any]
) -> Iterator[tuple[str, Any]]:
    defaults = {
        f.name: f.default
        for f in dataclasses.fields(config_class)
        if f.default is not dataclasses.MISSING and f.name not in given
    }
    yield from _sizes_of(defaults, besides, path, eyes)


def _sizes_of(
    defaults: Mapping[str, Any], besides: Besides, path: str, eyes: bool
) -> Iterator[tuple[str, Any]]:
    special = iter(range(D_VOCAB - 1, N_TOKENS, -1))
    for name, default in defaults.items():
        if f"{path}{name}" in besides.without:
            continue
        if re.fullmatch(r".*token_(id|index)|.*_token", name) or name.endswith("_token_ids"):
            if isinstance(default, list | tuple):
                yield name, [1]
            elif isinstance(default, int) and not isinstance(default, bool):
                ordinary = {"bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 1}
                yield name, ordinary[name] if name in ordinary else next(special)
            continue
        if not isinstance(default, int) or isinstance(default, bool) or default <= 0:
            continue
        if name in _KEY_HEADS and default == next(
            (defaults[q] for q in _QUERY_HEADS if q in defaults), None
        ):
            yield name, N_HEADS
            continue
        if name in _KEY_HEADS and "kv_lora_rank" in defaults:
            yield name, N_HEADS
            continue
        rule = next((r for p, r in _RULES if p.fullmatch(name)), None)
        if rule is not None:
            yield name, rule(default, eyes)


def _of_path(settings: Mapping[str, Any], path: str) -> dict[str, Any]:
    """Those of ``settings`` directly under ``path``, by their own name."""
    return {
        key.removeprefix(path): copy.deepcopy(value)
        for key, value in settings.items()
        if key.startswith(path) and "." not in key.removeprefix(path)
    }


_COUNTS = ("num_hidden_layers", "n_layer", "n_layers", "num_layers")


def _varied(config_class: Any, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Choose layers so that few show every kind: a list with an entry a layer is thinned out."""
    count = next((c for c in _COUNTS if c in settings), None)
    names = {f.name for f in dataclasses.fields(config_class)}
    if count is None:
        return dict(settings)
    try:
        whole = config_class(**{k: v for k, v in settings.items() if k != count})
        n = int(getattr(whole, count))
        lists = {
            name: list(getattr(whole, name))
            for name in sorted(names)
            if name not in settings
            and isinstance(getattr(whole, name, None), list | tuple)
            and len(getattr(whole, name)) == n
            and n > settings[count]
        }
    except Exception:  # the default is out of bounds for the tiny sizes: then as it comes
        return dict(settings)
    if not lists:
        return dict(settings)
    chosen = _chosen(
        list(zip(*(map(str, v) for v in lists.values()), strict=True)), settings[count]
    )
    return dict(settings) | {name: [v[i] for i in chosen] for name, v in lists.items()}


def _chosen(kinds: list[tuple[str, ...]], count: int) -> list[int]:
    """Places of ``count`` layers, in order, that show as many kinds as they can."""
    first = list({kind: i for i, kind in reversed(list(enumerate(kinds)))}.values())
    first = sorted(first)[:count]
    rest = (i for i in range(len(kinds)) if i not in first)
    return sorted([*first, *(next(rest) for _ in range(count - len(first)))])


def tiny_model(
    model_type: str,
    *,
    seed: int = 0,
    class_name: str | None = None,
    tie_flipped: bool = False,
    **overrides: Any,
) -> Any:
    """A model of ``model_type`` whose every weight is random.

    Args:
        model_type: as transformers has it.
        seed: of the weights.
        class_name: of transformers, if not the one that holds the language model.
        tie_flipped: whether it is tied where its family is not, and the other way round.
        **overrides: further settings of its configuration.

    Raises:
        ValueError: a size was not shrunk; the largest parameters are named.
    """

    config = tiny_config(model_type, **overrides)
    config.architectures = None
    if tie_flipped:
        text = config.get_text_config(decoder=True)
        tied = getattr(config, "tie_word_embeddings", getattr(text, "tie_word_embeddings", None))
        config.tie_word_embeddings = text.tie_word_embeddings = not tied
    cls = _class_of(class_name or families()[model_type])
    with torch.device("meta"):
        large = cls._from_config(config, dtype=torch.float32)
    count = sum(p.numel() for p in large.parameters())
    if count > LARGEST:
        worst = sorted(large.named_parameters(), key=lambda p: -p[1].numel())[:4]
        raise ValueError(
            f"{count:,} parameters: {', '.join(f'{n} {tuple(p.shape)}' for n, p in worst)}"
        )
    return _randomise(cls._from_config(config, dtype=torch.float32), seed)


def _class_of(name: str) -> Any:
    import transformers
    from transformers.models.auto.auto_factory import getattribute_from_module

    return getattribute_from_module(transformers, name)


def _randomise(model: Any, seed: int) -> Any:
    """Every weight at random, norms and biases too, also those that are saved as buffers."""
    generator = torch.Generator().manual_seed(seed)
    # A bias that is saved as a buffer is a vector; a causal mask called bias is none.
    # Zaya's balancing_biases are set to zero again when transformers loads them.
    biases = [
        b
        for n, b in model.named_buffers()
        if "bias" in n and b.dim() == 1 and "balancing_biases" not in n
    ]
    with torch.no_grad():
        for tensor in [*model.parameters(), *biases]:
            if tensor.dim() < 2:
                tensor.copy_(0.5 + torch.rand(tensor.shape, generator=generator))
            else:
                tensor.copy_(0.3 * torch.randn(tensor.shape, generator=generator))
    return model.eval()


def write_without_eyes(folder: Path, model_type: str) -> Any:
    """A checkpoint of a model with eyes, made of its language model alone, which is returned.

    For families whose eyes need a package that is not here: the tensors have the names that they
    have in the whole, and those of the eyes are there in part.
    """
    whole = tiny_config(model_type)
    text = whole.get_text_config(decoder=True)
    text.architectures = None
    cls = _class_of(families()[text.model_type])
    model = _randomise(cls._from_config(text, dtype=torch.float32), 0)
    save(model, folder)
    held = load_file(folder / "model.safetensors")
    held = {re.sub(r"^model\.", "model.language_model.", name): t for name, t in held.items()}
    held["model.vision_tower.timm_model.conv_stem.conv.weight"] = torch.zeros(4, 3, 3, 3)
    save_file(held, folder / "model.safetensors", {"format": "pt"})
    whole.architectures = [families()[model_type]]
    (folder / "config.json").write_text(whole.to_json_string(use_diff=False))
    return model
