"""A text inside a prompt, as the tokens the model reads."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile

from embfilter_viz.errors import InputError
from embfilter_viz.models.encoding.prompts import SLOT, Prompt
from embfilter_viz.models.families import text_config
from embfilter_viz.models.head.vocabulary import Vocabulary
from embfilter_viz.models.outline import Outline

__all__ = [
    "MAX_TOKENS",
    "Prepared",
    "check_template_fits",
    "closing_of",
    "common_end",
    "longest_read",
    "prepare",
]

MAX_TOKENS = 512
"""Tokens a prompt may have, template included, as in the paper."""


def longest_read(outline: Outline) -> int:
    """Tokens a prompt may have: 512, or what the model was made for if that is less."""
    config = text_config(outline.config)
    positions = config.get("max_position_embeddings") or config.get("n_positions")
    return min(MAX_TOKENS, positions) if isinstance(positions, int) else MAX_TOKENS


@dataclass(frozen=True)
class Prepared:
    """A text as the model will see it."""

    ids: tuple[int, ...]
    """(n_tokens,) token ids, template and special tokens included."""
    start: int
    """Scalar: the states of ``ids[start:]`` are averaged into the embedding."""
    truncated: bool
    """Scalar: whether the text was cut to fit."""


def prepare(
    vocabulary: Vocabulary, prompt: Prompt, text: str, max_tokens: int = MAX_TOKENS
) -> Prepared:
    """Tokenise ``text`` inside ``prompt``, cutting only the text, never the template.

    A text that is too long loses its last tokens, as tokenizers cut, and the template's own last
    tokens follow: sentence-transformers cuts the same way, so an exported folder reads the same.
    ECHO, which says the text twice, keeps the longest beginning that fits twice, cut between
    characters.

    Args:
        vocabulary: the model's tokens.
        prompt: the template and pooling.
        text: the user's text, any characters.
        max_tokens: how many tokens the whole may have.

    Returns:
        the tokens, where the text begins in them, and whether it was cut.

    Raises:
        InputError: an empty text, or one that yields no tokens.
    """
    if not text.strip():
        raise InputError("the text is empty; give it at least one visible character")
    # A token has seldom over 16 characters: what is longer is cut without tokenising all of it.
    looked_at = text[: 16 * max_tokens]
    ids, start = _lay_out(vocabulary, prompt, looked_at)
    if len(ids) < max_tokens and len(looked_at) < len(text):
        ids, start = _lay_out(vocabulary, prompt, looked_at := text)
    truncated = len(ids) > max_tokens or len(looked_at) < len(text)
    if truncated and prompt.template.count(SLOT) > 1:
        kept = text[: _longest_that_fits(vocabulary, prompt, text, max_tokens)]
        ids, start = _lay_out(vocabulary, prompt, kept)
    elif len(ids) >= max_tokens:
        check_template_fits(vocabulary, prompt, max_tokens)
        closing = closing_of(vocabulary, prompt)
        ids = ids[: max_tokens - len(closing)] + closing
        start = min(start, len(ids) - 1)
    if start >= len(ids):
        raise InputError(f"the text {text[:20]!r} has no tokens in this model; use other words")
    return Prepared(tuple(ids), start, truncated)


def closing_of(vocabulary: Vocabulary, prompt: Prompt) -> list[int]:
    """The template's tokens after the text: those that no text changes.

    A text's last token may melt into the first of them (a full stop and a quotation mark are one
    token for many models), so they are what two texts that end differently leave in common, the
    two that sentence-transformers 6 compares as well.
    """
    if prompt.template.endswith(SLOT):
        return []
    one, other = (_lay_out(vocabulary, prompt, text)[0] for text in ("0", "1 2 3 4"))
    return common_end(one, other)


def common_end(one: Sequence[int], other: Sequence[int]) -> list[int]:
    """The tokens that two sequences end with.

    >>> common_end([1, 2, 3], [5, 2, 3])
    [2, 3]
    """
    common = takewhile(lambda pair: pair[0] == pair[1], zip(one[::-1], other[::-1], strict=False))
    return [token for token, _ in common][::-1]


def _lay_out(vocabulary: Vocabulary, prompt: Prompt, text: str) -> tuple[list[int], int]:
    """Ids of the filled template and where pooling starts.

    Template and text are tokenised as the one text they are. The released ECHO code tokenises
    them apart, so that a space stands alone before each text: on SmolLM2 and STS-B that scores
    1.5 points lower, raw and filtered.
    """
    opening, closing = list(vocabulary.opening), []
    if prompt.framed:  # as in the released code, EOS stands in for a missing BOS
        bos = vocabulary.eos if vocabulary.bos is None else vocabulary.bos
        opening = [] if bos is None else [bos]
        closing = [] if vocabulary.eos is None else [vocabulary.eos]
    filled = prompt.fill(text)
    ids, ends = vocabulary.encode_with_ends(filled)
    whole = opening + ids + closing
    if prompt.pooling == "last":
        return whole, len(whole) - 1
    after = prompt.template.rpartition(SLOT)[2]
    return whole, len(opening) + bisect_right(ends, len(filled) - len(after) - len(text))


def check_template_fits(vocabulary: Vocabulary, prompt: Prompt, max_tokens: int) -> None:
    """Refuse a template that leaves no room for a text.

    Raises:
        InputError: it alone has as many tokens as the model is given to read.
    """
    alone = len(_lay_out(vocabulary, prompt, "")[0])
    if alone >= max_tokens:
        raise InputError(
            f"prompt {prompt.words}: its template alone has {alone} tokens, the model reads "
            f"{max_tokens}; shorten it, or pick the prompt 'mean' or 'last'"
        )


def _longest_that_fits(vocabulary: Vocabulary, prompt: Prompt, text: str, max_tokens: int) -> int:
    """Say how many characters of ``text`` can stay; tokenises short beginnings, not 50,000.

    Args:
        vocabulary: what tokenises.
        prompt: the prompt.
        text: the text.
        max_tokens: how many tokens are allowed.

    Returns:
        how many characters.
    """

    def tokens(characters: int) -> int:
        return len(_lay_out(vocabulary, prompt, text[:characters])[0])

    check_template_fits(vocabulary, prompt, max_tokens)
    bound = max_tokens
    while bound < len(text) and tokens(bound) <= max_tokens:
        bound *= 2
    if bound >= len(text) and tokens(len(text)) <= max_tokens:
        return len(text)
    bound = min(bound, len(text))
    return bisect_right(range(bound + 1), max_tokens, key=tokens) - 1
