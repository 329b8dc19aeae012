"""A model with a window as MTEB wants one, so that any of its tasks can be run (an optional extra).

    pip install embfilter-viz[mteb]

MTEB loads its data and scores them; the embeddings are ours, from the store where they are there
already, filtered and in the reduced form.
"""

from collections.abc import Iterable, Mapping, Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np

from embfilter_viz.errors import InputError
from embfilter_viz.model import Model
from embfilter_viz.models.encoding.prompts import find_prompt
from embfilter_viz.spectral.filters import EmbedFilter
from embfilter_viz.spectral.windows import Window
from embfilter_viz.system.progress import Progress, silent

if TYPE_CHECKING:
    from mteb.abstasks.abstask import AbsTask
    from mteb.models.model_meta import ModelMeta

__all__ = ["MtebModel", "mteb_scores", "mteb_task"]

_FOR_NOTHING = "."
"""What is embedded for an empty text, which some of MTEB's data sets hold."""


class MtebModel:
    """An opened model under a prompt and a window, with the methods of MTEB's ``EncoderProtocol``.

    Args:
        model: the opened model.
        prompt: how a text is put to it; MTEB's own instructions are not used.
        window: what the filter keeps; None: the embeddings as they are.
        progress: told of texts embedded.
    """

    def __init__(
        self,
        model: Model,
        prompt: str = "prompteol",
        window: Window | None = None,
        *,
        progress: Progress = silent,
    ) -> None:
        self.model = model
        self.prompt = prompt
        self.window = window
        self._progress = progress

    def encode(self, inputs: Iterable[Mapping[str, Any]], **_: Any) -> np.ndarray:
        """Embeddings (n, k) float32 of the batches' texts, one row each in their order."""
        texts = [text if text.strip() else _FOR_NOTHING for one in inputs for text in one["text"]]
        rows = self.model.encode(texts, self.prompt, progress=self._progress)
        if self.window is None:
            return rows
        return EmbedFilter(self.model.spectrum, window=self.window).transform(rows)

    def similarity(self, embeddings1: Any, embeddings2: Any) -> Any:
        """Cosine of each row of the first with each of the second."""
        from mteb.similarity_functions import cos_sim

        return cos_sim(embeddings1, embeddings2)

    def similarity_pairwise(self, embeddings1: Any, embeddings2: Any) -> Any:
        """Cosine of each row of the first with the row of the second in the same place."""
        from mteb.similarity_functions import pairwise_cos_sim

        return pairwise_cos_sim(embeddings1, embeddings2)

    @property
    def mteb_model_meta(self) -> "ModelMeta":
        """Return what MTEB writes with its results: the checkpoint, the prompt and the window."""
        from mteb.models.model_meta import ModelMeta

        name = self.model.name.strip("/").split("/")[-1] or "model"
        kept = "raw" if self.window is None else f"window-{self.window.l}-{self.window.r}"
        return ModelMeta.create_empty(
            {
                "name": f"embfilter-viz/{name}-{find_prompt(self.prompt).slug}-{kept}",
                "revision": self.model.checkpoint.content_hash,
                "embed_dim": self.model.d_model if self.window is None else self.window.k,
                "framework": ["PyTorch"],
            }
        )


def mteb_task(name: str) -> "AbsTask":
    """One of MTEB's tasks by its name there, its data not yet loaded.

    Raises:
        InputError: the library is not installed, or knows no such task.
    """
    if find_spec("mteb") is None:
        raise InputError(f"mteb:{name}: needs the mteb library; pip install 'embfilter-viz[mteb]'")
    import mteb

    try:
        return mteb.get_task(name)
    except KeyError as error:
        raise InputError(
            f"mteb:{name}: MTEB has no such task; take a name such as STSBenchmark"
        ) from error


def mteb_scores(
    model: Model,
    task: "AbsTask",
    prompt: str,
    windows: Sequence[Window | None],
    *,
    progress: Progress = silent,
) -> list[float]:
    """The task's main score, times 100, under each window; None stands for the raw embeddings.

    Texts are embedded once, for the first window; the others find them in the store.

    Args:
        model: the opened model.
        task: an MTEB task.
        prompt: the prompt's name.
        windows: which windows; None for raw.
        progress: told of the work.

    Returns:
        one score for each window.

    Raises:
        InputError: MTEB cannot load the task's data.
    """
    import mteb

    scores = []
    for done, window in enumerate(windows):
        progress("Running MTEB", done, len(windows), "windows")
        if not task.data_loaded:
            try:
                task.load_data()
            except (OSError, ValueError, RuntimeError) as error:
                reason = str(error).splitlines()[0] if str(error) else type(error).__name__
                raise InputError(
                    f"mteb:{task.metadata.name}: its data cannot be loaded ({reason[:120]}); "
                    "check the network"
                ) from error
        result = mteb.evaluate(
            MtebModel(model, prompt, window, progress=progress),
            task,
            cache=None,
            co2_tracker=False,
            show_progress_bar=False,
        )
        scores.append(100 * float(result.task_results[0].get_score()))
    progress("Running MTEB", len(windows), len(windows), "windows")
    return scores
