"""A .csv file as people have them -> texts, labels, and what was decided in finding them."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from embfilter_viz.errors import InputError
from embfilter_viz.texts.layouts import Layout, layout_of
from embfilter_viz.texts.quoting import DELIMITERS, NO_DELIMITER, delimiter_of, split_rows

__all__ = [
    "ID_NAMES",
    "MOST_COLUMNS",
    "Cells",
    "count_of",
    "find_column",
    "ids_alone",
    "read_records",
    "read_table",
]

TEXT_NAMES = (
    *("text", "texts", "sentence", "sentences", "content", "body", "document", "passage"),
    *("sentence1", "review", "comment", "message", "question", "query", "abstract", "title"),
)
LABEL_NAMES = (
    *("label", "labels", "topic", "topics", "category", "class", "target", "tag", "genre"),
    *("intent", "group", "sentiment"),
)
ID_NAMES = frozenset(
    ("query-id", "query_id", "queryid", "qid", "corpus-id", "corpus_id", "corpusid", "pid", "docid",
     "doc_id", "doc-id", "did", "passage_id", "passage-id", "document_id", "topic_id")
)  # fmt: skip
"""Names of columns that hold ids in the place of texts."""
MOST_COLUMNS = 1000
"""Columns beyond which a file is refused."""
_NUMBER = re.compile(r"[-+]?(\d+([.,]\d*)?|[.,]\d+)([eE][-+]?\d+)?%?|nan|NaN|")


@dataclass
class Cells:
    """The texts and labels that were found, texts without content included.

    >>> Cells(rows=[1], texts=["A cat"]).labels is None
    True
    """

    rows: list[int]
    texts: list[str]
    labels: list[str] | None = None
    columns: tuple[str, ...] = ()
    text_column: int | None = None
    label_column: int | None = None


def read_table(
    columns: tuple[str, ...],
    numbered: list[tuple[int, list[str]]],
    name: str,
    text_column: str | int | None,
    label_column: str | int | None,
    labelled: bool,
    notes: list[str],
) -> Cells:
    r"""The texts and labels of a table; what was decided is appended to ``notes``.

    Args:
        columns: the names of the columns.
        numbered: the rows of cells with their numbers.
        name: the file's name.
        text_column: name or place of the column of texts.
        label_column: name or place of the column of labels.
        labelled: whether labels are wanted.
        notes: what was decided on the way.

    Returns:
        texts and labels, with the numbers of their rows.

    >>> read_table(("id", "text"), [(2, ["1", "A cat"])], "demo.csv", None, None, True, []).texts
    ['A cat']
    """
    table = [record for _, record in numbered]

    text_index = find_column(text_column, columns, name)
    if text_index is None:
        text_index = _likely_text_column(columns, table, name)
        if len(columns) > 1:
            notes.append(f"Texts are taken from the column {columns[text_index]!r}.")
    label_index = find_column(label_column, columns, name) if labelled else None
    if labelled and label_index is None:
        label_index = _by_name(columns, LABEL_NAMES, besides=text_index)
        if label_index is not None:
            notes.append(f"Labels are taken from the column {columns[label_index]!r}.")
    labels = None if label_index is None else [record[label_index] for record in table]
    return Cells(
        rows=[row for row, _ in numbered],
        texts=[record[text_index] for record in table],
        labels=labels,
        columns=columns,
        text_column=text_index,
        label_column=label_index,
    )


def read_records(
    content: str,
    name: str,
    header: bool | None,
    known: Sequence[str],
    notes: list[str],
    layout: Layout | None = None,
) -> tuple[tuple[str, ...], list[tuple[int, list[str]]]]:
    r"""The columns' names and the rows of cells, numbered from 1 and all of one length.

    Args:
        content: of the file.
        name: of the file, for errors.
        header: whether the first row names the columns; None: decided from the rows.
        known: names in lower case of which one in the first row makes it a header.
        notes: what was decided is appended.
        layout: the official layout that the file has, if it has one.

    Returns:
        the columns' names, and each row with its number.

    >>> read_records("a;b\n1;A cat\n", "demo.csv", True, (), [])
    (('a', 'b'), [(2, ['1', 'A cat'])])
    """
    delimiter, content = delimiter_of(content, Path(name).suffix.lower())
    split = split_rows(content, delimiter)
    if split.note:
        notes.append(split.note)
    # A spreadsheet writes its empty rows as delimiters alone.
    numbered = [
        (number, row)
        for number, row in enumerate(split.rows, start=1)
        if any(cell.strip() for cell in row)
    ]
    if not numbered:
        raise InputError(f"{name}: holds only empty cells; it must hold a text")
    table = [record for _, record in numbered]
    layout = layout or layout_of(name, table)
    if layout is not None:
        header = layout.has_header
    if header is None:
        header = _has_header(table, known)
    columns = _columns(table, header, layout, name)
    separated = f"separated by {DELIMITERS.get(delimiter, repr(delimiter))}"
    separated = "" if delimiter == NO_DELIMITER else f" {separated}"
    first = "the first row names the columns" if header else "no header: the first row is data"
    notes.append(f"{count_of(len(columns), 'column')}{separated}; {first}.")
    if layout is not None:
        notes.append(f"Read as {layout.title}, by its {layout.known_by}.")
        if layout.together:
            notes.append(f"A text is {' and '.join(layout.together)}, as {layout.title} is read.")
    if blank := numbered[-1][0] - len(numbered):
        notes.append(f"{count_of(blank, 'blank line')} skipped.")
    if split.joined[0]:
        several = "spans" if split.joined[0] == 1 else "span"
        notes.append(
            f"{count_of(split.joined[0], 'row')} (first: row {split.joined[1]}) {several} several "
            "lines, between quotation marks."
        )
    if header:
        numbered = _without_headers(numbered, notes)
    if not numbered:
        raise InputError(f"{name}: holds a header and no rows; it must hold at least one text")
    if layout is None:
        _note_ragged(numbered, len(columns), notes)
    padding = [""] * len(columns)
    rows = [(row, (record + padding)[: len(columns)]) for row, record in numbered]
    if layout is not None and layout.together:
        places = [columns.index(name) for name in layout.together]
        rows = [(n, [*row, " ".join(filter(None, (row[i] for i in places)))]) for n, row in rows]
        columns = (*columns, "text")
    return columns, rows


def _columns(
    table: list[list[str]], header: bool, layout: Layout | None, name: str
) -> tuple[str, ...]:
    """Name the columns; empty ones at the end, as a spreadsheet leaves them, are none.

    Args:
        table: the rows, a header among them.
        header: whether the first row names the columns.
        layout: the official layout that the file has, if it has one.
        name: of the file.

    Returns:
        a name for each column.

    Raises:
        InputError: there are more than 1,000 columns.
    """
    if layout is not None:
        return _column_names(layout.names, len(layout.names))
    width = Counter(map(len, table)).most_common(1)[0][0]
    width = max(width, len(table[0]) if header else 0)
    if width > MOST_COLUMNS:
        raise InputError(
            f"{name}: has {width:,} columns, and at most {MOST_COLUMNS:,} are read; check what "
            "separates them"
        )
    while width > 1 and not any(row[width - 1].strip() for row in table if len(row) >= width):
        width -= 1
    return _column_names(table[0] if header else [], width)


def _without_headers(
    numbered: list[tuple[int, list[str]]], notes: list[str]
) -> list[tuple[int, list[str]]]:
    """The rows below the header, without its repetitions where files were joined."""
    first = numbered[0][1]
    if len(first) < 2:
        return numbered[1:]
    kept = [(row, record) for row, record in numbered[1:] if record != first]
    if again := len(numbered) - 1 - len(kept):
        notes.append(f"{count_of(again, 'row')} that repeats the header left out."
                     if again == 1 else
                     f"{count_of(again, 'row')} that repeat the header left out.")  # fmt: skip
    return kept


def _has_header(table: Sequence[Sequence[str]], known: Sequence[str]) -> bool:
    """Tell whether the first row names columns: by known names, by numbers below, or by length."""
    first, rest = table[0], table[1:1001]
    while first and not first[-1].strip():  # a spreadsheet's empty last columns
        first = first[:-1]
    names = [cell.strip().lower() for cell in first]
    if any(name in known for name in names):
        return True
    said = [name for name in names if name]
    # An index has no name and stands first; no other column of a header lacks one.
    if not rest or not all(names[1:]) or len(set(said)) < len(said):
        return False
    columns = [[record[i] for record in rest if i < len(record)] for i in range(len(first))]
    numeric = [any(below) and all(map(_is_number, below)) for below in columns]
    if any(is_one and cell.strip() and _is_number(cell)
           for is_one, cell in zip(numeric, first, strict=True)):  # fmt: skip
        return False
    sentence = any(cell.strip().endswith((".", "!", "?")) for cell in first)
    if not sentence and any(
        is_one and cell.strip() for is_one, cell in zip(numeric, first, strict=True)
    ):
        return True
    lengths = [sum(map(len, below)) / max(len(below), 1) for below in columns]
    longest = max(range(len(first)), key=lengths.__getitem__)
    is_short = all(len(cell) <= 30 and len(cell.split()) <= 3 for cell in first)
    return is_short and not sentence and lengths[longest] >= 3 * len(first[longest])


def _is_number(cell: str) -> bool:
    return _NUMBER.fullmatch(cell.strip()) is not None


def _column_names(header: Sequence[str], width: int) -> tuple[str, ...]:
    """One name a column, all different: the header's, else ``column 1`` and so on."""
    names: list[str] = []
    taken: set[str] = set()
    count: Counter[str] = Counter()
    for index in range(width):
        name = header[index].strip() if index < len(header) else ""
        name = name or f"column {index + 1}"
        unique = name
        while unique in taken:  # each turn raises the name's count, so all turns are few
            count[name] += 1
            unique = f"{name} ({count[name] + 1})"
        taken.add(unique)
        names.append(unique)
    return tuple(names)


def _note_ragged(numbered: list[tuple[int, list[str]]], width: int, notes: list[str]) -> None:
    more = [row for row, record in numbered if any(map(str.strip, record[width:]))]
    fewer = [row for row, record in numbered if len(record) < width]
    for rows, what in (
        (more, "more cells than there are columns; the cells beyond were left out"),
        (fewer, "fewer cells than there are columns; the missing count as empty"),
    ):
        if rows:
            notes.append(f"{count_of(len(rows), 'row')} (first: row {rows[0]}) with {what}.")


def find_column(wanted: str | int | None, columns: Sequence[str], name: str) -> int | None:
    """Index of the column asked for, by name or index; None where none was.

    Raises:
        InputError: there is no such column.

    >>> find_column("Score", ("text", "score"), "demo.csv")
    1
    """
    if wanted is None:
        return None
    if isinstance(wanted, int):
        if 0 <= wanted < len(columns):
            return wanted
        rule = f"column {wanted} is not among the columns 0 to {len(columns) - 1}"
        raise InputError(f"{name}: {rule}; choose one of them")
    for found in (wanted, wanted.strip().lower()):
        for index, column in enumerate(columns):
            if found in (column, column.lower()):
                return index
    listed = ", ".join(map(repr, columns[:12]))
    raise InputError(f"{name}: there is no column {wanted!r}; choose one of {listed}")


def _by_name(columns: Sequence[str], names: Sequence[str], besides: int | None) -> int | None:
    lower = [column.lower() for column in columns]
    for name in names:
        if name in lower and lower.index(name) != besides:
            return lower.index(name)
    return None


def _likely_text_column(columns: Sequence[str], table: Sequence[Sequence[str]], name: str) -> int:
    by_name = _by_name(columns, TEXT_NAMES, besides=None)
    if by_name is not None:
        return by_name
    ids = [column for column in columns if column.strip().lower() in ID_NAMES]
    others = [i for i, column in enumerate(columns) if column not in ids]
    if ids and all(_is_number(record[i]) for record in table for i in others):
        raise InputError(ids_alone(name, f"in {' and '.join(map(repr, ids[:3]))}"))
    return max(others, key=lambda i: sum(len(record[i]) for record in table))


def ids_alone(name: str, where: str) -> str:
    """Say that a file has no texts.

    Args:
        name: the file's.
        where: its columns of ids, or some ids.
    """
    return (
        f"{name}: holds ids in the place of texts, {where}; give the texts themselves, or the "
        "folder with corpus.jsonl, queries.jsonl and qrels"
    )


def count_of(number: int, noun: str) -> str:
    """A number with its noun.

    >>> count_of(1, "row"), count_of(1200, "row")
    ('1 row', '1,200 rows')
    """
    return f"{number:,} {noun}" + ("" if number == 1 else "s")
