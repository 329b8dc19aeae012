"""The choices all pages share, model, prompt and window, and their life in the URL."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import streamlit as st

from embfilter_viz.errors import InputError
from embfilter_viz.evaluation.grids import shifted_windows
from embfilter_viz.models.encoding.devices import PRECISIONS, devices_here
from embfilter_viz.models.encoding.prompts import find_prompt
from embfilter_viz.models.head.languages import ENGLISH, NAMES, Languages
from embfilter_viz.spectral.windows import Window
from embfilter_viz.ui.access import ELSEWHERE, access
from embfilter_viz.ui.markdown import escaped
from embfilter_viz.ui.services import lacks_head, lend, lender_of, models_offered
from embfilter_viz.ui.streamlit_internals import came_by_history, query_of_history
from embfilter_viz.ui.strip import profile, said_here, window_strip
from embfilter_viz.ui.window_state import DEFAULT_WINDOW, WindowState

if TYPE_CHECKING:
    from embfilter_viz.model import Model

__all__ = [
    "REFUSED_LINK",
    "View",
    "choose_head",
    "choose_language",
    "choose_model",
    "choose_running",
    "choose_window",
    "heard_window",
    "opening_of",
    "passes_words",
    "set_window",
    "words_of",
]

DEVICE_WORDS = {"cpu": "Processor", "cuda": "Graphics card", "mps": "Apple GPU"}


@dataclass(frozen=True)
class View:
    """The choices that every page starts from."""

    model: "Model"
    prompt: str
    window: Window
    language: str = ENGLISH
    """Of the word frequencies: a code, or several with their shares."""

    @property
    def spec(self) -> str:
        """The window as it was chosen, ``2`` or ``72:504``, for code and the command line."""
        tau = self.window.tau_asked
        return str(self.window) if tau is None else f"{tau:.12g}"

    @property
    def window_arguments(self) -> str:
        """The window as ``EmbedFilter`` takes it in Python."""
        if ":" in self.spec:
            return f"window=({self.window.l}, {self.window.r})"
        return f"tau={self.spec}"

    @property
    def opening(self) -> str:
        """Say how Python opens this model."""
        return opening_of(self.model)

    @property
    def model_words(self) -> tuple[str, ...]:
        """The model as the command line takes it, with the one that lends it a head."""
        lent = self.model.head_from
        return (self.model.name, *(() if lent is None else ("--head-from", lent)))

    @property
    def running_words(self) -> tuple[str, ...]:
        """The precision as the command line takes it; nothing by default.

        The device is left out: it changes no number beyond rounding.
        """
        return () if self.model.dtype == "float32" else ("--dtype", self.model.dtype)

    @property
    def word_frequencies(self) -> str:
        """Say whose word frequencies they are that say which tokens are frequent."""
        return Languages.of(self.language).frequencies

    @property
    def language_words(self) -> tuple[str, ...]:
        """The language of word frequencies as the command line takes it; nothing for English."""
        return () if self.language == ENGLISH else ("--language", self.language)

    @property
    def language_argument(self) -> str:
        """The same as Python takes it, behind other arguments."""
        return "" if self.language == ENGLISH else f", language={self.language!r}"

    @property
    def prompt_words(self) -> tuple[str, ...]:
        """The prompt as the command line takes it."""
        return words_of(self.prompt)

    @property
    def window_words(self) -> tuple[str, ...]:
        """The window as the command line takes it."""
        return ("--window" if ":" in self.spec else "--tau", self.spec)


def passes_words(prompt: str) -> str:
    """Say what a text costs under a prompt of several templates; nothing for other prompts.

    >>> passes_words("metaeol"), passes_words("mean")
    (' The prompt takes 8 forward passes a text.', '')
    >>> passes_words("geneol")
    ' The prompt takes 9 forward passes a text, after writing 8 rewritings, which takes seconds.'
    """
    asked = find_prompt(prompt)
    if asked.forwards == 1:
        return ""
    written = ""
    if asked.rewritings:
        written = f", after writing {asked.rewritings} rewritings, which takes seconds"
    return f" The prompt takes {asked.forwards} forward passes a text{written}."


def words_of(prompt: str) -> tuple[str, ...]:
    """A prompt as the command line takes it, word by word.

    >>> words_of("mean@3"), words_of("last:So: {text}")
    (('--prompt', 'mean', '--layer', '3'), ('--prompt-template', 'So: {text}'))
    """
    asked = find_prompt(prompt)
    layer = () if asked.layer is None else ("--layer", str(asked.layer))
    name = str(asked.at(None))
    if not asked.is_own or asked.members:
        return ("--prompt", name, *layer)
    pooling = () if asked.pooling == "last" else ("--pooling", str(asked.pooling))
    return ("--prompt-template", name.partition(":")[2], *pooling, *layer)


def opening_of(model: "Model") -> str:
    """Say how Python opens a model as it is open here."""
    lent = "" if model.head_from is None else f", head_from={model.head_from!r}"
    dtype = "" if model.dtype == "float32" else f", dtype={model.dtype!r}"
    return f"open_model({model.name!r}{lent}{dtype})"


REFUSED_LINK = "_refused_link"
"""In the session: why the model that its link named is not opened; empty where it is."""


def choose_model() -> str:
    """The model picker; on one's own machine any hub id, folder or ``.gguf`` file can be typed."""
    rules = access()
    linked = st.session_state.setdefault("_linked_model", st.query_params.get("model", ""))
    chosen = st.selectbox(
        "Model",
        models_offered(),
        key="model",
        bind="query-params",
        on_change=lambda: st.session_state.pop("_linked_model", None),
        accept_new_options=not rules.public,
        help=f"This public explorer opens these models only; {ELSEWHERE}."
        if rules.public
        else (
            "Pick a model from the list, or type a Hugging Face id (`org/name`, "
            "`org/name@revision`), a local folder, or a `.gguf` file. An id or a folder may "
            "be a PEFT adapter. Only safetensors and GGUF files are read. Where the explorer was "
            "started with a served engine, `engine:URL#NAME` has that read the texts."
        ),
    )
    # Such a link has left the picker of a public explorer at its first model. The page says so, for
    # on a narrow screen the sidebar is closed.
    st.session_state[REFUSED_LINK] = rules.refuses_model(linked) if rules.public else ""
    return (chosen or models_offered()[0]).strip()


def choose_head(model: str) -> None:
    """The field for the model that lends its head to one without; asked where that was found out.

    What is typed belongs to the model it was typed for, and comes back with it.
    """
    key = "head_from"
    if st.session_state.setdefault("_head_for", model) != model:
        st.session_state[key] = lender_of(model)
    st.session_state["_head_for"] = model
    linked = st.session_state.get(key) or st.query_params.get(key)
    asked = bool(linked) or lacks_head(model)
    if asked:
        st.text_input(
            "Head from",
            key=key,
            bind="query-params",
            placeholder="a model with the same tokens",
            help="This model was saved without a head, as embedders are. Name the model that it "
            "was made from; only the head of that model is read. Both models must have the "
            "same width and the same tokens.",
        )
    lend(model, st.session_state[key] if asked else "")


def choose_running() -> tuple[str, str]:
    """Return where the model runs, of the devices that are here, and in what precision."""
    here = devices_here(ask_torch=False)
    left, right = st.columns(2)
    device = here[0]
    if len(here) > 1:
        device = left.selectbox(
            "Device", here, key="device", format_func=lambda name: DEVICE_WORDS[name],
            help="The device on which texts are read.",
        )  # fmt: skip
    else:
        left.caption(
            "Device  \n" + DEVICE_WORDS[device],
            help="Only the processor can be used: torch found no graphics card and no Apple GPU.",
        )
    dtype = right.selectbox(
        "Precision",
        PRECISIONS,
        key="dtype",
        bind="query-params",
        help="float32 is the most accurate. The other precisions need half the memory and round "
        "every state to two or three digits. Their results are stored separately.",
    )
    return device or here[0], dtype or PRECISIONS[0]


def choose_language() -> str:
    """Return the language of the word frequencies, by its one name; English for what is unknown."""
    said = st.selectbox(
        "Language of word frequencies",
        [ENGLISH, *(code for code in NAMES if code != ENGLISH)],
        key="language",
        bind="query-params",
        accept_new_options=True,
        help="Word frequencies say which tokens are frequent, where the model's own predictions "
        "do not. Pick a language, or type several: `en,id` mixes them in equal parts, and "
        "`en=3,id=1` with these weights. No language needs another package: its list of words "
        "is read, and no text is split into words.",
    )  # fmt: skip
    try:
        found = Languages.of(said or ENGLISH)
    except InputError as error:
        st.error(f"{escaped(str(error))}. Showing English instead.", icon=":material/error:")
        found = Languages.of(ENGLISH)
    if found.name != ENGLISH:
        st.caption(escaped(f"{found.frequencies[0].upper()}{found.frequencies[1:]}."))
    return found.name


def choose_window(model: "Model") -> Window:
    """The one control of the window: strip, field and slider of τ."""
    state = st.session_state[_WINDOW] = heard_window().of_width(model.d_model)
    family = model.card.family
    papers = [
        f" For {family} the paper keeps {shifted} at τ = 2."
        for shifted in shifted_windows(family, state.d)[:1]
    ]
    with st.container(key="window_strip"):
        try:
            window = state.window()
        except InputError as error:
            window = Window.parse(DEFAULT_WINDOW, state.d)
            st.error(
                f"{escaped(str(error))}. Showing τ = {DEFAULT_WINDOW} instead.",
                icon=":material/error:",
            )
        drawn = profile(model.spectrum.singular_values)
        window_strip(state, window, drawn, more_help="".join(papers))
    return window


def set_window(words: str) -> None:
    """Choose a window by its words, ``2`` or ``72:504``; for callbacks of other controls."""
    st.session_state[_WINDOW] = heard_window().moves_to(words)


def heard_window() -> WindowState:
    """The window as far as this run was told of it; ``window_state.py`` says by what rules."""
    state = st.session_state.get(_WINDOW)
    if state is None:
        state = WindowState(st.query_params.get("window", DEFAULT_WINDOW))
    state = state.hears(said_here())
    if came_by_history():
        linked = query_of_history().get("window", DEFAULT_WINDOW)
        state = state.moves_to(linked, of_any_model=True)
    st.session_state[_WINDOW] = state
    return state


_WINDOW = "_window"
"""In the session: the state of its window."""
