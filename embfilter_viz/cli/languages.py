"""The command that asks whether English windows serve other languages."""

from typing import TYPE_CHECKING

import click

from embfilter_viz.cli.inputs import opened_model
from embfilter_viz.cli.options import SEED, encodes, json_option, model_argument, prompt_option
from embfilter_viz.cli.output import print_record
from embfilter_viz.cli.reporting import watched
from embfilter_viz.wording import bracketed, fixed

if TYPE_CHECKING:
    from embfilter_viz.analyses.languages import LanguageScores, LanguagesReport
    from embfilter_viz.embeddings.interval import Interval

__all__ = ["languages_command"]


@click.command(
    "languages",
    short_help="Show whether windows chosen by English serve other languages.",
    epilog="""Example: embfilter-viz languages smollm2-135m --prompt mean --only id,ru

    JSON: {"languages": [{"language", "n_pairs", "tokens_per_character", "raw", "windows": {name:
    {"l", "r", "score", "to_raw": {"value", "low", "high"}}}, "contrasts": {name: {…}}}, …],
    "others": {"to_raw", "contrasts"}, "sentence", …}""",
)
@model_argument
@prompt_option
@click.option(
    "--only", metavar="CODE,CODE,…", help="Only these languages.  [default: en,hi,id,ru,zh]"
)
@click.option("--seed", type=SEED, default=0, show_default=True, help="Seed of the resampling.")
@encodes
@json_option
def languages_command(model: str, prompt: str, only: str | None, seed: int, as_json: bool) -> None:
    """Score our graded pairs in five languages, raw and under windows of English and of their own.

    Windows are tau = 2, those proposed from English texts, from texts of the language, from English
    word frequencies and from those of the language, the best one on the English pairs, and both
    halves of the spectrum. Intervals are 95 % paired bootstrap intervals, corrected for all
    differences to raw, or all contrasts, of one language.
    """
    from embfilter_viz.analyses.languages import languages
    from embfilter_viz.cli.tables import paragraph
    from embfilter_viz.data import DEMO_LANGUAGES

    asked = tuple(DEMO_LANGUAGES) if only is None else [one.strip() for one in only.split(",")]
    opened = opened_model(model)
    with watched() as progress:
        found = languages(opened, prompt, asked, seed=seed, progress=progress)

    def words() -> str:
        parts = [paragraph(found.sentence), *(_section(row) for row in found.rows), _others(found)]
        return "\n\n".join(parts)

    print_record(found.to_json(), as_json, words)


def _section(row: "LanguageScores") -> str:
    """One language: raw, its windows, and the contrasts."""
    from embfilter_viz.analyses.languages import WINDOWS
    from embfilter_viz.cli.tables import columns
    from embfilter_viz.data import DEMO_LANGUAGES

    raw = bracketed(row.raw.value, row.raw.low, row.raw.high, 1)
    head = (
        f"{DEMO_LANGUAGES[row.language]}, {row.n_pairs} pairs, "
        f"{fixed(row.tokens_per_character, 2)} tokens a character: raw {raw}"
    )
    rows = [["window", "", "score", "to raw"]]
    rows += [
        [WINDOWS[name], str(window), fixed(row.scores[name], 1), _gap(row.to_raw[name])]
        for name, window in row.windows.items()
    ]
    rows += [[name, "", "", _gap(one)] for name, one in row.contrasts.items()]
    return f"{head}\n{columns(rows, '<<><')}"


def _others(found: "LanguagesReport") -> str:
    """Return the mean differences over the languages that are not English."""
    from embfilter_viz.analyses.languages import WINDOWS
    from embfilter_viz.cli.tables import columns
    from embfilter_viz.wording import listed

    rows = [[WINDOWS[name], _gap(one)] for name, one in found.to_raw.items()]
    rows += [[name, _gap(one)] for name, one in found.contrasts.items()]
    return f"Mean difference to raw over {listed(found.others)}\n{columns(rows, '<<')}"


def _gap(one: "Interval") -> str:
    return bracketed(one.value, one.low, one.high, 1, sign=True)
