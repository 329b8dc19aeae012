"""How a byte-level tokenizer splits a text before it merges: what ``tokenizer.ggml.pre`` names.

A GGUF has the vocabulary and the merges of a byte-level BPE and, of all that comes before them,
this one name. Each stands for patterns published with a tokenizer (its ``tokenizer.json``, or
tiktoken's for OpenAI's and Qwen's); the names are llama.cpp's. A name that is not here is not
guessed at: such a model opens, and texts are not split with it.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

__all__ = ["SPLITTINGS", "Splitting"]

Step = Callable[[], Any]
"""Makes one pre-tokenizer of the ``tokenizers`` library."""

GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
_CONTRACTIONS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"


def _tiktoken(
    digits: str,
    *,
    contractions: str = f"{_CONTRACTIONS}|",
    letters: str = r"[^\r\n\p{L}\p{N}]?\p{L}+",
    rest: str = r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
) -> str:
    """The pattern of OpenAI's cl100k and of those made after it.

    Args:
        digits: how digits are split.
        contractions: which contractions are kept whole.
        letters: what a word is.
        rest: what else is split.

    Returns:
        a regular expression.
    """
    return f"{contractions}{letters}|{digits}|{rest}"


_LLAMA3 = _tiktoken(r"\p{N}{1,3}")
_QWEN2 = _tiktoken(r"\p{N}")
_QWEN35 = _tiktoken(
    r"\p{N}",
    letters=r"[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+",
    rest=r" ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
)
_UPPER, _LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"


def _by_case(ending: str, digits: str) -> str:
    """The pattern of OpenAI's o200k: words end where small letters do."""
    first = rf"[^\r\n\p{{L}}\p{{N}}]?{_UPPER}*{_LOWER}+{ending}"
    other = rf"[^\r\n\p{{L}}\p{{N}}]?{_UPPER}+{_LOWER}*{ending}"
    return rf"{first}|{other}|{digits}| ?[^\s\p{{L}}\p{{N}}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"


_GPT4O = _by_case(f"{_CONTRACTIONS}?", r"\p{N}{1,3}")
_TEKKEN = _by_case("", r"\p{N}")
_CASED = (  # letters of scripts that have capitals, as DeepSeek lists them
    "A-Za-z\u00b5\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u01ba\u01bc-\u01bf\u01c4-\u0293\u0295-\u02af"
    "\u0370-\u0373\u0376\u0377\u037b-\u037d\u037f\u0386\u0388-\u038a\u038c\u038e-\u03a1"
    "\u03a3-\u03f5\u03f7-\u0481\u048a-\u052f\u0531-\u0556\u10a0-\u10c5\u13a0-\u13f5"
    "\u13f8-\u13fd\u1c90-\u1cba\u1cbd-\u1cbf\u1d00-\u1d2b\u1d6b-\u1d77\u1d79-\u1d9a"
    "\u1e00-\u1f15\u1f18-\u1f1d\u1f20-\u1f45\u1f48-\u1f4d\u1f50-\u1f57\u1f59\u1f5b\u1f5d"
    "\u1f5f-\u1f7d\u1f80-\u1fb4\u1fb6-\u1fbc\u1fbe\u1fc2-\u1fc4\u1fc6-\u1fcc\u1fd0-\u1fd3"
    "\u1fd6-\u1fdb\u1fe0-\u1fec\u1ff2-\u1ff4\u1ff6-\u1ffc\u2102\u2107\u210a-\u2113\u2115"
    "\u2119-\u211d\u2124\u2126\u2128\u212a-\u212d\u212f-\u2134\u2139\u213c-\u213f\u2145-\u2149"
    "\u214e\u2183\u2184\u2c00-\u2c7b\u2c7e-\u2ce4\u2ceb-\u2cee\u2cf2\u2cf3\ua640-\ua66d"
    "\ua680-\ua69b\ua722-\ua76f\ua771-\ua787\ua78b-\ua78e\uab70-\uabbf\ufb00-\ufb06"
    "\ufb13-\ufb17\uff21-\uff3a\uff41-\uff5a\U00010400-\U0001044f\U000104b0-\U000104d3"
    "\U000104d8-\U000104fb\U00010c80-\U00010cb2\U00010cc0-\U00010cf2\U000118a0-\U000118df"
    "\U0001e900-\U0001e943"
)
_CHINESE_AND_KOREAN = "[\u4e00-\u9fa5\u0800-\u4e00\uac00-\ud7ff]+"
_CHINESE_AND_JAPANESE = "[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+"
_DEEPSEEK_SIGNS = "\\s?[!-/:-~\uff01-\uff0f\uff1a-\uff5e\u2018-\u201f\u3000-\u3002]+"
_DEEPSEEK3 = (
    r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+"
    r"| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_BLOOM = " ?[^(\\s|.,!?\u2026\u3002\uff0c\u3001\u0964\u06d4\u060c)]+"
_SIGNS = r"[\p{P}$+<=>^~|]+"


@dataclass(frozen=True)
class Splitting:
    """The splitting of a text before its bytes are merged."""

    steps: tuple[Step, ...]
    """Pre-tokenizers in their order; the bytes are written as letters by one of them."""
    composed: bool = False
    """Whether characters are composed first (Unicode's form NFC)."""
    keeps_known_words: bool = False
    """Whether a piece that is in the vocabulary is taken whole, whatever the merges say."""
    begins_with_bos: bool = False
    """Whether a text begins with BOS where the file does not say; llama.cpp's rule."""


def _split(pattern: str) -> Step:
    def made() -> Any:
        from tokenizers import Regex, pre_tokenizers

        return pre_tokenizers.Split(Regex(pattern), behavior="isolated")

    return made


def _digits() -> Any:
    from tokenizers import pre_tokenizers

    return pre_tokenizers.Digits(individual_digits=True)


def _numbers() -> Any:
    from tokenizers import pre_tokenizers

    return pre_tokenizers.Digits(individual_digits=False)


def _signs() -> Any:
    from tokenizers import pre_tokenizers

    return pre_tokenizers.Punctuation(behavior="contiguous")


def _words() -> Any:
    """GPT-2's own pattern (Radford et al. 2019), and the bytes written as letters."""
    from tokenizers import pre_tokenizers

    return pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)


def _bytes() -> Any:
    from tokenizers import pre_tokenizers

    return pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)


def _by(*patterns: str, **more: bool) -> Splitting:
    return Splitting((*(_split(pattern) for pattern in patterns), _bytes), **more)


_LIKE_GPT2 = Splitting((_words,))
_LIKE_STARCODER = Splitting((_digits, _words))
_LIKE_LLAMA3 = _by(_LLAMA3, keeps_known_words=True, begins_with_bos=True)
_LIKE_QWEN2 = _by(_QWEN2, composed=True)
_LIKE_GPT4O = _by(_GPT4O)


def _under(names: str, splitting: Splitting) -> Iterable[tuple[str, Splitting]]:
    return ((name, splitting) for name in names.split())


SPLITTINGS: dict[str, Splitting] = dict(
    [
        *_under("gpt-2 phi-2 gigachat a.x-4.0 mellum jais trillion granite-docling", _LIKE_GPT2),
        *_under("olmo mpt", Splitting((_words,), composed=True)),
        *_under("starcoder refact smollm codeshell minerva-7b mellum2", _LIKE_STARCODER),
        *_under("command-r", Splitting((_digits, _words), composed=True)),
        *_under("llama3 llama-v3 llama-bpe falcon3 falcon-h1 pixtral midm-2.0 lfm2", _LIKE_LLAMA3),
        *_under("dbrx smaug-bpe", _by(_LLAMA3)),
        *_under("chatglm-bpe", _by(_LLAMA3)),
        *_under("glm4 glm5", _by(_LLAMA3, keeps_known_words=True)),
        *_under("qwen2 deepseek-r1-qwen kormo f2llmv2 megrez", _LIKE_QWEN2),
        *_under("stablelm2 hunyuan solar-open grok-2", _by(_QWEN2)),
        *_under("qwen35", _by(_QWEN35, composed=True)),
        *_under("gpt-4o llama4 kanana2 talkie minimax-m2", _LIKE_GPT4O),
        *_under("tekken", _by(_TEKKEN, keeps_known_words=True, begins_with_bos=True)),
        *_under(
            "seed-coder",
            _by(_tiktoken(r"\p{N}", rest=r" ?[^\s\p{L}\p{N}\r\n]+|\s*[\r\n]+|\s+(?!\S)|\s+")),
        ),
        *_under("minicpm5", _by(r"\p{N}{1,3}", _tiktoken(r"\p{N}+"), keeps_known_words=True)),
        *_under(
            "deepseek-v3 hunyuan-dense joyai-llm",
            _by(r"\p{N}{1,3}", _CHINESE_AND_JAPANESE, _DEEPSEEK3),
        ),
        *_under("bloom gpt3-finnish poro-chat", _by(_BLOOM)),
        ("viking", Splitting((_split(_BLOOM), _digits, _bytes))),
        (
            "deepseek-llm",
            Splitting(
                (
                    *map(_split, (r"[\r\n]", rf"\s?[{_CASED}]+", _DEEPSEEK_SIGNS, r"\s+$")),
                    *(_split(_CHINESE_AND_KOREAN), _digits, _bytes),
                )
            ),
        ),
        (
            "deepseek-coder",
            Splitting(
                (
                    *map(_split, (r"[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", _CHINESE_AND_KOREAN)),
                    *(_digits, _bytes),
                )
            ),
        ),
        ("falcon", Splitting((_signs, _words, _numbers, _split(r"[0-9][0-9][0-9]")))),
        # What llama.cpp does to files that name no splitting of their own.
        ("default", _by(_SIGNS, GPT2, r"\p{N}+", r"[0-9][0-9][0-9]")),
    ]
)
"""By llama.cpp's names."""
