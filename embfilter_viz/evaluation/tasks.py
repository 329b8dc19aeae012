"""The kinds of task by name, each made from our demo sets or from a user's file."""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType
from typing import Any

from embfilter_viz.data import DEMO_LANGUAGES, demo_language, demo_name, demo_texts
from embfilter_viz.errors import InputError
from embfilter_viz.evaluation.classification import ClassificationTask
from embfilter_viz.evaluation.clustering import ClusteringTask
from embfilter_viz.evaluation.pair_classification import PairTask
from embfilter_viz.evaluation.retrieval import RetrievalTask
from embfilter_viz.evaluation.sts import StsTask
from embfilter_viz.evaluation.task import Task
from embfilter_viz.texts import JudgedTable, TextTable, read_judged, read_texts
from embfilter_viz.texts.reading import NO_VALUE
from embfilter_viz.wording import counted

__all__ = [
    "COLUMNS_OF",
    "KINDS",
    "LIMITS",
    "TITLES",
    "demo_kinds",
    "demo_task",
    "read_task",
    "read_tasks",
]

KINDS: Mapping[str, str] = MappingProxyType(
    {
        "sts": "graded pairs: Spearman of cosine and score",
        "retrieval": "queries and passages: nDCG@10, recall@10",
        "classification": "labelled texts: accuracy of logistic regression",
        "clustering": "labelled texts: V-measure of k-means",
        "pairs": "pairs of one meaning or not: average precision",
    }
)
"""Every kind by its name on the command line, and what it is."""

TITLES: Mapping[str, str] = MappingProxyType(
    {
        "sts": "similarity",
        "retrieval": "retrieval",
        "classification": "classification",
        "clustering": "clustering",
        "pairs": "same or not",
    }
)
"""What a kind is called in a sentence."""

COLUMNS_OF: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "sts": ("sentence1", "sentence2", "score"),
        "retrieval": ("query", "passage", "relevance"),
        "classification": ("text", "label"),
        "clustering": ("text", "label"),
        "pairs": ("sentence1", "sentence2", "score"),
    }
)
"""The columns a file of each kind has."""

LIMITS: Mapping[str, int] = MappingProxyType(
    {"sts": 5_000, "retrieval": 10_000, "classification": 2_000, "clustering": 2_000,
     "pairs": 5_000}
)  # fmt: skip
"""Rows of a file of each kind beyond which a random sample is taken, and said to be."""

DEMO = "demo"
"""What stands for our own demo sets in English where a file is asked for."""

ONLY_ENGLISH = "retrieval"
"""The kind of task that our demo sets have in English alone."""


def read_task(
    kind: str,
    source: str | Path | bytes = DEMO,
    name: str | None = None,
    *,
    columns: Mapping[str, str | int] | None = None,
    limit: int | None = None,
    seed: int = 0,
) -> Task:
    r"""The task of a kind over a file, or over our demo set.

    Args:
        kind: one of :data:`KINDS`.
        source: "demo", or "demo-hi" and the like for another language of
            :data:`~embfilter_viz.data.DEMO_LANGUAGES`; the path of a table (.csv, .tsv, .jsonl,
            .parquet; for retrieval also a folder as BEIR has it), or its bytes as uploaded.
        name: the file's name where ``source`` is bytes.
        columns: which of the file's columns is what, by the names in :data:`COLUMNS_OF`, where
            they are not recognised.
        limit: at most so many rows, the rest sampled away; None: that of :data:`LIMITS`.
        seed: of the sample.

    Returns:
        the task, ready to be scored.

    Raises:
        InputError: in one line, whatever is wrong with the file and where.

    >>> read_task("sts").describe()
    'Spearman × 100 over 160 pairs of our demo pairs'
    >>> rows = "".join(f"\nA cat {i},A dog {i},{i}" for i in range(21))
    >>> read_task("pairs", f"a,b,score{rows}".encode(), "x.csv", columns={"sentence1": "a",
    ...           "sentence2": "b"}).notes[-1]
    'Scores of 16 and more count as the same meaning, of 8 and less as different; 7 pairs ...'
    """
    if kind not in KINDS:
        raise InputError(f"task {kind!r}: unknown; take one of {', '.join(KINDS)}")
    if (language := demo_language(source)) is not None:
        if columns:
            raise InputError(
                f"column {next(iter(columns))!r}: {demo_name(language)} has columns of its own; "
                "drop it, or name a file"
            )
        return demo_task(kind, language, limit=limit, seed=seed)
    limit = LIMITS[kind] if limit is None else limit
    if kind in {"classification", "clustering"}:
        given = dict(columns or {})
        table = read_texts(
            source, name, text_column=given.pop("text", None),
            label_column=given.pop("label", None), limit=limit, seed=seed,
        )  # fmt: skip
        if table.labels is None and len(table.columns) == 2 and "label" not in (columns or {}):
            other = 1 - (table.text_column or 0)
            table = _if_labels(
                read_texts(
                    source, name, text_column=table.text_column, label_column=other, limit=limit,
                    seed=seed,
                )
            )  # fmt: skip
        if given:
            raise InputError(f"column {next(iter(given))!r}: unknown; the columns are text, label")
        if table.labels is None:
            listed = ", ".join(map(repr, table.columns[:12])) or "a file of plain lines"
            raise InputError(
                f"{table.source}: no column for label among {listed}; name the columns text, "
                "label, or say which is which"
            )
        texts, labels, told = _with_labels(table)
        return _LABELLED[kind](texts, labels, table.source, (*table.notes, *told))
    judged = read_judged(
        source, "retrieval" if kind == "retrieval" else "pairs", name, columns=columns,
        limit=limit, seed=seed,
    )  # fmt: skip
    return _JUDGED[kind](judged)


def read_tasks(
    source: str | Path = DEMO, kinds: Sequence[str] = (), **how: Any
) -> tuple[Task, ...]:
    """Tasks over one file or over our demo sets.

    Args:
        source: "demo" or "demo-hi" and the like, or the path of a .csv or .tsv file.
        kinds: of :data:`KINDS`; none: all of them over our demo sets, and the one that the columns
            of a file are for (graded pairs, labelled texts to classify, or retrieval).
        **how: further arguments of :func:`read_task`.

    Raises:
        InputError: in one line, whatever is wrong with the file.

    >>> [task.kind for task in read_tasks()]
    ['sts', 'retrieval', 'classification', 'clustering', 'pairs']
    >>> [task.kind for task in read_tasks("demo-hi")]
    ['sts', 'classification', 'clustering', 'pairs']
    """
    if kinds:
        return tuple(read_task(kind, source, **how) for kind in dict.fromkeys(kinds))
    if (language := demo_language(source)) is not None:
        return tuple(read_task(kind, source, **how) for kind in demo_kinds(language))
    said = []
    # In this order: a file without names of columns could pass for judged passages.
    for kind in ("sts", "classification", "retrieval"):
        try:
            return (read_task(kind, source, **how),)
        except InputError as error:
            said.append(str(error))
    if len(set(said)) == 1:  # of the file itself, whatever it is for
        raise InputError(said[0])
    raise InputError(f"{said[0]}; or name what the file is for: {', '.join(KINDS)}")


def demo_kinds(language: str = "en") -> tuple[str, ...]:
    """The kinds of task that we have a demo set for in a language.

    >>> demo_kinds("hi")
    ('sts', 'classification', 'clustering', 'pairs')
    """
    return tuple(kind for kind in KINDS if language == "en" or kind != ONLY_ENGLISH)


def demo_task(kind: str, language: str = "en", *, limit: int | None = None, seed: int = 0) -> Task:
    """The task of a kind over our own demo set; what the sets are is told in data/README.md.

    Args:
        kind: one of :data:`KINDS`.
        language: one of :data:`~embfilter_viz.data.DEMO_LANGUAGES`.
        limit: at most so many rows, the rest sampled away and said to be.
        seed: of the sample.

    Returns:
        the task, ready to be scored.

    Raises:
        InputError: we have no demo set of that kind in that language.

    >>> [demo_task(kind).n_units for kind in ("sts", "classification", "pairs")]
    [160, 320, 124]
    >>> demo_task("sts", "hi").describe()
    'Spearman × 100 over 72 pairs of our Hindi demo pairs'
    >>> demo_task("clustering", limit=40).notes[0]
    'A random sample of 40 of the 320 texts, seed 0.'
    """
    if kind not in demo_kinds(language):
        raise InputError(
            f"{demo_name(language)}: has nothing for the task {kind}; take one of "
            f"{', '.join(demo_kinds(language))}, or {DEMO}, which is English"
        )
    whose = "our" if language == "en" else f"our {DEMO_LANGUAGES.get(language, language)}"
    if kind in {"classification", "clustering"}:
        demo = demo_texts(language)
        n, notes = len(demo.texts), list[str]()
        kept = list(range(n))
        if limit is not None and limit < n:
            kept = sorted(random.Random(seed).sample(kept, limit))
            notes.append(f"A random sample of {limit:,} of the {n:,} texts, seed {seed}.")
        texts, labels = ([of_all[i] for i in kept] for of_all in (demo.texts, demo.labels))
        return _LABELLED[kind](texts, labels, f"{whose} demo texts", notes)
    path: tuple[str, ...]
    if kind == "retrieval":
        path, source = ("retrieval.csv",), f"{whose} demo passages"
    else:
        path, source = ("pairs.csv",), f"{whose} demo pairs"
        if language != "en":
            path = ("languages", language, "pairs.csv")
    data = files("embfilter_viz.data").joinpath(*path).read_bytes()
    judged = "retrieval" if kind == "retrieval" else "pairs"
    table = read_judged(data, judged, path[-1])
    sample = table if limit is None else read_judged(data, judged, path[-1], limit=limit, seed=seed)
    # How our own file was read is of no interest; what was left of it is.
    told = tuple(note for note in sample.notes if note not in table.notes)
    return _JUDGED[kind](JudgedTable(sample.rows, sample.columns, sample.chosen, source, told))


def _if_labels(table: TextTable) -> TextTable:
    """A table of two columns whose second is taken for labels, if its values come again."""
    labels = table.labels or ()
    if len(set(labels)) > len(labels) / 2 or table.label_column is None:
        return replace(table, labels=None)
    note = f"Labels are taken from the column {table.columns[table.label_column]!r}."
    return replace(table, notes=(*table.notes, note))


def _with_labels(table: TextTable) -> tuple[list[str], list[str], list[str]]:
    """The texts that have a label, their labels, and how many have none."""
    assert table.labels is not None
    rows = list(zip(table.rows, table.texts, table.labels, strict=True))
    kept = [(text, label) for _, text, label in rows if label not in NO_VALUE]
    without = [row for row, _, label in rows if label in NO_VALUE]
    told = []
    if without:
        told.append(f"{counted(len(without), 'row')} without a label left out (first: row "
                    f"{without[0]}).")  # fmt: skip
    return [text for text, _ in kept], [label for _, label in kept], told


def _sts(table: JudgedTable) -> StsTask:
    pairs = [(one.first, one.second) for one in table.rows]
    return StsTask.of_pairs(pairs, [one.value for one in table.rows], table.source, table.notes)


def _pairs(table: JudgedTable) -> PairTask:
    """Two values say it themselves; of a scale, its upper fifth and its lower two fifths do."""
    values = sorted({one.value for one in table.rows})
    rows, notes = list(table.rows), list(table.notes)
    if len(values) < 2:
        raise InputError(
            f"{table.source}: all {len(rows):,} scores are {values[0]:g}; pairs of one meaning "
            "and of different meaning are needed"
        )
    low, high = values[0], values[-1]
    if len(values) > 2:
        reach = high - low
        low, high = low + 0.4 * reach, high - 0.2 * reach
        rows = [one for one in rows if one.value <= low or one.value >= high]
        between = len(table.rows) - len(rows)
        notes.append(
            f"Scores of {high:g} and more count as the same meaning, of {low:g} and less as "
            f"different; {counted(between, 'pair between is', 'pairs between are')} left out."
        )
    return PairTask.of_pairs(
        [(one.first, one.second) for one in rows],
        [one.value >= high for one in rows],
        table.source,
        notes,
    )


def _retrieval(table: JudgedTable) -> RetrievalTask:
    return RetrievalTask.of_judgements(
        [tuple(one[:3]) for one in table.rows if one.first],  # type: ignore[misc]
        table.source,
        [one.second for one in table.rows],
        table.notes,
    )


_JUDGED: Mapping[str, Callable[[JudgedTable], Task]] = {
    "sts": _sts,
    "pairs": _pairs,
    "retrieval": _retrieval,
}
_LABELLED = {
    "classification": ClassificationTask.of_texts,
    "clustering": ClusteringTask.of_texts,
}
