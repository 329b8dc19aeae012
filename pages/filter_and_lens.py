"""Filter and lens: one text, read through the head before and after."""

import streamlit as st

from embfilter_viz.analyses.forms import compare_forms
from embfilter_viz.analyses.lens import lens_by_layer, lens_of
from embfilter_viz.analyses.removals import REMOVALS
from embfilter_viz.figures import lens as figures
from embfilter_viz.ui import formulas
from embfilter_viz.ui.chart import chart
from embfilter_viz.ui.choices import View
from embfilter_viz.ui.inputs import sentence, tau_slider
from embfilter_viz.ui.page import answer, folds, show
from embfilter_viz.ui.results import layer_states, text_lens, token_frequencies
from embfilter_viz.ui.tokens import frequency_legend
from embfilter_viz.ui.whole import reads_texts


def body(view: View) -> None:
    model, prompt, window = view.model, view.prompt, view.window
    if not reads_texts(model):
        return
    text = sentence()
    left, middle, right = st.columns([2, 2, 1], vertical_alignment="bottom")
    with left:
        tau_slider(window)
    removal = middle.selectbox(
        "Remove", list(REMOVALS), key="remove", bind="query-params",
        help="The paper's ablations, each keeping as many dimensions as the window.",
    )  # fmt: skip
    top = right.number_input("Top tokens", 3, 50, 10, key="top", bind="query-params")
    st.caption(f"Removes {REMOVALS[removal]}.")
    frequencies = token_frequencies(model)
    states = layer_states(view, text)
    ready = None
    if frequencies is not None and states is not None:
        ready = text_lens(view, text, states, frequencies)
    if frequencies is None or states is None or ready is None:
        return

    kept = ready.filtered_logits(window, removal)
    report = lens_of(
        model, states[-1:], window,
        text=text, top=int(top), frequencies=frequencies, removal=removal,
        truncated=model.truncated([text], prompt) > 0, raw_logits=ready.raw_logits,
        after=kept[-1],
    )  # fmt: skip
    answer(report.sentence)
    if report.truncated:
        st.caption("Your text is longer than 512 tokens: the model read its beginning only.")
    chart(
        figures.ranks_figure(report, model.d_vocab),
        key="ranks_chart",
        table=lambda: figures.lens_table(report),
        name="lens",
        stamp=str(window),
    )
    frequency_legend()
    before, after, same = st.columns(3)
    before.metric("Frequent tokens, raw", f"{report.frequent_share_raw:.0%}")
    after.metric("Frequent tokens, filtered", f"{report.frequent_share_filtered:.0%}")
    forms = compare_forms(model, states, window)
    same.metric(
        "The two forms differ by", f"{forms.worst:.0e}",
        help="The largest difference in any cosine or distance between this text's layers, "
        "between e Φ (d numbers) and e V (k numbers). They should agree to rounding.",
    )  # fmt: skip
    same.caption(forms.sentence)

    st.subheader("The same lens after every layer", anchor=False)
    st.markdown(
        "Read from the top down: where in the model do words of the text appear, and do frequent "
        "tokens cover them until the filter takes those away?"
    )
    layers = lens_by_layer(
        model,
        states,
        window,
        frequencies=frequencies,
        removal=removal,
        raw=ready.raw_layers,
        after=kept,
    )
    chart(
        figures.layers_figure(layers, model.d_vocab),
        key="layers_chart",
        table=lambda: figures.layers_table(layers),
        name="lens-by-layer",
        min_width=780,
        stamp=str(window),
    )
    folds(
        formula=formulas.LENS,
        python=(
            "from embfilter_viz import EmbedFilter, open_model\n"
            f"model = {view.opening}\n"
            f"e = model.encode([text], prompt={prompt!r})\n"
            f"keep = EmbedFilter(model.spectrum, {view.window_arguments}, full=True)\n"
            "logits = model.unembedding.logits(keep.transform(e))[0]\n"
            "ids = logits.argsort()[::-1][:10]\n"
            "model.vocabulary.texts(ids)"
        ),
        command=(
            f"embfilter-viz lens {model.name} TEXT --prompt {prompt} {view.window_options}"
            f"{view.running_options}"
        ),
    )


show("Filter and lens", body)
