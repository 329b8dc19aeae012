"""The user's texts: a .txt or .csv file as they have it, and what was decided in reading it.

Nothing is decided silently: encoding, delimiter, header, column, dropped and sampled rows are
told in :attr:`TextTable.notes`, and each text keeps the number of the row it came from.
"""

from embfilter_viz.texts.checking import checked_texts
from embfilter_viz.texts.judged import JudgedTable, read_judged
from embfilter_viz.texts.preview import Preview, preview_table
from embfilter_viz.texts.reading import TextTable, read_lines, read_texts

__all__ = [
    "JudgedTable",
    "Preview",
    "TextTable",
    "checked_texts",
    "preview_table",
    "read_judged",
    "read_lines",
    "read_texts",
]
