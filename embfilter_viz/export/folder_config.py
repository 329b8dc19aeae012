"""A checkpoint's ``config.json`` in words that transformers 4 and 5 both read.

transformers 5 writes how positions are turned (RoPE) as ``rope_parameters``; transformers 4 does
not know the word, takes its default base instead, and says nothing. Both forms can stand together.
"""

from collections.abc import Mapping
from typing import Any

__all__ = ["for_every_reader"]

_LOCAL = "sliding_attention"
_GLOBAL = "full_attention"


def for_every_reader(config: Mapping[str, Any]) -> dict[str, Any]:
    """The same configuration with the older words beside the newer, and float32 as its precision.

    What stands there in the older words already stays as it is.

    >>> rope = {"rope_type": "default", "rope_theta": 1e5}
    >>> said = for_every_reader({"model_type": "llama", "rope_parameters": rope})
    >>> said["rope_theta"], said["rope_parameters"] == rope, said["dtype"]
    (100000.0, True, 'float32')
    >>> local = {"rope_type": "default", "rope_theta": 1e4}
    >>> two = {"full_attention": rope, "sliding_attention": local}
    >>> said = for_every_reader({"model_type": "gemma3_text", "rope_parameters": two})
    >>> said["rope_theta"], said["rope_local_base_freq"]
    (100000.0, 10000.0)
    """
    flat = _with_flat_rope(config)
    for name in ("text_config", "llm_config"):
        if isinstance(flat.get(name), Mapping):
            flat[name] = _with_flat_rope(flat[name])
    # As our own vectors are computed; transformers 4.56 and newer call it dtype.
    return {**flat, "dtype": "float32", "torch_dtype": "float32"}


def _with_flat_rope(config: Mapping[str, Any]) -> dict[str, Any]:
    given = config.get("rope_parameters")
    if not isinstance(given, Mapping):
        return dict(config)
    older: dict[str, Any] = {}
    whole = given.get(_GLOBAL, given)
    local = given.get(_LOCAL)
    if not isinstance(whole, Mapping):
        return dict(config)
    if "rope_theta" in whole:
        older["rope_theta"] = whole["rope_theta"]
    if "partial_rotary_factor" in whole:
        older["partial_rotary_factor"] = whole["partial_rotary_factor"]
    if isinstance(local, Mapping) and "rope_theta" in local:
        older["rope_local_base_freq"] = local["rope_theta"]
    if whole.get("rope_type", "default") != "default":
        older["rope_scaling"] = {k: v for k, v in whole.items() if k not in older}
    return {**older, **config}
