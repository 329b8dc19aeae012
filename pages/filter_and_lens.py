"""Filter and lens: one text, read through the head before and after."""

import streamlit as st

from embfilter_viz.analyses.forms import compare_forms
from embfilter_viz.analyses.lens import lens_by_layer, lens_of
from embfilter_viz.analyses.removals import REMOVALS
from embfilter_viz.figures import lens as figures
from embfilter_viz.spectral.baselines import RANDOM_SUBSPACES
from embfilter_viz.ui import formulas
from embfilter_viz.ui.chart import chart
from embfilter_viz.ui.choices import View
from embfilter_viz.ui.commands import command_line
from embfilter_viz.ui.inputs import sentence
from embfilter_viz.ui.layers_panel import layers_charts
from embfilter_viz.ui.markdown import escaped
from embfilter_viz.ui.page import answer, folds, show
from embfilter_viz.ui.pair_inputs import reference_name
from embfilter_viz.ui.position_panel import position_panel
from embfilter_viz.ui.relative_panel import relative_panel
from embfilter_viz.ui.results import (
    frequencies_meanwhile,
    layer_states,
    random_lens,
    text_lens,
)
from embfilter_viz.ui.rewritings_panel import rewritings_panel
from embfilter_viz.ui.tokens import frequency_legend
from embfilter_viz.ui.translated_panel import translated_panel
from embfilter_viz.ui.whole import reads_texts


def body(view: View) -> None:
    model, prompt, window = view.model, view.prompt, view.window
    if not reads_texts(model):
        return
    text = sentence()
    left, right = st.columns([4, 1], vertical_alignment="bottom")
    removal = left.selectbox(
        "Remove", list(REMOVALS), key="remove", bind="query-params",
        help="The paper's ablations. Each keeps as many dimensions as the window. `bulk` keeps the "
             "strongest and the weakest directions; if their number is odd, the code released with "
             "the paper keeps one fewer.",
    )  # fmt: skip
    top = right.number_input("Top tokens", 3, 50, 10, key="top", bind="query-params")
    st.caption(f"Removes {window.removes if removal == 'embedfilter' else REMOVALS[removal]}.")
    frequencies = frequencies_meanwhile(view)
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
        after=kept[-1], words=ready.words, random=random_lens(view, ready, int(top)),
        layer=model.prompt(prompt).layer,
    )  # fmt: skip
    answer(report.sentence)
    if report.truncated:
        st.caption(
            f"Your text is longer than {model.longest(prompt):,} tokens, so the model read "
            "only its beginning."
        )
    chart(
        figures.ranks_figure(report, model.d_vocab),
        key="ranks_chart",
        table=lambda: figures.lens_table(report),
        name="lens",
        stamp=str(window),
    )
    frequency_legend(frequencies.detail)
    _numbers(report, compare_forms(model, states, window) if len(states) > 1 else None)

    if model.read_by:
        st.info(
            f"{escaped(model.read_by)} gives the state after the last layer alone. The lens after "
            f"every layer, and of every token, needs {escaped(model.outline.name)} itself.",
            icon=":material/layers_clear:",
        )
    else:
        _layers(view, text, states, ready, frequencies, kept, removal, int(top))
    rewritings_panel(view, (text,), ask=False)
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
        command=command_line(
            "lens",
            *view.model_words,
            "TEXT",
            *view.prompt_words,
            *view.window_words,
            "--relative-to",
            reference_name(),
            "--positions",
            *view.running_words,
        ),
    )


def _layers(view, text, states, ready, frequencies, kept, removal, top) -> None:
    """The lens after every layer, of a model whose layers are here."""
    model, window = view.model, view.window
    st.header("The same lens after every layer", anchor=False)
    st.markdown(
        "Read from top to bottom. After which layer do words of the text appear? Do frequent "
        "tokens hide these words until the filter takes the frequent tokens out?"
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
    layers_charts(layers, model.d_vocab, window, key="layers_chart", name="lens-by-layer")
    translated_panel(view, states, frequencies, removal)
    relative_panel(view, text, states, frequencies, filtered=kept[-1], removal=removal, top=top)
    position_panel(view, text, frequencies, removal)


def _numbers(report, forms) -> None:
    """Frequent tokens and specificity, each beside its control, and whether the forms agree."""
    random, own = report.random, report.specificity
    frequent, specific, same = st.columns(3)
    frequent.metric(
        "Frequent tokens, raw → filtered",
        f"{report.frequent_share_raw:.0%} → {report.frequent_share_filtered:.0%}",
        help="Share of the top tokens that are among the 100 most frequent of the vocabulary.",
    )
    known = own is not None and own.known
    specific.metric(
        "Specific to the text, raw → filtered",
        f"{own.raw:.0%} → {own.filtered:.0%}" if known else "no words",
        help="The share of our demo texts whose words are farther from the top 10 tokens than your "
        "text's own words are. Distance is measured by the cosine of centred rows of W_U, and "
        "chance gives one half. Words are tokens that are not among the 100 most frequent.",
    )
    for column, one in (
        (frequent, random and random.frequent_share),
        (specific, random and known and random.specificity),
    ):
        column.caption(
            f"{RANDOM_SUBSPACES} random subspaces: {one.value:.0%}, {one.low:.0%} to {one.high:.0%}"
            if one
            else f"{RANDOM_SUBSPACES} random subspaces are measured once the window stops moving"
        )
    if forms is None:  # of a single state there is nothing to compare
        return
    same.metric(
        "The two forms differ by", f"{forms.worst:.0e}",
        help="All cosines and distances between this text's layers are computed with e Φ (d "
             "numbers) and with e V (k numbers). This is the largest difference between the two. "
             "They should agree to rounding.",
    )  # fmt: skip
    same.caption(forms.sentence)


show("Filter and lens", body)
