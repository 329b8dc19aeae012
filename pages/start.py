"""Start: the whole mechanism on one screen."""

import streamlit as st

from embfilter_viz.ui import formulas
from embfilter_viz.ui.chart import chart
from embfilter_viz.ui.choices import View
from embfilter_viz.ui.inputs import sentence, tau_slider
from embfilter_viz.ui.page import answer, folds, show
from embfilter_viz.ui.tokens import frequency_legend
from embfilter_viz.ui.whole import reads_texts

HEIGHT = 290


def body(view: View) -> None:
    # Here, not above: a server's first visitor reads the page's words before they are needed.
    from embfilter_viz.analyses.geometry import geometry_of
    from embfilter_viz.analyses.lens import lens_of
    from embfilter_viz.analyses.spectrum import describe_spectrum
    from embfilter_viz.data import a_few_demo_texts
    from embfilter_viz.figures import average_token, geometry, lens, spectrum
    from embfilter_viz.model import FREQUENCY_SOURCES
    from embfilter_viz.ui.results import (
        embedded,
        embedded_texts,
        logit_shifts,
        text_lens,
        token_frequencies,
    )

    model, window = view.model, view.window
    left, right = st.columns([3, 2], vertical_alignment="bottom")
    with left:
        text = sentence()
    with right:
        tau_slider(window)

    top_left, top_right = st.container(key="panels_top").columns(2)
    between = st.container()
    bottom_left, bottom_right = st.container(key="panels_bottom").columns(2)
    with top_left:
        st.markdown("##### 1 · What is the head made of?")
        report = describe_spectrum(model)
        chart(
            spectrum.spectrum_figure([(model.name, report.spectrum)], window, height=HEIGHT),
            key="start_spectrum",
            table=lambda: spectrum.spectrum_table(model.spectrum, window),
            name="spectrum",
            stamp=str(window),
        )
        answer(report.short)
    with between:
        whole = reads_texts(model)
    with top_right:
        st.markdown("##### 2 · Which directions carry frequent tokens?")
        frequencies = token_frequencies(model, "model" if whole else "wordfreq")
        found = frequencies and logit_shifts(model, frequencies)
        if found is not None:
            chart(
                average_token.shift_figure(found, window, height=HEIGHT),
                key="start_shift",
                table=lambda: average_token.shift_table(found),
                name="logit-shift",
                stamp=str(window),
            )
            answer(found.short)
            if not whole:
                st.caption(f"Frequent by {FREQUENCY_SOURCES['wordfreq']}.")
    if not whole:
        return
    with bottom_left:
        st.markdown("##### 3 · What does your text decode to?")
        embedding = embedded(view, text)
        ready = None
        if frequencies is not None and embedding is not None:
            ready = text_lens(view, text, embedding, frequencies)
        if frequencies is not None and ready is not None:
            report = lens_of(
                model, embedding, window,
                text=text, top=7, frequencies=frequencies, raw_logits=ready.raw_logits,
            )  # fmt: skip
            chart(
                lens.ranks_figure(report, model.d_vocab, width=11),
                key="start_ranks",
                table=lambda: lens.lens_table(report),
                name="lens",
                stamp=str(window),
            )
            frequency_legend()
            answer(report.sentence)
    with bottom_right:
        st.markdown("##### 4 · How alike do all texts look?")
        few = embedded_texts(view, a_few_demo_texts().texts)
        if few is not None:
            measured = geometry_of(model, few, window)
            chart(
                geometry.isotropy_figure(measured, ["mean_cosine"], height=HEIGHT),
                key="start_anisotropy",
                table=lambda: geometry.isotropy_table(measured),
                name="anisotropy",
                stamp=str(window),
            )
            answer(measured.sentence)
    folds(
        formula=formulas.START,
        python=(
            "from embfilter_viz import EmbedFilter, open_model\n"
            f"model = {view.opening}\n"
            f"embeddings = model.encode(texts, prompt={view.prompt!r})\n"
            f"refined = EmbedFilter(model.spectrum, {view.window_arguments}).transform(embeddings)"
        ),
        command=(
            f"embfilter-viz lens {model.name} TEXT --prompt {view.prompt} {view.window_options}"
            f"{view.running_options}"
        ),
    )


show("Start", body)
