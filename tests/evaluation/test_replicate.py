"""The paper's table through MTEB's own tasks, on a hub of this machine, against scores by hand."""

import csv
import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from embfilter_viz import open_model
from embfilter_viz.analyses import replicate as module
from embfilter_viz.analyses.paper_rows import paper_rows
from embfilter_viz.analyses.replicate import replicate
from embfilter_viz.cli import main
from embfilter_viz.data import paper_table
from embfilter_viz.errors import InputError
from embfilter_viz.evaluation.mteb_tasks import benchmark_tasks
from embfilter_viz.evaluation.paper_tasks import PAPER_TASKS
from embfilter_viz.model import Model
from tests.evaluation.mteb_data_sets import TASKS, data_sets, retrieval_of, write_data_sets
from tests.models.hub_stand_in import HubStandIn, hub_stand_in

pytest.importorskip("mteb")
# The libraries behind MTEB warn of themselves on import.
pytestmark = pytest.mark.filterwarnings("ignore")

MISSING = "ImdbClassification"
D = 32
WINDOWS = {"raw": (0, D), "tau_2": (8, 24), "tau_4": (12, 20), "tau_8": (14, 18)}

PROCESS = """
import sys
from pathlib import Path
from embfilter_viz import open_model
from embfilter_viz.analyses.replicate import replicate
from embfilter_viz.cli import main

model, records, *arguments = sys.argv[1:]

def stops(*said):
    if len(list(Path(records).glob("*.json"))) >= 5:
        raise KeyboardInterrupt

try:
    replicate(open_model(model), arguments[-1].split(","), "mean", progress=stops)
except KeyboardInterrupt:
    print(f"stopped after {len(list(Path(records).glob('*.json')))}", file=sys.stderr)
main(["replicate", model, *arguments])
"""
"""A run that is stopped when a task and a part of the next are done, and another that goes on."""


@dataclass
class Ran:
    """What the two runs left behind."""

    cache: Path
    hub: HubStandIn
    said: dict[str, Any]
    lines: list[str]
    table: list[dict[str, str]]

    def score(self, task: str, name: str) -> float:
        return next(one for one in self.said["tasks"] if one["task"] == task)[name]


@pytest.fixture(scope="module")
def ran(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ran]:
    folder = tmp_path_factory.mktemp("replicate")
    cache, out = folder / "cache", folder / "table.csv"
    with hub_stand_in(write_data_sets(folder / "data")) as hub:
        # What is asked of the hub is read from the environment when its libraries are imported.
        surroundings = {
            "HF_ENDPOINT": hub.address, "HF_HOME": str(folder / "hf"),
            "EMBFILTER_VIZ_CACHE": str(cache), "PYTHONPATH": os.pathsep.join(sys.path),
        }  # fmt: skip
        names = ",".join([*TASKS, MISSING])
        command = [sys.executable, "-c", PROCESS, str(tiny), str(cache / "records" / "replicate"),
                   "--prompt", "mean", "--json", "-o", str(out), "--tasks", names]  # fmt: skip
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=120, env={**os.environ, **surroundings}
        )
        assert done.returncode == 0, done.stderr
        lines = [line for line in done.stderr.splitlines() if not line.startswith("… ")]
        with out.open(encoding="utf-8") as file:
            table = list(csv.DictReader(file))
        yield Ran(cache, hub, json.loads(done.stdout), lines, table)


@pytest.fixture
def read(ran: Ran, tiny: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., np.ndarray]:
    """The embeddings that the run left in the store, in a window found by another way."""
    monkeypatch.setenv("EMBFILTER_VIZ_CACHE", str(ran.cache))
    model = open_model(str(tiny))
    W_U = load_file(tiny / "model.safetensors")["lm_head.weight"].astype(float)
    V = np.linalg.svd(W_U, full_matrices=False)[2].T

    def reading(texts: list[str], name: str) -> np.ndarray:
        l, r = WINDOWS[name]  # noqa: E741
        rows = model.encode(texts, "mean").astype(float)
        assert model.forwarded == 0  # each text of the test is one that the run has embedded
        return rows @ V[:, l:r] @ V[:, l:r].T

    return reading


def cosines(A: np.ndarray, B: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(A, axis=1)[:, None] * np.linalg.norm(B, axis=1)
    return A @ B.T / lengths


DATA = data_sets()
Read = Callable[[list[str], str], np.ndarray]


def sts(read: Read, name: str) -> float:
    from scipy.stats import spearmanr

    rows = DATA["STSBenchmark"]["test"]
    A, B = (read([row[side] for row in rows], name) for side in ("sentence1", "sentence2"))
    return spearmanr(np.diag(cosines(A, B)), [row["score"] for row in rows]).statistic


def classification(read: Read, name: str) -> float:
    """Ten times 32 texts of each label, or all there are, in an order shuffled anew each time."""
    from sklearn.linear_model import LogisticRegression

    train, test = DATA["TweetSentimentExtractionClassification"].values()
    X, Z = (read([row["text"] for row in rows], name) for rows in (train, test))
    y, z = (np.array([row["label"] for row in rows]) for rows in (train, test))
    order, found = list(range(len(train))), []
    for _ in range(10):
        np.random.RandomState(42).shuffle(order)
        learnt = LogisticRegression(max_iter=100, random_state=42).fit(X[order], y[order])
        found.append((learnt.predict(Z) == z).mean())
    return float(np.mean(found))


def clustering(read: Read, name: str) -> float:
    from sklearn.cluster import MiniBatchKMeans
    from sklearn.metrics import v_measure_score

    found = []
    for row in DATA["TwentyNewsgroupsClustering"]["test"]:
        E = read(row["sentences"], name)
        E = E / np.linalg.norm(E, axis=1, keepdims=True)
        k = len(set(row["labels"]))
        learnt = MiniBatchKMeans(k, batch_size=500, n_init="auto", random_state=42).fit(E)
        found.append(v_measure_score(row["labels"], learnt.labels_))
    return float(np.mean(found))


def pair_classification(read: Read, name: str) -> float:
    from sklearn.metrics import average_precision_score

    (row,) = DATA["TwitterSemEval2015"]["test"]
    near = np.diag(cosines(read(row["sent1"], name), read(row["sent2"], name)))
    return float(average_precision_score(row["labels"], near))


def reranking(read: Read, name: str) -> float:
    """Mean over queries of the mean precision at each passage that answers."""
    rows = DATA["AskUbuntuDupQuestions"]
    queries, corpus = retrieval_of(rows)
    answers = {(r["query-id"], r["corpus-id"]) for r in rows["qrels"] if r["score"]}
    found = []
    for row in rows["top_ranked"]:
        query, ids = row["query-id"], row["corpus-ids"]
        near = cosines(read([queries[query]], name), read([corpus[i] for i in ids], name))[0]
        hits = [(query, ids[i]) in answers for i in np.argsort(-near)]
        found.append(np.mean([sum(hits[: i + 1]) / (i + 1) for i, hit in enumerate(hits) if hit]))
    return float(np.mean(found))


def retrieval(read: Read, name: str) -> float:
    """Mean over queries of nDCG@10."""
    rows = DATA["SciFact"]
    queries, corpus = retrieval_of(rows)
    near = cosines(read(list(queries.values()), name), read(list(corpus.values()), name))
    discount = 1 / np.log2(np.arange(2, 12))
    found = []
    for query, cosine in zip(queries, near, strict=True):
        right = {r["corpus-id"] for r in rows["qrels"] if r["query-id"] == query and r["score"]}
        gains = [list(corpus)[i] in right for i in np.argsort(-cosine)[:10]]
        found.append(discount @ gains / discount[: len(right)].sum())
    return float(np.mean(found))


def summarization(read: Read, name: str) -> float:
    """Mean over articles: rank correlation of relevance and the cosine to the nearest human one.

    SummEval as the paper has it averages the correlation and its p-value, a fault of MTEB that
    SummEvalSummarization.v2 does not have.
    """
    from scipy.stats import spearmanr

    found = []
    for row in DATA["SummEval"]["test"]:
        machine, human = (read(row[f"{who}_summaries"], name) for who in ("machine", "human"))
        found.append(spearmanr(cosines(machine, human).max(1), row["relevance"]))
    return float(np.mean(found))


BY_HAND = dict(
    zip(
        TASKS,
        (sts, classification, clustering, pair_classification, reranking, retrieval, summarization),
        strict=True,
    )
)


@pytest.mark.parametrize("task", TASKS)
def test_scores_of_mteb_are_those_by_hand(ran: Ran, read: Read, task: str) -> None:
    by_hand = {name: 100 * BY_HAND[task](read, name) for name in WINDOWS}
    for name, expected in by_hand.items():
        assert ran.score(task, name) == pytest.approx(expected, abs=0.002), name
    assert len({round(score, 2) for score in by_hand.values()}) > 1


def test_each_text_went_through_the_model_once(ran: Ran) -> None:
    def texts_in(value: Any) -> Iterator[str]:
        if isinstance(value, str):
            yield value
        elif isinstance(value, list):
            yield from chain.from_iterable(map(texts_in, value))

    texts = set(chain.from_iterable(retrieval_of(DATA[task])[i].values()
                                    for task in ("AskUbuntuDupQuestions", "SciFact")
                                    for i in (0, 1)))  # fmt: skip
    read = {"sentence1", "sentence2", "sentences", "sent1", "sent2", "human_summaries",
            "machine_summaries"}  # fmt: skip
    for task in BY_HAND:
        for row in chain.from_iterable(DATA[task].values()):
            if task == "TweetSentimentExtractionClassification":
                texts.add(row["text"])
            texts.update(t for name in read & set(row) for t in texts_in(row[name]))
    assert sum(one["forwards"] for one in ran.said["tasks"]) == len(texts)
    assert sum(one["forwards_again"] for one in ran.said["tasks"]) == 0
    (table,) = (ran.cache / "results" / "embeddings").glob("*.sqlite")
    with sqlite3.connect(table) as rows:
        assert rows.execute("SELECT count(*) FROM vectors").fetchone() == (len(texts),)


def test_a_run_that_was_stopped_went_on(ran: Ran) -> None:
    (stopped,) = (line for line in ran.lines if line.startswith("stopped after "))
    assert 5 <= int(stopped.split()[-1]) < len(TASKS) * len(WINDOWS)
    kept = {one["task"]: one["kept"] for one in ran.said["tasks"]}
    assert kept["STSBenchmark"]
    assert not kept["SummEval"]
    # The data of what was finished were not asked for a second time.
    asked = [r for r in ran.hub.requests if r.startswith("GET") and "stsbenchmark" in r]
    assert len([r for r in asked if r.endswith("test.jsonl.gz")]) == 1
    assert len(list((ran.cache / "records" / "replicate").glob("*.json"))) == 28


def test_what_cannot_be_loaded_is_one_line(ran: Ran) -> None:
    (line,) = (line for line in ran.lines if not line.startswith("stopped after "))
    assert line.startswith(f"embfilter-viz: {MISSING}: not scored: its data cannot be loaded (")
    assert [one["task"] for one in ran.said["not_scored"]] == [MISSING]


def test_means_are_over_tasks_and_over_categories(ran: Ran) -> None:
    assert [one["category"] for one in ran.said["categories"]] == list(PAPER_TASKS)
    assert [(one["tasks"], one["listed"]) for one in ran.said["categories"]] == [
        (1, 10), (1, 12), (1, 11), (1, 3), (1, 4), (1, 15), (1, 1)
    ]  # fmt: skip
    for name in WINDOWS:
        expected = np.mean([one[name] for one in ran.said["tasks"]])
        assert ran.said["mean_over_tasks"][name] == pytest.approx(expected)
        assert ran.said["mean_over_categories"][name] == pytest.approx(expected)
    (row,) = (row for row in paper_table("main_results") if _first_of_qwen(row, 2))
    assert ran.said["mean_over_tasks"]["paper"]["tau_2"] == row["average"] == 54.57
    assert ran.said["categories"][5]["paper"]["tau_2"] == row["retrieval"]


def _first_of_qwen(row: dict[str, Any], tau: int) -> bool:
    return (row["backbone"], row["prompt"], row["tau"]) == ("Qwen2.5-0.5B", "PromptEOL", tau)


def test_the_table_that_was_written(ran: Ran) -> None:
    assert [row["task"] for row in ran.table] == list(TASKS)
    assert float(ran.table[0]["tau_4"]) == ran.score("STSBenchmark", "tau_4")
    assert ran.table[0]["data"].startswith("mteb/stsbenchmark-sts@")


def test_finished_scores_need_no_hub(
    ran: Ran, tiny: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("EMBFILTER_VIZ_CACHE", str(ran.cache))
    with pytest.raises(SystemExit) as left:
        main(["replicate", str(tiny), "--prompt", "mean", "--tasks", ",".join(TASKS)])
    assert left.value.code == 0
    said = capsys.readouterr().out
    for one in ran.said["tasks"]:
        assert f"{one['task']} " in said
        assert f"{one['tau_8']:.2f}" in said
    assert "another model and another prompt" in " ".join(said.split())
    assert "STS                   1 of 10" in said


@pytest.mark.parametrize("prompt", ["mean@2", "last"])
def test_another_reading_has_scores_of_its_own(
    ran: Ran, tiny: Path, monkeypatch: pytest.MonkeyPatch, prompt: str
) -> None:
    monkeypatch.setenv("EMBFILTER_VIZ_CACHE", str(ran.cache))
    with pytest.raises(InputError, match="replicate: STSBenchmark cannot be scored: the hub"):
        replicate(open_model(str(tiny)), ["STSBenchmark"], prompt)


def test_the_tasks_are_in_english_alone() -> None:
    found = {task.name: task for task in benchmark_tasks(["paper"])}
    assert list(found) == list(chain.from_iterable(PAPER_TASKS.values()))
    assert {name for name, task in found.items() if len(task.parts) > 1} == {"CQADupstackRetrieval"}
    for category, names in PAPER_TASKS.items():
        assert {found[name].category for name in names} == {category}
        for part in chain.from_iterable(found[name].parts for name in names):
            assert part.metadata.type == category
            assert list(part.hf_subsets) in (["default"], ["en"], ["en-en"])
            assert list(part.eval_splits) == ["dev" if part.metadata.name == "MSMARCO" else "test"]


def test_without_a_hub_it_is_one_line(tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["replicate", str(tiny)])
    assert left.value.code == 2
    (line,) = (x for x in capsys.readouterr().err.splitlines() if not x.startswith("… "))
    assert line.startswith("embfilter-viz: replicate: none of 56 tasks can be scored: the hub")
    assert line.endswith("cannot be reached; check the network or HF_ENDPOINT")


def test_without_the_library_it_is_one_line(
    tiny: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from embfilter_viz.evaluation import mteb_model

    monkeypatch.setattr(mteb_model, "find_spec", lambda name: None)
    with pytest.raises(SystemExit) as left:
        main(["replicate", str(tiny)])
    assert left.value.code == 2
    assert capsys.readouterr().err == (
        "embfilter-viz: replicate: needs the mteb library; pip install 'embfilter-viz[mteb]'\n"
    )


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--tasks", "NoSuchThing"], "tasks NoSuchThing: MTEB has no such task"),
        (["--tasks", ","], "tasks: none is named"),
        (["-o", "table.txt"], "table.txt: give it the ending .json or .csv"),
        (["-o", "no/such/table.csv"], "no/such/table.csv: there is no folder no/such"),
    ],
)
def test_what_is_refused(
    tiny: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], complaint: str
) -> None:
    with pytest.raises(SystemExit) as left:
        main(["replicate", str(tiny), *arguments])
    assert left.value.code == 2
    assert f"embfilter-viz: {complaint}" in capsys.readouterr().err


@pytest.fixture
def scored(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Scores by task that MTEB is made to give, or errors it is made to raise; no data, no hub."""
    given: dict[str, Any] = {"asked": []}

    def score(model: Any, task: Any, measure: str) -> float:
        given["asked"].append(task.metadata.name)
        found = given[task.metadata.name]
        if isinstance(found, Exception):
            raise found
        return found + (0 if model.window is None else 0.01)

    monkeypatch.setattr(module, "hub_answers", lambda **_: True)
    monkeypatch.setattr(module, "load_task", lambda task: None)
    monkeypatch.setattr(module, "mteb_score", score)
    return given


def test_what_mteb_fails_on_does_not_stop_the_rest(
    tiny_model: Model, scored: dict[str, Any]
) -> None:
    scored |= {"STS12": KeyError("sentence1"), "STS13": float("nan"), "STS14": 0.5}
    told: list[str] = []
    found = replicate(tiny_model, ["STS12", "STS13", "STS14"], "mean", tell=told.append)
    assert [(one.task, one.scores) for one in found.tasks] == [
        ("STS14", pytest.approx((50, 51, 51, 51)))
    ]
    assert told == [
        "STS12: not scored: MTEB fails on its data (KeyError: 'sentence1')",
        "STS13: not scored: its cosine_spearman is undefined",
    ]
    assert found.sentence.startswith("STS14: raw 50.00, τ = 2 51.00 (+1.00), τ = 4")
    scored["STS14"] = KeyError("asked again")
    assert replicate(tiny_model, ["STS14"], "mean").tasks[0].kept


def test_an_embedding_that_is_no_number_stops_all(
    tiny_model: Model, scored: dict[str, Any]
) -> None:
    scored |= {"STS12": InputError("the weights are damaged"), "STS13": 0.5}
    with pytest.raises(InputError, match="the weights are damaged"):
        replicate(tiny_model, ["STS12", "STS13"], "mean")
    assert scored["asked"] == ["STS12"]


def test_a_task_in_parts_is_their_mean(tiny_model: Model, scored: dict[str, Any]) -> None:
    (task,) = benchmark_tasks(["CQADupstackRetrieval"])
    assert len(task.parts) == len(task.data) == 12
    scored |= {part.metadata.name: i / 100 for i, part in enumerate(task.parts)}
    found = replicate(tiny_model, [task.name], "mean")
    assert found.tasks[0].scores == pytest.approx((5.5, 6.5, 6.5, 6.5))
    assert (found.tasks[0].category, found.tasks[0].measure) == ("Retrieval", "ndcg_at_10")


def test_means_where_categories_have_several_tasks(
    tiny_model: Model, scored: dict[str, Any]
) -> None:
    scored |= {"STS12": 0.1, "STS13": 0.2, "STS14": 0.6, "SciFact": 0.5}
    found = replicate(tiny_model, ["STS12", "SciFact", "STS13", "STS14"], "mean")
    assert [(one.category, one.n_tasks) for one in found.categories] == [
        ("STS", 3), ("Retrieval", 1)
    ]  # fmt: skip
    assert found.categories[0].scores[0] == pytest.approx(30)
    assert found.mean_over_tasks[0] == pytest.approx(35)
    assert found.mean_over_categories[0] == pytest.approx(40)


def test_texts_that_the_store_cannot_keep_are_counted_again(
    tiny_model: Model, scored: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def score(model: Any, task: Any, measure: str) -> float:
        return float(model.encode([{"text": ["a cat", "a dog", "a cat"]}]).mean())

    monkeypatch.setattr(module, "mteb_score", score)
    monkeypatch.setattr(tiny_model.store, "use_free_disk", lambda: None)
    tiny_model.store.limit_bytes = 1
    found = replicate(tiny_model, ["STS12"], "mean")
    (task,) = found.tasks
    assert (task.n_texts, task.n_forwards, task.n_forwards_again) == (2, 8, 6)
    assert "8 forward passes read them, 6 of them for windows" in found.encoding


def test_a_hub_that_goes_away_is_not_asked_for_every_task(
    tiny_model: Model, scored: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    answers, loaded = iter([True, False]), []

    def fails(task: Any) -> None:
        loaded.append(task.metadata.name)
        raise InputError("no answer")

    monkeypatch.setattr(module, "hub_answers", lambda **_: next(answers))
    monkeypatch.setattr(module, "load_task", fails)
    with pytest.raises(InputError, match=r"none of 3 tasks can be scored: the hub .* reached"):
        replicate(tiny_model, ["STS12", "STS13", "STS14"], "mean")
    assert loaded == ["STS12"]


class TestPaperRows:
    """Whose figures stand beside."""

    def test_of_another_model_they_are_the_nearest_and_named_so(self, tiny_model: Model) -> None:
        found = paper_rows(tiny_model, "echo")
        assert (found.backbone, found.prompt) == ("Qwen2.5-0.5B", "ECHO")
        assert (found.same_backbone, found.same_prompt) == (False, True)
        assert "of another model: the paper's nearest rows, Qwen2.5-0.5B" in found.sentence
        assert found.rows["raw"]["STS"] == 63.98

    def test_of_an_earlier_layer_they_are_of_another_prompt(self, tiny_model: Model) -> None:
        assert not paper_rows(tiny_model, "prompteol@1").same_prompt
        assert paper_rows(tiny_model, "prompteol@3").same_prompt

    def test_a_row_that_the_paper_lacks_is_not_there(self, tiny_model: Model) -> None:
        found = paper_rows(tiny_model, "metaeol")
        assert set(found.rows) == {"raw", "tau_2", "tau_4"}
        assert "whose templates are not ours" in found.sentence

    def test_the_same_backbone_is_known_by_name_and_width(
        self, tiny_model: Model, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(Model, "name", property(lambda _: "org/Mistral-7B-Instruct-v0.3@main"))
        assert not paper_rows(tiny_model, "prompteol").same_backbone
        monkeypatch.setattr(Model, "d_model", property(lambda _: 4096))
        found = paper_rows(tiny_model, "prompteol")
        assert (found.same_backbone, found.backbone) == (True, "Mistral-7B-Instruct-v0.3")
        assert found.sentence.startswith("The starred figures are the paper's own for Mistral")
