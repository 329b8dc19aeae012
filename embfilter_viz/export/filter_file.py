"""One filter file: V_window in safetensors, with everything it came from in its metadata."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np

from embfilter_viz.errors import InputError
from embfilter_viz.export.places import writable_file
from embfilter_viz.export.provenance import (
    Check,
    Provenance,
    check_of,
    projection,
    provenance,
)
from embfilter_viz.files import written_whole
from embfilter_viz.model import Model
from embfilter_viz.spectral.filters import EmbedFilter, Filter, projected
from embfilter_viz.spectral.windows import Window

__all__ = ["SavedFilter", "filter_bytes", "load_filter", "save_filter"]

FORMAT = "embfilter-viz filter"
FORMAT_VERSION = 1
_TENSOR = "V_window"
_CHECKED = 64
_AGAIN = "export it again with `embfilter-viz export MODEL --format filter`"


class SavedFilter(Filter):
    """A filter that came out of a file: V_window and its metadata, without the model.

    ``transform`` takes E (n, d_model) to E V_window (n, k), or to E V_window V_windowᵀ with
    ``full``. Made by :func:`load_filter`.
    """

    def __init__(
        self, V_window: np.ndarray, window: Window, metadata: dict[str, str], full: bool = False
    ) -> None:
        self.V_window = V_window
        self.window = window
        self.metadata = metadata
        self.full = full
        self.checkpoint = metadata["head_hash"]

    @property
    def window_(self) -> Window:
        """The directions kept."""
        return self.window

    @property
    def projection_(self) -> np.ndarray:
        """(d_model, k) float32 with orthonormal columns."""
        return self.V_window

    @property
    def removes(self) -> str:
        """What is removed, in words for a caption."""
        return self.window.removes

    def check_model(self, model: Model) -> None:
        """Refuse a model with another head than the one the filter was made from.

        Raises:
            InputError: the SHA-256 of its W_U differs.
        """
        made_for = self.metadata["head_hash"]
        if (head := model.head.digest()) != made_for:
            raise InputError(
                f"the filter was made for {self.metadata['checkpoint']} (head "
                f"{made_for[:12]}…), not for {model.name} (head {head[:12]}…), where its "
                "directions mean something else; export one from this model"
            )

    def _apply(self, E: np.ndarray) -> np.ndarray:
        return projected(E, self.V_window, self.full)

    def _names(self) -> list[str]:
        if self.full:
            return [f"h{i}" for i in range(self.window.d)]
        return [f"v{i}" for i in range(self.window.l, self.window.r)]

    def _width(self) -> int:
        return self.window.d


def filter_bytes(
    model: Model, window: Window, *, prompt: str = "prompteol", gauge: str = "paper"
) -> bytes:
    """The filter file's content, for a download button or :func:`save_filter`."""
    return _packed(projection(model, window), provenance(model, window, prompt=prompt, gauge=gauge))


def save_filter(
    path: Path,
    model: Model,
    window: Window,
    *,
    prompt: str = "prompteol",
    gauge: str = "paper",
    force: bool = False,
) -> Check:
    """Write the filter file, whole or not at all, and read it back.

    Raises:
        InputError: the place cannot be written to, or holds something that is no export of ours
            and ``force`` is not given.
    """
    writable_file(path, force=force)
    with written_whole(path) as file:
        file.write(filter_bytes(model, window, prompt=prompt, gauge=gauge))
    E = np.random.default_rng(0).standard_normal((_CHECKED, model.d_model), dtype=np.float32)
    ours = EmbedFilter(model.spectrum, window=window).transform(E)
    theirs = load_filter(path, model=model).transform(E)
    return check_of(ours, theirs, f"{_CHECKED} random vectors")


def load_filter(path: str | Path, *, model: Model | None = None, full: bool = False) -> SavedFilter:
    """The filter in a file that ``embfilter-viz export --format filter`` wrote.

    Args:
        path: the file.
        model: the model it is to be used with; another than it was made for is refused.
        full: return the full form, d_model numbers a text.

    Raises:
        InputError: no such file, a damaged or a foreign one, or one made for another model.

    >>> load_filter("no-such.safetensors")
    Traceback (most recent call last):
    embfilter_viz.errors.InputError: no-such.safetensors: no such file; give a filter file, ...
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(
            f"{path}: no such file; give a filter file, as `embfilter-viz export MODEL --format "
            "filter` writes it"
        )
    V, metadata = _unpacked(path)
    try:
        window = Window(*(int(metadata[name]) for name in ("l", "r", "d_model")))
    except (KeyError, ValueError) as error:
        raise InputError(f"{path}: its metadata names no window; {_AGAIN}") from error
    if V.shape != (window.d, window.k) or metadata.get("sha256") != _digest(V, metadata):
        raise InputError(f"{path}: damaged, its content does not match its checksum; {_AGAIN}")
    V.setflags(write=False)
    found = SavedFilter(V, window, metadata, full)
    if model is not None:
        found.check_model(model)
    return found


def _packed(V: np.ndarray, about: Provenance) -> bytes:
    from safetensors.numpy import save

    metadata = {"format": FORMAT, "format_version": str(FORMAT_VERSION), **about.metadata()}
    metadata["sha256"] = _digest(V, metadata)
    return save({_TENSOR: V}, metadata=metadata)


def _unpacked(path: Path) -> tuple[np.ndarray, dict[str, str]]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            if metadata.get("format") != FORMAT:
                raise InputError(f"{path}: a safetensors file, but no filter of ours; {_AGAIN}")
            if metadata.get("format_version") != str(FORMAT_VERSION):
                raise InputError(
                    f"{path}: written by {metadata.get('library', 'a newer release')} in a newer "
                    "format; upgrade embfilter-viz"
                )
            return file.get_tensor(_TENSOR), metadata
    except SafetensorError as error:
        raise InputError(f"{path}: damaged, or no safetensors file ({error}); {_AGAIN}") from error


def _digest(V: np.ndarray, metadata: dict[str, Any]) -> str:
    """SHA-256 over the numbers and the metadata: safetensors itself notices no flipped bit."""
    said = json.dumps({name: metadata[name] for name in sorted(metadata) if name != "sha256"})
    return hashlib.sha256(said.encode() + np.ascontiguousarray(V).tobytes()).hexdigest()
