"""The one place that knows how model families differ.

Everything here works on the parsed ``config.json`` (a dict) and on tensor names: no torch, no
transformers, so that a checkpoint can be judged in microseconds. The table gives, for each
family, what transformers assumes where a ``config.json`` is silent; a test holds every line
of it against transformers itself.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from embfilter_viz.errors import InputError

__all__ = [
    "FAMILIES",
    "HEAD_KEYS",
    "Family",
    "bias_names",
    "check_causal",
    "embedding_names",
    "family_of",
    "head_names",
    "is_listed",
    "is_of_text",
    "is_tied",
    "layer_count",
    "layers_of",
    "logit_scale",
    "soft_cap",
    "text_config",
]

Config = Mapping[str, Any]


@dataclass(frozen=True)
class Family:
    """The differences of one family of decoders from Llama that concern the explorer."""

    title: str
    """The name people use."""
    model_types: tuple[str, ...]
    """The values of ``model_type`` in ``config.json`` that belong to it."""
    tied: bool | None
    """Whether the head is the input embedding where the config does not say; None: unknown."""
    multipliers: tuple[tuple[str, float], ...] = ()
    """Config keys and defaults of factors on the logits."""
    divisors: tuple[tuple[str, float], ...] = ()
    """Config keys and defaults of numbers the logits are divided by."""
    caps: tuple[tuple[str, float | None], ...] = ()
    """Config keys and defaults of a soft cap c: logits become c · tanh(logits / c)."""
    prompteol: str | None = None
    """The PromptEOL template the paper uses for this family, where it is not the common one."""
    packs: bool = True
    """Whether it asks transformers for its attention, so that texts can share their beginnings."""
    listed: bool = True
    """False: nothing is known of it but the common conventions, so a forward pass must agree."""


_MISTRAL_PROMPTEOL = 'This sentence: "{text}" means [MASK]'
_GEMMA_CAP = "final_logit_softcapping"

FAMILIES: tuple[Family, ...] = (
    Family("Llama", ("llama",), tied=False),
    Family("Qwen2", ("qwen2", "qwen2_moe"), tied=False),  # Qwen2.5 says qwen2 too
    Family("Qwen3", ("qwen3", "qwen3_moe"), tied=False),
    Family("Mistral", ("mistral", "mixtral"), tied=False, prompteol=_MISTRAL_PROMPTEOL),
    Family("Ministral", ("ministral", "ministral3"), tied=False),
    Family("Gemma", ("gemma",), tied=True),
    Family("Gemma 2", ("gemma2",), tied=True, caps=((_GEMMA_CAP, 30.0),)),
    Family("Gemma 3", ("gemma3", "gemma3_text"), tied=True, caps=((_GEMMA_CAP, None),)),
    Family("VaultGemma", ("vaultgemma",), tied=True, caps=((_GEMMA_CAP, 30.0),)),
    Family("GPT-2", ("gpt2",), tied=True),
    Family("GPT-BigCode", ("gpt_bigcode",), tied=True),
    Family("GPT-Neo", ("gpt_neo",), tied=True, packs=False),
    Family("GPT-NeoX", ("gpt_neox",), tied=False),
    Family("GPT-J", ("gptj",), tied=False, packs=False),
    Family("CodeGen", ("codegen",), tied=False, packs=False),
    Family("Phi", ("phi",), tied=False),
    Family("Phi-3", ("phi3",), tied=False),
    Family("Cohere", ("cohere", "cohere2"), tied=True, multipliers=(("logit_scale", 0.0625),)),
    Family("Granite", ("granite", "granitemoe"), tied=False, divisors=(("logits_scaling", 1.0),)),
    Family("HyperCLOVA X", ("hyperclovax",), tied=False, multipliers=(("logits_scaling", 1.0),)),
    Family("StableLM", ("stablelm",), tied=False),
    Family("OLMo", ("olmo", "olmo2", "olmo3", "olmoe"), tied=False),
    Family("OPT", ("opt",), tied=True),
    Family("BLOOM", ("bloom",), tied=True, packs=False),
    Family("Falcon", ("falcon",), tied=True, packs=False),
    Family("StarCoder2", ("starcoder2",), tied=True),
    Family("SmolLM3", ("smollm3",), tied=True),
    Family("GLM", ("glm", "glm4"), tied=False),
    Family("Nemotron", ("nemotron",), tied=False),
)

_MULTIPLIERS = (("logit_scale", 1.0), ("lm_head_multiplier", 1.0), ("output_multiplier", 1.0))
_DIVISORS = (("logits_scaling", 1.0), ("logits_mup_width_multiplier", 1.0))
_CAPS = (
    *((_GEMMA_CAP, None), ("logits_soft_cap", None)),
    *(("output_logit_soft_cap", None), ("logit_softcap", None)),
)
"""What a family nobody listed may do to its logits; a forward pass must then agree."""

HEAD_KEYS = tuple(key for key, _ in (*_MULTIPLIERS, *_DIVISORS, *_CAPS))
"""The configuration keys of what a head may do to its logits."""

_PLAIN_HEADS = (
    *("aya_vision", "cohere2_vision", "granite_speech", "granite_speech_plus"),
    *("gemma3", "shieldgemma2", "mpt"),
)
"""Types whose class leaves out what the keys of its language model say (transformers 5.23)."""

_BY_MODEL_TYPE = {t: family for family in FAMILIES for t in family.model_types}

_ENCODER_ONLY = (
    "albert bert bert-generation big_bird camembert canine convbert data2vec-text deberta "
    "deberta-v2 distilbert electra ernie ernie_m esm eurobert flaubert fnet funnel ibert "
    "jina_embeddings_v3 layoutlm longformer luke megatron-bert mobilebert modernbert mpnet mra "
    "new nomic_bert nystromformer qdqbert rembert roberta roberta-prelayernorm roc_bert "
    "roformer splinter squeezebert xlm xlm-roberta xlm-roberta-xl xlnet xmod yoso"
)
_ENCODER_DECODER = (
    "bart bigbird_pegasus blenderbot blenderbot-small encoder-decoder fsmt led longt5 m2m_100 "
    "marian mbart mt5 mvp nllb-moe pegasus pegasus_x plbart prophetnet speech-encoder-decoder "
    "switch_transformers t5 t5gemma t5gemma2 udop umt5 vision-encoder-decoder whisper"
)
_DRAFTS = "drafts tokens for another model, whose states it reads, and reads no text by itself"
_NO_NEXT_TOKEN = {
    "gemma4_assistant": _DRAFTS,
    "gemma4_unified_assistant": _DRAFTS,
    "blip": "describes an image and reads no text by itself",
    "cpmant": "attends in both directions, so its states predict no next token",
    "diffusion_gemma": "writes blocks of tokens by diffusion and predicts no next token",
    "reformer": "draws its attention at random, so its states differ from one time to the next",
}
"""Types with a head that cannot be looked through, and why."""
_ENCODER_HEADS = ("ForMaskedLM", "ForPreTraining", "ForTokenClassification")
_CAUSAL_HEADS = (
    *("ForCausalLM", "LMHeadModel", "ModelWithLMHead", "ForConditionalGeneration"),
    *("ForVisionText2Text", "ForProteinText2Text", "_Omni_Reasoning_V3"),
)
"""How classes end that transformers gives a language model's head, eyes and ears included."""
_WANTED = "a causal (decoder-only) language model, such as Llama, Qwen, Mistral, Gemma or GPT-2"


def text_config(config: Config) -> Config:
    """The part of ``config`` that describes the language model.

    Multimodal checkpoints (Gemma 3 from 4B on) nest it; the rest keep it at the top.

    >>> text_config({"model_type": "gemma3", "text_config": {"hidden_size": 640}})["hidden_size"]
    640
    """
    for key in ("text_config", "llm_config", "language_config", "thinker_config"):
        nested = config.get(key)
        if isinstance(nested, Mapping):
            return text_config(nested)
    return config


def check_causal(config: Config, name: str) -> None:
    """Refuse what is no causal language model, from its configuration alone.

    Args:
        config: the parsed ``config.json``.
        name: the model as the user typed it, for the message.

    Raises:
        InputError: an encoder-only or encoder-decoder model, one that attends in both
            directions, or an architecture of no known kind.

    >>> check_causal({"model_type": "llama"}, "my-llama")
    >>> check_causal({"model_type": "bert", "architectures": ["BertForMaskedLM"]}, "my-bert")
    Traceback (most recent call last):
    embfilter_viz.errors.InputError: my-bert: an encoder-only model (bert) has no unembedding ...
    """
    model_type = config.get("model_type")
    architectures = tuple(str(a) for a in config.get("architectures") or ())
    if not isinstance(model_type, str) or not model_type:
        raise InputError(
            f"{name}: config.json has no model_type, so its family is unknown; pick {_WANTED}"
        )
    if model_type in _ENCODER_DECODER.split() or config.get("is_encoder_decoder") is True:
        raise InputError(
            f"{name}: an encoder-decoder model ({model_type}) is not supported; pick {_WANTED}"
        )
    if model_type in _NO_NEXT_TOKEN:
        raise InputError(f"{name}: {model_type} {_NO_NEXT_TOKEN[model_type]}; pick {_WANTED}")
    if model_type in _ENCODER_ONLY.split() or any(
        a.endswith(_ENCODER_HEADS) for a in architectures
    ):
        raise InputError(
            f"{name}: an encoder-only model ({model_type}) has no unembedding to look through; "
            f"pick {_WANTED}"
        )
    part = text_config(config)
    both_ways = part.get("use_bidirectional_attention") in (True, "all")
    if both_ways or part.get("is_causal", config.get("is_causal")) is False:
        raise InputError(
            f"{name}: this {model_type} attends in both directions (an encoder), so its states "
            f"predict no next token; pick {_WANTED}"
        )
    if _by_model_type(config) is not None:
        return
    if not any(a.endswith(_CAUSAL_HEADS) for a in architectures):
        found = ", ".join(architectures) or "none named"
        raise InputError(
            f"{name}: unknown architecture (model_type {model_type}, architectures: {found}); "
            f"pick {_WANTED}"
        )


def is_listed(model_type: str) -> bool:
    """Tell whether the table has this ``model_type``.

    >>> is_listed("llama"), is_listed("brand_new")
    (True, False)
    """
    return model_type in _BY_MODEL_TYPE


def family_of(config: Config) -> Family:
    """The family of a configuration; an unlisted one follows the common conventions.

    >>> family_of({"model_type": "gemma3_text"}).title
    'Gemma 3'
    >>> family_of({"model_type": "brand_new"}).listed
    False
    """
    found = _by_model_type(config)
    if found is not None:
        return found
    model_type = str(config.get("model_type", "unknown"))
    return Family(
        model_type,
        (model_type,),
        tied=None,
        multipliers=_MULTIPLIERS,
        divisors=_DIVISORS,
        caps=_CAPS,
        packs=False,
        listed=False,
    )


def _by_model_type(config: Config) -> Family | None:
    # The nested type first: a vision-language Llava holds a plain Llama, Qwen or Mistral.
    for part in (text_config(config), config):
        found = _BY_MODEL_TYPE.get(str(part.get("model_type")))
        if found is not None:
            return found
    return None


def is_tied(config: Config) -> bool | None:
    """Tell whether the head is the input embedding; None where neither config nor family says.

    >>> is_tied({"model_type": "gpt2"}), is_tied({"model_type": "llama"})
    (True, False)
    >>> is_tied({"model_type": "llama", "tie_word_embeddings": True})
    True
    """
    for part in (config, text_config(config)):
        said = part.get("tie_word_embeddings")
        if isinstance(said, bool):
            return said
    return family_of(config).tied


def logit_scale(config: Config) -> float:
    """The factor on W_U h + bias: 1 but for Cohere, Granite and their kin.

    >>> logit_scale({"model_type": "granite", "logits_scaling": 8.0})
    0.125
    """
    family = family_of(config)
    if config.get("model_type") in _PLAIN_HEADS:
        return 1.0
    scale = 1.0
    for rule in family.multipliers:
        scale *= _number(config, rule) or 1.0
    for rule in family.divisors:
        scale /= _number(config, rule) or 1.0
    return scale


def soft_cap(config: Config) -> float | None:
    """The soft cap c of c · tanh(logits / c), or None.

    >>> soft_cap({"model_type": "gemma2"}), soft_cap({"model_type": "llama"})
    (30.0, None)
    """
    if config.get("model_type") in _PLAIN_HEADS:
        return None
    found = (_number(config, rule) for rule in family_of(config).caps)
    return next((cap for cap in found if cap), None)


def _number(config: Config, rule: tuple[str, float | None]) -> float | None:
    """The number under a key; None where there is none, or a word (MPT's ``inv_sqrt_d_model``)."""
    key, default = rule
    value = text_config(config).get(key, default)
    return float(value) if isinstance(value, (int, float)) else None


_LAYERS = ("num_layers", "num_hidden_layers", "n_layer", "n_layers")  # LongCat has two


def layer_count(config: Config) -> int | None:
    """Say how many decoder layers the configuration says; None where it says nothing.

    >>> layer_count({"model_type": "gpt2", "n_layer": 12})
    12
    """
    found = (text_config(config).get(key) for key in _LAYERS)
    return next((n for n in found if isinstance(n, int)), None)


def layers_of(config: Config, names: Iterable[str]) -> int:
    """Say how many decoder layers a checkpoint has: counted in its tensors where nothing says it.

    The first number in a name, as in ``model.layers.7.mlp.experts.3``, is the layer's; the eyes
    of a multimodal model have layers too, which are none of the language model's.

    >>> layers_of({}, ["model.layers.0.mlp.weight", "model.layers.1.mlp.weight"])
    2
    """
    said = layer_count(config)
    if said:
        return said
    numbers = (next((p for p in n.split(".") if p.isdigit()), None) for n in names if is_of_text(n))
    return len({number for number in numbers if number is not None})


_PARTS = (
    *("model", "transformer", "gpt_neox", "gpt_neox_japanese", "decoder", "backbone", "base_model"),
    *("language_model", "text_model", "llm", "thinker", "rwkv", "biogpt", "git"),
)
"""The modules a head or an input embedding of a language model may lie in."""
_HEADS = (
    *("lm_head", "embed_out", "output", "output_layer", "head", "output_projection"),
    *("unembed", "decoder"),  # the latter of ModernBERT's decoder
)
_EMBEDDINGS = (
    *("embed_tokens", "wte", "embed_in", "word_embeddings", "tok_embeddings"),
    *("embeddings", "token_embedding", "embedding.word_embeddings", "token_embd"),
    *("tokens_embed", "embeddings.tok_embeddings", "embeddings.word_embeddings", "embed", "w"),
)
_ELSEWHERE = re.compile(
    r"(^|[._])(vision\w*|visual\w*|vit|image\w*|img\w*|audio\w*|speech\w*|video\w*|vq\w*|vpm|sam\w*"
    r"|aligner|connector|resampler|perceiver\w*|qformer|projector|multi_modal_projector|mm_projector"
    r"|merger|mlp1|patch_embed\w*|talker|token2wav|code2wav|codec\w*|protein\w*|embed_vision|embed_audio)([._]|$)"
)


def is_of_text(name: str) -> bool:
    """Tell whether a tensor may belong to the language model, and not to its eyes or ears.

    >>> is_of_text("model.layers.0.mlp.up_proj.weight"), is_of_text("model.visual.blocks.0.weight")
    (True, False)
    """
    return _ELSEWHERE.search(name) is None


def head_names(names: Collection[str]) -> Iterator[str]:
    """Those of ``names`` that hold an unembedding, likeliest first.

    >>> list(head_names(["model.embed_tokens.weight", "lm_head.weight"]))
    ['lm_head.weight']
    """
    return _present(names, _HEADS, ".weight")


def embedding_names(names: Collection[str]) -> Iterator[str]:
    """Those of ``names`` that hold the input embedding, likeliest first.

    >>> list(embedding_names({"wte.weight": 0, "h.0.mlp.c_fc.weight": 0}))
    ['wte.weight']
    """
    return _present(names, _EMBEDDINGS, ".weight")


def bias_names(names: Collection[str]) -> Iterator[str]:
    """Those of ``names`` that hold a bias on the logits (GPT-J, Phi-1 and 2, CodeGen).

    >>> list(bias_names(["lm_head.weight", "lm_head.bias"]))
    ['lm_head.bias']
    """
    return _present(names, _HEADS, ".bias")


def _present(names: Collection[str], stems: tuple[str, ...], ending: str) -> Iterator[str]:
    """Names that are a stem in modules of :data:`_PARTS`; by stem, then the shortest way to it."""
    for stem in stems:
        last = stem + ending
        inner = (n for n in names if n.endswith(last))
        found = [n for n in inner if n == last or n.endswith("." + last)]
        yield from sorted(
            (n for n in found if all(p in _PARTS for p in n[: -len(last)].split(".") if p)),
            key=lambda n: (n.count("."), n),
        )
