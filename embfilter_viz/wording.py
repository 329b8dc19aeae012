"""Numbers and counts as sentences have them: never "-0.00", never "1 texts are".

Every sentence of ours takes its numbers from here, so that sign and plural are right by
construction. What others wrote stands in our sentences as :func:`legible` has it.
"""

import math
import re
import unicodedata
from collections.abc import Sequence

__all__ = [
    "are",
    "bracketed",
    "counted",
    "decimals",
    "fixed",
    "legible",
    "listed",
    "signed",
    "spanned",
]

NO_INTERVAL = "no interval"
"""What stands where an interval could not be measured."""


def fixed(value: float, digits: int) -> str:
    """A number with so many decimals; what rounds to zero has no sign.

    >>> fixed(-0.0004, 2), fixed(1234.56, 1), fixed(-0.5, 1)
    ('0.00', '1,234.6', '-0.5')
    """
    return f"{value:z,.{digits}f}"


def signed(value: float, digits: int) -> str:
    """A difference with its sign, and with none where it rounds to zero.

    >>> signed(1.26, 1), signed(-1.26, 1), signed(-0.04, 1), signed(0.04, 1)
    ('+1.3', '-1.3', '0.0', '0.0')
    """
    said = fixed(value, digits)
    return f"+{said}" if value > 0 and float(said.replace(",", "")) != 0 else said


def decimals(values: Sequence[float], least: int) -> int:
    """So many decimals that no number of ``values`` but zero reads as zero, three more at most.

    An interval that excludes zero must not read as if it reached it.

    >>> decimals([-1.2, 0.31], 1), decimals([0.04, 2.0], 1), decimals([0.0, 1.0], 1)
    (1, 2, 1)
    >>> decimals([1e-9], 2)
    5
    """
    known = [abs(value) for value in values if value and math.isfinite(value)]
    digits = least
    while digits < least + 3 and any(round(value, digits) == 0 for value in known):
        digits += 1
    return digits


def counted(n: int, one: str, many: str | None = None) -> str:
    """A count with the words that belong to it.

    Args:
        n: how many.
        one: the words for one; ``text``, or ``window is``.
        many: the words for any other number; ``one`` with an s where it is not given.

    >>> counted(1, "text"), counted(1200, "text"), counted(0, "window is", "windows are")
    ('1 text', '1,200 texts', '0 windows are')
    """
    return f"{n:,} {one if n == 1 else one + 's' if many is None else many}"


def are(n: int) -> str:
    """A count with its verb.

    >>> are(0), are(1), are(4)
    ('none is', '1 is', '4 are')
    """
    return counted(n, "is", "are") if n else "none is"


def spanned(low: float, high: float, digits: int, *, sign: bool = False) -> str:
    """An interval in a sentence.

    Args:
        low: where it begins.
        high: where it ends.
        digits: decimals.
        sign: whether numbers have their sign.

    Returns:
        the words.

    >>> spanned(0.6, 0.64, 2), spanned(-1.04, 0.02, 1, sign=True), spanned(math.nan, math.nan, 1)
    ('0.60 to 0.64', '-1.0 to 0.0', 'no interval')
    """
    if math.isnan(low) or math.isnan(high):
        return NO_INTERVAL
    word = signed if sign else fixed
    return f"{word(low, digits)} to {word(high, digits)}"


def bracketed(value: float, low: float, high: float, digits: int, *, sign: bool = False) -> str:
    """A number with its interval in brackets, or alone where there is none.

    Args:
        value: the number.
        low: where its interval begins.
        high: where it ends.
        digits: decimals.
        sign: whether numbers have their sign.

    Returns:
        the words.

    >>> bracketed(0.62, 0.6, 0.64, 2), bracketed(1.0, math.nan, math.nan, 1, sign=True)
    ('0.62 [0.60, 0.64]', '+1.0')
    """
    word = signed if sign else fixed
    if math.isnan(low) or math.isnan(high):
        return word(value, digits)
    return f"{word(value, digits)} [{word(low, digits)}, {word(high, digits)}]"


def listed(words: Sequence[str]) -> str:
    """Words as a list in a sentence.

    >>> listed(["a"]), listed(["a", "b"]), listed(["a", "b", "c"])
    ('a', 'a and b', 'a, b and c')
    """
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def legible(text: str) -> str:
    r"""Put what others wrote on one line, with nothing in it that is unseen or turns a line round.

    White space becomes single spaces, and a control or formatting character its code point: a name
    with U+202E in it would have the reader see what follows it backwards. The joiners of Persian,
    of Indic scripts and of emoji stay.

    >>> legible("a\n\n    b\u202e\0"), legible("نمی\u200cخواهم") == "نمی\u200cخواهم"
    ('a b⟨U+202E⟩⟨U+0000⟩', True)
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(map(_seen, _WHITE.sub(" ", text)))


_WHITE = re.compile(
    r"[ \t\n\r\v\f\x85\u2028\u2029]*[\t\n\r\v\f\x85\u2028\u2029][ \t\n\r\v\f\x85\u2028\u2029]*"
)
"""Runs of white space with more than spaces in them."""
_JOINERS = "\u200c\u200d"


def _seen(character: str) -> str:
    hidden = unicodedata.category(character) in ("Cc", "Cf", "Cs") and character not in _JOINERS
    return f"⟨U+{ord(character):04X}⟩" if hidden else character
