"""Tables made wrong: quotation marks, cells, headers and encodings, as spreadsheets leave them."""

import gzip
import io
import json
import random
from functools import cache

from tests.fuzz.mutations import ODD_NUMBERS, ODD_TEXTS, bytes_changed, json_changed

__all__ = [
    "json_lines_changed",
    "json_lines_seeds",
    "json_seeds",
    "packed_seeds",
    "parquet_seeds",
    "table_changed",
    "table_seeds",
]

_PAIRS = [(f"A cat sits on mat {i}.", f"A dog, {i} times", str(i % 6)) for i in range(24)]
_PIECES = (
    *('"', '""', '"\n', ",", "\t", ";", "|", "\n", "\r", "\r\n", "\0", "\ufeff", "sep=;\n"),
    *("n/a", "NaN", "-", "1,5", "1e400", "﹣1", "١", "=SUM(A1)", "﻿", "\x1a", "\u2028", "\\N"),
)
_ENCODINGS = ("utf-16", "utf-16-le", "utf-8-sig", "cp1252", "gb18030", "shift_jis", "utf-32")


@cache
def table_seeds() -> list[bytes]:
    """Graded pairs, labelled texts, judged passages and plain lines."""
    rows = [
        "sentence1,sentence2,score",
        *(f'{a},"{b}",{score}' for a, b, score in _PAIRS),
    ]
    labels = [
        "text\tlabel",
        *(f"{a}\t{'cat' if i % 2 else 'dog'}" for i, (a, *_) in enumerate(_PAIRS)),
    ]
    judged = ["query;passage;relevance"]
    judged += [f"{a};{b.replace(',', '')};{i % 2}" for i, (a, b, _) in enumerate(_PAIRS)]
    lines = [a for a, *_ in _PAIRS]
    return ["\n".join(one).encode() for one in (rows, labels, judged, lines)]


@cache
def json_lines_seeds() -> list[bytes]:
    """The same pairs and labels, an object a line."""
    pairs = [{"sentence1": a, "sentence2": b, "score": float(s)} for a, b, s in _PAIRS]
    labels = [{"text": a, "label": i % 2} for i, (a, *_) in enumerate(_PAIRS)]
    return ["\n".join(map(json.dumps, one)).encode() for one in (pairs, labels)]


@cache
def json_seeds() -> list[bytes]:
    """The same as one list of objects, and as one object of columns."""
    made = []
    for lines in json_lines_seeds():
        rows = [json.loads(line) for line in lines.split(b"\n")]
        made += [rows, {key: [row[key] for row in rows] for key in rows[0]}]
    return [json.dumps(one).encode() for one in made]


@cache
def packed_seeds() -> list[bytes]:
    """Tables compressed by gzip, the second in two members."""
    first, second, *_ = table_seeds()
    return [gzip.compress(first), gzip.compress(second[:300]) + gzip.compress(second[300:])]


@cache
def parquet_seeds() -> list[bytes]:
    """The pairs as one Parquet file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    first, second, scores = zip(*_PAIRS, strict=True)
    table = pa.table({"sentence1": first, "sentence2": second, "score": list(map(float, scores))})
    made = io.BytesIO()
    pq.write_table(table, made)
    return [made.getvalue()]


def table_changed(rng: random.Random, seed: bytes) -> bytes:
    """A table with some of its lines, cells or signs changed, in another encoding now and then."""
    lines = seed.decode().split("\n")
    for _ in range(rng.choice((1, 1, 2, 3, 6))):
        _change_once(rng, lines)
    text = "\n".join(lines)
    if rng.random() < 0.15:
        return text.encode(rng.choice(_ENCODINGS), "replace")
    data = text.encode("utf-8", "surrogatepass")
    return bytes_changed(rng, data) if rng.random() < 0.2 else data


def _change_once(rng: random.Random, lines: list[str]) -> None:
    at = rng.randrange(len(lines)) if rng.random() < 0.7 else 0
    line, how = lines[at], rng.randrange(9)
    place = rng.randrange(len(line) + 1)
    if how < 3:
        lines[at] = line[:place] + rng.choice(_PIECES) + line[place:]
    elif how == 3:
        odd = rng.choice((*ODD_TEXTS, *map(str, ODD_NUMBERS)))
        lines[at] = line[:place] + odd + line[place + rng.randrange(9) :]
    elif how == 4:
        lines[at : at + rng.choice((1, 2, 30))] = []
        lines += [""] * (not lines)
    elif how == 5:
        lines[at:at] = [rng.choice((line, "", ",,", "sep=\t", "Total,,24"))] * rng.choice((1, 3))
    elif how == 6 and rng.random() < 0.2:  # one row of some thousand equal names
        lines[at] = ",".join([line[:10] or "a"] * rng.choice((50, 2000, 20_000)))
    elif how == 7:
        old, new = rng.sample((",", "\t", ";", "|"), 2)
        lines[:] = [one.replace(old, new) for one in lines]
    else:
        lines[at] = line.partition(",")[2]


def json_lines_changed(rng: random.Random, seed: bytes) -> bytes:
    """Objects, a line each, with some of them changed."""
    lines = seed.split(b"\n")
    for _ in range(rng.choice((1, 1, 2, 5))):
        at = rng.randrange(len(lines))
        lines[at] = json_changed(rng, seed.split(b"\n")[at % 24])
    joined = rng.choice((b"\n", b"\n", b"\r\n", b",", b""))
    data = joined.join(lines)
    return b"[" + data + b"]" if joined == b"," and rng.random() < 0.7 else data
