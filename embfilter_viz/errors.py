"""What goes wrong for reasons the user can mend, and what they stopped themselves."""

__all__ = ["Cancelled", "InputError"]


class InputError(ValueError):
    """Bad input, told in one line that names the input, the rule and the way out.

    The command line prints it and exits with 2; a page shows it in place of its figure. Every
    other exception is a bug of ours and keeps its traceback.

    >>> raise InputError("window 9:3: l must be smaller than r; try 3:9")
    Traceback (most recent call last):
    embfilter_viz.errors.InputError: window 9:3: l must be smaller than r; try 3:9
    """


class Cancelled(Exception):  # noqa: N818 - not an error: the user asked for it
    """Long work was stopped by the user; what was finished is kept."""
