"""What people really type and upload: answered in a line, or simply shown."""

from pathlib import Path

import numpy as np
import pytest

from tests.models.tiny_checkpoints import build_model, byte_level_tokenizer, write_checkpoint
from tests.pages.explorer import Explorer

WEIRD = {
    "emoji": "🎻👩🏽‍🚀🏳️‍🌈 plays",
    "right to left": "امرأة تعزف على الكمان تحت الجسر \u202eabc",
    "markup": "**bold** $x^2$ <img src=x onerror=alert(1)> [link](javascript:alert(1)) `code`",
    "controls": "a\u0000b\u200bc\td\ne",
    "one character": "x",
    "newlines": "one\n\n\ntwo",
}


def test_an_empty_text_is_one_line(tiny: Path) -> None:
    explorer = Explorer("filter_and_lens", model=str(tiny))
    for empty in ("", "   \n\t "):
        explorer.change("text", empty)
        (error,) = explorer.errors
        assert "empty" in error
    explorer.change("text", "the cat")
    assert explorer.errors == []
    assert explorer.figures


@pytest.mark.parametrize("name", WEIRD)
def test_weird_texts_are_read_like_any_other(name: str, tiny: Path) -> None:
    for page, box, key in (
        ("start", "first_text", "start_alike"), ("filter_and_lens", "text", "ranks_chart")
    ):  # fmt: skip
        explorer = Explorer(page, model=str(tiny), **{box: WEIRD[name]})
        assert explorer.errors == []
        assert explorer.control(box).value == WEIRD[name]
        assert key in explorer.figures


def test_fifty_thousand_characters(tiny: Path) -> None:
    explorer = Explorer("filter_and_lens", model=str(tiny))
    explorer.change("text", "the cat sat on the mat. " * 2084)
    assert explorer.errors == []
    assert "longer than 512 tokens" in explorer.words
    assert "longer than 1,500 characters" in explorer.words
    assert explorer.figures >= {"ranks_chart", "layers_chart"}


def upload(tiny: Path, name: str, content: bytes) -> Explorer:
    """The Geometry page with a file of the reader's."""
    explorer = Explorer("geometry", model=str(tiny), texts="your file", prompt="last")
    assert explorer.figures == set()
    return explorer.change("upload", (name, content, "text/plain"))


def upload_column(explorer: Explorer, what: str) -> str:
    """The key of the control that says which column is what."""
    (key,) = [b.key for b in explorer.at.selectbox if b.key.startswith(f"upload-{what}-")]
    return key


def embedded(explorer: Explorer) -> Explorer:
    """The same with its texts embedded."""
    explorer.press("Embed")
    assert explorer.errors == []
    assert explorer.figures == {"isotropy_chart", "histogram_chart", "map_chart"}
    return explorer


def test_without_a_file_nothing_happens_and_no_error_shows(tiny: Path) -> None:
    explorer = Explorer("geometry", model=str(tiny), texts="your file")
    assert explorer.errors == []
    assert explorer.figures == set()


def test_a_table_without_a_header(tiny: Path) -> None:
    rows = "".join(f"{i},A text about the number {i} and cats,pets\n" for i in range(12))
    explorer = embedded(upload(tiny, "bare.csv", rows.encode()))
    assert "no header: the first row is data" in explorer.words
    assert explorer.control(upload_column(explorer, "text")).value == "column 2"
    explorer.change(upload_column(explorer, "label"), "column 3")
    assert explorer.errors == []
    labels = {trace.get("name") for trace in explorer.figure("map_chart")["data"]}
    assert "pets" in labels


def test_a_table_with_ten_columns(tiny: Path) -> None:
    header = ",".join(["id", *(f"x{i}" for i in range(7)), "text", "topic"])
    rows = [f"{i},1,2,3,4,5,6,7,Text {i} on the cat,t{i % 2}" for i in range(10)]
    explorer = embedded(upload(tiny, "ten.csv", "\n".join([header, *rows]).encode()))
    assert explorer.control(upload_column(explorer, "text")).value == "text"
    assert explorer.control(upload_column(explorer, "label")).value == "topic"
    assert "10 columns separated by comma" in explorer.words
    explorer.change(upload_column(explorer, "text"), "id")
    assert explorer.button("Embed").label.startswith("Embed 10 texts")


def test_a_hundred_thousand_rows_are_sampled_and_said_so(tiny: Path) -> None:
    content = "text\n" + "".join(f"The cat {i} sat\n" for i in range(100_000))
    explorer = upload(tiny, "long.csv", content.encode())
    assert explorer.errors == []
    assert "A random sample of 20,000 of the 100,000 texts, seed 0." in explorer.words
    assert explorer.button("Embed").label.startswith("Embed 20,000 texts")


def test_latin_1(tiny: Path) -> None:
    lines = [f"Das Café in der Straße {i} öffnet früh." for i in range(8)]
    explorer = embedded(upload(tiny, "caf\u00e9.txt", "\n".join(lines).encode("latin-1")))
    assert explorer.at.text[0].value == lines[0]
    assert "not UTF-8" in explorer.words or "read as" in explorer.words


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("photo.txt", b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + bytes(range(256)) * 8, "binary"),
        ("empty.txt", b"", "empty"),
        ("blank.txt", b"\n \n\t\n", "text"),
        ("header.csv", b"text,label\n", "no rows"),
        ("empty.csv", b"", "empty"),
    ],
)
def test_a_file_that_holds_no_texts_is_one_line(
    name: str, content: bytes, said: str, tiny: Path
) -> None:
    explorer = upload(tiny, name, content)
    (error,) = explorer.errors
    assert name in error
    assert said in error
    assert "\n" not in error
    assert explorer.figures == set()


def test_one_text_alone_is_answered_in_one_line(tiny: Path) -> None:
    explorer = upload(tiny, "one.txt", b"a single text")
    explorer.press("Embed")
    (error,) = explorer.errors
    assert "fault of ours" not in error
    assert "two" in error or "2" in error


def test_texts_and_labels_with_markup_stay_plain(tiny: Path) -> None:
    rows = [f'"{WEIRD["markup"]} {i}","<b>$x$</b> **topic** {i % 2}"' for i in range(10)]
    explorer = embedded(upload(tiny, "markup.csv", "\n".join(["text,label", *rows]).encode()))
    figure = explorer.figure("map_chart")
    for trace in figure["data"]:
        for text in [trace.get("name") or "", *(trace.get("text") or [])]:
            assert "<img" not in text
            assert "<b>" not in text
            assert "$" not in text
    for written in explorer.at.markdown:
        if "topic" in written.value and written.value.startswith("**On this model:**"):
            assert "<b>" not in written.value
            assert r"\$x\$" in written.value


def damaged(folder: Path) -> Path:
    """A tiny checkpoint with one NaN in its head."""
    from safetensors.numpy import load_file, save_file

    write_checkpoint(folder)
    path = folder / "model.safetensors"
    tensors = load_file(path)
    (head,) = [name for name in tensors if "lm_head" in name]
    tensors[head] = tensors[head].copy()
    tensors[head][7, 3] = np.nan
    save_file(tensors, path, {"format": "pt"})
    return folder


@pytest.mark.parametrize("page", ["start", "spectrum", "geometry"])
def test_nan_in_the_head(page: str, tmp_path: Path) -> None:
    explorer = Explorer(page, model=str(damaged(tmp_path / "nan")))
    (error,) = explorer.errors
    assert "NaN" in error
    assert "fault of ours" not in error
    assert explorer.figures == set()


def test_an_encoder_has_no_head(tmp_path: Path) -> None:
    from transformers import BertConfig, BertModel

    config = BertConfig(
        vocab_size=384, hidden_size=32, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=48,
    )  # fmt: skip
    BertModel(config).save_pretrained(tmp_path)
    byte_level_tokenizer().save(str(tmp_path / "tokenizer.json"))
    explorer = Explorer("start", model=str(tmp_path))
    (error,) = explorer.errors
    assert "bert" in error.lower()
    assert "fault of ours" not in error


def test_pickled_weights_are_refused(tmp_path: Path) -> None:
    build_model("llama").config.save_pretrained(tmp_path)
    (tmp_path / "pytorch_model.bin").write_bytes(b"\x80\x04.")
    explorer = Explorer("start", model=str(tmp_path))
    (error,) = explorer.errors
    assert "pickle" in error


def test_a_second_model_of_another_width_lies_over_the_first(tiny: Path, tmp_path: Path) -> None:
    wider = write_checkpoint(tmp_path / "wide", hidden_size=64).folder
    explorer = Explorer("spectrum", model=str(tiny), second=str(wider))
    assert explorer.errors == []
    figure = explorer.figure("spectrum_chart")
    assert "i / d" in figure["layout"]["xaxis"]["title"]["text"]
    names = [trace.get("name") for trace in figure["data"][:2]]
    assert names[0] != names[1]
    explorer.change("head", "centred").change("axis", "linear")
    assert explorer.errors == []


def test_a_run_of_compare_is_no_second_model(tiny: Path) -> None:
    run = f"{tiny} · mean · 2"
    explorer = Explorer("spectrum", model=str(tiny), second=run)
    assert explorer.errors == []
    assert explorer.control("second_model").value is None
    explorer.change("second_model", str(tiny))
    assert explorer.errors == []
    assert explorer.control("second_model").value == str(tiny)


def test_a_second_model_that_does_not_open_leaves_the_first(tiny: Path) -> None:
    explorer = Explorer("spectrum", model=str(tiny), second_model="/no/such/folder")
    (error,) = explorer.errors
    assert "/no/such/folder" in error
    assert "spectrum_chart" in explorer.figures


def test_tokens_with_markup_stay_plain(tmp_path: Path) -> None:
    folder = hostile_checkpoint(tmp_path / "hostile")
    for page in ("start", "spectrum", "average_token", "filter_and_lens"):
        explorer = Explorer(page, model=str(folder))
        assert explorer.errors == []
        for html in explorer.at.get("html"):
            assert "<img" not in html.value
        for key in explorer.figures:
            data = explorer.parts[key]["traces"] + explorer.parts[key]["layout"]
            assert "<img" not in data
            assert "\\u003cimg" not in data
            assert "$x$" not in data


def hostile_checkpoint(folder: Path) -> Path:
    """A checkpoint whose vocabulary is written by somebody who means ill."""
    from tests.browser.hostile import write_hostile_checkpoint

    return write_hostile_checkpoint(folder)
