import csv
import re
from collections import Counter
from importlib.resources import files
from itertools import combinations

import pytest

from embfilter_viz.data import (
    EXAMPLE_SENTENCES,
    PAPER_TABLES,
    a_few_demo_texts,
    demo_texts,
    paper_table,
)
from embfilter_viz.errors import InputError

TOPICS = (
    "astronomy",
    "cooking",
    "medicine",
    "music",
    "law",
    "gardening",
    "computing",
    "football",
    "finance",
    "travel",
)
FOLDER = files("embfilter_viz.data")
OUR_FILES = ("demo_texts.csv", "pairs.csv", "retrieval.csv")
# Data sets behind each column, inferred from the averages: see data/README.md.
DATA_SETS = {
    "sts": 10,
    "classification": 12,
    "clustering": 11,
    "pair_classification": 3,
    "reranking": 4,
    "retrieval": 8,
    "summarization": 1,
}


def words_of(text: str) -> list[str]:
    return re.findall(r"[^\W_]+(?:['-][^\W_]+)*", text.lower())


def of_topic(topic: str) -> list[str]:
    demo = demo_texts()
    return [t for t, label in zip(demo.texts, demo.labels, strict=True) if label == topic]


def pairs() -> list[dict[str, str]]:
    text = FOLDER.joinpath("pairs.csv").read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines(), strict=True))


def overlap(first: str, second: str) -> float:
    """Share of the words of both that they have in common (Jaccard)."""
    a, b = set(words_of(first)), set(words_of(second))
    return len(a & b) / len(a | b)


# --- the demo texts ------------------------------------------------------------------------


def test_there_are_32_texts_in_each_of_the_ten_topics():
    demo = demo_texts()
    assert demo.topics == TOPICS
    assert Counter(demo.labels) == dict.fromkeys(TOPICS, 32)
    assert len(demo.texts) == 320


def test_no_demo_text_comes_twice_or_nearly_so():
    texts = demo_texts().texts
    assert len({text.casefold() for text in texts}) == len(texts)
    closest = max(combinations(texts, 2), key=lambda pair: overlap(*pair))
    assert overlap(*closest) < 1 / 3, closest


def test_demo_texts_have_8_to_30_words():
    lengths = {text: len(text.split()) for text in demo_texts().texts}
    assert {t: n for t, n in lengths.items() if not 8 <= n <= 30} == {}
    assert len(set(lengths.values())) > 10, "texts of all one length"


@pytest.mark.parametrize("topic", TOPICS)
def test_a_topic_cannot_be_told_by_one_word(topic):
    lines = [set(words_of(text)) for text in of_topic(topic)]
    lines_with = Counter(word for line in lines for word in line)
    assert lines_with[topic] <= 8
    # Words of five letters and more: shorter ones are mostly "with", "that", "from".
    assert {w: n for w, n in lines_with.items() if len(w) >= 5 and n > 8} == {}


@pytest.mark.parametrize("topic", TOPICS)
def test_texts_of_a_topic_open_and_end_in_many_ways(topic):
    texts = of_topic(topic)
    openings = Counter(words_of(text)[0] for text in texts)
    assert max(openings.values()) <= 3
    assert len(openings) >= 24
    assert 2 <= sum(text.endswith("?") for text in texts) <= 10


def test_no_opening_of_three_words_is_a_template():
    openings = Counter(tuple(words_of(text)[:3]) for text in demo_texts().texts)
    assert max(openings.values()) <= 3, openings.most_common(3)


# --- a few of them -------------------------------------------------------------------------


def test_a_few_demo_texts_are_balanced_and_take_turns():
    few = a_few_demo_texts()
    assert few.labels == TOPICS * 4
    assert few.topics == TOPICS
    demo = demo_texts()
    label_of = dict(zip(demo.texts, demo.labels, strict=True))
    assert few.labels == tuple(label_of[text] for text in few.texts)
    assert len(set(few.texts)) == 40


def test_a_smaller_subset_is_the_beginning_of_a_larger():
    assert a_few_demo_texts(32).texts[:10] == a_few_demo_texts(1).texts
    assert sorted(a_few_demo_texts(32).texts) == sorted(demo_texts().texts)


@pytest.mark.parametrize("n", [-1, 0, 33])
def test_a_subset_of_an_impossible_size_is_refused(n):
    with pytest.raises(InputError, match=f"n_per_topic={n}: .* try 1 to 32"):
        a_few_demo_texts(n)


def test_example_sentences_are_six_single_sentences_not_among_the_texts():
    assert len(set(EXAMPLE_SENTENCES)) == 6
    for sentence in EXAMPLE_SENTENCES:
        assert len(re.findall(r"[.?!]", sentence)) == 1, sentence
        assert sentence[-1] in ".?!"
        assert 8 <= len(sentence.split()) <= 20
    assert not set(EXAMPLE_SENTENCES) & set(demo_texts().texts)


# --- the graded pairs ----------------------------------------------------------------------


def test_pairs_are_spread_over_the_whole_scale():
    scores = Counter(float(pair["score"]) for pair in pairs())
    whole = dict.fromkeys([0.0, 1.0, 2.0, 3.0, 4.0, 5.0], 20)
    half = dict.fromkeys([0.5, 1.5, 2.5, 3.5, 4.5], 8)
    assert scores == whole | half
    assert scores.total() == 160


def test_no_sentence_of_the_pairs_comes_twice():
    sentences = [pair[side].casefold() for pair in pairs() for side in ("sentence1", "sentence2")]
    assert [s for s, n in Counter(sentences).items() if n > 1] == []
    assert not set(sentences) & {text.casefold() for text in demo_texts().texts}


def test_sentences_of_the_pairs_have_3_to_20_words():
    for pair in pairs():
        for side in ("sentence1", "sentence2"):
            assert 3 <= len(pair[side].split()) <= 20, pair


def test_shared_words_alone_do_not_give_the_score_away():
    """Some pairs of one meaning share few words, some of different meaning share many."""
    graded = [(float(p["score"]), overlap(p["sentence1"], p["sentence2"])) for p in pairs()]
    same = [share for score, share in graded if score >= 4.5]
    different = [share for score, share in graded if score <= 2]
    assert sum(share < 1 / 3 for share in same) >= 5
    assert sum(share > 1 / 3 for share in different) >= 5


# --- the files -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", OUR_FILES)
def test_our_files_are_clean(name):
    raw = FOLDER.joinpath(name).read_bytes()
    text = raw.decode("utf-8")
    assert not text.startswith("\ufeff"), "a byte order mark"
    assert text.endswith("\n")
    assert "\r" not in text
    # No control characters, curly quotes or invisible marks: only the degree sign goes past ASCII.
    assert {c for c in text if not (c == "\n" or " " <= c <= "~")} <= {"°"}
    rows = list(csv.reader(text.splitlines(), strict=True))
    assert {len(row) for row in rows} == {len(rows[0])}
    for row in rows:
        for field in row:
            assert field == " ".join(field.split()), field
            assert field, row


# --- the paper's tables --------------------------------------------------------------------


@pytest.mark.parametrize(("name", "n_rows"), [("main_results", 31), ("ablation", 11)])
def test_averages_of_a_paper_table_follow_from_its_columns(name, n_rows):
    table = paper_table(name)
    assert len(table) == n_rows
    for row in table:
        mean = sum(n * row[column] for column, n in DATA_SETS.items()) / sum(DATA_SETS.values())
        assert mean == pytest.approx(row["average"], abs=0.006), row


def test_geneol_averages_follow_but_for_the_one_that_the_readme_names():
    table = paper_table("geneol_sts")
    gaps = []
    for row in table:
        scores = [value for value in row.values() if isinstance(value, float)]
        assert len(scores) == 11
        gaps.append(sum(scores[:-1]) / 10 - row["average"])
    assert gaps == pytest.approx([0, 0.40, 0], abs=0.01)


def test_cells_of_a_paper_table_get_their_kinds():
    main = paper_table("main_results")
    assert {row["tau"] for row in main} == {None, 2, 4, 8}
    assert all((row["tau"] is None) == (row["variant"] == "baseline") for row in main)
    assert {row["dims"] for row in paper_table("ablation")} == {896, 448, 768}
    assert [row["tau"] for row in paper_table("geneol_sts")] == [
        None,
        2,
        "printed as 2 (second row)",
    ]


def test_the_ablation_repeats_the_rows_it_shares_with_the_main_table():
    shared = ("sts", "classification", "retrieval", "average")
    for variant, tau in (("baseline", None), ("EmbedFilter", 2)):
        (main,) = (
            row
            for row in paper_table("main_results")
            if (row["backbone"], row["prompt"]) == ("Qwen2.5-0.5B", "PromptEOL")
            and (row["variant"], row["tau"]) == (variant, tau)
        )
        (ablation,) = (row for row in paper_table("ablation") if row["variant"] == variant)
        assert [main[c] for c in shared] == [ablation[c] for c in shared]


def test_an_unknown_paper_table_is_refused():
    with pytest.raises(InputError, match=r"'dims': .* try main_results, ablation, geneol_sts"):
        paper_table("dims")
    assert len(PAPER_TABLES) == 3


# --- the queries and passages ----------------------------------------------------------------


def judgements() -> list[dict[str, str]]:
    text = FOLDER.joinpath("retrieval.csv").read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines(), strict=True))


def test_there_are_60_queries_and_300_passages_of_three_grades():
    rows = judgements()
    passages = [row["passage"].casefold() for row in rows]
    assert len(set(passages)) == len(passages) == 300
    assert set(Counter(row["query"] for row in rows).values()) == {5}
    assert len({row["query"] for row in rows}) == 60
    for query in {row["query"] for row in rows}:
        grades = Counter(row["relevance"] for row in rows if row["query"] == query)
        assert set(grades) == {"0", "1", "2"}, query
    others = {text.casefold() for text in demo_texts().texts}
    others |= {pair[side].casefold() for pair in pairs() for side in ("sentence1", "sentence2")}
    assert not others & {*passages, *(row["query"].casefold() for row in rows)}


def test_shared_words_lead_astray_more_often_than_not():
    """Of a query's own five passages the one that shares most words is seldom an answer."""
    rows = judgements()
    found = 0
    for query in dict.fromkeys(row["query"] for row in rows):
        own = [row for row in rows if row["query"] == query]
        closest = max(own, key=lambda row: overlap(query, row["passage"]))
        found += closest["relevance"] == "2"
    assert found <= 15
