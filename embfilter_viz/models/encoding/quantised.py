"""Checkpoints whose weights are codes: which of them can be run here, and how they are loaded."""

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any

from embfilter_viz.errors import InputError
from embfilter_viz.models import transformers_internals
from embfilter_viz.models.outline import Outline

__all__ = ["check_quantised", "keeps_codes", "method_of", "settings_for_loading", "uncompiled"]


def method_of(config: Mapping[str, Any]) -> str:
    """Say how the weights of a checkpoint are quantised; empty where they are not.

    >>> method_of({"quantization_config": {"quant_method": "fp8"}}), method_of({})
    ('fp8', '')
    """
    settings = config.get("quantization_config")
    if not settings:
        return ""
    method = settings.get("quant_method") if isinstance(settings, Mapping) else None
    return str(method or "in a way that config.json does not name")


def keeps_codes(config: Mapping[str, Any]) -> bool:
    """Tell whether the codes stay packed in memory: those of BitNet's first form do.

    >>> keeps_codes({"quantization_config": {"quant_method": "bitnet"}})
    True
    """
    settings = config.get("quantization_config")
    if method_of(config) != "bitnet" or not isinstance(settings, Mapping):
        return False
    return settings.get("linear_class", "bitlinear") == "bitlinear"


def check_quantised(outline: Outline) -> None:
    """Refuse, before anything is loaded, what transformers cannot run on this machine.

    Raises:
        InputError: a package is missing, a graphics card, or the form is not known.
    """
    method = method_of(outline.config)
    if not method:
        return
    settings = outline.config["quantization_config"]
    reason = _why_not(settings if isinstance(settings, Mapping) else {})
    if reason:
        raise InputError(
            f"{outline.name}: its weights are quantised ({method}) and cannot be run here "
            f"({reason}); take the float16 or bfloat16 release, or a .gguf"
        )


def _why_not(settings: Mapping[str, Any]) -> str:
    """Return what keeps a checkpoint of these settings from being run; empty where nothing does."""
    if settings.get("load_in_8bit"):  # LLM.int8: columns are kept in float16 by all rows at once
        return "bitsandbytes rounds a text's tokens together, so states change with what follows"
    try:
        transformers_internals.check_quantisation(settings)
    except Exception as error:  # each quantiser has refusals of its own kinds
        reason = (str(error).strip() or type(error).__name__).partition("\n")[0]
        return reason.partition(" - supported types")[0].rstrip(".")[:200]
    return ""


def settings_for_loading(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return options for ``from_pretrained``: codes of 4 and 8 bits (MXFP4, FP8) become numbers.

    With kernels for a graphics card they may stay codes, which gives other embeddings there than
    on a processor.
    """
    if not method_of(config):
        return {}
    told = transformers_internals.dequantising(config["quantization_config"])
    return {} if told is None else {"quantization_config": told}


def uncompiled(work: Callable[..., Any]) -> Callable[..., Any]:
    """``work`` without torch.compile.

    BitNet's layers ask to be compiled as they are first called, which takes a compiler for C++ and
    a minute and a half for a tiny model on two cores, and gives the same numbers.
    """

    @wraps(work)
    def run(*args: Any, **kwargs: Any) -> Any:
        import torch

        with torch.compiler.set_stance("force_eager"):
            return work(*args, **kwargs)

    return run
