"""What pages show, asked of the model as jobs: each is a result, or ``None`` while in work."""

from collections.abc import Sequence
from contextlib import suppress
from functools import lru_cache
from typing import Any

import numpy as np
import streamlit as st

from embfilter_viz.analyses.geometry import Geometry, TextGeometry
from embfilter_viz.analyses.lens import TextLens
from embfilter_viz.analyses.spectroscopy import Spectroscopy, spectroscopy
from embfilter_viz.analyses.spectrum import Direction, describe_direction
from embfilter_viz.model import Model, digest_of_texts
from embfilter_viz.models.frequencies import TokenFrequencies
from embfilter_viz.ui.choices import View
from embfilter_viz.ui.rest import ask_at_rest, rested
from embfilter_viz.ui.services import jobs, outcome

__all__ = [
    "digest",
    "direction",
    "embedded",
    "embedded_texts",
    "isotropy_report",
    "layer_states",
    "logit_shifts",
    "text_geometry",
    "text_lens",
    "token_frequencies",
]

UNREAD = "_not_in_the_store"
"""Where a session remembers which texts it has looked for in the store in vain."""

LONGEST_WAIT = 1.0
"""Seconds a page at rest waits for its last intervals before it asks again."""


@lru_cache(maxsize=16)
def digest(texts: tuple[str, ...]) -> str:
    """What names a set of texts in the keys of jobs; kept, because pages ask on every move."""
    return digest_of_texts(texts)


def embedded(view: View, text: str) -> Any:
    """The text's raw embedding (1, d_model), or ``None`` while it is being made."""
    model, prompt = view.model, view.prompt
    return outcome(
        ("embed", model.identity, prompt, digest((text,))),
        "Reading your text",
        lambda progress: model.encode([text], prompt, progress=progress),
    )


def token_frequencies(
    model: Model, source: str = "model", texts: tuple[str, ...] | None = None, alpha: float = 1.0
) -> TokenFrequencies | None:
    """Token frequencies p̂, or ``None`` while they are being counted."""
    return outcome(
        (
            "frequencies",
            model.identity,
            source,
            None if source == "model" else alpha,
            texts and digest(texts),
        ),
        "Finding the frequent tokens",
        lambda progress: model.frequencies(source, texts, alpha=alpha, progress=progress),
    )


def embedded_texts(view: View, texts: Sequence[str], button: str | None = None) -> Any:
    """Raw embeddings (n, d_model) of many texts, or ``None`` while they are being made."""
    model, prompt = view.model, view.prompt
    key = ("embed", model.identity, prompt, digest(tuple(texts)))
    if button is not None and jobs().find(key) is None and st.session_state.get(UNREAD) != key:
        if model.is_encoded(texts, prompt):
            button = None
        else:
            st.session_state[UNREAD] = key  # looked for once, and not at every move
    return outcome(
        key,
        f"Embedding {len(texts):,} texts",
        lambda progress: model.encode(texts, prompt, progress=progress),
        button=button,
        note="Runs in the background; you can stop it, and what is finished is kept.",
    )


def layer_states(view: View, text: str) -> Any:
    """The text's states after each layer (n_layers + 1, d_model), or ``None`` while in work."""
    model, prompt = view.model, view.prompt
    return outcome(
        ("layers", model.identity, prompt, digest((text,))),
        "Reading your text, layer by layer",
        lambda progress: model.layers(text, prompt),
    )


def text_lens(
    view: View, text: str, states: np.ndarray, frequencies: TokenFrequencies
) -> TextLens | None:
    """The text's states (n, d_model) ready to be read under any window, or ``None`` meanwhile."""
    model, prompt = view.model, view.prompt
    return outcome(
        ("lens", model.identity, prompt, digest((text,)), len(states), *_named(frequencies)),
        "Reading your text through the head",
        # A single state is put through the head quickly enough as it is.
        lambda progress: TextLens(
            model, states, frequencies=frequencies, moving=len(states) > 1, progress=progress
        ),
    )


def direction(
    model: Model, index: int, *, centre: bool, frequencies: TokenFrequencies
) -> Direction | None:
    """The tokens at both ends of one direction, or ``None`` while they are being found."""
    return outcome(
        ("direction", model.identity, index, centre, *_named(frequencies)),
        "Reading a direction",
        lambda progress: describe_direction(
            model, index, top=12, centre=centre, frequencies=frequencies
        ),
    )


def logit_shifts(
    model: Model, frequencies: TokenFrequencies, *, gauge: str = "paper", top: int = 100,
    n_bands: int | None = None,
) -> Spectroscopy | None:  # fmt: skip
    """Logit Spectroscopy of the average token, or ``None`` while it is being measured."""
    return outcome(
        (
            "spectroscopy", model.identity, *_named(frequencies), gauge, top, n_bands,
        ),
        "Measuring logit shifts",
        lambda progress: spectroscopy(
            model, frequencies, gauge=gauge, top=top, n_bands=n_bands, progress=progress
        ),
    )  # fmt: skip


def _named(frequencies: TokenFrequencies) -> tuple[Any, ...]:
    """What tells token frequencies apart in the keys of jobs."""
    return frequencies.detail, frequencies.smoothing, float(frequencies.p[0])


def text_geometry(view: View, embeddings: np.ndarray, texts: Sequence[str]) -> TextGeometry | None:
    """The texts made ready for any window, or ``None`` while that is being done."""
    return outcome(
        ("geometry", view.model.identity, view.prompt, digest(tuple(texts))),
        "Measuring the texts",
        lambda progress: TextGeometry(view.model, embeddings, progress=progress),
    )


def isotropy_report(view: View, ready: TextGeometry, texts: Sequence[str]) -> Geometry:
    """Isotropy under the window; the intervals that take their time follow when it rests."""
    window, clock = view.window, "isotropy_clock"
    report = ready.quick_report(window)
    key = (
        "isotropy", view.model.identity, view.prompt, digest(tuple(texts)),
        str(window),
    )  # fmt: skip
    ticket, again = "/".join(key[1:]) + ";", ""
    heard = rested(clock)
    if not report.complete and heard.startswith(ticket):
        # A job of which nobody is told: who moves the window meanwhile need not wait for it.
        job = jobs().start(
            key, "Measuring intervals", lambda progress: ready.report(window, progress=progress)
        )
        with suppress(Exception):  # what fails leaves the report as it is
            report = job.wait(LONGEST_WAIT)
        again = f"/{len(heard)}" if job.running else heard.removeprefix(ticket)
        jobs().forget(key)
    ask_at_rest(None if report.complete else ticket + again, key=clock)
    return report
