"""Tiny adapters, written by peft itself, and what it makes of them."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoModel, AutoModelForCausalLM


@contextmanager
def peft_as_it_is() -> Iterator[None]:
    """What peft and transformers say to programmers is no failure of a test."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def adapter_on(
    base: Path, folder: Path, *, whole: bool = True, seed: int = 1, **settings: Any
) -> Path:
    """An adapter of that kind in ``folder``, as peft writes it, every tensor of it random."""
    auto = AutoModelForCausalLM if whole else AutoModel
    asked = {"target_modules": ["q_proj", "down_proj"], **settings}
    generator = torch.Generator().manual_seed(seed)
    with peft_as_it_is(), torch.no_grad():
        changed = get_peft_model(auto.from_pretrained(base), LoraConfig(r=4, **asked))
        for parameter in changed.parameters():
            if parameter.requires_grad:
                parameter.copy_(0.3 * torch.randn(parameter.shape, generator=generator))
        changed.save_pretrained(str(folder))
    return folder


def peft_merged(base: Path, adapter: Path, auto: Any = AutoModelForCausalLM) -> Any:
    """What peft itself makes of both."""
    with peft_as_it_is():
        changed = PeftModel.from_pretrained(auto.from_pretrained(base), str(adapter))
        return changed.merge_and_unload().eval().requires_grad_(False)
