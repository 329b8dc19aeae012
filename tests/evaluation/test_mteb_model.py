"""Our model in MTEB itself, on tasks defined here over data that are here."""

import contextlib
import io
import logging
import socket
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from embfilter_viz.errors import InputError
from embfilter_viz.evaluation import mteb_tasks
from embfilter_viz.evaluation.mteb_model import (
    MtebModel,
    load_task,
    mteb_score,
    mteb_scores,
    mteb_task,
)
from embfilter_viz.evaluation.sts import StsTask
from embfilter_viz.model import Model
from embfilter_viz.spectral.windows import Window
from tests.models.hub_stand_in import hub_stand_in

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


def test_embeddings_of_length_one(tiny_model: Model) -> None:
    batch = [{"text": ["a cat", "", "a dog", "a cat"]}]
    plain, unit = (MtebModel(tiny_model, "mean", WINDOW, unit=u) for u in (False, True))
    rows = plain.encode(batch)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    np.testing.assert_allclose(unit.encode(batch), rows / lengths, rtol=1e-6)
    assert unit.n_texts == 3
    unit.encode([{"text": ["a bird", "a dog"]}])
    assert unit.n_texts == 4


def test_a_task_draws_the_same_for_every_window(
    tiny_model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    import mteb

    task, drawn = sts_in_memory(), []

    def evaluated(model: Any, task: Any, **_: Any) -> Any:
        drawn.append((task.rng_state.random(), task.np_rng.random()))
        return real(model, task, **_)

    real = mteb.evaluate
    monkeypatch.setattr(mteb, "evaluate", evaluated)
    mteb_scores(tiny_model, task, "mean", [None, WINDOW])
    assert drawn[0] == drawn[1]


def test_another_measure_than_the_main_one(tiny_model: Model) -> None:
    model = MtebModel(tiny_model, "mean")
    main, other = (mteb_score(model, sts_in_memory(), m) for m in (None, "cosine_pearson"))
    assert main != other


def test_a_hub_that_does_not_answer_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{listening.getsockname()[1]}")
        monkeypatch.setattr(mteb_tasks, "ANSWER_SECONDS", 0.3)
        assert not mteb_tasks.hub_answers()
    assert not mteb_tasks.hub_answers()  # now nobody listens
    with hub_stand_in() as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.address)
        monkeypatch.setattr(mteb_tasks, "ANSWER_SECONDS", 9.0)
        assert mteb_tasks.hub_answers()
        monkeypatch.setenv("HF_HUB_OFFLINE", "1")
        assert not mteb_tasks.hub_answers()


def test_the_libraries_are_as_they_were_afterwards() -> None:
    import datasets
    import tqdm.auto

    def state() -> list[Any]:
        bar = tqdm.auto.tqdm(range(2), file=io.StringIO())
        bar.close()
        level = logging.getLogger("mteb").level
        return [datasets.are_progress_bars_disabled(), level, bar.disable]

    before = state()
    with contextlib.suppress(ZeroDivisionError), mteb_tasks.quiet():
        assert state() == [True, logging.CRITICAL, True]
        raise ZeroDivisionError
    assert state() == before


def test_an_older_copy_in_the_cache_is_not_taken(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import datasets.load

    (tmp_path / "mteb___sts12-sts" / "default" / "0.0.0" / "another-revision").mkdir(parents=True)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path))
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    task = mteb_task("STS12")
    asked = {name: task.metadata.dataset[name] for name in ("path", "revision")}
    found = datasets.load.dataset_module_factory(**asked)
    assert found.module_path.endswith("packaged_modules.cache.cache")  # so datasets would
    with pytest.raises(InputError, match="mteb:STS12: its data cannot be loaded"):
        load_task(task)
    assert datasets.load.dataset_module_factory(**asked) == found


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
