"""Tasks: every window from one rotation equals the window taken by itself; halves are alike."""

import numpy as np
import pytest

from embfilter_viz.errors import InputError
from embfilter_viz.evaluation.classification import ClassificationTask
from embfilter_viz.evaluation.clustering import ClusteringTask
from embfilter_viz.evaluation.pair_classification import PairTask
from embfilter_viz.evaluation.retrieval import RetrievalTask
from embfilter_viz.evaluation.sts import StsTask
from embfilter_viz.evaluation.task import Task, halves
from embfilter_viz.evaluation.tasks import KINDS, demo_task, read_task
from embfilter_viz.spectral.windows import Window

PAIRS = [(f"one {i}", f"other {i % 17}") for i in range(30)]
WINDOWS = [Window(0, 12, 12), Window(3, 9, 12), Window(5, 6, 12), Window(0, 4, 12)]


def task_of(kind: str) -> Task:
    rng = np.random.default_rng(0)
    if kind == "sts":
        return StsTask.of_pairs(PAIRS, rng.integers(0, 6, 30), "by hand")
    if kind == "pairs":
        return PairTask.of_pairs(PAIRS, rng.random(30) < 0.4, "by hand")
    if kind == "retrieval":
        judged = [
            (f"q{i}", f"p{j}", float((i + j) % 4)) for i in range(11) for j in range(i, i + 5)
        ]
        return RetrievalTask.of_judgements(judged, "by hand", [f"more {i}" for i in range(9)])
    make = ClassificationTask if kind == "classification" else ClusteringTask
    return make.of_texts([f"text {i}" for i in range(30)], [f"l{i % 3}" for i in range(30)], "hand")


@pytest.mark.parametrize("kind", KINDS)
def test_windows_of_one_rotation_are_the_windows_taken_singly(kind: str) -> None:
    task = task_of(kind)
    R = np.random.default_rng(1).normal(size=(len(task.texts), 12)).astype(np.float32)
    together = task.scores(task.outcomes_of_windows(R, WINDOWS))[:, 0]
    assert together == pytest.approx([task.score(R[:, w.kept].copy()) for w in WINDOWS])
    assert len(set(together)) > 1
    low, high = task.bounds
    assert ((low <= together) & (together <= high)).all()


def test_labels_that_embeddings_show_are_found_and_others_are_not() -> None:
    rng = np.random.default_rng(0)
    for kind in ("classification", "clustering"):
        task = task_of(kind)
        shown = np.eye(3)[np.arange(30) % 3] + rng.normal(0, 0.05, (30, 3))
        assert task.score(shown) == 100
        assert task.score(rng.normal(size=(30, 3))) < 60


@pytest.mark.parametrize("kind", KINDS)
def test_resamples_of_every_unit_once_score_as_all(kind: str) -> None:
    task = task_of(kind)
    E = np.random.default_rng(1).normal(size=(len(task.texts), 5))
    outcomes = task.outcomes(E)[None]
    counts = np.stack([np.ones(task.n_units), task.chooses, ~task.chooses])
    found = task.scores(outcomes, counts)[0]
    assert found[0] == pytest.approx(task.score(E))
    if kind in {"retrieval", "classification"}:
        share = task.chooses.mean()
        assert share * found[1] + (1 - share) * found[2] == pytest.approx(found[0])


def test_halves_are_alike() -> None:
    scores = np.random.default_rng(0).integers(0, 6, 401)
    chooses = halves(scores)
    assert abs(int(chooses.sum()) - 200) <= 1
    for score in range(6):
        assert abs(int((chooses & (scores == score)).sum()) * 2 - (scores == score).sum()) <= 2
    assert abs(scores[chooses].mean() - scores[~chooses].mean()) < 0.05


def test_demo_tasks_are_there() -> None:
    for kind in ("sts", "classification", "clustering", "pairs"):
        assert demo_task(kind).n_units >= 100


ROWS = [f"A cat {i},A dog {i % 7},{i % 5}" for i in range(12)]


@pytest.mark.parametrize(
    ("kind", "rows", "words"),
    [
        ("sts", ["a,b,c", *ROWS], r"no column for sentence1 and sentence2 and score among 'a'"),
        ("sts", ["sentence1,sentence2,score", *ROWS, "x,y,high", "x,z,"],
         "row 14 has 'high' as score, not a number; mend"),
        ("sts", ["sentence1,sentence2,score", *ROWS[:3]],
         "data.csv: at least 10 pairs are needed, .*; it holds 3"),
        ("sts", ["sentence1,sentence2,score", *(f"a{i},b,3" for i in range(12))],
         "all of the 12 scores are 3, so they order nothing"),
        ("sts", ["sentence1,sentence2,score", *(f"a{i},b,3" for i in range(12)), "c,d,2"],
         "all but a few of the 13 scores are 3"),
        ("pairs", ["sentence1,sentence2,score", *(f"a{i},b,1" for i in range(12))],
         "all 12 scores are 1; pairs of one meaning and of different"),
        ("pairs", ["sentence1,sentence2,score", *(f"a{i},b,{i > 1:d}" for i in range(12))],
         "2 of 12 pairs count as different"),
        ("classification", ["text,label", *(f"t{i},x" for i in range(12))], "the one label 'x'"),
        ("clustering", ["text,label", *(f"t{i},l{i}" for i in range(12))], "fewer than two labels"),
        ("classification", ["text,other", *(f"text {i},l{i}" for i in range(12))],
         "no column for label among 'text', 'other'"),
        ("classification", ["text,label", "t,a", "t,b"],
         r"every text stands under several labels \(first: 't' under 'a' and under 'b'"),
        ("retrieval", ["query,passage,relevance", *(f"q{i},p{i},1" for i in range(9))],
         "at least 10 queries with a relevant passage are needed; it holds 9"),
        ("retrieval", ["query,text,relevance", *(f"q{i},p{i},0" for i in range(19))], "it holds 0"),
        ("tea", ["text"], "task 'tea': unknown"),
    ],
)  # fmt: skip
def test_bad_data_is_answered_in_one_line(kind: str, rows: list[str], words: str) -> None:
    with pytest.raises(InputError, match=words) as raised:
        read_task(kind, "\n".join(rows).encode(), "data.csv")
    assert "\n" not in str(raised.value)


def test_what_is_left_out_or_sampled_is_said() -> None:
    rows = [f"a{i},b{i % 9},{i % 5}" for i in range(40)]
    data = "\n".join(["s1;s2;gold".replace(";", ","), *rows, rows[3], "a1,b1,4", ",b,3"]).encode()
    task = read_task("sts", data, "data.csv", limit=20)
    assert task.n_units == 20
    assert task.notes == (
        "3 columns separated by comma; the first row names the columns.",
        "Taken: the column 's1' as sentence1, 's2' as sentence2, 'gold' as score.",
        "1 row without text left out (first: row 44).",
        "1 row says what an earlier one said (first: row 42) and still counts.",
        "1 row (first: row 43) judged otherwise than an earlier row with the same texts; "
        "both count.",
        "A random sample of 20 of the 42 pairs, seed 0.",
    )
    assert read_task("sts", data, "data.csv", limit=20).texts == task.texts


def test_a_passage_that_is_judged_for_two_queries_is_searched_once() -> None:
    rows = [f"q{i},p{i},2\nq{i},shared,1\n,only searched {i}," for i in range(10)]
    task = read_task("retrieval", "\n".join(["query,passage,relevance", *rows]).encode(), "r.csv")
    assert isinstance(task, RetrievalTask)
    assert (task.n_units, len(task.passages), len(task.judged)) == (10, 21, 20)
    sampled = read_task(
        "retrieval", "\n".join(["query,passage", *rows]).encode(), "r.csv", limit=26
    )
    assert "other passages to search, seed 0" in sampled.notes[-1]
