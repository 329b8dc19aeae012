"""A GGUF in transformers' terms, from its header: what to write, or why that cannot be."""

from embfilter_viz.models.formats.gguf_header import GgufHeader
from embfilter_viz.models.gguf.account import Account, NotRead
from embfilter_viz.models.gguf.architectures import ARCHITECTURES
from embfilter_viz.models.gguf.heads import class_of
from embfilter_viz.models.gguf.layouts import Plan, plan_of
from embfilter_viz.models.gguf.tokenizer import why_texts_are_not_split

__all__ = ["plan_for", "plan_to_encode"]


def plan_for(header: GgufHeader) -> Plan:
    """The configuration of a model and what each of its parameters is made of.

    Of the tensors, only those with factors for rotary positions are read.

    Raises:
        NotRead: an architecture whose layers are not read here, or a setting or a tensor of the
            file that nobody reads.
    """
    account = Account(header)
    lay_out = ARCHITECTURES.get(header.architecture)
    if lay_out is None:
        raise NotRead(f"the layers of the architecture {header.architecture} are not known here")
    try:
        plan = plan_of(account, lay_out(account))
        account.close()
    except (TypeError, ValueError, KeyError, IndexError, ArithmeticError) as error:
        raise NotRead("its settings contradict each other or are damaged") from error
    plan.config["architectures"] = [class_of(plan.config["model_type"])]
    return plan


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
