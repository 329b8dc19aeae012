"""The part of Filter and lens where early layers are read through a translator."""

import numpy as np
import streamlit as st

from embfilter_viz.analyses.lens import lens_by_layer
from embfilter_viz.figures.translated_lens import TRANSLATED, divergence_sketch, divergence_table
from embfilter_viz.models.head.frequencies import TokenFrequencies
from embfilter_viz.ui.chart import chart
from embfilter_viz.ui.choices import View
from embfilter_viz.ui.layers_panel import layers_charts
from embfilter_viz.ui.markdown import escaped
from embfilter_viz.ui.page import answer
from embfilter_viz.ui.results import translators

__all__ = ["translated_panel"]


def translated_panel(
    view: View, states: np.ndarray, frequencies: TokenFrequencies, removal: str
) -> None:
    """Show every layer translated, and how much nearer that is to the model's own output.

    Args:
        view: the page's model, prompt and window.
        states: (n_layers + 1, d_model) the text's states after each layer.
        frequencies: for the frequency ranks of tokens.
        removal: what is removed, by the paper's names.
    """
    shown = st.toggle(
        "Translate early layers", key="translate", bind="query-params",
        help="The head reads the last layer. Early layers hold their content in other directions: "
        "a translator is an affine map into those of the last layer.",
    )  # fmt: skip
    if not shown:
        return
    if averages := view.model.prompt(view.prompt).averages:
        st.caption(f"The mean of {averages} is no single state to translate.")
        return
    fitted = translators(view)
    if fitted is None:
        return
    answer(fitted.sentence)
    chart(
        divergence_sketch(fitted),
        key="translators_chart",
        texts=f"{fitted.n_tested} of {fitted.source}",
        table=lambda: divergence_table(fitted),
        name="translators",
    )
    st.caption(
        f"Fitted on {fitted.n_states:,} tokens of {fitted.n_fitted} of {escaped(fitted.source)}, "
        f"tested on {fitted.n_tested} others, with 95 % intervals over texts. Ridge regression in "
        "closed form: not the Tuned Lens (Belrose et al. 2023), which is trained on the "
        "divergence itself."
    )
    moved = lens_by_layer(
        view.model, fitted.translate(states), view.window, frequencies=frequencies, removal=removal
    )
    layers_charts(
        moved, view.model.d_vocab, view.window, key="translated_chart",
        name="lens-by-layer-translated", names=TRANSLATED,
    )  # fmt: skip
