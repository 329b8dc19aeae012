"""A folder as BEIR and MTEB have it: texts in corpus.jsonl and queries.jsonl, ids in qrels."""

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from embfilter_viz.errors import InputError
from embfilter_viz.texts.decoding import lines_of
from embfilter_viz.texts.table import count_of

__all__ = ["read_beir"]

_CORPUS, _QUERIES = "corpus.jsonl", "queries.jsonl"
_SPLITS = ("test", "dev", "validation", "train")
_OTHERS = 10_000
"""Passages kept that nobody judged, where no limit says how many."""


def read_beir(
    folder: Path, notes: list[str], *, limit: int | None = None, seed: int = 0
) -> tuple[tuple[str, ...], list[tuple[int, list[str]]]]:
    """Queries, passages and relevance of a folder, their ids replaced by the texts.

    The corpus is read once, line by line: judged passages are kept, and a random sample of the
    others, so that the memory does not grow with it.

    Args:
        folder: with corpus.jsonl, queries.jsonl and qrels/test.tsv (or dev, train).
        notes: what was decided is appended.
        limit: passages that nobody judged kept at most; 10,000 if not given.
        seed: of the sample.

    Returns:
        the columns query, passage, relevance and the rows; a passage without a query is only
        searched.

    Raises:
        InputError: a file is not there, or a line is not as it should be.
    """
    qrels = _qrels(folder)
    judged = list(_judgements(qrels))
    wanted_queries = {query for query, _, _ in judged}
    wanted_passages = {passage for _, passage, _ in judged}
    queries = {key: text for key, text in _texts(folder / _QUERIES) if key in wanted_queries}
    passages: dict[str, str] = {}
    others: list[str] = []
    rng, seen = random.Random(seed), 0
    most = _OTHERS if limit is None else limit
    for key, text in _texts(folder / _CORPUS):
        if key in wanted_passages:
            passages[key] = text
            continue
        seen += 1  # a reservoir: each of those seen is kept with one chance
        if len(others) < most:
            others.append(text)
        elif (at := rng.randrange(seen)) < most:
            others[at] = text
    rows, lost = [], 0
    for query, passage, relevance in judged:
        if query in queries and passage in passages:
            rows.append([queries[query], passages[passage], relevance])
        else:
            lost += 1
    notes.append(
        f"Read as BEIR has it, by {qrels.relative_to(folder)}: "
        f"{count_of(len(judged), 'judgement')}, {len(queries):,} queries, "
        f"{count_of(len(passages) + seen, 'passage')}."
    )
    if lost:
        notes.append(f"{count_of(lost, 'judgement')} left out whose query or passage has no text.")
    if seen > len(others):
        notes.append(
            f"Of the {count_of(seen, 'passage')} that nobody judged a random sample of "
            f"{len(others):,} is searched, seed {seed}."
        )
    rows += [["", text, "0"] for text in others]
    return ("query", "passage", "relevance"), list(enumerate(rows, start=1))


def _qrels(folder: Path) -> Path:
    for name in (_CORPUS, _QUERIES):
        if not (folder / name).is_file():
            raise InputError(
                f"{folder}: has no {name}; a folder of BEIR's holds {_CORPUS}, {_QUERIES} and "
                "qrels/test.tsv"
            )
    places = [folder / "qrels" / f"{split}.tsv" for split in _SPLITS]
    places.append(folder / "qrels.tsv")
    for place in places:
        if place.is_file():
            return place
    raise InputError(f"{folder}: has no qrels/test.tsv, which says what answers which query")


def _judgements(path: Path) -> Iterator[tuple[str, str, str]]:
    """Lines of query id, passage id and relevance, after a header or without one."""
    content = path.read_text(encoding="utf-8-sig", errors="replace")
    for number, line in enumerate(lines_of(content), start=1):
        cells = line.split("\t")
        if not line.strip() or (number == 1 and cells[0].lower() in {"query-id", "query_id"}):
            continue
        if len(cells) == 4:  # TREC's: query, 0, passage, relevance
            del cells[1]
        if len(cells) != 3:
            raise InputError(
                f"{path.name}: line {number} has {count_of(len(cells), 'cell')}; query id, "
                "passage id and relevance are needed, separated by tabs"
            )
        yield cells[0].strip(), cells[1].strip(), cells[2].strip()


def _texts(path: Path) -> Iterator[tuple[str, str]]:
    """Id and text of each line; a title stands before its text, as BEIR embeds them."""
    with path.open(encoding="utf-8-sig", errors="replace") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            record = _object(line, path, number)
            key = record.get("_id", record.get("id"))
            text = record.get("text")
            if key is None or not isinstance(text, str):
                raise InputError(f"{path.name}: line {number} lacks _id or text; both are needed")
            title = record.get("title")
            yield str(key), f"{title} {text}".strip() if isinstance(title, str) else text


def _object(line: str, path: Path, number: int) -> dict[str, Any]:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path.name}: line {number} is no JSON ({error}); mend it") from error
    if not isinstance(record, dict):
        raise InputError(f"{path.name}: line {number} is no object; _id and text are needed")
    return record
