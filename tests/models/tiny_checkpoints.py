"""Tiny randomly initialised checkpoints, one a family, written to disk as real ones are."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import (
    Tokenizer,
    decoders,
    models,
    pre_tokenizers,
    processors,
    trainers,
)

from embfilter_viz.models.outline import Outline
from embfilter_viz.models.sources.locate import outline_of_folder

CORPUS = (
    "the cat sat on the mat and the dog sat on the cat",
    "a stock market index measures a section of the stock market",
    "Summarize the sentence in one word: This sentence means",
    "Rewrite the following paragraph: The rewritten paragraph:",
    "galaxies are held together by gravity; stars are born in clouds of gas",
)
BOS, EOS = "<s>", "</s>"


@dataclass(frozen=True)
class TinyCheckpoint:
    """What the models room needs of a checkpoint: a name and a folder."""

    name: str
    folder: Path

    @property
    def outline(self) -> Outline:
        """Its outline, read from its files as they are now."""
        return outline_of_folder(self.folder, self.name)


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """Tiny matrices are far faster on one thread; import this name into a test module."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def byte_level_tokenizer(*, adds_bos: bool = False) -> Tokenizer:
    """Byte-level BPE, as GPT-2, Llama 3 and Qwen have it: every text has tokens."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=360,
        special_tokens=[BOS, EOS],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    if adds_bos:
        tokenizer.post_processor = processors.TemplateProcessing(
            single=f"{BOS} $A", special_tokens=[(BOS, 0)]
        )
    return tokenizer


def sentencepiece_tokenizer() -> Tokenizer:
    """▁ for spaces and <0x0A> for bytes, as Llama 2, Mistral and Gemma have it; adds BOS."""
    tokenizer = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
    trainer = trainers.BpeTrainer(
        vocab_size=360,
        special_tokens=[BOS, EOS, "<unk>", *(f"<0x{b:02X}>" for b in range(256))],
        show_progress=False,
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    state = json.loads(tokenizer.to_str())
    # Byte pieces are ordinary tokens of the model, not added ones.
    state["added_tokens"] = [t for t in state["added_tokens"] if not t["content"].startswith("<0x")]
    tokenizer = Tokenizer.from_str(json.dumps(state))
    tokenizer.decoder = decoders.Sequence(
        [
            decoders.Replace("▁", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(" ", 1, 0),
        ]
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{BOS} $A", special_tokens=[(BOS, 0)]
    )
    return tokenizer


D_MODEL, D_VOCAB, N_LAYERS = 32, 384, 3  # more rows than tokens, as in padded checkpoints

_LLAMA_LIKE: dict[str, Any] = {
    "vocab_size": D_VOCAB,
    "hidden_size": D_MODEL,
    "intermediate_size": 48,
    "num_hidden_layers": N_LAYERS,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 640,
    "bos_token_id": 0,
    "eos_token_id": 1,
    "pad_token_id": 1,
}
_GPT_LIKE: dict[str, Any] = {
    "vocab_size": D_VOCAB,
    "n_embd": D_MODEL,
    "n_layer": N_LAYERS,
    "n_head": 4,
    "n_positions": 640,
    "bos_token_id": 0,
    "eos_token_id": 1,
}


@dataclass(frozen=True)
class Recipe:
    """How to build one family, tiny."""

    settings: dict[str, Any] = field(default_factory=lambda: _LLAMA_LIKE)
    more: dict[str, Any] = field(default_factory=dict)
    without: tuple[str, ...] = ()


_HEAD_DIM = {"head_dim": 8}
_EXPERTS = {"num_experts": 4, "num_experts_per_tok": 2}
RECIPES: dict[str, Recipe] = {
    "llama": Recipe(),
    "qwen2": Recipe(),
    "qwen3": Recipe(more=_HEAD_DIM),
    "mistral": Recipe(more={"sliding_window": 8}),
    "ministral": Recipe(more=_HEAD_DIM),
    "mixtral": Recipe(more={"num_local_experts": 2}),
    "qwen2_moe": Recipe(more={**_EXPERTS, "moe_intermediate_size": 16}),
    "qwen3_moe": Recipe(more={**_EXPERTS, "moe_intermediate_size": 16, **_HEAD_DIM}),
    "gemma": Recipe(more=_HEAD_DIM),
    "gemma2": Recipe(more={**_HEAD_DIM, "sliding_window": 8}),
    "gemma3_text": Recipe(more={**_HEAD_DIM, "sliding_window": 8}),
    "vaultgemma": Recipe(more={**_HEAD_DIM, "sliding_window": 8}),
    "gpt2": Recipe(_GPT_LIKE),
    "gpt_bigcode": Recipe(_GPT_LIKE),
    "gptj": Recipe(_GPT_LIKE, {"rotary_dim": 4}),
    "codegen": Recipe(_GPT_LIKE, {"rotary_dim": 4}),
    "gpt_neo": Recipe(
        more={"num_layers": 2, "num_heads": 4, "attention_types": [[["global", "local"], 1]]},
        without=("num_hidden_layers", "num_attention_heads", "num_key_value_heads"),
    ),
    "gpt_neox": Recipe(without=("num_key_value_heads",)),
    "phi": Recipe(),
    "phi3": Recipe(),
    "cohere": Recipe(),
    "cohere2": Recipe(more=_HEAD_DIM),
    "granite": Recipe(more={"logits_scaling": 3.0}),
    "granitemoe": Recipe(more={"logits_scaling": 3.0, "num_local_experts": 2}),
    "hyperclovax": Recipe(more={"logits_scaling": 3.0}),
    "stablelm": Recipe(),
    "olmo": Recipe(),
    "olmo2": Recipe(),
    "olmo3": Recipe(),
    "olmoe": Recipe(more=_EXPERTS),
    "opt": Recipe(more={"ffn_dim": 48, "word_embed_proj_dim": D_MODEL}),
    "bloom": Recipe(_GPT_LIKE, {"hidden_size": D_MODEL}, ("n_embd", "n_positions")),
    "falcon": Recipe(without=("num_key_value_heads",)),
    "starcoder2": Recipe(),
    "smollm3": Recipe(),
    "glm": Recipe(more=_HEAD_DIM),
    "glm4": Recipe(more=_HEAD_DIM),
    "nemotron": Recipe(),
    # Not in families.FAMILIES: goes the way of a family nobody has listed.
    "arcee": Recipe(more=_HEAD_DIM),
    "nanochat": Recipe(),
}


def build_model(model_type: str, *, seed: int = 0, **overrides: Any) -> Any:
    """A model whose every weight matters: biases and norms are random too."""
    from transformers import CONFIG_MAPPING, AutoModelForCausalLM

    recipe = RECIPES[model_type]
    settings = {k: v for k, v in recipe.settings.items() if k not in recipe.without}
    config = CONFIG_MAPPING[model_type](**(settings | recipe.more | overrides))
    config.architectures = None
    return randomise(AutoModelForCausalLM.from_config(config, dtype=torch.float32), seed)


def randomise(model: Any, seed: int = 0) -> Any:
    """Fill every weight at random, norms and biases too."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() == 1:
                parameter.copy_(0.5 + torch.rand(parameter.shape, generator=generator))
            else:
                parameter.copy_(0.3 * torch.randn(parameter.shape, generator=generator))
    return model.eval()


def save(
    model: Any, folder: Path, tokenizer: Tokenizer | None = None, **options: Any
) -> TinyCheckpoint:
    """Write ``model`` and a tokenizer as a hub checkpoint would be."""
    model.save_pretrained(folder, **options)
    (tokenizer or byte_level_tokenizer()).save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(
        json.dumps({"bos_token": BOS, "eos_token": {"content": EOS}})
    )
    return TinyCheckpoint(f"tiny-{folder.name}", folder)


def write_checkpoint(folder: Path, model_type: str = "llama", **overrides: Any) -> TinyCheckpoint:
    """A tiny checkpoint of ``model_type`` in ``folder``."""
    return save(build_model(model_type, **overrides), folder)
