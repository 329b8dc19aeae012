"""A table in any format that is read -> the columns' names and rows of cells."""

import io
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from embfilter_viz.errors import InputError
from embfilter_viz.texts.decoding import decode, lines_of
from embfilter_viz.texts.table import MOST_COLUMNS, count_of, read_records

__all__ = ["TABLE_ENDINGS", "read_rows"]

_TEXT_TABLES = (".csv", ".tsv")
_JSON = (".jsonl", ".ndjson", ".json")
TABLE_ENDINGS = (*_TEXT_TABLES, *_JSON, ".parquet")
"""Endings of files that are read as tables."""

Rows = tuple[tuple[str, ...], list[tuple[int, list[str]]]]
"""The columns' names, and each row with its number."""


def read_rows(
    data: bytes, name: str, header: bool | None, known: Sequence[str], notes: list[str]
) -> Rows:
    r"""The columns and rows of a table: .csv, .tsv, .json, .jsonl or .parquet, by its name.

    Args:
        data: the file.
        name: of the file; another ending than these is read as .csv.
        header: of a .csv, whether the first row names the columns; None: decided from the rows.
        known: names of columns in lower case that make a first row a header.
        notes: what was decided is appended.

    Returns:
        the columns' names, and each row with its number.

    Raises:
        InputError: the file cannot be read as what its name says.

    >>> read_rows(b'{"text": "A cat", "label": 2}\n', "a.jsonl", None, (), [])
    (('text', 'label'), [(1, ['A cat', '2'])])
    """
    ending = Path(name).suffix.lower()
    if ending == ".parquet":
        return _of_parquet(data, name, notes)
    content, said = decode(data, name)
    notes += said
    if ending in _JSON:
        records = _whole(content) if ending == ".json" else None
        return _of_json(_by_lines(content, name) if records is None else records, name, notes)
    return read_records(content, name, header, known, notes)


def _whole(content: str) -> list[tuple[int, Any]] | None:
    """The records of a file that is one list of objects, or one object of columns; else None.

    None too for an object a line, which is often called .json: more than one line of them is no
    JSON as a whole.
    """
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return list(enumerate(found if isinstance(found, list) else [found], start=1))


def _by_lines(content: str, name: str) -> list[tuple[int, Any]]:
    """One object a line, with the number of the line."""
    records: list[tuple[int, Any]] = []
    for number, line in enumerate(lines_of(content), start=1):
        if not line.strip():
            continue
        try:
            records.append((number, json.loads(line)))
        except (ValueError, RecursionError) as error:
            raise InputError(
                f"{name}: line {number} is no JSON ({error}); one object is needed on each line, "
                'as in {"text": "A cat", "label": "pets"}'
            ) from error
    return records


def _of_json(records: list[tuple[int, Any]], name: str, notes: list[str]) -> Rows:
    """Objects as rows; lists in an object are rows of their own."""
    for number, record in records:
        if not isinstance(record, dict):
            raise InputError(f'{name}: row {number} is no object; write {{"text": …}} for each')
    many = [(number, one) for number, record in records for one in _unfolded(record)]
    return _of_objects(many, name, notes)


def _unfolded(record: dict[str, Any]) -> Iterable[dict[str, Any]]:
    """The rows of one object of MTEB's: lists of one length are columns of as many rows.

    An object with a query and lists of passages that answer it, or not, is a row for each.
    """
    lists = {key: value for key, value in record.items() if isinstance(value, list) and value}
    if not lists or all(map(_is_plain, record.values())):
        return [record]
    if "query" in record and "positive" in lists:
        judged = (("positive", 1), ("negative", 0))
        return [
            {"query": record["query"], "passage": passage, "relevance": relevance}
            for side, relevance in judged
            for passage in lists.get(side, ())
        ]
    length = max(map(len, lists.values()))
    columns = [key for key, value in lists.items() if len(value) == length]
    return [
        {**{k: v for k, v in record.items() if k not in lists}, **{k: lists[k][i] for k in columns}}
        for i in range(length)
    ]


def _is_plain(value: Any) -> bool:
    return not isinstance(value, list)


def _of_objects(
    records: Sequence[tuple[int, Mapping[str, Any]]], name: str, notes: list[str]
) -> Rows:
    place: dict[str, int] = {}
    for _, record in records:
        for key in record:
            place.setdefault(key, len(place))
        _check_columns(len(place), name)
    if not place:
        raise InputError(f"{name}: holds no row; it must hold a text")
    rows = []
    for number, record in records:
        cells = [""] * len(place)
        for key, value in record.items():
            cells[place[key]] = _cell(value)
        rows.append((number, cells))
    notes.append(f"{count_of(len(place), 'column')} in {count_of(len(rows), 'row')}.")
    return tuple(place), rows


def _of_parquet(data: bytes, name: str, notes: list[str]) -> Rows:
    """The columns of texts, numbers and truth values; others, such as vectors, are not read."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(io.BytesIO(data))
        schema = file.schema_arrow
        _check_columns(len(schema), name)
        flat = [
            field.name for field in schema
            if not (pa.types.is_nested(field.type) or pa.types.is_binary(field.type))
        ]  # fmt: skip
        table = file.read(columns=flat) if flat else None
        columns = {} if table is None else {c: table.column(c).to_pylist() for c in flat}
    except (pa.ArrowException, OSError, ValueError) as error:
        reason = str(error).partition("\n")[0]
        raise InputError(
            f"{name}: no Parquet file, or damaged ({reason}); write it again"
        ) from error
    if not columns or not len(next(iter(columns.values()))):
        raise InputError(f"{name}: holds no text; it must hold a column of texts")
    rows = [
        (number, [_cell(value) for value in cells])
        for number, cells in enumerate(zip(*columns.values(), strict=True), start=1)
    ]
    notes.append(f"{count_of(len(columns), 'column')} in {count_of(len(rows), 'row')}.")
    return tuple(columns), rows


def _check_columns(count: int, name: str) -> None:
    if count > MOST_COLUMNS:
        raise InputError(f"{name}: has more than {MOST_COLUMNS:,} columns; give fewer")


def _cell(value: Any) -> str:
    """A value as a cell of a .csv would have it.

    >>> _cell(None), _cell(True), _cell(2.5), _cell("a"), _cell([1])
    ('', 'true', '2.5', 'a', '[1]')
    """
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False)
    return str(value)
