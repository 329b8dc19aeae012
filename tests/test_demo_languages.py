"""Demo texts and graded pairs in four languages beside English: counts, scripts, balance."""

import csv
import re
import unicodedata
from collections import Counter
from importlib.resources import files
from itertools import combinations

import pytest

from embfilter_viz.data import DEMO_LANGUAGES, DEMO_NAMES, demo_language, demo_texts
from embfilter_viz.errors import InputError
from embfilter_viz.evaluation.tasks import demo_kinds, demo_task, read_task, read_tasks

OTHERS = [code for code in DEMO_LANGUAGES if code != "en"]
SCRIPTS = {"hi": "DEVANAGARI", "id": "LATIN", "ru": "CYRILLIC", "zh": "CJK"}
TOPICS = ("cooking", "medicine", "football", "computing", "finance", "travel")


def pairs(code: str) -> list[dict[str, str]]:
    file = files("embfilter_viz.data").joinpath("languages", code, "pairs.csv")
    return list(csv.DictReader(file.read_text(encoding="utf-8").splitlines(), strict=True))


def sentences(code: str) -> list[str]:
    return [pair[side] for pair in pairs(code) for side in ("sentence1", "sentence2")]


def parts(code: str, text: str) -> set[str]:
    """The words of a text; in Chinese, which has no spaces, its characters."""
    letters = re.findall(r"[^\W\d_]", text) if code == "zh" else re.findall(r"\S+", text.lower())
    return {part.strip(".,?!;:।") for part in letters}


def overlap(code: str, first: str, second: str) -> float:
    a, b = parts(code, first), parts(code, second)
    return len(a & b) / len(a | b)


def test_there_are_four_of_four_scripts() -> None:
    assert OTHERS == ["hi", "id", "ru", "zh"]
    assert len(set(SCRIPTS.values())) == 4


@pytest.mark.parametrize("code", OTHERS)
def test_texts_are_balanced_over_six_topics(code: str) -> None:
    demo = demo_texts(code)
    assert Counter(demo.labels) == dict.fromkeys(TOPICS, 10)
    assert demo.topics == TOPICS


@pytest.mark.parametrize("code", OTHERS)
def test_pairs_are_spread_evenly_over_the_scale_and_none_is_of_equals(code: str) -> None:
    found = pairs(code)
    assert Counter(pair["score"] for pair in found) == dict.fromkeys("012345", 12)
    for pair in found:
        assert parts(code, pair["sentence1"]) != parts(code, pair["sentence2"]), pair


@pytest.mark.parametrize("code", OTHERS)
def test_nothing_comes_twice_or_nearly_so(code: str) -> None:
    texts, singles = demo_texts(code).texts, sentences(code)
    everything = [one.casefold() for one in (*texts, *singles)]
    assert [one for one, n in Counter(everything).items() if n > 1] == []
    closest = max(combinations(texts, 2), key=lambda pair: overlap(code, *pair))
    assert overlap(code, *closest) < 0.4, closest


@pytest.mark.parametrize("code", OTHERS)
def test_letters_are_of_the_languages_script(code: str) -> None:
    for text in (*demo_texts(code).texts, *sentences(code)):
        for letter in text:
            if unicodedata.category(letter).startswith("L"):
                assert unicodedata.name(letter).startswith(SCRIPTS[code]), (letter, text)


@pytest.mark.parametrize("code", OTHERS)
def test_shared_words_alone_do_not_give_the_score_away(code: str) -> None:
    graded = [(p["score"], overlap(code, p["sentence1"], p["sentence2"])) for p in pairs(code)]
    assert sum(share < 0.4 for score, share in graded if score == "5") >= 4
    assert sum(share > 0.2 for score, share in graded if score == "2") >= 4


@pytest.mark.parametrize("code", OTHERS)
@pytest.mark.parametrize("name", ["texts.csv", "pairs.csv"])
def test_files_are_clean(code: str, name: str) -> None:
    text = files("embfilter_viz.data").joinpath("languages", code, name).read_bytes().decode()
    assert text == unicodedata.normalize("NFC", text)
    assert text.endswith("\n")
    assert "\r" not in text
    for row in csv.reader(text.splitlines(), strict=True):
        for field in row:
            assert field
            assert field == " ".join(field.split())
    assert not {c for c in text if unicodedata.category(c) in ("Cf", "Cc") and c != "\n"}


def test_lengths_differ() -> None:
    for code in OTHERS:
        lengths = [len(text) for text in demo_texts(code).texts]
        assert max(lengths) > 1.4 * min(lengths)


@pytest.mark.parametrize("code", OTHERS)
def test_they_are_tasks_by_their_names(code: str) -> None:
    name = f"demo-{code}"
    assert (name in DEMO_NAMES, demo_language(name)) == (True, code)
    tasks = read_tasks(name)
    assert [task.kind for task in tasks] == list(demo_kinds(code))
    assert [task.n_units for task in tasks] == [72, 60, 60, 60]
    for task in tasks:
        assert DEMO_LANGUAGES[code] in task.source
        assert task.texts == read_task(task.kind, name).texts


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: read_task("retrieval", "demo-hi"), "demo-hi: has nothing for the task retrieval"),
        (lambda: read_task("sts", "demo-xx"), r"'demo-xx': .* there are demo, demo-hi, demo-id"),
        (lambda: demo_texts("xx"), "language 'xx': there are no demo texts in it; take one of en"),
    ],
)
def test_what_we_do_not_have_is_refused_in_one_line(call, words: str) -> None:
    with pytest.raises(InputError, match=words):
        call()


def test_english_is_what_it_was() -> None:
    assert demo_texts("en") is not None
    assert demo_texts().texts == demo_texts("en").texts
    assert demo_task("sts").source == demo_task("sts", "en").source == "our demo pairs"
