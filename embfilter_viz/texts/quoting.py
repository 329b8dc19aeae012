"""Characters of a table -> rows of cells: the delimiter, and whether quotation marks quote.

Files of benchmarks hold marks as plain characters, spreadsheets write them around cells. Which of
the two is meant is seen from which reading gives every line the cells that the first row has.
"""

import csv
import io
import re
from collections import Counter
from typing import NamedTuple

__all__ = ["DELIMITERS", "NO_DELIMITER", "Split", "delimiter_of", "split_rows"]

DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
NO_DELIMITER = "\x1f"
"""A character that stands in no text: the delimiter of a table with one column."""

_SNIFFED_CHARACTERS = 200_000
_HAS_TABS = 0.9
"""Share of the lines from which tabs are taken for the delimiter: sentences hold none."""
_SEP = re.compile(r"sep=([^\w\s\"]|\t)\r?\n", re.IGNORECASE)
_JOINED_AT_MOST = 200
"""Lines that one cell may span in a file whose marks do not pair up."""


class Split(NamedTuple):
    """Rows of cells, and how quotation marks were read."""

    rows: list[list[str]]
    """Rows in their order; an empty list for an empty line."""
    note: str | None
    """What was decided, where it was not plain."""
    joined: tuple[int, int]
    """How many rows span several lines, and the number of the first of them."""


def delimiter_of(content: str, ending: str = ".csv") -> tuple[str, str]:
    r"""The delimiter of a table, and its content without a line that says it.

    It is the one that cuts the first rows into equally many columns, most of them. Sentences hold
    commas too, but not equally many: where no delimiter gives one width to most rows and to the
    first, the table has one column. Tabs in nearly all lines are one whatever the widths.

    Args:
        content: the table.
        ending: of the file's name.

    Returns:
        the delimiter and the content.

    >>> delimiter_of("sep=;\na;b,c\n")
    (';', 'a;b,c\n')
    """
    said = _SEP.match(content)
    if said:
        return said[1], content[said.end() :]
    sample = content[:_SNIFFED_CHARACTERS]
    if len(content) > len(sample):
        sample = sample[: sample.rfind("\n") + 1] or sample
    lines = [line for line in sample.splitlines() if line.strip()]
    tabbed = sum("\t" in line for line in lines)
    if lines and (tabbed >= _HAS_TABS * len(lines) or (ending == ".tsv" and "\t" in lines[0])):
        return "\t", content
    best, best_score = NO_DELIMITER, (0.0, 0)
    for delimiter in DELIMITERS:
        if delimiter not in sample:
            continue
        widths = [len(row) for row in split_rows(sample, delimiter).rows if row]
        if not widths:
            continue
        width, count = Counter(widths).most_common(1)[0]
        share = count / len(widths)
        fits = width > 1 and share >= (0.6 if widths[0] == width else 0.9)
        if fits and (share, width) > best_score:
            best, best_score = delimiter, (share, width)
    return best, content


def split_rows(content: str, delimiter: str) -> Split:
    r"""Cut a table into rows of cells.

    Quotation marks are read as quoting where that follows the rules of CSV and gives every row the
    cells of the first, as plain characters where only that does, and where neither does, line by
    line.

    Args:
        content: the table.
        delimiter: between cells.

    Returns:
        the rows.

    >>> split_rows('a\tb\n"he said\tx\nshe "did"\ty\n', "\t").rows[1]
    ['"he said', 'x']
    """
    # The limit is global to the process, and only ever raised.
    csv.field_size_limit(max(csv.field_size_limit(), len(content) + 1))
    plain = _parsed(content, delimiter, quoting=False)
    if '"' not in content:
        return Split(plain, None, (0, 0))
    try:
        quoted = _parsed(content, delimiter, strict=True)
    except csv.Error as error:
        quoted, reason = None, str(error)
    many = max(map(len, plain), default=0) > 1
    if quoted is not None and _off(quoted) == 0:
        # Marks at the edges of cells may pair up by chance, and would swallow whole lines.
        swallows = len(quoted) < len(plain) and many and _off(plain) == 0
        return _unpaired(plain) if swallows else Split(quoted, None, _joined(content, delimiter))
    if _off(plain) == 0 and (many or (quoted is None and "unexpected end" in reason)):
        return _unpaired(plain)
    if quoted is not None and _score(quoted) > _score(plain):
        return Split(quoted, None, _joined(content, delimiter))
    return _line_by_line(content, delimiter, plain)


def _parsed(
    content: str, delimiter: str, *, quoting: bool = True, strict: bool = False
) -> list[list[str]]:
    lines = io.StringIO(content, newline="")
    if quoting:
        return list(csv.reader(lines, delimiter=delimiter, strict=strict))
    return list(csv.reader(lines, delimiter=delimiter, quoting=csv.QUOTE_NONE))


def _width(rows: list[list[str]]) -> int:
    return next((len(row) for row in rows if row), 0)


def _off(rows: list[list[str]]) -> int:
    """Count the rows that have other cells than the first."""
    width = _width(rows)
    return sum(len(row) != width for row in rows if row)


def _score(rows: list[list[str]]) -> int:
    off = _off(rows)
    return sum(bool(row) for row in rows) - 2 * off


def _unpaired(plain: list[list[str]]) -> Split:
    note = "Quotation marks do not pair up; they were read as plain characters."
    return Split(plain, note, (0, 0))


def _joined(content: str, delimiter: str) -> tuple[int, int]:
    """Count the rows that span several lines, in a table that keeps the rules; name the first."""
    reader = csv.reader(io.StringIO(content, newline=""), delimiter=delimiter)
    count, first, before = 0, 0, 0
    for number, _ in enumerate(reader, start=1):
        if reader.line_num > before + 1:
            count, first = count + 1, first or number
        before = reader.line_num
    return count, first


def _line_by_line(content: str, delimiter: str, plain: list[list[str]]) -> Split:
    """Each line by the reading that gives it the first row's cells, several where one has not.

    Where no row needs its marks to quote, all of them are plain characters.
    """
    lines = content.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    lines = lines if lines[-1] else lines[:-1]
    width = _width(plain) if '"' not in lines[0] else len(_one(lines[0], delimiter))
    budget = 20 * len(content) + 1_000_000  # characters read again in looking for a cell's end
    rows: list[list[str]] = []
    by_marks = by_plain = at = joined = first = 0
    while at < len(lines):
        line, used = lines[at], 1
        as_plain = line.split(delimiter) if line else []
        row = as_plain
        if '"' in line:
            alone = _one(line, delimiter)
            if len(as_plain) == width != len(alone):
                by_plain += 1
            elif len(alone) == width:
                row, by_marks = alone, by_marks + (len(as_plain) != width)
            elif width > 1 or line.count('"') % 2:
                found, spent = _several(lines, at, delimiter, width, budget)
                budget -= spent
                if found is not None:
                    row, used = found
                    by_marks, joined, first = by_marks + 1, joined + 1, first or len(rows) + 1
        rows.append(row)
        at += used
    if not by_marks:
        return _unpaired(plain)
    note = "Some quotation marks stand inside cells; check those texts."
    if by_plain:
        note = (
            f"Quotation marks quote in some rows and not in others; in {by_plain:,} they were read "
            "as plain characters."
        )
    return Split(rows, note, (joined, first))


def _one(line: str, delimiter: str) -> list[str]:
    """One line by the rules of quoting, however well it keeps them."""
    return next(csv.reader([line], delimiter=delimiter), [])


def _several(
    lines: list[str], at: int, delimiter: str, width: int, budget: int
) -> tuple[tuple[list[str], int] | None, int]:
    """The row that begins at a line and ends at a later one, and the characters read for it.

    Args:
        lines: all lines.
        at: where the row begins.
        delimiter: between cells.
        width: cells of the first row.
        budget: characters that may be read.

    Returns:
        the row and how many lines it takes, or None; and the characters read.
    """
    spent = 0
    for end in range(at + 1, min(at + _JOINED_AT_MOST, len(lines))):
        if '"' not in lines[end]:
            continue
        text = "\n".join(lines[at : end + 1])
        spent += len(text)
        if spent > budget:
            break
        try:
            rows = _parsed(text, delimiter, strict=True)
        except csv.Error:
            continue
        if len(rows) == 1 and len(rows[0]) == width:
            return (rows[0], end + 1 - at), spent
    return None, spent
