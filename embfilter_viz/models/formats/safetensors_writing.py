"""A safetensors file written tensor by tensor, so that no more than one is in memory."""

import json
import os
from collections.abc import Callable, Mapping
from math import prod
from pathlib import Path

import numpy as np

from embfilter_viz.system.arrays import write_numbers

__all__ = ["write_float32"]

_ALIGNMENT = 8


def write_float32(
    path: Path, shapes: Mapping[str, tuple[int, ...]], values: Callable[[str], np.ndarray]
) -> None:
    """Write tensors in float32, in the order of ``shapes``, asking for each when its turn comes.

    The format: https://huggingface.co/docs/safetensors; its own library wants all of them at once.

    Args:
        path: the file.
        shapes: names to shapes.
        values: gives the tensor of a name, float32 and of the shape that was said.

    >>> import tempfile
    >>> from safetensors.numpy import load_file
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder, "model.safetensors")
    ...     write_float32(file, {"w": (2,)}, lambda name: np.array([1, 2], dtype=np.float32))
    ...     load_file(file)
    {'w': array([1., 2.], dtype=float32)}
    """
    table: dict[str, object] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name, shape in shapes.items():
        begin, end = end, end + 4 * prod(shape)
        table[name] = {"dtype": "F32", "shape": list(shape), "data_offsets": [begin, end]}
    header = json.dumps(table).encode()
    header += b" " * (-len(header) % _ALIGNMENT)
    with path.open("wb") as file:
        file.write(len(header).to_bytes(8, "little") + header)
        for name, shape in shapes.items():
            tensor = values(name)
            assert (tensor.shape, tensor.dtype) == (shape, np.float32), name
            write_numbers(file, tensor.astype("<f4", copy=False))
        file.flush()
        os.fsync(file.fileno())
