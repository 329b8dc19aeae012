"""Tiny embedders, written by sentence-transformers itself, and its own vectors of them."""

import json
import shutil
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Transformer
from sentence_transformers.sentence_transformer.modules import Pooling
from tokenizers import Tokenizer, processors

from tests.models.tiny_checkpoints import BOS, EOS, build_model, byte_level_tokenizer, save

QUERY = "Instruct: find the cat\nQuery: "


def closing_tokenizer() -> Tokenizer:
    """BOS before a text and EOS after it, as decoders that embed have it."""
    tokenizer = byte_level_tokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{BOS} $A {EOS}", special_tokens=[(BOS, 0), (EOS, 1)]
    )
    return tokenizer


def embedder(
    folder: Path,
    *,
    family: str = "llama",
    tokenizer: Callable[[], Tokenizer] = closing_tokenizer,
    pooling: Any = "lasttoken",
    include_prompt: bool = True,
    length: int | None = 64,
    more: tuple[Any, ...] = (),
    **whole: Any,
) -> Path:
    """A folder as sentence-transformers writes it, of a tiny model without a head."""
    model = build_model(family).base_model
    model.config.architectures = [type(model).__name__]
    save(model, folder / "plain", tokenizer())
    settings = {"bos_token": BOS, "eos_token": EOS, "pad_token": EOS}
    (folder / "plain" / "tokenizer_config.json").write_text(json.dumps(settings))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        first = Transformer(str(folder / "plain"), max_seq_length=length)
        modules = [first, Pooling(32, pooling, include_prompt=include_prompt), *more]
        SentenceTransformer(modules=modules, device="cpu", **whole).save(str(folder / "embedder"))
    shutil.rmtree(folder / "plain")
    return folder / "embedder"


def theirs(folder: Path, texts: Sequence[str]) -> np.ndarray:
    """What sentence-transformers makes of ``texts``."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        opened = SentenceTransformer(str(folder), device="cpu", local_files_only=True)
        return opened.encode(texts, batch_size=3, show_progress_bar=False)


def lender(folder: Path) -> str:
    """A model with a head for the tokens of :func:`embedder`."""
    return str(save(build_model("llama", seed=3), folder / "lender", closing_tokenizer()).folder)
