"""Geometry: how many texts lie in space, before and after, and beside the controls."""

import streamlit as st

from embfilter_viz.analyses.geometry import VARIANTS
from embfilter_viz.analyses.maps import (
    map_caption,
    memory_caption,
    named_maps,
    neighbour_tables,
    pairs_caption,
)
from embfilter_viz.analyses.selection import nearest_to
from embfilter_viz.data import DEMO_LANGUAGES, DEMO_NAMES, demo_language, demo_texts
from embfilter_viz.figures import geometry as figures
from embfilter_viz.ui import formulas
from embfilter_viz.ui.chart import chart
from embfilter_viz.ui.choices import View
from embfilter_viz.ui.commands import command_line
from embfilter_viz.ui.hover import texts_for_hover
from embfilter_viz.ui.inputs import index_below, uploaded_table
from embfilter_viz.ui.page import answer, folds, show
from embfilter_viz.ui.results import embedded, embedded_texts, isotropy_report, text_geometry
from embfilter_viz.ui.selection_panel import choose_rows, points_chosen, selection_panel
from embfilter_viz.ui.sources import about_texts
from embfilter_viz.ui.tables import legible_table
from embfilter_viz.ui.umap_panel import umap_layout
from embfilter_viz.ui.whole import reads_texts
from embfilter_viz.wording import counted, legible

# Nearest texts listed on either side. (Streamlit would write a docstring here onto the page.)
NEIGHBOURS = 8


def body(view: View) -> None:
    model, window = view.model, view.window
    if not reads_texts(model):
        return
    texts, labels, named = _texts()
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
        "Bars: 95 % intervals over texts. For the random subspaces, bars go from the least to "
        "the greatest value. Slow results appear once the window stops moving: effective "
        "ranks of random subspaces, and the filter's interval. "
        + " · ".join(f"**{name}**: {what}" for name, what in VARIANTS.items())
        + f" ({report.reference}). Filtered embeddings and random subspaces are measured in "
        f"their own {counted(window.k, 'dimension')}, and IsoScore says which share of these "
        "dimensions is used. `benchmarks/coverage.py` measures how often the intervals hold."
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

    st.header("Maps", anchor=False)
    found, selected = choose_rows(texts)
    maps_here = st.container()
    selection_panel(view, ready, texts, labels, selected)
    st.header("Nearest neighbours of one text", anchor=False)
    st.markdown("Click a point in either map, give a row number, or type a text of your own.")
    row, own = st.columns([1, 3])
    with row:
        chosen = index_below(len(texts), "Row", "row")
    typed = own.text_input(
        "Or a text of your own", key="own_text", bind="query-params",
        placeholder="shows its nearest texts instead of the row's",
    )  # fmt: skip
    with maps_here:
        _maps(view, ready, embeddings, texts, labels, chosen, found, selected)
    _neighbours(view, ready, texts, labels, chosen, (typed or "").strip())
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
        command=command_line(
            "geometry",
            *view.model_words,
            named,
            *view.prompt_words,
            *view.window_words,
            *view.running_words,
        ),
    )


def _maps(view, ready, embeddings, texts, labels, chosen: int, found, selected) -> None:
    """Both maps, with the chosen text and those that were found marked."""
    window = view.window
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
    layout, of, behind = ready.maps(window), window, False
    if kind == "UMAP":
        made = umap_layout(view, embeddings, texts)
        if made is None:
            return
        layout, of, behind = made
    maps = named_maps(layout)
    known_as = texts_for_hover(tuple(texts), key="map_texts")
    chart(
        figures.map_sketch(
            maps,
            texts,
            labels,
            chosen=[chosen],
            found=found,
            selected=selected,
            axes="PC" if kind == "PCA" else "UMAP",
            name=f"map-{kind}-{same}",
            shared=same,
            texts_known_as=known_as,
            faded=behind,
        ),
        key="map_chart",
        table=lambda: figures.map_table(maps, texts, labels),
        name=f"map-{str(kind).lower()}",
        on_select=lambda: points_chosen("map_chart"),
        boxes=True,
        stamp=f"{kind}-{of}",
        window=of,
    )
    st.caption(
        f"{f'This is still the earlier map of {of}. Lay out a new one above. ' * behind}"
        f"{map_caption(layout)} In the SVG file the points are one bitmap, and axes and words are "
        "vectors."
    )


def _neighbours(view, ready, texts, labels, chosen: int, typed: str) -> None:
    """The texts nearest to a row, or to a text of the reader's, raw and filtered."""
    if typed:
        embedding = embedded(view, typed)
        if embedding is None:
            return
        changes, of = nearest_to(ready, embedding[0], view.window, NEIGHBOURS), typed
    else:
        changes, of = ready.neighbours(view.window, chosen, NEIGHBOURS), texts[chosen]
    before, after, sentence = neighbour_tables(changes, texts, labels)
    st.caption(memory_caption(ready))
    st.text("\n".join(map(legible, of.splitlines())))
    answer(sentence)
    for column, side, table in zip(
        st.columns(2), ("raw", "filtered"), (before, after), strict=True
    ):
        column.markdown(f"**{side}**")
        column.dataframe(legible_table(table), hide_index=True, width="stretch")


def _texts():
    source = st.segmented_control(
        "Texts", ["demo texts", *DEMO_NAMES[1:], "your file"], default="demo texts", key="texts",
        bind="query-params", required=True,
    )  # fmt: skip
    if source != "your file":
        named = source if source in DEMO_NAMES else DEMO_NAMES[0]
        language = demo_language(named) or "en"
        demo = demo_texts(language)
        st.caption(
            f"{len(demo.texts)} {DEMO_LANGUAGES[language]} texts in {len(demo.topics)} topics, "
            "written for this explorer: " + ", ".join(demo.topics) + "."
        )  # fmt: skip
        whose = "" if language == "en" else f"{DEMO_LANGUAGES[language]} "
        about_texts(counted(len(demo.texts), f"{whose}demo text"))
        return demo.texts, demo.labels, named
    table = uploaded_table("upload", "A .txt file with one text on each line, or a .csv file")
    if table is None:
        return None, None, ""
    about_texts(f"{counted(len(table.texts), 'text')} of {table.source}")
    return table.texts, table.labels, table.source


show("Geometry", body)
