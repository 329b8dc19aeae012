"""What we use of transformers that it does not promise to keep, in one place.

Each name below is no documented interface; a release may rename it. The bound in pyproject.toml
(transformers 5) is the range this was written for, ``tests/models/test_transformers_internals.py``
says of each name what stops working without it, and ``Backbone.check_ways`` notices at run time
where the packed pass computes something else.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

__all__ = [
    "attention_of",
    "attention_used",
    "check_quantisation",
    "configuration_of",
    "dequantising",
    "is_known",
    "language_model_classes",
    "mask_of",
    "register_attention",
]


def is_known(model_type: str) -> bool:
    """Tell whether transformers has a configuration of this ``model_type``; imports no model."""
    auto = import_module("transformers.models.auto.configuration_auto")
    return model_type in auto.CONFIG_MAPPING_NAMES


def language_model_classes() -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """The classes with a language model's head by ``model_type``: of text alone, and of more."""
    auto = import_module("transformers.models.auto.modeling_auto")
    return auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES, auto.MODEL_FOR_MULTIMODAL_LM_MAPPING_NAMES


def configuration_of(folder: Path) -> Any:
    """The configuration in ``folder`` as transformers reads it, running none of its code."""
    auto = import_module("transformers.models.auto.configuration_auto")
    return auto.AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)


def check_quantisation(settings: Mapping[str, Any]) -> None:
    """Ask the quantiser of a checkpoint whether it can work on this machine.

    Raises:
        Exception: it cannot, with its own words; each has errors of its own kinds.
    """
    auto = import_module("transformers.quantizers.auto")
    quantiser = auto.AutoHfQuantizer.from_config(dict(settings), pre_quantized=True)
    quantiser.validate_environment(device_map=None, weights_only=True)


def dequantising(settings: Mapping[str, Any]) -> Any | None:
    """The settings of a quantiser that makes numbers of its codes; None where it cannot."""
    auto = import_module("transformers.quantizers.auto")
    told = auto.AutoQuantizationConfig.from_dict(dict(settings))
    if not hasattr(told, "dequantize"):
        return None
    told.dequantize = True
    return told


def attention_of(implementation: str, eager: Callable[..., Any]) -> Callable[..., Any]:
    """The attention a model calls by name; ``eager`` is the one of its own file."""
    utils = import_module("transformers.modeling_utils")
    return utils.ALL_ATTENTION_FUNCTIONS.get_interface(implementation, eager)


def mask_of(implementation: str) -> Callable[..., Any]:
    """The function that makes the mask for an attention."""
    masking = import_module("transformers.masking_utils")
    return masking.ALL_MASK_ATTENTION_FUNCTIONS[implementation]


def register_attention(name: str, attend: Callable[..., Any], mask: Callable[..., Any]) -> None:
    """Let models ask for the attention ``attend`` and its ``mask`` by ``name``."""
    transformers: Any = import_module("transformers")
    transformers.AttentionInterface.register(name, attend)
    transformers.AttentionMaskInterface.register(name, mask)


@contextmanager
def attention_used(config: Any, name: str) -> Iterator[None]:
    """Let a model ask for the attention ``name`` while the block lasts."""
    before = config._attn_implementation
    config._attn_implementation = name
    try:
        yield
    finally:
        config._attn_implementation = before
