"""Our model in MTEB itself, on tasks defined here over data that are here."""

from typing import Any

import numpy as np
import pytest

from embfilter_viz.errors import InputError
from embfilter_viz.evaluation.mteb_model import MtebModel, mteb_scores, mteb_task
from embfilter_viz.evaluation.sts import StsTask
from embfilter_viz.model import Model
from embfilter_viz.spectral.windows import Window

pytest.importorskip("mteb")
# The libraries behind MTEB warn of themselves on import.
pytestmark = pytest.mark.filterwarnings("ignore")

PAIRS = [(f"a cat sat on mat {i}", f"the dog number {i % 7} ran") for i in range(20)]
GRADES = [float(i * 7 % 11) for i in range(20)]
WINDOW = Window(4, 20, 32)


def metadata(kind: str, score: str) -> Any:
    from mteb.abstasks.task_metadata import TaskMetadata

    return TaskMetadata(
        name=f"Ours{kind}", description="Made in a test.", type=kind, main_score=score,
        dataset={"path": "nowhere/none", "revision": "1"}, eval_splits=["test"],
        eval_langs=["eng-Latn"], modalities=["text"], category="t2t",
    )  # fmt: skip


def sts_in_memory() -> Any:
    from datasets import Dataset, DatasetDict
    from mteb.abstasks.sts import AbsTaskSTS

    class Ours(AbsTaskSTS):
        metadata = metadata("STS", "cosine_spearman")
        max_score = 10

    task = Ours()
    columns = {"sentence1": [a for a, _ in PAIRS], "sentence2": [b for _, b in PAIRS]}
    task.dataset = {"default": DatasetDict(test=Dataset.from_dict({**columns, "score": GRADES}))}
    task.data_loaded = True
    return task


def test_an_mteb_task_scores_as_ours_does(tiny_model: Model) -> None:
    ours = StsTask.of_pairs(PAIRS, GRADES, "by hand")
    E = tiny_model.encode(ours.texts, "mean")
    expected = [ours.score(E), ours.score((E @ tiny_model.spectrum.V)[:, WINDOW.kept])]
    found = mteb_scores(tiny_model, sts_in_memory(), "mean", [None, WINDOW])
    assert found == pytest.approx(expected, abs=1e-6)
    assert abs(found[0] - found[1]) > 0.1


def test_it_is_an_encoder_to_mteb(tiny_model: Model) -> None:
    from mteb.models import EncoderProtocol

    model = MtebModel(tiny_model, "mean", WINDOW)
    assert isinstance(model, EncoderProtocol)
    assert "window-4-20" in str(model.mteb_model_meta.name)
    rows = model.encode([{"text": ["a cat", ""]}, {"text": ["a dog"]}])
    assert rows.shape == (3, 16)
    near = np.asarray(model.similarity(rows, rows))
    np.testing.assert_allclose(np.diag(near), 1, atol=1e-6)


def test_an_unknown_task_is_refused() -> None:
    with pytest.raises(InputError, match="mteb:NoSuchThing: MTEB has no such task"):
        mteb_task("NoSuchThing")


def test_a_sweep_of_an_mteb_task_says_what_it_cannot(tiny_model: Model) -> None:
    from embfilter_viz.analyses.mteb_sweep import mteb_sweep

    windows = [Window(0, 32, 32), WINDOW]
    found = mteb_sweep(tiny_model, sts_in_memory(), "mean", windows)
    said = found.to_json()
    assert said["windows"][0]["score"] == pytest.approx(said["raw"], abs=0.5)
    assert said["windows"][1]["low"] is None
    assert said["best"]["score"] == max(found.scores)
    assert "no intervals, so this may be noise" in found.sentence
