"""Each rule for sentences finds what it is there for, and leaves good sentences alone."""

from typing import Any

import pytest

from tools.sentences.rules import faults_between, faults_of
from tools.sentences.said import Said

GOOD = (
    "over 320 texts the mean cosine goes from 0.90 to 0.63: the filter lowers anisotropy.",
    "over 320 texts the mean cosine goes from 0.55 to 0.58: the filter makes no difference beyond "
    "the uncertainty.",
    "7 of the top 10 tokens are among the 100 most frequent before and 3 after: the filter takes "
    "frequent tokens out. 1 of the 10 stays.",
    "3 of the top 7 tokens are among the 100 most frequent before and 3 after: the filter does not "
    "change that.",
    "a difference of +1.1 (+0.2 to +2.0), so the second is better beyond noise.",
    "a difference of +1.1 (-0.2 to +2.0), which is within noise: these data do not tell the two "
    "apart.",
    "On all pairs, none of 8 windows is better than raw beyond noise and 1 worse.",
    "within noise of raw (+0.0, 95 % interval -0.3 to +0.1); better than τ = 2 beyond noise (+9.0, "
    "95 % interval +0.5 to +18.5).",
    "removing a direction from the strongest 5 % shifts them 1.9 times as much (95 % interval 1.6 "
    "to 2.2), and one from the weakest 1 times (0.9 to 1.1).",
    "On all pairs, 1 of 8 windows is better; worse than τ = 2 (-7.1 to -0.5).",
    "of 325 windows 1:31 is the one that orders pairs of your 320 texts most like it.",
    "σ falls from 7.44 to 4.37 over 32 directions; window 8:24 is the best, τ = 2.",
    "the two forms differ by 2e-08 at most; no token of “nan” is there.",
)

BAD = (
    ("the mean goes to -0.00 by it", "-0.00", "a zero with a minus"),
    ("(-0.0 to +0.4, 95 %)", "-0.0", "a zero with a minus"),
    ("the ratio is nan times that", "nan", "no number"),
    ("a difference of +inf (+1.0 to +2.0)", "+inf", "no number"),
    ("over 1 texts it is", "1 texts", "in the plural"),
    ("1 of the 7 stay", "1 of the 7 stay", "a verb for many"),
    ("1 have its label", "1 have", "a verb for many"),
    ("2 of 8 windows is better", "2 of 8 windows is", "a verb for one"),
    ("half sits in the first 1 of 32 directions", "first 1", "needs no number"),
    ("it is  so", "s  s", "out of place"),
    ("so it is , and", " ,", "out of place"),
    ("so (it is", "so (it is", "without its partner"),
    ("0.123456 of it", "0.123456", "more digits"),
    ("1.2e+03 times as much", "1.2e+03", "more digits"),
    ("1.9 times (2.0 to 2.2)", "1.9 times (2.0 to 2.2", "does not lie"),
    ("raw 5.1 [5.3, 5.9]; +1.0 (95 % interval +1.2 to +2.0)", "+1.0", "does not lie"),
    ("it is 1.5 (2.2 to 1.2)", "(2.2 to 1.2", "from high to low"),
    ("goes from 0.30 to 0.50: the filter lowers anisotropy", "from 0.30 to 0.50", "says down"),
    ("goes from 0.50 to 0.30: the filter raises anisotropy", "from 0.50 to 0.30", "says up"),
    ("3 before and 5 after: the filter takes frequent tokens out", "3 before", "says down"),
    ("5 before and 3 after: the filter brings more of them in", "5 before", "says up"),
    ("5 before and 3 after: the filter does not change that", "5 before", "nothing changed"),
    ("better beyond noise (+1.0, 95 % interval -0.5 to +2.5)", "better", "with zero in it"),
    ("+1.0 (+0.5 to +1.5), which is within noise", "+1.0", "without zero"),
    ("not better beyond noise (+1.0, 95 % interval +0.5 to +1.5)", "not", "without zero"),
)


@pytest.mark.parametrize("text", GOOD)
def test_a_good_sentence_is_left_alone(text: str) -> None:
    assert list(faults_of(Said("page Start", "sentence", text))) == []


@pytest.mark.parametrize(("text", "words", "why"), BAD, ids=[text for text, _, _ in BAD])
def test_a_bad_sentence_is_found(text: str, words: str, why: str) -> None:
    found = list(faults_of(Said("page Start", "sentence", text)))
    assert any(words in found_words and why in reason for found_words, reason in found), found


RECORD = {"n": 320, "raw": {"mean": 0.5512}, "share": 0.047, "windows": [1, 2, 3], "sigma": 0.876}


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        ("320 texts, 0.55, 5%, 3 windows of smollm2-135m, τ = 2, 8:24, 0.88", []),
        ("319 texts, 0.56, 4%, 7 windows", ["319", "0.56", "4", "7"]),
    ],
)
def test_numbers_are_looked_up_in_the_record(text: str, missing: list[str]) -> None:
    found = faults_of(Said("command x", "sentence", text, RECORD))
    assert [words for words, why in found if "no such number" in why] == missing


def between(*said: Said, window: tuple[int, int, int] = (8, 24, 32)) -> list[tuple[str, ...]]:
    return list(faults_between(said, window))


def page(text: str, kind: str = "sentence", name: str = "Geometry", **record: Any) -> Said:
    return Said(f"page {name}", kind, text, record)


def test_a_page_that_contradicts_itself_is_found() -> None:
    there, half = page("The U is there: so it is."), page("half of the U is there.")
    assert between(there) == between(half) == []
    ((place, words, why),) = between(there, half)
    assert (place, words) == ("page Geometry", there.text)
    assert half.text in why


def test_a_page_that_gives_one_name_two_values_is_found() -> None:
    assert between(page("8:24: 2.6", "figure"), page("3:9: 2.7", "figure")) == []
    assert len(between(page("8:24: 2.6", "figure"), page("8:24: 3.9", "figure"))) == 1


def test_none_is_better_beside_one_that_is() -> None:
    none = page("none of 8 windows is better than raw beyond noise")
    assert between(none, page("-0.9 to +4.0 (95 %, paired)", "caption")) == []
    assert between(none, page("+0.2 to +4.0 (95 %, corrected for 8)", "caption")) == []
    assert len(between(none, page("+0.2 to +4.0 (95 %, paired)", "caption"))) == 1


def test_page_and_command_say_the_same() -> None:
    text = "over 320 texts"
    same = Said("command geometry", "sentence", text)
    assert between(page("Over 320 texts."), same) == []
    assert len(between(page("Over 319 texts."), same)) == 1


def test_one_quantity_of_two_commands_has_one_value() -> None:
    sweep = Said("command sweep", "sentence", "s", {"raw": 5.0, "raw_interval": [4.0, 6.0]})

    def compare(low: float) -> Said:
        score = {"value": 5.0, "low": low, "high": 6.0}
        return Said("command compare", "sentence", "s", {"first": {"score": score}})

    assert between(sweep, compare(4.0)) == []
    ((place, words, _),) = between(sweep, compare(4.1))
    assert (place, words) == ("command sweep", "raw_interval [4.0, 6.0]")


def test_a_window_that_drops_nothing_says_so() -> None:
    silent, frank = page("over 320 texts."), page("this window drops nothing.")
    assert between(frank, window=(0, 32, 32)) == between(silent, window=(8, 24, 32)) == []
    assert len(between(silent, window=(0, 32, 32))) == 1


def test_a_window_the_paper_does_not_propose_refutes_nothing() -> None:
    claim = page("raises it, the opposite of what the paper claims.")
    assert between(claim, window=(8, 24, 32)) == []
    assert len(between(claim, window=(1, 32, 32))) == 1
