"""Text of unknown origin in Markdown.

A backslash keeps a sign from the parser of Markdown. After the parser, though, Streamlit goes over
the finished text once more, where no backslash is left: it makes links of addresses, icons of
``:material/home:`` and arrows of ``->``. A sign that such a pattern needs is therefore put into an
element of its own, ``:color[…]`` without a colour, which shows its content and nothing else.
"""

import re

from embfilter_viz.wording import legible

__all__ = ["escaped", "unescaped"]

SIGNS = "\\`*_{}[]()<>#+-.!|$~:/&"

_READ_LATER = re.compile(
    r"""(?<=http)s?:(?=//) | (?<=www)\. | (?<=[\w.+-])@(?=[\w-]+\.)     # links
        | :(?=(?:material/)?[\w+-]+:)                                   # icons, emoji, a logo
        | (?<!\S)(?:<->|<-|->|--|[><~]=)(?!\S)                          # arrows, dashes, ≥
    """,
    re.VERBOSE | re.IGNORECASE,
)


def escaped(text: str) -> str:
    r"""Text that the page shows as it is: no sign of it is Markdown, LaTeX, an icon or a link.

    Names, labels and messages may hold what a stranger typed. What cannot be seen is
    :func:`~embfilter_viz.wording.legible`.

    >>> print(escaped("**$x$**"))
    \*\*\$x\$\*\*
    >>> print(escaped("a -> :material/home:"))
    a \-:color[\>] :color[\:]material\/home\:
    >>> unescaped(escaped("a -> :material/home:"))
    'a -> :material/home:'
    """
    parts, end, text = [], 0, legible(text)
    for found in _READ_LATER.finditer(text):
        last = found.end() - 1
        parts += [_backslashed(text[end:last]), f":color[{_backslashed(text[last])}]"]
        end = last + 1
    return "".join([*parts, _backslashed(text[end:])])


def unescaped(markdown: str) -> str:
    """Return what a reader sees of escaped text, and of our own plain words around it."""
    return re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", re.sub(r":color\[(\\?.)\]", r"\1", markdown))


def _backslashed(text: str) -> str:
    return "".join(f"\\{sign}" if sign in SIGNS else sign for sign in text)
