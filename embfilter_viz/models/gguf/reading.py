"""A GGUF in transformers' terms, from its header: what to write, or why that cannot be."""

from embfilter_viz.models.formats.gguf_header import GgufHeader
from embfilter_viz.models.gguf.account import Account, NotRead
from embfilter_viz.models.gguf.architectures import ARCHITECTURES
from embfilter_viz.models.gguf.heads import class_of
from embfilter_viz.models.gguf.layouts import Plan, plan_of
from embfilter_viz.models.gguf.tokenizer import why_texts_are_not_split

__all__ = ["plan_for", "plan_to_encode"]

_LARGEST = (1 << 31) - 1
"""Of a setting that is a whole number."""


def plan_for(header: GgufHeader) -> Plan:
    """The configuration of a model and what each of its parameters is made of.

    Of the tensors, only those with factors for rotary positions are read.

    Raises:
        NotRead: an architecture whose layers are not read here, or a setting or a tensor of the
            file that nobody reads.
    """
    _check_counts(header)
    account = Account(header)
    lay_out = ARCHITECTURES.get(header.architecture)
    if lay_out is None:
        raise NotRead(f"the layers of the architecture {header.architecture} are not known here")
    try:
        plan = plan_of(account, lay_out(account))
        account.close()
    except (TypeError, ValueError, LookupError, ArithmeticError, AttributeError) as error:
        raise NotRead("its settings contradict each other or are damaged") from error
    plan.config["architectures"] = [class_of(plan.config["model_type"])]
    return plan


def _check_counts(header: GgufHeader) -> None:
    """Refuse counts that the file's own tensors cannot answer, before anything is made of them."""
    prefix = f"{header.architecture}."
    layers = header.metadata.get(f"{prefix}block_count", 0)
    if not isinstance(layers, int) or layers > len(header.tensors):
        raise NotRead(f"{prefix}block_count is {layers}, and it has {len(header.tensors)} tensors")
    for key, value in header.metadata.items():
        if key.startswith(prefix) and isinstance(value, int) and abs(value) > _LARGEST:
            raise NotRead(f"{key} is {value}, beyond any model's")


def plan_to_encode(header: GgufHeader) -> Plan:
    """The same for a model that is to read texts, so how it splits them must be known too.

    Raises:
        NotRead: as :func:`plan_for`, or its tokenizer splits texts in a way that is not known.
    """
    plan = plan_for(header)
    unknown = why_texts_are_not_split(header)
    if unknown is not None:
        raise NotRead(unknown)
    return plan
