"""A user's file -> texts with their row numbers, labels and notes."""

import logging
import random
from dataclasses import dataclass
from pathlib import Path

from embfilter_viz.errors import InputError
from embfilter_viz.system.regular import kind_of, read_regular
from embfilter_viz.texts.decoding import decode, lines_of
from embfilter_viz.texts.rows import TABLE_ENDINGS, read_rows
from embfilter_viz.texts.table import LABEL_NAMES, TEXT_NAMES, Cells, count_of, read_table
from embfilter_viz.texts.unpacking import unpacked

__all__ = ["NO_VALUE", "TextTable", "asked_names", "bytes_of", "read_lines", "read_texts"]

logger = logging.getLogger(__name__)

NO_VALUE = frozenset(
    {"", "#N/A", "#N/A N/A", "#NA", "-NaN", "-nan", "<NA>", "N/A", "NA", "NULL", "NaN", "None",
     "n/a", "nan", "null"}
)  # fmt: skip
"""Cells that say that there is no value, in the ways that pandas knows."""
LINE_ENDINGS = (".txt", ".text", ".md", "")


@dataclass(frozen=True)
class TextTable:
    r"""Texts read from one file, in its order, with what was decided on the way.

    >>> table = read_texts(b"text,topic\nA cat,pets\nA car,cars\n", "demo.csv")
    >>> table.texts, table.labels, table.rows
    (('A cat', 'A car'), ('pets', 'cars'), (2, 3))
    """

    texts: tuple[str, ...]
    """(n,) the texts, none of them empty, exactly as in the file."""
    rows: tuple[int, ...]
    """(n,) each text's row in the file, counted from 1 as a spreadsheet does (header included)."""
    labels: tuple[str, ...] | None
    """(n,) each text's label, or None where the file has none."""
    columns: tuple[str, ...]
    """(c,) the names of all columns; empty for a file with one text a line."""
    text_column: int | None
    """() index into ``columns`` of the texts; None for a file with one text a line."""
    label_column: int | None
    """() index into ``columns`` of the labels; None where there are none."""
    source: str
    """() the file's name."""
    notes: tuple[str, ...]
    """(m,) what was decided in reading, one plain sentence each, for the page."""


def read_texts(
    source: str | Path | bytes,
    name: str | None = None,
    *,
    text_column: str | int | None = None,
    label_column: str | int | None = None,
    labelled: bool = True,
    header: bool | None = None,
    limit: int | None = None,
    seed: int = 0,
) -> TextTable:
    r"""Read a user's file of texts: one text a line (.txt) or a table.

    Args:
        source: path of the file, or its bytes as uploaded.
        name: the file's name where ``source`` is bytes; its ending says what the file is.
        text_column: name or index (from 0) of the column of texts; None: by its name, else the
            column with the longest cells.
        label_column: name or index of the column of labels; None: by its name, else no labels.
        labelled: False leaves labels out whatever the columns are called.
        header: whether the first row names the columns; None: decided from the rows.
        limit: at most so many texts; more are sampled, keep their order, and a note says so.
        seed: of that sample.

    Returns:
        the texts, their labels if there are any, and what was decided on the way.

    Raises:
        InputError: the file is missing, empty, binary, of an unknown kind, or without texts, or
            a column that was asked for is not there.

    >>> read_texts(b"first\n\nsecond\n", "lines.txt").rows
    (1, 3)
    """
    if limit is not None and limit < 1:
        raise InputError(f"limit {limit}: must be at least 1 text; raise it")
    data, name = bytes_of(source, name)
    ending = Path(name).suffix.lower()
    if ending not in TABLE_ENDINGS + LINE_ENDINGS:
        raise InputError(
            f"{name}: texts are read from .txt and .csv files, .tsv, .json, .jsonl and .parquet; "
            "save it as one of them"
        )
    notes: list[str] = []
    if ending in TABLE_ENDINGS:
        known = (*TEXT_NAMES, *LABEL_NAMES, *asked_names(text_column, label_column))
        columns, rows = read_rows(data, name, header, known, notes)
        found = read_table(columns, rows, name, text_column, label_column, labelled, notes)
    else:
        content, notes = decode(data, name)
        cells = list(enumerate(lines_of(content), start=1))
        found = Cells([row for row, _ in cells], [cell for _, cell in cells])
    return _finish(found, name, notes, limit, seed)


def read_lines(path: str | Path, column: str | None = None) -> list[str]:
    r"""The texts of a file, strictly all of them in order: one a line, or one column of a table.

    A newline at the very end ends the last line and begins none. What was decided is logged.

    Args:
        path: the file; a .csv, .tsv, .json, .jsonl or .parquet is a table.
        column: of a table, the column of texts; None: by its name, else the longest cells.

    Raises:
        InputError: the file is missing, empty or binary, or a line or cell is blank: a row of
            the output for each line of the file leaves no room for skipping one.

    >>> import tempfile, pathlib
    >>> path = pathlib.Path(tempfile.mkdtemp(), "texts.txt")
    >>> _ = path.write_text("A cat\nA car\n")
    >>> read_lines(path)
    ['A cat', 'A car']
    """
    data, name = bytes_of(path, None)
    if Path(name).suffix.lower() in TABLE_ENDINGS:
        return _column(data, name, column)
    if column is not None:
        raise InputError(
            f"--column {column}: {name} has one text on each line and no columns; drop it, or give "
            "a .csv, .tsv, .json, .jsonl or .parquet"
        )
    content, notes = decode(data, name)
    for note in notes:
        logger.warning("%s: %s", name, note)
    lines = lines_of(content)
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            raise InputError(
                f"{name}: line {number} is blank, but each line must hold a text; remove it"
            )
    return lines


def _column(data: bytes, name: str, column: str | None) -> list[str]:
    """The column of texts of a table, none of them blank."""
    notes: list[str] = []
    columns, rows = read_rows(data, name, None, (*TEXT_NAMES, *asked_names(column)), notes)
    found = read_table(columns, rows, name, column, None, False, notes)
    for row, text in zip(found.rows, found.texts, strict=True):
        if not text.strip():
            raise InputError(
                f"{name}: row {row} has no text in the column {columns[found.text_column or 0]!r}, "
                "but each row must hold one; remove it, or choose another with --column text=NAME"
            )
    for note in notes:
        logger.info("%s: %s", name, note)
    return found.texts


def bytes_of(source: str | Path | bytes, name: str | None) -> tuple[bytes, str]:
    """The bytes of a file or upload, and its name; of a ``.gz`` those of the file in it.

    What a shell hands over under ``/dev/fd``, as in ``<(sort texts.txt)``, is read to its end.

    Raises:
        InputError: the file cannot be read or unpacked, or is a pipe or a device: one may never
            end.

    >>> bytes_of(b"abc", "a.csv")
    (b'abc', 'a.csv')
    """
    if isinstance(source, bytes):
        return unpacked(source, name or "upload.txt")
    if source == "":
        raise InputError("a file: its name is empty; give the path of a file")
    path = Path(source)
    kind, handed = kind_of(path), _is_handed_over(path)
    if kind is not None and not handed:
        raise InputError(f"{path}: {kind}, not a file; save what comes out of it as a file first")
    try:
        return unpacked(path.read_bytes() if handed else read_regular(path), name or path.name)
    except InputError:
        raise
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"{path}: cannot be read ({reason}); give the path of a file") from error


def _is_handed_over(path: Path) -> bool:
    """Tell whether it is a pipe that a shell put there, as ``<(command)`` does: it has an end."""
    return path.is_fifo() and str(path).startswith(("/dev/fd/", "/dev/stdin", "/proc/self/fd/"))


def asked_names(*columns: str | int | None) -> tuple[str, ...]:
    """Names of columns that were asked for, in lower case: a row that has them is a header.

    >>> asked_names("Utterance", 3, None)
    ('utterance',)
    """
    return tuple(one.strip().lower() for one in columns if isinstance(one, str))


def _finish(found: Cells, name: str, notes: list[str], limit: int | None, seed: int) -> TextTable:
    """Leave out what is empty, sample what is too much, and say both.

    Args:
        found: texts and labels as they were read.
        name: the file's name.
        notes: what was decided on the way.
        limit: how many texts at most.
        seed: of the sample.

    Returns:
        the texts that are left.
    """
    kept = [index for index, text in enumerate(found.texts) if text.strip()]
    if not kept:
        column = found.text_column
        where = "" if column is None else f" in the column {found.columns[column]!r}"
        raise InputError(f"{name}: holds no text{where}; choose another column or file")
    empty = len(found.texts) - len(kept)
    if empty:
        notes.append(f"{count_of(empty, 'row')} without text left out.")
    if limit is not None and len(kept) > limit:
        notes.append(
            f"A random sample of {limit:,} of the {count_of(len(kept), 'text')}, seed {seed}."
        )
        kept = sorted(random.Random(seed).sample(kept, limit))
    labels = None if found.labels is None else tuple(found.labels[i].strip() for i in kept)
    if labels is not None and not any(labels):
        notes.append("The column of labels is empty: no labels.")
        labels = None
    return TextTable(
        texts=tuple(found.texts[i] for i in kept),
        rows=tuple(found.rows[i] for i in kept),
        labels=labels,
        columns=found.columns,
        text_column=found.text_column,
        label_column=found.label_column if labels is not None else None,
        source=name,
        notes=tuple(notes),
    )
