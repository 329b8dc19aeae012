"""The one place that knows how model families differ.

Everything here works on the parsed ``config.json`` (a dict) and on tensor names: no torch, no
transformers, so that a checkpoint can be judged in microseconds. The table gives, for each
family, what transformers assumes where a ``config.json`` is silent; a test holds every line
of it against transformers itself.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from embfilter_viz.errors import InputError

__all__ = [
    "FAMILIES",
    "FINAL_NORMS",
    "Family",
    "bias_names",
    "check_causal",
    "embedding_names",
    "family_of",
    "head_names",
    "is_tied",
    "logit_scale",
    "soft_cap",
    "text_config",
]

Config = Mapping[str, Any]


@dataclass(frozen=True)
class Family:
    """What sets one family of decoders apart from Llama, as far as the explorer is concerned."""

    title: str
    """The name people use."""
    model_types: tuple[str, ...]
    """The values of ``model_type`` in ``config.json`` that belong to it."""
    tied: bool | None
    """Whether the head is the input embedding where the config does not say; None: unknown."""
    multiplier: tuple[str, float] | None = None
    """Config key and default of a factor on the logits."""
    divisor: tuple[str, float] | None = None
    """Config key and default of a number the logits are divided by."""
    cap: tuple[str, float | None] | None = None
    """Config key and default of a soft cap c: logits become c · tanh(logits / c)."""
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
    Family("Gemma 2", ("gemma2",), tied=True, cap=(_GEMMA_CAP, 30.0)),
    Family("Gemma 3", ("gemma3", "gemma3_text"), tied=True, cap=(_GEMMA_CAP, None)),
    Family("VaultGemma", ("vaultgemma",), tied=True, cap=(_GEMMA_CAP, 30.0)),
    Family("GPT-2", ("gpt2",), tied=True),
    Family("GPT-BigCode", ("gpt_bigcode",), tied=True),
    Family("GPT-Neo", ("gpt_neo",), tied=True, packs=False),
    Family("GPT-NeoX", ("gpt_neox",), tied=False),
    Family("GPT-J", ("gptj",), tied=False, packs=False),
    Family("CodeGen", ("codegen",), tied=False, packs=False),
    Family("Phi", ("phi",), tied=False),
    Family("Phi-3", ("phi3",), tied=False),
    Family("Cohere", ("cohere", "cohere2"), tied=True, multiplier=("logit_scale", 0.0625)),
    Family("Granite", ("granite", "granitemoe"), tied=False, divisor=("logits_scaling", 1.0)),
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
_ENCODER_HEADS = ("ForMaskedLM", "ForPreTraining", "ForTokenClassification")
_CAUSAL_HEADS = ("ForCausalLM", "LMHeadModel")
_WANTED = "a causal (decoder-only) language model, such as Llama, Qwen, Mistral, Gemma or GPT-2"


def text_config(config: Config) -> Config:
    """The part of ``config`` that describes the language model.

    Multimodal checkpoints (Gemma 3 from 4B on) nest it; the rest keep it at the top.

    >>> text_config({"model_type": "gemma3", "text_config": {"hidden_size": 640}})["hidden_size"]
    640
    """
    for key in ("text_config", "llm_config", "language_config"):
        nested = config.get(key)
        if isinstance(nested, Mapping):
            return nested
    return config


def check_causal(config: Config, name: str) -> None:
    """Refuse what is no causal language model, from its configuration alone.

    Args:
        config: the parsed ``config.json``.
        name: the model as the user typed it, for the message.

    Raises:
        InputError: an encoder-only or encoder-decoder model, one that attends in both
            directions, one that needs its own code, or an architecture of no known kind.

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
    if model_type in _ENCODER_ONLY.split() or any(
        a.endswith(_ENCODER_HEADS) for a in architectures
    ):
        raise InputError(
            f"{name}: an encoder-only model ({model_type}) has no unembedding to look through; "
            f"pick {_WANTED}"
        )
    if text_config(config).get("use_bidirectional_attention") in (True, "all"):
        raise InputError(
            f"{name}: this {model_type} attends in both directions (an encoder), so its states "
            f"predict no next token; pick {_WANTED}"
        )
    if _by_model_type(config) is not None:
        return
    if isinstance(config.get("auto_map"), Mapping):
        raise InputError(
            f"{name}: {model_type} needs code from the checkpoint (auto_map), which is never run "
            f"here; pick a checkpoint whose architecture transformers knows itself"
        )
    if not any(a.endswith(_CAUSAL_HEADS) for a in architectures):
        found = ", ".join(architectures) or "none named"
        raise InputError(
            f"{name}: unknown architecture (model_type {model_type}, architectures: {found}); "
            f"pick {_WANTED}"
        )


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
        multiplier=("logit_scale", 1.0),
        divisor=("logits_scaling", 1.0),
        cap=(_GEMMA_CAP, None),
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
    """Whether the head is the input embedding; None where neither config nor family says.

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
    scale = _number(config, family.multiplier)
    divisor = _number(config, family.divisor)
    return (1.0 if scale is None else scale) / (1.0 if divisor is None else divisor)


def soft_cap(config: Config) -> float | None:
    """The soft cap c of c · tanh(logits / c), or None.

    >>> soft_cap({"model_type": "gemma2"}), soft_cap({"model_type": "llama"})
    (30.0, None)
    """
    return _number(config, family_of(config).cap)


def _number(config: Config, rule: tuple[str, float | None] | None) -> float | None:
    if rule is None:
        return None
    key, default = rule
    value = text_config(config).get(key, default)
    return None if value is None else float(value)


FINAL_NORMS = (
    *("norm", "ln_f", "final_layer_norm", "final_layernorm", "norm_f"),
    *("final_norm", "embedding_norm"),
)
"""What the norm before the head is called in transformers' modules."""

_PREFIXES = (
    *("", "model.", "transformer.", "gpt_neox.", "model.decoder.", "decoder.", "backbone."),
    *("language_model.", "model.language_model.", "language_model.model.", "text_model."),
)
_HEADS = ("lm_head", "embed_out", "output", "output_layer")
_EMBEDDINGS = (
    *("embed_tokens", "wte", "embed_in", "word_embeddings", "tok_embeddings"),
    *("embeddings", "token_embedding", "embedding.word_embeddings", "token_embd"),
)


def head_names(names: Collection[str]) -> Iterator[str]:
    """Those of ``names`` that hold an unembedding, likeliest first.

    >>> list(head_names(["model.embed_tokens.weight", "lm_head.weight"]))
    ['lm_head.weight']
    """
    return _present(names, _HEADS)


def embedding_names(names: Collection[str]) -> Iterator[str]:
    """Those of ``names`` that hold the input embedding, likeliest first.

    >>> list(embedding_names({"wte.weight": 0, "h.0.mlp.c_fc.weight": 0}))
    ['wte.weight']
    """
    return _present(names, _EMBEDDINGS)


def bias_names(names: Collection[str]) -> Iterator[str]:
    """Those of ``names`` that hold a bias on the logits (GPT-J, Phi-1 and 2, CodeGen).

    >>> list(bias_names(["lm_head.weight", "lm_head.bias"]))
    ['lm_head.bias']
    """
    return (n for n in (f"{p}{h}.bias" for h in _HEADS for p in _PREFIXES) if n in names)


def _present(names: Collection[str], stems: tuple[str, ...]) -> Iterator[str]:
    return (n for n in (f"{p}{s}.weight" for s in stems for p in _PREFIXES) if n in names)
