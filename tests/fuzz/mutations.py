"""Small valid files made wrong: in their bytes, or in the values that their bytes stand for."""

import json
import random
from collections.abc import Callable
from typing import Any

__all__ = ["bytes_changed", "json_changed", "safetensors_changed", "text_changed"]

ODD_NUMBERS = (
    *(0, 1, -1, 2, 3, 7, 8, 31, 32, 127, 128, 255, 256, 65_535, 65_536),
    *(2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**53, 2**62, 2**63 - 1, 2**63, 2**64 - 1, 2**200),
    *(0.5, -0.0, 1e-320, 1e38, 1e308, float("nan"), float("inf"), float("-inf")),
)
ODD_TEXTS = (
    *("", " ", "\n", "\0", "a", "w", "..", "../x", "/dev/zero", "a/b", "%2e%2e", "\\", "ａ／ｂ"),
    *("F32", "BF16", "U8", "Q4_0", "llama", "gpt2", "null", "1", "-1", "1e999", "x" * 300),
    *("\u202e", "é", "🙂", "<b>", "{0}", "$A", "Ġ", "▁", "<0x0A>", "[UNK]", "(?<", "\\p{L}+*"),
)
ODD_BYTES = (
    *(b"\0", b"\xff", b"\xff" * 8, b"\0" * 8, b"[", b"{", b'"', b"\\u0000", b"\\ud800", b"9" * 30),
    *((2**n).to_bytes(8, "little") for n in (8, 16, 31, 32, 40, 61, 62, 63)),
    *((2**n - 1).to_bytes(8, "little") for n in (8, 16, 31, 32, 63, 64)),
    *(b"NaN", b"Infinity", b"-", b"1e999", b"true", b"null", b"\xef\xbb\xbf", b"[" * 500),
)


def odd_value(rng: random.Random) -> Any:
    """A value that no schema expects where it is put."""
    kind = rng.randrange(8)
    if kind < 3:
        return rng.choice(ODD_NUMBERS)
    if kind < 5:
        return rng.choice(ODD_TEXTS)
    if kind == 5:
        return rng.choice((None, True, False, [], {}, [[]], [{}], {"a": {}}))
    if kind == 6:
        return [odd_value(rng) for _ in range(rng.randrange(4))]
    deep: Any = 1
    for _ in range(rng.choice((3, 150, 1200))):
        deep = [deep] if rng.random() < 0.5 else {"a": deep}
    return deep


def json_changed(rng: random.Random, seed: bytes) -> bytes:
    """A JSON file with some of its values, keys or bytes changed."""
    tree = [json.loads(seed)]
    for _ in range(rng.choice((1, 1, 1, 2, 3, 5))):
        _change_once(rng, tree)
    try:
        text = json.dumps(tree[0], ensure_ascii=rng.random() < 0.5)
    except RecursionError:
        text = '{"a":' * 3_000
    data = text.encode("utf-8", "surrogatepass")
    if rng.random() < 0.02:  # a key that stands twice
        data = data.replace(b"{", b"{" + data[1:].partition(b",")[0] + b",", 1)
    return bytes_changed(rng, data) if rng.random() < 0.25 else data


def _change_once(rng: random.Random, tree: list[Any]) -> None:
    """Walk down to a place drawn at random and change what is there."""
    at: Any = tree
    while True:
        keys = list(at) if isinstance(at, dict) else range(len(at))
        if not keys:
            return
        key = rng.choice(keys)
        if isinstance(at[key], dict | list) and at[key] and rng.random() < 0.85:
            at = at[key]
            continue
        break
    how = rng.randrange(10)
    if how < 5:
        at[key] = odd_value(rng)
    elif how == 5 and isinstance(at[key], int | float) and not isinstance(at[key], bool):
        at[key] = rng.choice((at[key] * 2, -at[key], at[key] + 1, float(at[key]), str(at[key])))
    elif how == 6 and isinstance(at, dict):
        at[rng.choice((*ODD_TEXTS, *map(str, at)))] = at[key]
    elif how == 7 and at is not tree:
        del at[key]
    elif isinstance(at, list) and at is not tree:
        at.insert(key, odd_value(rng) if how == 8 else at[key])
    else:
        at[key] = odd_value(rng)


def bytes_changed(rng: random.Random, data: bytes) -> bytes:
    """Some bytes flipped, put in, taken out, cut off or doubled."""
    found = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 4, 16))):
        at = rng.randrange(len(found) + 1)
        how = rng.randrange(7)
        if how == 0 and at < len(found):
            found[at] ^= 1 << rng.randrange(8)
        elif how == 1:
            found[at:at] = rng.choice(ODD_BYTES)
        elif how == 2:
            del found[at : at + rng.choice((1, 4, 8, 100))]
        elif how == 3:
            odd = rng.choice(ODD_BYTES)
            found[at : at + len(odd)] = odd
        elif how == 4 and rng.random() < 0.2:
            del found[at:]
        elif how == 5:
            found[at:at] = found[at : at + rng.choice((1, 8, 64))]
        elif at < len(found):
            found[at] = rng.randrange(256)
    return bytes(found)


def safetensors_changed(rng: random.Random, seed: bytes) -> bytes:
    """A safetensors file with its table, the table's length or any bytes changed."""
    if rng.random() < 0.2:
        return bytes_changed(rng, seed)
    length = int.from_bytes(seed[:8], "little")
    table, rest = json_changed(rng, seed[8 : 8 + length]), seed[8 + length :]
    said = len(table) if rng.random() < 0.9 else rng.choice((0, 1, 2**40, 2**63, len(table) + 1))
    if rng.random() < 0.2:
        rest = rng.choice((b"", rest[:-1], rest + b"\0", rest * 2))
    return said.to_bytes(8, "little") + table + rest


def text_changed(rng: random.Random, seed: bytes) -> bytes:
    """A line of text with odd pieces put in, or bytes changed."""
    if rng.random() < 0.3:
        return bytes_changed(rng, seed)
    text = seed.decode("utf-8", "replace")
    pieces = [*ODD_TEXTS, *map(str, ODD_NUMBERS), "@", "--", ":", "~", "~nobody", "9" * 5000, "/"]
    for _ in range(rng.choice((1, 2, 3))):
        at = rng.randrange(len(text) + 1)
        text = text[:at] + rng.choice(pieces) + text[at + rng.randrange(3) :]
    return text.encode("utf-8", "surrogatepass")


Mutation = Callable[[random.Random, bytes], bytes]
