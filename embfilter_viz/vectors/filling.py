"""A filter over the raw vectors of a database, into a column or collection beside them."""

from dataclasses import asdict, dataclass
from typing import Any

from embfilter_viz.errors import InputError
from embfilter_viz.export.filter_file import SavedFilter, SavedMap
from embfilter_viz.system.progress import Progress, silent
from embfilter_viz.vectors.databases.database import Database
from embfilter_viz.vectors.filtering import OF_LENGTH_ONE, Filtering
from embfilter_viz.vectors.stored import first_not_finite

__all__ = ["Filled", "fill_database"]


@dataclass(frozen=True)
class Filled:
    """A record of what was written."""

    raw: str
    """() where the raw vectors are."""
    to: str
    """() the name of the column, table or collection of filtered ones."""
    rows: int
    """() filtered vectors written now."""
    before: int
    """() filtered vectors that an earlier run had written."""
    width: int
    """() numbers in each raw vector."""
    dimensions: int
    """() numbers in each filtered one."""
    dtype: str
    """() of each filtered number."""
    normalised: bool
    """() whether the raw vectors are of length 1."""
    checked: str
    """() what was held against the filter, in words."""

    @property
    def sentence(self) -> str:
        """Say in words what was written."""
        said = (
            f"{self.raw}: {self.rows:,} vectors of {self.width} numbers are filtered to "
            f"{self.dimensions} numbers ({self.dtype}) in {self.to}"
        )
        if self.before:
            said += f", beside {self.before:,} that were there"
        said += f". {self.checked}."
        return f"{said} {OF_LENGTH_ONE}" if self.normalised else said

    def to_json(self) -> dict[str, Any]:
        """The record under its names on the command line."""
        return {**asdict(self), "sentence": self.sentence}


def fill_database(
    filter: SavedFilter | SavedMap,
    database: Database,
    to: str | None = None,
    *,
    progress: Progress = silent,
) -> Filled:
    """Write the filtered vectors that are missing beside raw ones, block by block.

    Each block is written whole or not at all, so a run that was stopped is finished by the next.

    Args:
        filter: as :func:`~embfilter_viz.export.filter_file.load_filter` gives it.
        database: as :func:`~embfilter_viz.vectors.databases.open_database` gives it.
        to: the name of the new column, table or collection; the raw one's with ``_filtered``
            where it is not given.
        progress: told of the vectors; may raise ``Cancelled``.

    Returns:
        what was written.

    Raises:
        InputError: vectors that do not fit the filter, a number that is not finite, or a name
            that is taken by something else.
    """
    by = Filtering(filter, database.where, database.width, database.dtype, database.said,
                   database.sample())  # fmt: skip
    to = database.beside if to is None else to
    note = {
        **filter.metadata, "filtered": "true", "fingerprint": by.fingerprint,
        "from": database.where,
    }  # fmt: skip
    before = database.begin(to, by.dimensions, by.dtype, note)
    rows = 0
    progress("Filling", before, database.rows, "vectors")
    for keys, block in database.missing():
        bad = first_not_finite(block)
        if bad is not None:
            raise InputError(
                f"{database.where}: {database.named(keys, bad)} holds NaN or infinite numbers; "
                "take that vector out, or embed its text again"
            )
        database.put(keys, by(block))
        rows += len(block)
        progress("Filling", before + rows, database.rows, "vectors")
    return Filled(database.where, to, rows, before, database.width, by.dimensions, by.dtype.name,
                  by.normalised, by.checked)  # fmt: skip
