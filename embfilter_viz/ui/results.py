"""What pages show, asked of the model as jobs: each is a result, or ``None`` while in work."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import lru_cache
from typing import Any, TypeVar

import numpy as np
import streamlit as st

from embfilter_viz.analyses.alike import AlikeTexts, RandomAlike
from embfilter_viz.analyses.calibration import embedded_reference
from embfilter_viz.analyses.geometry import Geometry, TextGeometry
from embfilter_viz.analyses.lens import TextLens
from embfilter_viz.analyses.pair import TextPair
from embfilter_viz.analyses.position_lens import (
    PositionMap,
    PromptLens,
    prompt_lens,
)
from embfilter_viz.analyses.reference import Reference, ReferenceTexts
from embfilter_viz.analyses.relative_lens import OwnRanks, RelativeText, own_ranks
from embfilter_viz.analyses.scripts import ScriptShares, script_shares
from embfilter_viz.analyses.specificity import RandomLens, others_for
from embfilter_viz.analyses.spectroscopy import Spectroscopy, spectroscopy
from embfilter_viz.analyses.spectrum import Direction, describe_direction
from embfilter_viz.analyses.translated_lens import (
    LensTranslators,
    lens_translators,
    texts_to_translate_by,
)
from embfilter_viz.analyses.worth import PairTexts
from embfilter_viz.evaluation.cosine_pairs import CosinePairs
from embfilter_viz.model import Model
from embfilter_viz.models.head.frequencies import TokenFrequencies
from embfilter_viz.models.head.languages import ENGLISH
from embfilter_viz.opened_head import digest_of_texts
from embfilter_viz.spectral.windows import Window
from embfilter_viz.system.progress import Progress
from embfilter_viz.ui.choices import View, passes_words
from embfilter_viz.ui.rest import ask_at_rest, rested
from embfilter_viz.ui.services import jobs, outcome

__all__ = [
    "asked_first",
    "digest",
    "direction",
    "embedded",
    "embedded_texts",
    "frequencies_meanwhile",
    "isotropy_report",
    "layer_means",
    "layer_states",
    "logit_shifts",
    "must_embed",
    "pair_texts",
    "position_map",
    "prompt_states",
    "random_alike",
    "random_lens",
    "ranks_over_texts",
    "reference_texts",
    "relative_text",
    "scripts",
    "settled_window",
    "text_alike",
    "text_geometry",
    "text_lens",
    "text_pair",
    "token_frequencies",
    "translators",
    "word_frequencies",
]

T = TypeVar("T")

UNREAD = "_not_in_the_store"
"""Where a session remembers which texts it has looked for in the store in vain."""

LONGEST_WAIT = 1.0
"""Seconds a page at rest waits for what takes its time before it asks again."""


@lru_cache(maxsize=16)
def digest(texts: tuple[str, ...]) -> str:
    """Return the key of a set of texts; kept, because pages ask on every move."""
    return digest_of_texts(texts)


def embedded(view: View, text: str) -> Any:
    """The text's raw embedding (1, d_model), or ``None`` while it is being made."""
    model, prompt = view.model, view.prompt
    return outcome(
        ("embed", model.identity, prompt, digest((text,))),
        "Reading your text",
        lambda progress: model.encode([text], prompt, progress=progress),
        quick=True,
    )


def token_frequencies(
    model: Model,
    source: str = "model",
    texts: tuple[str, ...] | None = None,
    alpha: float = 1.0,
    language: str = ENGLISH,
) -> TokenFrequencies | None:
    """Token frequencies p̂, or ``None`` while they are being counted.

    Args:
        model: the opened model.
        source: model, wordfreq or corpus.
        texts: those of the corpus.
        alpha: what is added to every count.
        language: of wordfreq; other sources have none.

    Returns:
        p̂, or None while it is counted.
    """
    if source != "wordfreq":
        language = ENGLISH
    return outcome(
        (
            "frequencies",
            model.identity,
            source,
            None if source == "model" else alpha,
            texts and digest(texts),
            language,
        ),
        "Finding the frequent tokens",
        lambda progress: model.frequencies(
            source, texts, alpha=alpha, language=language, progress=progress
        ),
        quick=source != "model",
    )


def word_frequencies(view: View) -> TokenFrequencies | None:
    """Token frequencies by the words of the language chosen, or ``None`` while they are counted."""
    return token_frequencies(view.model, "wordfreq", language=view.language)


def frequencies_meanwhile(view: View) -> TokenFrequencies | None:
    """The model's own token frequencies; while they are counted those of words, named.

    ``None`` only for the moment in which the word frequencies are looked up.
    """
    if view.model.default_frequencies != "model":
        return word_frequencies(view)
    found = token_frequencies(view.model)
    if found is not None:
        return found
    words = word_frequencies(view)
    if words is not None:
        st.info(
            f"Until then **word frequencies stand in** for the model's own: {words.detail}. "
            "The numbers of frequent tokens will change a little.",
            icon=":material/hourglass_top:",
        )
    return words


def embedded_texts(view: View, texts: Sequence[str], button: str | None = None) -> Any:
    """Raw embeddings (n, d_model) of many texts, or ``None`` while they are being made."""
    model, prompt = view.model, view.prompt
    key = ("embed", model.identity, prompt, digest(tuple(texts)))
    if button is not None and jobs().find(key) is None:
        button = button if must_embed(view, texts) else None
    return outcome(
        key,
        f"Embedding {len(texts):,} texts",
        lambda progress: model.encode(texts, prompt, progress=progress),
        button=button,
        note="The work runs in the background. You can stop it; finished parts are kept."
        + passes_words(prompt),
    )


def must_embed(view: View, texts: Sequence[str]) -> bool:
    """Tell whether the texts are not in the store, so that embedding them waits for a button."""
    key = (view.model.identity, view.prompt, digest(tuple(texts)))
    if st.session_state.get(UNREAD) == key:
        return True
    if view.model.is_encoded(texts, view.prompt):
        return False
    st.session_state[UNREAD] = key  # looked for once, and not at every move
    return True


def layer_states(view: View, text: str) -> Any:
    """The text's states after each layer (n_layers + 1, d_model), or ``None`` while in work.

    A served engine gives the last of them alone: (1, d_model).
    """
    model, prompt = view.model, view.prompt
    return outcome(
        ("layers", model.identity, prompt, digest((text,))),
        "Reading your text, layer by layer",
        lambda progress: (
            model.encode([text], prompt, progress=progress)
            if model.read_by
            else model.layers(text, prompt)
        ),
        quick=True,
    )


def text_lens(
    view: View, text: str, states: np.ndarray, frequencies: TokenFrequencies
) -> TextLens | None:
    """The text's states (n, d_model) ready to be read under any window, or ``None`` meanwhile.

    Args:
        view: the model, the prompt and the window.
        text: the text.
        states: (n, d_model).
        frequencies: p̂, which says which tokens are frequent.

    Returns:
        the text ready to be read, or None.
    """
    model, prompt = view.model, view.prompt
    return outcome(
        ("lens", model.identity, prompt, digest((text,)), len(states), *_named(frequencies)),
        "Reading your text through the head",
        # A single state is put through the head quickly enough as it is.
        lambda progress: TextLens(
            model,
            states,
            frequencies=frequencies,
            text=text,
            words=others_for(model, frequencies),
            moving=len(states) > 1,
            progress=progress,
        ),
        quick=True,
    )


def prompt_states(
    view: View, text: str, means: np.ndarray | None, frequencies: TokenFrequencies
) -> PromptLens | None:
    """Every token of the prompt with the text in it, ready for the lens, or ``None`` meanwhile.

    ``means`` (n_layers + 1, d_model) are those of other texts, for what is relative to them.

    Args:
        view: the model, the prompt and the window.
        text: the text.
        means: mean states of other texts by layer, if there are any.
        frequencies: p̂, which says which tokens are frequent.

    Returns:
        the prompt ready to be read, or None.
    """
    model, prompt = view.model, view.prompt
    relative = "alone" if means is None else "relative"
    return outcome(
        ("prompt", model.identity, prompt, digest((text,)), relative, *_named(frequencies)),
        "Reading every token of your text",
        lambda progress: prompt_lens(model, text, prompt, frequencies=frequencies, means=means),
        quick=True,
    )


def position_map(
    view: View,
    text: str,
    ready: PromptLens,
    window: Window,
    side: str,
    removal: str,
    columns: slice,
    token: int | None,
) -> PositionMap | None:
    """The layer × token map of a side, or ``None`` while it is made.

    Args:
        view: the model, the prompt and the window.
        text: the text.
        ready: the states of every token.
        window: what the filter keeps.
        side: one of ``SIDES``.
        removal: what is removed, by a name of ``REMOVALS``.
        columns: which tokens of the prompt.
        token: the token that is followed.

    Returns:
        the map, or None.
    """
    known = ready.known(side, window, removal, columns, token)
    if known is not None:
        return known
    of = side, str(window), removal, columns.start, token, ready.sides
    return outcome(
        ("position map", view.model.identity, view.prompt, digest((text,)), *of),
        "Reading every token of the prompt",
        lambda progress: ready.map(
            side, window, removal=removal, columns=columns, token=token, progress=progress
        ),
        quick=True,
    )


def settled_window(view: View, clock: str, of: Sequence[str], work: Callable[..., Any]) -> Window:
    """The window where the hand rested last, for what is too slow to follow every move.

    Args:
        view: the page's model, prompt and window.
        clock: the key of the clock that says when the window rests.
        of: what ``work`` is of, as text: its key.
        work: done at rest for the page's window, before that one takes the place of the last.

    Returns:
        the window of the last rest.
    """
    last = st.session_state.get(f"_settled_{clock}")
    if last is None or last.d != view.window.d:
        last = view.window
    key = (clock, view.model.identity, view.prompt, *of, str(view.window))
    if _at_rest(clock, key, "Reading every token", last == view.window, work) is not None:
        last = view.window
    st.session_state[f"_settled_{clock}"] = last
    return last


def direction(
    model: Model, index: int, *, centre: bool, frequencies: TokenFrequencies
) -> Direction | None:
    """The tokens at both ends of one direction, or ``None`` while they are being found.

    Args:
        model: the opened model.
        index: which direction, 0 is the strongest.
        centre: whether the mean row of W_U is subtracted.
        frequencies: p̂, which says which tokens are frequent.

    Returns:
        the direction's tokens, or None.
    """
    return outcome(
        ("direction", model.identity, index, centre, *_named(frequencies)),
        "Reading a direction",
        lambda progress: describe_direction(
            model, index, top=12, centre=centre, frequencies=frequencies
        ),
        quick=True,
    )


def logit_shifts(
    model: Model, frequencies: TokenFrequencies, *, gauge: str = "centred", top: int = 100,
    n_bands: int | None = None,
) -> Spectroscopy | None:  # fmt: skip
    """Logit Spectroscopy of the average token, or ``None`` while it is being measured.

    Args:
        model: the opened model.
        frequencies: p̂, which says which tokens are frequent.
        gauge: one of ``GAUGES``.
        top: how many tokens each set has.
        n_bands: how many bands; None for single directions.

    Returns:
        the shifts, or None.
    """
    return outcome(
        (
            "spectroscopy", model.identity, *_named(frequencies), gauge, top, n_bands,
        ),
        "Measuring logit shifts",
        lambda progress: spectroscopy(
            model, frequencies, gauge=gauge, top=top, n_bands=n_bands, progress=progress
        ),
        quick=True,
    )  # fmt: skip


def scripts(model: Model, frequencies: TokenFrequencies) -> ScriptShares | None:
    """Shares of the scripts in p̂ and in the vocabulary, or ``None`` while tokens are looked at."""
    return outcome(
        ("scripts", model.identity, *_named(frequencies)),
        "Looking at the scripts of tokens",
        lambda progress: script_shares(model, frequencies, progress=progress),
        quick=True,
    )


def _named(frequencies: TokenFrequencies) -> tuple[Any, ...]:
    """Return what tells token frequencies apart in the keys of jobs."""
    return frequencies.detail, frequencies.smoothing, float(frequencies.p[0])


def text_geometry(view: View, embeddings: np.ndarray, texts: Sequence[str]) -> TextGeometry | None:
    """The texts made ready for any window, or ``None`` while that is being done."""
    model, prompt = view.model, view.prompt

    def work(progress: Progress) -> TextGeometry:
        reference = embedded_reference(model, texts, prompt, progress=progress)
        return TextGeometry(model, embeddings, reference, progress=progress)

    return outcome(
        ("geometry", model.identity, prompt, digest(tuple(texts))),
        "Measuring the texts",
        work,
        quick=True,
    )


def reference_texts(view: View, reference: Reference, *, ask: bool = True) -> ReferenceTexts | None:
    """The reference texts made ready to be compared with, or ``None`` meanwhile.

    Unless ``ask``, they are embedded without a button.
    """
    model = view.model
    button = f"Embed {reference.said} to compare with" if ask else None
    embeddings = embedded_texts(view, reference.texts, button=button)
    if embeddings is None:
        return None
    labels = reference.labels and digest(reference.labels)
    return outcome(
        ("reference", model.identity, view.prompt, digest(reference.texts), labels),
        "Measuring the texts to compare with",
        lambda progress: ReferenceTexts(model, reference, embeddings, progress=progress),
        quick=True,
    )


def layer_means(view: View, texts: tuple[str, ...]) -> Any:
    """The mean state of the texts after each layer (n_layers + 1, d_model), or ``None``."""
    model, prompt = view.model, view.prompt
    return outcome(
        ("layer means", model.identity, prompt, digest(texts)),
        f"Reading {len(texts):,} texts, layer by layer",
        lambda progress: model.layer_means(texts, prompt, progress=progress),
    )


def translators(view: View) -> LensTranslators | None:
    """The translators of every layer, fitted on our demo texts, once they were asked for."""
    model, prompt = view.model, view.prompt
    texts, source = texts_to_translate_by()
    return outcome(
        ("translators", model.identity, prompt),
        "Fitting translators",
        lambda progress: lens_translators(
            model, texts, prompt, source=source, progress=progress
        ),
        button="Fit translators",
        note=f"Reads {len(texts)} demo texts layer by layer: half of them fit, half of them test.",
    )  # fmt: skip


def relative_text(
    view: View,
    text: str,
    states: np.ndarray,
    means: np.ndarray,
    others: Reference,
    frequencies: TokenFrequencies,
) -> RelativeText | None:
    """The text's states less the means of others, ready for any window, or ``None`` meanwhile.

    Args:
        view: the model, the prompt and the window.
        text: the text.
        states: (n, d_model) of the text.
        means: (n, d_model) of the other texts.
        others: the other texts.
        frequencies: p̂, which says which tokens are frequent.

    Returns:
        the text ready to be read, or None.
    """
    model, prompt = view.model, view.prompt
    of = digest((text,)), digest(others.texts), len(states)
    return outcome(
        ("relative lens", model.identity, prompt, *of, *_named(frequencies)),
        "Reading your text with the mean of others removed",
        lambda progress: RelativeText(
            model, states, means, text=text, frequencies=frequencies, moving=True, progress=progress
        ),
        quick=True,
    )


def ranks_over_texts(
    view: View,
    others: Reference,
    embeddings: np.ndarray,
    removal: str,
    frequencies: TokenFrequencies,
) -> OwnRanks | None:
    """Return where the own tokens of many texts stand under the window, once it was asked for.

    Args:
        view: the model, the prompt and the window.
        others: the texts.
        embeddings: (n, d_model) raw.
        removal: what is removed, by a name of ``REMOVALS``.
        frequencies: p̂, which says which tokens are frequent.

    Returns:
        the ranks, or None.
    """
    model, window = view.model, view.window
    of = digest(others.texts), str(window), removal
    return outcome(
        ("own ranks", model.identity, view.prompt, *of, *_named(frequencies)),
        "Ranking the texts' own tokens",
        lambda progress: own_ranks(
            model, others, embeddings, window,
            frequencies=frequencies, removal=removal, progress=progress,
        ),
        button=f"Measure it over {others.said}",
        note=f"Decodes each of them four times, with the window {window}.",
        slot="own ranks",
    )  # fmt: skip


def text_pair(
    view: View,
    texts: tuple[str, str],
    embeddings: np.ndarray,
    ready: ReferenceTexts,
    frequencies: TokenFrequencies,
) -> TextPair | None:
    """Two embeddings (2, d_model) ready to be compared under any window, or ``None`` meanwhile.

    Args:
        view: the model, the prompt and the window.
        texts: the texts.
        embeddings: (2, d_model) raw.
        ready: the texts that it is compared with.
        frequencies: p̂, which says which tokens are frequent.

    Returns:
        the pair ready to be compared, or None.
    """
    others = digest(ready.reference.texts)
    return outcome(
        ("pair", view.model.identity, view.prompt, digest(texts), others, *_named(frequencies)),
        "Reading what the two texts share",
        lambda progress: TextPair(
            view.model, embeddings, ready, frequencies, moving=True, progress=progress
        ),
        quick=True,
    )


def text_alike(
    view: View, texts: tuple[str, str], embeddings: np.ndarray, frequencies: TokenFrequencies
) -> AlikeTexts | None:
    """Two embeddings (2, d_model) ready to be decoded under any window, or ``None`` meanwhile.

    Args:
        view: the model, the prompt and the window.
        texts: the texts.
        embeddings: (2, d_model) raw.
        frequencies: p̂, which says which tokens are frequent.

    Returns:
        the pair ready to be decoded, or None.
    """
    return outcome(
        ("alike", view.model.identity, view.prompt, digest(texts), *_named(frequencies)),
        "Reading both texts through the head",
        lambda progress: AlikeTexts(
            view.model, embeddings, frequencies, moving=True, progress=progress
        ),
        quick=True,
    )


def random_alike(view: View, ready: AlikeTexts, texts: tuple[str, str]) -> RandomAlike | None:
    """Return what the two decode to in random subspaces of the window's size, once it rests."""
    k = view.window.k
    known = ready.known_random(k)
    key = ("random alike", view.model.identity, view.prompt, digest(texts), str(k))
    followed = _at_rest(
        "alike_clock", key, "Reading random subspaces", known is not None,
        lambda progress: ready.random(k),
    )  # fmt: skip
    return known or followed


def pair_texts(view: View, task: CosinePairs, *, ask: bool = True) -> PairTexts | None:
    """The pairs of a task ready to be scored under any window, or ``None`` meanwhile.

    Unless ``ask``, their texts are embedded without a button.
    """
    model, texts = view.model, task.texts
    button = f"Score {task.n_units:,} pairs of {task.source}" if ask else None
    embeddings = embedded_texts(view, texts, button=button)
    if embeddings is None:
        return None

    def work(progress: Progress) -> PairTexts:
        reference = embedded_reference(model, texts, view.prompt, progress=progress)
        return PairTexts(model, task, embeddings, reference, progress=progress)

    key = ("pair texts", model.identity, view.prompt, digest(texts))
    return outcome(key, "Scoring the pairs", work, quick=True)


SMALL = 2e9
"""Bytes of memory up to which a model reads some hundred short texts in seconds."""


def asked_first(view: View) -> bool:
    """Tell whether a page should ask before the model reads some hundred texts, as it takes long.

    The model is large, or it would write rewritings of them.
    """
    large = view.model.card.memory_needed > SMALL
    return large or view.model.prompt(view.prompt).rewritings > 0


def isotropy_report(view: View, ready: TextGeometry, texts: Sequence[str]) -> Geometry:
    """Isotropy under the window; what takes its time follows when it rests."""
    window = view.window
    report = ready.quick_report(window)
    key = (
        "isotropy", view.model.identity, view.prompt, digest(tuple(texts)), str(window),
    )  # fmt: skip
    followed = _at_rest(
        "isotropy_clock", key, "Measuring intervals", report.complete,
        lambda progress: ready.report(window, progress=progress),
    )  # fmt: skip
    return report if followed is None else followed


def random_lens(view: View, ready: TextLens, top: int) -> RandomLens | None:
    """Return what the text decodes to in random subspaces of the window's size, once it rests."""
    k = view.window.k
    known = ready.known_random(k, top)
    key = ("random lens", view.model.identity, view.prompt, digest((ready.text,)), str(k), str(top))
    followed = _at_rest(
        "lens_clock", key, "Reading random subspaces", known is not None,
        lambda progress: ready.random(k, top),
    )  # fmt: skip
    return known or followed


def _at_rest(
    clock: str, key: tuple[str, ...], title: str, complete: bool, work: Callable[..., T]
) -> T | None:
    """Return what ``work`` makes once the window rests; ``None`` before, and if it fails.

    Nobody is told of it: who moves the window meanwhile need not wait.

    Args:
        clock: key of the timer.
        key: of the job.
        title: what the reader sees.
        complete: whether nothing is left to do.
        work: what is done.

    Returns:
        what ``work`` made, or None.
    """
    ticket, again, made = "/".join(key[1:]) + ";", "", None
    heard = rested(clock)
    if not complete and heard.startswith(ticket):
        job = jobs().start(key, title, work)
        with suppress(Exception):  # what fails leaves the page as it is
            made = job.wait(LONGEST_WAIT)
        again = f"/{len(heard)}" if job.running else heard.removeprefix(ticket)
        jobs().forget(key)
    ask_at_rest(None if complete or made is not None else ticket + again, key=clock)
    return made
