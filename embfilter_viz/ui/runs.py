"""Runs by their names, ``model · prompt · window``, and two of them compared as a job."""

from collections.abc import Sequence

from embfilter_viz.analyses.compare import Comparison, Run, compare
from embfilter_viz.errors import InputError
from embfilter_viz.models.prompts import find_prompt
from embfilter_viz.spectral.windows import Window
from embfilter_viz.ui.services import model_of, outcome
from embfilter_viz.ui.task_inputs import ChosenTask

__all__ = ["chosen_run", "compared", "run_name"]

_DOT = " · "


def run_name(model: str, prompt: str, window: str) -> str:
    """A run as it is listed and typed.

    >>> run_name("smollm2-135m", "mean", "72:504")
    'smollm2-135m · mean · 72:504'
    """
    return _DOT.join((model, prompt, window))


def chosen_run(name: str) -> Run | None:
    """The run of that name, or ``None`` while its model is being opened.

    Raises:
        InputError: not three parts, no such prompt, or no such window.
    """
    parts = [part.strip() for part in name.split(_DOT.strip())]
    if len(parts) != 3:
        raise InputError(
            f"run {name!r}: must be model · prompt · window, such as "
            f"{run_name('smollm2-135m', 'prompteol', '2')}"
        )
    model_name, prompt, window = parts
    find_prompt(prompt)
    model = model_of(model_name)
    if model is None:
        return None
    d = model.d_model
    kept = Window(0, d, d) if window == "raw" else Window.parse(window, d)
    return Run(model, prompt, kept)


def compared(runs: Sequence[Run], chosen: ChosenTask) -> Comparison | None:
    """Both runs on the task, or ``None`` while they are being scored."""
    first, second = runs
    names = tuple((run.model.identity, run.prompt, str(run.window)) for run in runs)
    return outcome(
        ("comparison", *names, chosen.key),
        "Scoring both runs",
        lambda progress: compare(first, second, chosen.task, progress=progress),
        button=f"Score both on {len(chosen.task.texts):,} texts",
        note="Embeds the texts once for each model and prompt; what is embedded is kept.",
    )
