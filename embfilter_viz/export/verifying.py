"""Does a folder or a server give our vectors, and if not, what is missing?

Its vectors are held against ours, and where they differ, against vectors of our own that are wrong
on purpose: another pooling, no prompt, no projection, other positions. The wrong way that gives
its vectors is what it does.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from embfilter_viz.errors import InputError
from embfilter_viz.model import Model, open_model
from embfilter_viz.models.encoding.prompts import PUBLISHED
from embfilter_viz.models.families import text_config
from embfilter_viz.spectral.affine import AffineMap
from embfilter_viz.system.files import temporary_folder
from embfilter_viz.system.progress import Progress, silent
from embfilter_viz.wording import counted

__all__ = ["MOST_TEXTS", "SAME", "Verdict", "verify"]

SAME = 0.9999
"""The lowest cosine of vectors that count as ours; half precision gives .99999."""
MOST_TEXTS = 64
"""Texts that are compared."""
_EXPLAINS = 0.999
_UNIT = 1e-3
_BASE = 10_000.0
"""The base of positions that transformers takes where a configuration says none it can read."""


@dataclass(frozen=True)
class Verdict:
    """Served vectors compared with ours."""

    where: str
    """() the folder or address."""
    texts: int
    """() how many were compared."""
    width: int
    """() numbers in a served vector."""
    expected: int
    """() numbers in one of ours."""
    cosine: float | None
    """() the lowest cosine with ours; None where the widths differ."""
    same: bool
    """() whether they are ours up to their length."""
    normalised: bool
    """() whether each has length 1, where ours have not."""
    faults: tuple[str, ...]
    """what is missing or different, one sentence part each."""
    explained: float | None
    """() the lowest cosine with our vectors made wrong in that way; None where nothing was."""

    @property
    def sentence(self) -> str:
        """The verdict in words."""
        found = f"{self.where}: {counted(self.texts, 'text')} compared. "
        length = (
            " They come normalised, to length 1, and ours do not: cosines are the same, "
            "lengths are lost."
            if self.normalised
            else ""
        )
        if self.same:
            return f"{found}These are our vectors: the lowest cosine is {self.cosine:.6f}.{length}"
        differ = (
            f"It gives {self.width} numbers a vector where ours have {self.expected}"
            if self.cosine is None
            else f"These are not our vectors: the lowest cosine is {self.cosine:.6f}"
        )
        if not self.faults:
            return (
                f"{found}{differ}, and none of the differences that are known explains it "
                f"(other pooling, prompt not applied, projection not applied, other positions)."
                f"{length}"
            )
        agree = (
            ""
            if self.explained is None
            else " Vectors of ours made in that way agree with it (lowest cosine "
            f"{self.explained:.6f})."
        )
        return f"{found}{differ}. What is different: {'; '.join(self.faults)}.{agree}{length}"

    def to_json(self) -> dict[str, Any]:
        """Return the record with its sentence."""
        return {
            "where": self.where,
            "texts": self.texts,
            "width": self.width,
            "expected_width": self.expected,
            "cosine": self.cosine,
            "same": self.same,
            "normalised": self.normalised,
            "faults": list(self.faults),
            "explained_cosine": self.explained,
            "sentence": self.sentence,
        }


def verify(
    model: Model,
    map: AffineMap,
    prompt: str,
    texts: Sequence[str],
    served: np.ndarray,
    where: str,
    *,
    progress: Progress = silent,
) -> Verdict:
    """Hold ``served`` against our vectors, and find out what is different.

    Args:
        model: the opened model.
        map: from d_model numbers to k, what should have been done to embeddings.
        prompt: how the texts should have been put to the model.
        texts: n of them, at most :data:`MOST_TEXTS`.
        served: (n, width) what the folder or server gave for them.
        where: the folder or address, for the sentence.
        progress: told of the work; may raise ``Cancelled``.

    Returns:
        the verdict.

    Raises:
        InputError: no texts, too many, or a text that cannot be read.
    """
    if not 1 <= len(texts) <= MOST_TEXTS or len(served) != len(texts):
        raise InputError(f"texts: {len(texts)} given; 1 to {MOST_TEXTS} are compared")
    raw = model.encode(texts, prompt, progress=progress)
    ours = map(raw)
    expected, width = ours.shape[1], served.shape[1]
    cosine = _lowest(served, ours) if width == expected else None
    same = cosine is not None and cosine >= SAME
    unit = bool(np.all(np.abs(_lengths(served) - 1) < _UNIT))
    normalised = unit and not np.all(np.abs(_lengths(ours) - 1) < _UNIT)
    faults: tuple[str, ...] = ()
    explained = None
    if not same:
        short = ~model.encoder.truncated(texts, prompt)
        if cosine is not None and short.any() and _lowest(served[short], ours[short]) >= SAME:
            faults = (
                f"texts over {model.longest(prompt)} tokens are cut in another way, and all "
                "others agree",
            )
        else:
            kept = np.flatnonzero(short) if short.any() else np.arange(len(texts))
            some = [texts[int(i)] for i in kept]
            faults, explained = _explanation(model, map, prompt, some, served[kept], progress)
    return Verdict(where, len(texts), width, expected, cosine, same, normalised, faults, explained)


def _explanation(
    model: Model,
    map: AffineMap,
    prompt: str,
    texts: Sequence[str],
    served: np.ndarray,
    progress: Progress,
) -> tuple[tuple[str, ...], float | None]:
    """The fewest differences that give ``served``, and how well they do.

    Args:
        model: the opened model.
        map: what should have been done to embeddings.
        prompt: the prompt.
        texts: the texts.
        served: what was given for them.
        progress: told of the work.

    Returns:
        the differences in words, none where none explain it, and the lowest cosine with them.
    """
    for other in _readers(model):
        with other as (reader, positions):
            found = _ways(reader, map, prompt, texts, progress)
            good = [
                (faults, at)
                for faults, rows in found
                if rows.shape[1] == served.shape[1] and (at := _lowest(served, rows)) >= _EXPLAINS
            ]
        if good:
            faults, at = min(good, key=lambda one: (len(one[0]), -one[1]))
            return (*faults, *([positions] if positions else [])), at
    return (), None


def _ways(
    model: Model, map: AffineMap, prompt: str, texts: Sequence[str], progress: Progress
) -> list[tuple[tuple[str, ...], np.ndarray]]:
    """Every way to get from texts to vectors that is tried: its differences, its vectors.

    Args:
        model: the model, or one of other positions.
        map: what should have been done to embeddings.
        prompt: the prompt.
        texts: the texts.
        progress: told of the work.

    Returns:
        differences in words, none for ours, and (n, width) vectors.
    """
    asked = model.prompt(prompt)
    readings: list[tuple[str, str]] = [("", prompt)]
    if not asked.is_text_alone and asked.base != PUBLISHED.name:
        bare = "the prompt is not applied: it reads the text alone"
        readings.append((bare, "mean" if asked.pooling == "mean" else "last"))
    found = []
    for (unread, name), (unprojected, project) in product(readings, _projections(map)):
        pooled = _pooled(model, name, texts, progress)
        right = "the last token" if asked.pooling == "last" else _MEAN
        for taken, rows in pooled.items():
            other = "" if taken == right else f"the pooling is {taken}, and not {right}"
            faults = tuple(fault for fault in (unread, other, unprojected) if fault)
            found.append((faults, project(rows)))
    return found


_MEAN = "the mean over the text's tokens"


def _projections(map: AffineMap) -> list[tuple[str, Any]]:
    k = len(map.offset)
    return [
        ("", map),
        ("the projection is not applied: these are raw embeddings", lambda rows: rows),
        (
            f"the projection is not applied: these are the first {k} numbers of raw embeddings",
            lambda rows: rows[:, :k],
        ),
    ]


def _pooled(
    model: Model, prompt: str, texts: Sequence[str], progress: Progress
) -> dict[str, np.ndarray]:
    """Last-layer states of each text, pooled in four ways.

    Args:
        model: the model.
        prompt: how texts are put to it.
        texts: n of them.
        progress: told of the work.

    Returns:
        (n, d_model) float64 by the pooling's name.
    """
    rows: dict[str, list[np.ndarray]] = {}
    last = model.prompt(prompt).pooling == "last"
    for done, text in enumerate(texts):
        progress("Looking for what is different", done, len(texts), "texts")
        states = model.token_states(text, prompt)
        of = states.states[-1].astype(np.float64)
        opening = len(model.vocabulary.opening)
        begin = opening if last else states.start
        for name, row in (
            ("the last token", of[-1]),
            (_MEAN, of[begin:].mean(axis=0)),
            ("the mean over all tokens, what stands before the text included", of.mean(axis=0)),
            ("the first token", of[0]),
        ):
            rows.setdefault(name, []).append(row)
    return {name: np.stack(some) for name, some in rows.items()}


class _Itself:
    """The model as it is."""

    def __init__(self, model: Model) -> None:
        self.model = model

    def __enter__(self) -> tuple[Model, str]:
        return self.model, ""

    def __exit__(self, *_: object) -> None:
        return None


class _OtherPositions:
    """The model with the base of positions that a reader takes which does not know its words."""

    def __init__(self, model: Model, base: float) -> None:
        self.model, self.base = model, base

    def __enter__(self) -> tuple[Model, str]:
        outline = self.model.encoder.outline
        self._room = temporary_folder()
        folder = self._room.__enter__()
        for file in {*outline.folder.iterdir(), *(entry.file for entry in outline.tables)}:
            if file.is_file() and file.name != "config.json":
                (folder / file.name).symlink_to(file.resolve())
        changed = _with_base(outline.config, _BASE)
        (folder / "config.json").write_text(json.dumps(changed), encoding="utf-8")
        opened = open_model(str(folder), device=self.model.device, dtype="float32")
        return opened, (
            f"positions are scaled otherwise: with the base {_BASE:,.0f} of RoPE, and not "
            f"{self.base:,.0f} (rope_theta in config.json)"
        )

    def __exit__(self, *raised: Any) -> None:
        self._room.__exit__(*raised)


def _readers(model: Model) -> Iterator[Any]:
    yield _Itself(model)
    base = _base_of(text_config(model.encoder.outline.config))
    if base is not None and base != _BASE and model.encoder.outline.adapter is None:
        yield _OtherPositions(model, base)


def _base_of(config: Any) -> float | None:
    rope = config.get("rope_parameters") or {}
    rope = rope.get("full_attention", rope)
    found = rope.get("rope_theta", config.get("rope_theta"))
    return None if found is None else float(found)


def _with_base(config: Any, base: float) -> dict[str, Any]:
    """A configuration with another base of RoPE wherever it says one."""
    changed = dict(config)
    if isinstance(changed.get("text_config"), dict):
        changed["text_config"] = _with_base(changed["text_config"], base)
    if "rope_theta" in changed:
        changed["rope_theta"] = base
    if isinstance(rope := changed.get("rope_parameters"), dict):
        if "rope_theta" in rope:
            rope = {**rope, "rope_theta": base}
        elif isinstance(whole := rope.get("full_attention"), dict):
            rope = {**rope, "full_attention": {**whole, "rope_theta": base}}
        changed["rope_parameters"] = rope
    return changed


def _lengths(rows: np.ndarray) -> np.ndarray:
    return np.asarray(np.linalg.norm(rows.astype(np.float64), axis=1))


def _lowest(a: np.ndarray, b: np.ndarray) -> float:
    """The lowest cosine of rows of (n, k) arrays; -1 where one is zero."""
    lengths = _lengths(a) * _lengths(b)
    products = (a.astype(np.float64) * b.astype(np.float64)).sum(axis=1)
    return float(np.min(np.where(lengths > 0, products / np.maximum(lengths, 1e-300), -1.0)))
