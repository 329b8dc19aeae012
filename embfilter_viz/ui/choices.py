"""The choices all pages share, model, prompt and window, and their life in the URL."""

import math
import time
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import streamlit as st
from streamlit.errors import StreamlitAPIException
from streamlit.runtime.scriptrunner import get_script_run_ctx

from embfilter_viz.errors import InputError
from embfilter_viz.models.devices import PRECISIONS, devices_here
from embfilter_viz.models.prompts import PROMPTS
from embfilter_viz.models.sources import BUNDLED, known_models
from embfilter_viz.spectral.windows import Window
from embfilter_viz.ui.strip import newest_move, profile, window_strip

if TYPE_CHECKING:
    from embfilter_viz.model import Model

__all__ = [
    "DEFAULT_WINDOW",
    "LONGEST_IN_LINK",
    "View",
    "choose_model",
    "choose_prompt",
    "choose_running",
    "choose_window",
    "fits_in_link",
    "is_behind",
    "keep",
    "put_back",
    "replace",
    "set_window",
]

DEFAULT_WINDOW = "2"
"""The paper's recommendation: τ = 2."""

DEVICE_WORDS = {"cpu": "Processor", "cuda": "Graphics card", "mps": "Apple GPU"}

BEHIND = 1.0
"""Seconds in which a request may still carry a control as it was before a move."""

LONGEST_IN_LINK = 1500
"""Characters of text that still fit in a link; servers refuse much longer request lines."""


@dataclass(frozen=True)
class View:
    """What every page starts from."""

    model: "Model"
    prompt: str
    window: Window

    @property
    def spec(self) -> str:
        """The window as it was chosen, ``2`` or ``72:504``, for links and code."""
        return str(st.session_state.get("window", DEFAULT_WINDOW))

    @property
    def window_arguments(self) -> str:
        """The window as ``EmbedFilter`` takes it in Python."""
        if ":" in self.spec:
            return f"window=({self.window.l}, {self.window.r})"
        return f"tau={self.spec}"

    @property
    def opening(self) -> str:
        """How Python opens this model."""
        dtype = self.model.dtype
        more = "" if dtype == "float32" else f", dtype={dtype!r}"
        return f"open_model({self.model.name!r}{more})"

    @property
    def running_options(self) -> str:
        """The precision as the command line takes it, with a space before it; nothing by default.

        The device is left out: it changes no number beyond rounding.
        """
        return "" if self.model.dtype == "float32" else f" --dtype {self.model.dtype}"

    @property
    def window_options(self) -> str:
        """The window as the command line takes it."""
        return f"--window {self.spec}" if ":" in self.spec else f"--tau {self.spec}"


def choose_model() -> str:
    """The model picker; takes a hub id, a folder or a ``.gguf`` file as well."""
    chosen = st.selectbox(
        "Model",
        list(dict.fromkeys([BUNDLED, *(known.name for known in known_models())])),
        key="model",
        bind="query-params",
        accept_new_options=True,
        help=(
            "Pick one that is here, or type a Hugging Face id (`org/name`, `org/name@revision`), "
            "a local folder, or a `.gguf` file. Safetensors and GGUF only."
        ),
    )
    return (chosen or BUNDLED).strip()


def choose_prompt() -> str:
    """How a text is put to the model and which states are pooled."""
    names = list(PROMPTS)
    prompt = st.selectbox(
        "Prompt",
        names,
        key="prompt",
        bind="query-params",
        help="How a text is put to the model, and which of its states become the embedding.",
    )
    st.caption(f"**{PROMPTS[prompt].title}.** {PROMPTS[prompt].description}")
    return prompt


def choose_running() -> tuple[str, str]:
    """Where the model runs, of the devices that are here, and in what precision."""
    here = devices_here(ask_torch=False)
    left, right = st.columns(2)
    device = left.selectbox(
        "Device",
        here,
        key="device",
        format_func=lambda name: DEVICE_WORDS[name],
        disabled=len(here) == 1,
        help=(
            "Where texts are read."
            if len(here) > 1
            else "Only the processor is here: neither a graphics card that torch knows nor "
            "Apple's was found."
        ),
    )
    dtype = right.selectbox(
        "Precision",
        PRECISIONS,
        key="dtype",
        bind="query-params",
        help="float32 for the numbers. The others take half the memory and round every state to "
        "two or three digits; what they give is kept apart.",
    )
    return device or here[0], dtype or PRECISIONS[0]


def choose_window(model: "Model") -> Window:
    """The strip and the field beside it; both change one window, kept in the URL."""
    d = model.d_model
    strip = f"strip_{_this_page()}"
    put_back("window", DEFAULT_WINDOW)
    _follow(strip)
    _stay_with_the_move()
    _carry_over(d)
    with st.container(key="window_strip"):
        drawing, typed = st.columns([5, 1], vertical_alignment="center")
        with typed:
            st.text_input(
                "Window: τ or l:r",
                DEFAULT_WINDOW,
                key="window",
                bind="query-params",
                help=(
                    "`2` keeps the middle half of the spectrum (τ = 2), `72:504` keeps directions "
                    "72 to 503. Or drag the strip's ends; arrow keys move them by one."
                ),
            )
        keep("window", DEFAULT_WINDOW)
        try:
            window = Window.parse(str(st.session_state["window"]), d)
        except InputError as error:
            window = Window.parse(DEFAULT_WINDOW, d)
            st.error(f"{error}. Showing τ = {DEFAULT_WINDOW} instead.", icon=":material/error:")
        with drawing:
            window_strip(window, _profile(model), key=strip, on_move=partial(_follow, strip))
    st.session_state["window_d"] = d
    return window


def put_back(key: str, default: str) -> None:
    """Before a widget that stands on several pages: give it the value it had on the last one.

    Each page makes a widget of its own, which Streamlit 1.67 starts at the widget's default and
    not at the key's value where the page was changed by way of the navigation, which also takes
    the key out of the URL. A link's value, or that of the browser's history, still goes before.
    """
    page, value = st.session_state.get(f"_kept_{key}", (None, default))
    if page != _this_page():
        st.session_state[key] = value
        if page and value != default and key not in st.query_params and fits_in_link(value):
            # The last page's widget may still hold the key: then Streamlit writes it by itself.
            with suppress(StreamlitAPIException):
                st.query_params[key] = value


def keep(key: str, default: str) -> None:
    """After such a widget, whose own default is ``default``: remember its value for other pages.

    Where the browser's history led here from another page, Streamlit lost the value that stands
    in the URL: read it there and start again.
    """
    context = get_script_run_ctx()
    value, page = st.session_state[key], _this_page()
    if value == default and context and context.is_history_navigation:
        value = dict(parse_qsl(context.query_string)).get(key, default)
        page = page if value == default else ""
    st.session_state[f"_kept_{key}"] = (page, value)
    if not page:
        st.rerun()


def fits_in_link(value: str) -> bool:
    """Whether a value is short enough to stand in the URL."""
    return len(value) <= LONGEST_IN_LINK


def _this_page() -> str:
    context = get_script_run_ctx()
    return context.page_script_hash if context else ""


def set_window(spec: str) -> None:
    """Choose a window by its words, ``2`` or ``72:504``; for callbacks of other controls."""
    page, kept = st.session_state.get("_kept_window", ("", spec))
    _took_the_place("window", kept)
    replace("window", spec)
    st.session_state["_kept_window"] = (page, spec)  # also where another page is on its way


def replace(key: str, value: Any) -> None:
    """Give a control another value than the reader did, and remember for a while which it had.

    Whatever is clicked before the browser has the answer to a move sends the controls as they were
    before, which Streamlit takes for something chosen: :func:`is_behind` tells.
    """
    _took_the_place(key, st.session_state.get(key, value))
    st.session_state.setdefault(_REPLACED, {}).pop((key, value), None)
    st.session_state[key] = value


def is_behind(key: str) -> bool:
    """Whether the value of a control is one that was replaced a moment ago."""
    place = (key, st.session_state[key])
    when = st.session_state.get(_REPLACED, {}).get(place, -math.inf)
    return time.monotonic() - when < BEHIND


_REPLACED = "_replaced"
"""In the session: keys and values that others took the place of, and when."""


def _took_the_place(key: str, value: Any) -> None:
    now = time.monotonic()
    known = st.session_state.get(_REPLACED, {})
    recent = {place: when for place, when in known.items() if now - when < BEHIND}
    st.session_state[_REPLACED] = {**recent, (key, value): now}


def _stay_with_the_move() -> None:
    """Leave a move alone that the browser's field does not show yet."""
    context = get_script_run_ctx()
    page, kept = st.session_state.get("_kept_window", ("", ""))
    back = context is not None and context.is_history_navigation
    if page == _this_page() and is_behind("window") and not back:
        st.session_state["window"] = kept


def _follow(strip: str) -> None:
    moved = newest_move(strip)
    if moved is not None:
        set_window(moved)


def _carry_over(d: int) -> None:
    """Keep the window's share of the spectrum when the model, and with it d, changes."""
    spec = str(st.session_state["window"])
    before = st.session_state.get("window_d")
    if before and before != d and ":" in spec:
        try:
            window = Window.parse(spec, before)
        except InputError:
            return
        low = round(window.l / before * d)
        set_window(f"{low}:{max(low + 1, round(window.r / before * d))}")


def _profile(model: "Model") -> str:
    known = st.session_state.get("_profile")
    if known is None or known[0] != model.identity:
        known = (model.identity, profile(model.spectrum.singular_values))
        st.session_state["_profile"] = known
    return known[1]
