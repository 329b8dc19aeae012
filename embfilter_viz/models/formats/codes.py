"""How many numbers of a model a stored tensor stands for, where several share a byte."""

import re
from collections.abc import Sequence

from embfilter_viz.models.formats.safetensors_header import TensorEntry

__all__ = ["count_numbers"]

_PACKED = (
    # name without its ending, dtype, an ending of the same stem that must be there, numbers an item
    (re.compile(r"(.*)_blocks$"), "U8", "_scales", 2),  # MXFP4
    (re.compile(r"(.*\.weight)$"), "U8", "_scale", 4),  # BitNet
    (re.compile(r"(.*\.weight)$"), "U8", ".absmax", 2),  # bitsandbytes, of four bits
    (re.compile(r"(.*\.)qweight$"), "I32", "scales", 8),  # GPTQ and AWQ, nearly all of four bits
    (re.compile(r"(.*\.weight)_packed$"), "I32", "_scale", 8),  # compressed-tensors, the same
)
_OF_CODES = re.compile(
    r"(_scales|\.scales|\.qzeros|\.g_idx|weight_scale\w*|\.weight_shape"
    r"|\.weight\.(nested_)?(absmax|quant_map)|\.quant_state\.\w+|\.SCB|\.weight_format)$"
)


def count_numbers(tables: Sequence[TensorEntry]) -> list[int]:
    """Say how many numbers each tensor of a checkpoint stands for: its elements, but for codes.

    The scales of codes are no numbers of the model.

    Args:
        tables: every tensor of the checkpoint.

    >>> from pathlib import Path
    >>> blocks = TensorEntry("x.down_proj_blocks", "U8", (4, 32, 1, 16), Path(), 0, 2048)
    >>> scales = TensorEntry("x.down_proj_scales", "U8", (4, 32, 1), Path(), 0, 128)
    >>> count_numbers([blocks, scales])
    [4096, 0]
    """
    names = {entry.name for entry in tables}
    return [_count(entry, names) for entry in tables]


def _count(entry: TensorEntry, names: set[str]) -> int:
    for rule, dtype, beside, each in _PACKED:
        found = rule.match(entry.name)
        if found and entry.dtype == dtype and found[1] + beside in names:
            return each * entry.n_elements
    return 0 if _OF_CODES.search(entry.name) else entry.n_elements
