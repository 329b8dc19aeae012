r"""Prompts: the text given to the model, and which of its states become the embedding.

A prompt has a name that says all of it, so that a link, a file or a command can hold it:

    prompteol                               one of ours
    prompteol@20                            the same, read after layer 20 instead of the last
    last:Summarise "{text}" as:             a template of the reader's, its last token's state
    mean@20:Passage: {text}                 another, the mean from the text on, after layer 20

Several templates stand one a line; their embeddings are averaged. Within a template ``\n`` is a
new line and ``\\`` a backslash.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, cast, get_args

from embfilter_viz.errors import InputError
from embfilter_viz.models.families import Family
from embfilter_viz.wording import counted

__all__ = [
    "AVERAGED",
    "GENEOL",
    "METAEOL",
    "META_TASKS",
    "MOST_TEMPLATES",
    "POOLINGS",
    "PROMPTS",
    "PUBLISHED",
    "SLOT",
    "Pooling",
    "Prompt",
    "find_prompt",
]

SLOT = "{text}"
"""What stands for the user's text in a template."""

Pooling = Literal["last", "mean"]
POOLINGS: tuple[Pooling, ...] = get_args(Pooling)
"""``last``: the last token's state. ``mean``: the mean from the first token of the text on, of the
last one where a template says it twice."""

MOST_TEMPLATES = 32
"""Templates one prompt may average over; each costs a forward pass a text."""

_SHOWN = 60
"""Characters of a template that a sentence quotes."""


@dataclass(frozen=True, eq=False, repr=False)
class Prompt(str):
    """A way to turn a text into an embedding.

    It is a string, its own name: whatever takes the name of a prompt takes the prompt, and a record
    that keeps it keeps the name.

    >>> prompt = Prompt.of('Summarise "{text}" as:', layer=20)
    >>> prompt == 'last@20:Summarise "{text}" as:', prompt.pooling, prompt.layer
    (True, 'last', 20)
    >>> find_prompt(str(prompt)).template
    'Summarise "{text}" as:'
    """

    name: str
    """All of it in one line, see the head of this module."""
    label: str
    """What a page calls it."""
    template: str
    """The text given to the model; every ``{text}`` is replaced by the user's text. Of several
    templates, one a line."""
    pooling: Pooling
    """See :data:`POOLINGS`."""
    description: str
    """One sentence for the user."""
    framed: bool = False
    """Put between BOS and EOS whatever the model's own habit, EOS counted in the mean (ECHO)."""
    layer: int | None = None
    """After how many layers states are read, through the final norm; None: after all of them."""
    members: "tuple[Prompt, ...]" = ()
    """The prompts whose embeddings are averaged into its own; empty for one template."""
    rewritings: int = 0
    """Rewritings of a text by the model itself, whose embeddings under its one member are averaged
    with that of the text; none for most."""

    def __new__(cls, name: str, *_: Any, **__: Any) -> "Prompt":
        """A string that reads ``name``."""
        return super().__new__(cls, name)

    @classmethod
    def of(
        cls, template: str | Sequence[str], pooling: Pooling = "last", layer: int | None = None
    ) -> "Prompt":
        """A prompt in words of one's own.

        Args:
            template: the text given to the model, with ``{text}`` once in it; or several, whose
                embeddings are averaged with the same weight.
            pooling: of :data:`POOLINGS`.
            layer: after how many layers states are read, 0 before the first; all if not given.

        Returns:
            The prompt; one of :data:`PROMPTS` where that says the same.

        Raises:
            InputError: no slot, two of them, no template or too many, another pooling, or a layer
                below 0.

        >>> Prompt.of("{text}", "mean") is PROMPTS["mean"]
        True
        >>> Prompt.of("Summarise it:")
        Traceback (most recent call last):
        embfilter_viz.errors.InputError: template 'Summarise it:': {text}, which stands for the ...
        """
        templates = [template] if isinstance(template, str) else list(template)
        if pooling not in POOLINGS:
            raise InputError(f"pooling {pooling!r}: unknown; take {' or '.join(POOLINGS)}")
        if not 1 <= len(templates) <= MOST_TEMPLATES:
            raise InputError(
                f"{counted(len(templates), 'template')}: a prompt averages over 1 to "
                f"{MOST_TEMPLATES}; give so many"
            )
        made = [_own(one, pooling) for one in templates]
        found = made[0] if len(made) == 1 else _average(f"{pooling}:", "Own templates", made)
        return found.at(layer)

    @property
    def base(self) -> str:
        """Its name without layer and template: one of ours, or the pooling of an own one."""
        return re.split("[@:]", self.name, maxsplit=1)[0]

    @property
    def is_own(self) -> bool:
        """Tell whether its words are the reader's."""
        return ":" in self.name

    @property
    def is_text_alone(self) -> bool:
        """Tell whether the model is given the text and no words beside it, as by ``mean``."""
        return self.template == SLOT and self.base != "published"

    @property
    def templates(self) -> tuple[str, ...]:
        """The texts given to the model, each of which takes one forward pass."""
        return tuple(one.template for one in self.members) or (self.template,)

    @property
    def forwards(self) -> int:
        """Forward passes a text takes; those that write its rewritings are not among them.

        >>> find_prompt("mean").forwards, find_prompt("metaeol").forwards
        (1, 8)
        >>> find_prompt("geneol").forwards
        9
        """
        return self.rewritings + len(self.templates)

    @property
    def averages(self) -> str:
        """Return what its embedding is the mean of, in words; empty where it is of no several.

        >>> find_prompt("metaeol").averages, find_prompt("geneol").averages
        ('8 templates', 'the text and 8 rewritings')
        """
        if self.rewritings:
            return f"the text and {counted(self.rewritings, 'rewriting')}"
        return counted(len(self.members), "template") if self.members else ""

    @property
    def words(self) -> str:
        """Return what a sentence calls it, in one line.

        >>> find_prompt("prompteol@20").words, Prompt.of("So: {text}").words
        ('prompteol after layer 20', '“So: {text}” (last)')
        """
        read = "" if self.layer is None else f" after layer {self.layer}"
        if not self.is_own:
            return f"{self.base}{read}"
        said = f"“{_shown(self.template)}”"
        if self.members:
            said = f"{len(self.members)} own templates"
        return f"{said} ({self.base}){read}"

    @property
    def slug(self) -> str:
        """Return its part of a file's name: its own name, or a digest of own templates.

        >>> find_prompt("mean@3").slug, Prompt.of("So: {text}").slug
        ('mean-layer3', 'last-own-25047fbe6b15')
        """
        digest = hashlib.sha256(self.template.encode("utf-8", "surrogatepass")).hexdigest()[:12]
        own = f"-own-{digest}" if self.is_own else ""
        return f"{self.base}{own}{'' if self.layer is None else f'-layer{self.layer}'}"

    def at(self, layer: int | None) -> "Prompt":
        """The same, read after so many layers; None: after all of them.

        Raises:
            InputError: below 0, or not a whole number.
        """
        if layer is not None and (not isinstance(layer, int) or layer < 0):
            raise InputError(f"layer {layer!r}: must be 0, the input, or the number of a layer")
        if layer == self.layer:
            return self
        head, colon, body = self.name.partition(":")
        name = head.partition("@")[0] + ("" if layer is None else f"@{layer}") + colon + body
        members = tuple(one.at(layer) for one in self.members)
        return replace(self, name=name, layer=layer, members=members)

    def fill(self, text: str) -> str:
        """The template with ``text`` in its slots; braces in ``text`` mean nothing.

        >>> PROMPTS["prompteol"].fill('a {text} "b"')
        'Summarize the sentence: "a {text} "b"" in one word:"'
        """
        return text.join(self.template.split(SLOT))

    def of_family(self, family: Family) -> "Prompt":
        """This prompt in the words the paper uses for ``family``."""
        if self.base in ("prompteol", "geneol") and family.prompteol is not None:
            return replace(self, template=family.prompteol)
        return self


def _own(template: str, pooling: Pooling) -> Prompt:
    """One template of the reader's."""
    if template == SLOT:
        return PROMPTS[pooling]
    if (slots := template.count(SLOT)) != 1:
        raise InputError(
            f"template {_shown(template)!r}: {SLOT}, which stands for the text, must be in it once "
            f"and is {'missing' if not slots else f'there {slots} times'}; such as "
            f"'Summarise \"{SLOT}\" as:'"
        )
    taken = "the last token's state" if pooling == "last" else "the mean from the text on"
    said = f"Your words: “{_shown(template)}”, of which {taken} is taken."
    return Prompt(f"{pooling}:{_written(template)}", "Own template", template, pooling, said)


def _average(head: str, label: str, members: Sequence[Prompt], description: str = "") -> Prompt:
    """The prompt whose embedding is the mean of those of ``members``.

    Args:
        head: how its name begins.
        label: what a page calls it.
        members: the prompts that are averaged.
        description: one sentence for the reader.

    Returns:
        the prompt.
    """
    lines = [_written(one.template) for one in members]
    return Prompt(
        head + "\n".join(lines) if head.endswith(":") else head,
        label,
        "\n".join(lines),
        members[0].pooling,
        description or f"The mean of the embeddings under {len(members)} templates of yours.",
        members=tuple(members),
    )


def _written(template: str) -> str:
    """A template in one line, which :func:`_read` takes apart again."""
    return template.replace("\\", "\\\\").replace("\n", "\\n")


def _read(line: str) -> str:
    r"""A template from one line.

    >>> _read(_written("a\n{text} \\n")) == "a\n{text} \\n"
    True
    """
    return re.sub(r"\\(.)", lambda found: "\n" if found[1] == "n" else found[1], line)


def _shown(template: str) -> str:
    """A template as a sentence quotes it."""
    line = _written(template)
    return line if len(line) <= _SHOWN else f"{line[: _SHOWN - 2]} …"


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
        Prompt("mean", "Mean", SLOT, "mean", "Averages the states of the text's tokens."),
        Prompt("last", "Last token", SLOT, "last", "Takes the state of the text's last token."),
    )
}


META_TASKS: dict[str, tuple[str, str]] = {
    "text classification": (
        'Name the topic a library would file this text under: "{text}" The topic in one word:"',
        'Decide in which section of a newspaper this would stand: "{text}" Section, in one word:"',
    ),
    "sentiment": (
        'Tell how the writer of this text feels about its subject: "{text}" Feeling, in one word:"',
        'Judge whether a reader would be pleased or upset by this: "{text}" Mood, in one word:"',
    ),
    "paraphrase": (
        'Say what every rewording of this sentence must keep: "{text}" Its meaning in one word:"',
        'Think of another sentence that means the same as: "{text}" What both say, in one word:"',
    ),
    "information extraction": (
        'Find who or what this text is mainly about: "{text}" The main entity in one word:"',
        'Find the fact or event that this text reports: "{text}" The key fact in one word:"',
    ),
}
"""The templates of ``metaeol``, two for each of the tasks of Lei et al. 2024, in our words."""

METAEOL = _average(
    "metaeol",
    "MetaEOL",
    [_own(template, "last") for pair in META_TASKS.values() for template in pair],
    "Asks for the text in one word under eight tasks (topic, feeling, paraphrase, facts) and takes "
    "the mean of the eight states: eight forward passes a text.",
)
"""Meta-Task Prompting (Lei et al., ACL 2024, arXiv 2402.18458): the unweighted mean of last-token
states under prompts of different tasks. Their prompts are their own; these are ours."""

GENEOL = Prompt(
    "geneol",
    "GenEOL",
    PROMPTS["prompteol"].template,
    "last",
    "Has the model write eight rewritings of the text (in other words, turned round, what follows "
    "from it, in few words) and takes the mean of nine PromptEOL states, the text's own included: "
    "nine forward passes a text, after the writing, which takes far longer.",
    members=(PROMPTS["prompteol"],),
    rewritings=8,
)
"""GenEOL (Thirukovalluru & Dhingra 2024, arXiv 2410.14635): e = (h(s) + Σ h(t_i)) / (m + 1) with
h the state under PromptEOL and t_i rewritings by the model itself. How it is asked for them is
ours, see ``rewriting``."""

AVERAGED: dict[str, Prompt] = {METAEOL.name: METAEOL, GENEOL.name: GENEOL}
"""Prompts of ours that average over several."""

PUBLISHED = Prompt(
    "published",
    "As published",
    SLOT,
    "last",
    "Reads a text as an embedder's makers do: their prompt, special tokens, pooling and length.",
)
"""A prompt of embedders alone, each with its own words and pooling; see ``published``."""


def find_prompt(name: str) -> Prompt:
    """The prompt called ``name``; of :data:`PUBLISHED` what all models have in common.

    Args:
        name: as at the head of this module, or a prompt, which is given back.

    Raises:
        InputError: an unknown name, a layer that is no number, or a template without its slot.

    >>> find_prompt("promptoel")
    Traceback (most recent call last):
    embfilter_viz.errors.InputError: prompt 'promptoel': unknown; pick one of prompteol, echo, ...
    >>> find_prompt("mean@3:Passage: {text}").layer
    3
    """
    if isinstance(name, Prompt):
        return name
    known = {**PROMPTS, **AVERAGED, PUBLISHED.name: PUBLISHED}
    head, own, body = name.partition(":")
    base, at, layer = head.partition("@")
    if base not in (POOLINGS if own else known):
        raise InputError(
            f"prompt {_shown(name)!r}: unknown; pick one of {', '.join(known)}, or write "
            f"last:TEMPLATE or mean:TEMPLATE"
        )
    if at and not re.fullmatch("[0-9]{1,4}", layer):
        raise InputError(
            f"prompt {_shown(name)!r}: {layer!r} after the @ is not a layer's number; write one, "
            "such as mean@2"
        )
    after = int(layer) if at else None
    if not own:
        return known[base].at(after)
    return Prompt.of([_read(line) for line in body.split("\n")], cast(Pooling, base), after)
