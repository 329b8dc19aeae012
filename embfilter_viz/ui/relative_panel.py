"""The part of Filter and lens where a text is read less the mean of other texts."""

import numpy as np
import streamlit as st

from embfilter_viz.figures import lens as figures
from embfilter_viz.figures.relative_lens import RELATIVE, own_ranks_sketch, own_ranks_table
from embfilter_viz.models.head.frequencies import TokenFrequencies
from embfilter_viz.ui.chart import chart
from embfilter_viz.ui.choices import View
from embfilter_viz.ui.layers_panel import layers_charts
from embfilter_viz.ui.markdown import escaped
from embfilter_viz.ui.page import answer
from embfilter_viz.ui.pair_inputs import chosen_reference
from embfilter_viz.ui.results import (
    embedded_texts,
    layer_means,
    ranks_over_texts,
    relative_text,
)

__all__ = ["relative_panel"]


def relative_panel(
    view: View,
    text: str,
    states: np.ndarray,
    frequencies: TokenFrequencies,
    *,
    filtered: np.ndarray,
    removal: str,
    top: int,
) -> None:
    """Show what the text decodes to once the mean of other texts is taken away.

    Args:
        view: the page's model, prompt and window.
        text: the reader's text.
        states: (n_layers + 1, d_model) its states after each layer.
        frequencies: for the frequency ranks of tokens.
        filtered: (d_vocab,) logits of the filtered embedding.
        removal: what is removed, by the paper's names.
        top: how many tokens are shown.
    """
    model, window = view.model, view.window
    st.header("The same text with the mean of other texts removed", anchor=False)
    st.markdown(
        "A large part of every embedding is the same for all texts under one prompt. Remove "
        "the mean μ of other texts and decode what is left: e − μ, and (e − μ) Φ after the "
        "filter."
    )
    reference = chosen_reference("Other texts")
    if reference is None:
        return
    others = reference.without((text,))
    embeddings = embedded_texts(view, others.texts, button=f"Embed {others.said} to compare with")
    if embeddings is None:
        return
    layers = st.toggle(
        "After every layer too", key="relative_layers", bind="query-params",
        help="The first time, this reads all the other texts layer by layer. Each layer has its "
             "own μ.",
    )  # fmt: skip
    own, means = states[-1:], embeddings.mean(axis=0, dtype=np.float64)[None]
    if layers:
        own, means = states, layer_means(view, others.texts)
        if means is None:
            return
    ready = relative_text(view, text, own, means, others, frequencies)
    if ready is None:
        return
    report = ready.report(
        window, others, top=top, removal=removal, filtered=filtered, layers=layers
    )
    answer(report.own.sentence)
    chart(
        figures.ranks_figure(report.lens, model.d_vocab, names=RELATIVE),
        key="relative_chart",
        table=lambda: figures.lens_table(report.lens, RELATIVE),
        name="lens-relative",
        stamp=str(window),
    )
    st.caption(f"μ: the mean of {escaped(others.said)}, read with the same prompt.")
    if report.layers is not None:
        by_layer = report.layers
        layers_charts(
            by_layer, model.d_vocab, window, key="relative_layers_chart",
            name="lens-relative-by-layer", names=RELATIVE,
        )  # fmt: skip
        if not all(by_layer.raw):
            st.caption("Layers without tokens are those in which all texts have the same state.")
    st.markdown("**Is this true of other texts too?**")
    found = ranks_over_texts(view, others, embeddings, removal, frequencies)
    if found is None:
        return
    answer(found.sentence)
    chart(
        own_ranks_sketch(found),
        key="own_ranks_chart",
        texts=others.said,
        table=lambda: own_ranks_table(found),
        name="ranks-of-own-tokens",
        stamp=str(window),
    )
