"""The teacher's sheet: the lesson's steps, one model's answers and figures, in one HTML page."""

from datetime import datetime

from embfilter_viz.analyses.lesson import Lesson
from embfilter_viz.analyses.lesson_steps import MISREADINGS, STEPS, Choice, Step
from embfilter_viz.analyses.worth import CONTROLS, MISTAKEN
from embfilter_viz.data.marks import without_marks
from embfilter_viz.export.session import about_name, about_section
from embfilter_viz.figures import alike, anatomy, average_token, spectrum, worth
from embfilter_viz.figures import lesson as figures
from embfilter_viz.figures.report import Section, Table, report
from embfilter_viz.model import Model
from embfilter_viz.models.encoding.prompts import find_prompt
from embfilter_viz.models.head.vocabulary import visible

__all__ = ["lesson_sheet"]

LINE = "_" * 24

SHARED = 2
"""The step that asks what the two share."""


def lesson_sheet(model: Model, found: Lesson) -> str:
    """The sheet as one HTML document, to be opened without a network and printed.

    Args:
        model: the opened model.
        found: its answers.
    """
    first, second = found.texts
    prompt = find_prompt(found.prompt).words
    begin = Section(
        "The two sentences",
        (
            f"“{first}”",
            f"“{second}”",
            f"Prompt {prompt}. The window {found.window.description}.",
        ),
    )
    steps = [_section(number, step, found) for number, step in enumerate(STEPS, start=1)]
    about = about_section(model, found.window, prompt=found.prompt)
    return report(
        f"Why do two unrelated sentences look alike? Seven steps on {about_name(model)}",
        [begin, *steps, _misread(found), about],
        made=datetime.now(),
    )


def _section(number: int, step: Step, found: Lesson) -> Section:
    answer = found.answers[number - 1]
    return Section(
        f"{number}. {step.title}",
        (
            without_marks(step.text),
            f"Question: {step.ask} {_choices(step)}Guess: {LINE}",
            f"Answer: {_answer(step, answer)}. What should be seen: {found.seen[number - 1]}",
            *(_tokens(found) if number == SHARED else ()),
            f"To move: {without_marks(step.move)}",
        ),
        *_shown(number, found),
    )


def _tokens(found: Lesson) -> tuple[str, ...]:
    """Return what either sentence decodes to; on paper no fold opens."""
    alike = found.alike
    return tuple(
        f"{variant}, the {which} sentence: {'   '.join(visible(one.text) for one in tokens)}"
        for variant, two in (("Raw", alike.raw), ("Filtered", alike.filtered))
        for which, tokens in zip(("first", "second"), two, strict=True)
    )


def _choices(step: Step) -> str:
    if not isinstance(step.guess, Choice):
        return ""
    return f"({'; '.join(step.guess.answers.values())}) "


def _answer(step: Step, answer: float | str) -> str:
    form = step.guess
    return form.said(str(answer)) if isinstance(form, Choice) else form.said(float(answer))


def _shown(number: int, found: Lesson) -> tuple[tuple, tuple[Table, ...]]:
    """Figures and tables of a step."""
    window, pair = found.window, found.pair
    match number:
        case 1:
            return (alike.alike_figure(pair, found.others),), ()
        case 2:
            table = Table("Tokens", figures.common_table(found.alike))
            return (figures.common_sketch(found.alike).figure(),), (table,)
        case 3:
            curve = (found.spectrum.model, found.spectrum.spectrum)
            return (spectrum.spectrum_figure([curve], window, height=320),), ()
        case 4:
            return (average_token.shift_figure(found.shifts, window, height=340),), ()
        case 5:
            return (
                figures.share_sketch(pair).figure(),
                anatomy.anatomy_sketch(pair.anatomy, window, own=pair.bands).figure(),
            ), (Table("Bands", anatomy.anatomy_table(pair.anatomy, pair.bands)),)
        case 6:
            return (figures.by_eye_sketch(found.by_eye).figure(),), ()
    names = (*CONTROLS, *MISTAKEN)
    return (worth.worth_figure(found.worth, names, height=380),), (
        Table("Scores", worth.worth_table(found.worth)),
    )


def _misread(found: Lesson) -> Section:
    said = [f"“{claim}.” No. {why}" for claim, why in MISREADINGS.items()]
    return Section(
        "What it does not mean",
        (*said, found.worth.mistaken_sentence, found.distances.sentence),
    )
