"""Texts in Parquet files, cut into ranges of rows."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from embfilter_viz.errors import InputError
from embfilter_viz.texts.table import TEXT_NAMES
from embfilter_viz.wording import listed

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

__all__ = ["EMBEDDING", "Corpus", "Part"]

EMBEDDING = "embedding"
"""The column of vectors in a shard."""
_ROWS = 5000
_ENDING = ".parquet"


@dataclass(frozen=True)
class Part:
    """A range of rows of one file: what one shard holds."""

    file: str
    """() the file's name within the corpus, with ``/`` between folders."""
    mark: str
    """() names the file's content: its size, and the hash of its footer."""
    first: int
    """() the row it begins with."""
    rows: int
    """() how many rows it has."""


@dataclass(frozen=True)
class Corpus:
    """Parquet files with a column of texts. Made by :meth:`of`."""

    path: Path
    """A Parquet file, or a folder of them."""
    column: str
    """The column of texts."""
    key: str | None
    """The column that tells rows apart; None where file and row number do."""
    parts: tuple[Part, ...]
    """All ranges of rows, file by file."""

    @classmethod
    def of(
        cls,
        path: str | Path,
        column: str | None = None,
        key: str | None = None,
        rows_in_shard: int = _ROWS,
    ) -> "Corpus":
        """Look at the files; of each only its footer is read.

        Files and folders whose names begin with ``.`` or ``_`` are passed over, as other readers
        of Parquet do.

        Args:
            path: a ``.parquet`` file, or a folder of them.
            column: the column of texts; not needed where only one column holds texts, or one is
                called so, such as ``text``.
            key: a column whose values are copied beside the vectors.
            rows_in_shard: rows of a range; the last one of a file may be shorter.

        Returns:
            the corpus.

        Raises:
            InputError: no such file, no rows, or a file without these columns.

        >>> import tempfile, pyarrow as pa, pyarrow.parquet as pq
        >>> with tempfile.TemporaryDirectory() as name:
        ...     file = Path(name, "c.parquet")
        ...     pq.write_table(pa.table({"text": ["a cat", "a dog", None]}), file)
        ...     corpus = Corpus.of(file, rows_in_shard=2)
        ...     texts, ids = corpus.read(corpus.parts[1])
        >>> [(part.first, part.rows) for part in corpus.parts], texts, ids.column("row").to_pylist()
        ([(0, 2), (2, 1)], [None], [2])
        """
        if rows_in_shard < 1:
            raise InputError(f"--rows {rows_in_shard}: a shard has at least one row")
        path = Path(path)
        parts: list[Part] = []
        for file in _files(path):
            opened = _opened(file)
            column = _text_column(file, opened.schema_arrow, column)
            _check_key(file, opened.schema_arrow, key)
            name = file.relative_to(path).as_posix() if file != path else file.name
            rows, mark = opened.metadata.num_rows, _mark(file)
            parts += [
                Part(name, mark, first, min(rows_in_shard, rows - first))
                for first in range(0, rows, rows_in_shard)
            ]
        if column is None or not parts:
            raise InputError(f"{path}: there are no rows in it; give a corpus with texts")
        return cls(path, column, key, tuple(parts))

    @property
    def rows(self) -> int:
        """The number of rows in all."""
        return sum(part.rows for part in self.parts)

    def read(self, part: Part) -> tuple[list[str | None], "pa.Table"]:
        """Texts of a range, and what tells its rows apart.

        Args:
            part: the range.

        Returns:
            its texts, None where one is missing or has only spaces, and a table with the key's
            column, or with ``file`` and ``row``.
        """
        import pyarrow as pa

        columns = list(dict.fromkeys([self.column, *([self.key] if self.key else [])]))
        table = pa.concat_tables(_slices(self._opened(part), part, columns))
        said = [
            text if text and text.strip() else None
            for text in table.column(self.column).to_pylist()
        ]
        if self.key is not None:
            return said, table.select([self.key])
        rows = pa.array(range(part.first, part.first + part.rows), type=pa.int64())
        return said, pa.table({"file": pa.array([part.file] * part.rows), "row": rows})

    def _opened(self, part: Part) -> "pq.ParquetFile":
        return _opened(self.path / part.file if self.path.is_dir() else self.path)


def _slices(file: "pq.ParquetFile", part: Part, columns: list[str]) -> Iterator["pa.Table"]:
    """Read a range of rows from the row groups that it lies in."""
    import pyarrow as pa

    end, at = part.first + part.rows, 0
    for group in range(file.metadata.num_row_groups):
        rows = file.metadata.row_group(group).num_rows
        if at < end and at + rows > part.first:
            before = at
            for batch in file.iter_batches(part.rows, [group], columns):
                first, last = max(part.first - before, 0), min(end - before, len(batch))
                if first < last:
                    yield pa.Table.from_batches([batch.slice(first, last - first)])
                before += len(batch)
                if before >= end:
                    break
        at += rows


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise InputError(f"{path}: no such file or folder; give Parquet files with texts")
    found = [
        file
        for file in path.rglob(f"*{_ENDING}")
        if not any(name[0] in "._" for name in file.relative_to(path).parts)
    ]
    if not found:
        raise InputError(
            f"{path}: a folder without {_ENDING} files; give one with a corpus in Parquet, or a "
            "file with one text on each line"
        )
    return sorted(found)


def _opened(file: Path) -> "pq.ParquetFile":
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.ParquetFile(file)
    except (pa.ArrowException, OSError) as error:
        raise InputError(
            f"{file}: no Parquet file, or damaged ({error}); write it again"
        ) from error


def _mark(file: Path) -> str:
    """Name a file's content by its size and footer, which has places and ranges of all columns."""
    size = file.stat().st_size
    with file.open("rb") as opened:
        opened.seek(-8, 2)
        footer = int.from_bytes(opened.read(4), "little") + 8
        opened.seek(-min(footer, size), 2)
        return f"{size}-{hashlib.sha256(opened.read()).hexdigest()[:32]}"


def _text_column(file: Path, schema: "pa.Schema", wanted: str | None) -> str:
    import pyarrow as pa

    def holds_texts(kind: "pa.DataType") -> bool:
        if pa.types.is_dictionary(kind):
            kind = kind.value_type
        return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))

    texts = [field.name for field in schema if holds_texts(field.type)]
    if wanted is None and len(texts) == 1:
        return texts[0]
    if wanted is None and (named := [one for one in TEXT_NAMES if one in texts]):
        return named[0]
    if wanted is None:
        found = f"{listed([repr(name) for name in texts])} do" if texts else "none does"
        raise InputError(
            f"{file}: one column must hold texts, and {found}; name it with --column NAME"
        )
    if wanted not in texts:
        has = listed([repr(name) for name in texts]) or "none"
        raise InputError(f"--column {wanted}: {file} has no such column of texts; it has {has}")
    return wanted


def _check_key(file: Path, schema: "pa.Schema", key: str | None) -> None:
    if key is None:
        return
    if key not in schema.names:
        has = listed([repr(name) for name in schema.names])
        raise InputError(f"--id {key}: {file} has no such column; it has {has}")
    if key == EMBEDDING:
        raise InputError(f"--id {key}: this name is that of the vectors; rename the column")
