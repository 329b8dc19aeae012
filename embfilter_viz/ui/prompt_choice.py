"""How a text is put to the model, as the sidebar asks: a prompt, own words, pooling and layer."""

from contextlib import suppress
from typing import TYPE_CHECKING

import streamlit as st

from embfilter_viz.errors import InputError
from embfilter_viz.models.encoding.prompts import (
    MOST_TEMPLATES,
    POOLINGS,
    PROMPTS,
    PUBLISHED,
    Prompt,
    find_prompt,
)
from embfilter_viz.ui.markdown import escaped
from embfilter_viz.ui.services import opened

if TYPE_CHECKING:
    from embfilter_viz.model import Model

__all__ = ["OWN", "SEVERAL", "choose_prompt", "prompt_parameters"]

OWN = "own template"
"""A choice: a template of the reader's."""

SEVERAL = "own templates"
"""The last choice: several of them, whose embeddings are averaged."""

_LAYERS = "_layers"
"""Where a session keeps how many layers there were to choose from."""

_FIRST = 'Summarise "{text}" as:'
_FIRST_TWO = f'{_FIRST}\nSay what "{{text}}" is about:'
_INSTEAD = PROMPTS["prompteol"]


def choose_prompt(model: str) -> Prompt:
    """Choose how a text is put to the model, which of its states are pooled, and after which layer.

    What cannot be read is said here in one line, and PromptEOL stands in for it.
    """
    known = opened(model)
    _take_apart_a_name()
    names = list(PROMPTS if known is None else known.prompts)
    linked = st.session_state.get("prompt") or st.query_params.get("prompt")
    if linked and linked not in (*names, OWN, SEVERAL) and _is_prompt(linked):
        names.append(linked)  # kept while the model opens; what has no such prompt says so
    chosen = st.selectbox(
        "Prompt",
        [*names, OWN, SEVERAL],
        key="prompt",
        bind="query-params",
        help="How a text is put to the model, and which of its states become the embedding.",
    )
    try:
        asked = _own(chosen) if chosen in (OWN, SEVERAL) else find_prompt(chosen)
        asked = asked if known is None else _at_layer(known, asked)
    except InputError as error:
        st.error(f"{escaped(str(error))}. Showing PromptEOL instead.", icon=":material/error:")
        asked = _INSTEAD
    _say(known, asked)
    return asked


def prompt_parameters(prompt: str) -> dict[str, str]:
    r"""The choices of the sidebar that give a prompt, as a link has them.

    >>> prompt_parameters('mean@12:Passage: {text}')
    {'prompt': 'own template', 'template': 'Passage: {text}', 'pooling': 'mean', 'layer': '12'}
    >>> prompt_parameters('last:So: {text}\n{text}?')["prompt"]
    'own templates'
    """
    asked = find_prompt(prompt)
    layer = {} if asked.layer is None else {"layer": str(asked.layer)}
    if asked.is_own:
        choice, key = (SEVERAL, "templates") if asked.members else (OWN, "template")
        written = asked.at(None).name.partition(":")[2]
        return {"prompt": choice, key: written, "pooling": asked.pooling, **layer}
    return {"prompt": str(asked.at(None)), **layer}


def _own(chosen: str) -> Prompt:
    """The reader's own template, or several.

    Raises:
        InputError: the slot of one is missing, or there twice, or they are too many.
    """
    written = _several() if chosen == SEVERAL else _one()
    pooling = st.segmented_control(
        "Pooled",
        POOLINGS,
        default=POOLINGS[0],
        required=True,
        key="pooling",
        bind="query-params",
        help="last takes the state of the last token. mean averages the states from the first "
        "token of your text on.",
    )
    return find_prompt(f"{pooling or POOLINGS[0]}:{written}")


def _one() -> str:
    return st.text_input(
        "Own template",
        _FIRST,
        key="template",
        bind="query-params",
        help="The text given to the model; `{text}` stands for your text and must be in it once. "
        "`\\n` is a new line.",
    )


def _several() -> str:
    """Return the templates one a line, lines without anything in them left out."""
    written = st.text_area(
        "Own templates, one on each line",
        _FIRST_TWO,
        key="templates",
        bind="query-params",
        help=f"Up to {MOST_TEMPLATES} texts given to the model, whose embeddings are averaged. "
        "`{text}` stands for your text and must be once in each; `\\n` is a new line within one.",
    )
    return "\n".join(line for line in written.splitlines() if line.strip())


def _at_layer(model: "Model", asked: Prompt) -> Prompt:
    """The prompt after the layer that is chosen; the last one needs no name.

    Raises:
        InputError: the model cannot be read so.
    """
    n = model.n_layers
    if n > 0 and model.can_encode:
        chosen, before = int(st.session_state.get("layer", n)), st.session_state.get(_LAYERS, n)
        if chosen > n or (before != n and chosen == before):  # the last one of another model
            st.session_state["layer"] = n
        st.session_state[_LAYERS] = n
        layer = st.slider(
            "Layer",
            0,
            n,
            n,
            key="layer",
            bind="query-params",
            help="States are read after this many layers, through the final norm; 0 is the input. "
            "The last layer is often not the best.",
        )
        asked = asked.at(None if layer == n else layer)
    return model.prompt(asked)


def _say(known: "Model | None", asked: Prompt) -> None:
    """Show what the prompt does, in small print, and what it leaves out."""
    st.caption(f"**{escaped(asked.label)}.** {escaped(asked.description)}")
    if asked.layer is not None and known is not None:
        st.caption(f"Read after layer {asked.layer} of {known.n_layers}.")
    if known is not None and (sentence := known.end_tokens_sentence(asked)):
        st.caption(escaped(sentence))
    if known is not None and known.not_published:
        st.caption(escaped(f"The prompt “As published” is not offered: {known.not_published}."))


def _is_prompt(name: str) -> bool:
    """Tell whether a link's name is one of a prompt that any model may have."""
    if name == PUBLISHED.name:
        return True
    with suppress(InputError):
        return bool(find_prompt(name).members)
    return False


def _take_apart_a_name() -> None:
    """Give template and layer of a link's prompt name to their own controls."""
    name = st.query_params.get("prompt", "")
    if "prompt" in st.session_state or not (":" in name or "@" in name):
        return
    with suppress(InputError):
        for key, value in prompt_parameters(name).items():
            st.session_state[key] = int(value) if key == "layer" else value
            st.query_params[key] = value
