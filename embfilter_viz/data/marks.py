"""Words of the glossary in our own texts: written in double square brackets."""

import re
from collections.abc import Callable

__all__ = ["marked_words", "replaced", "without_marks"]

_MARK = re.compile(r"\[\[([^\[\]]+)\]\](\w*)")


def marked_words(text: str) -> list[str]:
    """The words that are marked, in their order.

    >>> marked_words("The [[head]] has [[direction]]s.")
    ['head', 'direction']
    """
    return [found[0] for found in _MARK.findall(text)]


def replaced(text: str, put: Callable[[str, str], str]) -> str:
    """The text with ``put(word, ending)`` where a word is marked.

    >>> replaced("The [[head]] has [[direction]]s.", lambda word, ending: word.upper() + ending)
    'The HEAD has DIRECTIONs.'
    """
    return _MARK.sub(lambda found: put(found[1], found[2]), text)


def without_marks(text: str) -> str:
    """The text alone.

    >>> without_marks("The [[head]] has [[direction]]s.")
    'The head has directions.'
    """
    return replaced(text, lambda word, ending: word + ending)
