"""How each name splits texts: by hand, and as transformers' own classes and published files do."""

import json
from typing import Any

import pytest
from tokenizers import Regex, Tokenizer, models, pre_tokenizers

from embfilter_viz.models.gguf.splitting import SPLITTINGS

LETTER_OF_BYTE = {" ": "Ġ", "\n": "Ċ", "\r": "č", "\t": "ĉ"}


def pieces(name: str, text: str) -> list[str]:
    """What a text is split into, spaces and newlines as they are."""
    steps = pre_tokenizers.Sequence([step() for step in SPLITTINGS[name].steps])
    back = {letter: byte for byte, letter in LETTER_OF_BYTE.items()}
    return ["".join(back.get(c, c) for c in piece) for piece, _ in steps.pre_tokenize_str(text)]


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        # SmolLM2, StarCoder: digits first and one by one, so newlines before them stay together.
        ("smollm", "\n\n1.", ["\n\n", "1", "."]),
        ("starcoder", "x = 1234", ["x", " =", " ", "1", "2", "3", "4"]),
        ("gpt-2", "\n\n1.", ["\n", "\n", "1", "."]),
        ("gpt-2", "x = 1234's", ["x", " =", " 1234", "'s"]),
        ("gpt-2", "I'VE", ["I", "'", "VE"]),
        # Llama 3: at most three digits, newlines with signs before them, capitals in I'VE.
        ("llama-bpe", "I'VE 12345\n\n1.", ["I", "'VE", " ", "123", "45", "\n\n", "1", "."]),
        ("llama-bpe", "end.\n\nNew", ["end", ".\n\n", "New"]),
        ("qwen2", "a 123\n\n1.", ["a", " ", "1", "2", "3", "\n\n", "1", "."]),
        ("stablelm2", "a 123\n\n1.", ["a", " ", "1", "2", "3", "\n\n", "1", "."]),
        # DeepSeek: newlines one by one, a space with the letters or signs after it, digits alone.
        ("deepseek-llm", "a  b\n\n1.5!", ["a", " ", " b", "\n", "\n", "1", ".", "5", "!"]),
        ("deepseek-coder", "if(x)\n\t12", ["if", "(", "x", ")", "\n", "\t", "1", "2"]),
        ("deepseek-v3", "a_b 1234", ["a", "_b", " ", "123", "4"]),
        # Falcon: signs together, then GPT-2's words, numbers apart from spaces, three digits each.
        ("falcon", "a!? 12345", ["a", "!?", " ", "123", "45"]),
        ("default", "a!? 12345", ["a", "!?", " ", "123", "45"]),
        ("bloom", "a 123, b", ["a", " 123", ",", " b"]),
        # o200k and Tekken: a word ends where small letters do.
        ("gpt-4o", "CamelCase's 1234", ["Camel", "Case's", " ", "123", "4"]),
        ("tekken", "CamelCase's 12", ["Camel", "Case", "'s", " ", "1", "2"]),
    ],
)
def test_splits_by_hand(name: str, text: str, expected: list[str]) -> None:
    assert pieces(name, text) == expected


TEXTS = (
    "The cat's 3 toys cost $12,345.67 in 2024.\n\n1. First\r\n2.  Second\t\tTHIRD I'LL don't",
    "naïve café — “quotes”… 東京タワー 한국어 שלום ½ ² 😀👩‍👩‍👧 x_1+y=z `code` http://a.b/c?d=e",
    "  leading, trailing  ",
)


def own_splitting(kind: str) -> Any:
    """What a class of transformers splits with."""
    import transformers

    if kind == "Qwen3_5Tokenizer":
        from transformers.models.qwen3_5.tokenization_qwen3_5 import Qwen3_5Tokenizer as found
    else:
        found = getattr(transformers, kind)
    return found(vocab={"a": 0, "<unk>": 1}, merges=[]).backend_tokenizer


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("gpt-2", "GPT2Tokenizer"),
        ("olmo", "GPTNeoXTokenizer"),
        ("mpt", "GPTNeoXTokenizer"),
        ("command-r", "CohereTokenizer"),
        ("qwen2", "Qwen2Tokenizer"),
        ("qwen35", "Qwen3_5Tokenizer"),
    ],
)
def test_splits_and_composes_as_transformers_own_class(name: str, kind: str) -> None:
    theirs = own_splitting(kind)
    ours = pre_tokenizers.Sequence([step() for step in SPLITTINGS[name].steps])
    for text in TEXTS:
        assert ours.pre_tokenize_str(text) == theirs.pre_tokenizer.pre_tokenize_str(text)
    composes = theirs.normalizer is not None and theirs.normalizer.normalize_str("é") == "é"
    assert SPLITTINGS[name].composed == composes


# Pre-tokenizers as the tokenizer.json of SmolLM2, DeepSeek-V3 and Llama 3 have them.
_PUBLISHED: dict[str, Any] = {
    "smollm": [
        {"type": "Digits", "individual_digits": True},
        {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True},
    ],
    "llama-bpe": [
        {
            "type": "Split",
            "pattern": {
                "Regex": "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}|"
                " ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
            },
            "behavior": "Isolated",
            "invert": False,
        },
        {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False},
    ],
}


@pytest.mark.parametrize("name", _PUBLISHED)
def test_splits_as_published(name: str) -> None:
    state = json.loads(Tokenizer(models.BPE()).to_str())
    state["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": _PUBLISHED[name]}
    theirs = Tokenizer.from_str(json.dumps(state)).pre_tokenizer
    ours = pre_tokenizers.Sequence([step() for step in SPLITTINGS[name].steps])
    assert theirs is not None
    for text in TEXTS:
        assert ours.pre_tokenize_str(text) == theirs.pre_tokenize_str(text)


@pytest.mark.parametrize("name", sorted(SPLITTINGS))
def test_no_splitting_loses_a_character(name: str) -> None:
    steps = pre_tokenizers.Sequence([step() for step in SPLITTINGS[name].steps])
    alphabet = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    for text in TEXTS:
        whole = "".join(piece for piece, _ in alphabet.pre_tokenize_str(text))
        assert "".join(piece for piece, _ in steps.pre_tokenize_str(text)) == whole


def test_patterns_are_read_as_they_are_written() -> None:
    """No escape is taken for a letter: the letters of DeepSeek's list are 2,729."""
    from embfilter_viz.models.gguf.splitting import _CASED

    alone = pre_tokenizers.Split(Regex(f"[{_CASED}]"), behavior="removed")
    letters = "".join(chr(c) for c in range(0x20000) if not 0xD800 <= c < 0xE000)
    left = sum(len(piece) for piece, _ in alone.pre_tokenize_str(letters))
    assert len(letters) - left == 2729
