import sys

import numpy as np
import pytest

from embfilter_viz.errors import InputError
from embfilter_viz.models.head.frequencies import from_wordfreq, mixed, word_counts
from embfilter_viz.models.head.languages import NAMES, Languages, known_languages
from embfilter_viz.models.head.vocabulary import Vocabulary
from tests.models.tiny_checkpoints import byte_level_tokenizer

LISTS = {
    "en": {"cat": 0.03, "the": 0.05, "2000": 0.01},
    "id": {"kucing": 0.02, "yang": 0.06},
    "zh": {"猫": 0.02, "的": 0.06},
}


@pytest.fixture
def vocabulary() -> Vocabulary:
    return Vocabulary(byte_level_tokenizer(), 400)


@pytest.fixture
def short_lists(monkeypatch: pytest.MonkeyPatch) -> None:
    import wordfreq

    monkeypatch.setattr(wordfreq, "get_frequency_dict", lambda code, **_: LISTS[code])


def test_every_language_of_wordfreq_has_a_name() -> None:
    assert tuple(NAMES) == known_languages()


@pytest.mark.parametrize(
    ("said", "name"),
    [("de", "de"), (" de ", "de"), ("en, id", "en,id"), ("id,en", "en,id"), ("id=7", "id"),
     ("id=2,en=2", "en,id"), ("id=1,en=3", "en=0.75,id=0.25"),
     ("zh,ru=2", "ru=0.666667,zh=0.333333")],
)  # fmt: skip
def test_languages_have_one_name_however_they_are_said(said: str, name: str) -> None:
    found = Languages.of(said)
    assert found.name == name
    assert sum(share for _, share in found.shares) == pytest.approx(1)
    assert Languages.of(found.name).name == name


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("tlh", r"language 'tlh': .* it has ar, bg, .*, de, el, en, .*, zh$"),
        ("", "language ''"),
        ("en,", "language ''"),
        ("en,en", "en comes twice"),
        ("en=0,id", "weight '0' must be a number above 0"),
        ("en=-1,id", "weight '-1'"),
        ("en=x", "weight 'x'"),
        ("en=nan", "weight 'nan'"),
    ],
)
def test_what_is_no_language_is_refused_in_one_line(said: str, words: str) -> None:
    with pytest.raises(InputError, match=words) as refusal:
        Languages.of(said)
    assert "\n" not in str(refusal.value)


@pytest.mark.usefixtures("short_lists")
def test_a_mix_is_the_weighted_sum_of_counts_written_out(vocabulary: Vocabulary) -> None:
    english, indonesian = (from_wordfreq(vocabulary, 1.0, code) for code in ("en", "id"))
    counts = [one.p * (one.counted + 400) - 1 for one in (english, indonesian)]
    found = from_wordfreq(vocabulary, 1.0, "en=3,id=1")
    wanted = 0.75 * counts[0] + 0.25 * counts[1] + 1
    np.testing.assert_allclose(found.p, wanted / wanted.sum(), rtol=1e-9)
    assert found.detail.startswith("4 words of wordfreq (en 75 %, id 25 %)")


@pytest.mark.usefixtures("short_lists")
def test_in_chinese_no_word_follows_a_space(vocabulary: Vocabulary) -> None:
    found = word_counts(vocabulary, "zh")
    assert "no tokens across two words" in mixed(Languages.of("zh"), [found], 1.0).detail
    assert "across" not in from_wordfreq(vocabulary, language="id").detail
    (space,) = vocabulary.encode(" ")
    assert found.counts[space] == 0
    by_hand = np.zeros(400)
    for word, share in (("猫", 0.25), ("的", 0.75)):
        for token in vocabulary.encode(word):
            by_hand[token] += share * 10_000_000
    np.testing.assert_allclose(found.counts, by_hand)


def test_lists_of_languages_that_need_a_tokenizer_are_read_without_it(
    vocabulary: Vocabulary, monkeypatch: pytest.MonkeyPatch
) -> None:
    import wordfreq

    for package in ("MeCab", "jieba"):
        monkeypatch.setitem(sys.modules, package, None)  # importing it would raise
    real = wordfreq.get_frequency_dict
    for code in ("ja", "ko", "zh"):
        few = dict(list(real(code, wordlist="best").items())[:50])
        assert len(few) == 50
        with monkeypatch.context() as patch:
            patch.setattr(wordfreq, "get_frequency_dict", lambda *_, few=few, **__: few)
            assert word_counts(vocabulary, code).counts.sum() > 1e6


def test_shares_and_counts_must_go_together(vocabulary: Vocabulary) -> None:
    with pytest.raises(ValueError, match="zip"):
        mixed(Languages.of("en,id"), [], 1.0)
