"""A plan: the shards that one run, or several, will write, and what each says of itself."""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from embfilter_viz.corpus.parts import EMBEDDING, Corpus, Part
from embfilter_viz.errors import InputError
from embfilter_viz.export.provenance import projection, provenance
from embfilter_viz.model import Model
from embfilter_viz.spectral.windows import Window
from embfilter_viz.system.files import clear_left, unfinished
from embfilter_viz.system.paths import is_writable
from embfilter_viz.system.progress import Progress, silent
from embfilter_viz.vectors.arrow import NOTE, lists_of

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Plan", "Shard", "plan_for"]

_OF_FILTERS = ("l", "r", "tau", "method", "does", "calibration", "dimensions", "removes", "gauge")
"""Left out of a note of raw vectors."""
_LOOKED_AT = 100
"""Shards looked at between two looks at the listener: a tenth of a second."""


@dataclass(frozen=True)
class Shard:
    """A count of what one shard holds."""

    rows: int
    """() rows of its range."""
    without_text: int
    """() rows without a text, which have no vector."""
    cut: int
    """() texts longer than the model reads."""


@dataclass(frozen=True)
class Plan:
    """A corpus, a place, and what is asked of every shard. Made by :func:`plan_for`.

    It holds no model, so it can be sent to other processes.
    """

    corpus: Corpus
    """The texts."""
    folder: Path
    """Where the shards go."""
    prompt: str
    """How texts are put to the model."""
    V_window: np.ndarray | None
    """(d_model, k) the directions kept; None for raw vectors."""
    full: bool
    """Whether filtered vectors keep d_model numbers."""
    dtype: str
    """float32 or float16: of the numbers written."""
    said: Mapping[str, str]
    """Noted in every shard."""

    def place(self, part: Part) -> Path:
        """Name the file of a range, in a folder for each file of the corpus."""
        return self.folder / part.file.removesuffix(".parquet") / f"{part.first:012d}.parquet"

    def look(self, progress: Progress = silent) -> tuple[list[Shard], list[Part]]:
        """Return the shards that are there, and the ranges that have none.

        What a killed run left unfinished beside them goes: there may be nothing more to write here.

        Raises:
            InputError: a shard is of another model, prompt, filter or corpus.
        """
        there: list[Shard] = []
        missing: list[Part] = []
        for folder in {self.place(part).parent for part in self.corpus.parts}:
            clear_left(folder)
        for i, part in enumerate(self.corpus.parts):
            if i % _LOOKED_AT == 0:
                progress("Looking for shards", i, len(self.corpus.parts), "shards")
            shard = self.found(part)
            if shard is None:
                missing.append(part)
            else:
                there.append(shard)
        return there, missing

    def found(self, part: Part) -> Shard | None:
        """Return what the shard of a range holds, None where there is none or it is damaged.

        Raises:
            InputError: it is of another model, prompt, filter or corpus.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        place = self.place(part)
        try:
            note = json.loads((pq.read_metadata(place).metadata or {}).get(NOTE, b"{}"))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except pa.ArrowInvalid as error:
            with place.open("rb") as file:
                if file.read(4) in (b"", b"PAR1"):  # one of ours, on a disk that lost its end
                    return None
            raise InputError(f"{place}: is no shard; name another folder with -o") from error
        for name, value in self._note(part).items():
            if note.get(name) != value and name != "library":
                raise InputError(
                    f"{place}: this shard says {name} {note.get(name)!r}, and this run has "
                    f"{value!r}; name another folder with -o"
                )
        return Shard(part.rows, int(note["without_text"]), int(note["cut"]))

    def write(
        self, part: Part, ids: "pa.Table", rows: np.ndarray, held: np.ndarray, cut: int
    ) -> Shard:
        """Write the shard of a range, whole or not at all.

        Args:
            part: the range.
            ids: what tells its rows apart.
            rows: (m, width) vectors of the rows that have a text.
            held: (m,) which rows these are.
            cut: how many texts were longer than the model reads.

        Returns:
            what it holds.
        """
        import pyarrow as pa

        rows = rows.astype(self.dtype, copy=False)
        kind = pa.list_(pa.from_numpy_dtype(rows.dtype), rows.shape[1])
        table = ids.append_column(EMBEDDING, lists_of(rows, held, part.rows, kind))
        shard = Shard(part.rows, part.rows - len(held), cut)
        note = {**self._note(part), "without_text": str(shard.without_text), "cut": str(cut)}
        place = self.place(part)
        _put(table.replace_schema_metadata({NOTE: json.dumps(note)}), place)
        return shard

    def _note(self, part: Part) -> dict[str, str]:
        of_corpus = {"column": self.corpus.column, "id": self.corpus.key or ""}
        of_part = {name: str(value) for name, value in asdict(part).items()}
        return {**self.said, **of_corpus, **of_part}


def _check_folder(folder: Path, corpus: Corpus) -> None:
    """Refuse a place that shards cannot be written to, before anything is embedded.

    Raises:
        InputError: it is no folder, lies in the corpus, or cannot be written to.
    """
    target = Path(os.path.realpath(folder))
    in_corpus = target.is_relative_to(os.path.realpath(corpus.path))
    if in_corpus or (os.path.lexists(target) and not target.is_dir()):
        raise InputError(
            f"-o {folder}: shards go to a folder of their own; name another, beside the corpus"
        )
    above = target
    while not os.path.lexists(above):
        above = above.parent
    if not above.is_dir() or not is_writable(above):
        reason = "Permission denied" if above.is_dir() else "Not a directory"
        raise InputError(f"-o {folder}: cannot be written ({reason}); choose another place")


def _put(table: "pa.Table", place: Path) -> None:
    """Write a shard whole or not at all."""
    import pyarrow.parquet as pq

    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with unfinished(place) as part:
            pq.write_table(table, part)
            part.replace(place)
    except OSError as error:
        raise InputError(
            f"{place}: cannot be written ({error.strerror or error}); choose another folder"
        ) from error


def plan_for(
    model: Model,
    corpus: Corpus,
    folder: str | Path,
    *,
    prompt: str = "prompteol",
    window: Window | None = None,
    full: bool = False,
    half: bool = False,
    progress: Progress = silent,
) -> Plan:
    """Make the plan of a corpus under one model.

    Args:
        model: the opened model; it is fetched whole, for its hash is noted.
        corpus: the texts.
        folder: where the shards go.
        prompt: how texts are put to the model.
        window: the directions kept; None for raw vectors.
        full: keep d_model numbers in filtered vectors.
        half: write float16.
        progress: told of the model.

    Returns:
        the plan.

    Raises:
        InputError: an unknown prompt, a folder that is a file or lies in the corpus, or a model
            that cannot read texts here.
    """
    folder = Path(folder)
    _check_folder(folder, corpus)
    asked = str(model.prompt(prompt))
    model.fetch(progress=progress)
    about = provenance(model, window or Window(0, model.d_model, model.d_model), prompt=asked)
    said = {**about.metadata(), "precision": model.dtype, "dtype": "float16" if half else "float32"}
    V_window = None
    if window is None:
        said = {name: value for name, value in said.items() if name not in _OF_FILTERS}
    else:
        model.spectrum_of_head(progress=progress)
        V_window = projection(model, window)
        said |= {"filtered": "true", "full": str(full).lower()}
    return Plan(corpus, folder, asked, V_window, full, said["dtype"], said)
