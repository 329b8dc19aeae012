"""Lines for a shell: whatever a link, a file or a folder is called stays one word of them."""

import shlex

__all__ = ["command_line"]


def command_line(name: str, *words: object) -> str:
    r"""One of our commands with its words, each quoted where a shell would read it otherwise.

    What cannot be seen is written as its code point, in the quotes of bash and zsh that read it:
    a name with U+202E in it would have the reader see another command than they copy.

    Args:
        name: of the command.
        words: arguments and options, one word each.

    Returns:
        the line.

    >>> command_line("lens", "a model; rm -r x", "TEXT", "--tau", 2)
    "embfilter-viz lens 'a model; rm -r x' TEXT --tau 2"
    >>> print(command_line("lens", "it's\u202e"))
    embfilter-viz lens $'it\'s\u202e'
    """
    return " ".join(map(_word, ("embfilter-viz", name, *map(str, words))))


def _word(word: str) -> str:
    return shlex.quote(word) if word.isprintable() else f"$'{''.join(map(_sign, word))}'"


def _sign(sign: str) -> str:
    if sign in "\\'":
        return f"\\{sign}"
    code = ord(sign)
    return sign if sign.isprintable() else f"\\u{code:04x}" if code < 1 << 16 else f"\\U{code:08x}"
