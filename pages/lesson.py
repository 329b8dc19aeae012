"""The lesson: seven steps, each with a guess, the figure that answers it, and one thing to move."""

from typing import TYPE_CHECKING

import streamlit as st

from embfilter_viz.analyses.lesson_steps import MISREADINGS, STEPS, Choice, Step
from embfilter_viz.ui import formulas
from embfilter_viz.ui.chart import chart
from embfilter_viz.ui.choices import View
from embfilter_viz.ui.commands import command_line
from embfilter_viz.ui.lesson_state import (
    SKIPPED,
    ask_guess,
    current_step,
    go_to,
    guess_of,
    steps_row,
)
from embfilter_viz.ui.page import answer, folds, show
from embfilter_viz.ui.pair_inputs import two_sentences
from embfilter_viz.ui.prose import prose
from embfilter_viz.ui.see import light_up
from embfilter_viz.ui.sources import about_texts
from embfilter_viz.ui.whole import reads_texts

if TYPE_CHECKING:
    from embfilter_viz.ui.lesson_parts import Parts

CHART = "lesson_chart"


def body(view: View) -> None:
    from embfilter_viz.ui.lesson_parts import Parts

    if not reads_texts(view.model):
        return
    two = two_sentences()
    about_texts(", ".join(f"“{text}”" for text in two))
    number = current_step()
    step = STEPS[number - 1]
    steps_row(number)
    st.html(
        f'<h2 class="step-heading" tabindex="-1">Step {number} of {len(STEPS)} · {step.title}</h2>'
    )
    parts = Parts(view, two)
    prose(step.text)
    if number == 6:
        _by_eye_cosine(parts)
    guess = ask_guess(number, step)
    if guess is not None:
        DRAWN[number - 1](parts, None if guess == SKIPPED else guess)
        st.markdown("**Now move something**")
        prose(step.move)
        if number == 3:
            _direction(parts)
        if number == len(STEPS):
            _misreadings(parts)
    _onwards(number)
    light_up(f"step {number}", key="see_step")
    _sheet(parts)
    _folds(view)


def _told(step: Step, guess: float | str | None, value: float | str, seen: str) -> None:
    """The guess beside the answer, and what should be seen."""
    if guess is not None:
        st.markdown(f"You guessed **{_said(step, guess)}**. It is **{_said(step, value)}**.")
    answer(seen)


def _said(step: Step, value: float | str) -> str:
    form = step.guess
    return form.said(str(value)) if isinstance(form, Choice) else form.said(float(value))


def _one(parts: "Parts", guess: float | None) -> None:
    from embfilter_viz.analyses import lesson_seen as seen
    from embfilter_viz.figures import alike

    found = parts.pair()
    if found is None:
        return
    report, ready = found
    chart(
        alike.alike_sketch(report, ready, guess=guess),
        key=CHART, table=lambda: alike.alike_table(report, ready), name="lesson-1",
        stamp=f"1-{report.window}",
    )  # fmt: skip
    prose("{Grey|1,2}: raw, as the model gives them. {Green|4,5}: filtered. Hills: all pairs of "
          "other texts. Lines: your two sentences.", small=True, figure=CHART)  # fmt: skip
    _told(STEPS[0], guess, report.cosine["raw"], seen.of_two(report, ready.median))


def _two(parts: "Parts", guess: float | None) -> None:
    from embfilter_viz.analyses import lesson_seen as seen
    from embfilter_viz.figures import lesson as figures

    found = parts.alike()
    if found is None:
        return
    chart(
        figures.common_sketch(found, guess=guess),
        key=CHART, table=lambda: figures.common_table(found), name="lesson-2",
        stamp=f"2-{found.window}",
    )  # fmt: skip
    parts.tokens(found)
    _told(STEPS[1], guess, found.common[0], seen.of_tokens(found))


def _three(parts: "Parts", guess: float | None) -> None:
    from embfilter_viz.analyses import lesson_seen as seen
    from embfilter_viz.analyses.spectrum import describe_spectrum
    from embfilter_viz.figures import spectrum

    model, window = parts.view.model, parts.view.window
    report = describe_spectrum(model)
    chart(
        spectrum.spectrum_figure(
            [(model.name, report.spectrum)], window, chosen=parts.direction_index, guess=guess,
            height=320,
        ),
        key=CHART, table=lambda: spectrum.spectrum_table(report.spectrum, window),
        name="lesson-3", texts="", stamp=f"3-{window}",
    )  # fmt: skip
    _told(STEPS[2], guess, report.spectrum.condition_number, seen.of_spectrum(report))


def _four(parts: "Parts", guess: str | None) -> None:
    from embfilter_viz.analyses import lesson_seen as seen
    from embfilter_viz.figures import average_token
    from embfilter_viz.figures import lesson as figures

    found, window = parts.shifts(), parts.view.window
    if found is None:
        return
    spans = () if guess is None else figures.ends_spans(guess, window.d)
    chart(
        average_token.shift_figure(found, window, guess=spans, height=360),
        key=CHART, table=lambda: average_token.shift_table(found), name="lesson-4", texts="",
        stamp=f"4-{window}",
    )  # fmt: skip
    _told(STEPS[3], guess, found.edge_to_bulk.verdict, seen.of_shifts(found))


def _five(parts: "Parts", guess: float | None) -> None:
    from embfilter_viz.analyses import lesson_seen as seen
    from embfilter_viz.figures import anatomy
    from embfilter_viz.figures import lesson as figures

    found = parts.pair()
    if found is None:
        return
    report, _ = found
    chart(
        figures.share_sketch(report, guess=guess),
        key=CHART, table=lambda: figures.share_table(report), name="lesson-5",
        stamp=f"5-{report.window}",
    )  # fmt: skip
    chart(
        anatomy.anatomy_sketch(report.anatomy, report.window, own=report.bands, height=400),
        key="lesson_anatomy",
        table=lambda: anatomy.anatomy_table(report.anatomy, report.bands),
        name="lesson-5-anatomy", texts=report.reference.said, stamp=f"5-{report.window}",
    )  # fmt: skip
    prose("{Bars|0}: what each part of the [[spectrum]] adds to the [[cosine]] of a pair, on "
          "average. {Diamonds|2}: what it adds to the cosine of your two sentences. {Dots|5}: how "
          "well it tells topics apart ([[AUC]]).",
          small=True, figure="lesson_anatomy")  # fmt: skip
    st.metric(
        "What the window keeps of the cosine of your two sentences",
        f"{report.kept:z.2f} of {report.cosine['raw']:z.2f}",
    )
    _told(STEPS[4], guess, 100 * seen.ends_share(report), seen.of_anatomy(report))


def _by_eye_cosine(parts: "Parts") -> None:
    """Show what there is to see before the guess: the cosine of the two under the window."""
    found = parts.by_eye()
    if found is None:
        return
    st.metric(
        f"Cosine of your two sentences under the window {found.chosen.window}",
        f"{found.chosen.cosine:z.2f}",
        help=f"The raw cosine is {found.raw.cosine:z.2f}. At τ = 2 the cosine is "
        f"{found.tau_2.cosine:z.2f}.",
    )
    st.caption(f"The raw embeddings score {found.raw.score:z.1f} on the 160 pairs.")


def _six(parts: "Parts", guess: float | None) -> None:
    from embfilter_viz.figures import lesson as figures

    found = parts.by_eye()
    if found is None:
        return
    chart(
        figures.by_eye_sketch(found, guess=guess),
        key=CHART, table=lambda: figures.by_eye_table(found), name="lesson-6",
        stamp=f"6-{found.chosen.window}",
    )  # fmt: skip
    prose("{Small points|0} are windows of a grid. {Your window|4}, {τ = 2|2} and {raw|1} are "
          "labelled, and so is the window that {separates the two most|3}.", small=True,
          figure=CHART)  # fmt: skip
    _told(STEPS[5], guess, found.chosen.score, found.sentence)


def _seven(parts: "Parts", guess: str | None) -> None:
    from embfilter_viz.analyses import lesson_seen as seen
    from embfilter_viz.analyses.worth import CONTROLS, MISTAKEN
    from embfilter_viz.figures import worth

    found = parts.worth()
    if found is None:
        return
    chart(
        worth.worth_sketch(found, (*CONTROLS, *MISTAKEN), guess=guess, height=420),
        key=CHART, table=lambda: worth.worth_table(found), name="lesson-7", texts=found.said,
        stamp=f"7-{found.window}",
    )  # fmt: skip
    _told(STEPS[6], guess, seen.most_of_controls(found), seen.of_controls(found))


DRAWN = (_one, _two, _three, _four, _five, _six, _seven)


def _direction(parts: "Parts") -> None:
    """The one thing to move at step 3: a direction, and the tokens it writes."""
    from embfilter_viz.figures import spectrum

    found = parts.direction()
    if found is not None:
        chart(
            lambda: spectrum.direction_figure(found, parts.view.model.d_vocab, height=430),
            key="lesson_direction", of=found, table=lambda: spectrum.direction_table(found),
            name="lesson-3-direction", texts="", stamp=str(found.index),
        )  # fmt: skip


def _misreadings(parts: "Parts") -> None:
    """Show what the filter is taken for, and what this model says to that."""
    found, kept = parts.worth(), parts.distances()
    if found is None or kept is None:
        return
    st.subheader("What it does not mean", anchor=False)
    for claim, why in MISREADINGS.items():
        prose(f"**“{claim}.”** No. {why}")
    answer(f"{found.mistaken_sentence} {kept.sentence}")


def _onwards(number: int) -> None:
    """Back and forth between the steps."""
    with st.container(horizontal=True, key="lesson_onwards"):
        st.button("Back", key="lesson_back", icon=":material/arrow_back:", on_click=go_to,
                  args=(max(number - 1, 1),), disabled=number == 1)  # fmt: skip
        if number < len(STEPS):
            done = guess_of(number) is not None
            st.button("Next step", key="lesson_next", icon=":material/arrow_forward:",
                      icon_position="right", type="primary" if done else "secondary",
                      on_click=go_to, args=(number + 1,))  # fmt: skip
        else:
            st.page_link("pages/claims.py", icon=":material/fact_check:",
                         label="The paper's twelve claims on this model")  # fmt: skip
            st.page_link("pages/window_lab.py", icon=":material/science:",
                         label="Do the same with your own data")  # fmt: skip


def _sheet(parts: "Parts") -> None:
    """The teacher's sheet, made when it is asked for."""
    fold = st.expander("For teachers: all steps and answers on one sheet",
                       icon=":material/print:", key="fold_sheet", on_change="rerun")  # fmt: skip
    if fold.open:
        with fold:
            page = parts.sheet()
            if page is not None:
                st.download_button("Download the sheet", page, "lesson.html", "text/html",
                                   on_click="ignore", icon=":material/download:")  # fmt: skip


def _folds(view: View) -> None:
    folds(
        formula=formulas.START,
        python=(
            "from embfilter_viz import Window, open_model\n"
            "from embfilter_viz.analyses.lesson import lesson\n"
            f"model = {view.opening}\n"
            f"window = Window.parse({view.spec!r}, model.d_model)\n"
            f"found = lesson(model, (first, second), {view.prompt!r}, window)\n"
            "found.answers, found.seen"
        ),
        command=command_line(
            "lesson",
            *view.model_words,
            "TEXT",
            "TEXT",
            *view.prompt_words,
            *view.window_words,
            *view.running_words,
            "-o",
            "sheet.html",
        ),
    )


show("Lesson", body)
