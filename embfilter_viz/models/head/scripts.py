"""Scripts that tokens are written in, by the Unicode property Script of their letters."""

from collections.abc import Iterable
from functools import cache

import regex

from embfilter_viz.models.head.vocabulary import Kind, Vocabulary
from embfilter_viz.system.progress import Progress, silent

__all__ = ["FRAGMENT", "NO_LETTERS", "NO_TEXT", "OTHER", "SEVERAL", "script_of", "token_scripts"]

NO_LETTERS = "no letters"
"""Digits, punctuation, spaces and signs, which all scripts share (Common, Inherited)."""
SEVERAL = "several scripts"
"""Letters of more than one script in one token."""
OTHER = "other scripts"
"""Letters of a script that is not among the recommended ones."""
FRAGMENT = "parts of characters"
"""Bytes that are no whole character, and control characters."""
NO_TEXT = "no text"
"""Rows of W_U without a token, and tokens that were added or are reserved."""

_RECOMMENDED = (
    *("Latin", "Cyrillic", "Greek", "Arabic", "Hebrew", "Devanagari", "Bengali", "Gurmukhi"),
    *("Gujarati", "Oriya", "Tamil", "Telugu", "Kannada", "Malayalam", "Sinhala", "Thai", "Lao"),
    *("Tibetan", "Myanmar", "Khmer", "Georgian", "Armenian", "Ethiopic", "Thaana", "Hangul"),
    *("Han", "Hiragana", "Katakana", "Bopomofo"),
)
"""The recommended scripts of Unicode Standard Annex 31, table 5: those in wide use today."""
_SHARED = "Common"
_ONE = regex.compile(
    "|".join(f"(?P<{name}>\\p{{Script={name}}})" for name in _RECOMMENDED)
    + f"|(?P<{_SHARED}>[\\p{{Script=Common}}\\p{{Script=Inherited}}\\p{{Script=Unknown}}])"
)
_BY_KIND: dict[Kind, str] = {"unused": NO_TEXT, "added": NO_TEXT, "bytes": FRAGMENT}
_AT_ONCE = 16_384


def script_of(text: str) -> str:
    """The script of a text's letters: one, several, or none where it has no letters.

    >>> script_of(" cat"), script_of("кот"), script_of("猫だ"), script_of("3.5!"), script_of("ᚠ")
    ('Latin', 'Cyrillic', 'several scripts', 'no letters', 'other scripts')
    """
    found = {_of_character(character) for character in text} - {_SHARED}
    if not found:
        return NO_LETTERS
    return found.pop() if len(found) == 1 else SEVERAL


def token_scripts(
    vocabulary: Vocabulary, ids: Iterable[int] | None = None, *, progress: Progress = silent
) -> tuple[str, ...]:
    """The script of each row of W_U, (d_vocab,), or of the rows asked for.

    Args:
        vocabulary: the tokens behind the rows.
        ids: which rows; all if not given.
        progress: told rows; may raise ``Cancelled``.

    Returns:
        names of Unicode scripts, or one of the names above where there is no single one.

    >>> from tokenizers import Tokenizer, decoders, models
    >>> tokenizer = Tokenizer(models.WordLevel({"a": 0, "Ċ": 1, "âĢ": 2, "<unused0>": 3}))
    >>> tokenizer.decoder = decoders.ByteLevel()
    >>> token_scripts(Vocabulary(tokenizer, d_vocab=4))
    ('Latin', 'no letters', 'parts of characters', 'no text')
    """
    rows = range(vocabulary.d_vocab) if ids is None else list(ids)
    found = []
    for at, id in enumerate(rows):
        if at % _AT_ONCE == 0:
            progress("Looking at the scripts of tokens", at, len(rows), "tokens")
        kind = vocabulary.kind(id)
        found.append(script_of(vocabulary.text(id)) if kind == "text" else _BY_KIND[kind])
    return tuple(found)


@cache
def _of_character(character: str) -> str:
    found = _ONE.match(character)
    return OTHER if found is None else str(found.lastgroup)
