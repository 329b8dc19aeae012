"""What the Window laboratory asks of the library, as jobs, and the history it leaves."""

from collections.abc import Hashable

import streamlit as st

from embfilter_viz.analyses.propose import propose_window
from embfilter_viz.analyses.sweep import Sweep, WindowScore, sweep, sweep_of
from embfilter_viz.evaluation.cost import Cost, search_cost
from embfilter_viz.evaluation.grids import (
    TAUS,
    shifted_windows,
    windows_of_plane,
    windows_of_taus,
)
from embfilter_viz.evaluation.proposing.proposal import Proposal
from embfilter_viz.evaluation.task import Task
from embfilter_viz.model import Model
from embfilter_viz.spectral.windows import Window
from embfilter_viz.system.progress import Progress
from embfilter_viz.ui.choices import View, passes_words, set_window
from embfilter_viz.ui.history import Tried, remember
from embfilter_viz.ui.results import must_embed
from embfilter_viz.ui.services import jobs, outcome
from embfilter_viz.ui.task_inputs import ChosenTask

__all__ = ["cost_of", "keep_run", "proposed", "strip_score", "swept", "use_button", "windows_of"]

STEPS = 20
"""Steps of the plane along either end."""
STEPS_IF_SLOW = 8
"""The same where something is fitted to each window."""


def windows_of(kind: str, task: Task, model: Model) -> list[Window]:
    """The windows tried: along τ, or all over the plane; and the paper's own for this family."""
    d = model.d_model
    more = shifted_windows(model.card.family, d)
    if kind != "plane":
        return [*windows_of_taus([tau for tau in TAUS if float(tau) <= d], d), *more]
    steps = min(STEPS_IF_SLOW if task.is_slow else STEPS, max(d, 2))
    return list(dict.fromkeys([*windows_of_plane(steps, d), *more]))


def swept(view: View, chosen: ChosenTask, kind: str) -> Sweep | None:
    """All windows on the task, beside the baselines, or ``None`` while there is no such thing."""
    model, prompt, task = view.model, view.prompt, chosen.task
    windows = windows_of(kind, task, model)
    found = outcome(
        ("sweep", *_key(view, chosen), kind),
        "Sweeping windows",
        lambda progress: sweep(model, task, prompt, windows, progress=progress),
        button=f"Score {len(windows)} windows on {len(task.texts):,} texts",
        note="Embeds these texts and the calibration texts of the baselines once, and scores every "
        "window on the same resamples. The work runs in the background, and embeddings are "
        "kept." + passes_words(prompt),
    )
    if found is not None:
        keep_run(view, chosen, found.tau_2, found.raw.value)
        if found.best.window != found.tau_2.window:
            known = {one.window: one for one in found.windows}
            keep_run(view, chosen, known[found.best.window], found.raw.value)
    return found


def strip_score(view: View, chosen: ChosenTask, found: Sweep) -> WindowScore | None:
    """The window on the strip, scored like the others, or ``None`` while it is being scored.

    It is one more look at the same data: its corrected interval reaches as far as those of the
    sweep.
    """
    model, prompt, task, window = view.model, view.prompt, chosen.task, view.window

    def work(progress: Progress) -> WindowScore:
        E = model.encode(task.texts, prompt, progress=progress)
        scored = sweep_of(
            model, task, prompt, [window], E, at_least=found.critical, progress=progress
        )
        return scored.windows[0]

    return outcome(
        ("strip score", *_key(view, chosen), str(window), found.critical),
        f"Scoring {window}", work, slot="strip score", quick=True,
    )  # fmt: skip


def proposed(
    view: View, chosen: ChosenTask, from_texts: bool, *, embedded: bool
) -> Proposal | None:
    """A window from the task's texts without their labels, or from the checkpoint.

    Texts that are not ``embedded`` yet, nor in the store, wait for a button.

    Args:
        view: the model, the prompt and the window.
        chosen: the task.
        from_texts: whether the texts may be read.
        embedded: whether they are embedded already.

    Returns:
        the proposal, or None while there is none.
    """
    model, prompt = view.model, view.prompt
    texts = chosen.task.texts if from_texts else ()
    key = (
        "proposal", view.language, *(_key(view, chosen) if from_texts else (model.identity,))
    )  # fmt: skip
    asks = from_texts and not embedded and jobs().find(key) is None and must_embed(view, texts)
    return outcome(
        key,
        "Proposing a window",
        lambda progress: propose_window(
            model, texts, prompt, language=view.language, progress=progress
        ),
        button=f"Embed {len(texts):,} texts and propose a window" if asks else None,
        note="The work runs in the background. You can stop it; finished parts are kept."
        + passes_words(prompt),
    )


def cost_of(view: View) -> Cost | None:
    """Size and search time of the window on the strip, once asked for."""
    window = view.window
    return outcome(
        ("cost", window.d, window.k),
        "Timing exact search",
        lambda progress: search_cost(window, progress=progress),
        button=f"Measure search with {window.k} instead of {window.d} dimensions",
        note="This takes some seconds. Both searches are timed in turns, in one run.",
    )


def use_button(window: Window, words: str, view: View, *, key: str) -> None:
    """A button that puts ``window`` on the strip.

    Args:
        window: what the button chooses.
        words: what it says.
        view: the model, the prompt and the window.
        key: of the button.
    """
    st.button(
        words, key=key, on_click=set_window, args=(str(window),),
        disabled=window == view.window,
    )  # fmt: skip


def keep_run(view: View, chosen: ChosenTask, scored: WindowScore, raw: float) -> None:
    """Remember a scored window in this browser.

    Args:
        view: the model, the prompt and the window.
        chosen: the task.
        scored: the window with its score.
        raw: the score of the raw embeddings.
    """
    score = scored.score
    low, high = (score.low, score.high) if score.known else (None, None)
    remember(
        Tried(
            view.model.name, view.prompt, str(scored.window), chosen.task.kind, chosen.data,
            score.value, low, high, raw, chosen.task.n_units,
        )
    )  # fmt: skip


def _key(view: View, chosen: ChosenTask) -> tuple[Hashable, ...]:
    return (view.model.identity, view.prompt, chosen.key)
