"""Our prompts in the files of a transformers tokenizer, giving the same tokens as ours.

PromptEOL stands around the text, and its end may melt into the text's: ``."`` is one token for
many models. So template and text must be tokenised as one text, which rules out joining token
ids. A chat template renders them as one text; what it cannot do is add BOS other than by writing
it out, which some tokenizers read a little differently. Every variant is therefore tried against
our own tokens before it is used.
"""

import copy
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from embfilter_viz.errors import InputError
from embfilter_viz.models.encoding.prepared import prepare
from embfilter_viz.models.encoding.prompts import Prompt
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


@dataclass(frozen=True)
class Tokenizing:
    """The files of a tokenizer that make a prompt of a text."""

    tokenizer: dict[str, Any]
    """``tokenizer.json``."""
    chat_template: str | None
    """A Jinja template that puts the text into the prompt; None: the text goes in as it is."""
    prefix: str
    """Text put before every text and kept out of the mean; empty for none."""
    pad: str
    """The token to pad with."""


def tokenizing(vocabulary: Vocabulary, prompt: Prompt, name: str) -> Tokenizing:
    """The files for ``prompt``, once they give our tokens on :data:`TRIED_TEXTS`.

    Args:
        vocabulary: the model's tokens.
        prompt: the template and pooling.
        name: the model, for messages.

    Raises:
        InputError: the prompt needs more than standard files can say, or gives other tokens.
    """
    instead = "export the filter file and encode with embfilter-viz"
    if prompt.rewritings:
        raise InputError(
            f"prompt {prompt.words}: a folder of sentence-transformers reads a text once and "
            f"writes no rewritings of it; take prompteol, or {instead}"
        )
    if prompt.members:
        raise InputError(
            f"prompt {prompt.words}: a folder of sentence-transformers reads a text once, not "
            f"under {len(prompt.members)} templates; take one of them, or {instead}"
        )
    if prompt.is_own and prompt.pooling == "mean":
        raise InputError(
            f"prompt {prompt.words}: its mean begins with the text, and no standard module of "
            f"sentence-transformers leaves out what stands before it; pool the last token, or "
            f"{instead}"
        )
    if prompt.base == "echo":
        raise InputError(
            "prompt echo: its mean is over the second time the text is said, which no standard "
            "module of sentence-transformers can do; take prompteol, mean or last, or export the "
            "filter file and encode with embfilter-viz"
        )
    state = json.loads(vocabulary.tokenizer.to_str())
    opening = [str(vocabulary.tokenizer.id_to_token(i)) for i in vocabulary.opening]
    pad = _pad(vocabulary, name)
    if prompt.template == "{text}":
        if prompt.pooling == "mean" and opening:
            # Kept out of the mean as a prompt, which must not look like a special token then.
            found = _without_opening(state, opening)
            made = [Tokenizing(found, None, "".join(opening), pad)]
        else:
            made = [Tokenizing(_with_opening(state, vocabulary, opening), None, "", pad)]
    else:
        before, after = prompt.template.split("{text}")
        made = [
            Tokenizing(
                _with_opening(state, vocabulary, opening),
                f"{{{{ {_jinja(start + before)} ~ messages[-1]['content'] ~ {_jinja(after)} }}}}",
                "",
                pad,
            )
            # After a BOS that is written out some tokenizers put no ▁ before the first word.
            for start in (["".join(opening), "".join(opening) + " "] if opening else [""])
        ]
    for one in made:
        if _same_tokens(one, vocabulary, prompt, TRIED_TEXTS):
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
    rendered = made.chat_template is not None
    for text in texts:
        given = _rendered(made, text)
        found = tokenizer.encode(given, add_special_tokens=not rendered).ids
        if tuple(found) != prepare(vocabulary, prompt, text).ids:
            return False
    return True


def _rendered(made: Tokenizing, text: str) -> str:
    if made.chat_template is None:
        return made.prefix + text
    before, _, after = made.chat_template[3:-3].partition(" ~ messages[-1]['content'] ~ ")
    return json.loads(before) + text + json.loads(after)


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
