"""The lens by layer, and relative to other texts, as text for a terminal."""

from typing import TYPE_CHECKING

from embfilter_viz.cli.tables import cells, columns, lens_table, paragraph
from embfilter_viz.wording import fixed

if TYPE_CHECKING:
    from embfilter_viz.analyses.lens import LayerLens
    from embfilter_viz.analyses.position_lens import PositionsReport
    from embfilter_viz.analyses.relative_lens import RelativeLens
    from embfilter_viz.analyses.translated_lens import LensTranslators
    from embfilter_viz.embeddings.interval import Interval

__all__ = ["RELATIVE", "layers_words", "positions_words", "relative_words", "translators_words"]

RELATIVE = ("e - mean", "and filtered")
"""What the two sides of the relative lens are called."""

COLUMNS = 9
"""Tokens of a prompt that stand side by side in a terminal of 100 columns."""

CELL = 8
"""Columns of a terminal that one token takes there."""

WIDEST = 42
"""Columns of a terminal that the tokens of one layer may take on either side."""


def relative_words(found: "RelativeLens") -> str:
    """The tokens relative to other texts, and where the texts' own tokens stand."""
    blocks = [
        paragraph(f"With the mean of {found.reference.said} removed:"),
        lens_table(found.lens, RELATIVE),
        paragraph(f"This text: {found.own.sentence}"),
    ]
    if found.over_texts is not None:
        rows = [["median rank of own tokens", "", "95 %"]]
        rows += [
            [name.replace("_", " "), fixed(one.value, 0), f"[{one.low:,.0f}, {one.high:,.0f}]"]
            for name, one in found.over_texts.median.items()
        ]
        blocks += [paragraph(found.over_texts.sentence), columns(rows, "<><")]
    if found.layers is not None:
        blocks.append(layers_words(found.layers, RELATIVE))
    return "\n\n".join(blocks)


def layers_words(found: "LayerLens", names: tuple[str, str]) -> str:
    """The top tokens after each layer, raw and filtered; as many as fit."""
    rows = [["layer", *names]]
    for layer, (raw, filtered) in enumerate(zip(found.raw, found.filtered, strict=True)):
        rows.append([str(layer), *(_fitting([t.text for t in side]) for side in (raw, filtered))])
    return columns(rows, "><<")


def positions_words(found: "PositionsReport") -> str:
    """The map of every side: a line a layer, a column a token, as many columns as fit."""
    from embfilter_viz.models.head.vocabulary import visible

    shown = slice(max(0, len(found.tokens) - COLUMNS), None)
    blocks = []
    for side, one in found.maps.items():
        head = ["layer", *(_cut(visible(token)) for token in found.tokens[shown])]
        rows = [
            [str(layer), *(_cut(visible(text)) or "–" for text in row[shown])]
            for layer, row in enumerate(one.texts)
        ]
        title = f"By layer and token, {side.replace('_', ' and ')}: {one.sentence}"
        if shown.start:
            title += f" The last {COLUMNS} of {len(found.tokens)} tokens are shown; --json has all."
        blocks += [paragraph(title), columns([head, *rows], ">" + "<" * (len(head) - 1))]
    if found.path is not None:
        rows = [["layer", *(name.replace("_", " ") for name in found.path.ranks)]]
        for layer, ranks in enumerate(zip(*found.path.ranks.values(), strict=True)):
            rows.append([str(layer), *("–" if rank < 0 else f"{rank + 1:,}" for rank in ranks)])
        blocks += [paragraph(found.path.sentence), columns(rows, ">" * len(rows[0]))]
    return "\n\n".join(blocks)


def translators_words(found: "LensTranslators") -> str:
    """Say how far each layer reads from the model's output: plain, translated, and the control."""
    rows = [["layer", "plain, bits", "translated", "less than the control by"]]
    for layer, row in enumerate(
        zip(found.plain, found.translated, found.beyond_constant, strict=True)
    ):
        rows.append([str(layer), *(_in_bits(one) for one in row)])
    about = (
        f"Fitted on {found.n_states:,} tokens of {found.n_fitted} of {found.source}, tested on "
        f"{found.n_tested} others."
    )
    return "\n\n".join([paragraph(found.sentence), paragraph(about), columns(rows, ">>>>")])


def _in_bits(one: "Interval") -> str:
    return f"{fixed(one.value, 1)} [{fixed(one.low, 1)}, {fixed(one.high, 1)}]"


def _cut(text: str) -> str:
    return text if cells(text) <= CELL else text[: CELL - 1] + "…"


def _fitting(texts: list[str]) -> str:
    from embfilter_viz.models.head.vocabulary import visible

    said = ""
    for text in texts:
        longer = f"{said}  {visible(text)}" if said else visible(text)
        if cells(longer) > WIDEST:
            break
        said = longer
    if said or not texts:
        return said or "equal to the mean"
    return visible(texts[0])[: WIDEST - 1] + "…"
