"""Official layouts of benchmark files that have no header, or one of their own.

A file is known by what stands in its rows or by its name, and then each column is what the
benchmark's makers say. Layouts whose header names its columns in the usual way (SICK, GLUE's
STS-B, SST-2, Quora) need no entry: ``texts.judged`` and ``texts.table`` know those names.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Layout", "layout_of"]


@dataclass(frozen=True)
class Layout:
    """A layout by its maker's names."""

    title: str
    """What the benchmark is called."""
    known_by: str
    """How it was recognised, in words."""
    names: tuple[str, ...]
    """The columns."""
    has_header: bool = False
    """Whether the first row names them, in another way."""
    together: tuple[str, ...] = ()
    """Columns whose texts, one behind the other, are what the benchmark's loaders call the text;
    it becomes one more column, ``text``."""


_STSB = ("genre", "filename", "year", "id", "score", "sentence1", "sentence2")
_AG_NEWS = ("label", "title", "description")
_AG_NEWS_HEADER = ["class index", "title", "description"]
_STSB_GENRES = {"main-captions", "main-news", "main-forum", "main-forums"}
_SEEN = 50


def layout_of(name: str, table: Sequence[Sequence[str]]) -> Layout | None:
    """The official layout of a headerless file, None where it has none.

    Args:
        name: the file's name.
        table: its rows.

    >>> rows = [["main-news", "x", "2012", "1", "4.2", "A cat.", "A dog."]]
    >>> layout_of("sts-test.csv", rows).title
    'the STS Benchmark'
    """
    rows = [row for row in table[:_SEEN] if row]
    if rows and [cell.strip().lower() for cell in rows[0]] == _AG_NEWS_HEADER:
        return Layout("AG News", "header", _AG_NEWS, has_header=True, together=_AG_NEWS[1:])
    for title, names, by_rows, by_name in _LAYOUTS:
        if rows and all(map(by_rows, rows)):
            named = re.search(by_name, Path(name).name.lower()) is not None
            together = _AG_NEWS[1:] if names is _AG_NEWS else ()
            known_by = "name and rows" if named else "rows"
            return Layout(title, known_by, names, together=together)
    return None


def _is_stsb(row: Sequence[str]) -> bool:
    return len(row) >= 7 and row[0] in _STSB_GENRES and _is_grade(row[4])


def _is_grade(cell: str) -> bool:
    try:
        return 0 <= float(cell) <= 5
    except ValueError:
        return False


def _is_ag_news(row: Sequence[str]) -> bool:
    """A class from 1 to 4, a title and a longer description."""
    return len(row) == 3 and row[0].strip() in {"1", "2", "3", "4"} and len(row[2].split()) > 2


_LAYOUTS: tuple[tuple[str, tuple[str, ...], Callable[[Sequence[str]], bool], str], ...] = (
    ("the STS Benchmark", _STSB, _is_stsb, r"^sts-(train|dev|test)"),
    ("AG News", _AG_NEWS, _is_ag_news, r"ag[_-]?news"),
)
