"""Results on disk: content-addressed, written atomically, verified on reading, bounded in size.

An entry is named by the digest of a *kind* and a *key* that says everything its value depends
on, so nothing needs to be invalidated: another checkpoint is another key. App, command line and
notebook share one folder; a lock per key makes two processes that ask at once compute once.
The store never stands between the user and a result: where the folder cannot be written, the
value is computed and returned all the same.
"""

from embfilter_viz.store.arrays import Store, array_digest
from embfilter_viz.store.folder import key_digest
from embfilter_viz.store.reading import Batches, read_once
from embfilter_viz.store.records import Records
from embfilter_viz.store.rows import RowStore, TextStore, text_key

__all__ = [
    "Batches",
    "Records",
    "RowStore",
    "Store",
    "TextStore",
    "array_digest",
    "key_digest",
    "read_once",
    "text_key",
]
