"""A filter over vectors that are stored already, in bounded memory."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from embfilter_viz.embeddings.cosines import unit_rows
from embfilter_viz.errors import InputError
from embfilter_viz.export.filter_file import SavedFilter, SavedMap
from embfilter_viz.model import Model
from embfilter_viz.system.arrays import write_npy
from embfilter_viz.system.outputs import written_output
from embfilter_viz.system.progress import Progress, silent
from embfilter_viz.vectors.arrow import ArrowVectors
from embfilter_viz.vectors.filtering import OF_LENGTH_ONE, Filtering
from embfilter_viz.vectors.opening import ENDINGS
from embfilter_viz.vectors.scales import Scaled, quantised
from embfilter_viz.vectors.stored import Made, StoredVectors, check_finite
from embfilter_viz.wording import counted

__all__ = ["Applied", "apply_filter", "check_texts"]

_SAMPLE = 8
"""Texts embedded anew to see whether stored vectors are theirs."""
_SAME = 0.99
"""Cosine from which a stored vector is that of its text: int8 keeps .999, another prompt .9."""


@dataclass(frozen=True)
class Applied:
    """A record of what was written."""

    output: str
    """() the file."""
    rows: int
    """() vectors in it; rows of a table without one are not counted."""
    width: int
    """() numbers in each raw vector."""
    dimensions: int
    """() numbers in each filtered one."""
    dtype: str
    """() of each filtered number."""
    scales: str | None
    """() where the scales of filtered bytes are, a file or a column; None for other numbers."""
    normalised: bool
    """() whether the raw vectors are of length 1."""
    checked: str
    """() what was held against the filter, in words."""

    @property
    def sentence(self) -> str:
        """Say in words what was written."""
        said = (
            f"{self.rows:,} vectors of {self.width} numbers are filtered to {self.dimensions} "
            f"numbers ({self.dtype}) in {self.output}. {self.checked}."
        )
        if self.scales:
            said += f" A byte times the scale of its row, in {self.scales}, is its number."
        if self.normalised:
            said += f" {OF_LENGTH_ONE}"
        return said

    def to_json(self) -> dict[str, Any]:
        """The record under its names on the command line."""
        return {**asdict(self), "sentence": self.sentence}


def apply_filter(
    filter: SavedFilter | SavedMap,
    vectors: StoredVectors,
    out: str | Path,
    *,
    numbers: str | None = None,
    force: bool = False,
    progress: Progress = silent,
) -> Applied:
    """Filter stored raw vectors into a file of the same kind, block by block.

    Products are float32 for float16, float32 and bytes, and float64 for float64. Of filtered int8
    each row has a scale of its own: in a table in a column beside it, of an array in another file.

    Args:
        filter: as :func:`~embfilter_viz.export.filter_file.load_filter` gives it.
        vectors: as :func:`~embfilter_viz.vectors.opening.open_vectors` gives them.
        out: the file to write, of the same ending; whole or not at all.
        numbers: float16, float32 or int8; that of the raw ones if not given, float32 for bytes.
        force: whether a file that is not ours may be replaced.
        progress: told of the vectors; may raise ``Cancelled``.

    Returns:
        what was written.

    Raises:
        InputError: vectors of another width or checkpoint than the filter's, vectors that were
            filtered before, vectors of length 1 for a filter that adds an offset, a number that
            is not finite, or an output that is the input, of another kind or not ours.
    """
    out = Path(out)
    check_place(vectors, out)
    first, _ = next(vectors.blocks(), (np.empty((0, vectors.width)), None))
    by = Filtering(filter, str(vectors.path), vectors.width, vectors.dtype, vectors.said, first)
    dtype = by.dtype if numbers is None else np.dtype(numbers)
    written = 0
    of_rows: list[np.ndarray] = []

    def filtered() -> Iterator[Made]:
        nonlocal written
        for block, more in vectors.blocks():
            with np.errstate(over="ignore", invalid="ignore"):
                made = by(block)
                suspect = not np.isfinite(
                    made.sum(dtype=np.float32)
                )  # as where a raw number is not finite
            if suspect:
                check_finite(vectors.path, block, written)
            scales = None
            if dtype == np.int8:
                made, scales = quantised(made)
                of_rows.append(scales)
            with np.errstate(over="ignore"):
                yield Made(made.astype(dtype, copy=False), more, scales)
            written += len(block)
            progress("Filtering", written, vectors.rows, "vectors")

    said = {**filter.metadata, "filtered": "true"}
    with written_output(out, inputs=[vectors.path], force=force) as file:
        vectors.write(file, by.dimensions, dtype, said, filtered())
        beside = None
        if of_rows:
            beside = _put_scales(vectors, out, np.concatenate(of_rows), force)
    return Applied(str(out), written, vectors.width, by.dimensions, dtype.name, beside,
                   by.normalised, by.checked)  # fmt: skip


def _put_scales(vectors: StoredVectors, out: Path, scales: np.ndarray, force: bool) -> str:
    """Write the scales of an array's rows beside it; a table has them in a column already.

    Args:
        vectors: the raw vectors.
        out: the file of filtered ones.
        scales: (n,) one for each of them.
        force: whether a file that is not ours may be replaced.

    Returns:
        where they are.
    """
    inner = vectors.inner if isinstance(vectors, Scaled) else vectors
    if isinstance(inner, ArrowVectors):
        return f"column {inner.scales_beside!r}"
    beside = out.with_suffix(".scales.npy")
    with written_output(beside, inputs=[vectors.path], force=force) as file:
        write_npy(file, scales[:, None])
    return str(beside)


def check_place(vectors: StoredVectors, out: Path) -> None:
    """Refuse an output that is a file of another kind.

    Raises:
        InputError: as said.
    """
    wanted = ENDINGS[vectors.path.suffix.lower()]
    if ENDINGS.get(out.suffix.lower()) is not wanted or (
        wanted is ArrowVectors and out.suffix.lower() != vectors.path.suffix.lower()
    ):
        raise InputError(
            f"-o {out}: {vectors.path.name} is filtered into a file of its own kind; name it "
            f"{Path(out.name.strip('.') or 'filtered').with_suffix(vectors.path.suffix)}"
        )


def check_texts(
    vectors: StoredVectors, model: Model, prompt: str, texts: list[str], rows: np.ndarray
) -> str:
    """Hold stored vectors against those that the model gives for their texts now.

    Args:
        vectors: the stored vectors.
        model: the opened model.
        prompt: how texts are put to it.
        texts: texts of stored vectors.
        rows: (m, width) their stored vectors.

    Returns:
        what was found, in words.

    Raises:
        InputError: a stored vector is not that of its text.
    """
    ours = unit_rows(model.encode(texts, prompt))
    cosines = (ours * unit_rows(rows.astype(np.float32), "stored vectors")).sum(axis=1)
    if (lowest := float(cosines.min())) < _SAME:
        text = texts[int(cosines.argmin())]
        raise InputError(
            f"{vectors.path}: the vector stored for {text[:40]!r} has cosine {lowest:.3f} to that "
            f"of {model.name} with prompt {prompt}: they are of another model, prompt or pooling, "
            "or in another order"
        )
    of = counted(len(texts), "text")
    return f"{of} embedded anew have cosines of {lowest:.4f} and more to the stored vectors"


def sample_of(vectors: StoredVectors, column: str | None, lines: list[str] | None
              ) -> tuple[list[str], np.ndarray]:  # fmt: skip
    """A few texts with their stored vectors, from a column of the table or from lines.

    Raises:
        InputError: a file without columns, no text, or lines of another number than the vectors.
    """
    if column is not None:
        inner = vectors.inner if isinstance(vectors, Scaled) else vectors
        if not isinstance(inner, ArrowVectors):
            raise InputError(f"--text-column {column}: {vectors.path} has no columns; use --texts")
        texts, rows = inner.texts(column, _SAMPLE, vectors.blocks())
    else:
        assert lines is not None
        if len(lines) != vectors.rows:
            raise InputError(
                f"--texts: {len(lines):,} lines for {vectors.rows:,} vectors; give the text of "
                "each vector on its line"
            )
        block, _ = next(vectors.blocks())
        texts, rows = lines[:_SAMPLE], block[:_SAMPLE]
    if not texts:
        raise InputError(f"{vectors.path}: no text to embed anew; leave the check out")
    return texts, rows
