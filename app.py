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

from embfilter_viz.ui.assets import put_policy, put_style  # noqa: E402 - the page config comes first
from embfilter_viz.ui.openings import OPENINGS, first_words  # noqa: E402

# Without icons all of them fit into a window 1,280 pixels wide; what does not is hidden in a menu.
PAGES = [
    st.Page("pages/start.py", title="Start", default=True),
    st.Page("pages/lesson.py", title="Lesson"),
    st.Page("pages/spectrum.py", title="Spectrum"),
    st.Page("pages/average_token.py", title="Average token"),
    st.Page("pages/filter_and_lens.py", title="Filter and lens"),
    st.Page("pages/two_texts.py", title="Two texts"),
    st.Page("pages/geometry.py", title="Geometry"),
    st.Page("pages/window_lab.py", title="Window laboratory"),
    st.Page("pages/claims.py", title="Claims"),
    st.Page("pages/compare.py", title="Compare"),
    # Reached from the sidebar: the bar on top has room for the pages that answer something.
    st.Page("pages/words.py", title="Words", icon=":material/menu_book:", visibility="hidden"),
]

put_style()
put_policy()
page = st.navigation(PAGES, position="top")
st.set_page_config(page_title=f"{page.title} · EmbedFilter explorer")
st.session_state["_first_words"] = st.empty()
if "embfilter_viz.ui.choices" not in sys.modules:
    # A server's first visitor reads while the rest is imported.
    with st.session_state["_first_words"].container():
        first_words(OPENINGS[page.title])

from embfilter_viz.ui.beginning import begin  # noqa: E402
from embfilter_viz.ui.chart import load_plotly  # noqa: E402
from embfilter_viz.ui.choices import (  # noqa: E402
    choose_head,
    choose_language,
    choose_model,
    choose_running,
)
from embfilter_viz.ui.connection import run_again_when_back  # noqa: E402
from embfilter_viz.ui.model_card import show_card  # noqa: E402
from embfilter_viz.ui.prompt_choice import choose_prompt  # noqa: E402
from embfilter_viz.ui.see import light_up  # noqa: E402
from embfilter_viz.ui.services import warm_up  # noqa: E402

load_plotly()
light_up()
run_again_when_back()
warm_up()
begin(page.title)
with st.sidebar:
    model = st.session_state["_model"] = choose_model()
    head_here, prompt_here = st.container(), st.container()
    st.session_state["_running"] = choose_running()  # which tells apart what is open
    with head_here:
        choose_head(model)
    with prompt_here:
        st.session_state["_prompt"] = choose_prompt(model)
    st.session_state["_language"] = choose_language()
    card_here = st.container()
    st.page_link(PAGES[-1], label="Words and what they mean")
page.run()
with card_here:  # after the page, which opens the model
    show_card(st.session_state["_model"])
