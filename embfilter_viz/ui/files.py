"""The reader's files: kept for the session, with the columns chosen, and offered on all pages.

Streamlit forgets an uploaded file with the widget that took it, at every change of the page.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import streamlit as st

from embfilter_viz.texts.unpacking import GZ, LONGEST, unpacked
from embfilter_viz.ui.access import access
from embfilter_viz.wording import legible

__all__ = ["KeptFile", "keep_columns", "kept_columns", "reader_file"]

FILES_KEPT = 4
"""Files a session keeps; the one that was not used for longest goes first."""

SHELF, TAKEN, COLUMNS = "_files", "_file_of", "_columns_of"
"""In the session: files by their hash, the file each place uses, the columns chosen of a file."""


@dataclass(frozen=True)
class KeptFile:
    """A file as it was uploaded."""

    name: str
    data: bytes
    digest: str
    """SHA-256 of name and data."""


def reader_file(key: str, label: str, types: Sequence[str]) -> KeptFile | None:
    """A file of the reader's: uploaded here, or on another page before.

    Args:
        key: of the place that asks.
        label: what it asks for.
        types: endings that it takes, without the dot; each compressed by gzip, too.

    Raises:
        InputError: a file larger than a public server takes, or one that cannot be unpacked.
    """
    shelf: dict[str, KeptFile] = st.session_state.setdefault(SHELF, {})
    taken: dict[str, tuple[str, str]] = st.session_state.setdefault(TAKEN, {})
    uploaded = st.file_uploader(label, type=[*types, GZ[1:]], key=key)
    before, use = taken.get(key, ("", ""))
    if uploaded is not None and uploaded.file_id != before:
        access().check_upload(uploaded.size, uploaded.name)
        rules = access()
        room = min(LONGEST, rules.most_upload_bytes) if rules.public else LONGEST
        data, name = unpacked(uploaded.getvalue(), uploaded.name, room)
        file = _kept(shelf, name, data)
        before, use = uploaded.file_id, file.digest
    fitting = [d for d, file in shelf.items() if Path(file.name).suffix[1:].lower() in types]
    if not fitting:
        return None
    if use not in fitting:
        use = fitting[-1]
    left, right = st.columns([5, 1], vertical_alignment="bottom")
    chosen = left.selectbox(
        "File", fitting, index=fitting.index(use), key=f"{key}-file-{use[:12]}",
        format_func=lambda digest: legible(shelf[digest].name),
        help="Files are kept until the session ends, on all pages.",
    )  # fmt: skip
    right.button("Forget it", key=f"{key}-forget", on_click=_forget, args=(chosen,))
    taken[key] = (before, chosen)
    return shelf[chosen]


def _kept(shelf: dict[str, KeptFile], name: str, data: bytes) -> KeptFile:
    file = KeptFile(name, data, hashlib.sha256(name.encode() + b"\0" + data).hexdigest())
    shelf.pop(file.digest, None)  # to the end
    shelf[file.digest] = file
    while len(shelf) > FILES_KEPT:
        del shelf[next(iter(shelf))]
    return file


def _forget(digest: str) -> None:
    st.session_state[SHELF].pop(digest, None)


def kept_columns(file: KeptFile, use: str) -> dict[str, str | None]:
    """The columns of a file that were chosen last for a use, by what they are."""
    return dict(st.session_state.get(COLUMNS, {}).get((file.digest, use), {}))


def keep_columns(file: KeptFile, use: str, columns: dict[str, str | None]) -> None:
    """Remember which column of a file is what."""
    st.session_state.setdefault(COLUMNS, {})[file.digest, use] = columns
