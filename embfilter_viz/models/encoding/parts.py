"""Which modules of a transformers model are used: its language model and its head.

Names do not tell. A model with eyes or ears holds its language model under a dozen names, and what
transformers calls the decoder is now the language model, now a model with a head, now the head
itself. So a forward pass of eight tokens is watched: the head is the model's own output embedding,
and the decoder is the module whose final states that head reads.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from embfilter_viz.errors import InputError
from embfilter_viz.models import families

if TYPE_CHECKING:
    import torch

__all__ = ["Parts", "find_parts"]

_ALIKE = 0.999
"""Cosine above which two states are the same but for rounding and a factor."""


@dataclass(frozen=True)
class Parts:
    """The modules of a model that are used."""

    reader: Any
    """Token ids to logits: the model, or the part of it that reads text alone."""
    decoder: Any
    """Token ids to final hidden states."""
    head: Any
    """The module that holds W_U, or None where the checkpoint has no head."""
    before_head: Any
    """What the states go through between decoder and head (ModernBERT's decoder), or None."""


def find_parts(model: Any, name: str, *, listed: bool = False) -> Parts:
    """The parts of ``model``, which is on its device.

    Args:
        model: as transformers loaded it.
        name: the model as the user typed it, for the message.
        listed: whether its family is one of those that are known to be made as Llama is; a
            forward pass is then saved where nothing speaks against it.

    Raises:
        InputError: no part of it reads text alone and says a next token.
    """
    readers = list(_readers(model))
    if not readers:
        return Parts(model, model.get_decoder(), None, None)
    decoder, head = readers[0].get_decoder(), readers[0].get_output_embeddings()
    if listed and decoder is model.base_model and head not in decoder.modules():
        return Parts(model, decoder, head, None)
    reasons = []
    for reader in readers:
        found = _watched(reader)
        if isinstance(found, Parts):
            return found
        reasons.append(found)
    raise InputError(
        f"{name}: {type(model).__name__} reads no text alone ({reasons[0]}), so texts cannot be "
        f"encoded; its spectrum can be seen, or pick a model of text"
    )


def _readers(model: Any) -> Iterator[Any]:
    """The models within ``model`` that have a head, without its eyes and ears, itself first."""
    from transformers import PreTrainedModel

    for name, module in model.named_modules():
        if isinstance(module, PreTrainedModel) and families.is_of_text(name):
            try:
                head = module.get_output_embeddings()
            except (AttributeError, NotImplementedError):
                continue
            if getattr(head, "weight", None) is not None:
                yield module


def _watched(reader: Any) -> Parts | str:
    """The parts of ``reader`` by a forward pass, or why it has none, in words."""
    import torch

    head = reader.get_output_embeddings()
    ids = torch.arange(1, 9, device=head.weight.device)[None] % len(head.weight)
    try:
        with torch.inference_mode():
            read = _what_the_head_reads(reader, head, ids)
    except Exception as error:  # each class has a way of its own to ask for an image
        return (str(error).strip() or type(error).__name__).partition("\n")[0].rstrip(".")[:200]
    last = getattr(reader, "lm_head", head)
    for decoder in _candidates(reader):
        for before in (None, last) if last is not head else (None,):
            if _gives(decoder, before, ids, read):
                return Parts(reader, decoder, head, before)
    return "none of its modules gives the states that its head reads"


def _what_the_head_reads(reader: Any, head: Any, ids: "torch.Tensor") -> "torch.Tensor":
    """(1, 8, d_model): the input of the head."""
    given: list[Any] = []
    hook = head.register_forward_pre_hook(lambda _, args: given.append(args[0]))
    try:
        reader(input_ids=ids, use_cache=False)
    finally:
        hook.remove()
    return given[-1]


def _candidates(reader: Any) -> Iterator[Any]:
    """Yield what may be the decoder: as transformers says, then every model within."""
    from transformers import PreTrainedModel

    yield reader.get_decoder()
    yield from (m for m in reader.modules() if isinstance(m, PreTrainedModel))


def _gives(decoder: Any, before: Any, ids: "torch.Tensor", read: "torch.Tensor") -> bool:
    """Tell whether the final states of ``decoder`` are, up to a factor, what the head reads.

    Args:
        decoder: the stack of layers.
        before: what the states go through before the head, if anything.
        ids: the tokens.
        read: the states that the head reads.

    Returns:
        whether they are.
    """
    import torch

    try:
        with torch.inference_mode():
            states = decoder(input_ids=ids, use_cache=False).last_hidden_state
            states = states if before is None else before(states)
    except Exception:  # its forward wants something else, or gives no states
        return False
    if states.shape != read.shape:
        return False
    if not read.isfinite().all():
        return True  # told with the first embedding, which says why
    alike = torch.nn.functional.cosine_similarity(states.float(), read.float(), dim=-1)
    return bool((alike > _ALIKE).all())
