"""The texts given to the model, and which of its states become the embedding."""

from bisect import bisect_right
from dataclasses import dataclass, replace
from itertools import takewhile
from typing import Literal

from embfilter_viz.errors import InputError
from embfilter_viz.models.families import Family
from embfilter_viz.models.vocabulary import Vocabulary

__all__ = ["MAX_TOKENS", "PROMPTS", "Prepared", "Prompt", "find_prompt", "prepare"]

MAX_TOKENS = 512
"""Tokens a prompt may have, template included, as in the paper."""

_SLOT = "{text}"


@dataclass(frozen=True)
class Prompt:
    """A way to turn a text into an embedding."""

    name: str
    """What the command line and the URL call it."""
    title: str
    """What a page calls it."""
    template: str
    """The text given to the model; every ``{text}`` is replaced by the user's text."""
    pooling: Literal["last", "mean"]
    """``last``: the last token's state. ``mean``: the mean over the last text's tokens."""
    description: str
    """One sentence for the user."""
    framed: bool = False
    """Put between BOS and EOS whatever the model's own habit, EOS counted in the mean (ECHO)."""

    def fill(self, text: str) -> str:
        """The template with ``text`` in its slots; braces in ``text`` mean nothing.

        >>> PROMPTS["prompteol"].fill('a {text} "b"')
        'Summarize the sentence: "a {text} "b"" in one word:"'
        """
        return text.join(self.template.split(_SLOT))

    def of_family(self, family: Family) -> "Prompt":
        """This prompt in the words the paper uses for ``family``."""
        if self.name == "prompteol" and family.prompteol is not None:
            return replace(self, template=family.prompteol)
        return self


PROMPTS: dict[str, Prompt] = {
    prompt.name: prompt
    for prompt in (
        Prompt(
            "prompteol",
            "PromptEOL",
            'Summarize the sentence: "{text}" in one word:"',
            "last",
            "Asks for the text in one word and takes the state that would say it.",
        ),
        Prompt(
            "echo",
            "ECHO",
            "Rewrite the following paragraph: {text}. The rewritten paragraph: {text}",
            "mean",
            "Says the text twice and averages over the second time, when all of it was read.",
            framed=True,
        ),
        Prompt("mean", "Mean", _SLOT, "mean", "Averages the states of the text's tokens."),
        Prompt("last", "Last token", _SLOT, "last", "Takes the state of the text's last token."),
    )
}


def find_prompt(name: str) -> Prompt:
    """The prompt called ``name``.

    >>> find_prompt("promptoel")
    Traceback (most recent call last):
    embfilter_viz.errors.InputError: prompt 'promptoel': unknown; pick one of prompteol, echo, ...
    """
    try:
        return PROMPTS[name]
    except KeyError:
        raise InputError(f"prompt {name!r}: unknown; pick one of {', '.join(PROMPTS)}") from None


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
    if truncated and prompt.template.count(_SLOT) > 1:
        kept = text[: _longest_that_fits(vocabulary, prompt, text, max_tokens)]
        ids, start = _lay_out(vocabulary, prompt, kept)
    elif len(ids) >= max_tokens:
        _check_template_fits(vocabulary, prompt, max_tokens)
        closing = _closing(vocabulary, prompt)
        ids = ids[: max_tokens - len(closing)] + closing
        start = min(start, len(ids) - 1)
    if start >= len(ids):
        raise InputError(f"the text {text[:20]!r} has no tokens in this model; use other words")
    return Prepared(tuple(ids), start, truncated)


def _closing(vocabulary: Vocabulary, prompt: Prompt) -> list[int]:
    """The template's tokens after the text: those that no text changes.

    A text's last token may melt into the first of them (a full stop and a quotation mark are one
    token for many models), so they are what two texts that end differently leave in common, the
    two that sentence-transformers 6 compares as well.
    """
    if prompt.template.endswith(_SLOT):
        return []
    one, other = (_lay_out(vocabulary, prompt, text)[0] for text in ("0", "1 2 3 4"))
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
    after = prompt.template.rpartition(_SLOT)[2]
    return whole, len(opening) + bisect_right(ends, len(filled) - len(after) - len(text))


def _check_template_fits(vocabulary: Vocabulary, prompt: Prompt, max_tokens: int) -> None:
    alone = len(_lay_out(vocabulary, prompt, "")[0])
    if alone >= max_tokens:
        raise InputError(
            f"prompt {prompt.name}: its template alone has {alone} tokens, the model reads "
            f"{max_tokens}; pick the prompt 'mean' or 'last'"
        )


def _longest_that_fits(vocabulary: Vocabulary, prompt: Prompt, text: str, max_tokens: int) -> int:
    """How many characters of ``text`` can stay; tokenises short beginnings, not 50,000."""

    def tokens(characters: int) -> int:
        return len(_lay_out(vocabulary, prompt, text[:characters])[0])

    _check_template_fits(vocabulary, prompt, max_tokens)
    bound = max_tokens
    while bound < len(text) and tokens(bound) <= max_tokens:
        bound *= 2
    if bound >= len(text) and tokens(len(text)) <= max_tokens:
        return len(text)
    bound = min(bound, len(text))
    return bisect_right(range(bound + 1), max_tokens, key=tokens) - 1
