"""Reading what users have: every kind of file named in the issue, and a few worse ones."""

import csv
import io
import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embfilter_viz.errors import InputError
from embfilter_viz.texts import read_lines, read_texts

SENTENCES = [
    "The cat sat on the mat, and slept.",
    "Trains leave from platform nine today.",
    "She said hello; nobody answered her.",
    "Rain is expected over the northern hills.",
]


def csv_bytes(records, delimiter=",", encoding="utf-8"):
    buffer = io.StringIO(newline="")
    csv.writer(buffer, delimiter=delimiter).writerows(records)
    return buffer.getvalue().encode(encoding)


def told(table, words):
    return any(words in note for note in table.notes)


# -- .txt --------------------------------------------------------------------------------------


def test_lines_keep_their_numbers_when_blank_ones_go():
    table = read_texts(b"one\n\n  \ntwo\r\nthree\rfour", "a.txt")
    assert table.texts == ("one", "two", "three", "four")
    assert table.rows == (1, 4, 5, 6)
    assert table.labels is None
    assert table.columns == ()
    assert table.text_column is None
    assert told(table, "2 rows without text left out")


def test_a_line_is_not_ended_by_rarer_separators():
    assert read_texts("a\u2028b\x0bc\x85d\n".encode(), "a.txt").texts == ("a\u2028b\x0bc\x85d",)


def test_a_clean_file_needs_no_notes():
    assert read_texts("żółw\n😀 مرحبا\n".encode(), "a.txt").notes == ()


@pytest.mark.parametrize(
    ("encoding", "word"),
    [("utf-8-sig", None), ("utf-16", "UTF-16"), ("utf-32", "UTF-32"), ("latin-1", "cp1252")],
)
def test_encodings_are_found_and_told(encoding, word):
    text = "Das Café an der Straße\nÇa va très bien, señor\n"
    table = read_texts(text.encode(encoding), "a.txt")
    assert list(table.texts) == text.splitlines()
    assert (word is None and not table.notes) or told(table, word)


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("cp1251", "Сегодня утром в городе шёл сильный дождь, и улицы опустели. "),
        ("shift_jis", "今日は天気がいいので、公園まで散歩に行きました。とても楽しかったです。"),
        ("gb18030", "今天天气很好，我们一起去公园散步，然后在湖边吃了午饭。"),
    ],
)
def test_other_alphabets_are_recognised(encoding, text):
    table = read_texts("\n".join([text * 2] * 5).encode(encoding), "a.txt")
    assert table.texts[0] == text * 2
    assert told(table, "Not UTF-8")


def test_latin_1_bytes_that_windows_leaves_undefined_still_read():
    assert read_texts(b"caf\xe9 \x81\n", "a.txt").texts == ("café \x81",)


def test_one_bad_byte_does_not_turn_a_utf8_file_into_another_alphabet():
    data = ("één twee drie über\n" * 50).encode()
    table = read_texts(data[:-1] + b" \xff\n", "a.txt")
    assert table.texts[0] == "één twee drie über"
    assert told(table, "not valid UTF-8")


@pytest.mark.parametrize(
    ("data", "rule"),
    [
        (b"", "is empty"),
        (b"\n \n\t\n", "blank"),
        (b"\xef\xbb\xbf", "blank"),
        (b"GGUF\x03\x00\x00\x00" + bytes(range(256)), "NUL bytes"),
        (b"text\x00with nul\n", "NUL bytes"),
        ("plain".encode("utf-16-le"), "NUL bytes"),
        (bytes(range(1, 32)) * 20, "binary"),
        ("a\x00b".encode("utf-16"), "binary"),
        (b"\xff\xfea", "not valid utf-16"),
    ],
)
@pytest.mark.parametrize("name", ["a.txt", "a.csv"])
def test_what_is_no_text_is_refused_in_one_line(data, rule, name):
    with pytest.raises(InputError, match=rule) as caught:
        read_texts(data, name)
    assert "\n" not in str(caught.value)
    assert name in str(caught.value)


@pytest.mark.parametrize("name", ["a.xlsx", "a.json5", "a.pdf", "a.gguf"])
def test_other_kinds_are_refused(name):
    with pytest.raises(InputError, match=r"\.txt and \.csv"):
        read_texts(b"text", name)


def test_a_path_is_read_and_a_missing_one_named(tmp_path):
    path = tmp_path / "a.TXT"
    path.write_text("one\n")
    assert read_texts(path).source == "a.TXT"
    assert read_texts(str(path)).texts == ("one",)
    for missing in (tmp_path / "none.txt", tmp_path, tmp_path / "nul\0"):
        with pytest.raises(InputError, match="cannot be read"):
            read_texts(missing, "x.txt")


# -- .csv --------------------------------------------------------------------------------------


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_delimiter_header_and_columns_by_name(delimiter):
    records = [["id", "Topic", "Text"], *([str(i), "news", s] for i, s in enumerate(SENTENCES))]
    table = read_texts(csv_bytes(records, delimiter), "a.csv")
    assert list(table.texts) == SENTENCES
    assert table.labels == ("news",) * 4
    assert table.rows == (2, 3, 4, 5)
    assert table.columns == ("id", "Topic", "Text")
    assert (table.text_column, table.label_column) == (2, 1)
    assert told(table, "3 columns separated by")
    assert told(table, "first row names the columns")


def test_no_header():
    records = [[str(i), "x", s] for i, s in enumerate(SENTENCES)]
    table = read_texts(csv_bytes(records), "a.csv")
    assert list(table.texts) == SENTENCES
    assert table.rows == (1, 2, 3, 4)
    assert table.columns == ("column 1", "column 2", "column 3")
    assert table.labels is None
    assert told(table, "no header")
    by_index = read_texts(csv_bytes(records), "a.csv", label_column=0)
    assert by_index.labels == ("0", "1", "2", "3")
    forced = read_texts(csv_bytes(records), "a.csv", header=True)
    assert list(forced.texts) == SENTENCES[1:]
    assert forced.columns == ("0", "x", SENTENCES[0])


def test_an_unknown_header_is_known_by_the_numbers_or_the_lengths_below():
    by_number = read_texts(
        csv_bytes([["n", "what was said"], ["1", "Hello"], ["2", "Bye"]]), "a.csv"
    )
    assert by_number.texts == ("Hello", "Bye")
    by_length = read_texts(csv_bytes([["utterance"], *([s] for s in SENTENCES)]), "a.csv")
    assert list(by_length.texts) == SENTENCES


def test_one_column_of_sentences_is_not_cut_at_its_commas():
    data = "\n".join(["I came, I saw", "No comma here", "One, two, three", "Well, yes"]).encode()
    table = read_texts(data, "a.csv")
    assert table.texts == ("I came, I saw", "No comma here", "One, two, three", "Well, yes")
    assert told(table, "1 column; no header")
    assert read_texts(b"text\n" + data, "a.csv").texts == table.texts


def test_ten_columns_choose_the_longest_and_can_be_overridden():
    names = [f"c{i}" for i in range(10)]
    records = [
        names,
        *([f"v{i}{j}" if i != 6 else SENTENCES[j] for i in range(10)] for j in range(4)),
    ]
    data = csv_bytes(records)
    chosen = read_texts(data, "a.csv")
    assert chosen.text_column == 6
    assert told(chosen, "column 'c6'")
    for column in ("c2", "C2", 2):
        assert read_texts(data, "a.csv", text_column=column).texts[0] == "v20"
    assert read_texts(data, "a.csv", label_column="c9").labels == ("v90", "v91", "v92", "v93")
    for column in ("c10", 10, -1):
        with pytest.raises(InputError, match="choose one of"):
            read_texts(data, "a.csv", text_column=column)


def test_labels_can_be_declined_and_empty_ones_are_none():
    data = csv_bytes([["text", "label"], ["a b", ""], ["c d", " "]])
    table = read_texts(data, "a.csv")
    assert table.labels is None
    assert table.label_column is None
    assert told(table, "labels is empty")
    full = csv_bytes([["text", "label"], ["a b", "x"]])
    assert read_texts(full, "a.csv").labels == ("x",)
    assert read_texts(full, "a.csv", labelled=False).labels is None


def test_quoted_newlines_are_one_row():
    data = b'text,label\r\n"two\nlines, here",a\r\nplain,b\r\n'
    table = read_texts(data, "a.csv")
    assert table.texts == ("two\nlines, here", "plain")
    assert table.rows == (2, 3)


def test_empty_cells_and_blank_lines_are_counted_and_rows_stay_true():
    table = read_texts(b"text,label\nfirst,a\n,b\n\n   ,c\nlast,d\n\n", "a.csv")
    assert table.texts == ("first", "last")
    assert table.labels == ("a", "d")
    assert table.rows == (2, 6)
    assert told(table, "2 rows without text")
    assert told(table, "1 blank line skipped")


def test_ragged_rows_are_told():
    table = read_texts(b"text,label\na b,x\nc d\ne f,y,z,w\ng h,q\ni j,k\n", "a.csv")
    assert table.texts == ("a b", "c d", "e f", "g h", "i j")
    assert table.labels == ("x", "", "y", "q", "k")
    assert told(table, "1 row (first: row 4) with more cells")
    assert told(table, "1 row (first: row 3) with fewer cells")


def test_a_quotation_mark_that_never_closes_swallows_nothing():
    data = b'text\tlabel\n"Hello he said\tx\nNext one\ty\nLast one\tz\n'
    table = read_texts(data, "a.tsv")
    assert table.texts == ('"Hello he said', "Next one", "Last one")
    assert told(table, "do not pair up")


def test_stray_marks_that_happen_to_pair_swallow_nothing():
    data = b'text\tlabel\n"Hello he said\tx\nNext one\ty\n"Oh" she said\tz\n'
    table = read_texts(data, "a.tsv")
    assert table.texts == ('"Hello he said', "Next one", '"Oh" she said')


def test_marks_inside_cells_keep_the_quoted_commas():
    data = b'text,label\n"a, b",x\n"c" d,y\n"e, f",z\n'
    table = read_texts(data, "a.csv")
    assert table.texts == ("a, b", "c d", "e, f")
    assert told(table, "inside cells")


def test_one_row_with_and_without_a_header():
    assert read_texts(b"Only one sentence here", "a.csv").texts == ("Only one sentence here",)
    with pytest.raises(InputError, match="a header and no rows"):
        read_texts(b"text,label\n", "a.csv")
    with pytest.raises(InputError, match="no text in the column 'text'"):
        read_texts(b"text,label\n,x\n,y\n", "a.csv")


def test_repeated_and_empty_column_names_are_told_apart():
    table = read_texts(b"text,a,a,\nx y,1,2,3\n", "a.csv")
    assert table.columns == ("text", "a", "a (2)", "column 4")
    assert read_texts(b"text,a,a,\nx y,1,2,3\n", "a.csv", text_column="a (2)").texts == ("2",)


def test_a_cell_of_half_a_million_characters():
    long = "word " * 100_000
    assert read_texts(csv_bytes([["text"], [long]]), "a.csv").texts == (long,)


def test_a_hundred_thousand_rows_are_sampled_and_said():
    records = [["text", "label"], *([f"sentence {i}", str(i % 7)] for i in range(100_000))]
    data = csv_bytes(records)
    everything = read_texts(data, "a.csv")
    assert len(everything.texts) == 100_000
    assert not told(everything, "sample")
    table = read_texts(data, "a.csv", limit=500, seed=3)
    assert len(table.texts) == 500
    assert told(table, "sample of 500 of the 100,000 texts, seed 3")
    assert list(table.rows) == sorted(set(table.rows))
    for text, row, label in zip(table.texts, table.rows, table.labels, strict=True):
        number = int(text.removeprefix("sentence "))
        assert (row, label) == (number + 2, str(number % 7))
    assert table == read_texts(data, "a.csv", limit=500, seed=3)
    assert table.rows != read_texts(data, "a.csv", limit=500, seed=4).rows
    # Over the whole file, not its beginning: the mean row of 500 is within 5 standard errors.
    assert abs(sum(table.rows) / 500 - 50_000) < 5 * 28_868 / 500**0.5


def test_a_limit_must_leave_something():
    with pytest.raises(InputError, match="limit 0"):
        read_texts(b"a\nb\n", "a.txt", limit=0)


cells = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"], exclude_characters="\ufeff"),
    min_size=1,
).filter(str.strip)


@given(st.lists(st.tuples(cells, cells), min_size=1, max_size=8), st.sampled_from(",;\t"))
def test_what_the_csv_writer_writes_is_read_back(pairs, delimiter):
    data = csv_bytes([["text", "label"], *pairs], delimiter)
    table = read_texts(data, "a.csv")
    assert table.texts == tuple(text for text, _ in pairs)
    assert table.labels == tuple(label.strip() for _, label in pairs)


@given(st.binary(max_size=300), st.sampled_from(["a.txt", "a.csv"]))
def test_any_bytes_are_read_or_refused(data, name):
    try:
        table = read_texts(data, name)
    except InputError as refused:
        told_in = str(refused).splitlines()
        assert len(told_in) == 1
    else:
        assert len(table.texts) == len(table.rows) > 0
        assert all(text.strip() for text in table.texts)


# -- the FILE of the command line ---------------------------------------------------------------


def test_read_lines_keeps_every_line_in_order(tmp_path):
    path = tmp_path / "texts"
    path.write_bytes("  b\na , b\t\nb\n😀".encode())
    assert read_lines(path) == ["  b", "a , b\t", "b", "😀"]
    path.write_bytes(b"b\r\na\r\n")
    assert read_lines(str(path)) == ["b", "a"]


@pytest.mark.parametrize(("data", "line"), [(b"a\n\nb\n", 2), (b"\na\n", 1), (b"a\n \t\n", 2)])
def test_read_lines_names_the_blank_line(tmp_path, data, line):
    path = tmp_path / "texts.txt"
    path.write_bytes(data)
    with pytest.raises(InputError, match=rf"texts\.txt: line {line} is blank"):
        read_lines(path)


def test_read_lines_warns_of_the_encoding(tmp_path, caplog):
    path = tmp_path / "texts.txt"
    path.write_bytes(b"caf\xe9\n")
    with caplog.at_level(logging.WARNING):
        assert read_lines(path) == ["café"]
    assert "cp1252" in caplog.text


@pytest.mark.parametrize("data", [b"", b"\n", b"a\x00b"])
def test_read_lines_refuses_what_holds_no_texts(tmp_path, data):
    path = tmp_path / "texts.txt"
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"texts\.txt"):
        read_lines(path)
