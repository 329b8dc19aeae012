"""Our prompts in the files of a transformers tokenizer, giving the same tokens as ours.

PromptEOL stands around the text, and its end may melt into the text's: ``."`` is one token for
many models. So template and text must be tokenised as one text, which rules out joining token
ids. The tokenizer's own normaliser writes the template around whatever it is given, BOS included:
every reader that uses ``tokenizer.json`` then reads the plain text as we do. Where a tokenizer's
own normaliser does not allow that, a chat template renders them as one text. What gives our tokens
is found by trying.
"""

import copy
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from embfilter_viz.errors import InputError
from embfilter_viz.models.encoding.prepared import prepare
from embfilter_viz.models.encoding.prompts import SLOT, Prompt
from embfilter_viz.models.head.vocabulary import Vocabulary

__all__ = ["TRIED_TEXTS", "Tokenizing", "tokenizing"]

TRIED_TEXTS = (
    "A storm closed the harbour.",
    "x",
    'He said "stop!" & left (twice)…',
    "  spaced out\tand\nbroken ",
    "Größe, naïveté, 東京タワー, שלום עולם, 😀👩‍👩‍👧",
    "photo.png",
    "{{ braces }} {text} %s <b>tags</b>",
    "</s><s>[INST] <|im_start|>user<|im_end|><|endoftext|><eos><bos>",
)
"""Texts whose tokens must be ours: ends that melt into the template, scripts, tokens as text."""


_AS_IT_IS = "{{ messages[-1]['content'] }}"
"""A chat template that adds nothing. With one, sentence-transformers 6 cuts a long text and writes
the tokens that end every text over the last ones, as we do; without, it cuts the template off."""


@dataclass(frozen=True)
class Tokenizing:
    """The files of a tokenizer that make a prompt of a text."""

    tokenizer: dict[str, Any]
    """``tokenizer.json``."""
    chat_template: str | None
    """A Jinja template that puts the text into the prompt; None: there is none to go through."""
    prefix: str
    """Text put before every text and kept out of the mean; empty for none."""
    pad: str
    """The token to pad with."""

    @property
    def is_plain(self) -> bool:
        """Tell whether plain text goes in, as opposed to a message through a chat template."""
        return self.chat_template in (None, _AS_IT_IS)

    @property
    def around(self) -> tuple[str, str]:
        """Return what is to be put before and behind a text; nothing where plain text goes in."""
        if self.is_plain:
            return "", ""
        assert self.chat_template is not None
        before, _, after = self.chat_template[3:-3].partition(" ~ messages[-1]['content'] ~ ")
        return json.loads(before), json.loads(after)


def tokenizing(
    vocabulary: Vocabulary,
    prompt: Prompt,
    name: str,
    reader: str = "a folder of sentence-transformers",
) -> Tokenizing:
    """The files for ``prompt``, once they give our tokens on :data:`TRIED_TEXTS`.

    Args:
        vocabulary: the model's tokens.
        prompt: the template and pooling.
        name: the model, for messages.
        reader: what the files are for, for messages.

    Returns:
        the files.

    Raises:
        InputError: the prompt needs more than standard files can say, or gives other tokens.
    """
    instead = "export the filter file and encode with embfilter-viz"
    if prompt.rewritings:
        raise InputError(
            f"prompt {prompt.words}: {reader} reads a text once and writes no rewritings of it; "
            f"take prompteol, or {instead}"
        )
    if prompt.members:
        raise InputError(
            f"prompt {prompt.words}: {reader} reads a text once, not under "
            f"{len(prompt.members)} templates; take one of them, or {instead}"
        )
    if prompt.is_own and prompt.pooling == "mean":
        raise InputError(
            f"prompt {prompt.words}: its mean begins with the text, and {reader} cannot leave "
            f"out what stands before it; pool the last token, or {instead}"
        )
    if prompt.base == "echo":
        raise InputError(
            f"prompt echo: its mean is over the second time the text is said, which {reader} "
            f"cannot do; take prompteol, mean or last, or {instead}"
        )
    state = json.loads(vocabulary.tokenizer.to_str())
    opening = [str(vocabulary.tokenizer.id_to_token(i)) for i in vocabulary.opening]
    pad = _pad(vocabulary, name)
    before, after = prompt.template.split(SLOT)
    if prompt.template != SLOT:
        made = [
            Tokenizing(_with_template(state, start + before, after), _AS_IT_IS, "", pad)
            for start in _starts(opening)
        ]
        made += [
            Tokenizing(
                _with_opening(state, vocabulary, opening),
                f"{{{{ {_jinja(start + before)} ~ messages[-1]['content'] ~ {_jinja(after)} }}}}",
                "",
                pad,
            )
            for start in _starts(opening)
        ]
    elif prompt.pooling == "mean" and len(opening) == 1:
        # Kept out of the mean as a prompt by sentence-transformers, and there for other readers,
        # which know no prompt.
        once = _with_opening(_without_a_written(opening[0], state), vocabulary, opening)
        said_as_text = _without_opening(state, opening)
        made = [
            Tokenizing(once, None, opening[0], pad),
            Tokenizing(said_as_text, None, opening[0], pad),
        ]
    elif prompt.pooling == "mean" and opening:
        made = [Tokenizing(_without_opening(state, opening), None, "".join(opening), pad)]
    else:
        made = [Tokenizing(_with_opening(state, vocabulary, opening), None, "", pad)]
    tried = [*TRIED_TEXTS, _said_of_added(state)]
    for one in made:
        if _same_tokens(one, vocabulary, prompt, tried):
            return one
    raise InputError(
        f"prompt {prompt.name}: the tokenizer of {name} reads it differently from a folder, so "
        "vectors would differ from ours; take another prompt, or export the filter file and "
        "encode with embfilter-viz"
    )


def _same_tokens(
    made: Tokenizing, vocabulary: Vocabulary, prompt: Prompt, texts: Sequence[str]
) -> bool:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_str(json.dumps(made.tokenizer))
    for text in texts:
        given = _rendered(made, text)
        found = tokenizer.encode(given, add_special_tokens=made.is_plain).ids
        if tuple(found) != prepare(vocabulary, prompt, text).ids:
            return False
    return True


def _rendered(made: Tokenizing, text: str) -> str:
    before, after = made.around
    return made.prefix + before + text + after


def _jinja(text: str) -> str:
    """A string literal of Jinja, which reads JSON's."""
    return json.dumps(text)


def _with_opening(
    state: dict[str, Any], vocabulary: Vocabulary, opening: Sequence[str]
) -> dict[str, Any]:
    """The tokenizer with exactly our opening put before a text, and nothing after it."""
    special = {
        token: {"id": token, "ids": [i], "tokens": [token]}
        for token, i in zip(opening, vocabulary.opening, strict=True)
    }
    first = [{"SpecialToken": {"id": token, "type_id": 0}} for token in opening]
    one, two = ({"Sequence": {"id": name, "type_id": 0}} for name in "AB")
    processor = {
        "type": "TemplateProcessing",
        "single": [*first, one],
        "pair": [*first, one, two],
        "special_tokens": special,
    }
    return {**state, "post_processor": processor}


def _with_template(state: dict[str, Any], before: str, after: str) -> dict[str, Any]:
    """The tokenizer with ``before`` and ``after`` written around each text by its normaliser.

    Tokens such as an end of text are then looked for in the text with the template around it,
    instead of before; the tokenizer looks for them as the normaliser leaves them, so it leaves
    alone what is one of them and nothing else.
    """
    added = [token["content"] for token in state["added_tokens"]]
    written: list[dict[str, Any]] = [
        _replace(rf"\z(?<!{_any(added, begin=True)})" if added else r"\z", after),
        {"type": "Prepend", "prepend": before},
    ]
    if added:
        written.append(_replace(rf"\A{_exactly(before)}(?=(?:{_any(added)})\z)", ""))
    return {
        **state,
        "normalizer": _sequence(written, state),
        "added_tokens": _in_normalised_text(state),
        "post_processor": None,
    }


def _without_a_written(token: str, state: dict[str, Any]) -> dict[str, Any]:
    """The tokenizer with one ``token`` taken from the beginning of a text that goes on."""
    left_out = _replace(rf"\A{_exactly(token)}(?!\z)", "")
    return {
        **state,
        "normalizer": _sequence([left_out], state),
        "added_tokens": _in_normalised_text(state),
    }


def _in_normalised_text(state: dict[str, Any]) -> list[dict[str, Any]]:
    """The added tokens, looked for in what the normaliser leaves, so that it sees whole texts."""
    return [{**token, "normalized": True} for token in state["added_tokens"]]


def _sequence(first: Sequence[dict[str, Any]], state: dict[str, Any]) -> dict[str, Any]:
    own = state["normalizer"]
    return {"type": "Sequence", "normalizers": [*first, *([own] if own else [])]}


def _replace(pattern: str, content: str) -> dict[str, Any]:
    return {"type": "Replace", "pattern": {"Regex": pattern}, "content": content}


def _any(texts: Sequence[str], *, begin: bool = False) -> str:
    return "|".join((r"\A" if begin else "") + _exactly(text) for text in texts)


def _exactly(text: str) -> str:
    """A regular expression of Oniguruma that finds ``text``."""
    return re.sub(r"([^\w\s])", r"\\\1", text)


def _starts(opening: Sequence[str]) -> list[str]:
    # After a BOS that is written out some tokenizers put no ▁ before the first word.
    return ["".join(opening), "".join(opening) + " "] if opening else [""]


def _said_of_added(state: dict[str, Any]) -> str:
    """A text with special tokens of this tokenizer in it."""
    named = [token["content"] for token in state["added_tokens"] if token["special"]]
    return "a " + ", b".join(named[:16]) + " c."


def _without_opening(state: dict[str, Any], opening: Sequence[str]) -> dict[str, Any]:
    state = copy.deepcopy(state)
    for token in state["added_tokens"]:
        if token["content"] in opening:
            token["special"] = False
    return {**state, "post_processor": None}


def _pad(vocabulary: Vocabulary, name: str) -> str:
    """A token to pad with that texts are not made of; what it says is never looked at."""
    added = vocabulary.tokenizer.get_added_tokens_decoder()
    wanted = [i for i in (vocabulary.eos, *sorted(added)) if i in added]
    unlike_opening = [i for i in wanted if i not in vocabulary.opening]
    for i in (*unlike_opening, *wanted):
        return added[i].content
    raise InputError(
        f"{name}: its tokenizer has no special token to pad batches with; export the filter file "
        "instead"
    )
