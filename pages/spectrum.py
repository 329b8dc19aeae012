"""Spectrum: the head, direction by direction."""

import streamlit as st

from embfilter_viz.analyses.spectrum import describe_spectrum
from embfilter_viz.figures import spectrum as figures
from embfilter_viz.ui import formulas
from embfilter_viz.ui.chart import chart
from embfilter_viz.ui.choices import View
from embfilter_viz.ui.commands import command_line
from embfilter_viz.ui.inputs import index_below, second_model
from embfilter_viz.ui.page import answer, folds, show
from embfilter_viz.ui.results import direction, word_frequencies
from embfilter_viz.ui.sources import about_texts


def body(view: View) -> None:
    left, middle, right = st.columns([1.2, 1.5, 1.8], vertical_alignment="bottom")
    log = (
        left.segmented_control(
            "σ axis",
            ["log", "linear"],
            default="log",
            key="axis",
            bind="query-params",
            required=True,
        )
        != "linear"
    )
    centre = middle.segmented_control(
        "Head", ["raw", "centred"], default="raw", key="head", bind="query-params", required=True,
        help="Centred: the mean row of W_U is subtracted. It adds a constant to all logits, which "
             "softmax ignores.",
    ) == "centred"  # fmt: skip
    with right:
        other = second_model(view.model.name)
    report = describe_spectrum(view.model, centre=centre)
    spectrum = report.spectrum
    answer(report.sentence)

    curves = [(view.model.name, spectrum)]
    if other is not None:
        curves.append((other.name, describe_spectrum(other, centre=centre).spectrum))
    curves_here = st.container()
    st.header("What one direction writes", anchor=False)
    st.markdown(
        "Each direction pushes some tokens up and others down. Look at direction 0, then at the "
        "last few, then at one from the middle. The sign of a direction is arbitrary."
    )
    index = index_below(spectrum.d_model, "Direction", "direction")
    with curves_here:
        chart(
            figures.spectrum_figure(curves, view.window, log=log, chosen=index),
            key="spectrum_chart",
            table=lambda: figures.curves_table(curves, view.window),
            stamp=str(view.window),
        )
        _accuracy(spectrum, view.model.loaded)

    frequencies = word_frequencies(view)
    if frequencies is None:
        return
    about_texts(f"token frequencies: {frequencies.detail}")
    found = direction(view.model, index, centre=centre, frequencies=frequencies)
    if found is None:
        return
    if found.group:
        a, b = found.group
        st.warning(
            f"Directions {a} to {b - 1} have the same σ within numerical error. Only the "
            "subspace that they span is defined, so this direction alone has no meaning.",
            icon=":material/warning:",
        )
    ends, energy = st.columns(2)
    with ends:
        chart(
            lambda: figures.direction_figure(found, view.model.d_vocab),
            key="direction_chart",
            of=found,
            table=lambda: figures.direction_table(found),
            stamp=str(index),
        )
    with energy:
        st.markdown("**How the energy adds up**")
        chart(
            figures.energy_figure(spectrum, view.window, height=420),
            key="energy_chart",
            table=lambda: figures.spectrum_table(spectrum, view.window),
            stamp=str(view.window),
        )
    folds(
        formula=formulas.SPECTRUM,
        python=(
            "from embfilter_viz import open_model\n"
            f"model = {view.opening}\n"
            f"spectrum = model.{'centred_spectrum' if centre else 'spectrum'}\n"
            "spectrum.singular_values, spectrum.V[:, 0]"
        ),
        command="\n".join(
            (
                command_line(
                    "spectrum", *view.model_words, *(("--centre",) if centre else ()), "--json"
                ),
                command_line(
                    "directions",
                    *view.model_words,
                    "--index",
                    index,
                    "--top",
                    12,
                    *view.language_words,
                ),
            )
        ),
    )


def _accuracy(spectrum, loaded: str) -> None:
    worst = spectrum.relative_error.max()
    st.caption(
        f"{spectrum.d_vocab:,} × {spectrum.d_model} head, computed by way of "
        f"{spectrum.route}. The least exact singular value has a relative error of about "
        f"{worst:.0e}. Shaded: the directions that the window drops. Loaded: {loaded}."
    )


show("Spectrum", body)
