"""A prompt as an ONNX folder says it: the tokenizer's file and what the graph is built by."""

import json
from dataclasses import asdict, dataclass
from typing import Any

from embfilter_viz.export.tokenizing import tokenizing
from embfilter_viz.model import Model
from embfilter_viz.models.encoding.onnx_graph import OPSET
from embfilter_viz.models.encoding.prepared import closing_of, common_end, prepare
from embfilter_viz.models.encoding.prompts import PROMPTS, SLOT, Prompt
from embfilter_viz.models.encoding.published import PublishedTokens, read_published
from embfilter_viz.models.outline import Outline

__all__ = ["ONNX_FOLDER", "Reading", "published_reading", "reading_of"]

ONNX_FOLDER = "an ONNX folder"
"""The thing's name in messages."""


@dataclass(frozen=True)
class Reading:
    """The way from a text to tokens and a pooled state, in an ONNX folder."""

    tokenizer: dict[str, Any]
    """``tokenizer.json``."""
    before: str
    """Words that the caller puts before a text; empty where the tokenizer writes them."""
    after: str
    """The same behind it."""
    add_special_tokens: bool
    """Whether the tokenizer adds its special tokens."""
    closing: tuple[int, ...]
    """Tokens that end every text, also one that was cut."""
    max_tokens: int
    """Tokens that are read."""
    pad_id: int
    """What to pad with; any token would do."""
    pooling: str
    """``last`` or ``mean``."""
    start: int
    """Tokens at the beginning that are left out of a mean."""
    normalised: bool
    """Whether the pooled state is scaled to length 1 before the projection."""

    def settings(self, dimensions: int) -> dict[str, Any]:
        """Return what ``embed.py`` reads, with ``dimensions`` of a vector."""
        said = asdict(self)
        del said["tokenizer"]
        return {
            "inputs": ["input_ids", "attention_mask"],
            "output": "sentence_embedding",
            "dimensions": dimensions,
            **said,
            "closing": list(self.closing),
            "opset": OPSET,
        }


def reading_of(model: Model, asked: Prompt) -> Reading:
    """A prompt of ours, in the tokenizer's files.

    Raises:
        InputError: they cannot say the prompt.
    """
    # The graph itself leaves BOS out of a mean, so the tokens are those of the prompt `last`.
    said = PROMPTS["last"] if asked.template == SLOT else asked
    words = tokenizing(model.vocabulary, said, model.name, ONNX_FOLDER)
    before, after = words.around
    length = model.longest(asked)
    pad = model.vocabulary.tokenizer.token_to_id(words.pad)
    assert pad is not None
    return Reading(
        tokenizer=words.tokenizer,
        before=before,
        after=after,
        add_special_tokens=words.is_plain,
        closing=tuple(closing_of(model.vocabulary, asked)),
        max_tokens=length,
        pad_id=pad,
        pooling=asked.pooling,
        start=0 if asked.pooling == "last" else prepare(model.vocabulary, asked, "x", length).start,
        normalised=False,
    )


def published_reading(outline: Outline) -> Reading:
    """An embedder as its makers have it read.

    Raises:
        InputError: it asks for more than is done here, or its tokenizer is not of tokenizers.
    """
    published = read_published(outline)
    tokens = PublishedTokens(published, outline)
    one, other = (tokens.prepare(text) for text in ("0", "1 2 3 4"))
    return Reading(
        tokenizer=json.loads(tokens.backend.to_str()),
        before=published.prompt,
        after="",
        add_special_tokens=True,
        closing=tuple(common_end(one.ids, other.ids)),
        max_tokens=tokens.max_tokens,
        pad_id=0,
        pooling=published.pooling,
        start=0 if published.pooling == "last" else one.start,
        normalised=published.normalised,
    )
