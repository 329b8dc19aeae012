"""Which code page of the Latin alphabet a text is in, by the letters that its language has.

In the pages of Western Europe, Central Europe and Turkey the same byte is another letter, so a page
is told by whether all letters beyond ASCII belong to one language: Polish read as Western European
has ê and ³ in one word, which no language has.
"""

import unicodedata
from collections.abc import Mapping
from types import MappingProxyType

__all__ = ["latin_page"]

_WESTERN = (
    *("àâçéèêëîïôùûüÿœæ", "äöüßé", "áéíóúñüçºª¿¡", "áâãàçéêíóôõúü", "àèéìíîòóùú", "áéëïíóöüèê"),
    *("åäöéü", "æøåéóòôê", "áðéíóúýþæö", "àçèéíïòóúü", "äöõüšž"),
)
"""Letters of French, German, Spanish, Portuguese, Italian, Dutch, Swedish and Finnish, Danish and
Norwegian, Icelandic, Catalan, Estonian."""
_CENTRAL = (
    *("ąćęłńóśźż", "áčďéěíňóřšťúůýžöü", "áäčďéíĺľňóôŕšťúýž", "áéíóöőúüű"),
    *("ăâîşţșț", "čćđšž"),
)
"""Polish, Czech, Slovak, Hungarian, Romanian, and Croatian, Bosnian and Slovene."""
_TURKISH = ("çğıöşüâîûi̇",)
_PAGES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"cp1252": _WESTERN, "cp1250": _CENTRAL, "cp1254": _TURKISH, "iso8859_2": _CENTRAL}
)
"""Languages by page. ISO 8859-9 is the part of cp1254 that texts need."""
_MARKS = frozenset("„“”‘’‚«»‹›–—…•·°§€£©®™´¨×÷\u00a0\u00ad")
"""Signs that stand in texts of any language."""
_BELONGS = 0.985
"""Share of the signs beyond ASCII that must belong to one language; a name may have another."""
_BETTER = 0.05
"""By how much another page must be beyond the Western European one."""
_SIGNS, _LETTERS = 3, 2
"""Signs beyond ASCII that there must be, and different ones that the two pages show differently."""
_MOST_ACCENTS = 0.4
"""Share of letters beyond ASCII: Greek and Cyrillic have more."""


def latin_page(sample: bytes) -> str | None:
    """The code page of a text in the Latin alphabet, None where its letters do not tell.

    Args:
        sample: the beginning of the file, which is not UTF-8.

    Returns:
        ``cp1252``, ``cp1250``, ``cp1254`` or ``iso8859_2``.

    >>> latin_page("Wszyscy ludzie rodzą się wolni i równi".encode("cp1250"))
    'cp1250'
    >>> latin_page("Çok güzel bir kış günü, ığdır ve şiir".encode("cp1254"))
    'cp1254'
    >>> latin_page("Où est l'été ? Ça va.".encode("cp1252"))
    'cp1252'
    """
    beyond = bytes(byte for byte in sample if byte >= 0x80)
    ascii_letters = sum(chr(byte).isalpha() for byte in sample if byte < 0x80)
    if len(beyond) > _MOST_ACCENTS * (len(beyond) + ascii_letters):
        return None
    western = beyond.decode("cp1252", "replace")
    share_western = _share(western, _WESTERN)
    best, best_share = "cp1252", share_western
    for page, languages in _PAGES.items():
        read = beyond.decode(page, "replace")
        other = [(a, b) for a, b in zip(read, western, strict=True) if a != b]
        if len(beyond) < _SIGNS or len(set(other)) < _LETTERS:
            continue
        share = _share(read, languages)
        if share > max(best_share, share_western + _BETTER):
            best, best_share = page, share
    return best if best_share >= _BELONGS else None


def _share(read: str, languages: tuple[str, ...]) -> float:
    """Share of the signs that belong to one language, the one that has most of them."""
    signs = [sign for sign in unicodedata.normalize("NFC", read.lower()) if sign not in _MARKS]
    if not signs:
        return 1.0
    return max(sum(sign in letters for sign in signs) for letters in languages) / len(signs)
