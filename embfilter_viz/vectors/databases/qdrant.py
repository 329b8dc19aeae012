"""A collection of Qdrant's, in a local folder or on a server; the filtered one stands beside it."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from embfilter_viz.errors import InputError
from embfilter_viz.vectors.databases.database import (
    Address,
    as_note,
    check_note,
    client,
    read_note,
    said_plainly,
)
from embfilter_viz.vectors.stored import rows_at_once
from embfilter_viz.wording import listed

__all__ = ["QdrantDatabase"]

_KEY = "QDRANT_API_KEY"
_NOTE = "embfilter-viz"
_POINTS = 256
"""Points of a block at most: a server takes requests of up to 32 MB, and numbers go as JSON."""


class QdrantDatabase:
    """The points of a collection, or one of their named vectors.

    Filtered vectors become a new collection with the same ids, payloads and distance. The note is
    the collection's metadata. Points are written one by one; a point that is there by its id is not
    written again.

    Args:
        address: the folder or URL, and the collection (with ``.NAME`` for a named vector). The key
            of a server comes from the environment variable ``QDRANT_API_KEY``.

    Raises:
        InputError: no client or server, no such folder or collection, several vectors a point, or
            no vectors.
    """

    def __init__(self, address: Address) -> None:
        self.where = address.where
        client("qdrant_client", "qdrant")
        from qdrant_client.http.exceptions import ApiException

        self._errors: tuple[type[Exception], ...] = (ApiException, ValueError, RuntimeError)
        self._db: Any = None
        try:
            self._open(address)
        except BaseException:
            self.close()
            raise

    def _open(self, address: Address) -> None:
        from qdrant_client import QdrantClient

        with self._plainly():
            if "://" in address.place:
                self._db = QdrantClient(url=address.place, api_key=os.environ.get(_KEY),
                                        check_compatibility=False)  # fmt: skip
            elif Path(address.place).is_dir():
                self._db = QdrantClient(path=address.place)
            else:
                raise InputError(f"qdrant:{address.place}: no such folder; give one that is there")
            self._raw, name = address.table, None
            if not self._db.collection_exists(self._raw):
                self._raw, dot, name = self._raw.rpartition(".")
                if not dot or not self._db.collection_exists(self._raw):
                    raise InputError(f"{self.where}: there is no such collection")
            config = self._db.get_collection(self._raw).config
            self._params = self._chosen(config.params.vectors, name)
            self.said: Mapping[str, str] = _noted(config.metadata) or {}
            self.rows = int(self._db.count(self._raw, count_filter=self._held).count)
        if self._params.multivector_config is not None:
            raise InputError(f"{self.where}: its points have several vectors each; take another")
        if not self.rows:
            raise InputError(f"{self.where}: the collection holds no vector at all; name another")
        self.beside, self.width = f"{self._raw}_filtered", int(self._params.size)
        half = str(getattr(self._params.datatype, "value", "")) == "float16"
        self.dtype = np.dtype("float16" if half else "float32")

    def _chosen(self, vectors: Any, name: str | None) -> Any:
        """Return the parameters of the vectors, and keep their name."""
        named = vectors if isinstance(vectors, dict) else {"": vectors} if vectors else {}
        self._name = next(iter(named), "") if name is None else name
        if self._name not in named or (name is None and len(named) > 1):
            has = listed([repr(one) for one in named])
            raise InputError(
                f"{self.where}: it has vectors named {has}; take one, as COLLECTION.NAME"
            )
        return named[self._name]

    def _plainly(self) -> Any:
        return said_plainly(self.where, *self._errors)

    @property
    def _held(self) -> Any:
        from qdrant_client import models

        return models.Filter(must=[models.HasVectorCondition(has_vector=self._name)])

    def _rows(self, points: list[Any]) -> np.ndarray:
        found = [point.vector[self._name] if self._name else point.vector for point in points]
        return np.array(found, dtype=self.dtype).reshape(-1, self.width)

    def sample(self) -> np.ndarray:
        """Return the first vectors."""
        with self._plainly():
            points, _ = self._db.scroll(self._raw, self._held, limit=_POINTS, with_vectors=True)
            return self._rows(points)

    def begin(self, to: str, width: int, dtype: np.dtype, note: Mapping[str, str]) -> int:
        """Make the collection, or find it.

        Args:
            to: its name.
            width: numbers in each filtered vector.
            dtype: of each number.
            note: written as the collection's metadata.

        Returns:
            how many filtered vectors are there.

        Raises:
            InputError: a server that keeps no metadata.
        """
        self._to = to
        with self._plainly():
            new = not self._db.collection_exists(to)
            if new:
                kept = {"datatype": self._params.datatype} if dtype == np.float16 else {}
                made = type(self._params)(size=width, distance=self._params.distance,
                                          on_disk=self._params.on_disk, **kept)  # fmt: skip
                self._db.create_collection(
                    to, vectors_config={self._name: made} if self._name else made,
                    metadata={_NOTE: as_note(note)},
                )  # fmt: skip
            held = _noted(self._db.get_collection(to).config.metadata)
            if new and held is None:
                self._db.delete_collection(to)
                raise InputError(
                    f"{self.where}: this server keeps no metadata of collections; use a newer one"
                )
            check_note(self.where, to, held, note)
            return int(self._db.count(to).count)

    def missing(self) -> Iterator[tuple[list[Any], np.ndarray]]:
        """Return what is missing in the order of ids."""
        step, after = min(_POINTS, rows_at_once(self.width)), None
        while True:
            with self._plainly():
                points, after = self._db.scroll(
                    self._raw, self._held, limit=step, offset=after, with_payload=False
                )
                ids = [point.id for point in points]
                there = self._db.retrieve(self._to, ids, with_payload=False)
                lacking = set(ids) - {point.id for point in there}
                missing = self._db.retrieve(
                    self._raw, [one for one in ids if one in lacking], with_vectors=True
                ) if lacking else []  # fmt: skip
            if missing:
                yield missing, self._rows(missing)
            if after is None:
                return

    def named(self, keys: list[Any], i: int) -> str:
        """Name a point for an error.

        Args:
            keys: the raw points.
            i: which of them.
        """
        return f"the point with id {keys[i].id}"

    def put(self, keys: list[Any], filtered: np.ndarray) -> None:
        """Write a block; a point that is there by its id is replaced by itself.

        Args:
            keys: the raw points.
            filtered: (m, k) their filtered vectors.
        """
        from qdrant_client import models

        vectors: Any = filtered.astype(np.float32).tolist()
        with self._plainly():
            self._db.upsert(
                self._to,
                models.Batch(
                    ids=[point.id for point in keys],
                    vectors={self._name: vectors} if self._name else vectors,
                    payloads=[point.payload or {} for point in keys],
                ),
                wait=True,
            )

    def close(self) -> None:
        """Let the folder, or the connection, go."""
        if self._db is not None:
            self._db.close()


def _noted(metadata: Mapping[str, Any] | None) -> dict[str, str] | None:
    return read_note((metadata or {}).get(_NOTE))
