"""One of MTEB's tasks under many windows: its own scores, without intervals."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from embfilter_viz.analyses.finite import finite
from embfilter_viz.evaluation.mteb_model import mteb_scores
from embfilter_viz.model import Model
from embfilter_viz.spectral.windows import Window
from embfilter_viz.system.progress import Progress, silent
from embfilter_viz.wording import fixed, signed

__all__ = ["MtebSweep", "mteb_sweep"]


@dataclass(frozen=True)
class MtebSweep:
    """The scores of MTEB for a model, raw and under each window."""

    model: str
    """What the user typed to choose it."""
    prompt: str
    """How texts were put to the model."""
    task: str
    """The task's name in MTEB."""
    measure: str
    """The task's main score, times 100."""
    raw: float
    """Of the embeddings as they are."""
    windows: tuple[Window, ...]
    """(m,) those tried."""
    scores: tuple[float, ...]
    """(m,) of each."""

    @property
    def best(self) -> int:
        """Place of the window of the highest score."""
        return max(range(len(self.scores)), key=self.scores.__getitem__)

    @property
    def sentence(self) -> str:
        """The finding in words, with what it cannot say."""
        window, score = self.windows[self.best], self.scores[self.best]
        gain = score - self.raw
        raw, best, more = fixed(self.raw, 2), fixed(score, 2), signed(gain, 2)
        said, noise = f"{self.task} ({self.measure}): raw scores {raw}", "so this may be noise"
        if len(self.windows) == 1:
            said += f"; window {window} scores {best} ({more})"
            return f"{said}. MTEB gives no intervals, {noise}."
        if gain > 0:
            words = f"the highest of {len(self.windows)} windows is {window}, which scores {best}"
        else:
            words = f"none of {len(self.windows)} windows is above raw; {window} scores {best}"
        return (
            f"{said}; {words} ({more}). MTEB gives no intervals, {noise}, and the highest of many "
            "windows is too optimistic."
        )

    def to_json(self) -> dict[str, Any]:
        """The record under the names that a sweep has on the command line."""
        rows = [
            {
                "l": w.l, "r": w.r, "tau": w.tau, "tau_asked": w.tau_asked, "score": score,
                "low": None, "high": None,
            }
            for w, score in zip(self.windows, self.scores, strict=True)
        ]  # fmt: skip
        return finite(
            {
                "model": self.model,
                "prompt": self.prompt,
                "task": {"kind": "mteb", "name": self.task, "measure": self.measure},
                "raw": self.raw,
                "windows": rows,
                "baselines": {},
                "best": rows[self.best],
                "sentence": self.sentence,
            }
        )


def mteb_sweep(
    model: Model,
    task: Any,
    prompt: str,
    windows: Sequence[Window],
    *,
    progress: Progress = silent,
) -> MtebSweep:
    """Run an MTEB task (see ``evaluation.mteb_model.mteb_task``) raw and under every window.

    Args:
        model: the opened model.
        task: an MTEB task.
        prompt: the prompt's name.
        windows: which windows to score.
        progress: told of the work.

    Returns:
        the main score raw and under every window.
    """
    raw, *scores = mteb_scores(model, task, prompt, [None, *windows], progress=progress)
    measure = f"{task.metadata.main_score} × 100"
    return MtebSweep(
        model.name, prompt, task.metadata.name, measure, raw, tuple(windows), tuple(scores)
    )
