"""The paper's own figures to stand beside a model's: its rows for the backbone, or the nearest."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from embfilter_viz.data import paper_table
from embfilter_viz.evaluation.paper_tasks import COLUMNS
from embfilter_viz.model import Model
from embfilter_viz.models.sources.names import without_place

__all__ = ["BACKBONES", "PaperRows", "paper_rows"]

BACKBONES: Mapping[str, tuple[int, float]] = MappingProxyType(
    {
        "Qwen2.5-0.5B": (896, 0.494e9),
        "Llama-3.1-8B-Instruct": (4096, 8.03e9),
        "Mistral-7B-Instruct-v0.3": (4096, 7.25e9),
    }
)
"""The paper's models with their d_model and number of parameters, as their makers state them."""
_PROMPTS = {"prompteol": "PromptEOL", "echo": "ECHO", "metaeol": "MetaEOL"}


@dataclass(frozen=True)
class PaperRows:
    """Rows of the paper's main table: one backbone under one prompt."""

    backbone: str
    """() the model they are of."""
    prompt: str
    """() the prompt they are of, by the paper's name."""
    same_backbone: bool
    """() whether that is the model asked about: its name and its width are the same."""
    same_prompt: bool
    """() whether that is the prompt asked about, read after the last layer."""
    rows: Mapping[str, Mapping[str, float]]
    """By "raw", "tau_2", "tau_4", "tau_8": score by MTEB's category; "average" is over data sets.
    A row that the paper does not have is not there."""

    @property
    def sentence(self) -> str:
        """Say whose figures they are."""
        which = f"{self.backbone} with {self.prompt}"
        if self.same_backbone and self.same_prompt:
            said = f"The starred figures are the paper's own for {which}"
        else:
            missing = [
                *([] if self.same_backbone else ["model"]),
                *([] if self.same_prompt else ["prompt"]),
            ]
            another = " and ".join(f"another {one}" for one in missing)
            said = f"The starred figures are of {another}: the paper's nearest rows, {which}"
        if self.prompt == "MetaEOL":
            said += ", whose templates are not ours"
        return f"{said}."


def paper_rows(model: Model, prompt: str) -> PaperRows:
    """The paper's rows for a model under a prompt.

    A model that the paper does not have gets those of the backbone nearest in parameters, and a
    prompt that it does not have those of PromptEOL.
    """
    asked = model.prompt(prompt)
    last = model.layer_read(prompt) == model.n_layers
    known = _PROMPTS.get(asked.base) if last and not asked.is_own else None
    name = without_place(model.name).partition("@")[0].rpartition("/")[2].lower()
    same = next(
        (one for one, (d, _) in BACKBONES.items() if one.lower() == name and d == model.d_model),
        None,
    )
    size = math.log(max(model.card.parameters, 1))
    backbone = same or min(BACKBONES, key=lambda one: abs(math.log(BACKBONES[one][1]) - size))
    table = [row for row in paper_table("main_results") if row["backbone"] == backbone]
    if known not in {row["prompt"] for row in table}:
        known = None
    of_prompt = known or "PromptEOL"
    rows = {
        "raw" if row["tau"] is None else f"tau_{row['tau']}": {
            **{kind: _number(row[column]) for kind, column in COLUMNS.items()},
            "average": _number(row["average"]),
        }
        for row in table
        if row["prompt"] == of_prompt
    }
    return PaperRows(backbone, of_prompt, same is not None, known is not None, rows)


def _number(cell: object) -> float:
    assert isinstance(cell, int | float)
    return float(cell)
