"""The head that one model lends another: embedders are often saved without their own.

Such a head reads the embedder's states as those of the model it was made from, which training has
moved. So it is only taken where it was asked for, and whoever shows what it says names the lender.
"""

from dataclasses import replace

from embfilter_viz.errors import InputError
from embfilter_viz.models.families import embedding_names, text_config
from embfilter_viz.models.formats.fingerprints import file_hash
from embfilter_viz.models.head.unembedding import NoHeadError, stored_head
from embfilter_viz.models.head.vocabulary import Vocabulary
from embfilter_viz.models.outline import Outline

__all__ = ["check_lacks_head", "with_head_of"]

_WAY_OUT = "name the model it was made from"


def check_lacks_head(outline: Outline) -> None:
    """Refuse a model that has a head of its own, stored or tied.

    Raises:
        InputError: it has one.
    """
    try:
        own, _ = stored_head(outline)
    except NoHeadError:
        return
    raise InputError(
        f"{outline.name}: it has an output head of its own ({own.name}), so none is lent to it; "
        f"drop --head-from"
    )


def with_head_of(outline: Outline, lender: Outline) -> Outline:
    """The outline of a model without a head, with the head of ``lender``.

    Args:
        outline: of the model.
        lender: of another; its head is on this disk.

    Raises:
        InputError: the lender has no head either, or one of another width, or for other tokens.
    """
    head, _ = stored_head(lender)
    asked = f"{outline.name}: --head-from {lender.name}"
    width = _width(outline)
    if head.shape[1] != width:
        raise InputError(
            f"{asked}: its head has width {head.shape[1]:,} and the model has {width:,}; {_WAY_OUT}"
        )
    n, common, example = _other_tokens(outline, lender)
    if n:
        raise InputError(
            f"{asked}: {n:,} of {common:,} tokens are others than the model's ({example}), so its "
            f"head would name wrong ones; {_WAY_OUT}"
        )
    return replace(outline, head_from=lender)


def _width(outline: Outline) -> int:
    """The width d of the model's states."""
    config = text_config(outline.config)
    said = (config.get(key) for key in ("hidden_size", "n_embd", "d_model"))
    found = next((width for width in said if isinstance(width, int)), None)
    if found is not None:
        return found
    return outline.stored[next(embedding_names(outline.stored))].shape[1]


def _other_tokens(one: Outline, other: Outline) -> tuple[int, int, str]:
    """Count the ids that stand for different tokens, of all that both have; name the first.

    What one has beyond the last token of the other, added tokens or padding, is no difference.
    """
    files = [outline.tokenizer_folder / "tokenizer.json" for outline in (one, other)]
    if all(file.is_file() for file in files) and len(set(map(file_hash, files))) == 1:
        return 0, 0, ""
    a, b = (
        {i: token for token, i in Vocabulary.of(outline, 0).tokenizer.get_vocab().items()}
        for outline in (one, other)
    )
    common = min(max(a, default=-1), max(b, default=-1)) + 1
    differing = [i for i in range(common) if a.get(i) != b.get(i)]
    if not differing:
        return 0, common, ""
    i = differing[0]
    return len(differing), common, f"id {i} is {b.get(i)!r} there and {a.get(i)!r} here"
