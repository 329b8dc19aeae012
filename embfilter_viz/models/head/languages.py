"""Languages whose word frequencies are known to ``wordfreq``, alone or mixed.

The frequency lists of all of them are read as they are. What needs an extra package (MeCab or
jieba, for Japanese, Korean and Chinese) is ``wordfreq``'s own splitting of running text into words,
which is not used here.
"""

import math
from dataclasses import dataclass

from embfilter_viz.errors import InputError
from embfilter_viz.wording import listed

__all__ = ["ENGLISH", "NAMES", "Languages", "known_languages", "language_name"]

ENGLISH = "en"
"""The language where none is chosen."""

NAMES = {
    "ar": "Arabic", "bg": "Bulgarian", "bn": "Bangla", "ca": "Catalan", "cs": "Czech",
    "da": "Danish", "de": "German", "el": "Greek", "en": "English", "es": "Spanish",
    "fa": "Persian", "fi": "Finnish", "fil": "Filipino", "fr": "French", "he": "Hebrew",
    "hi": "Hindi", "hu": "Hungarian", "id": "Indonesian", "is": "Icelandic", "it": "Italian",
    "ja": "Japanese", "ko": "Korean", "lt": "Lithuanian", "lv": "Latvian", "mk": "Macedonian",
    "ms": "Malay", "nb": "Norwegian", "nl": "Dutch", "pl": "Polish", "pt": "Portuguese",
    "ro": "Romanian", "ru": "Russian", "sh": "Bosnian, Croatian and Serbian", "sk": "Slovak",
    "sl": "Slovenian", "sv": "Swedish", "ta": "Tamil", "tr": "Turkish", "uk": "Ukrainian",
    "ur": "Urdu", "vi": "Vietnamese", "zh": "Chinese",
}  # fmt: skip
"""English names of the languages of ``wordfreq``, by its codes."""


def known_languages() -> tuple[str, ...]:
    """Codes of all languages that ``wordfreq`` has frequencies for, in the order of the alphabet.

    >>> {"de", "en", "id", "zh"} <= set(known_languages())
    True
    """
    import wordfreq

    return tuple(sorted(wordfreq.available_languages()))


@dataclass(frozen=True)
class Languages:
    """One language, or several with their shares of a running text.

    >>> Languages.of("id,en").shares
    (('en', 0.5), ('id', 0.5))
    >>> Languages.of("en=3,id").name
    'en=0.75,id=0.25'
    """

    shares: tuple[tuple[str, float], ...]
    """(n,) codes in the order of the alphabet, each with its share; shares sum to 1."""

    @classmethod
    def of(cls, said: str) -> "Languages":
        """Read a code such as ``de``, or several such as ``en,id`` or ``en=3,id=1``.

        Shares are weights divided by their sum; a language without a weight has the weight 1.

        Args:
            said: codes of ``wordfreq``, separated by commas.

        Returns:
            the languages, the same for every way to say them.

        Raises:
            InputError: a language that ``wordfreq`` does not know, one that comes twice, or a
                weight that is no positive number.
        """
        weights: dict[str, float] = {}
        for part in said.split(","):
            code, stated, weight = (one.strip() for one in part.partition("="))
            if code not in NAMES and code not in (known := known_languages()):
                raise InputError(
                    f"language {code!r}: wordfreq has no frequencies for it; it has "
                    f"{', '.join(known)}"
                )
            if code in weights:
                raise InputError(f"language {said!r}: {code} comes twice; name it once")
            weights[code] = _weight(said, weight) if stated else 1.0
        whole = sum(weights.values())
        return cls(tuple((code, weights[code] / whole) for code in sorted(weights)))

    @property
    def name(self) -> str:
        """The languages as ``--language`` takes them, the same for the same shares.

        >>> Languages.of("id = 2, en = 2").name
        'en,id'
        """
        codes = [code for code, _ in self.shares]
        if self._equal:
            return ",".join(codes)
        return ",".join(f"{code}={share:.6g}" for code, share in self.shares)

    @property
    def frequencies(self) -> str:
        """Say whose word frequencies they are.

        >>> Languages.of("de").frequencies
        'German word frequencies'
        >>> Languages.of("en,id").frequencies
        'word frequencies of English and Indonesian in equal parts'
        >>> Languages.of("en=3,id").frequencies
        'word frequencies of 75 % English and 25 % Indonesian'
        """
        if len(self.shares) == 1:
            return f"{language_name(self.shares[0][0])} word frequencies"
        if self._equal:
            names = listed([language_name(code) for code, _ in self.shares])
            return f"word frequencies of {names} in equal parts"
        parts = [f"{100 * share:.3g} % {language_name(code)}" for code, share in self.shares]
        return f"word frequencies of {listed(parts)}"

    @property
    def short(self) -> str:
        """The codes for a caption, with their shares where they differ.

        >>> Languages.of("de").short, Languages.of("en=3,id").short
        ('de', 'en 75 %, id 25 %')
        """
        if self._equal:
            return ", ".join(code for code, _ in self.shares)
        return ", ".join(f"{code} {100 * share:.3g} %" for code, share in self.shares)

    @property
    def _equal(self) -> bool:
        return len({share for _, share in self.shares}) == 1


def language_name(code: str) -> str:
    """The English name of a language, or its code where ``wordfreq`` learnt a new one."""
    return NAMES.get(code, code)


def _weight(said: str, weight: str) -> float:
    try:
        found = float(weight)
    except ValueError:
        found = math.nan
    if not (math.isfinite(found) and found > 0):
        raise InputError(
            f"language {said!r}: the weight {weight!r} must be a number above 0, such as en=3,id=1"
        )
    return found
