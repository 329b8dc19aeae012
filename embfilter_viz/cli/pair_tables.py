"""Two texts side by side, as text for a terminal."""

from typing import TYPE_CHECKING

from embfilter_viz.cli.tables import columns, paragraph, tokens_beside
from embfilter_viz.wording import fixed, spanned

if TYPE_CHECKING:
    from embfilter_viz.analyses.pair import Pair, PairWords
    from embfilter_viz.analyses.text_matrix import TextMatrix
    from embfilter_viz.embeddings.interval import Interval

__all__ = ["band_table", "cosine_table", "matrix_tables", "pair_words"]

MATRIX_IN_FULL = 15
"""Texts up to which their cosines are printed."""


def pair_words(report: "Pair", longest: int) -> str:
    """The whole report in words and tables; ``longest`` is how many tokens a text may have."""
    window = report.window
    blocks = [
        paragraph(f"window {window} {window.description}"),
        paragraph(report.sentence),
        paragraph(report.ends_sentence),
    ]
    if report.truncated:
        blocks.append(
            f"These texts were cut to the {longest:,} tokens that the model can read: "
            f"{report.truncated}"
        )
    if report.matrix is not None:
        blocks += ["", paragraph(report.matrix.sentence), matrix_tables(report.matrix), ""]
        blocks += ["What follows is about the first two texts."]
    blocks += ["", cosine_table(report), "", band_table(report)]
    for title, words in (("", report.words), (", filtered", report.filtered_words)):
        removed = f"with the mean of {report.reference.said} removed"
        blocks += ["", f"words, {removed}{title}", _words(words)]
    return "\n".join(blocks)


def cosine_table(report: "Pair") -> str:
    """The four cosines, each with its percentile."""
    from embfilter_viz.analyses.pair import above

    rows = [["", "cosine", "pairs with a smaller cosine"]]
    rows += [
        [name.replace("_", " "), fixed(value, 4), above(report.percentile[name])]
        for name, value in report.cosine.items()
    ]
    return columns(rows, "<>>")


def band_table(report: "Pair") -> str:
    """Return what each band of directions adds to this cosine and to any, and what it knows."""
    rows = [["directions", "this pair", "any pair", "sd", "AUC of topic", ""]]
    for band, own in zip(report.anatomy.bands, report.bands, strict=True):
        told = ["–", ""] if band.auc is None else [fixed(band.auc.value, 2), _ends(band.auc)]
        middle = [fixed(own, 3), fixed(band.mean.value, 3), fixed(band.spread.value, 3)]
        rows.append([f"{band.left} to {band.right - 1}", *middle, *told])
    return columns(rows, "<>>>><")


def matrix_tables(found: "TextMatrix") -> str:
    """Cosines of each text with each, a table a kind."""
    if len(found.texts) > MATRIX_IN_FULL:
        return f"The cosines of more than {MATRIX_IN_FULL} texts do not fit here; --json has them."
    numbers = [str(i) for i in range(1, len(found.texts) + 1)]
    blocks = []
    for name, X in found.cosines.items():
        head = [name.replace("_", " "), *numbers]
        rows = [
            [number, *(fixed(x, 2) for x in row)]
            for number, row in zip(numbers, X.tolist(), strict=True)
        ]
        blocks.append(columns([head, *rows], ">" * len(head)))
    return "\n\n".join(blocks)


def _words(words: "PairWords") -> str:
    named = [("both", words.shared), ("first", words.first_only), ("second", words.second_only)]
    return tokens_beside(named, logits=False)


def _ends(one: "Interval") -> str:
    return f"[{spanned(one.low, one.high, 2)}]".replace(" to ", ", ")
