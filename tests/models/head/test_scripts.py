import unicodedata

import pytest

from embfilter_viz.models.head import scripts
from embfilter_viz.models.head.scripts import script_of, token_scripts
from embfilter_viz.models.head.vocabulary import Vocabulary
from tests.models.tiny_checkpoints import byte_level_tokenizer


@pytest.mark.parametrize(
    ("text", "script"),
    [
        (" the", "Latin"), ("über", "Latin"), ("кот", "Cyrillic"), ("Ελ", "Greek"),
        ("सब", "Devanagari"), ("ी", "Devanagari"), ("قط", "Arabic"), ("猫", "Han"),
        ("ねこ", "Hiragana"),
        ("ネコ", "Katakana"), ("고양이", "Hangul"), ("ไทย", "Thai"), ("bс", "several scripts"),
        ("cafe\u0301", "Latin"), ("12.5 %", "no letters"),
        (" \n", "no letters"), ("😀", "no letters"),
        ("ᚠ", "other scripts"), ("", "no letters"),
    ],
)  # fmt: skip
def test_the_script_of_a_token(text: str, script: str) -> None:
    assert script_of(text) == script


def test_recommended_scripts_agree_with_the_names_of_their_letters() -> None:
    """The names of Unicode's letters begin with their script, but for those of Han and Hangul."""
    names = [name for name in scripts._RECOMMENDED if name not in ("Han", "Hangul", "Bopomofo")]
    for name in names:
        letters = [
            chr(code) for code in range(0x250, 0x3100)
            if unicodedata.name(chr(code), "").startswith(f"{name.upper()} LETTER ")
            and unicodedata.category(chr(code)) == "Lo"
        ]  # fmt: skip
        assert all(script_of(letter) == name for letter in letters), name
    assert script_of("\u3105") == "Bopomofo"


def test_every_row_has_one_and_progress_is_told() -> None:
    vocabulary = Vocabulary(byte_level_tokenizer(), 410, bos=0, eos=1)
    told: list[float] = []
    found = token_scripts(vocabulary, progress=lambda what, done, total, unit: told.append(done))
    assert len(found) == 410
    assert told == [0]
    assert set(found[-10:]) == {"no text"}
    (the,) = vocabulary.encode(" the")
    assert found[the] == "Latin"
    assert "parts of characters" in found, "single bytes of a byte-level tokenizer"
    assert token_scripts(vocabulary, [the, 409]) == ("Latin", "no text")
