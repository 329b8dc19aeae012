"""Lines for a shell: whatever a link, a file or a folder is called stays one word of them."""

import shlex

__all__ = ["command_line"]


def command_line(name: str, *words: object) -> str:
    """One of our commands with its words, each quoted where a shell would read it otherwise.

    Args:
        name: of the command.
        words: arguments and options, one word each.

    Returns:
        the line.

    >>> command_line("lens", "a model; rm -r x", "TEXT", "--tau", 2)
    "embfilter-viz lens 'a model; rm -r x' TEXT --tau 2"
    """
    return shlex.join(["embfilter-viz", name, *map(str, words)])
