"""The rewritings that ``geneol`` averages over: what did the model write, and is it of any use?"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from embfilter_viz.model import Model
from embfilter_viz.models.encoding.prompts import find_prompt
from embfilter_viz.models.encoding.rewriting import (
    RECIPE,
    ReadingCost,
    Recipe,
    Rewritten,
    fallbacks_sentence,
)
from embfilter_viz.system.progress import Progress, silent
from embfilter_viz.wording import counted

__all__ = ["RewrittenTexts", "cost_of", "rewritten"]


@dataclass(frozen=True)
class RewrittenTexts:
    """Texts with the model's rewritings of them."""

    model: str
    """What the user typed to choose the model."""
    recipe: Recipe
    """How they were sampled."""
    texts: tuple[Rewritten, ...]
    """(n,) in the order they were given."""
    cost: ReadingCost
    """What one of the texts takes under ``geneol``."""

    @property
    def sentence(self) -> str:
        """The finding in words."""
        return (
            f"{self.model} wrote {self.recipe.sentence}. {fallbacks_sentence(self.texts)} "
            f"{counted(len(self.texts), 'text')} took {round(self.cost.generated):,} generated "
            f"tokens each, on the mean."
        )

    def to_json(self) -> dict[str, Any]:
        """The record under its names on the command line."""
        return {
            "model": self.model,
            "sampling": asdict(self.recipe),
            "texts": [one.to_json() for one in self.texts],
            **self.cost.to_json(),
            "sentence": self.sentence,
        }


def rewritten(
    model: Model,
    texts: Sequence[str],
    recipe: Recipe = RECIPE,
    *,
    progress: Progress = silent,
) -> RewrittenTexts:
    """Have a model rewrite texts, or read from the store what it wrote before.

    Args:
        model: the opened model.
        texts: any texts.
        recipe: how rewritings are sampled.
        progress: told texts as they are done; may raise ``Cancelled``.

    Returns:
        each text with its rewritings.

    Raises:
        InputError: an empty text, or a model that cannot write.
    """
    found = tuple(model.rewritings(texts, recipe, progress=progress))
    return RewrittenTexts(model.name, recipe, found, ReadingCost.of(1 + recipe.m, found))


def cost_of(model: Model, texts: Sequence[str], prompt: str) -> ReadingCost:
    """Return what one of ``texts`` takes under a prompt; rewritings are written if they were not.

    Raises:
        InputError: as of :func:`rewritten`.
    """
    asked = find_prompt(prompt)
    return ReadingCost.of(asked.forwards, model.rewritings(texts) if asked.rewritings else ())
