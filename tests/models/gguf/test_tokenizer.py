"""Tokenizers out of GGUF headers, against transformers' own classes of the same vocabulary."""

import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gguf
import pytest
from tokenizers import AddedToken, Tokenizer

from embfilter_viz.models.formats.gguf_header import read_header
from embfilter_viz.models.gguf.account import NotRead
from embfilter_viz.models.gguf.tokenizer import (
    merges_by_score,
    tokenizer_files,
    why_texts_are_not_split,
)
from embfilter_viz.models.head.vocabulary import Vocabulary
from embfilter_viz.models.outline import Outline
from tests.models.gguf.exports import tokens
from tests.models.tiny_checkpoints import CORPUS

NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = range(1, 7)
TEXTS = (
    *CORPUS,
    "The cat's 3 toys cost $12,345.67 in 2024.\n\n1. First\r\n2.  Second\t\tthe cat",
    "naïve café — 東京 שלום 😀👩‍👩‍👧",
    "  two  spaces   three ",
    "<s> the </s> cat<extra>dog",
)


def write(path: Path, kind: str, architecture: str = "llama", **said: Any) -> Path:
    """A GGUF with a tokenizer and one tensor."""
    import numpy as np

    writer = gguf.GGUFWriter(path, architecture)
    writer.add_tokenizer_model(kind)
    for name, value in said.items():
        key = f"tokenizer.ggml.{name}"
        if isinstance(value, list):
            writer.add_array(key, value)
        elif isinstance(value, bool):
            writer.add_bool(key, value)
        elif isinstance(value, str):
            writer.add_string(key, value)
        else:
            writer.add_uint32(key, value)
    writer.add_tensor("token_embd.weight", np.zeros((4, 4), dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def byte_level(path: Path, pre: str, architecture: str = "llama", **more: Any) -> Path:
    listed, merges = tokens()
    listed = [*listed[:360], "<extra>"]
    types = [CONTROL if t in ("<s>", "</s>") else NORMAL for t in listed]
    types[-1] = USER_DEFINED
    said = {"tokens": listed, "token_type": types, "merges": merges, "pre": pre}
    ids = {"bos_token_id": 0, "eos_token_id": 1}
    return write(path, "gpt2", architecture, **(said | ids | more))


def sentencepiece(path: Path, architecture: str = "llama", **more: Any) -> Path:
    listed, scores = vocabulary_of_sentencepiece()
    types = [UNKNOWN, CONTROL, CONTROL, *[BYTE] * 256, *[NORMAL] * (len(listed) - 259)]
    said = {"tokens": listed, "scores": scores, "token_type": types}
    ids = {"unknown_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
    return write(path, "llama", architecture, **(said | ids | more))


def vocabulary_of_sentencepiece() -> tuple[list[str], list[float]]:
    """Control, bytes, and pieces with falling scores; single letters last, as trained models do."""
    text = "".join(CORPUS).replace(" ", "▁")
    letters = sorted(set(text))
    pieces = ["▁t", "he", "▁the", "at", "▁c", "▁cat", "an", "in", "▁s", "st", "▁st", "▁sto", "oc"]
    pieces += ["▁stoc", "▁stock", "▁▁", "en", "▁m", "▁mat", "on", "▁▁▁"]
    listed = ["<unk>", "<s>", "</s>", *(f"<0x{b:02X}>" for b in range(256)), *pieces, *letters]
    scores = [0.0] * 259 + [-float(i) for i in range(len(pieces) + len(letters))]
    return listed, scores


def built(path: Path) -> Tokenizer:
    return Tokenizer.from_str(tokenizer_files(read_header(path, "tiny")).tokenizer)


def same(ours: Tokenizer, theirs: Any) -> None:
    for text in TEXTS:
        ids = ours.encode(text, add_special_tokens=False).ids
        assert ids == theirs.encode(text, add_special_tokens=False), text
        back = theirs.decode(ids, clean_up_tokenization_spaces=False)
        assert ours.decode(ids, skip_special_tokens=False) == back


@pytest.mark.parametrize(
    ("pre", "kind"),
    [
        ("gpt-2", "GPT2Tokenizer"),
        ("qwen2", "Qwen2Tokenizer"),
        ("olmo", "GPTNeoXTokenizer"),
        ("command-r", "CohereTokenizer"),
    ],
)
def test_byte_level_as_transformers_own_class(pre: str, kind: str, tmp_path: Path) -> None:
    import transformers

    path = byte_level(tmp_path / "m.gguf", pre)
    header = read_header(path, "tiny")
    vocabulary = {t: i for i, t in enumerate(header.strings("tokenizer.ggml.tokens"))}
    merges = [tuple(m.split(" ")) for m in header.strings("tokenizer.ggml.merges")]
    special = {"unk_token": "<s>", "bos_token": "<s>", "eos_token": "</s>", "pad_token": "<s>"}
    theirs = getattr(transformers, kind)(vocab=vocabulary, merges=merges, **special)
    theirs.add_tokens([AddedToken("<extra>", normalized=False)])
    same(built(path), theirs)


def test_gemma_as_transformers_own_class(tmp_path: Path) -> None:
    """Runs of spaces come as spaces in such a file, and merges follow the order of the tokens."""
    from transformers import GemmaTokenizer

    listed, _ = vocabulary_of_sentencepiece()
    spaced = [" " * len(t) if set(t) == {"▁"} and len(t) > 1 else t for t in listed]
    types = [UNKNOWN, CONTROL, CONTROL, *[BYTE] * 256, *[NORMAL] * (len(listed) - 259)]
    types = [USER_DEFINED if not t.strip() else kind for t, kind in zip(spaced, types, strict=True)]
    path = sentencepiece(
        tmp_path / "m.gguf", "gemma2", tokens=spaced, token_type=types, add_space_prefix=False
    )
    vocabulary = {t: i for i, t in enumerate(listed)}
    merges = merges_by_score(vocabulary, [-float(i) for i in range(len(listed))])
    special = {"unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>", "pad_token": "<unk>"}
    same(built(path), GemmaTokenizer(vocab=vocabulary, merges=merges, **special))


def test_sentencepiece_merges_best_scores_first(tmp_path: Path) -> None:
    """Against the algorithm written out: of all neighbours, the pair whose whole scores best."""
    listed, scores = vocabulary_of_sentencepiece()
    vocabulary = {token: i for i, token in enumerate(listed)}
    ours = built(sentencepiece(tmp_path / "m.gguf"))
    for text in ("the cat", "stock the  cat", "a mat on the   stock", "cat 東"):
        expected = by_scores("▁" + text.replace(" ", "▁"), vocabulary, scores)
        assert ours.encode(text, add_special_tokens=False).tokens == expected


def by_scores(text: str, vocabulary: Mapping[str, int], scores: list[float]) -> list[str]:
    pieces = list(text)
    while True:
        joined = [
            (scores[vocabulary[a + b]], -i)
            for i, (a, b) in enumerate(itertools.pairwise(pieces))
            if a + b in vocabulary
        ]
        if not joined:
            break
        place = -max(joined)[1]
        pieces[place : place + 2] = ["".join(pieces[place : place + 2])]
    return [
        part
        for piece in pieces
        for part in ([piece] if piece in vocabulary else [f"<0x{b:02X}>" for b in piece.encode()])
    ]


@pytest.mark.parametrize("prefix", [True, False, None])
def test_the_space_before_a_text_is_as_the_file_says(tmp_path: Path, prefix: bool | None) -> None:
    said = {} if prefix is None else {"add_space_prefix": prefix}
    ours = built(sentencepiece(tmp_path / "m.gguf", **said))
    first = ours.encode("the", add_special_tokens=False).tokens
    assert first == (["t", "he"] if prefix is False else ["▁the"])
    ids = ours.encode("the cat", add_special_tokens=False).ids
    assert ours.decode(ids) == "the cat"


@pytest.mark.parametrize(
    ("kind", "said", "expected"),
    [
        ("sentencepiece", {}, "<s> the"),  # as llama.cpp does where a file does not say
        ("sentencepiece", {"add_bos_token": False}, "the"),
        ("sentencepiece", {"add_eos_token": True}, "<s> the </s>"),
        ("gpt-2", {}, "the"),
        ("llama-bpe", {}, "<s> the"),
        ("llama-bpe", {"add_bos_token": False}, "the"),
        ("qwen2", {"add_eos_token": True}, "the </s>"),
        ("gpt-2", {"add_bos_token": True, "add_eos_token": True}, "<s> the </s>"),
    ],
)
def test_bos_and_eos_are_added_as_the_file_says(
    tmp_path: Path, kind: str, said: dict[str, bool], expected: str
) -> None:
    path = tmp_path / "m.gguf"
    sentencepiece(path, **said) if kind == "sentencepiece" else byte_level(path, kind, **said)
    files = tokenizer_files(read_header(path, "tiny"))
    files.write(tmp_path)
    framed = Tokenizer.from_str(files.tokenizer).encode("the").tokens
    middle = [t for t in framed if t not in ("<s>", "</s>")]
    assert framed == [t for word in expected.split() for t in (middle if word == "the" else [word])]
    assert files.config["add_bos_token"] == ("<s>" in framed)
    vocabulary = Vocabulary.of(Outline("tiny", tmp_path, {}, ()), 384)
    assert vocabulary.opening == ((vocabulary.bos,) if "<s>" in framed else ())


def test_a_known_word_is_taken_whole_where_the_splitting_says_so(tmp_path: Path) -> None:
    """Llama 3's vocabulary has words that its merges do not make."""
    listed, merges = tokens()
    listed = [*listed[:360], "Ġgravitas"]
    for pre, expected in (("llama-bpe", 1), ("gpt-2", None)):
        path = byte_level(
            tmp_path / f"{pre}.gguf", pre, tokens=listed, token_type=[NORMAL] * 361, merges=merges
        )
        count = len(built(path).encode(" gravitas", add_special_tokens=False).ids)
        assert count == 1 if expected == 1 else count > 1


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"pre": "unheard-of"}, "splits texts as unheard-of"),
        ({"remove_extra_whitespaces": True}, "remove_extra_whitespaces"),
        ({"add_sep_token": True}, "add_sep_token"),
        ({"unheard_of": 1}, "tokenizer.ggml.unheard_of"),
        ({"pre": "smollm"}, None),
        ({"eot_token_id": 1, "suppress_tokens": [1]}, None),
    ],
)
def test_why_texts_are_not_split(tmp_path: Path, more: dict[str, Any], said: str | None) -> None:
    path = byte_level(tmp_path / "m.gguf", **({"pre": "gpt-2"} | more))
    found = why_texts_are_not_split(read_header(path, "tiny"))
    assert found is None if said is None else said in str(found)


def test_a_file_of_before_the_names_says_so_unless_it_is_gpt_2(tmp_path: Path) -> None:
    listed, merges = tokens()
    said = {"tokens": listed, "merges": merges}
    old = read_header(write(tmp_path / "l.gguf", "gpt2", "llama", **said), "tiny")
    assert "does not say how its tokenizer splits" in str(why_texts_are_not_split(old))
    own = read_header(write(tmp_path / "g.gguf", "gpt2", "gpt2", **said), "tiny")
    assert why_texts_are_not_split(own) is None


@pytest.mark.parametrize("kind", ["t5", "bert", "rwkv", "none"])
def test_other_kinds_are_refused(tmp_path: Path, kind: str) -> None:
    with pytest.raises(NotRead, match=f"of the kind {kind}"):
        tokenizer_files(read_header(write(tmp_path / "m.gguf", kind, tokens=["a"]), "tiny"))
