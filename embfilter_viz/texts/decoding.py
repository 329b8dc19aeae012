"""Bytes of a text file -> characters, with a word on how where it was not plain UTF-8."""

import codecs
import re
from functools import lru_cache

from embfilter_viz.errors import InputError
from embfilter_viz.texts.latin import latin_page

__all__ = ["decode", "lines_of"]

_DETECTED_BYTES = 50_000
_CHECKED_CHARACTERS = 200_000
_BOMS = (
    # UTF-32 first: its little-endian mark begins with UTF-16's.
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_UNMARKED_BYTES = 64
"""Bytes of a file from which UTF-16 is believed without a mark."""
_KANA = re.compile("[\u3041-\u3096\u30a1-\u30fa]")
_SCRIPTS = (
    ("cp932", _KANA, 0.3),
    ("euc_jp", _KANA, 0.3),
    ("cp949", re.compile("[\uac00-\ud7a3]"), 0.8),
)
"""Code pages, the letters that tell them, and the share of these from which they do."""
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1e\x7f]")


def decode(data: bytes, name: str) -> tuple[str, list[str]]:
    r"""The file's characters, and how they were had if not as UTF-8.

    Raises:
        InputError: the file is empty, blank or binary.

    >>> decode(b"caf\xc3\xa9", "menu.txt")
    ('café', [])
    """
    if not data:
        raise InputError(f"{name}: the file is empty; it must hold at least one text")
    encoding, notes = _encoding_of(data, name)
    try:
        content = data.decode(encoding, errors="replace" if encoding == "utf-8" else "strict")
    except UnicodeDecodeError as error:
        raise InputError(
            f"{name}: not valid {encoding} at byte {error.start}; save it as UTF-8"
        ) from error
    controls = sum(1 for _ in _CONTROL.finditer(content[:_CHECKED_CHARACTERS]))
    if "\x00" in content or controls > 0.01 * min(len(content), _CHECKED_CHARACTERS):
        raise InputError(f"{name}: the file is binary, not text; give a .txt or .csv in UTF-8")
    # A second mark, left where two files were joined, is no part of any text.
    content = content.removeprefix("\ufeff")
    if not content.strip():
        raise InputError(f"{name}: the file holds only blank lines; it must hold a text")
    return content, notes


def _encoding_of(data: bytes, name: str) -> tuple[str, list[str]]:
    for mark, encoding in _BOMS:
        if data.startswith(mark):
            told = [] if encoding == "utf-8-sig" else [f"Read as {encoding.upper()}, by its mark."]
            return encoding, told
    if b"\x00" in data:
        if (unmarked := _unmarked_utf16(data)) is not None:
            return unmarked, [f"Read as {unmarked.upper()}, which no mark says."]
        raise InputError(
            f"{name}: holds NUL bytes, so it is binary or unmarked UTF-16; save it as UTF-8 text"
        )
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        if _is_damaged_utf8(data):
            return "utf-8", ["Some bytes are not valid UTF-8; they are shown as \ufffd."]
        encoding = _guessed_encoding(data)
        return encoding, [
            f"Not UTF-8; read as {encoding}: check accents and other special letters."
        ]
    return "utf-8", []


def _is_damaged_utf8(data: bytes) -> bool:
    """Tell whether almost all that is not ASCII is well-formed, as it never is by chance."""
    content = data.decode("utf-8", errors="replace")
    bad = content.count("\ufffd")
    return bad <= 0.05 * (sum(letter > "\x7f" for letter in content) - bad)


def _guessed_encoding(data: bytes) -> str:
    """The page that the letters show, else Western European, in which any byte is a sign."""
    sample = data[:_DETECTED_BYTES]
    if len(data) > len(sample):
        sample = sample[: sample.rfind(b"\n") + 1] or sample
    for encoding in (_page_of(sample), "cp1252", "latin-1"):
        try:
            data.decode(encoding)
        except UnicodeDecodeError:
            continue
        return encoding
    raise AssertionError("latin-1 decodes any byte")


@lru_cache(maxsize=8)  # a file is read for its preview and for each task it may be for
def _page_of(sample: bytes) -> str:
    """The code page that the letters of a text show.

    By letters that one script has; by those of a language in the Latin alphabet; else
    charset-normalizer's guess, where it recognises a language of another alphabet: on short texts
    in the Latin one its guesses scatter over pages that differ in a few letters.
    """
    from charset_normalizer import from_bytes

    if (page := _by_script(sample) or latin_page(sample)) is not None:
        return page
    guess = from_bytes(sample).best()
    if guess is not None and guess.coherence > 0.1 and not _is_latin(str(guess)):
        return guess.encoding
    return "cp1252"


def _unmarked_utf16(data: bytes) -> str | None:
    """UTF-16 without its mark, as some programs write it: every other byte of ASCII is zero."""
    if len(data) < _UNMARKED_BYTES or len(data) % 2:
        return None
    even, odd = data[0::2].count(0), data[1::2].count(0)
    zeros = max(even, odd)
    if zeros < 0.2 * len(data) / 2 or min(even, odd) > 0.01 * zeros:
        return None
    return "utf-16-le" if odd > even else "utf-16-be"


def _by_script(sample: bytes) -> str | None:
    """A Korean or Japanese code page, known by letters that no other page gives by chance."""
    for encoding, script, share in _SCRIPTS:
        try:
            letters = [letter for letter in sample.decode(encoding) if letter > "\x7f"]
        except UnicodeDecodeError:
            continue
        if len(script.findall("".join(letters))) > share * len(letters):
            return encoding
    return None


def _is_latin(content: str) -> bool:
    letters = [letter for letter in content if letter.isalpha()]
    return sum(letter < "\u0250" for letter in letters) > 0.8 * len(letters)


def lines_of(content: str) -> list[str]:
    r"""Lines ended by newline, carriage return or both; ``str.splitlines`` knows many more ends.

    >>> lines_of("a\r\nb\u2028c\n")
    ['a', 'b\u2028c']
    """
    lines = content.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return lines[:-1] if not lines[-1] else lines
