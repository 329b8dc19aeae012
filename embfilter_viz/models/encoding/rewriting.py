"""Rewritings of a text by the model itself: what it is asked, how it is sampled, what is kept.

GenEOL (Thirukovalluru & Dhingra 2024, arXiv 2410.14635) averages the embeddings of a text and of
rewritings of it. Here one model does both. Its chat template is not run, as no program of a
checkpoint is: a line of instruction and one example are put before the text, and the next line that
the model writes is the rewriting. The wording is ours.

The random numbers of a rewriting follow from its text, its kind, its number and the seed, and the
rewritings of one text are written side by side and with nothing else beside them. So a text has the
same rewritings whatever other texts are in the set. On another machine, device or number of threads
the model's probabilities differ by rounding, which can now and then choose another token.
"""

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from embfilter_viz.models.encoding.prompts import GENEOL, SLOT, Prompt
from embfilter_viz.wording import counted

__all__ = [
    "KINDS",
    "RECIPE",
    "ReadingCost",
    "Recipe",
    "Rewriting",
    "Rewritten",
    "ask",
    "fallbacks_sentence",
    "line_of",
]

KINDS: dict[str, str] = {
    "paraphrase": (
        "Say the sentence in other words.\n"
        "Sentence: The shop opens again on Monday.\n"
        "In other words: The store is back in business from the start of the week.\n"
        f"Sentence: {SLOT}\n"
        "In other words:"
    ),
    "restructured": (
        "Turn the parts of the sentence round.\n"
        "Sentence: The shop opens again on Monday.\n"
        "Turned round: On Monday the shop opens again.\n"
        f"Sentence: {SLOT}\n"
        "Turned round:"
    ),
    "entailed": (
        "Say what must be true if the sentence is true.\n"
        "Sentence: The shop opens again on Monday.\n"
        "So it is true that: The shop is closed now.\n"
        f"Sentence: {SLOT}\n"
        "So it is true that:"
    ),
    "concise": (
        "Say the sentence in few words.\n"
        "Sentence: The shop in our street opens again on Monday.\n"
        "In few words: Shop reopens Monday.\n"
        f"Sentence: {SLOT}\n"
        "In few words:"
    ),
}
"""How a model is asked for a rewriting of each kind, in our words."""

_WORDS = re.compile(r"\w+")


@dataclass(frozen=True)
class Recipe:
    """The settings that rewritings are sampled by.

    >>> RECIPE.m, RECIPE.tokens_for(10)
    (8, 26)
    """

    seed: int = 0
    """Of the random numbers."""
    temperature: float = 0.7
    """Logits are divided by it."""
    top_p: float = 0.9
    """The likeliest tokens are taken that hold together this share of the probability."""
    top_k: int = 50
    """And at most so many of them."""
    each: int = 2
    """Rewritings of each kind."""
    longer: int = 16
    """A rewriting may have so many tokens more than its text."""
    longest: int = 128
    """And so many tokens at most."""

    @property
    def m(self) -> int:
        """Rewritings of one text."""
        return self.each * len(KINDS)

    @property
    def asks(self) -> tuple[tuple[str, int], ...]:
        """(m,) the kind and the number within it of each rewriting, in their order."""
        return tuple((kind, number) for kind in KINDS for number in range(self.each))

    @property
    def sentence(self) -> str:
        """Return how rewritings are sampled, in words."""
        return (
            f"{self.m} rewritings a text, {self.each} of each kind ({', '.join(KINDS)}), sampled "
            f"at temperature {self.temperature:g}, top-p {self.top_p:g} of the {self.top_k} "
            f"likeliest tokens, seed {self.seed}, with at most {self.longer} tokens more than the "
            f"text and {self.longest} in all"
        )

    @property
    def settings(self) -> dict[str, Any]:
        """All that decides a rewriting beside the model and the text, for a key of the store."""
        return {**asdict(self), "kinds": KINDS}

    def tokens_for(self, n_tokens: int) -> int:
        """Tokens that a rewriting of a text of ``n_tokens`` may have."""
        return min(n_tokens + self.longer, self.longest)

    def draws(self, text: str, kind: str, number: int, n: int) -> np.ndarray:
        """(n,) float64 in [0, 1): what chooses the tokens of one rewriting, whatever is beside it.

        Args:
            text: the text.
            kind: one of :data:`KINDS`.
            number: of the rewriting within its kind, from 0.
            n: how many tokens it may have.

        Returns:
            the numbers; the same for the same arguments and seed, and fewer are a beginning of
            more.
        """
        said = json.dumps([self.seed, kind, number, text])
        seed = int.from_bytes(hashlib.sha256(said.encode()).digest())
        return np.random.default_rng(seed).random(n)


RECIPE = Recipe()
"""What the prompt ``geneol`` samples by."""
assert GENEOL.rewritings == RECIPE.m


@dataclass(frozen=True)
class Rewriting:
    """One rewriting of a text."""

    kind: str
    """One of :data:`KINDS`."""
    said: str
    """What the model wrote; empty for nothing."""
    tokens: int
    """Tokens it generated for that, the one that ended the line included."""
    text: str
    """What is embedded: what it wrote, or the text itself where :attr:`fallback` says why."""
    fallback: str | None
    """``empty``: it wrote no word. ``same``: it wrote the words of the text. None: neither."""


@dataclass(frozen=True)
class Rewritten:
    """A text with its rewritings."""

    text: str
    """The text."""
    rewritings: tuple[Rewriting, ...]
    """(m,) in the order of :attr:`Recipe.asks`."""

    @classmethod
    def of(cls, text: str, written: Sequence[tuple[str, str, int]]) -> "Rewritten":
        """A text and what was written: the kind, the line and its tokens of each.

        A line without a word, or with the same words in the same order as the text, is replaced by
        the text itself, which so counts once more.

        >>> found = Rewritten.of("A cat sat.", [("paraphrase", "a cat sat", 4), ("concise", "", 1)])
        >>> [(one.text, one.fallback) for one in found.rewritings]
        [('A cat sat.', 'same'), ('A cat sat.', 'empty')]
        """
        own = _WORDS.findall(text.casefold())
        made = []
        for kind, said, tokens in written:
            words = _WORDS.findall(said.casefold())
            fallback = "empty" if not words else "same" if words == own else None
            made.append(Rewriting(kind, said, tokens, text if fallback else said, fallback))
        return cls(text, tuple(made))

    @classmethod
    def of_json(cls, text: str, kept: str) -> "Rewritten":
        """The same from what :meth:`kept` gave."""
        return cls.of(text, [(kind, said, tokens) for kind, said, tokens in json.loads(kept)])

    @property
    def kept(self) -> str:
        """Return what is stored of it, in JSON."""
        return json.dumps([(one.kind, one.said, one.tokens) for one in self.rewritings])

    @property
    def texts(self) -> tuple[str, ...]:
        """(m,) the texts that are embedded beside the text itself."""
        return tuple(one.text for one in self.rewritings)

    @property
    def tokens(self) -> int:
        """Tokens generated for all of them."""
        return sum(one.tokens for one in self.rewritings)

    def count(self, fallback: str) -> int:
        """Say how many were replaced by the text because they are ``empty`` or the ``same``."""
        return sum(one.fallback == fallback for one in self.rewritings)

    def to_json(self) -> dict[str, Any]:
        """The record under its names on the command line."""
        return {"text": self.text, "rewritings": [asdict(one) for one in self.rewritings]}


def ask(kind: str) -> Prompt:
    """Return what stands around a text when a rewriting of a kind is asked for."""
    return Prompt.of(KINDS[kind])


def line_of(said: str) -> str:
    r"""Return the first line with anything in it, without quotation marks around it.

    >>> line_of(' "A cat sat." ')
    'A cat sat.'
    >>> line_of("\n\nA cat.\nSentence: a dog"), line_of(" ")
    ('A cat.', '')
    """
    lines = said.strip().splitlines()
    line = " ".join(lines[0].split()) if lines else ""
    inner = line.strip('"“”')
    return inner.strip() if len(inner) <= len(line) - 2 else line


def fallbacks_sentence(found: Sequence[Rewritten]) -> str:
    """Return how many rewritings were replaced by their text, in words."""
    cost = ReadingCost.of(1, found)
    return (
        f"Of {counted(cost.rewritings, 'rewriting')}, {cost.same:,} say the words of their text "
        f"and {cost.empty:,} say nothing; the text itself takes their place."
    )


@dataclass(frozen=True)
class ReadingCost:
    """The cost of embedding one text under a prompt, measured over some texts.

    >>> ReadingCost(1).words, ReadingCost(9, 8, 83.4).words
    ('1 forward pass', '9 forward passes and 83 generated tokens')
    """

    forwards: int
    """() forward passes over the whole of a prompt."""
    rewritings: int = 0
    """() rewritings that were written for these texts."""
    generated: float = 0.0
    """() tokens generated a text, on the mean; each takes a pass of its own, over one token."""
    empty: int = 0
    """() rewritings without a word, whose place the text takes."""
    same: int = 0
    """() rewritings with the words of the text, likewise."""

    @classmethod
    def of(cls, forwards: int, found: Sequence[Rewritten]) -> "ReadingCost":
        """The cost of texts with their rewritings; of none, of ``forwards`` passes alone."""
        return cls(
            forwards,
            sum(len(one.rewritings) for one in found),
            sum(one.tokens for one in found) / max(1, len(found)),
            *(sum(one.count(why) for one in found) for why in ("empty", "same")),
        )

    @property
    def words(self) -> str:
        """The same in words."""
        passes = counted(self.forwards, "forward pass", "forward passes")
        if not self.rewritings:
            return passes
        return f"{passes} and {counted(round(self.generated), 'generated token')}"

    def to_json(self) -> dict[str, Any]:
        """The record under its names on the command line."""
        return {
            "forwards_per_text": self.forwards,
            "generated_tokens_per_text": self.generated,
            "rewritings": {"count": self.rewritings, "empty": self.empty, "same": self.same},
        }
