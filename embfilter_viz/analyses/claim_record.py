"""What the verdicts on the twelve claims are kept in: a claim, its numbers, and all of them."""

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from embfilter_viz.analyses.claim_rules import FAILS, HOLDS, NOT_DECIDED, RULES, Rule
from embfilter_viz.analyses.finite import finite
from embfilter_viz.embeddings.interval import Interval
from embfilter_viz.models.encoding.prompts import find_prompt
from embfilter_viz.spectral.edge_to_bulk import times
from embfilter_viz.wording import bracketed, decimals, fixed, listed, signed, spanned

__all__ = ["Claim", "Claims", "Figure"]


@dataclass(frozen=True)
class Figure:
    """A number with its name, its unit and its interval, or the range over random draws.

    >>> Figure("τ = 2 less raw", Interval(2.61, 1.6, 3.62), "points").words
    '+2.6 [+1.6, +3.6]'
    >>> Figure("20 random subspaces", Interval(0.897, 0.883, 0.908), "cosine", drawn=True).words
    '0.897 (0.883 to 0.908)'
    """

    name: str
    """What it is of."""
    interval: Interval
    """The number and its ends; NaN where there are none."""
    unit: str
    """``share``, ``times``, ``cosine``, ``change`` (of a cosine), ``points`` or ``rounding``."""
    drawn: bool = False
    """Whether the ends are the least and the greatest of random draws, and no interval."""

    @property
    def words(self) -> str:
        """The number with its interval in brackets, or with its range in parentheses."""
        value, low, high = self._scaled
        if self.unit == "rounding":
            return f"{value:.0e}"
        if self.unit == "times":
            said, ends = times(value), (times(low), times(high))
        else:
            signs = self.unit in ("points", "change")
            digits = 1 if self.unit in ("points", "share") else 3
            if not self.drawn:
                digits = decimals([low, high], digits) if signs else digits
                percent = " %" if self.unit == "share" else ""
                return bracketed(value, low, high, digits, sign=signs) + percent
            word = signed if signs else fixed
            said, ends = word(value, digits), (word(low, digits), word(high, digits))
        if math.isnan(low):
            return said
        joined = f"({ends[0]} to {ends[1]})" if self.drawn else f"[{ends[0]}, {ends[1]}]"
        return f"{said} {joined}" + (" %" if self.unit == "share" else "")

    @property
    def ends(self) -> str:
        """The interval in words, for a sentence."""
        _, low, high = self._scaled
        if self.unit == "times":
            return f"{times(low)} to {times(high)}"
        signs = self.unit in ("points", "change")
        least = 1 if self.unit in ("points", "share") else 3
        return spanned(low, high, decimals([low, high], least) if signs else least, sign=signs)

    @property
    def _scaled(self) -> tuple[float, float, float]:
        one, factor = self.interval, 100 if self.unit == "share" else 1
        return factor * one.value, factor * one.low, factor * one.high

    def to_json(self) -> dict[str, Any]:
        """The figure under its names on the command line; a share is a share, not per cent."""
        one = self.interval
        return {
            "name": self.name, "value": one.value, "low": one.low, "high": one.high,
            "unit": self.unit, "ends": "least and greatest" if self.drawn else "95 %",
        }  # fmt: skip


@dataclass(frozen=True)
class Claim:
    """One claim, decided or not."""

    rule: Rule
    """What is claimed and how it is decided."""
    verdict: str
    """``holds``, ``fails`` or ``not decided``."""
    sentence: str
    """The finding in words; why there is none where it could not be measured."""
    figures: tuple[Figure, ...] = ()
    """The statistic: what the rule looks at."""
    controls: tuple[Figure, ...] = ()
    """What stands beside it: one to each figure, or others."""
    details: tuple[Figure, ...] = ()
    """Numbers that the verdict does not go by: those of each task, most often."""
    more: Mapping[str, Any] = field(default_factory=dict)
    """What else the sentence speaks of, by name: counts, and numbers of the analysis it is from."""
    decider: int = 0
    """Which of the figures decided."""
    measured: bool = True
    """Whether it could be measured."""

    @property
    def number(self) -> int:
        """1 to 12."""
        return self.rule.number

    @property
    def figure(self) -> Figure | None:
        """The figure that decided."""
        return self.figures[self.decider] if self.figures else None

    @property
    def control(self) -> Figure | None:
        """The control of that figure."""
        if not self.controls:
            return None
        return self.controls[self.decider if len(self.controls) == len(self.figures) else 0]

    def to_json(self) -> dict[str, Any]:
        """The claim under its names on the command line."""
        figure, control = self.figure, self.control
        one = figure.interval if figure else Interval(math.nan, math.nan, math.nan)
        return {
            "claim": self.number,
            "title": self.rule.claim,
            "verdict": self.verdict,
            "statistic": self.rule.statistic,
            "value": one.value, "low": one.low, "high": one.high,
            "of": figure.name if figure else None,
            "control": control.to_json() if control else None,
            "controlled_by": self.rule.control,
            "figures": [each.to_json() for each in self.figures],
            "controls": [each.to_json() for each in self.controls],
            "details": [each.to_json() for each in self.details],
            "more": dict(self.more),
            "rule": {"holds": self.rule.holds, "fails": self.rule.fails, "note": self.rule.note},
            "measured": self.measured,
            "sentence": self.sentence,
        }  # fmt: skip


@dataclass(frozen=True)
class Claims:
    """The twelve claims on one model under one prompt."""

    model: str
    """What the user typed to choose it."""
    prompt: str
    """How texts were put to the model."""
    data: tuple[Mapping[str, Any], ...]
    """One a task: kind, measure, unit, n_units, n_texts, source, notes."""
    n_texts: int
    """Texts of all tasks together, each once."""
    n_read: int
    """Texts that claims 1, 4, 5 and 6 were measured on."""
    claims: tuple[Claim, ...]
    """(12,) in the paper's order, or as many as are known."""

    @property
    def sentence(self) -> str:
        """Say how many hold, how many fail and how many are open, and which."""
        found = {
            verdict: [str(one.number) for one in self.claims if one.verdict == verdict]
            for verdict in (HOLDS, FAILS, NOT_DECIDED)
        }
        words = {
            HOLDS: ("holds", "hold"), FAILS: ("fails", "fail"),
            NOT_DECIDED: ("is not decided", "are not decided"),
        }  # fmt: skip
        said = [
            f"{len(numbers)} {words[verdict][len(numbers) != 1]} ({listed(numbers)})"
            for verdict, numbers in found.items()
            if numbers
        ]
        if not said:
            return f"none of the {len(RULES)} claims is decided yet."
        return f"of the paper's {len(RULES)} claims {listed(said)}."

    @property
    def about(self) -> str:
        """Return what they were decided on, in words."""
        tasks = listed([f"{one['measure']} over {one['n_units']:,} {one['unit']} of "
                        f"{one['source']}" for one in self.data])  # fmt: skip
        prompt = find_prompt(self.prompt).words
        return f"Prompt {prompt}. {self.about_texts} Claims 7 to 11 are scored on {tasks}."

    @property
    def about_texts(self) -> str:
        """Say how many texts claims are measured on that score nothing."""
        some = f"{self.n_read:,}" if self.n_read < self.n_texts else "all"
        return (
            f"Claims 1, 4, 5 and 6 are measured on {some} of the {self.n_texts:,} texts, claims 2, "
            "3 and 12 on the head and the token frequencies alone."
        )

    @property
    def verdicts(self) -> Counter[str]:
        """Say how many claims have each verdict."""
        return Counter(one.verdict for one in self.claims)

    def to_json(self) -> dict[str, Any]:
        """The record under its names on the command line."""
        return finite(
            {
                "model": self.model,
                "prompt": self.prompt,
                "layer": find_prompt(self.prompt).layer,
                "data": [dict(one) for one in self.data],
                "n_texts": self.n_texts,
                "n_texts_read": self.n_read,
                "claims": [one.to_json() for one in self.claims],
                "verdicts": dict(self.verdicts),
                "sentence": self.sentence,
            }
        )
