"""Texts read once: rows that are known come from the store, and others go into it at once."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import numpy as np

from embfilter_viz.errors import InputError
from embfilter_viz.store.rows import RowStore, text_key
from embfilter_viz.system.progress import Progress, silent

__all__ = ["Batches", "read_once"]

Batches = Iterator[tuple[Iterable[int], np.ndarray]]
"""Batches as they are read: places of texts, each once in all, and their rows (m, width)."""


def read_once(
    texts: Sequence[str],
    rows: RowStore,
    read: Callable[[list[str], Progress], Batches],
    *,
    damaged: Callable[[], str],
    progress: Progress = silent,
) -> np.ndarray:
    """A row of numbers for each text, from the store where it is known.

    Each batch that is read is stored before the next begins, so a cancelled call loses nothing.
    Of two processes that ask for the same texts one reads them and the other waits.

    Args:
        texts: at least one text; a repeated one is read once.
        rows: where rows are kept.
        read: reads distinct texts batch by batch, and tells a listener how many are done.
        damaged: says why rows may be NaN, infinite or all zeros, for the refusal of such rows.
        progress: told of the texts, those that were known included.

    Returns:
        (n, width) float32, in the order of the texts.

    Raises:
        InputError: what ``damaged`` says, where a row is not finite or all zeros; none of its batch
            is kept.

    >>> import tempfile
    >>> from embfilter_viz.store import Store
    >>> def read(texts, listener):
    ...     yield range(len(texts)), np.array([[len(text)] for text in texts], np.float32)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     rows = Store(folder).rows("lengths", {})
    ...     read_once(["a", "bcd", "a"], rows, read, damaged=lambda: "no numbers").ravel()
    array([1., 3., 1.], dtype=float32)
    """
    keys = [text_key(text) for text in texts]
    named = dict(zip(keys, texts, strict=True))
    found = _whole(rows.get(list(named)))
    if len(found) < len(named):
        with rows.turn([key for key in named if key not in found], progress):
            # Another process may have read them while this one waited for its turn.
            found.update(_whole(rows.get([key for key in named if key not in found])))
            missing = [key for key in named if key not in found]
            known = len(texts) - len(missing)

            def heard(what: str, done: float, total: float, unit: str) -> None:
                if total:
                    progress("Embedding texts", known + done, len(texts), unit)
                else:  # something else, such as the opening of a model
                    progress(what, done, total, unit)

            batches = read([named[key] for key in missing], heard) if missing else iter(())
            for places, vectors in batches:
                if not np.isfinite(vectors).all() or not vectors.any(axis=1).all():
                    raise InputError(damaged())
                batch = {missing[i]: row for i, row in zip(places, vectors, strict=True)}
                rows.put(batch)
                found.update(batch)
    return np.stack([found[key] for key in keys])


def _whole(rows: Mapping[bytes, np.ndarray]) -> dict[bytes, np.ndarray]:
    """Rows without those that are all zeros, which earlier releases kept of damaged weights."""
    return {key: row for key, row in rows.items() if row.any()}
