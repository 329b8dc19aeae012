"""Tokens as text: what a row of W_U stands for, and how text becomes tokens.

Only the ``tokenizers`` library is needed (50 ms); transformers is called in for the rare
checkpoint without a ``tokenizer.json``.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal

from embfilter_viz.errors import InputError
from embfilter_viz.models import families
from embfilter_viz.models.gguf.tokenizer import REFUSAL
from embfilter_viz.models.outline import Outline
from embfilter_viz.system.panics import PanickedError, panics_raised, quiet_on_panic

if TYPE_CHECKING:
    from tokenizers import Tokenizer

__all__ = ["Kind", "Vocabulary", "visible"]

Kind = Literal["text", "unused", "added", "bytes"]
"""What a row of W_U stands for: a piece of text; no token at all; a token added to the learnt ones
or reserved by its name, such as an end of text; bytes or control characters that spell no text."""

_RESERVED = re.compile(
    r"[<\[]\W?(unused|reserved|extra_id|placeholder|pad)\w*\W?[>\]]", re.IGNORECASE
)
"""Names of tokens kept free for later: <unused12>, [unused3], <|reserved_special_token_5|>."""

_CANNOT_SPLIT = (
    "the tokenizer of the model cannot split a text ({}); fetch its tokenizer.json again"
)
_NO_UNICODE = "a text is not valid Unicode ({}); save the file as UTF-8 and try again"


class Vocabulary:
    r"""The tokens behind the rows of W_U.

    Args:
        tokenizer: a ``tokenizers.Tokenizer``; its truncation and padding are switched off.
        d_vocab: rows of W_U, which may exceed the tokens (padding rows).
        bos: id of the token that begins a text, if there is one.
        eos: id of the token that ends a text, if there is one.
        refusal: why running texts are not split with this tokenizer, in one line, if they are not.

    >>> from tokenizers import Tokenizer, decoders, models
    >>> words = {"a": 0, "Ġcat": 1, "Ċ": 2, "âĢ": 3}
    >>> tokenizer = Tokenizer(models.WordLevel(words, unk_token="a"))
    >>> tokenizer.decoder = decoders.ByteLevel()
    >>> vocabulary = Vocabulary(tokenizer, d_vocab=6)
    >>> vocabulary.texts(range(5))
    ['a', ' cat', '\n', '\\xE2\\x80', '<unused 4>']
    >>> visible(vocabulary.text(1))
    '·cat'
    """

    def __init__(
        self,
        tokenizer: "Tokenizer",
        d_vocab: int,
        *,
        bos: int | None = None,
        eos: int | None = None,
        refusal: str | None = None,
    ) -> None:
        tokenizer.no_truncation()
        tokenizer.no_padding()
        self.tokenizer = tokenizer
        self.d_vocab = d_vocab
        self.bos = bos
        self.eos = eos
        self.refusal = refusal
        self._broken: str | None = None

    @classmethod
    def of(cls, checkpoint: Outline, d_vocab: int) -> "Vocabulary":
        """The vocabulary of a checkpoint on this machine.

        Raises:
            InputError: no tokenizer that can be read without running the checkpoint's code.
        """
        said = _read_json(checkpoint, "special_tokens_map.json")
        said |= _read_json(checkpoint, "tokenizer_config.json")
        config = families.text_config(checkpoint.config)
        tokenizer = _open_tokenizer(checkpoint)
        found = cls(
            tokenizer,
            d_vocab,
            bos=_special(tokenizer, said.get("bos_token"), config.get("bos_token_id")),
            eos=_special(tokenizer, said.get("eos_token"), config.get("eos_token_id")),
            refusal=f"{checkpoint.name}: {said[REFUSAL]}" if said.get(REFUSAL) else None,
        )
        found._broken = _why_it_panics(tokenizer)
        return found

    @property
    def size(self) -> int:
        """Tokens the tokenizer knows, added ones included; d_vocab counts rows of W_U."""
        return self.tokenizer.get_vocab_size()

    @cached_property
    def opening(self) -> tuple[int, ...]:
        """Ids put before a text by default: the BOS of Llama or Gemma, nothing for Qwen.

        As transformers has it, which asks the tokenizer and not ``add_bos_token`` where there is
        a ``tokenizer.json``.
        """
        return self._around[0]

    @property
    def closing(self) -> tuple[int, ...]:
        """Ids put after a text by default: the EOS of many embedders, nothing for most models."""
        return self._around[1]

    @cached_property
    def _around(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        with self._told_in_one_line():
            bare = self.tokenizer.encode("a", add_special_tokens=False).ids
            full = self.tokenizer.encode("a", add_special_tokens=True).ids
        starts = (i for i in range(len(full)) if full[i : i + len(bare)] == bare)
        start = next(starts, 0)
        return tuple(full[:start]), tuple(full[start + len(bare) :])

    def encode(self, text: str) -> list[int]:
        """The ids of ``text``, with no special tokens around it.

        Raises:
            InputError: text that is no valid Unicode (a lone surrogate).
        """
        return self.encode_many([text])[0]

    def encode_many(self, texts: Sequence[str]) -> list[list[int]]:
        """The ids of each text, with no special tokens; uses all cores."""
        with self._told_in_one_line():
            found = self.tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
        return [encoding.ids for encoding in found]

    def encode_with_ends(self, text: str) -> tuple[list[int], list[int]]:
        """The ids of ``text`` and the character after the last of each, without special tokens.

        Raises:
            InputError: text that is no valid Unicode (a lone surrogate).
        """
        with self._told_in_one_line():
            found = self.tokenizer.encode(text, add_special_tokens=False)
        return found.ids, [end for _, end in found.offsets]

    @contextmanager
    def _told_in_one_line(self) -> Iterator[None]:
        """Return what the tokenizer refuses or panics at as an :class:`InputError`.

        A file can be opened whose model lacks what a text needs, such as a token for unknown words.
        """
        if self._broken is not None:
            raise InputError(_CANNOT_SPLIT.format(self._broken))
        try:
            with panics_raised():
                yield
        except (UnicodeEncodeError, TypeError) as error:
            raise InputError(_NO_UNICODE.format(error)) from error
        except Exception as error:  # tokenizers raises bare Exception
            raise InputError(_CANNOT_SPLIT.format(_reason(error))) from error

    def text(self, id: int) -> str:
        r"""Return what a token stands for: its true text, leading space or newline included.

        Bytes that are no whole character are written ``\xE2``; rows of W_U that no token
        belongs to ``<unused 151700>``.

        Raises:
            IndexError: not a row of W_U.
        """
        if not 0 <= id < self.d_vocab:
            raise IndexError(f"token {id}: ids run from 0 to {self.d_vocab - 1}")
        token = self.tokenizer.id_to_token(int(id))
        if token is None:
            return f"<unused {id}>"
        return token if id in self._added else self._true_text(token)

    def texts(self, ids: Iterable[int]) -> list[str]:
        """The text of each of ``ids``."""
        return [self.text(int(i)) for i in ids]

    def kind(self, id: int) -> Kind:
        """Return what a row of W_U stands for: only a ``text`` is sure to come up in texts.

        Raises:
            IndexError: not a row of W_U.
        """
        if not 0 <= id < self.d_vocab:
            raise IndexError(f"token {id}: ids run from 0 to {self.d_vocab - 1}")
        token = self.tokenizer.id_to_token(int(id))
        if token is None:
            return "unused"
        if id in self._added or _RESERVED.fullmatch(token):
            return "added"
        return "text" if self._is_text(token) else "bytes"

    def _is_text(self, token: str) -> bool:
        if self._notation == "sentencepiece" and _byte_piece(token) is not None:
            return False  # what byte fallback writes; the character itself has its own token
        if self._notation == "bytes" and all(c in _BYTE_OF for c in token):
            try:
                token = bytes(_BYTE_OF[c] for c in token).decode("utf-8")
            except UnicodeDecodeError:
                return False
        return not all(unicodedata.category(c) == "Cc" and c not in "\t\n\r" for c in token)

    @cached_property
    def _added(self) -> frozenset[int]:
        return frozenset(self.tokenizer.get_added_tokens_decoder())

    @cached_property
    def _notation(self) -> str:
        """Say how the tokenizer writes spaces and bytes inside its tokens."""
        parts = (self.tokenizer.decoder, self.tokenizer.pre_tokenizer, self.tokenizer.normalizer)
        said = b"".join(part.__getstate__() for part in parts if part is not None).decode()
        if "ByteLevel" in said:
            return "bytes"
        if any(word in said for word in ("Metaspace", "ByteFallback", "▁")):
            return "sentencepiece"
        return "wordpiece" if '"WordPiece"' in said else "plain"

    def _true_text(self, token: str) -> str:
        if self._notation == "bytes":
            if all(c in _BYTE_OF for c in token):
                return _spell(bytes(_BYTE_OF[c] for c in token))
            return token
        if self._notation == "sentencepiece":
            byte = _byte_piece(token)
            return token.replace("▁", " ") if byte is None else _spell(byte)
        if self._notation == "wordpiece":
            return token[2:] if token.startswith("##") else " " + token
        return token


def visible(text: str) -> str:
    r"""Make what cannot be seen visible, for display only: spaces ·, newlines ⏎, tabs ⇥.

    Other control and formatting characters are written as their code points.

    >>> visible(" a\n\tb\u200b")
    '·a⏎⇥b⟨U+200B⟩'
    """
    return "".join(_SHOWN.get(c) or _named(c) for c in text)


_SHOWN = {" ": "·", "\n": "⏎", "\t": "⇥", "\r": "␍", "\u00a0": "⍽"}


def _named(character: str) -> str:
    # Joiners stay where they make one emoji or letter of several; alone they would be invisible.
    hidden = unicodedata.category(character) in ("Cc", "Cf", "Zl", "Zp")
    return f"⟨U+{ord(character):04X}⟩" if hidden else character


def _byte_piece(token: str) -> bytes | None:
    """The byte that a sentencepiece token such as <0x0A> falls back to; None for other tokens."""
    found = re.fullmatch("<0x([0-9A-Fa-f]{2})>", token)
    return bytes.fromhex(found[1]) if found else None


def _spell(data: bytes) -> str:
    r"""Bytes as text, what is no whole character as ``\xE2``.

    >>> _spell(b" caf\xc3\xa9 \xe2\x80")
    ' café \\xE2\\x80'
    """
    said = data.decode("utf-8", errors="surrogateescape")
    return "".join(f"\\x{ord(c) - 0xDC00:02X}" if 0xDC80 <= ord(c) <= 0xDCFF else c for c in said)


def _byte_alphabet() -> dict[str, int]:
    """The characters byte-level BPE writes bytes with: printable ones are themselves.

    The other 68 bytes follow from U+0100 on in their order (Radford et al. 2019, GPT-2).
    """
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    rest = [b for b in range(256) if b not in printable]
    return {chr(b): b for b in printable} | {chr(0x100 + i): b for i, b in enumerate(rest)}


_BYTE_OF = _byte_alphabet()


def _open_tokenizer(checkpoint: Outline) -> "Tokenizer":
    from tokenizers import Tokenizer

    from embfilter_viz.models.formats.schemas import TokenizerFile, read_json

    folder = checkpoint.tokenizer_folder
    path = folder / "tokenizer.json"
    if path.is_file():
        read_json(path, TokenizerFile, checkpoint.name, "fetch it again")
    try:
        with quiet_on_panic():
            if path.is_file():
                return Tokenizer.from_file(str(path))
            slow = import_module("transformers").AutoTokenizer.from_pretrained(  # see backbone.py
                folder, local_files_only=True, trust_remote_code=False
            )
            return slow.backend_tokenizer
    except Exception as error:  # tokenizers raises bare Exception; transformers a dozen kinds
        raise InputError(
            f"{checkpoint.name}: its tokenizer cannot be read in {folder} "
            f"({_reason(error)}); add the checkpoint's tokenizer.json"
        ) from error


def _reason(error: Exception) -> str:
    """Return what a library says, in one short line."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0][:200]


def _why_it_panics(tokenizer: "Tokenizer") -> str | None:
    """Return what the tokenizer panics at as it splits a text; None where it does not.

    Tried once, where the stack that Rust prints can be kept from the reader.
    """
    try:
        with quiet_on_panic():
            tokenizer.encode("a", add_special_tokens=True)
            tokenizer.encode_batch_fast(["a b", "\u00e9 12\n", ""], add_special_tokens=False)
    except PanickedError as error:
        return _reason(error)
    except Exception:  # told when a text is to be split
        return None
    return None


def _read_json(checkpoint: Outline, file: str) -> dict[str, Any]:
    from embfilter_viz.models.formats.schemas import TokenizerSettings, read_json

    path = checkpoint.tokenizer_folder / file
    if not path.is_file():
        return {}
    return read_json(path, TokenizerSettings, checkpoint.name, "fetch it again")


def _special(tokenizer: "Tokenizer", token: Any, fallback: Any) -> int | None:
    """The id of a special token, by its text or else by the id the config gives."""
    text = token.get("content") if isinstance(token, dict) else token
    found = tokenizer.token_to_id(text) if isinstance(text, str) else None
    if found is not None:
        return found
    first = fallback[0] if isinstance(fallback, list) and fallback else fallback
    if not isinstance(first, int) or first < 0:
        return None
    return first if tokenizer.id_to_token(first) is not None else None
