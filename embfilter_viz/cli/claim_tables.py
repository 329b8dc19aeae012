"""The verdicts on the claims, as text for a terminal."""

import textwrap
from typing import TYPE_CHECKING

from embfilter_viz.cli.tables import paragraph

if TYPE_CHECKING:
    from embfilter_viz.analyses.claim_record import Claim, Claims

__all__ = ["claims_in_words"]


def claims_in_words(found: "Claims") -> str:
    """All verdicts, each with its numbers and its rule."""
    blocks = [paragraph(found.sentence), paragraph(found.about)]
    blocks += [_claim(one) for one in found.claims]
    notes = dict.fromkeys(one.rule.note for one in found.claims if one.rule.note)
    return "\n\n".join([*blocks, *(paragraph(f"{note}.") for note in notes)])


def _claim(one: "Claim") -> str:
    head = f"{one.number:2}  {one.verdict.upper()}: {one.rule.claim}"
    lines = [one.sentence]
    lines += [f"{figure.name}: {figure.words}" for figure in one.figures]
    lines += [f"control, {figure.name}: {figure.words}" for figure in one.controls]
    lines += [f"{figure.name}: {figure.words}" for figure in one.details]
    lines.append(f"Rule: {one.rule.text}")
    return "\n".join([head, *(textwrap.indent(paragraph(line), "    ") for line in lines)])
