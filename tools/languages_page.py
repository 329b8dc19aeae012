"""Write docs/languages.md: whether windows chosen by English serve other languages.

    python -m tools.languages_page --page docs/languages.md "SmolLM2-135M=smollm2-135m" \
        "Gemma-3-270M=gemma-3-270m.gguf"

A model is named by what the page calls it, an equals sign, and what opens it.
"""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

from embfilter_viz import open_model
from embfilter_viz.analyses.languages import CONTRASTS, WINDOWS, LanguagesReport, languages
from embfilter_viz.data import DEMO_LANGUAGES
from embfilter_viz.embeddings.interval import Interval
from embfilter_viz.wording import bracketed, fixed

PROMPTS = ("prompteol", "mean")
FINDINGS = Path(__file__).with_name("languages_findings.md")
"""What the numbers allow to be said, in our words; the tables follow it."""


def page(reports: Sequence[tuple[str, LanguagesReport]]) -> str:
    """The whole page."""
    parts = [FINDINGS.read_text(encoding="utf-8").rstrip()]
    for name, report in reports:
        parts += [f"## {name}, prompt {report.prompt}", report.sentence, table(report)]
    return "\n\n".join(parts) + "\n"


def table(report: LanguagesReport) -> str:
    """A row for each window, a column for each language, and the mean over all but English."""
    heads = ["", *(DEMO_LANGUAGES[row.language] for row in report.rows), "mean of the others"]
    return "\n".join(
        "| " + " | ".join(cells) + " |"
        for cells in [heads, ["---"] * len(heads), *_rows(report)]
    )  # fmt: skip


def _rows(report: LanguagesReport) -> Iterator[list[str]]:
    rows = report.rows
    yield ["tokens a character", *(fixed(row.tokens_per_character, 2) for row in rows), ""]
    yield ["raw, Spearman × 100", *(_whole(row.raw) for row in rows), ""]
    for name, words in WINDOWS.items():
        cells = [
            f"`{row.windows[name]}` {_gap(row.to_raw[name])}" if name in row.windows else "–"
            for row in rows
        ]
        yield [words, *cells, _gap(report.to_raw[name])]
    for name in CONTRASTS:
        cells = [_gap(row.contrasts[name]) if row.contrasts else "–" for row in rows]
        yield [name, *cells, _gap(report.contrasts[name])]


def _gap(one: Interval) -> str:
    return bracketed(one.value, one.low, one.high, 1, sign=True)


def _whole(one: Interval) -> str:
    return bracketed(one.value, one.low, one.high, 1)


def main() -> None:
    """Read the arguments, score, and write."""
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    asked.add_argument("models", nargs="+", metavar="NAME=MODEL")
    asked.add_argument("--page", type=Path, required=True)
    given = asked.parse_args()
    reports = []
    for one in given.models:
        name, _, opens = one.partition("=")
        model = open_model(opens)
        reports += [(name, languages(model, prompt)) for prompt in PROMPTS]
    given.page.write_text(page(reports), encoding="utf-8")


if __name__ == "__main__":
    main()
