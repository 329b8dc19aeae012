"""A .csv file as people have them -> texts, labels, and what was decided in finding them."""

import csv
import io
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from embfilter_viz.errors import InputError

__all__ = ["Cells", "count_of", "find_column", "read_records", "read_table"]

TEXT_NAMES = (
    *("text", "texts", "sentence", "sentences", "content", "body", "document", "passage"),
    *("sentence1", "review", "comment", "message", "question", "query", "abstract", "title"),
)
LABEL_NAMES = (
    *("label", "labels", "topic", "topics", "category", "class", "target", "tag", "genre"),
    *("intent", "group", "sentiment"),
)
_DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab"}
# A character that stands in no text: the delimiter of a table with one column.
_NO_DELIMITER = "\x1f"
_SNIFFED_CHARACTERS = 200_000
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
    content: str,
    name: str,
    text_column: str | int | None,
    label_column: str | int | None,
    labelled: bool,
    header: bool | None,
    notes: list[str],
) -> Cells:
    r"""The texts and labels of a table; what was decided is appended to ``notes``.

    Args:
        content: the file's text.
        name: the file's name.
        text_column: name or place of the column of texts.
        label_column: name or place of the column of labels.
        labelled: whether labels are wanted.
        header: whether the first row names the columns; None to find out.
        notes: what was decided on the way.

    Returns:
        texts and labels, with the numbers of their rows.

    >>> notes = []
    >>> read_table("id;text\n1;A cat\n", "demo.csv", None, None, True, None, notes).texts
    ['A cat']
    >>> notes[0]
    '2 columns separated by semicolon; the first row names the columns.'
    """
    columns, numbered = read_records(content, name, header, (*TEXT_NAMES, *LABEL_NAMES), notes)
    table = [record for _, record in numbered]

    text_index = find_column(text_column, columns, name)
    if text_index is None:
        text_index = _likely_text_column(columns, table)
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
    content: str, name: str, header: bool | None, known: Sequence[str], notes: list[str]
) -> tuple[tuple[str, ...], list[tuple[int, list[str]]]]:
    r"""The columns' names and the rows of cells, numbered from 1 and all of one length.

    Args:
        content: of the file.
        name: of the file, for errors.
        header: whether the first row names the columns; None: decided from the rows.
        known: names in lower case of which one in the first row makes it a header.
        notes: what was decided is appended.

    Returns:
        the columns' names, and each row with its number.

    >>> read_records("a;b\n1;A cat\n", "demo.csv", True, (), [])
    (('a', 'b'), [(2, ['1', 'A cat'])])
    """
    delimiter = _delimiter_of(content)
    numbered = _records(content, delimiter, notes)
    table = [record for _, record in numbered]
    width = Counter(map(len, table)).most_common(1)[0][0]
    if header is None:
        header = _has_header(table, known)
    columns = _column_names(table[0] if header else [], max(width, len(table[0]) if header else 0))
    separated = f"separated by {_DELIMITERS[delimiter]}" if delimiter in _DELIMITERS else ""
    first = "the first row names the columns" if header else "no header: the first row is data"
    notes.append(f"{count_of(len(columns), 'column')} {separated}".rstrip() + f"; {first}.")
    blank = numbered[-1][0] - len(numbered)
    if blank:
        notes.append(f"{count_of(blank, 'blank line')} skipped.")
    numbered = numbered[1:] if header else numbered
    if not numbered:
        raise InputError(f"{name}: holds a header and no rows; it must hold at least one text")
    _note_ragged(numbered, len(columns), notes)
    padding = [""] * len(columns)
    return columns, [(row, (record + padding)[: len(columns)]) for row, record in numbered]


def _delimiter_of(content: str) -> str:
    """The delimiter that cuts the first rows into equally many columns, most of them.

    Sentences hold commas too, but not equally many: where no delimiter gives one width to most
    rows and to the first, the table has one column.
    """
    sample = content[:_SNIFFED_CHARACTERS]
    if len(content) > len(sample):
        sample = sample[: sample.rfind("\n") + 1] or sample
    best, best_score = _NO_DELIMITER, (0.0, 0)
    for delimiter in _DELIMITERS:
        widths = [len(record) for _, record in _records(sample, delimiter, [])]
        if not widths:
            continue
        width, count = Counter(widths).most_common(1)[0]
        share = count / len(widths)
        fits = width > 1 and share >= (0.6 if widths[0] == width else 0.9)
        if fits and (share, width) > best_score:
            best, best_score = delimiter, (share, width)
    return best


def _records(content: str, delimiter: str, notes: list[str]) -> list[tuple[int, list[str]]]:
    """Rows of cells with their number from 1; empty lines are numbered but no rows.

    A quotation mark that does not follow the rules of CSV could swallow the rows after it. Where
    one occurs, marks are read as plain characters if that gives rows of one width or if one is
    never closed.
    """
    # The limit is global to the process, and only ever raised.
    csv.field_size_limit(max(csv.field_size_limit(), len(content) + 1))

    def parse(strict: bool, plain: bool = False) -> list[list[str]]:
        return list(
            csv.reader(
                io.StringIO(content, newline=""),
                delimiter=delimiter,
                quoting=csv.QUOTE_NONE if plain else csv.QUOTE_MINIMAL,
                strict=strict,
            )
        )

    try:
        parsed = parse(strict=True)
    except csv.Error as error:
        plain = parse(strict=False, plain=True)
        if "unexpected end" in str(error) or len({len(r) for r in plain if r}) == 1:
            parsed = plain
            notes.append("Quotation marks do not pair up; they were read as plain characters.")
        else:
            parsed = parse(strict=False)
            notes.append("Some quotation marks stand inside cells; check those texts.")
    return [(number, record) for number, record in enumerate(parsed, start=1) if record]


def _has_header(table: Sequence[Sequence[str]], known: Sequence[str]) -> bool:
    """Tell whether the first row names columns: by known names, by numbers below, or by length."""
    first, rest = table[0], table[1:1001]
    names = [cell.strip().lower() for cell in first]
    if any(name in known for name in names):
        return True
    if not rest or not all(names) or len(set(names)) < len(names):
        return False
    columns = [[record[i] for record in rest if i < len(record)] for i in range(len(first))]
    for cell, below in zip(first, columns, strict=True):
        if below and not _is_number(cell) and any(below) and all(map(_is_number, below)):
            return True
    lengths = [sum(map(len, below)) / max(len(below), 1) for below in columns]
    longest = max(range(len(first)), key=lengths.__getitem__)
    is_short = all(len(cell) <= 30 and len(cell.split()) <= 3 for cell in first)
    return is_short and lengths[longest] >= 3 * len(first[longest])


def _is_number(cell: str) -> bool:
    return _NUMBER.fullmatch(cell.strip()) is not None


def _column_names(header: Sequence[str], width: int) -> tuple[str, ...]:
    """One name a column, all different: the header's, else ``column 1`` and so on."""
    names: list[str] = []
    for index in range(width):
        name = header[index].strip() if index < len(header) else ""
        name = name or f"column {index + 1}"
        unique, number = name, 1
        while unique in names:
            number += 1
            unique = f"{name} ({number})"
        names.append(unique)
    return tuple(names)


def _note_ragged(numbered: list[tuple[int, list[str]]], width: int, notes: list[str]) -> None:
    for is_off, what in (
        (lambda n: n > width, "more cells than there are columns; the cells beyond were left out"),
        (lambda n: n < width, "fewer cells than there are columns; the missing count as empty"),
    ):
        rows = [number for number, record in numbered if is_off(len(record))]
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


def _likely_text_column(columns: Sequence[str], table: Sequence[Sequence[str]]) -> int:
    by_name = _by_name(columns, TEXT_NAMES, besides=None)
    if by_name is not None:
        return by_name
    return max(range(len(columns)), key=lambda i: sum(len(record[i]) for record in table))


def count_of(number: int, noun: str) -> str:
    """A number with its noun.

    >>> count_of(1, "row"), count_of(1200, "row")
    ('1 row', '1,200 rows')
    """
    return f"{number:,} {noun}" + ("" if number == 1 else "s")
