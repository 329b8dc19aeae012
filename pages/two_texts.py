"""Two texts: where their cosine comes from, and which words they share."""

from collections.abc import Sequence

import streamlit as st

from embfilter_viz.analyses.pair import Pair, PairWords, above
from embfilter_viz.analyses.reference import COSINES, ReferenceTexts
from embfilter_viz.analyses.text_matrix import TextMatrix, text_matrix
from embfilter_viz.figures import anatomy, pair
from embfilter_viz.ui import formulas
from embfilter_viz.ui.chart import chart
from embfilter_viz.ui.choices import View
from embfilter_viz.ui.commands import command_line
from embfilter_viz.ui.markdown import escaped
from embfilter_viz.ui.page import answer, folds, show
from embfilter_viz.ui.pair_inputs import (
    choose_cell,
    chosen_pair,
    chosen_reference,
    reference_name,
    two_texts,
)
from embfilter_viz.ui.results import (
    embedded_texts,
    frequencies_meanwhile,
    reference_texts,
    text_pair,
)
from embfilter_viz.ui.sources import about_texts
from embfilter_viz.ui.tokens import frequency_legend, token_row
from embfilter_viz.ui.whole import reads_texts

NAMES = {
    "raw": "Raw",
    "filtered": "Filtered",
    "mean_removed": "Mean removed",
    "filtered_mean_removed": "Both",
}


def body(view: View) -> None:
    model = view.model
    if not reads_texts(model):
        return
    texts = two_texts()
    about_texts(", ".join(f"“{text}”" for text in texts))
    st.caption("If you paste more than two lines, all of them are compared with one another.")
    reference = chosen_reference("Compare with the pairs of")
    matrix_here = st.container()
    first, second = chosen_pair(len(texts)) if len(texts) > 2 else (0, 1)
    if reference is None:
        return

    frequencies = frequencies_meanwhile(view)
    embeddings = embedded_texts(view, texts)
    ready = reference_texts(view, reference.without(texts))
    if frequencies is None or embeddings is None or ready is None:
        return
    two = texts[first], texts[second]
    made = text_pair(view, two, embeddings[[first, second]], ready, frequencies)
    if made is None:
        return
    if len(texts) > 2:
        with matrix_here:
            found = text_matrix(model, texts, embeddings, ready, view.window)
            _matrix(found, (first, second))
    report = made.report(view.window)
    _cosines(report)
    if model.truncated(two, view.prompt):
        st.caption(
            f"A text is longer than {model.longest(view.prompt):,} tokens, so the model read "
            "only its beginning."
        )
    _growth(report, ready)
    st.header("Which words the two share, and which tell them apart", anchor=False)
    _words(report.words, f"With the mean of {report.reference.said} removed", model.d_vocab)
    _words(
        report.filtered_words,
        f"With the mean removed, and filtered by the window {view.window}",
        model.d_vocab,
    )
    frequency_legend(frequencies.detail)
    _anatomy(report, ready)
    _folds(view)


def _matrix(found: TextMatrix, cell: tuple[int, int]) -> None:
    """All texts with one another, before and after."""
    st.header("All texts with one another", anchor=False)
    answer(found.sentence)
    less_mean = st.toggle("Mean removed on both sides", key="less_mean", bind="query-params")
    names = ("mean_removed", "filtered_mean_removed") if less_mean else ("raw", "filtered")
    lowest = pair.lowest_of(found, names)
    with st.container(key="panels_matrix"):
        for column, name, words, side in zip(
            st.columns(2), names, ("raw", "filtered"), ("before", "after"), strict=True
        ):
            with column:
                st.markdown("**" + ("Mean removed, " * less_mean + words).capitalize() + "**")
                chart(
                    pair.matrix_sketch(found, name, lowest),
                    key=f"matrix_{side}",
                    table=lambda: pair.matrix_table(found),
                    name=f"cosines-{side}",
                    on_select=choose_cell(f"matrix_{side}"),
                    cursor=cell,
                    stamp=f"{name}-{found.window}",
                )
    st.markdown(
        "To look at two texts closely, click a cell, move to it with the arrow keys, or give "
        "two numbers."
    )


def _cosines(report: Pair) -> None:
    """The four cosines, each with its place among the pairs of the reference texts."""
    answer(report.sentence)
    for column, name in zip(st.columns(4), COSINES, strict=True):
        column.metric(NAMES[name], f"{report.cosine[name]:z.3f}", help=f"Cosine {COSINES[name]}.")
        column.caption(f"pairs with a smaller cosine: {above(report.percentile[name])}")


def _growth(report: Pair, ready: ReferenceTexts) -> None:
    """This pair's cosine along the spectrum over those of the reference texts."""
    st.header("Where this cosine comes from", anchor=False)
    chart(
        pair.growth_sketch(report, ready),
        key="growth_chart",
        table=lambda: pair.growth_table(report),
        name="two-texts",
        stamp=str(report.window),
    )
    st.caption(
        f"Nine of ten pairs of {escaped(report.reference.said)} lie within the band, and the "
        f"dashed line is their median. The window keeps {report.kept:z.2f} of the raw cosine. "
        "The filtered cosine starts at the left end of the window. It is divided by the "
        "lengths that the two embeddings have inside the window."
    )


def _words(words: PairWords, title: str, d_vocab: int) -> None:
    """Show what the two decode to together and apart, in three columns."""
    st.markdown(f"**{escaped(title)}**")
    sides: Sequence = (
        ("Both share", words.shared),
        ("Only the first", words.first_only),
        ("Only the second", words.second_only),
    )
    for column, (label, tokens) in zip(st.columns(3), sides, strict=True):
        with column:
            st.caption(label if tokens else f"{label}: nothing, because the two texts are equal")
            token_row(tokens, d_vocab)


def _anatomy(report: Pair, ready: ReferenceTexts) -> None:
    """Show what each band gives to any pair, and what it knows."""
    st.header("Where any cosine comes from", anchor=False)
    chart(
        anatomy.anatomy_sketch(report.anatomy, report.window),
        key="anatomy_chart",
        table=lambda: anatomy.anatomy_table(report.anatomy, report.bands),
        name="anatomy-of-cosines",
        texts=report.reference.said,
        stamp=str(report.window),
    )
    answer(report.ends_sentence)
    st.caption(
        f"All {ready.n_pairs:,} pairs of {escaped(report.reference.said)}. Bars: the mean "
        "over pairs, with the standard deviation. Dots: how well a band tells pairs of one "
        "topic from other pairs. Their 95 % intervals are over texts, because pairs share "
        "texts."
    )


def _compared_with() -> tuple[str, ...]:
    name = reference_name()
    return () if name == "demo" else ("--relative-to", name)


def _folds(view: View) -> None:
    folds(
        formula=formulas.TWO_TEXTS,
        python=(
            "from embfilter_viz import Window, open_model\n"
            "from embfilter_viz.analyses.pair import pair\n"
            "from embfilter_viz.analyses.reference import reference_of\n"
            f"model = {view.opening}\n"
            f"window = Window.parse({view.spec!r}, model.d_model)\n"
            f"others = reference_of({reference_name()!r})  # or the path of a file of yours\n"
            f"report = pair(model, [first, second], {view.prompt!r}, window, reference=others)\n"
            "report.cosine, report.percentile, report.contributions"
        ),
        command=command_line(
            "pair",
            *view.model_words,
            "TEXT",
            "TEXT",
            *view.prompt_words,
            *view.window_words,
            *_compared_with(),
            *view.running_words,
        ),
    )


show("Two texts", body)
