"""Average token: which directions carry the frequent tokens?"""

import streamlit as st

from embfilter_viz.analyses.spectroscopy import shift_map
from embfilter_viz.figures import average_token as figures
from embfilter_viz.model import FREQUENCY_SOURCES
from embfilter_viz.spectral.average_token import GAUGES
from embfilter_viz.ui import formulas
from embfilter_viz.ui.chart import chart
from embfilter_viz.ui.choices import View
from embfilter_viz.ui.inputs import uploaded_texts
from embfilter_viz.ui.page import answer, folds, show
from embfilter_viz.ui.results import logit_shifts, token_frequencies
from embfilter_viz.ui.tokens import token_row
from embfilter_viz.ui.whole import reads_texts
from embfilter_viz.ui.words import escaped

GAUGE_HELP = (
    "Softmax ignores a constant added to all logits, so log p̂ is only known up to one. `paper` "
    "drops it, `centred` subtracts the mean of log p̂, `invariant` also centres the rows of W_U, "
    "so that no constant can change the result."
)


def body(view: View) -> None:
    model = view.model
    first, second, third, fourth = st.columns([1.2, 1.8, 1, 1], vertical_alignment="bottom")
    # A model that cannot be asked for its own is begun with the next best.
    sources = sorted(FREQUENCY_SOURCES, key=lambda s: s == "model" and not model.can_encode)
    source = first.selectbox("Token frequencies p̂", sources, key="source", bind="query-params")
    gauge = second.segmented_control(
        "Gauge", GAUGES, default="paper", key="gauge", bind="query-params", required=True,
        help=GAUGE_HELP,
    )  # fmt: skip
    top = third.number_input(
        "k tokens", 1, 5000, 100, key="k", bind="query-params",
        help="How many most frequent, least frequent and random tokens are measured.",
    )  # fmt: skip
    n_bands = fourth.number_input(
        "N bands, 0 = single", 0, 400, 0, key="bands", bind="query-params",
        help="Remove N whole bands of neighbouring directions instead of one direction at a time.",
    )  # fmt: skip
    st.caption(f"p̂ is {FREQUENCY_SOURCES[source]}.")
    texts, alpha = None, 1.0
    if source == "corpus":
        texts = uploaded_texts("corpus", "A .txt or .csv to count tokens over")
    if source != "model":
        alpha = st.slider(
            "Additive smoothing α: counts added to every token, because log 0 is undefined",
            0.01, 5.0, 1.0, key="alpha", bind="query-params",
        )  # fmt: skip
    if source == "corpus" and texts is None:
        st.info("Upload texts to count, or choose another source.", icon=":material/upload_file:")
        return
    if source == "model" and not reads_texts(model):
        return
    frequencies = token_frequencies(model, source, texts, alpha)
    if frequencies is None:
        return

    result = logit_shifts(
        model, frequencies, gauge=gauge, top=int(top), n_bands=int(n_bands) or None
    )
    if result is None:
        return
    answer(result.sentence)
    log = st.toggle("Log axis", True, key="log", persist_state="session")
    chart(
        figures.shift_figure(result, view.window, log=log),
        key="shift_chart",
        table=lambda: figures.shift_table(result),
        stamp=str(view.window),
    )
    ends = result.edge_to_bulk
    for column, (name, part) in zip(
        st.columns(3), (("Both ends", ends), ("Head", ends.head), ("Tail", ends.tail)), strict=True
    ):
        column.metric(
            f"{name} to bulk", f"{part.ratio:.1f} ×", help="Mean Δπ of the frequent tokens there "
            "over its mean in the bulk, with a 95 % interval over resampled tokens.",
        )  # fmt: skip
        column.caption(f"95 % interval {part.low:.1f} to {part.high:.1f}")

    st.subheader("What the average token decodes to", anchor=False)
    token_row(result.decoded[:14], model.d_vocab)
    st.caption(
        f"p̂: {escaped(frequencies.detail)}. {_smoothing(frequencies)} "
        "Correlation of the average token's "
        f"logits with log p̂: {result.average.correlation:.2f}. Loaded: {model.loaded}."
    )
    st.subheader("Which band moves which token", anchor=False)
    st.markdown(
        "Each row is a frequent token, each column a band of neighbouring directions. Orange: "
        "without this band the token's logit rises: the band was holding it down. Blue: it falls."
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
            f"p = model.frequencies({source!r}{', texts' if source == 'corpus' else ''})\n"
            f"result = spectroscopy(model, p, gauge={gauge!r}, top={top})\n"
            "result.shift['frequent'], result.sentence"
        ),
        command=(
            f"embfilter-viz spectroscopy {model.name} --gauge {gauge} --top {top} --frequencies "
            f"{'texts.txt' if source == 'corpus' else source}"
            f"{f' --bands {n_bands}' if n_bands else ''}{view.running_options}"
        ),
    )


def _smoothing(frequencies) -> str:
    if not frequencies.smoothing:
        return "Nothing had to be smoothed."
    return (
        f"{frequencies.zeros:,} tokens were never seen; every count was raised by "
        f"{frequencies.smoothing:g}."
    )


show("Average token", body)
