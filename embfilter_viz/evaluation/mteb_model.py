"""A model with a window as MTEB wants one, so that any of its tasks can be run (an optional extra).

    pip install embfilter-viz[mteb]

MTEB loads its data and scores them; the embeddings are ours, from the store where they are there
already, filtered and in the reduced form.
"""

import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np

from embfilter_viz.errors import Cancelled, InputError
from embfilter_viz.model import Model
from embfilter_viz.models.encoding.prompts import find_prompt
from embfilter_viz.models.sources.names import without_place
from embfilter_viz.spectral.filters import EmbedFilter
from embfilter_viz.spectral.windows import Window
from embfilter_viz.store import text_key
from embfilter_viz.system.progress import Progress, silent

if TYPE_CHECKING:
    from mteb.abstasks.abstask import AbsTask
    from mteb.models.model_meta import ModelMeta

__all__ = [
    "MtebModel",
    "check_mteb",
    "first_line",
    "load_task",
    "mteb_score",
    "mteb_scores",
    "mteb_task",
]

_FOR_NOTHING = "."
"""What is embedded for an empty text, which some of MTEB's data sets hold."""


class MtebModel:
    """An opened model under a prompt and a window, with the methods of MTEB's ``EncoderProtocol``.

    Args:
        model: the opened model.
        prompt: how a text is put to it; MTEB's own instructions are not used.
        window: what the filter keeps; None: the embeddings as they are.
        unit: whether embeddings are scaled to length 1, as the paper's code does for all tasks but
            classification. k-means sees a difference, a cosine does not.
        progress: told of texts embedded.
    """

    def __init__(
        self,
        model: Model,
        prompt: str = "prompteol",
        window: Window | None = None,
        *,
        unit: bool = False,
        progress: Progress = silent,
    ) -> None:
        self.model = model
        self.prompt = prompt
        self.window = window
        self.unit = unit
        self._progress = progress
        self._asked: set[bytes] = set()

    @property
    def n_texts(self) -> int:
        """Different texts that were asked for."""
        return len(self._asked)

    def encode(self, inputs: Iterable[Mapping[str, Any]], **_: Any) -> np.ndarray:
        """Embeddings (n, k) float32 of the batches' texts, one row each in their order."""
        texts = [text if text.strip() else _FOR_NOTHING for one in inputs for text in one["text"]]
        self._asked.update(text_key(text)[:8] for text in texts)  # eight bytes tell millions apart
        rows = self.model.encode(texts, self.prompt, progress=self._progress)
        if self.window is not None:
            rows = EmbedFilter(self.model.spectrum, window=self.window).transform(rows)
        if self.unit:
            rows = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-30)
        return rows

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

        name = without_place(self.model.name).strip("/").split("/")[-1] or "model"
        kept = "raw" if self.window is None else f"window-{self.window.l}-{self.window.r}"
        return ModelMeta.create_empty(
            {
                "name": f"embfilter-viz/{name}-{find_prompt(self.prompt).slug}-{kept}",
                "revision": self.model.checkpoint.content_hash,
                "embed_dim": self.model.d_model if self.window is None else self.window.k,
                "framework": ["PyTorch"],
            }
        )


def check_mteb(who: str) -> None:
    """Refuse what needs the library where it is not installed.

    Args:
        who: what asks for it, for the message.

    Raises:
        InputError: it is not installed.
    """
    if find_spec("mteb") is None:
        raise InputError(f"{who}: needs the mteb library; pip install 'embfilter-viz[mteb]'")


def mteb_task(name: str) -> "AbsTask":
    """One of MTEB's tasks by its name there, its data not yet loaded.

    Raises:
        InputError: the library is not installed, or knows no such task.
    """
    check_mteb(f"mteb:{name}")
    import mteb

    try:
        return mteb.get_task(name)
    except KeyError as error:
        raise InputError(
            f"mteb:{name}: MTEB has no such task; take a name such as STSBenchmark"
        ) from error


def load_task(task: "AbsTask") -> None:
    """Load a task's data at its revision; the hub must answer, though it sends only what is new.

    Raises:
        InputError: they cannot be loaded, whatever the reason.
    """
    if task.data_loaded:
        return
    try:
        with _of_known_revision():
            task.load_data()
    except Cancelled:
        raise
    except Exception as error:  # of datasets, the hub, the network or the task's own code
        raise InputError(
            f"mteb:{task.metadata.name}: its data cannot be loaded ({first_line(error)}); "
            "check the network"
        ) from error


@contextmanager
def _of_known_revision() -> Iterator[None]:
    """Keep datasets from making do with whatever an earlier load left in its cache.

    Where the hub fails it takes the newest copy of any revision, and lists only the configurations
    that it has: a reranking task without its lists becomes a search of all passages, with another
    score under the same name.
    """
    import datasets.load

    before = datasets.load.CachedDatasetModuleFactory

    def refused(name: str, **_: Any) -> None:
        raise FileNotFoundError(f"{name} is not taken from the cache")

    datasets.load.CachedDatasetModuleFactory = refused
    try:
        yield
    finally:
        datasets.load.CachedDatasetModuleFactory = before


def mteb_score(model: MtebModel, task: "AbsTask", measure: str | None = None) -> float:
    """One of a task's scores, from 0 to 1; its data are loaded.

    What a task draws at random it draws the same each time, so that two windows are compared on
    the same samples.

    Args:
        model: the model with its window.
        task: an MTEB task.
        measure: the score's name in MTEB; None: the task's main score.
    """
    import mteb

    task.rng_state, task.np_rng = random.Random(task.seed), np.random.default_rng(task.seed)
    result = mteb.evaluate(model, task, cache=None, co2_tracker=False, show_progress_bar=False)
    return float(result.task_results[0].get_score(getter=lambda s: s[measure or "main_score"]))


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
    scores = []
    for done, window in enumerate(windows):
        progress("Running MTEB", done, len(windows), "windows")
        load_task(task)
        scores.append(100 * mteb_score(MtebModel(model, prompt, window, progress=progress), task))
    progress("Running MTEB", len(windows), len(windows), "windows")
    return scores


def first_line(error: BaseException) -> str:
    r"""Say what an error of another library is, in at most 120 characters.

    >>> first_line(ValueError("no such column\nTraceback")), first_line(KeyError())
    ('no such column', 'KeyError')
    """
    lines = str(error).splitlines()
    said = lines[0].strip().rstrip(".")[:120] if lines else ""
    return said or type(error).__name__
