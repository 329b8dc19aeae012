"""What a GGUF says of its head, whatever its architecture: enough for all but reading texts.

The head is a tensor of the file and a few settings, the same in every architecture of llama.cpp;
so a model whose layers are not read here still shows its spectrum and names its tokens.
"""

from typing import Any

from embfilter_viz.errors import InputError
from embfilter_viz.models.formats.gguf_header import GgufHeader
from embfilter_viz.models.gguf.account import tied_as_said

__all__ = ["check_is_decoder", "class_of", "head_config"]

_ENCODERS = ("bert", "neo-bert", "eurobert", "gemma-embedding", "llama-embed")
"""And all whose names end in -bert, begin with nomic-bert or jina-bert, or end in encoder."""

_MODEL_TYPES = {
    "arcee": "arcee",
    "bitnet": "bitnet",
    "bloom": "bloom",
    "chatglm": "glm",
    "command-r": "cohere",
    "cohere2": "cohere2",
    "dbrx": "dbrx",
    "ernie4_5": "ernie4_5",
    "exaone4": "exaone4",
    "falcon": "falcon",
    "falcon-h1": "falcon_h1",
    "gemma": "gemma",
    "gemma2": "gemma2",
    "gemma3": "gemma3_text",
    "gemma3n": "gemma3n_text",
    "gemma4": "gemma4_text",
    "glm4": "glm4",
    "glm4moe": "glm4_moe",
    "gpt2": "gpt2",
    "gpt-oss": "gpt_oss",
    "gptj": "gptj",
    "gptneox": "gpt_neox",
    "granite": "granite",
    "granitehybrid": "granitemoehybrid",
    "granitemoe": "granitemoe",
    "hunyuan-dense": "hunyuan_v1_dense",
    "hunyuan-moe": "hunyuan_v1_moe",
    "jamba": "jamba",
    "lfm2": "lfm2",
    "lfm2moe": "lfm2_moe",
    "llama": "llama",
    "llama4": "llama4_text",
    "mamba": "mamba",
    "mamba2": "mamba2",
    "minimax-m2": "minimax_m2",
    "mpt": "mpt",
    "nemotron": "nemotron",
    "nemotron_h": "nemotron_h",
    "olmo": "olmo",
    "olmo2": "olmo2",
    "olmoe": "olmoe",
    "phi2": "phi",
    "phi3": "phi3",
    "phimoe": "phimoe",
    "qwen2": "qwen2",
    "qwen2moe": "qwen2_moe",
    "qwen3": "qwen3",
    "qwen35": "qwen3_5_text",
    "qwen35moe": "qwen3_5_moe_text",
    "qwen3moe": "qwen3_moe",
    "qwen3next": "qwen3_next",
    "seed_oss": "seed_oss",
    "smollm3": "smollm3",
    "stablelm": "stablelm",
    "starcoder": "gpt_bigcode",
    "starcoder2": "starcoder2",
}
"""llama.cpp's names of architectures to transformers'; others keep their own."""

_CLASSES = {
    "bitnet": "BitNet",
    "ernie4_5": "Ernie4_5",
    "falcon_h1": "FalconH1",
    "gemma3_text": "Gemma3",
    "gemma3n_text": "Gemma3n",
    "gemma4_text": "Gemma4",
    "gpt2": "GPT2LMHeadModel",
    "gpt_bigcode": "GPTBigCode",
    "gpt_neox": "GPTNeoX",
    "gptj": "GPTJ",
    "granitemoe": "GraniteMoe",
    "granitemoehybrid": "GraniteMoeHybrid",
    "hunyuan_v1_dense": "HunYuanDenseV1",
    "hunyuan_v1_moe": "HunYuanMoEV1",
    "llama4_text": "Llama4",
    "minimax_m2": "MiniMaxM2",
    "nemotron_h": "NemotronH",
    "phimoe": "Phimoe",
    "qwen3_5_moe_text": "Qwen3_5Moe",
    "qwen3_5_text": "Qwen3_5",
    "smollm3": "SmolLM3",
    "stablelm": "StableLm",
}
"""What transformers' classes begin with, where that is not the type's name in capitals."""

_MULTIPLIED = ("command-r", "cohere2", "cohere2moe", "grok", "talkie", "muse-glimmer")
"""Architectures whose logits are multiplied by ``logit_scale``."""
_DIVIDED = ("granite", "granitemoe", "granitehybrid", "graniteswitch", "granite_swa", "minicpm")
"""Architectures whose logits are divided by it."""
_SCALES_WHERE_SILENT = {"grok": 1 / 3**0.5}
_CAPS_WHERE_SILENT = {"gemma2": 30.0, "gemma3n": 30.0}
"""What llama.cpp takes where a file does not say."""
_MINICPM_WIDTH = 256
"""MiniCPM divides its logits by width / 256 (Hu et al. 2024)."""

_SCALE, _CAP = "logit_scale", "final_logit_softcapping"
_INSIDE_THE_LAYERS = ("attn_logit_softcapping", "router_logit_softcapping")
_OF_THE_HEAD = ("output.weight", "output.bias", "token_embd.weight")


def check_is_decoder(header: GgufHeader, name: str) -> None:
    """Refuse what is plainly no decoder, or no whole model.

    Raises:
        InputError: an encoder, an adapter, the eyes of a model, or a file without a head.
    """
    architecture = header.architecture
    if not architecture:
        raise InputError(f"{name}: the GGUF names no general.architecture; download it again")
    if _is_encoder(architecture) or architecture.startswith("t5"):
        kind = "an encoder-decoder" if architecture == "t5" else "an encoder-only"
        raise InputError(
            f"{name}: {kind} model ({architecture}) is not supported; pick a causal "
            f"(decoder-only) language model, such as Llama, Qwen, Mistral, Gemma or GPT-2"
        )
    if header.metadata.get(f"{architecture}.attention.causal") is False:
        raise InputError(
            f"{name}: this {architecture} attends in both directions (an encoder), so its states "
            f"predict no next token; pick a causal (decoder-only) language model"
        )
    kind = header.metadata.get("general.type", "model")
    if kind != "model":
        raise InputError(
            f"{name}: a GGUF of the type {kind}, which is no language model by itself; give the "
            f"GGUF of the model it belongs to"
        )
    shapes = {tensor.name: tensor.shape for tensor in header.tensors}
    if "token_embd.weight" not in shapes:
        raise InputError(
            f"{name}: the GGUF holds no token_embd.weight, so there is no head to look through; "
            f"give the whole language model"
        )
    for matrix in ("token_embd.weight", "output.weight"):
        if len(shapes.get(matrix, (0, 0))) != 2:
            raise InputError(
                f"{name}: the GGUF's {matrix} is no matrix (its shape is {shapes[matrix]}); "
                f"download it again"
            )


def _is_encoder(architecture: str) -> bool:
    return (
        architecture in _ENCODERS
        or architecture.startswith(("nomic-bert", "jina-bert"))
        or architecture.endswith(("-bert", "encoder"))
    )


def head_config(header: GgufHeader, name: str) -> dict[str, Any]:
    """A config.json that says of the head all there is to say, and nothing of the layers.

    Args:
        header: of the file.
        name: the model as the user typed it, for messages.

    Raises:
        InputError: the file says something of its head that is not known here.
    """
    from embfilter_viz.models.formats.schemas import Config, held_to

    said, prefix = header.metadata, f"{header.architecture}."
    shapes = {tensor.name: tensor.shape for tensor in header.tensors}
    _check_all_is_known(header, name)
    d_vocab, d_model = shapes["token_embd.weight"]
    model_type = _MODEL_TYPES.get(header.architecture, header.architecture)
    found: dict[str, Any] = {
        "model_type": model_type,
        "architectures": [class_of(model_type)],
        "vocab_size": d_vocab,
        "hidden_size": d_model,
        **tied_as_said(header),
        "bos_token_id": said.get("tokenizer.ggml.bos_token_id"),
        "eos_token_id": said.get("tokenizer.ggml.eos_token_id"),
    }
    cap = said.get(prefix + _CAP, _CAPS_WHERE_SILENT.get(header.architecture))
    found[_CAP] = cap or None
    scale = said.get(prefix + _SCALE, _SCALES_WHERE_SILENT.get(header.architecture))
    if header.architecture in _DIVIDED and scale:
        found["logits_scaling"] = scale
    elif header.architecture.startswith("minicpm"):
        found["logits_scaling"] = d_model / _MINICPM_WIDTH
    elif scale:
        found[_SCALE] = scale
    elif model_type in ("cohere", "cohere2"):
        found[_SCALE] = 1.0  # not the default of the family: the file has none
    held_to(Config, found, f"{name}: the GGUF header is damaged", "download it again")
    return found


def class_of(model_type: str) -> str:
    """The class of transformers for a type of model, which is what ``architectures`` names.

    >>> class_of("qwen2_moe"), class_of("gpt2"), class_of("olmo")
    ('Qwen2MoeForCausalLM', 'GPT2LMHeadModel', 'OlmoForCausalLM')
    """
    stem = _CLASSES.get(model_type) or "".join(part.title() for part in model_type.split("_"))
    return stem if stem.endswith("LMHeadModel") else f"{stem}ForCausalLM"


def _check_all_is_known(header: GgufHeader, name: str) -> None:
    prefix = f"{header.architecture}."
    known = {prefix + key for key in (_CAP, *_INSIDE_THE_LAYERS)}
    if header.architecture in (*_MULTIPLIED, *_DIVIDED):
        known.add(prefix + _SCALE)
    settings = [k for k in header.metadata if k.startswith(prefix) and "logit" in k]
    tensors = [t.name for t in header.tensors]
    touching = [t for t in tensors if t.startswith(("output.", "token_embd.", "cls."))]
    left = [key for key in settings if key not in known]
    left += [tensor for tensor in touching if tensor not in _OF_THE_HEAD]
    if left:
        raise InputError(
            f"{name}: the head of this GGUF has {left[0]}, which is not known here, so its logits "
            f"would not be the model's own; try the model's safetensors checkpoint instead"
        )
