"""What the steps of the lesson show, each asked for when a step needs it."""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

import numpy as np
import streamlit as st

from embfilter_viz.analyses.alike import Alike, of_both
from embfilter_viz.analyses.by_eye import ByEye, WindowsByEye
from embfilter_viz.analyses.forms import DistancesKept, distances_kept
from embfilter_viz.analyses.lesson import held_out_pairs, lesson
from embfilter_viz.analyses.pair import Pair
from embfilter_viz.analyses.reference import ReferenceTexts, reference_of
from embfilter_viz.analyses.spectroscopy import Spectroscopy
from embfilter_viz.analyses.spectrum import Direction
from embfilter_viz.analyses.worth import PairTexts, Worth
from embfilter_viz.export.lesson_sheet import lesson_sheet
from embfilter_viz.models.head.frequencies import TokenFrequencies
from embfilter_viz.system.progress import Progress
from embfilter_viz.ui.choices import View
from embfilter_viz.ui.inputs import index_below
from embfilter_viz.ui.links import whole_number
from embfilter_viz.ui.results import (
    asked_first,
    digest,
    direction,
    embedded_texts,
    frequencies_meanwhile,
    logit_shifts,
    pair_texts,
    random_alike,
    reference_texts,
    text_alike,
    text_pair,
    word_frequencies,
)
from embfilter_viz.ui.services import outcome
from embfilter_viz.ui.tokens import frequency_legend, token_row

__all__ = ["Parts"]

Two = tuple[str, str]
T = TypeVar("T")


def _once(method: Callable[["Parts"], T]) -> Callable[["Parts"], T]:
    """Ask once a run: a job that two figures wait for shows its progress in one place."""

    @wraps(method)
    def ask(self: "Parts") -> T:
        if method.__name__ not in self.known:
            self.known[method.__name__] = method(self)
        return self.known[method.__name__]

    return ask


class Parts:
    """The records of two sentences under one view; each ``None`` while it is being made.

    Args:
        view: model, prompt and window.
        two: the sentences.
    """

    def __init__(self, view: View, two: Two) -> None:
        self.view, self.two = view, two
        self.known: dict[str, Any] = {}
        """What was asked for in this run, by the names of the methods."""

    @_once
    def frequencies(self) -> TokenFrequencies | None:
        """Return p̂: by the model's own predictions, or by word frequencies meanwhile."""
        return frequencies_meanwhile(self.view)

    @_once
    def embeddings(self) -> np.ndarray | None:
        """(2, d_model) raw."""
        return embedded_texts(self.view, self.two)

    @_once
    def pair(self) -> tuple[Pair, ReferenceTexts] | None:
        """Return where the cosine of the two comes from, and the texts they are compared with."""
        embeddings, frequencies = self.embeddings(), self.frequencies()
        if embeddings is None or frequencies is None:
            return None
        others = reference_of("demo").without(self.two)
        ready = reference_texts(self.view, others, ask=asked_first(self.view))
        if ready is None:
            return None
        made = text_pair(self.view, self.two, embeddings, ready, frequencies)
        return None if made is None else (made.report(self.view.window), ready)

    @_once
    def alike(self) -> Alike | None:
        """Return what the two decode to, beside random subspaces once the window rests."""
        embeddings, frequencies = self.embeddings(), self.frequencies()
        if embeddings is None or frequencies is None:
            return None
        ready = text_alike(self.view, self.two, embeddings, frequencies)
        if ready is None:
            return None
        return ready.report(self.view.window, random=random_alike(self.view, ready, self.two))

    def tokens(self, found: Alike) -> None:
        """The tokens of both, before and after."""
        for title, two in (
            ("As the model gives them", found.raw),
            (f"After the filter {found.window}", found.filtered),
        ):
            st.markdown(f"**{title}**")
            for name, tokens in zip(("First sentence", "Second sentence"), two, strict=True):
                token_row(
                    tokens, self.view.model.d_vocab, shared=of_both(two), label=f"{name}, {title}"
                )
        frequencies = self.frequencies()
        frequency_legend("" if frequencies is None else frequencies.detail, shared=True)

    @_once
    def shifts(self) -> Spectroscopy | None:
        """Return which directions carry frequent tokens."""
        frequencies = self.frequencies()
        return None if frequencies is None else logit_shifts(self.view.model, frequencies)

    @property
    def direction_index(self) -> int:
        """The direction that is looked at, as the link or its field says."""
        value = st.session_state.get("direction", st.query_params.get("direction", 0))
        return min(whole_number(value) or 0, self.view.model.d_model - 1)

    def direction(self) -> Direction | None:
        """The tokens that a direction writes, chosen by its number."""
        index = index_below(self.view.model.d_model, "Direction", "direction")
        frequencies = word_frequencies(self.view)
        if frequencies is None:
            return None
        return direction(self.view.model, index, centre=False, frequencies=frequencies)

    @_once
    def pairs(self) -> PairTexts | None:
        """The pairs that no window is chosen on."""
        return pair_texts(self.view, held_out_pairs(), ask=asked_first(self.view))

    @_once
    def by_eye(self) -> ByEye | None:
        """The window among others that part the two."""
        embeddings, pairs = self.embeddings(), self.pairs()
        if embeddings is None or pairs is None:
            return None
        V = self.view.model.spectrum.V.astype(np.float64)
        made: WindowsByEye | None = outcome(
            ("by eye", self.view.model.identity, self.view.prompt, digest(self.two)),
            "Scoring a grid of windows",
            lambda progress: WindowsByEye(embeddings.astype(np.float64) @ V, pairs),
            quick=True,
        )
        return None if made is None else made.report(self.view.window)

    @_once
    def worth(self) -> Worth | None:
        """Return what the window is worth on the held-out pairs."""
        pairs = self.pairs()
        return None if pairs is None else pairs.report(self.view.window)

    @_once
    def distances(self) -> DistancesKept | None:
        """Return what it does to the distances of the held-out pairs."""
        pairs = self.pairs()
        if pairs is None:
            return None
        return distances_kept(pairs.rows, pairs.task.first, pairs.task.second, self.view.window)

    def sheet(self) -> str | None:
        """The teacher's sheet, once it was asked for."""
        model, prompt, window, two = (
            self.view.model, self.view.prompt, self.view.window, self.two,
        )  # fmt: skip

        def work(progress: Progress) -> str:
            return lesson_sheet(model, lesson(model, two, prompt, window, progress=progress))

        return outcome(
            ("sheet", model.identity, prompt, str(window), digest(two)),
            "Answering all steps",
            work,
            button="Make the sheet",
            note="One HTML file to print: the questions, this model's answers and all figures.",
        )
