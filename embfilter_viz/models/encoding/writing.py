"""A line written by a model after each of several prompts, by transformers' own ``generate``.

Each step's tokens are chosen here, by numbers drawn beforehand: torch's generator belongs to all
threads of a process, so what it draws would depend on what else runs.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from embfilter_viz.errors import InputError
from embfilter_viz.models.encoding.prepared import Prepared

if TYPE_CHECKING:
    import torch

__all__ = ["Sampling", "chosen_tokens", "first_logits", "written"]


@dataclass(frozen=True)
class Sampling:
    """The way in which tokens are chosen, and where a line ends."""

    draws: np.ndarray
    """(m, n) float64 in [0, 1): one a sequence and step; n tokens at most."""
    temperature: float
    """Logits are divided by it."""
    top_p: float
    """The share of the probability that the tokens hold among which one is drawn."""
    top_k: int
    """The most tokens among which one is drawn."""
    n_tokens: int
    """Tokens that the tokenizer knows; rows of the head beyond them are never drawn."""
    ends: Callable[[Sequence[int]], bool]
    """Tells of the ids written so far whether the line has ended."""


def written(
    model: Any, sequences: Sequence[Prepared], how: Sampling, between: Callable[[], None]
) -> list[list[int]]:
    """The ids that ``model`` writes after each of ``sequences``, side by side.

    Args:
        model: a transformers model with its head.
        sequences: (m,) prompts as the model sees them; shorter ones are padded on the left.
        how: how tokens are chosen.
        between: called before each step; what it raises ends the writing.

    Returns:
        (m,) ids, up to the one that ended the line.

    Raises:
        InputError: a model that transformers cannot generate with.
    """
    length, n = max(len(s.ids) for s in sequences), how.draws.shape[1]
    stop = _Ended(length, how.ends)
    found = _generated(
        model,
        sequences,
        n,
        {},
        logits_processor=[_Chosen(how, length, between)],
        stopping_criteria=[stop],
    )
    return [
        row[: stop.lengths.get(number, n)] for number, row in enumerate(found[:, length:].tolist())
    ]


def first_logits(model: Any, sequences: Sequence[Prepared]) -> np.ndarray:
    """(m, d_vocab) float32: the logits that the first token after each sequence is chosen by."""
    record = {"return_dict_in_generate": True, "output_logits": True}
    return _generated(model, sequences, 1, record).logits[0].float().cpu().numpy()


def _generated(
    model: Any, sequences: Sequence[Prepared], n: int, asked: Mapping[str, Any], **more: Any
) -> Any:
    """Return what ``generate`` gives for n greedy tokens after sequences padded on the left.

    Args:
        model: a transformers model with its head.
        sequences: (m,) prompts as the model sees them.
        n: how many tokens.
        asked: further settings of its ``GenerationConfig``.
        **more: further arguments of ``generate``.

    Returns:
        (m, …) ids with those of the sequences before them, or a record if it was asked for.

    Raises:
        InputError: a model that transformers cannot generate with.
    """
    import torch
    from transformers import GenerationConfig

    if not (callable(getattr(model, "can_generate", None)) and model.can_generate()):
        raise InputError(
            f"prompt geneol: transformers cannot generate text with a {type(model).__name__}; take "
            "another prompt, such as metaeol"
        )
    m, length = len(sequences), max(len(s.ids) for s in sequences)
    ids = torch.zeros(m, length, dtype=torch.long)
    mask = torch.zeros(m, length, dtype=torch.long)
    for row, seen, sequence in zip(ids, mask, sequences, strict=True):
        row[length - len(sequence.ids) :] = torch.tensor(sequence.ids)
        seen[length - len(sequence.ids) :] = 1
    # Else what the checkpoint's generation_config.json says would fill the gaps of ours.
    model.generation_config = GenerationConfig()
    settings = {"do_sample": False, "num_beams": 1, "use_cache": True, "pad_token_id": 0}
    with torch.inference_mode():
        return model.generate(
            ids.to(model.device),
            attention_mask=mask.to(model.device),
            generation_config=GenerationConfig(max_new_tokens=n, **settings, **asked),
            **more,
        )


def chosen_tokens(scores: "torch.Tensor", u: "torch.Tensor", how: Sampling) -> "torch.Tensor":
    """(m,) int64: the token that each number chooses from its row of logits.

    Of the likeliest tokens, those are kept that hold together ``top_p`` of the probability of the
    ``top_k`` likeliest; with their probabilities laid end to end, the likeliest first, the token is
    the one that ``u`` of the whole length falls on.

    Args:
        scores: (m, d_vocab) logits.
        u: (m,) in [0, 1).
        how: temperature, ``top_p`` and ``top_k``.

    Returns:
        (m,) ids.
    """
    known = scores[:, : how.n_tokens].float() / how.temperature
    top, ids = known.topk(min(how.top_k, known.shape[1]), dim=-1)
    p = top.softmax(dim=-1)
    p = p * (p.cumsum(dim=-1) - p < how.top_p)
    ends = p.cumsum(dim=-1)
    place = (ends <= u.to(ends)[:, None] * ends[:, -1:]).sum(dim=-1)
    return ids.gather(1, place.clamp(max=int(ids.shape[1]) - 1)[:, None])[:, 0]


class _Chosen:
    """Leaves of each row of logits the token that its number chooses: greedy then takes it."""

    def __init__(self, how: Sampling, length: int, between: Callable[[], None]) -> None:
        self._how, self._length, self._between = how, length, between

    def __call__(self, input_ids: "torch.Tensor", scores: "torch.Tensor") -> "torch.Tensor":
        import torch

        self._between()
        u = torch.from_numpy(self._how.draws[:, input_ids.shape[1] - self._length])
        taken = chosen_tokens(scores, u.to(device=scores.device, dtype=torch.float32), self._how)
        left = torch.full_like(scores, -torch.inf)
        return left.scatter(1, taken[:, None], 0.0)


class _Ended:
    """Tells which rows have ended, and remembers with how many tokens."""

    def __init__(self, length: int, ends: Callable[[Sequence[int]], bool]) -> None:
        self._length, self._ends = length, ends
        self.lengths: dict[int, int] = {}

    def __call__(self, input_ids: "torch.Tensor", scores: Any, **_: Any) -> "torch.Tensor":
        import torch

        for number, row in enumerate(input_ids[:, self._length :].tolist()):
            if number not in self.lengths and self._ends(row):
                self.lengths[number] = len(row)
        over = [number in self.lengths for number in range(len(input_ids))]
        return torch.tensor(over, device=input_ids.device)
