"""The command that answers all steps of the lesson, and writes the teacher's sheet."""

import click

from embfilter_viz.cli.inputs import opened_model, window_of
from embfilter_viz.cli.options import (
    encodes,
    json_option,
    model_argument,
    prompt_option_with,
    tau_option,
    window_option,
)
from embfilter_viz.cli.output import print_record
from embfilter_viz.cli.outputs import output_option, placed_too
from embfilter_viz.cli.reporting import watched

__all__ = ["lesson"]


@click.command(
    short_help="Show why two sentences look alike: the lesson's seven answers.",
    epilog="""Example: embfilter-viz lesson smollm2-135m "A man plays guitar." "A cat sleeps."

    JSON: {"answers": [7], "seen": [7 sentences], "pair": {…}, "alike": {"raw": [[token, …], …],
    "filtered": …, "common": {"raw", "filtered"}, …}, "by_eye": {"chosen", "raw", "tau_2",
    "parts_most", …}, "worth": {"scores": {"raw": {"score", "to_raw"}, …}, …}, "distances": {…}}""",
)
@model_argument
@click.argument("texts", nargs=2, metavar="TEXT TEXT")
@prompt_option_with("mean", "the prompt mean shows most plainly what texts share")
@tau_option
@window_option
@output_option("SHEET.html", "Write the teacher's sheet as well; - for standard output.")
@encodes
@json_option
def lesson(model: str, texts: tuple[str, str], prompt: str, tau: str | None, window: str | None,
           output: str | None, force: bool, as_json: bool) -> None:  # fmt: skip
    """Show why two sentences look alike, in the seven steps of the explorer's lesson.

    It includes what the page Start shows: the cosine of the two sentences among those of other
    pairs, the tokens that both decode to, the directions that the cosine comes from, and the score
    of the window and its controls on 160 graded pairs. The teacher's sheet holds questions, answers
    and figures.
    """
    from embfilter_viz.analyses.lesson import lesson as answered
    from embfilter_viz.analyses.lesson_steps import STEPS
    from embfilter_viz.cli.tables import paragraph

    with placed_too(output, ".html", force=force) as target:
        opened = opened_model(model)
        chosen = window_of(opened, tau, window)
        with watched() as progress:
            found = answered(opened, texts, prompt, chosen, progress=progress)
        if target is not None:
            from embfilter_viz.export.lesson_sheet import lesson_sheet
            from embfilter_viz.export.session import save_report

            save_report(target, lesson_sheet(opened, found), force=force)

    def words() -> str:
        steps = [
            f"{number}. {step.title}\n{paragraph(seen)}"
            for number, (step, seen) in enumerate(zip(STEPS, found.seen, strict=True), start=1)
        ]
        more = paragraph(f"{found.worth.mistaken_sentence} {found.distances.sentence}")
        return "\n\n".join([*steps, more])

    print_record(found.to_json(), as_json, words)
