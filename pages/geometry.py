"""Geometry: how many texts lie in space, before and after, and beside the controls."""

import numpy as np
import streamlit as st

from embfilter_viz.analyses.geometry import VARIANTS
from embfilter_viz.analyses.maps import (
    map_caption,
    memory_caption,
    named_maps,
    neighbour_tables,
    pairs_caption,
)
from embfilter_viz.data import demo_texts
from embfilter_viz.figures import geometry as figures
from embfilter_viz.ui import formulas
from embfilter_viz.ui.chart import chart
from embfilter_viz.ui.choices import View
from embfilter_viz.ui.hover import texts_for_hover
from embfilter_viz.ui.inputs import index_below, uploaded_table
from embfilter_viz.ui.page import answer, folds, show
from embfilter_viz.ui.results import embedded_texts, isotropy_report, text_geometry
from embfilter_viz.ui.umap_panel import umap_layout
from embfilter_viz.ui.whole import reads_texts

# Nearest texts listed on either side. (Streamlit would write a docstring here onto the page.)
NEIGHBOURS = 8


def body(view: View) -> None:
    model, window = view.model, view.window
    if not reads_texts(model):
        return
    texts, labels = _texts()
    if texts is None:
        return
    embeddings = embedded_texts(view, texts, button=f"Embed {len(texts):,} texts with {model.name}")
    if embeddings is None:
        return

    ready = text_geometry(view, embeddings, texts)
    if ready is None:
        return
    report = isotropy_report(view, ready, texts)
    answer(report.sentence)
    chart(
        figures.isotropy_sketch(report),
        key="isotropy_chart",
        table=lambda: figures.isotropy_table(report),
        name="isotropy",
        stamp=str(window),
    )
    st.caption(
        "Bars: 95 % jackknife intervals over texts; two of those of the effective rank follow "
        "when the window rests. "
        + " · ".join(f"**{name}**: {what}" for name, what in VARIANTS.items())
        + f". Filtered and random subspace are measured in their own {window.k} "
        "dimensions, and IsoScore says what share of those is used."
    )

    raw, filtered = ready.histograms(window)
    st.markdown("**How alike any two texts are**")
    chart(
        figures.histogram_sketch(raw, filtered),
        key="histogram_chart",
        table=lambda: figures.histogram_table(raw, filtered),
        name="cosines",
        stamp=str(window),
    )
    st.caption(pairs_caption(ready))

    st.subheader("Maps", anchor=False)
    maps_here = st.container()
    st.subheader("Nearest neighbours of one text", anchor=False)
    st.markdown("Click a point in either map, or give a row number.")
    chosen = index_below(len(texts), "Row", "row")
    with maps_here:
        left, right = st.columns([1, 2], vertical_alignment="bottom")
        kind = left.segmented_control(
            "Layout",
            ["PCA", "UMAP"],
            default="PCA",
            key="layout",
            bind="query-params",
            required=True,
        )
        same = right.toggle(
            "Both maps on one scale", True, key="one_scale", bind="query-params",
            help="Off: each map fills its panel, so that its own structure can be seen.",
        )  # fmt: skip
        layout = ready.maps(window) if kind == "PCA" else umap_layout(view, embeddings, texts)
        if layout is not None:
            maps = named_maps(layout)
            known_as = texts_for_hover(tuple(texts), key="map_texts")
            chart(
                figures.map_sketch(
                    maps,
                    texts,
                    labels,
                    chosen=[chosen],
                    axes="PC" if kind == "PCA" else "UMAP",
                    name=f"map-{kind}-{same}",
                    shared=same,
                    texts_known_as=known_as,
                ),
                key="map_chart",
                table=lambda: figures.map_table(maps, texts, labels),
                name=f"map-{str(kind).lower()}",
                on_select=_point_chosen,
                stamp=f"{kind}-{window}",
            )
            st.caption(
                f"{map_caption(layout)} In the SVG the points are one picture; axes and words "
                "stay vectors."
            )
    before, after, sentence = neighbour_tables(
        ready.neighbours(window, chosen, NEIGHBOURS), texts, labels
    )
    st.caption(memory_caption(ready))
    st.text(texts[chosen])
    answer(sentence)
    for column, side, table in zip(
        st.columns(2), ("raw", "filtered"), (before, after), strict=True
    ):
        column.markdown(f"**{side}**")
        column.dataframe(table, hide_index=True, width="stretch")
    folds(
        formula=formulas.GEOMETRY,
        python=(
            "from embfilter_viz import Window, open_model\n"
            "from embfilter_viz.analyses.geometry import geometry\n"
            f"model = {view.opening}\n"
            f"window = Window.parse({view.spec!r}, model.d_model)\n"
            f"report = geometry(model, texts, {view.prompt!r}, window)\n"
            "report.variants['filtered'].mean_cosine"
        ),
        command=(
            f"embfilter-viz geometry {model.name} texts.txt --prompt {view.prompt} "
            f"{view.window_options}{view.running_options}"
        ),
    )


def _texts():
    source = st.segmented_control(
        "Texts", ["demo texts", "your file"], default="demo texts", key="texts",
        bind="query-params", required=True,
    )  # fmt: skip
    if source != "your file":
        demo = demo_texts()
        st.caption(
            f"{len(demo.texts)} texts in {len(demo.topics)} topics, written for this explorer: "
            + ", ".join(demo.topics) + "."
        )  # fmt: skip
        return demo.texts, demo.labels
    table = uploaded_table("upload", "A .txt with one text a line, or a .csv")
    return (None, None) if table is None else (table.texts, table.labels)


def _point_chosen() -> None:
    selected = st.session_state["map_chart"].selected
    if selected:
        st.session_state["row"] = int(np.ravel(selected)[0])


show("Geometry", body)
