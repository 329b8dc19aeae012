"""One colour, one meaning, on every page, in every theme and in the README.

The hues are those of Okabe and Ito's palette for colour-blind readers (Color Universal Design,
2008), some of them darkened so that each keeps a contrast of about 3:1 or more against white and
against the dark theme's background alike. No figure tells two things apart by hue only: position,
dash or a direct label says it too.
"""

__all__ = ["BULK", "COLOURS", "EDGE", "FILTERED", "FREQUENT", "INFREQUENT", "RANDOM", "RAW"]

EDGE = "#D55E00"
"""Directions at either end of the spectrum: what the filter drops."""
BULK = "#0077B6"
"""Directions in the middle: what the filter keeps."""
RAW = "#7F8790"
"""An embedding as the model gives it."""
FILTERED = "#009E73"
"""The same embedding after the filter."""
FREQUENT = "#C28100"
"""The tokens the model meets most often."""
INFREQUENT = "#A8569B"
"""The tokens it meets least often."""
RANDOM = "#2A9CC4"
"""Chance, as a control: random tokens, random subspaces."""

COLOURS = {
    "edge": EDGE,
    "bulk": BULK,
    "raw": RAW,
    "filtered": FILTERED,
    "frequent": FREQUENT,
    "infrequent": INFREQUENT,
    "random": RANDOM,
}
"""Every meaning and its colour, for legends and style sheets.

>>> len(set(COLOURS.values())) == len(COLOURS)
True
"""
