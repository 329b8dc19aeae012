"""What llama.cpp's converter did to the values of tensors, undone."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

__all__ = [
    "by_groups",
    "by_heads",
    "exponent",
    "halves_apart",
    "less_one",
    "one_row",
    "transposed",
    "with_axis",
]

Config = Mapping[str, Any]


def halves_apart(heads: str) -> Callable[[np.ndarray, Config], np.ndarray]:
    """Undo the interleaving of rotary pairs: in each head the first members, then the second.

    Args:
        heads: the field of the configuration that counts the heads.

    >>> rows = np.arange(8.0)
    >>> halves_apart("num_attention_heads")(rows, {"num_attention_heads": 2}).tolist()
    [0.0, 2.0, 1.0, 3.0, 4.0, 6.0, 5.0, 7.0]
    """

    def undo(values: np.ndarray, config: Config) -> np.ndarray:
        pairs = values.reshape(config[heads], -1, 2, *values.shape[1:])
        return pairs.swapaxes(1, 2).reshape(values.shape)

    return undo


def less_one(values: np.ndarray, config: Config) -> np.ndarray:
    """Take off the 1 that a zero-centred norm adds by itself (Gemma, Nemotron)."""
    return values - 1.0


def transposed(values: np.ndarray, config: Config) -> np.ndarray:
    """Turn a matrix round: GPT-2 keeps its own as (inputs, outputs)."""
    return values.T


def one_row(values: np.ndarray, config: Config) -> np.ndarray:
    """A matrix of one row, which some converters write as a vector."""
    return values.reshape(1, -1)


def exponent(values: np.ndarray, config: Config) -> np.ndarray:
    """The logarithm of what is kept as -exp(A) (Mamba)."""
    return np.log(-values)


def with_axis(axis: int) -> Callable[[np.ndarray, Config], np.ndarray]:
    """Put back an axis of length one that was squeezed out.

    >>> with_axis(0)(np.zeros(3), {}).shape
    (1, 3)
    """

    def undo(values: np.ndarray, config: Config) -> np.ndarray:
        return np.expand_dims(values, axis)

    return undo


def by_heads(heads: str) -> Callable[[np.ndarray, Config], np.ndarray]:
    """Reorder all queries, all keys, all values to the three of each head (BLOOM, GPT-NeoX).

    >>> by_heads("n_head")(np.arange(6), {"n_head": 2}).tolist()
    [0, 2, 4, 1, 3, 5]
    """

    def undo(values: np.ndarray, config: Config) -> np.ndarray:
        apart = values.reshape(3, config[heads], -1, *values.shape[1:])
        return apart.swapaxes(0, 1).reshape(values.shape)

    return undo


def by_groups(values: np.ndarray, config: Config) -> np.ndarray:
    """Reorder all queries, all keys, all values to groups that share key and value (Falcon).

    >>> heads = {"num_attention_heads": 4, "num_kv_heads": 2}
    >>> by_groups(np.arange(8), heads).tolist()
    [0, 1, 4, 6, 2, 3, 5, 7]
    """
    groups = config["num_kv_heads"]
    each = len(values) // (config["num_attention_heads"] + 2 * groups)
    ends = [config["num_attention_heads"] * each, -groups * each]
    parts = (part.reshape(groups, -1, *values.shape[1:]) for part in np.split(values, ends))
    return np.concatenate(list(parts), axis=1).reshape(values.shape)
