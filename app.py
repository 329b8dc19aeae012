"""The EmbedFilter explorer: the router, and the choices every page shares.

Run it with ``streamlit run app.py``.
"""

import sys
from pathlib import Path

import streamlit as st

st.set_page_config(
    page_title="EmbedFilter explorer",
    page_icon=str(Path(__file__).parent / "static" / "icon.png"),
    layout="wide",
    initial_sidebar_state="auto",
)

from embfilter_viz.ui.assets import put_style  # noqa: E402 - the page config comes first
from embfilter_viz.ui.openings import OPENINGS, first_words  # noqa: E402

PAGES = [
    st.Page("pages/start.py", title="Start", icon=":material/flag:", default=True),
    st.Page("pages/spectrum.py", title="Spectrum", icon=":material/show_chart:"),
    st.Page("pages/average_token.py", title="Average token", icon=":material/equalizer:"),
    st.Page("pages/filter_and_lens.py", title="Filter and lens", icon=":material/filter_alt:"),
    st.Page("pages/geometry.py", title="Geometry", icon=":material/scatter_plot:"),
    st.Page("pages/window_lab.py", title="Window laboratory", icon=":material/science:"),
    st.Page("pages/compare.py", title="Compare", icon=":material/compare_arrows:"),
]

put_style()
page = st.navigation(PAGES, position="top")
st.session_state["_first_words"] = st.empty()
if "embfilter_viz.ui.choices" not in sys.modules:
    # A server's first visitor reads while the rest is imported.
    with st.session_state["_first_words"].container():
        first_words(OPENINGS[page.title])

from embfilter_viz.ui.chart import load_plotly  # noqa: E402
from embfilter_viz.ui.choices import choose_model, choose_prompt, choose_running  # noqa: E402
from embfilter_viz.ui.model_card import show_card  # noqa: E402
from embfilter_viz.ui.services import warm_up  # noqa: E402

load_plotly()
warm_up()
with st.sidebar:
    st.session_state["_model"] = choose_model()
    st.session_state["_prompt"] = choose_prompt()
    st.session_state["_running"] = choose_running()
    card_here = st.container()
page.run()
with card_here:  # after the page, which opens the model
    show_card(st.session_state["_model"])
