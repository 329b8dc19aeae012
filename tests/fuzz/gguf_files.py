"""GGUF files written from their parts, so that one part can be wrong and the rest be right."""

import random
import struct
from dataclasses import dataclass, field
from typing import Any

from tests.fuzz.mutations import ODD_NUMBERS, ODD_TEXTS, bytes_changed

__all__ = ["Gguf", "gguf_changed", "tiny"]

_CODES = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_TEXT, _LIST = 8, 9
F32, Q8_0 = 0, 8


@dataclass
class Gguf:
    """A file in parts: keys as [key, kind, value], tensors as [name, axes, type, offset]."""

    keys: list[list[Any]]
    tensors: list[list[Any]]
    n_bytes: int = 0
    counts: list[int] | None = None
    head: bytes = field(default=b"GGUF" + struct.pack("<I", 3))

    def bytes(self) -> bytes:
        n_tensors, n_keys = self.counts or (len(self.tensors), len(self.keys))
        said = bytearray(self.head + _number("Q", n_tensors) + _number("Q", n_keys))
        for key, kind, value in self.keys:
            said += _text(key) + _number("I", kind) + _value(kind, value)
        for name, axes, kind, offset in self.tensors:
            said += _text(name) + _number("I", len(axes))
            said += b"".join(_number("Q", axis) for axis in axes)
            said += _number("I", kind) + _number("Q", offset)
        said += bytes(-len(said) % 32)
        return bytes(said) + bytes(i % 251 for i in range(self.n_bytes))


def _number(code: str, value: Any) -> bytes:
    """A number in its form, whatever it is: cut to the bits there are."""
    size = struct.calcsize("<" + code)
    if code in "fd":
        try:
            return struct.pack("<" + code, value)
        except (struct.error, OverflowError):
            return bytes(size)
    whole = int(value) if isinstance(value, int) or abs(value) < 1e300 else 0  # NaN is not less
    return (whole % (1 << 8 * size)).to_bytes(size, "little")


def _text(text: Any) -> bytes:
    data = str(text).encode("utf-8", "surrogatepass")
    return _number("Q", len(data)) + data


def _value(kind: int, value: Any) -> bytes:
    if kind == _LIST:
        inner, items = value if isinstance(value, list) else (4, [])
        return (
            _number("I", inner)
            + _number("Q", len(items))
            + b"".join(_value(inner, item) for item in items)
        )
    if kind in _CODES:
        return _number(_CODES[kind], value if isinstance(value, int | float) else 0)
    return _text(value)


def tiny(architecture: str = "llama", tokenizer: str = "gpt2") -> Gguf:
    """A whole decoder of one layer, with every setting of a real file."""
    a, width, rows, letters = architecture, 32, 40, [chr(33 + i) for i in range(35)]
    tokens = ["<unk>", "<s>", "</s>", *letters, '!"'] + [f"<0x{i:02X}>" for i in range(1)]
    keys: list[list[Any]] = [
        ["general.architecture", _TEXT, a],
        ["general.name", _TEXT, "tiny"],
        ["general.file_type", 4, 7],
        ["general.alignment", 4, 32],
        [f"{a}.context_length", 4, 128],
        [f"{a}.embedding_length", 4, width],
        [f"{a}.block_count", 4, 1],
        [f"{a}.feed_forward_length", 4, 64],
        [f"{a}.attention.head_count", 4, 2],
        [f"{a}.attention.head_count_kv", 4, 2],
        [f"{a}.attention.layer_norm_rms_epsilon", 6, 1e-5],
        [f"{a}.rope.dimension_count", 4, 16],
        [f"{a}.rope.freq_base", 6, 10_000.0],
        ["tokenizer.ggml.model", _TEXT, tokenizer],
        ["tokenizer.ggml.pre", _TEXT, "smollm"],
        ["tokenizer.ggml.tokens", _LIST, [_TEXT, tokens]],
        ["tokenizer.ggml.token_type", _LIST, [5, [2, 3, 3] + [1] * (rows - 3)]],
        ["tokenizer.ggml.scores", _LIST, [6, [-float(i) for i in range(rows)]]],
        ["tokenizer.ggml.merges", _LIST, [_TEXT, ['! "'] if tokenizer == "gpt2" else []]],
        ["tokenizer.ggml.bos_token_id", 4, 1],
        ["tokenizer.ggml.eos_token_id", 4, 2],
        ["tokenizer.ggml.unknown_token_id", 4, 0],
        ["tokenizer.ggml.add_bos_token", 7, True],
        ["tokenizer.chat_template", _TEXT, "{{ x }}"],
    ]
    if architecture == "gemma2":
        keys += [[f"{a}.final_logit_softcapping", 6, 30.0],
                 [f"{a}.attn_logit_softcapping", 6, 50.0],
                 [f"{a}.attention.key_length", 4, 16], [f"{a}.attention.value_length", 4, 16],
                 [f"{a}.attention.sliding_window", 4, 64]]  # fmt: skip
    shapes: dict[str, tuple[int, ...]] = {"token_embd.weight": (width, rows)}
    for part in ("attn_q", "attn_k", "attn_v", "attn_output"):
        shapes[f"blk.0.{part}.weight"] = (width, width)
    shapes |= {"blk.0.ffn_gate.weight": (width, 64), "blk.0.ffn_up.weight": (width, 64)}
    shapes |= {"blk.0.ffn_down.weight": (64, width), "blk.0.attn_norm.weight": (width,)}
    shapes |= {"blk.0.ffn_norm.weight": (width,), "output_norm.weight": (width,)}
    if architecture == "gemma2":
        shapes |= {f"blk.0.post_{x}_norm.weight": (width,) for x in ("attention", "ffw")}
    tensors, at = [], 0
    for name, axes in shapes.items():
        kind = Q8_0 if len(axes) == 2 else F32
        size = axes[0] * (axes[1] if len(axes) == 2 else 1)
        tensors.append([name, list(axes), kind, at])
        at += -(-(size // 32 * 34 if kind == Q8_0 else 4 * size) // 32) * 32
    return Gguf(keys, tensors, at)


def gguf_changed(rng: random.Random, seed: bytes) -> bytes:
    """One of the tiny files with some of its parts or bytes changed; ``seed`` names which."""
    file = tiny(*seed.decode().split())
    if rng.random() < 0.2:
        return bytes_changed(rng, file.bytes())
    for _ in range(rng.choice((1, 1, 1, 2, 3, 5))):
        _change_once(rng, file)
    data = file.bytes()
    return bytes_changed(rng, data) if rng.random() < 0.1 else data


def _change_once(rng: random.Random, file: Gguf) -> None:
    how = rng.randrange(12)
    if how < 6 and file.keys:
        _change_key(rng, rng.choice(file.keys))
    elif how == 6 and file.keys:
        del file.keys[rng.randrange(len(file.keys))]
    elif how == 7 and file.keys:
        a = str(file.keys[0][2])
        name = rng.choice(_MORE_KEYS).format(a=a)
        kind = rng.choice((4, 4, 6, 6, 8, 7))
        value = rng.choice(ODD_TEXTS if kind == 8 else ODD_NUMBERS)
        file.keys.append([name, kind, value])
    elif how == 8 and file.tensors:
        del file.tensors[rng.randrange(len(file.tensors))]
    elif how == 9:
        file.counts = [rng.choice((0, 1, 2, 10, 2**31, 2**40, 2**63)) for _ in range(2)]
    elif file.tensors:
        tensor = rng.choice(file.tensors)
        part = rng.randrange(5)
        if part == 0:
            tensor[0] = rng.choice((*ODD_TEXTS, file.tensors[0][0], "output.weight"))
        elif part == 1:
            tensor[1] = [rng.choice(ODD_NUMBERS) for _ in range(rng.choice((0, 1, 2, 3, 4, 5)))]
        elif part == 2 and tensor[1]:
            tensor[1][rng.randrange(len(tensor[1]))] = rng.choice((*ODD_NUMBERS, 64, 33))
        elif part == 3:
            tensor[2] = rng.choice((*range(45), 2**31))
        else:
            tensor[3] = rng.choice(ODD_NUMBERS)


_MORE_KEYS = (
    *("{a}.rope.scaling.type", "{a}.rope.scaling.factor", "{a}.rope.scaling.attn_factor"),
    *("{a}.rope.scaling.original_context_length", "{a}.logit_scale", "{a}.vocab_size"),
    *("{a}.final_logit_softcapping", "{a}.attention.key_length", "{a}.attention.causal"),
    *("{a}.rope.scaling.yarn_ext_factor", "{a}.rope.scaling.yarn_attn_factor", "{a}.pooling_type"),
    *("{a}.expert_count", "{a}.expert_used_count", "{a}.attention.sliding_window", "split.count"),
    *("split.no", "split.tensors.count", "tokenizer.ggml.add_space_prefix", "general.type"),
    *("tokenizer.ggml.remove_extra_whitespaces", "tokenizer.ggml.precompiled_charsmap"),
    *("tokenizer.ggml.padding_token_id", "tokenizer.ggml.add_eos_token", "general.alignment"),
)


def _change_key(rng: random.Random, line: list[Any]) -> None:
    _, kind, value = line
    how = rng.randrange(6)
    if how == 0:
        line[0] = rng.choice((*ODD_TEXTS, *_MORE_KEYS)).replace("{a}", "llama")
    elif how == 1:
        line[1] = rng.choice((*range(14), 2**31))
        if line[1] == _LIST:
            line[2] = [rng.choice((*range(14), 99)), [value] * rng.choice((0, 1, 7))]
    elif isinstance(value, list):
        items = value[1]
        if how == 2 or not items:
            value[0] = rng.choice((*range(14), 99))
        elif how == 3:
            items[rng.randrange(len(items))] = rng.choice(
                ODD_TEXTS if value[0] == _TEXT else ODD_NUMBERS
            )
        elif how == 4:
            del items[rng.randrange(len(items)) :]
        else:
            items += items[: rng.choice((1, 5, 40))]
    else:
        line[2] = rng.choice(ODD_TEXTS if kind == _TEXT else ODD_NUMBERS)
