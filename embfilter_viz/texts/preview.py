"""The first rows of a user's table, to be looked at before anything is done with it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from embfilter_viz.texts.judged import COLUMNS, check_table
from embfilter_viz.texts.reading import bytes_of
from embfilter_viz.texts.rows import read_rows
from embfilter_viz.texts.table import LABEL_NAMES, TEXT_NAMES

__all__ = ["Preview", "preview_table"]

_NAMES: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    **COLUMNS,
    "labelled": {"text": TEXT_NAMES, "label": LABEL_NAMES},
}


@dataclass(frozen=True)
class Preview:
    """A table's columns, its first rows, and which column seems to be what."""

    columns: tuple[str, ...]
    """(c,) the names of all columns."""
    rows: tuple[tuple[str, ...], ...]
    """(m, c) the first rows."""
    n_rows: int
    """Rows in all."""
    guess: Mapping[str, int | None]
    """Role to the index of the column that has a name known for it, None where none has."""


def preview_table(
    source: str | Path | bytes, kind: str, name: str | None = None, *, n_rows: int = 5
) -> Preview:
    r"""Look into a .csv or .tsv file, deciding nothing.

    Args:
        source: path of the file, or its bytes as uploaded.
        kind: "pairs", "retrieval" or "labelled": what its columns are to be.
        name: the file's name where ``source`` is bytes.
        n_rows: how many rows to show.

    Returns:
        the columns, the first rows, and which column seems to be what.

    Raises:
        InputError: no table, or one that cannot be read.

    >>> found = preview_table(b"gold,s1,s2,id\n3,A cat,A dog,7\n", "pairs", "demo.csv")
    >>> found.columns[found.guess["score"]], found.rows[0]
    ('gold', ('3', 'A cat', 'A dog', '7'))
    """
    data, name = bytes_of(source, name)
    check_table(name, _NAMES[kind])
    known = [one for names in _NAMES[kind].values() for one in names]
    columns, numbered = read_rows(data, name, None, known, [])
    lower = [column.lower().strip() for column in columns]
    guess: dict[str, int | None] = {}
    for role, names in _NAMES[kind].items():
        free = [lower.index(one) for one in names if one in lower]
        guess[role] = next((i for i in free if i not in guess.values()), None)
    return Preview(
        columns, tuple(tuple(cells) for _, cells in numbered[:n_rows]), len(numbered), guess
    )
