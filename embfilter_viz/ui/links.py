"""Which texts a link holds: none that would make the request line too long for servers."""

__all__ = ["LONGEST", "fits", "whole_number"]

LONGEST = {"text": 1500, "first_text": 750, "second_text": 750}
"""Characters of a text that still fit, by its name in a link; servers refuse much longer lines.

The browser leaves longer ones out whenever the URL is written (``window_state.js``). Streamlit, to
which each box is bound, goes on to write all other controls. Were a box bound to the URL for short
texts only, nobody but the server could write the first short one after a long one; and the server
writes the whole query as it was when the run was asked for: whatever else the reader had changed
meanwhile would be lost.
"""


def whole_number(said: object) -> int | None:
    """The number that a link or a control says, from 0 on; None where it says none.

    >>> whole_number("12"), whole_number(3), whole_number("²"), whole_number("9" * 5000)
    (12, 3, None, None)
    """
    text = str(said)
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


def fits(key: str, text: str) -> bool:
    """Tell whether a link holds this text of the box ``key``.

    >>> fits("text", "A cat."), fits("first_text", 751 * "a")
    (True, False)
    """
    return len(text) <= LONGEST[key]
