"""A text as the model reads it, token by token, with the state of each after every layer."""

from dataclasses import dataclass

import numpy as np

__all__ = ["TokenStates"]


@dataclass(frozen=True)
class TokenStates:
    """The tokens of one prompt with a text in it, and their states.

    What is averaged into the embedding are the last states of ``ids[start:]``.
    """

    ids: tuple[int, ...]
    """(n_tokens,) token ids, template and special tokens included."""
    start: int
    """() the first token that counts towards the embedding."""
    truncated: bool
    """() whether the text was cut to what the model is given to read."""
    states: np.ndarray
    """(n_layers + 1, n_tokens, d_model) float32: the input embedding, then after each layer, all
    of them through the final norm."""
