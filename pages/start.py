"""Start: why two unrelated sentences look alike, on one screen."""

from typing import TYPE_CHECKING

import streamlit as st

from embfilter_viz.ui import formulas
from embfilter_viz.ui.chart import chart
from embfilter_viz.ui.choices import View
from embfilter_viz.ui.commands import command_line
from embfilter_viz.ui.page import answer, folds, show
from embfilter_viz.ui.pair_inputs import two_sentences
from embfilter_viz.ui.prose import prose
from embfilter_viz.ui.sources import about_texts
from embfilter_viz.ui.whole import reads_texts

if TYPE_CHECKING:
    from embfilter_viz.analyses.pair import Pair
    from embfilter_viz.analyses.reference import ReferenceTexts
    from embfilter_viz.analyses.worth import Worth

HEIGHT = 300


def body(view: View) -> None:
    # Here, not above: a server's first visitor reads the page's words before they are needed.
    from embfilter_viz.ui.lesson_parts import Parts

    if not reads_texts(view.model):
        if not view.model.can_encode:
            _of_the_head_alone(view)
        return
    two = two_sentences()
    about_texts(", ".join(f"“{text}”" for text in two))
    parts = Parts(view, two)
    top_left, top_right = st.container(key="panels_top").columns(2, gap="medium")
    bottom_left, bottom_right = st.container(key="panels_bottom").columns(2, gap="medium")
    with top_right:
        st.header("2 · What do both of them say?", anchor=False)
        alike = parts.alike()
        if alike is not None:
            parts.tokens(alike)
            answer(alike.sentence)
    with top_left:
        st.header("1 · How alike does the model find them?", anchor=False)
        found = parts.pair()
        if found is not None:
            _alike(*found)
    with bottom_left:
        st.header("3 · Where does the likeness come from?", anchor=False)
        if found is not None:
            _anatomy(found[0])
    with bottom_right:
        st.header("4 · Does the filter help?", anchor=False)
        report = parts.worth()
        if report is not None:
            _worth(report)
    _further()
    _folds(view)


def _alike(report: "Pair", ready: "ReferenceTexts") -> None:
    """The cosine of the two among those of other texts, before and after."""
    from embfilter_viz.figures import alike

    chart(
        alike.alike_sketch(report, ready, height=HEIGHT),
        key="start_alike",
        table=lambda: alike.alike_table(report, ready),
        name="alike",
        stamp=str(report.window),
    )
    answer(report.short)
    prose(
        f"{{Hills|1,4}}: the [[cosine]]s of all pairs of {report.reference.said}. {{Lines|2,5}}: "
        "your two sentences.",
        small=True, figure="start_alike",
    )  # fmt: skip


def _anatomy(report: "Pair") -> None:
    """Show what each band of directions adds to this and to any cosine."""
    from embfilter_viz.figures import anatomy

    chart(
        anatomy.anatomy_sketch(report.anatomy, report.window, own=report.bands, height=HEIGHT + 90),
        key="start_anatomy",
        table=lambda: anatomy.anatomy_table(report.anatomy, report.bands),
        name="anatomy-of-cosines",
        stamp=str(report.window),
    )
    answer(report.ends_sentence)
    prose(
        "{Diamonds|2}: your two sentences. {Bars|0}: the mean over all pairs of the demo "
        "texts. {Dots|5}: how well that part of the [[spectrum]] tells pairs of one topic "
        "from others ([[AUC]]). Shaded: the directions outside the [[window]].",
        small=True, figure="start_anatomy",
    )  # fmt: skip


def _worth(report: "Worth") -> None:
    """Show what the window is worth on graded pairs, beside its controls."""
    from embfilter_viz.figures import worth

    chart(
        worth.worth_sketch(report, height=HEIGHT + 90),
        key="start_worth",
        table=lambda: worth.worth_table(report),
        name="worth",
        texts=report.said,
        stamp=str(report.window),
    )
    answer(report.sentence)
    prose(
        "[[Score]]: how well the cosines of pairs of sentences put them into the order that a "
        "person gave them. The bar of the [[random subspace]]s goes from the least to the "
        "greatest; the other bars are [[interval]]s.",
        small=True,
    )


def _of_the_head_alone(view: View) -> None:
    """Show what a model that reads no texts has: its directions, and which are frequent."""
    from embfilter_viz.analyses.spectrum import describe_spectrum
    from embfilter_viz.figures import average_token, spectrum
    from embfilter_viz.ui.results import logit_shifts, word_frequencies

    left, right = st.container(key="panels_head").columns(2, gap="medium")
    with left:
        st.header("The directions of its head", anchor=False)
        report = describe_spectrum(view.model)
        chart(
            spectrum.spectrum_figure(
                [(view.model.name, report.spectrum)], view.window, height=HEIGHT
            ),
            key="start_spectrum",
            table=lambda: spectrum.spectrum_table(report.spectrum, view.window),
            name="spectrum",
            stamp=str(view.window),
        )
        answer(report.short)
    with right:
        st.header("Which of them carry frequent tokens?", anchor=False)
        frequencies = word_frequencies(view)
        found = frequencies and logit_shifts(view.model, frequencies)
        if found is not None:
            chart(
                average_token.shift_figure(found, view.window, height=HEIGHT),
                key="start_shift",
                table=lambda: average_token.shift_table(found),
                name="logit-shift",
                texts=f"token frequencies: {frequencies.detail}",
                stamp=str(view.window),
            )
            answer(found.short)


def _further() -> None:
    """Show what this page does not say of other prompts and models, and where to go on."""
    prose(
        "A session that begins here has the [[prompt]] [[Mean]], because with it the bundled "
        "model shows the effect most plainly. Other prompts and other models show less of it, "
        "or none: choose them in the sidebar, and the sentences above are computed for them.",
        small=True,
    )
    st.page_link("pages/lesson.py", label="See it step by step: a lesson in seven guesses",
                 icon=":material/school:")  # fmt: skip
    st.page_link("pages/two_texts.py", label="Look at these two sentences closely",
                 icon=":material/join_inner:")  # fmt: skip


def _folds(view: View) -> None:
    folds(
        formula=formulas.START,
        python=(
            "from embfilter_viz import Window, open_model\n"
            "from embfilter_viz.analyses.lesson import lesson\n"
            f"model = {view.opening}\n"
            f"window = Window.parse({view.spec!r}, model.d_model)\n"
            f"found = lesson(model, (first, second), {view.prompt!r}, window)\n"
            "found.pair.cosine, found.alike.common, found.worth.scores"
        ),
        command=command_line(
            "lesson",
            *view.model_words,
            "TEXT",
            "TEXT",
            *view.prompt_words,
            *view.window_words,
            *view.running_words,
        ),
    )


show("Start", body)
