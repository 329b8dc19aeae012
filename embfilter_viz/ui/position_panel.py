"""The part of Filter and lens where every token of the prompt is read after every layer."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import streamlit as st

from embfilter_viz.analyses.position_lens import (
    MOVING_SIDES,
    PositionMap,
    PromptLens,
    find_token,
)
from embfilter_viz.analyses.reference import reference_of
from embfilter_viz.figures import position_lens as figures
from embfilter_viz.models.encoding.prompts import find_prompt
from embfilter_viz.models.head.frequencies import TokenFrequencies
from embfilter_viz.models.head.vocabulary import visible
from embfilter_viz.spectral.windows import Window
from embfilter_viz.ui.chart import chart
from embfilter_viz.ui.choices import View
from embfilter_viz.ui.inputs import index_below
from embfilter_viz.ui.markdown import escaped
from embfilter_viz.ui.page import answer
from embfilter_viz.ui.results import (
    digest,
    layer_means,
    position_map,
    prompt_states,
    settled_window,
)
from embfilter_viz.ui.tokens import token_row

__all__ = ["position_panel"]

SHOWN = 48
"""Tokens of a prompt that stand on one map; of a longer prompt a part is chosen."""

DECODED = {
    "raw": "raw",
    "filtered": "filtered",
    "relative to other texts": "relative",
    "relative and filtered": "relative_filtered",
}
"""What the reader can choose, as it stands in a link, and the side it is."""


@dataclass(frozen=True)
class _Choices:
    """The reader's choices."""

    side: str
    """By the names of ``SIDES``."""
    removal: str
    coloured_by: str
    token: int | None
    """The token to follow."""


def position_panel(view: View, text: str, frequencies: TokenFrequencies, removal: str) -> None:
    """Show the layer × token map, the top ten of one cell, and a token followed.

    Args:
        view: the page's model, prompt and window.
        text: the reader's text.
        frequencies: which tokens are frequent.
        removal: what is removed, by the paper's names.
    """
    st.header("The same lens at every token of the prompt", anchor=False)
    if not st.toggle(
        "Read every token after every layer", key="positions", bind="query-params",
        help="The head decodes one state for every layer and token. This takes some seconds, and "
             "longer for long texts.",
    ):  # fmt: skip
        return
    if averages := find_prompt(view.prompt).averages:
        n = find_prompt(view.prompt).forwards
        st.caption(
            f"This prompt is the mean of {averages}, so a text is {n} lists of tokens: pick a "
            "prompt of one template to read its tokens."
        )
        return
    asked = _choices(view, removal)
    means = None
    if asked.side.startswith("relative"):
        means = layer_means(view, reference_of("demo").without((text,)).texts)
        if means is None:
            return
    ready = prompt_states(view, text, means, frequencies)
    if ready is None:
        return
    columns = _columns(ready)
    # A map is too slow to follow every move of the window: it shows where the hand rested last.
    window = settled_window(
        view, "positions_clock",
        (digest((text,)), asked.side, removal, str(columns.start), str(asked.token)),
        lambda progress: ready.map(
            asked.side, view.window,
            removal=removal, columns=columns, token=asked.token, progress=progress,
        ),
    )  # fmt: skip
    found = position_map(view, text, ready, window, asked.side, removal, columns, asked.token)
    if found is None:
        return
    answer(found.sentence)
    map_here = st.container()
    cell = _cell(ready)
    with map_here:
        _map(found, asked, window, cell, behind=window != view.window)
    _top_ten(ready, window, asked, *cell, view.model.d_vocab)
    if asked.token is not None:
        _path(ready, window, asked, cell[1])


def _choices(view: View, removal: str) -> _Choices:
    """The controls over the map."""
    left, middle, right = st.columns([2, 2, 1.4], vertical_alignment="bottom")
    decoded = left.selectbox(
        "What is decoded", list(DECODED), key="position_side", bind="query-params",
        help="Relative: the mean state of the demo texts is removed, with its own mean for each "
             "layer.",
    )  # fmt: skip
    coloured_by = middle.selectbox(
        "Colour", list(figures.COLOURED_BY), key="position_colour", bind="query-params",
        help="; ".join(f"{name}: {what}" for name, what in figures.COLOURED_BY.items()) + ".",
    )  # fmt: skip
    typed = right.text_input(
        "Token to follow", key="follow", bind="query-params", placeholder="a word, or #42",
        help="The map can be coloured by the place of this token, and a figure below follows its "
             "place through the layers. If a word has several tokens, the first is taken.",
    )  # fmt: skip
    token = find_token(view.model, typed)[0] if typed and typed.strip() else None
    if coloured_by == "rank" and token is None:
        coloured_by = "probability"
        st.caption("Type a token to follow: its place then colours the map.")
    return _Choices(DECODED[decoded], removal, coloured_by, token)


def _map(
    found: PositionMap, asked: _Choices, window: Window, cell: tuple[int, int], *, behind: bool
) -> None:
    """The layer × token map, pale where it is still that of another window.

    Args:
        found: the map.
        asked: the reader's choices.
        window: what it is of.
        cell: row and column of the chosen cell.
        behind: whether the strip has another window by now.
    """
    layer, position = cell
    faded = behind and asked.side in MOVING_SIDES
    chart(
        figures.map_sketch(found, asked.coloured_by, chosen=cell, faded=faded),
        key="positions_chart",
        table=lambda: figures.map_table(found),
        name=f"lens-by-position-{asked.side.replace('_', '-')}",
        on_select=_cell_chosen(found.first),
        cursor=(layer, position - found.first),
        min_width=figures.map_width(found),
        stamp=str(window),
        window=window,
    )
    notes = [
        f"This map is still of the window {window}. The new map appears once the window stops "
        "moving."
    ] * behind
    notes.append(
        "Click a cell to see its top ten tokens, or move from cell to cell with the arrow "
        "keys once the map has the focus. Bold tokens count towards the embedding."
    )
    if asked.side.startswith("relative"):
        notes.append(
            "The softmax of a difference of states is not a probability of the model. It "
            "shows which tokens gain most compared with other texts."
        )
    st.caption(" ".join(notes))


def _columns(ready: PromptLens) -> slice:
    """Return which tokens of the prompt stand on the map: all, or some of them where it is long."""
    n = len(ready.tokens)
    if n <= SHOWN:
        return slice(0, n)
    first = st.slider(
        f"First token shown, of {n}", 0, 512, max(0, n - SHOWN), key="position_first",
        help=f"The map has room for {SHOWN} tokens.",
    )  # fmt: skip
    first = min(int(first), n - SHOWN)
    return slice(first, first + SHOWN)


def _cell(ready: PromptLens) -> tuple[int, int]:
    """Layer and position of the cell that is looked at closely."""
    for key, last in (("cell_layer", ready.n_layers), ("cell_token", len(ready.tokens) - 1)):
        if key not in st.session_state and key not in st.query_params:
            st.session_state[key] = last
    left, right = st.columns(2)
    with left:
        layer = index_below(ready.n_layers + 1, "Layer of the cell", "cell_layer")
    with right:
        position = index_below(len(ready.tokens), "Token of the cell", "cell_token")
    return layer, position


def _cell_chosen(first: int) -> Callable[[], None]:
    """Return what a click on a cell does: it is looked at closely."""

    def chosen() -> None:
        cell = np.ravel(st.session_state["positions_chart"].selected or ())
        if len(cell) == 2:
            st.session_state["cell_layer"] = int(cell[0])
            st.session_state["cell_token"] = int(cell[1]) + first

    return chosen


def _top_ten(
    ready: PromptLens, window: Window, asked: _Choices, layer: int, position: int, d_vocab: int
) -> None:
    """The top ten tokens of the chosen cell.

    Args:
        ready: the states of every token.
        window: what the filter keeps.
        asked: the reader's choices.
        layer: of the cell.
        position: of the cell.
        d_vocab: where the scale of ranks ends.
    """
    cell = ready.cell(asked.side, window, layer, position, removal=asked.removal)
    where = f"layer {layer}, token {position} “{visible(ready.tokens[position])}”"
    if not cell.tokens:
        st.caption(escaped(f"{where}: this state equals the mean of the other texts."))
        return
    st.markdown(f"**Top ten of {escaped(where)}**")
    token_row(cell.tokens, d_vocab)
    shares = ", ".join(f"{p:.2g}" for p in cell.probability)
    st.caption(f"Softmax: {shares}")


def _path(ready: PromptLens, window: Window, asked: _Choices, position: int) -> None:
    """The rank of the followed token at the chosen position, through the layers.

    Args:
        ready: the states of every token.
        window: what the filter keeps.
        asked: the reader's choices.
        position: of the chosen cell.
    """
    assert asked.token is not None
    path = ready.path(asked.token, position, window, removal=asked.removal)
    st.markdown("**The followed token, layer by layer**")
    answer(path.sentence)
    chart(
        figures.path_sketch(path),
        key="path_chart",
        table=lambda: figures.path_table(path),
        name="rank-through-layers",
        stamp=str(window),
        window=window,
    )
