"""Texts of a corpus to shards, one after another in one process."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from embfilter_viz.corpus.parts import Part
from embfilter_viz.corpus.plan import Plan, Shard
from embfilter_viz.model import Model
from embfilter_viz.spectral.filters import projected
from embfilter_viz.store import RowStore, Store
from embfilter_viz.store.folder import Key
from embfilter_viz.system.progress import Progress, silent
from embfilter_viz.wording import counted

__all__ = ["Embedded", "Reader", "embed_corpus", "embedded"]

DOING = "Embedding texts"


@dataclass(frozen=True)
class Embedded:
    """A record of what lies in the shards."""

    output: str
    """() the folder."""
    shards: int
    """() files in it that belong to this corpus."""
    rows: int
    """() rows in them."""
    before: int
    """() rows of these that earlier runs had written."""
    without_text: int
    """() rows without a text, which have no vector."""
    truncated: int
    """() texts longer than the model reads."""
    columns: int
    """() numbers in each vector."""
    dtype: str
    """() of each number."""

    @property
    def sentence(self) -> str:
        """Say in words what lies there."""
        said = (
            f"{self.output}: {counted(self.rows, 'row')} × {self.columns} {self.dtype} in "
            f"{counted(self.shards, 'shard')}"
        )
        if self.before:
            said += f", {self.before:,} of them from an earlier run"
        if self.without_text:
            said += f"; {self.without_text:,} have no text and no vector"
        return said

    def to_json(self) -> dict[str, Any]:
        """The record under its names on the command line."""
        return {**vars(self), "sentence": self.sentence}


class Reader:
    """A model that writes the shards of a plan.

    Embeddings go into shards alone: the user's cache is not filled with those of a corpus.

    Args:
        plan: the plan.
        model: the model that it was made for.
    """

    def __init__(self, plan: Plan, model: Model) -> None:
        self._plan = plan
        self._model = copy.copy(model)
        self._model.store = _WithoutRows(model.store.folder, model.store.limit_bytes)

    def write(self, part: Part, progress: Progress = silent) -> Shard:
        """Embed the texts of a range and write its shard.

        Args:
            part: the range.
            progress: told of its texts.

        Returns:
            what the shard holds.

        Raises:
            InputError: the model cannot read its texts, or gives NaN.
        """
        plan, model = self._plan, self._model
        said, ids = plan.corpus.read(part)
        texts = [text for text in said if text is not None]
        held = np.flatnonzero([text is not None for text in said])
        rows = np.empty((0, model.d_model), dtype=np.float32)
        if texts:
            rows = model.encode(texts, plan.prompt, progress=progress)
        if plan.V_window is not None:
            rows = projected(rows, plan.V_window, plan.full)
        cut = model.truncated(texts, plan.prompt) if texts else 0
        return plan.write(part, ids, rows, held, cut)


def embed_corpus(model: Model, plan: Plan, *, progress: Progress = silent) -> Embedded:
    """Write the shards that are missing, one after another.

    A run that was stopped, or killed, is finished by the next one: a shard is written whole or not
    at all.

    Args:
        model: the model that the plan was made for.
        plan: as :func:`~embfilter_viz.corpus.plan.plan_for` makes it.
        progress: told of the texts; may raise ``Cancelled``.

    Returns:
        what lies in the shards.

    Raises:
        InputError: a shard of another plan, or texts that the model cannot read.
    """
    there, missing = plan.look(progress)
    reader, made = Reader(plan, model), list[Shard]()
    before = done = sum(shard.rows for shard in there)
    for part in missing:
        made.append(reader.write(part, _after(done, plan.corpus.rows, progress)))
        done += part.rows
        progress(DOING, done, plan.corpus.rows, "texts")
    return embedded(plan, [*there, *made], before)


def _after(before: int, rows: int, progress: Progress) -> Progress:
    """A listener to one part, which tells of the whole."""

    def heard(what: str, done: float, total: float, unit: str) -> None:
        if unit == "texts":
            progress(what, before + done, rows, unit)
        else:  # something else, such as the opening of a model
            progress(what, done, total, unit)

    return heard


def embedded(plan: Plan, shards: Sequence[Shard], before: int) -> Embedded:
    """Sum up what lies in the shards of a plan.

    Args:
        plan: the plan.
        shards: all of them.
        before: rows that earlier runs had written.

    Returns:
        the record.
    """
    width = int(plan.said["d_model"])
    return Embedded(
        output=str(plan.folder),
        shards=len(shards),
        rows=sum(shard.rows for shard in shards),
        before=before,
        without_text=sum(shard.without_text for shard in shards),
        truncated=sum(shard.cut for shard in shards),
        columns=width if plan.V_window is None or plan.full else plan.V_window.shape[1],
        dtype=plan.dtype,
    )


class _WithoutRows(Store):
    """A store that keeps no rows; all else it keeps as ever."""

    def rows(self, kind: str, key: Key) -> RowStore:
        return RowStore(self, None, "")
