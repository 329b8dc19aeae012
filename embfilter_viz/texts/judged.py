"""Files of graded pairs and of judged passages -> texts with numbers, and what was decided.

A row is two texts and a number: sentence1, sentence2, score, or query, passage, relevance. As in
``texts.reading`` nothing is decided silently, and what cannot be read is answered with the row.
"""

import math
import random
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from embfilter_viz.errors import InputError
from embfilter_viz.texts.beir import read_beir
from embfilter_viz.texts.reading import NO_VALUE, asked_names, bytes_of
from embfilter_viz.texts.rows import TABLE_ENDINGS, read_rows
from embfilter_viz.texts.table import ID_NAMES, count_of, find_column, ids_alone

__all__ = ["COLUMNS", "Judged", "JudgedTable", "read_judged"]

_FIRST: tuple[str, ...] = (
    "sentence1",
    "sentence_1",
    "sentence 1",
    "text1",
    "text_1",
    "text 1",
    "s1",
    "sent1",
)
_SECOND: tuple[str, ...] = tuple(name.replace("1", "2") for name in _FIRST)
# SICK's names, and those of the Microsoft Research Paraphrase Corpus.
_FIRST = (*_FIRST, "sentence_a", "#1 string")
_SECOND = (*_SECOND, "sentence_b", "#2 string")
_ID = re.compile(r"\d{3,}|[0-9a-f]{12,}|(?=(?:\S*\d){3})[\w.:/-]{6,}", re.ASCII | re.IGNORECASE)
"""A number of three digits and more, or one word with three digits."""
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")

COLUMNS: Mapping[str, Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "pairs": MappingProxyType(
            {
                "sentence1": (*_FIRST, "question1", "premise", "first", "anchor", "source"),
                "sentence2": (*_SECOND, "question2", "hypothesis", "second", "other", "target"),
                "score": (
                    *("score", "scores", "similarity", "similarity_score", "relatedness_score"),
                    *("gold", "gold_score", "grade", "rating", "label", "labels", "is_duplicate"),
                    "quality",
                ),
            }
        ),
        "retrieval": MappingProxyType(
            {
                "query": ("query", "question", "search", "query_text", "anchor"),
                "passage": (
                    *("passage", "document", "doc", "text", "answer", "context", "content"),
                    *("passage_text", "positive"),
                ),
                "relevance": ("relevance", "score", "rel", "label", "grade", "rating", "judgement"),
            }
        ),
    }
)
"""What a kind of file holds, and the names (in lower case) by which each column is recognised."""

_MAY_LACK = {"relevance"}
"""Columns that a file may lack: without relevance every passage in it is relevant, 1."""


class Judged(NamedTuple):
    """One row: two texts and the number that belongs to them."""

    first: str
    second: str
    value: float
    row: int


@dataclass(frozen=True)
class JudgedTable:
    """The content of one file, in its order, with what was decided on the way."""

    rows: tuple[Judged, ...]
    """(n,) sentence1, sentence2, score or query, passage, relevance; a query may be empty, and
    then the passage is only searched."""
    columns: tuple[str, ...]
    """(c,) the names of all columns."""
    chosen: Mapping[str, int | None]
    """Which column was taken for what: index into ``columns``, None for one that is lacking."""
    source: str
    """() the file's name."""
    notes: tuple[str, ...]
    """(m,) what was decided in reading, one plain sentence each."""


def read_judged(
    source: str | Path | bytes,
    kind: str,
    name: str | None = None,
    *,
    columns: Mapping[str, str | int] | None = None,
    limit: int | None = None,
    seed: int = 0,
) -> JudgedTable:
    r"""Read a file of graded pairs ("pairs") or of judged passages ("retrieval"), .csv or .tsv.

    Args:
        source: path of the file, or its bytes as uploaded.
        kind: one of :data:`COLUMNS`.
        name: the file's name where ``source`` is bytes.
        columns: which column is what, by name or index, for those not known by their name.
        limit: at most so many rows; more are sampled, keep their order, and a note says so. Of a
            retrieval file whole queries are sampled, and the passages of the others fill up.
        seed: of that sample.

    Returns:
        the pairs or judgements, and what was decided on the way.

    Raises:
        InputError: the file cannot be read, a column is not found, or a number is none, with
            the first row where that is so.

    >>> data = b"sentence1,sentence2,score\nA cat,A dog,2.5\nA cat,A dog,2.5\n"
    >>> table = read_judged(data, "pairs", "demo.csv")
    >>> table.rows[0]
    Judged(first='A cat', second='A dog', value=2.5, row=2)
    >>> table.notes[-1]
    '1 row says what an earlier one said (first: row 3) and still counts.'
    """
    wanted = COLUMNS[kind]
    notes: list[str] = []
    if kind == "retrieval" and isinstance(source, str | Path) and Path(source).is_dir():
        name = Path(source).name or str(source)
        found, numbered = read_beir(Path(source), notes, limit=limit, seed=seed)
    else:
        data, name = bytes_of(source, name)
        check_table(name, wanted)
        known = [one for names in wanted.values() for one in names]
        known += [*ID_NAMES, *asked_names(*(columns or {}).values())]
        found, numbered = read_rows(data, name, None, known, notes)
    chosen = _chosen(found, wanted, columns or {}, name, notes)
    _refuse_ids(numbered, chosen, name)
    rows = _values(numbered, chosen, name, notes)
    rows = _distinct(rows, kind, notes)
    if not rows:
        raise InputError(f"{name}: holds no row with both texts; fill in {' and '.join(wanted)}")
    if limit is not None and len(rows) > limit:
        rows = _sampled(rows, kind, limit, seed, notes)
    return JudgedTable(tuple(rows), found, MappingProxyType(chosen), name, tuple(notes))


def _chosen(
    found: tuple[str, ...],
    wanted: Mapping[str, tuple[str, ...]],
    asked: Mapping[str, str | int],
    name: str,
    notes: list[str],
) -> dict[str, int | None]:
    for role in asked:
        if role not in wanted:
            raise InputError(f"column {role!r}: unknown; the columns are {', '.join(wanted)}")
    chosen: dict[str, int | None] = {
        role: find_column(asked.get(role), found, name) for role in wanted
    }
    lower = [column.lower().strip() for column in found]
    for role, names in wanted.items():
        if chosen[role] is None:
            free = [lower.index(one) for one in names if one in lower]
            chosen[role] = next((i for i in free if i not in chosen.values()), None)
    lacking = [role for role in wanted if chosen[role] is None and role not in _MAY_LACK]
    ids = [column for column in found if column.lower().strip() in ID_NAMES]
    if lacking and ids:
        raise InputError(ids_alone(name, f"in {' and '.join(map(repr, ids[:3]))}"))
    unnamed = all(column.startswith("column ") for column in found)
    if lacking and not asked and unnamed and len(found) in (2, len(wanted)):
        chosen = {role: i if i < len(found) else None for i, role in enumerate(wanted)}
        lacking = [role for role in wanted if chosen[role] is None and role not in _MAY_LACK]
    if lacking:
        listed = ", ".join(map(repr, found[:12]))
        raise InputError(
            f"{name}: no column for {' and '.join(lacking)} among {listed}; name the columns "
            f"{', '.join(wanted)}, or say which is which"
        )
    taken = [f"{found[i]!r} as {role}" for role, i in chosen.items()
             if i is not None and found[i] != role]  # fmt: skip
    if taken:
        notes.append(f"Taken: the column {', '.join(taken)}.")
    notes += [
        f"No column of {role}: every row counts as 1." for role, i in chosen.items() if i is None
    ]
    return chosen


def check_table(name: str, wanted: Iterable[str]) -> None:
    """Refuse a file that is no table by its name; a .txt may be one of a benchmark's.

    Raises:
        InputError: its ending says no table.

    >>> check_table("a.pdf", ("query", "passage"))
    Traceback (most recent call last):
    embfilter_viz.errors.InputError: a.pdf: a table is needed with the columns query, passage; ...
    """
    if Path(name).suffix.lower() not in {*TABLE_ENDINGS, ".txt"}:
        raise InputError(
            f"{name}: a table is needed with the columns {', '.join(wanted)}; save it as .csv, "
            ".tsv, .json, .jsonl or .parquet"
        )


def _refuse_ids(
    numbered: list[tuple[int, list[str]]], chosen: Mapping[str, int | None], name: str
) -> None:
    """Refuse a file in which both columns of texts hold ids.

    Raises:
        InputError: as said.
    """
    first, second, _ = chosen.values()
    assert first is not None
    assert second is not None
    seen = numbered[:1000]
    if len(seen) >= 10 and all(
        _ID.fullmatch(cells[at].strip()) for _, cells in seen for at in (first, second)
    ):
        cells = seen[0][1]
        raise InputError(ids_alone(name, f"such as {cells[first]!r} and {cells[second]!r}"))


def _values(
    numbered: list[tuple[int, list[str]]],
    chosen: Mapping[str, int | None],
    name: str,
    notes: list[str],
) -> list[Judged]:
    rows, empty, wrong, ungraded = [], [], [], []
    first, second, value = chosen.values()
    role = list(chosen)[2]
    assert first is not None
    assert second is not None
    # Only a passage can stand without a query: it is searched and answers none.
    may_be_empty = "query" in chosen
    for row, cells in numbered:
        a, b = cells[first].strip(), cells[second].strip()
        if not b or (not a and not may_be_empty):
            empty.append(row)
            continue
        said = "1" if value is None else cells[value].strip()
        number = _number(said)
        if number is None and said in NO_VALUE and a:
            ungraded.append(row)
            continue
        if number is None and said:
            wrong.append((row, said))
            continue
        rows.append(Judged(cells[first] if a else "", cells[second], number or 0.0, row))
    if wrong:
        row, said = wrong[0]
        shown = repr(said[:30]) if said else "nothing"
        others = f", and {count_of(len(wrong) - 1, 'row')} more" if len(wrong) > 1 else ""
        raise InputError(
            f"{name}: row {row} has {shown} as {role}, not a number{others}; mend or remove "
            "such rows, or take another column"
        )
    for missing, what in ((empty, "text"), (ungraded, f"a {role}")):
        if missing:
            notes.append(
                f"{count_of(len(missing), 'row')} without {what} left out (first: row "
                f"{missing[0]})."
            )
    return rows


def _number(said: str) -> float | None:
    """A cell as a finite number, with a decimal comma too; None where it is none."""
    if said.lower() in {"true", "false"}:
        return float(said.lower() == "true")
    said = re.sub(r"^([-+]?\d+),(\d+)$", r"\1.\2", said)
    number = float(said) if _NUMBER.fullmatch(said) else math.nan
    return number if math.isfinite(number) else None


def _distinct(rows: list[Judged], kind: str, notes: list[str]) -> list[Judged]:
    """Return what was said before is told, and what was said otherwise.

    Pairs stay, so that a benchmark's score is what others get on it; a judgement counts once.
    """
    place: dict[tuple[str, str], int] = {}
    kept: list[Judged] = []
    again, otherwise = [], []
    for one in rows:
        at = place.setdefault((one.first, one.second), len(kept))
        if at == len(kept):
            kept.append(one)
        elif kept[at].value == one.value:
            again.append(one.row)
            if kind == "pairs":
                kept.append(one)
        else:
            otherwise.append(one.row)
            if kind == "pairs":
                kept.append(one)
            elif one.value > kept[at].value:
                kept[at] = one
    if again:
        what = "and still counts" if kind == "pairs" else "and was left out"
        if len(again) > 1:
            what = what.replace("counts", "count").replace("was", "were")
        says = "says" if len(again) == 1 else "say"
        notes.append(
            f"{count_of(len(again), 'row')} {says} what an earlier one said (first: row "
            f"{again[0]}) {what}."
        )
    if otherwise:
        what = "both count" if kind == "pairs" else "the higher counts"
        notes.append(
            f"{count_of(len(otherwise), 'row')} (first: row {otherwise[0]}) judged otherwise than "
            f"an earlier row with the same texts; {what}."
        )
    return kept


def _sampled(
    rows: list[Judged], kind: str, limit: int, seed: int, notes: list[str]
) -> list[Judged]:
    if limit < 1:
        raise InputError(f"limit {limit}: must be at least 1 row; raise it")
    rng = random.Random(seed)
    if kind == "pairs":
        notes.append(f"A random sample of {limit:,} of the {len(rows):,} pairs, seed {seed}.")
        return [rows[i] for i in sorted(rng.sample(range(len(rows)), limit))]
    queries = list(dict.fromkeys(one.first for one in rows if one.first))
    sizes = dict.fromkeys(queries, 0)
    for one in rows:
        if one.first:
            sizes[one.first] += 1
    rng.shuffle(queries)
    taken: set[str] = set()
    # The rest is for passages that answer none of the queries: without them search is easy.
    room = limit * 4 // 5
    for query in queries:
        if sizes[query] <= room:
            taken.add(query)
            room -= sizes[query]
    own = [i for i, one in enumerate(rows) if one.first in taken]
    rest = [i for i, one in enumerate(rows) if one.first not in taken]
    filled = set(rng.sample(rest, min(len(rest), limit - len(own))))
    notes.append(
        f"A random sample of {len(taken):,} of the {len(queries):,} queries with all their "
        f"passages, and of {len(filled):,} other passages to search, seed {seed}."
    )
    return [
        one if one.first in taken else one._replace(first="", value=0.0)
        for i, one in enumerate(rows)
        if one.first in taken or i in filled
    ]
