"""Small data sets in the formats of MTEB's own: files, columns and configurations as its tasks ask.

The texts are the explorer's demo texts, pairs and passages. Each data set serves for one of the
paper's tasks, one of every category, and goes through that task's own class in MTEB.
"""

import csv
import gzip
import json
from collections.abc import Iterable, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from embfilter_viz.data import demo_texts
from tests.models.hub_stand_in import Repository

__all__ = ["TASKS", "Row", "data_sets", "retrieval_of", "write_data_sets"]

Row = dict[str, Any]

TASKS = {
    "STSBenchmark": "mteb/stsbenchmark-sts",
    "TweetSentimentExtractionClassification": "mteb/tweet_sentiment_extraction",
    "TwentyNewsgroupsClustering": "mteb/twentynewsgroups-clustering",
    "TwitterSemEval2015": "mteb/twittersemeval2015-pairclassification",
    "AskUbuntuDupQuestions": "mteb/AskUbuntuDupQuestions",
    "SciFact": "mteb/scifact",
    "SummEval": "mteb/summeval",
}
"""The paper's tasks that are served, by where their data lie on the hub."""

_RETRIEVAL = """---
configs:
- config_name: default
  data_files:
  - split: test
    path: qrels/test.jsonl
- config_name: corpus
  data_files:
  - split: corpus
    path: corpus.jsonl
- config_name: queries
  data_files:
  - split: queries
    path: queries.jsonl
---
"""
_RERANKING = """---
configs:
- config_name: corpus
  data_files:
  - split: test
    path: corpus/test-*
- config_name: default
  data_files:
  - split: test
    path: data/test-*
- config_name: queries
  data_files:
  - split: test
    path: queries/test-*
- config_name: top_ranked
  data_files:
  - split: test
    path: top_ranked/test-*
---
"""


def data_sets() -> dict[str, dict[str, list[Row]]]:
    """Rows by task and part, as the tasks' own data sets have them."""
    demo = demo_texts()
    pairs = [{**row, "score": float(row["score"])} for row in _table("pairs.csv")][::4]
    of_topic = {
        topic: [t for t, label in zip(demo.texts, demo.labels, strict=True) if label == topic]
        for topic in demo.topics
    }
    moods = [(label, topic) for label, topic in enumerate(demo.topics[:3])]
    classified = {
        split: [
            {"id": f"{label}-{i}", "text": text, "label": label, "label_text": topic}
            for label, topic in moods
            for i, text in enumerate(of_topic[topic][part])
        ]
        for split, part in (("train", slice(0, 20)), ("test", slice(20, 32)))
    }
    clusters = [
        {
            "sentences": [text for topic in topics for text in of_topic[topic][first:12]],
            "labels": [topic for topic in topics for _ in of_topic[topic][first:12]],
        }
        for first, topics in ((0, demo.topics[3:6]), (4, demo.topics[6:9]))
    ]
    same = [{**row, "label": int(row["score"] >= 3)} for row in pairs]
    twitter = {
        "sent1": [row["sentence1"] for row in same],
        "sent2": [row["sentence2"] for row in same],
        "labels": [row["label"] for row in same],
    }
    summaries = [
        {
            "id": f"cnn-{i}",
            "text": " ".join(texts),
            "human_summaries": list(texts[:2]),
            "machine_summaries": list(texts[2:7]),
            "relevance": [float(1 + (3 * i + 2 * j) % 5) for j in range(5)],
        }
        for i, texts in enumerate(of_topic[topic][:8] for topic in demo.topics[:4])
    ]
    searched = _table("retrieval.csv")
    return {
        "STSBenchmark": {"test": [{"sid": str(i), **row} for i, row in enumerate(pairs)]},
        "TweetSentimentExtractionClassification": classified,
        "TwentyNewsgroupsClustering": {"test": clusters},
        "TwitterSemEval2015": {"test": [twitter]},
        "AskUbuntuDupQuestions": _searched(searched[100:160], title=False),
        "SciFact": _searched(searched[:100], title=True),
        "SummEval": {"test": summaries},
    }


def _searched(rows: list[dict[str, str]], *, title: bool) -> dict[str, list[Row]]:
    """Queries, passages, judgements and what is to be ranked, of rows of ``retrieval.csv``."""
    queries = {query: f"q{i}" for i, query in enumerate(dict.fromkeys(r["query"] for r in rows))}
    passages = {r["passage"]: f"p{i}" for i, r in enumerate(rows)}
    said = {"title": "On this"} if title else {}
    ranked: dict[str, list[str]] = {}
    for row in rows:
        ranked.setdefault(queries[row["query"]], []).append(passages[row["passage"]])
    return {
        "queries": [{"_id": name, "text": query} for query, name in queries.items()],
        "corpus": [{"_id": name, **said, "text": passage} for passage, name in passages.items()],
        "qrels": [
            {
                "query-id": queries[row["query"]],
                "corpus-id": passages[row["passage"]],
                "score": int(row["relevance"] == "2"),
            }
            for row in rows
        ],
        "top_ranked": [{"query-id": name, "corpus-ids": ids} for name, ids in ranked.items()],
    }


def write_data_sets(folder: Path) -> dict[str, Repository]:
    """The data sets as files in the formats of the real ones, by their names on the hub."""
    made = data_sets()
    for task in ("STSBenchmark", "TwentyNewsgroupsClustering"):
        _jsonl_gz(folder / task / "test.jsonl.gz", made[task]["test"])
    tweets = folder / "TweetSentimentExtractionClassification"
    for split, rows in made[tweets.name].items():
        _jsonl(tweets / f"{split}.jsonl", rows)
    _jsonl(folder / "TwitterSemEval2015" / "test.json", made["TwitterSemEval2015"]["test"])
    _parquet(folder / "SummEval" / "data" / "test-00000-of-00001.parquet", made["SummEval"]["test"])
    ask, science = folder / "AskUbuntuDupQuestions", folder / "SciFact"
    for part, rows in made[ask.name].items():
        place = "data" if part == "qrels" else part
        _parquet(ask / place / "test-00000-of-00001.parquet", rows)
    (ask / "README.md").write_text(_RERANKING, encoding="utf-8")
    for part, name in (("queries", "queries"), ("corpus", "corpus"), ("qrels", "qrels/test")):
        _jsonl(science / f"{name}.jsonl", made[science.name][part])
    (science / "README.md").write_text(_RETRIEVAL, encoding="utf-8")
    return {
        f"datasets/{name}": Repository(folder / task, any_revision=True)
        for task, name in TASKS.items()
    }


def retrieval_of(rows: Mapping[str, list[Row]]) -> tuple[dict[str, str], dict[str, str]]:
    """Queries and passages by id, a passage with its title before it, as MTEB reads it."""
    queries = {row["_id"]: row["text"] for row in rows["queries"]}
    corpus = {r["_id"]: f"{r.get('title', '')} {r['text']}".strip() for r in rows["corpus"]}
    return queries, corpus


def _table(name: str) -> list[dict[str, str]]:
    text = files("embfilter_viz.data").joinpath(name).read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


def _lines(rows: Iterable[Row]) -> str:
    return "".join(f"{json.dumps(row)}\n" for row in rows)


def _jsonl(path: Path, rows: Iterable[Row]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(_lines(rows), encoding="utf-8")


def _jsonl_gz(path: Path, rows: Iterable[Row]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(_lines(rows).encode()))


def _parquet(path: Path, rows: list[Row]) -> None:
    import pyarrow
    import pyarrow.parquet

    path.parent.mkdir(parents=True, exist_ok=True)
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path)
