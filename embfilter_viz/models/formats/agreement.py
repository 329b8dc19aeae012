"""A configuration held against the tensors beside it, before anything is made of either.

transformers makes a model as large as its configuration says and looks at the weights afterwards:
2,147,483,648 layers in one line of JSON would fill the memory first.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from embfilter_viz.errors import InputError
from embfilter_viz.models.families import layer_count, layers_of, text_config
from embfilter_viz.models.formats.codes import count_numbers
from embfilter_viz.models.formats.safetensors_header import TensorEntry

__all__ = ["check_agreement", "check_filled_in"]

_WIDTHS = ("hidden_size", "n_embd", "d_model")
_TIMES_WIDTH = ("vocab_size", "intermediate_size")
_PAIRED = (("num_attention_heads", "head_dim"), ("num_key_value_heads", "head_dim"))
_POSITIONS = ("n_positions", "n_ctx", "max_position_embeddings")
_MASKED = ("gpt2", "gpt_neo", "gptj", "codegen", "gpt_bigcode", "imagegpt")
"""Families that keep a table of every position against every other."""
_MOST_POSITIONS = 1 << 15
"""Of such a table: a gigabyte of it."""


def check_agreement(config: Mapping[str, Any], tables: Sequence[TensorEntry], name: str) -> None:
    """Refuse a configuration that asks for more than the checkpoint holds.

    A model has a vector of its width for each token, and a weight for each pair of a number inside
    and one of its width: no product of these can exceed the numbers of all tensors together. The
    exact shapes are compared where the model is loaded.

    Args:
        config: the parsed ``config.json``, held to its schema.
        tables: every tensor of the checkpoint.
        name: the model as the user typed it, for the message.

    Raises:
        InputError: it asks for more layers or a larger matrix than there is.

    >>> from pathlib import Path
    >>> table = [TensorEntry("model.layers.0.mlp.weight", "F32", (4, 4), Path(), 0, 64)]
    >>> check_agreement({"num_hidden_layers": 9}, table, "m")
    Traceback (most recent call last):
    embfilter_viz.errors.InputError: m: config.json asks for 9 layers and the weights have 1; ...
    """
    layers, held = layer_count(config) or 0, layers_of({}, (entry.name for entry in tables))
    # LongCat says each of its layers twice; where none has a number, each has a tensor at least.
    if layers > 2 * (held or len(tables)):
        raise _apart(name, f"{layers:,} layers", f"the weights have {held:,}")
    numbers = sum(count_numbers(tables))
    for words, wanted in _matrices(text_config(config)):
        if wanted > numbers:
            raise _apart(name, words, f"the weights have {numbers:,} numbers in all")
    positions = max((_whole(text_config(config), key) for key in _POSITIONS), default=0)
    if config.get("model_type") in _MASKED and positions > _MOST_POSITIONS:
        raise _apart(name, f"{positions:,} positions", f"this family keeps {_MOST_POSITIONS:,}")


def check_filled_in(config: Mapping[str, Any], tables: Sequence[TensorEntry], name: str) -> None:
    """Refuse a width that transformers fills in and the checkpoint does not have.

    Of a Llama that does not say its width transformers makes one of 4,096.

    Args:
        config: with transformers' own values where ``config.json`` is silent.
        tables: every tensor of the checkpoint.
        name: the model as the user typed it, for the message.

    Raises:
        InputError: a vector of that width for each token is more than all tensors hold.
    """
    part = text_config(config)
    width = max(_whole(part, key) for key in _WIDTHS)
    numbers, rows = sum(count_numbers(tables)), _whole(part, "vocab_size")
    if rows * width > numbers:
        asked = f"a vocab_size of {rows:,} at a width of {width:,}"
        raise _apart(name, asked, f"the weights have {numbers:,} numbers in all")


def _matrices(part: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    """The matrices that a configuration asks for, in words, with the numbers each holds."""
    width = max(_whole(part, key) for key in _WIDTHS)
    for key in _TIMES_WIDTH:
        rows = _whole(part, key)
        yield f"a {key} of {rows:,} at a width of {width:,}", rows * width
    for first, second in _PAIRED:
        rows = _whole(part, first) * _whole(part, second)
        yield f"{first} × {second} of {rows:,} at a width of {width:,}", rows * width


def _whole(part: Mapping[str, Any], key: str) -> int:
    """The number under a key, of one for each layer the smallest; 0 where there is none."""
    said = part.get(key)
    if isinstance(said, list):
        said = min((one for one in said if isinstance(one, int)), default=0)
    return said if isinstance(said, int) else 0


def _apart(name: str, asked: str, there: str) -> InputError:
    return InputError(
        f"{name}: config.json asks for {asked} and {there}; configuration and weights are of two "
        f"models, or damaged: download both again"
    )
