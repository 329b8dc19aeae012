"""What goes wrong for reasons the user can mend, and what they stopped themselves."""

import re

__all__ = ["Cancelled", "InputError"]

_LONGEST = 900
"""Characters of a line; what stands in the middle of a longer one is left out."""
_UNPRINTED = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]+")
"""What ends a line, turns one round, or has no form in UTF-8."""


class InputError(ValueError):
    r"""Bad input, told in one line that names the input, the rule and the way out.

    The command line prints it and exits with 2; a page shows it in place of its figure. Every
    other exception is a bug of ours and keeps its traceback.

    >>> raise InputError("window 9:3: l must be smaller than r; try 3:9")
    Traceback (most recent call last):
    embfilter_viz.errors.InputError: window 9:3: l must be smaller than r; try 3:9
    >>> str(InputError("no\nfile \ud800")), len(str(InputError("9" * 5000)))
    ('no file �', 900)
    """

    def __init__(self, line: str) -> None:
        line = _UNPRINTED.sub(_shown, str(line))
        if len(line) > _LONGEST:
            half = _LONGEST // 2
            line = f"{line[:half]}…{line[1 - half :]}"
        super().__init__(line)


def _shown(found: re.Match[str]) -> str:
    return " " if found[0].isspace() else "\N{REPLACEMENT CHARACTER}"


class Cancelled(Exception):  # noqa: N818 - not an error: the user asked for it
    """Long work was stopped by the user; what was finished is kept."""
