"""Runs by their names, ``model · prompt · window``, and two of them compared as a job.

A model that was trained for embeddings is a run by ``trained · name``.
"""

from collections.abc import Sequence

from embfilter_viz.analyses.compare import Comparison, Run, TrainedRun, compare
from embfilter_viz.errors import InputError
from embfilter_viz.models.encoding.prompts import find_prompt
from embfilter_viz.spectral.windows import Window
from embfilter_viz.ui.choices import passes_words
from embfilter_viz.ui.services import model_of, outcome, refused
from embfilter_viz.ui.task_inputs import ChosenTask
from embfilter_viz.yardstick import Yardstick, open_yardstick

__all__ = ["TRAINED", "chosen_run", "compared", "filtered_run", "run_name", "trained_name"]

TRAINED = "trained"
"""What a run begins with that is a model trained for embeddings."""

_DOT = " · "


def run_name(model: str, prompt: str, window: str) -> str:
    """A run as it is listed and typed.

    >>> run_name("smollm2-135m", "mean", "72:504")
    'smollm2-135m · mean · 72:504'
    """
    return _DOT.join((model, prompt, window))


def trained_name(name: str) -> str:
    """The run of a model that was trained for embeddings, as it is listed and typed.

    >>> trained_name("sentence-transformers/all-MiniLM-L6-v2")
    'trained · sentence-transformers/all-MiniLM-L6-v2'
    """
    return _DOT.join((TRAINED, name))


def chosen_run(name: str) -> Run | TrainedRun | None:
    """The run of that name, or ``None`` while its model is being opened.

    Raises:
        InputError: neither three parts nor a model trained for embeddings, no such prompt, or no
            such window.
    """
    first, dot, rest = (part.strip() for part in name.partition(_DOT.strip()))
    if dot and first == TRAINED and _DOT.strip() not in rest:
        yardstick = _yardstick_of(rest)
        return None if yardstick is None else TrainedRun(yardstick)
    prompt, again, window = rest.rpartition(_DOT.strip())  # a template may have dots of its own
    if not (dot and again):
        raise InputError(
            f"run {name!r}: must be model · prompt · window, such as "
            f"{run_name('smollm2-135m', 'prompteol', '2')}, or {TRAINED} · model for one that was "
            "trained for embeddings"
        )
    return filtered_run(first, prompt.strip(), window.strip())


def filtered_run(name: str, prompt: str, window: str) -> Run | None:
    """The run of a model under a prompt and a window, or ``None`` while it is being opened.

    Raises:
        InputError: no such prompt, or no such window.
    """
    find_prompt(prompt)
    model = model_of(name)
    if model is None:
        return None
    d = model.d_model
    kept = Window(0, d, d) if window == "raw" else Window.parse(window, d)
    return Run(model, prompt, kept)


def _yardstick_of(name: str) -> Yardstick | None:
    """The model of that name that was trained for embeddings, or ``None`` while it is fetched."""
    if refused(name):
        return None
    return outcome(
        ("yardstick", name),
        f"Opening {name}",
        lambda progress: open_yardstick(name, progress=progress),
        quick=True,
    )


def _named(run: Run | TrainedRun) -> tuple[str, ...]:
    """Return what tells runs apart in the keys of jobs."""
    if isinstance(run, TrainedRun):
        return (run.yardstick.identity,)
    return run.model.identity, run.prompt, str(run.window)


def compared(runs: Sequence[Run | TrainedRun], chosen: ChosenTask) -> Comparison | None:
    """Both runs on the task, or ``None`` while they are being scored."""
    first, second = runs
    names = tuple(_named(run) for run in runs)
    return outcome(
        ("comparison", *names, chosen.key),
        "Scoring both runs",
        lambda progress: compare(first, second, chosen.task, progress=progress),
        button=f"Score both on {len(chosen.task.texts):,} texts",
        note="Embeds the texts once for each model and prompt. Embeddings are kept."
        + "".join(dict.fromkeys(passes_words(run.prompt) for run in runs if isinstance(run, Run))),
    )
