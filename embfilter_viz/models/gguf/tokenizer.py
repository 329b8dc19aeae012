"""The tokenizer of a GGUF, from the token list in its header.

No class of transformers is asked, so the architecture does not matter, and nothing of it depends
on a release. Two kinds of vocabulary are read: byte-level BPE (llama.cpp's ``gpt2``), whose
splitting of texts the file names, and sentencepiece's BPE (``llama``), which merges by the scores
of its tokens.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embfilter_viz.models.formats.gguf_header import GgufHeader
from embfilter_viz.models.gguf.account import NotRead
from embfilter_viz.models.gguf.splitting import SPLITTINGS, Splitting
from embfilter_viz.system.panics import panics_raised

if TYPE_CHECKING:
    from tokenizers import Tokenizer

__all__ = [
    "REFUSAL",
    "TokenizerFiles",
    "merges_by_score",
    "tokenizer_files",
    "why_texts_are_not_split",
]

REFUSAL = "texts_are_refused"
"""In tokenizer_config.json: why texts cannot be split with this tokenizer, if they cannot."""

_NORMAL, _UNKNOWN, _CONTROL, _USER_DEFINED = 1, 2, 3, 4
_SPACE = "\u2581"
"""How sentencepiece writes a space."""
_LONGEST_PIECE = 256
"""Characters of a token that is put together from others; sentencepiece's own limit is 16."""
_GEMMAS = ("gemma", "gemma2", "gemma3", "gemma3n")
_READ = (
    *("model", "pre", "tokens", "token_type", "scores", "merges", "add_bos_token"),
    *("add_eos_token", "add_space_prefix", "bos_token_id", "eos_token_id", "unknown_token_id"),
    "padding_token_id",
)
_KNOWN_IF_FALSE = ("remove_extra_whitespaces", "add_sep_token")
_NO_PART_OF_SPLITTING = (
    "token_type_count",  # of encoders
    "suppress_tokens",  # of generation
)
"""Keys under ``tokenizer.ggml`` that change nothing; those of single tokens are named by them."""


@dataclass(frozen=True)
class TokenizerFiles:
    """A tokenizer as transformers keeps it."""

    tokenizer: str
    """tokenizer.json."""
    config: Mapping[str, Any]
    """tokenizer_config.json."""

    def write(self, folder: Path) -> None:
        """Write both files into ``folder``."""
        (folder / "tokenizer.json").write_text(self.tokenizer, encoding="utf-8")
        said = json.dumps(self.config, ensure_ascii=False, indent=1)
        (folder / "tokenizer_config.json").write_text(said, encoding="utf-8")


def tokenizer_files(header: GgufHeader) -> TokenizerFiles:
    """The tokenizer of a file; where its splitting is not known, GPT-2's stands in for it.

    Raises:
        NotRead: a kind of vocabulary that is not known here, or a damaged one.
    """
    try:
        with panics_raised():
            made, special, adds = _made(header)
            text = made.to_str()
    except NotRead:
        raise
    except Exception as error:  # tokenizers raises bare Exception
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise NotRead(f"its tokenizer is damaged ({reason})") from error
    refused = why_texts_are_not_split(header)
    return TokenizerFiles(
        text,
        {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "add_bos_token": adds["bos"],
            "add_eos_token": adds["eos"],
            "bos_token": special["bos"],
            "eos_token": special["eos"],
            "unk_token": special["unknown"],
            "pad_token": special["padding"],
            "clean_up_tokenization_spaces": False,
            **({REFUSAL: refused} if refused else {}),
            **_chat_template(header),
        },
    )


def _made(
    header: GgufHeader,
) -> tuple["Tokenizer", dict[str, str | None], dict[str, bool]]:
    """The tokenizer, its special tokens by name, and which of them it adds to a text."""
    kind = _said(header, "model")
    if kind == "gpt2":
        splitting = _splitting(header) or SPLITTINGS["gpt-2"]
        made, begins = _byte_level(header, splitting), splitting.begins_with_bos
    elif kind in ("llama", "gemma4"):
        # Where a file does not say, llama.cpp puts BOS before its texts.
        made, begins = _sentencepiece(header, prefixed=kind == "llama"), True
    else:
        raise NotRead(f"its tokenizer is of the kind {kind or 'of no name'}, not known here")
    tokens = header.strings("tokenizer.ggml.tokens")
    special = {name: _token(header, tokens, name) for name in ("bos", "eos", "unknown", "padding")}
    adds = {
        "bos": bool(_said(header, "add_bos_token", begins)) and special["bos"] is not None,
        "eos": bool(_said(header, "add_eos_token", False)) and special["eos"] is not None,
    }
    _frame(made, header, special, adds)
    return made, special, adds


def why_texts_are_not_split(header: GgufHeader) -> str | None:
    """Say why texts must not be split with a file's tokenizer, in words; None where they may."""
    left = [key for key in header.metadata if not _is_known(key)]
    if left:
        return f"the tokenizer setting {left[0]} of the file is not known here"
    for key in _KNOWN_IF_FALSE:
        if _said(header, key, False):
            return (
                f"its tokenizer has {key} switched on, of which it is not known here what it does"
            )
    if _said(header, "model") != "gpt2" or _splitting(header) is not None:
        return None
    name = _said(header, "pre")
    if name is None:
        return "the file does not say how its tokenizer splits texts (tokenizer.ggml.pre)"
    return f"its tokenizer splits texts as {name}, which is not known here"


def _is_known(key: str) -> bool:
    """Tell whether a key is not the tokenizer's, is read, or does not change the splitting."""
    if not key.startswith("tokenizer.ggml."):
        return True
    name = key.removeprefix("tokenizer.ggml.")
    single = name.endswith(("_token_id", "_token_ids"))
    return single or name in (*_READ, *_NO_PART_OF_SPLITTING, *_KNOWN_IF_FALSE)


def _said(header: GgufHeader, key: str, default: Any = None) -> Any:
    return header.metadata.get(f"tokenizer.ggml.{key}", default)


def _splitting(header: GgufHeader) -> Splitting | None:
    name = _said(header, "pre")
    if name is None and header.architecture == "gpt2":
        name = "gpt-2"  # files from before the key have it from their architecture
    return SPLITTINGS.get(name)


def _token(header: GgufHeader, tokens: Sequence[str], name: str) -> str | None:
    index = _said(header, f"{name}_token_id")
    return tokens[index] if isinstance(index, int) and 0 <= index < len(tokens) else None


def _chat_template(header: GgufHeader) -> dict[str, str]:
    said = header.metadata.get("tokenizer.chat_template")
    return {"chat_template": said} if isinstance(said, str) else {}


# -- the two kinds ----------------------------------------------------------------------------


def _byte_level(header: GgufHeader, splitting: Splitting) -> "Tokenizer":
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

    tokens = header.strings("tokenizer.ggml.tokens")
    vocabulary = {token: index for index, token in enumerate(tokens)}
    merges = [_pair(line) for line in header.strings("tokenizer.ggml.merges")]
    tokenizer = Tokenizer(
        models.BPE(
            vocab=vocabulary,
            merges=[pair for pair in merges if _can_merge(pair, vocabulary)],
            ignore_merges=splitting.keeps_known_words,
        )
    )
    before: list[Any] = [normalizers.NFC()] if splitting.composed else []
    if _said(header, "add_space_prefix", False):
        before.append(normalizers.Replace(Regex(r"\A(?=\S)"), " "))
    if before:
        tokenizer.normalizer = normalizers.Sequence(before)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([step() for step in splitting.steps])
    tokenizer.decoder = decoders.ByteLevel()
    _add_special(tokenizer, tokens, _types(header), vocabulary)
    return tokenizer


def _sentencepiece(header: GgufHeader, *, prefixed: bool) -> "Tokenizer":
    from tokenizers import Tokenizer, decoders, models, normalizers

    if "tokenizer.ggml.precompiled_charsmap" in header.metadata:
        raise NotRead("its tokenizer has a table of characters of its own, not known here")
    tokens = header.strings("tokenizer.ggml.tokens")
    scores = _said(header, "scores")
    if header.architecture in _GEMMAS:
        # Runs of spaces come as spaces there, and merges follow the order of the tokens, not
        # their scores: as in the tokenizer.json that Google publishes.
        tokens = [_SPACE * len(t) if " " in t and not t.strip() else t for t in tokens]
        scores = [-index for index in range(len(tokens))]
    vocabulary = {token: index for index, token in enumerate(tokens)}
    merges = [_pair(line) for line in header.strings("tokenizer.ggml.merges")]
    if not merges:
        if not isinstance(scores, list) or len(scores) != len(tokens):
            raise NotRead("its tokens have no scores to merge them by")
        if max(map(len, tokens), default=0) > _LONGEST_PIECE:
            raise NotRead(f"a token of its tokenizer has more than {_LONGEST_PIECE} characters")
        merges = merges_by_score(vocabulary, scores)
    unknown = _token(header, tokens, "unknown")
    tokenizer = Tokenizer(
        models.BPE(
            vocab=vocabulary,
            merges=[pair for pair in merges if _can_merge(pair, vocabulary)],
            unk_token=unknown,
            fuse_unk=True,
            byte_fallback=True,
        )
    )
    prefixed = bool(_said(header, "add_space_prefix", prefixed))
    spaces = normalizers.Replace(" ", _SPACE)
    tokenizer.normalizer = (
        normalizers.Sequence([normalizers.Prepend(_SPACE), spaces]) if prefixed else spaces
    )
    tokenizer.decoder = decoders.Sequence(
        [
            *(decoders.Replace(_SPACE, " "), decoders.ByteFallback(), decoders.Fuse()),
            *([decoders.Strip(" ", 1, 0)] if prefixed else []),
        ]
    )
    _add_special(tokenizer, tokens, _types(header), vocabulary)
    return tokenizer


def merges_by_score(
    vocabulary: Mapping[str, int], scores: Sequence[float]
) -> list[tuple[str, str]]:
    """The merges a sentencepiece BPE makes: of neighbours, those whose whole has the best score.

    Every way to put a token together from two others is a merge; the better the score of the
    whole, the earlier it comes. (Kudo and Richardson 2018; as transformers converts Llama's.)

    Args:
        vocabulary: tokens to their numbers.
        scores: of the tokens, by their numbers.

    >>> merges_by_score({"a": 0, "b": 1, "ab": 2, "aba": 3}, [0, -1, -3, -2])
    [('ab', 'a'), ('a', 'b')]
    """
    found: list[tuple[float, int, int, str, str]] = []
    for token, index in vocabulary.items():
        ways = sorted(
            (vocabulary[left], vocabulary[right], left, right)
            for left, right in _halves(token)
            if left in vocabulary and right in vocabulary
        )
        found += [(scores[index], len(left), len(right), left, right) for *_, left, right in ways]
    found.sort(key=lambda way: way[:3], reverse=True)
    return [(left, right) for *_, left, right in found]


def _halves(token: str) -> Iterator[tuple[str, str]]:
    return ((token[:i], token[i:]) for i in range(1, len(token)))


def _pair(line: str) -> tuple[str, str]:
    left, _, right = line[1:].partition(" ")  # the first half may be a space itself
    return line[:1] + left, right


def _can_merge(pair: tuple[str, str], vocabulary: Mapping[str, int]) -> bool:
    return pair[0] in vocabulary and pair[1] in vocabulary and "".join(pair) in vocabulary


def _types(header: GgufHeader) -> list[int]:
    said = _said(header, "token_type")
    return said if isinstance(said, list) else []


def _add_special(
    tokenizer: "Tokenizer",
    tokens: Sequence[str],
    types: Sequence[int],
    vocabulary: Mapping[str, int],
) -> None:
    """Tokens that stand for themselves wherever a text has them: control tokens, and a user's.

    Args:
        tokenizer: what they are added to.
        tokens: all tokens of the file.
        types: the kind of each.
        vocabulary: the row of each token.
    """
    from tokenizers import AddedToken

    of_kind: dict[int, list[str]] = {_CONTROL: [], _USER_DEFINED: []}
    for token, kind in zip(tokens, types, strict=False):
        if token and vocabulary.get(token) is not None:
            of_kind.setdefault(_CONTROL if kind == _UNKNOWN else kind, []).append(token)
    tokenizer.add_special_tokens([AddedToken(t, normalized=False) for t in of_kind[_CONTROL]])
    tokenizer.add_tokens([AddedToken(t, normalized=False) for t in of_kind[_USER_DEFINED]])


def _frame(
    tokenizer: "Tokenizer",
    header: GgufHeader,
    special: Mapping[str, str | None],
    adds: Mapping[str, bool],
) -> None:
    """BOS before and EOS after every text, as the file says.

    Args:
        tokenizer: what it is set on.
        header: the file's settings.
        special: BOS, EOS and the like by name.
        adds: which of them are added.
    """
    from tokenizers import processors

    if not any(adds.values()):
        return
    parts = [special["bos"] if adds["bos"] else "", "$A", special["eos"] if adds["eos"] else ""]
    ids = [
        (special[name], _said(header, f"{name}_token_id")) for name in ("bos", "eos") if adds[name]
    ]
    tokenizer.post_processor = processors.TemplateProcessing(
        single=[part for part in parts if part], special_tokens=list(dict(ids).items())
    )
