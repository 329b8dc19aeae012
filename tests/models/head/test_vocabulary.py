import json

import pytest
from tokenizers import Tokenizer, decoders, models

from embfilter_viz.errors import InputError
from embfilter_viz.models.head.ordinary import ordinary_tokens
from embfilter_viz.models.head.vocabulary import Vocabulary, visible
from tests.models.tiny_checkpoints import (
    BOS,
    byte_level_tokenizer,
    sentencepiece_tokenizer,
    write_checkpoint,
)

TEXTS = [
    "the cat sat on the mat",
    " leading space, trailing ",
    "line\nbreak\tand tab",
    "naïve café 😀 שלום 漢字",
    'quotes " braces {text} {0} %s \\n',
]


@pytest.mark.parametrize("text", TEXTS)
def test_the_texts_of_byte_level_tokens_spell_the_text(text):
    vocabulary = Vocabulary(byte_level_tokenizer(), 400)
    said = "".join(vocabulary.texts(vocabulary.encode(text)))
    bytes_shown = text.encode().decode("ascii", errors="surrogateescape")
    expected = "".join(f"\\x{ord(c) - 0xDC00:02X}" if ord(c) > 0xDC00 else c for c in bytes_shown)
    assert said == expected  # the tiny tokenizer has no whole character beyond ASCII


def test_byte_level_agrees_with_the_tokenizers_own_decoder_on_whole_characters():
    tokenizer = byte_level_tokenizer()
    vocabulary = Vocabulary(tokenizer, 400)
    for id in range(2, tokenizer.get_vocab_size()):
        own = tokenizer.decode([id])
        if "\ufffd" not in own:
            assert vocabulary.text(id) == own


def test_sentencepiece_spaces_and_bytes():
    vocabulary = Vocabulary(sentencepiece_tokenizer(), 400)
    newline = vocabulary.tokenizer.token_to_id("<0x0A>")
    emoji_byte = vocabulary.tokenizer.token_to_id("<0xF0>")
    word = vocabulary.encode("the")[0]
    assert vocabulary.texts([newline, emoji_byte, word]) == ["\n", "\\xF0", " the"]
    assert vocabulary.encode("a\nb").count(newline) == 1


def test_special_tokens_are_shown_as_they_are():
    vocabulary = Vocabulary(byte_level_tokenizer(), 400)
    assert vocabulary.text(0) == BOS


def test_wordpiece_and_plain_tokens():
    tokenizer = Tokenizer(models.WordPiece({"un": 0, "##do": 1}, unk_token="un"))
    tokenizer.decoder = decoders.WordPiece()
    assert Vocabulary(tokenizer, 2).texts([0, 1]) == [" un", "do"]
    tokenizer.decoder = None
    assert Vocabulary(tokenizer, 2).texts([0, 1]) == ["un", "##do"]


def test_rows_beyond_the_tokenizer_and_beyond_the_matrix():
    vocabulary = Vocabulary(byte_level_tokenizer(), 400)
    assert vocabulary.size < 399
    assert vocabulary.text(399) == "<unused 399>"
    for id in (-1, 400):
        with pytest.raises(IndexError, match="from 0 to 399"):
            vocabulary.text(id)


def test_every_row_has_a_text():
    for tokenizer in (byte_level_tokenizer(), sentencepiece_tokenizer()):
        assert all(Vocabulary(tokenizer, 400).texts(range(400)))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (" the", "·the"),
        ("\r\n\t", "␍⏎⇥"),
        ("\x00\u202e\u2028", "⟨U+0000⟩⟨U+202E⟩⟨U+2028⟩"),
        ("\u00a0", "⍽"),
        ("שלום 😀", "שלום·😀"),
        ("", ""),
    ],
)
def test_visible(text, shown):
    assert visible(text) == shown


def test_opening_follows_the_tokenizer():
    assert Vocabulary(byte_level_tokenizer(), 400).opening == ()
    assert Vocabulary(byte_level_tokenizer(adds_bos=True), 400).opening == (0,)


def test_a_checkpoint_says_its_special_tokens(tmp_path):
    checkpoint = write_checkpoint(tmp_path)
    vocabulary = Vocabulary.of(checkpoint.outline, 384)
    assert (vocabulary.bos, vocabulary.eos) == (0, 1)
    (tmp_path / "tokenizer_config.json").unlink()
    vocabulary = Vocabulary.of(checkpoint.outline, 384)  # config.json knows the ids
    assert (vocabulary.bos, vocabulary.eos) == (0, 1)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"eos_token_id": [3, 4]}))
    assert Vocabulary.of(checkpoint.outline, 384).eos == 3


def test_truncation_and_padding_of_the_file_are_switched_off(tmp_path):
    checkpoint = write_checkpoint(tmp_path)
    tokenizer = byte_level_tokenizer()
    tokenizer.enable_truncation(4)
    tokenizer.enable_padding(length=20)
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    vocabulary = Vocabulary.of(checkpoint.outline, 400)
    assert len(vocabulary.encode("zzzzzzzzzz")) == 10
    assert len(vocabulary.encode("z")) == 1


@pytest.mark.parametrize("content", ["{", '{"model": 1}'])
def test_no_readable_tokenizer_is_one_clear_line(content, tmp_path):
    checkpoint = write_checkpoint(tmp_path)
    (tmp_path / "tokenizer.json").write_text(content)
    with pytest.raises(InputError, match=r"tokenizer\.json") as refused:
        Vocabulary.of(checkpoint.outline, 384)
    assert "\n" not in str(refused.value)


def test_a_lone_surrogate_is_no_text():
    with pytest.raises(InputError, match="not valid Unicode"):
        Vocabulary(byte_level_tokenizer(), 400).encode("\ud83d")


@pytest.mark.parametrize(
    ("make", "token", "kind"),
    [
        (byte_level_tokenizer, BOS, "added"),
        (byte_level_tokenizer, "a", "text"),
        (byte_level_tokenizer, "Ġthe", "text"),
        (byte_level_tokenizer, "Ċ", "text"),  # a newline
        (byte_level_tokenizer, "â", "bytes"),  # the first of three bytes of a dash
        (byte_level_tokenizer, "Ā", "bytes"),  # NUL
        (sentencepiece_tokenizer, "<0x0A>", "bytes"),
        (sentencepiece_tokenizer, "<0x61>", "bytes"),  # a, which has its own token
        (sentencepiece_tokenizer, "<unk>", "added"),
        (sentencepiece_tokenizer, "▁the", "text"),
    ],
)
def test_kinds_of_rows(make, token, kind):
    vocabulary = Vocabulary(make(), 400)
    assert vocabulary.kind(vocabulary.tokenizer.token_to_id(token)) == kind
    assert vocabulary.kind(399) == "unused"
    with pytest.raises(IndexError, match="from 0 to 399"):
        vocabulary.kind(400)


@pytest.mark.parametrize(
    ("token", "kind"),
    [
        ("<unused12>", "added"),
        ("[unused3]", "added"),
        ("<|reserved_special_token_5|>", "added"),
        ("<extra_id_0>", "added"),
        ("<table>", "text"),
        ("unused", "text"),
        ("▁▁", "text"),
        ("\t\t", "text"),
        ("\x02", "bytes"),
    ],
)
def test_reserved_names_and_control_characters(token, kind):
    tokenizer = Tokenizer(models.WordLevel({token: 0}, unk_token=token))
    assert Vocabulary(tokenizer, 1).kind(0) == kind


def test_tokens_of_text_are_those_that_ordinary_text_is_made_of():
    vocabulary = Vocabulary(byte_level_tokenizer(), 400)
    found = ordinary_tokens(vocabulary)
    used = {id for text in TEXTS[:3] for id in vocabulary.encode(text)}
    assert used <= set(found.ids.tolist())
    assert found.left_out["bytes"] >= 128 + 29  # halves of characters, control characters
    assert not found.ids.flags.writeable


def test_a_vocabulary_of_text_alone_says_so():
    tokenizer = Tokenizer(models.WordLevel({"a": 0, "b": 1}, unk_token="a"))
    found = ordinary_tokens(Vocabulary(tokenizer, 2))
    assert found.sentence == "All rows of W_U are tokens of text."
