"""Average token: which directions carry the frequent tokens?"""

import streamlit as st

from embfilter_viz.analyses.spectroscopy import Spectroscopy, shift_map
from embfilter_viz.figures import average_token as figures
from embfilter_viz.model import FREQUENCY_SOURCES
from embfilter_viz.spectral.average_token import GAUGES
from embfilter_viz.spectral.edge_to_bulk import times
from embfilter_viz.ui import formulas
from embfilter_viz.ui.chart import chart
from embfilter_viz.ui.choices import View
from embfilter_viz.ui.commands import command_line
from embfilter_viz.ui.inputs import uploaded_texts
from embfilter_viz.ui.markdown import escaped
from embfilter_viz.ui.page import answer, folds, show
from embfilter_viz.ui.results import (
    frequencies_meanwhile,
    logit_shifts,
    scripts,
    token_frequencies,
)
from embfilter_viz.ui.sources import about_texts
from embfilter_viz.ui.tokens import token_row
from embfilter_viz.ui.whole import reads_texts

GAUGE_HELP = (
    "Softmax ignores a constant that is added to all logits, so log p̂ is known only up to a "
    "constant. `centred` subtracts the mean of log p̂. `paper` drops the constant (b = 0), so "
    "that the average token has to fit it. The shift at the strong end then comes from this "
    "constant: permuted token frequencies give an even larger one. `invariant` also centres "
    "the rows of W_U, so that no constant can change the result."
)


def body(view: View) -> None:
    model = view.model
    first, second, third, fourth = st.columns([1.2, 1.8, 1, 1], vertical_alignment="bottom")
    # A model that cannot be asked for its own is begun with the next best.
    own = model.can_encode and model.default_frequencies == "model"
    sources = sorted(FREQUENCY_SOURCES, key=lambda s: s == "model" and not own)
    source = first.selectbox("Token frequencies p̂", sources, key="source", bind="query-params")
    gauge = second.segmented_control(
        "Gauge", GAUGES, default="centred", key="gauge", bind="query-params", required=True,
        help=GAUGE_HELP,
    )  # fmt: skip
    top = third.number_input(
        "k tokens", 2, 5000, 100, key="k", bind="query-params",
        help="How many tokens are measured in each set: the most frequent, the least frequent, and "
             "random ones. Random tokens are drawn up to 20 times.",
    )  # fmt: skip
    n_bands = fourth.number_input(
        "N bands, 0 = single", 0, 400, 0, key="bands", bind="query-params",
        help="Remove N whole bands of neighbouring directions instead of one direction at a time.",
    )  # fmt: skip
    st.caption(f"p̂ is {_source_words(view, source)}.")
    texts, alpha = None, 1.0
    if source == "corpus":
        texts = uploaded_texts("corpus", "A .txt or .csv file whose tokens are counted")
    if source != "model":
        alpha = st.slider(
            "Additive smoothing α: it is added to the count of every token, because log 0 is "
            "undefined",
            0.01, 5.0, 1.0, key="alpha", bind="query-params",
        )  # fmt: skip
    if source == "corpus" and texts is None:
        st.info(
            "Upload the texts whose tokens are counted, or choose another source.",
            icon=":material/upload_file:",
        )
        return
    if source == "model" and not reads_texts(model):
        return
    if source == "model":
        frequencies = frequencies_meanwhile(view)
    else:
        frequencies = token_frequencies(model, source, texts, alpha, view.language)
    if frequencies is None:
        return
    about_texts(f"token frequencies: {frequencies.detail}")

    result = logit_shifts(
        model, frequencies, gauge=gauge, top=int(top), n_bands=int(n_bands) or None
    )
    if result is None:
        return
    answer(result.u_sentence)
    st.markdown(escaped(result.control_sentence))
    constant = escaped(result.gauge_sentence)
    if gauge == "paper":
        st.warning(constant, icon=":material/warning:")
    else:
        st.caption(constant)
    log = st.toggle("Log axis", True, key="log", persist_state="session")
    chart(
        figures.shift_figure(result, view.window, log=log),
        key="shift_chart",
        table=lambda: figures.shift_table(result),
        stamp=str(view.window),
    )
    st.caption(
        "Chance: p̂ is permuted over the tokens many times. The band holds 95 % of the shifts "
        "that frequent tokens then have, scaled so that the bulk has the level of the true "
        f"p̂. {result.ordinary.sentence}"
    )
    _ratios(result)

    st.header("What the average token decodes to", anchor=False)
    token_row(result.decoded[:14], model.d_vocab)
    st.caption(
        f"p̂: {escaped(frequencies.detail)}. {_smoothing(frequencies)} "
        "Correlation of the average token's "
        f"logits with log p̂: {result.average.correlation:.2f}. Loaded: {model.loaded}."
    )
    st.header("Which scripts they are written in", anchor=False)
    _scripts(model, frequencies)
    st.header("Which band moves which token", anchor=False)
    st.markdown(
        "Each row is a frequent token, and each column is a band of neighbouring directions. "
        "Orange: the token's logit rises when this band is removed, so the band held it down. "
        "Blue: the logit falls."
    )
    chart(
        lambda: figures.map_figure(result, *shift_map(model, result)),
        key="map_chart",
        of=result,
        table=lambda: figures.map_table(result, *shift_map(model, result)),
        stamp=f"{gauge}-{source}",
    )
    folds(
        formula=formulas.AVERAGE_TOKEN,
        python=(
            "from embfilter_viz import open_model\n"
            "from embfilter_viz.analyses.spectroscopy import spectroscopy\n"
            f"model = {view.opening}\n"
            f"p = model.frequencies({source!r}{', texts' if source == 'corpus' else ''}"
            f"{view.language_argument if source == 'wordfreq' else ''})\n"
            f"result = spectroscopy(model, p, gauge={gauge!r}, top={top})\n"
            "result.absolute_shift['frequent'], result.edge_to_bulk, result.sentence"
        ),
        command=command_line(
            "spectroscopy",
            *view.model_words,
            "--gauge",
            gauge,
            "--top",
            top,
            "--frequencies",
            "texts.txt" if source == "corpus" else source,
            *(view.language_words if source == "wordfreq" else ()),
            *(("--bands", n_bands) if n_bands else ()),
            *view.running_words,
        ),
    )


def _ratios(result: Spectroscopy) -> None:
    """The numbers behind the answer, each beside its control."""
    ends, random = result.edge_to_bulk, result.contrast["random"]
    strong, weak, against = st.columns(3)
    for column, name, end in ((strong, "Strong", ends.strong), (weak, "Weak", ends.weak)):
        column.metric(
            f"{name} end to bulk", f"{times(end.ratio)} ×",
            help="The mean shift of the frequent tokens' logits at this end, divided by the mean "
            "shift in the bulk. By chance: 97.5 % of the permutations of p̂ lie below this number.",
        )  # fmt: skip
        column.caption(f"by chance up to {times(end.permuted)} ×")
    against.metric(
        "Frequent to random tokens", f"{times(random.ratio)} ×",
        help="For frequent tokens, the mean shift at both ends divided by that in the bulk. This "
        "is divided by the same ratio for random tokens.",
    )  # fmt: skip
    against.caption(f"95 % interval {times(random.low)} to {times(random.high)}")


def _scripts(model, frequencies) -> None:
    """The shares of scripts in p̂ and in the vocabulary."""
    found = scripts(model, frequencies)
    if found is None:
        return
    st.markdown(escaped(found.sentence))
    st.dataframe(figures.script_table(found), hide_index=True)
    st.caption(
        "A token's script is the Unicode property Script of its letters. A tokenizer that works on "
        "bytes spells scripts that it hardly knows by parts of characters, which belong to none."
    )


def _source_words(view: View, source: str) -> str:
    """The source of p̂ in words, with the language where it has one."""
    if source != "wordfreq":
        return FREQUENCY_SOURCES[source]
    return f"{view.word_frequencies}, pushed through the tokenizer; the sidebar has other languages"


def _smoothing(frequencies) -> str:
    if not frequencies.smoothing:
        return "No frequency was zero, so nothing was smoothed."
    return (
        f"{frequencies.zeros:,} tokens never occur; {frequencies.smoothing:g} was added to "
        "every count."
    )


show("Average token", body)
