"""Tables as people and benchmarks have them: no row lost, none joined, and all of it said."""

import gzip
import json
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embfilter_viz.errors import InputError
from embfilter_viz.evaluation.retrieval import RetrievalTask
from embfilter_viz.evaluation.tasks import read_task
from embfilter_viz.texts import preview_table, read_judged, read_lines, read_texts
from embfilter_viz.texts.quoting import split_rows
from embfilter_viz.texts.unpacking import LONGEST


def lines(*rows: str) -> bytes:
    return "\n".join(rows).encode()


# -- quotation marks ----------------------------------------------------------------------------


def lone_marks(rows: int, extra: str = "") -> list[str]:
    """Tab-separated pairs in which lone marks begin and end cells, as in the STS Benchmark."""
    marked = {3: '"{}', 5: '{}"', 9: '"{}" {}', 11: '"{}', 17: '{} "'}
    return [
        "\t".join(
            [marked.get(i % 19, "{}").replace("{}", f"A cat {i}"), f'Dog "{i}', f"{i % 6}.0"]
            + ([extra] if extra and i % 4 == 0 else [])
        )
        for i in range(rows)
    ]  # fmt: skip


@pytest.mark.parametrize("extra", ["", "source A\tsource B"])
@pytest.mark.parametrize("name", ["pairs.tsv", "pairs.csv"])
def test_lone_marks_swallow_no_row(name: str, extra: str) -> None:
    rows = lone_marks(137, extra)
    table = read_judged(lines("sentence1\tsentence2\tscore", *rows), "pairs", name)
    assert [one[:2] for one in table.rows] == [tuple(row.split("\t")[:2]) for row in rows]
    assert any("read as plain characters" in note for note in table.notes)
    assert any("35 rows (first: row 2) with more cells" in n for n in table.notes) == bool(extra)


def test_proper_quoting_stays_and_rows_of_several_lines_are_counted() -> None:
    data = lines("text,label", '"one, two",a', '"three', 'lines, ""here""",b', "plain,c")
    table = read_texts(data, "a.csv")
    assert table.texts == ("one, two", 'three\nlines, "here"', "plain")
    assert any("1 row (first: row 3) spans several lines" in note for note in table.notes)


def test_marks_that_quote_in_some_rows_and_not_in_others() -> None:
    rows = [f'"a {i}, b",x' for i in range(5)]
    table = read_texts(lines("text,label", *rows, '"never closed,y', "last one,z"), "a.csv")
    assert table.texts == (*(f"a {i}, b" for i in range(5)), '"never closed', "last one")
    assert any("in 1 they were read as plain" in note for note in table.notes)


@given(
    st.lists(st.lists(st.text('ab", ;\n', min_size=0, max_size=6), min_size=2, max_size=2),
             min_size=1, max_size=6),
    st.sampled_from(",;\t"),
)  # fmt: skip
def test_any_marks_are_read(rows: list[list[str]], delimiter: str) -> None:
    split = split_rows("\n".join(delimiter.join(row) for row in rows), delimiter)
    assert all(isinstance(cell, str) for row in split.rows for cell in row)


def test_many_open_marks_take_no_time() -> None:
    data = "text,label\n" + '"a, b",c\n' + '"x, y\n' * 10_000
    began = time.monotonic()
    read_texts(data.encode(), "a.csv")
    assert time.monotonic() - began < 5


# -- headers and what surrounds a table -----------------------------------------------------------


def test_many_columns_of_one_name_take_no_time() -> None:
    began = time.monotonic()
    row = ",".join(["a"] * 900)
    table = read_texts(lines(f"text,{row}", f"x y,{row}"), "a.csv")
    assert table.columns[1:4] == ("a", "a (2)", "a (3)")
    row = ",".join(["a"] * 10_000)
    with pytest.raises(InputError, match=r"has 10,001 columns, and at most 1,000 are read"):
        read_texts(lines(f"text,{row}", f"x y,{row}"), "a.csv")
    assert time.monotonic() - began < 5


LONG = [f"turn the lights off in the kitchen please {i}" for i in range(12)]


def test_the_index_of_pandas_and_a_spreadsheets_empty_columns() -> None:
    index = lines(",utterance,domain", *(f"{i},{text},d{i % 2}" for i, text in enumerate(LONG)))
    task = read_task("classification", index, "i.csv", columns={"text": "utterance",
                                                               "label": "domain"})  # fmt: skip
    assert task.texts == tuple(LONG)
    table = read_texts(index, "i.csv", text_column="utterance", label_column="domain")
    assert table.columns == ("column 1", "utterance", "domain")
    tails = lines("v1,v2,,,", *(f"d{i % 2},{text},,," for i, text in enumerate(LONG)), ",,,,")
    table = read_texts(tails, "t.csv")
    assert (table.columns, table.texts) == (("v1", "v2"), tuple(LONG))
    assert not any("more cells" in note for note in table.notes)
    assert read_task("classification", tails, "t.csv").n_units == 12  # the other column has labels


def test_a_short_first_row_is_data() -> None:
    rows = [f"They charged us twice and did not answer our letters {i}." for i in range(20)]
    for data, name in (
        (lines("Great!\t1", *(f"{row}\t{i % 2}" for i, row in enumerate(rows))), "r.tsv"),
        (lines('"Great!",1', *(f'"{row}",{i % 2}' for i, row in enumerate(rows))), "r.csv"),
    ):
        assert read_texts(data, name).texts == ("Great!", *rows)
        assert read_task("classification", data, name).n_units == 21
    data = lines("Yes.\tNo.\t0.5", *(f"{row}\t{row} too\t{i % 5}" for i, row in enumerate(rows)))
    assert len(read_judged(data, "pairs", "p.tsv").rows) == 21


@pytest.mark.parametrize("mark", [";", "\t", "|"])
def test_a_line_may_say_the_delimiter(mark: str) -> None:
    table = read_texts(lines(f"sep={mark}", f"text{mark}label", f"a, b{mark}x"), "a.csv")
    assert (table.texts, table.labels) == (("a, b",), ("x",))


def test_a_header_that_comes_again_is_no_row() -> None:
    table = read_texts(lines("text,label", "a b,x", "text,label", "c d,y"), "a.csv")
    assert table.texts == ("a b", "c d")
    assert any("1 row that repeats the header left out" in note for note in table.notes)


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("utf-16", "Łódź i Kraków"), ("utf-16-le", "The cat sat on the mat"),
        ("utf-16-be", "The cat sat on the mat"), ("cp1252", "Das Café an der Straße"),
        ("cp949", "오늘은 날씨가 좋아서 공원을 산책했습니다"),
        ("cp932", "今日は天気がいいので散歩に行きました"),
        ("euc_jp", "今日は天気がいいので散歩に行きました"),
        ("big5", "今天天氣很好我們去公園散步"), ("gb18030", "今天天气很好我们去公园散步"),
        ("cp1253", "Σήμερα ο καιρός είναι καλός και πάμε βόλτα"),
        ("cp1251", "Сегодня хорошая погода и мы гуляем"),
    ],
)  # fmt: skip
def test_code_pages_as_a_spreadsheet_would(encoding: str, text: str) -> None:
    content = "text,label\n" + "".join(f"{text} {i},a{i % 2}\n" for i in range(12))
    table = read_texts(content.encode(encoding), "a.csv")
    assert table.texts[:2] == (f"{text} 0", f"{text} 1")


# -- benchmarks by their layout -------------------------------------------------------------------

PAIRS = [(f'A cat {i} "sat', f"A dog {i}", f"{i % 6}.0") for i in range(12)]


@pytest.mark.parametrize(
    ("name", "header", "row"),
    [
        ("sts-test.csv", None, "main-news\tMSRpar\t2012test\t{i}\t{c}\t{a}\t{b}"),
        ("STS-B/dev.tsv",
         "index\tgenre\tfilename\tyear\told_index\tsource1\tsource2\tsentence1\tsentence2\tscore",
         "{i}\tmain-news\tx\t2012\t{i}\tnone\tnone\t{a}\t{b}\t{c}"),
        ("SICK_train.txt",
         "pair_ID\tsentence_A\tsentence_B\trelatedness_score\tentailment_judgment",
         "{i}\t{a}\t{b}\t{c}\tNEUTRAL"),
        ("msr_paraphrase_test.txt", "\ufeffQuality\t#1 ID\t#2 ID\t#1 String\t#2 String",
         "{c}\t{i}\t1{i}\t{a}\t{b}"),
        ("quora_duplicate_questions.tsv", "id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate",
         "{i}\t1{i}\t2{i}\t{a}\t{b}\t{c}"),
        ("test.jsonl", None, '{{"sentence1": {ja}, "sentence2": {jb}, "score": {c}}}'),
    ],
)  # fmt: skip
def test_pairs_of_benchmarks(name: str, header: str | None, row: str) -> None:
    rows = [
        row.format(i=i, a=a, b=b, c=c, ja=json.dumps(a), jb=json.dumps(b))
        for i, (a, b, c) in enumerate(PAIRS)
    ]
    table = read_judged(lines(*([header] if header else []), *rows), "pairs", Path(name).name)
    assert [(one.first, one.second, one.value) for one in table.rows] == [
        (a, b, float(c)) for a, b, c in PAIRS
    ]


def test_labelled_texts_of_benchmarks() -> None:
    news = lines(*(f'"{i % 4 + 1}","Title {i}","Stocks, bonds and oil fell {i}"'
                   for i in range(40)))  # fmt: skip
    task = read_task("classification", news, "train.csv")
    # As its loaders have it: title and description are one text.
    assert (task.n_units, task.texts[0]) == (40, "Title 0 Stocks, bonds and oil fell 0")
    assert "Read as AG News, by its rows." in task.notes
    named = b"Class Index,Title,Description\n" + news
    assert read_task("classification", named, "train.csv").texts == task.texts
    alone = read_task("classification", news, "train.csv", columns={"text": "description"})
    assert alone.texts[0] == "Stocks, bonds and oil fell 0"
    film = lines("sentence\tlabel", *(f"it 's \" fine {i} \t{i % 2}" for i in range(40)))
    assert read_task("classification", film, "dev.tsv").texts[0] == "it 's \" fine 0 "
    rows = [json.dumps({"text": f"a {i}", "label": i % 2, "label_text": "x"}) for i in range(40)]
    assert read_task("classification", lines(*rows), "test.jsonl").n_units == 40
    many = json.dumps({"sentences": LONG, "labels": ["a", "b"] * 6})
    assert read_task("clustering", lines(many), "test.jsonl").texts == tuple(LONG)
    two = json.dumps({"sent1": LONG, "sent2": LONG[::-1], "labels": [0, 1] * 6})
    assert read_task("pairs", lines(two), "test.jsonl").n_units == 12
    asked = [
        json.dumps({"query": f"q {i}", "positive": [f"p {i}"], "negative": [f"n {i}", "n"]})
        for i in range(12)
    ]
    task = read_task("retrieval", lines(*asked), "test.jsonl")
    assert isinstance(task, RetrievalTask)
    assert (task.n_units, len(task.passages)) == (12, 25)


def beir(folder: Path, passages: int = 40) -> Path:
    (folder / "qrels").mkdir(parents=True)
    corpus = [{"_id": f"d{i}", "title": "T", "text": f"passage {i}"} for i in range(passages)]
    queries = [{"_id": f"q{i}", "text": f"query {i}"} for i in range(15)]
    for name, objects in (("corpus.jsonl", corpus), ("queries.jsonl", queries)):
        (folder / name).write_text("\n".join(map(json.dumps, objects)))
    judged = [f"q{i}\td{i}\t{1 + i % 2}" for i in range(12)]
    (folder / "qrels" / "test.tsv").write_text(
        "\n".join(["query-id\tcorpus-id\tscore", *judged, "q1\tdnone\t1"])
    )
    return folder


def test_the_three_files_of_beir(tmp_path: Path) -> None:
    task = read_task("retrieval", beir(tmp_path / "set"))
    assert isinstance(task, RetrievalTask)
    assert (task.n_units, len(task.passages)) == (12, 40)
    assert (task.texts[0], task.texts[task.passages[0]]) == ("query 0", "T passage 0")
    assert any("13 judgements, 12 queries, 40 passages" in note for note in task.notes)
    assert any("1 judgement left out whose query or passage has no text" in n for n in task.notes)
    table = read_judged(tmp_path / "set", "retrieval", limit=20)
    assert len(table.rows) == 20
    qrels = tmp_path / "set" / "qrels" / "test.tsv"
    with pytest.raises(InputError, match=r"holds ids in the place of texts, in 'query-id'.*corpus"):
        read_task("retrieval", qrels)
    qrels.unlink()
    with pytest.raises(InputError, match=r"set: has no qrels/test\.tsv"):
        read_task("retrieval", tmp_path / "set")


def test_ids_without_a_header_are_refused() -> None:
    rows = [f"10{i}\tMED-2{i}7{i}\t1" for i in range(30)]
    with pytest.raises(InputError, match="ids in the place of texts, such as '100' and 'MED-2070'"):
        read_judged(lines(*rows), "retrieval", "q.tsv")


# -- other formats --------------------------------------------------------------------------------


def test_parquet_and_one_column_for_the_commands(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    table = pa.table({"id": [1, 2], "said": ["a cat", "a dog"], "v": [[1.0], [2.0]],
                      "label": ["x", None]})  # fmt: skip
    pq.write_table(table, path)
    found = read_texts(path, text_column="said")
    assert (found.texts, found.columns) == (("a cat", "a dog"), ("id", "said", "label"))
    assert found.labels == ("x", "")
    assert read_lines(path, "said") == ["a cat", "a dog"]
    assert preview_table(path, "labelled").guess == {"text": None, "label": 2}
    csv = tmp_path / "a.csv"
    csv.write_text("id,said\n1,a cat\n2,\n")
    with pytest.raises(InputError, match=r"a\.csv: row 3 has no text in the column 'said'"):
        read_lines(csv, "said")
    (tmp_path / "a.txt").write_text("a\n")
    with pytest.raises(InputError, match="no columns; drop it"):
        read_lines(tmp_path / "a.txt", "said")


@pytest.mark.parametrize(
    ("data", "name", "rule"),
    [
        (b"{}\n{", "a.jsonl", "line 2 is no JSON"), (b"3\n", "a.jsonl", "row 1 is no object"),
        (b"[" * 50_000, "a.jsonl", "line 1 is no JSON"), (b"PAR1", "a.parquet", "no Parquet file"),
        (b",,\n,,\n", "a.csv", "only empty cells"),
        (json.dumps({str(i): i for i in range(2000)}).encode(), "a.jsonl", "more than 1,000"),
    ],
)  # fmt: skip
def test_what_is_no_table_is_one_line(data: bytes, name: str, rule: str) -> None:
    with pytest.raises(InputError, match=rule) as refused:
        read_texts(data, name)
    assert "\n" not in str(refused.value)


# -- labels, scores and answers that are not there ------------------------------------------------


def test_rows_without_a_label_or_a_score_are_counted_and_left_out() -> None:
    rows = [f"text {i},{'ab'[i % 2]}" for i in range(20)]
    data = lines("text,label", *rows, "more,n/a", "again,", "twice,a", "twice,b", "twice,a")
    task = read_task("classification", data, "a.csv")
    assert task.n_units == 20
    assert "2 rows without a label left out (first: row 22)." in task.notes
    assert ("1 text left out that stands under several labels (first: 'twice' under 'a' and under "
            "'b').") in task.notes  # fmt: skip
    pairs = [f"a {i},b {i},{i % 5}" for i in range(20)]
    data = lines("sentence1,sentence2,score", *pairs, "x,y,N/A", "x,z,")
    task = read_task("sts", data, "a.csv")
    assert task.n_units == 20
    assert "2 rows without a score left out (first: row 22)." in task.notes


def test_a_query_is_not_its_own_answer() -> None:
    import numpy as np

    texts = [f"question {i}" for i in range(12)]
    judged = [(texts[i], texts[(i + 1) % 12], 1.0) for i in range(12)]
    task = RetrievalTask.of_judgements([*judged, (texts[0], texts[0], 1.0)], "by hand")
    assert "1 query is judged as its own answer; that does not count." in task.notes
    angles = 0.01 * np.arange(12)  # each is nearest to itself and then to its neighbours
    E = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    E = E[[texts.index(text) for text in task.texts]]
    ndcg = task.outcomes(E)[:, 0]
    assert ndcg[task.texts.index(texts[0])] == 1.0  # its own text would come first


RECORDS = [{"text": f"Cat {i} sat", "label": i % 2} for i in range(12)]


@pytest.mark.parametrize(
    "said",
    [
        RECORDS,
        {"text": [one["text"] for one in RECORDS], "label": [one["label"] for one in RECORDS]},
    ],
    ids=["records", "columns"],
)
def test_json_of_records_or_columns(said: object) -> None:
    found = read_texts(json.dumps(said, indent=1).encode(), "reviews.json")
    assert found.texts == tuple(str(one["text"]) for one in RECORDS)
    assert found.labels == ("0", "1") * 6
    by_line = "\n".join(map(json.dumps, RECORDS)).encode()
    assert read_texts(by_line, "reviews.json").texts == found.texts


@pytest.mark.parametrize("said", ["[1, 2]", "3", '{"text": ', "[[]]"])
def test_json_of_something_else_is_refused_in_one_line(said: str) -> None:
    with pytest.raises(InputError, match=r"is no object|is no JSON") as refusal:
        read_texts(said.encode(), "reviews.json")
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("ending", [".csv", ".tsv", ".jsonl", ".json", ".txt", ".parquet"])
def test_compressed_files_are_those_in_them(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"reviews{ending}"
    if ending == ".parquet":
        import pandas as pd

        pd.DataFrame(RECORDS).to_parquet(path)
    else:
        path.write_bytes({
            ".csv": b"text,label\nA cat,a\nA dog,b\n", ".tsv": b"text\tlabel\nA cat\ta\n",
            ".jsonl": b'{"text": "A cat"}\n', ".json": b'[{"text": "A cat"}]', ".txt": b"A cat\n",
        }[ending])  # fmt: skip
    packed = tmp_path / f"{path.name}.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    assert read_texts(packed).texts == read_texts(path).texts
    assert read_lines(packed) == read_lines(path)


def test_a_bomb_and_damage_are_refused_in_one_line() -> None:
    import tracemalloc

    bomb = gzip.compress(bytes(LONGEST * 2))
    tracemalloc.start()
    with pytest.raises(InputError, match=r"b\.csv\.gz: holds more than 64 MB; unpack it"):
        read_texts(bomb, "b.csv.gz")
    assert tracemalloc.get_traced_memory()[1] < 3 * LONGEST
    tracemalloc.stop()
    whole = gzip.compress(b"text,label\nA cat,a\n" * 99)
    for data in (b"text,label", whole[:-9], whole[:12] + b"x" * 9 + whole[21:], b""):
        with pytest.raises(InputError, match=r"no gzip file, or a damaged one|is empty"):
            read_texts(data, "b.csv.gz")
    with pytest.raises(InputError, match="does not say what it holds"):
        read_texts(whole, "b.gz")


LANGUAGES = {
    # Article 1 of the Universal Declaration of Human Rights, and what is not in it.
    "cp1250": (
        "Wszyscy ludzie rodzą się wolni i równi pod względem swej godności i swych praw.",
        "Všichni lidé rodí se svobodní a sobě rovní co do důstojnosti a práv.",
        "Všetci ľudia sa rodia slobodní a sebe rovní, čo sa týka ich dôstojnosti a práv.",
        "Minden emberi lény szabadon születik és egyenlő méltósága és joga van; fű, nő.",
        "Toate fiinţele umane se nasc libere şi egale în demnitate şi în drepturi, fără.",
        "Sva ljudska bića rađaju se slobodna i jednaka u dostojanstvu i pravima: čovjek.",
    ),
    "cp1254": ("Bütün insanlar hür, haysiyet ve haklar bakımından eşit doğarlar. Akıl ve vicdan.",),
    "cp1252": (
        "Tous les êtres humains naissent libres et égaux en dignité. Ça, où, garçon, œuvre.",
        "Alle Menschen sind frei und gleich an Würde geboren. Straße, schön, Brüderlichkeit.",
        "Todos os seres humanos nascem livres. Razão, consciência, não, mãe, ações, três.",
        "Todos los seres humanos nacen libres. ¿Qué? Razón, año, niño, mañana, dignidad.",
        "Hver maður er borinn frjáls og jafn öðrum að virðingu og réttindum. Þeir, æ, ýmis.",
        "Alle mennesker er født frie og lige i værdighed og rettigheder, broderskabets ånd.",
    ),
}


@pytest.mark.parametrize(
    ("page", "text"), [(page, one) for page, texts in LANGUAGES.items() for one in texts]
)
def test_pages_of_the_latin_alphabet_are_told_by_their_letters(page: str, text: str) -> None:
    table = f"text,label\n{text.replace(',', '')},a\nplain,b\n"
    pages = {"cp1250": (page, "iso8859_2"), "cp1254": (page, "iso8859_9")}.get(page, (page,))
    for one in pages:
        found = read_texts(table.encode(one), "reviews.csv")
        assert found.texts[0] == text.replace(",", "")
