"""One filter file in safetensors, with everything it came from in its metadata.

Of a window it holds V_window, in format 1; of any other method its matrix A and offset b, in format
2, which releases before it refuse by name.
"""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from embfilter_viz.errors import InputError
from embfilter_viz.export.provenance import Check, Provenance, check_of, provenance
from embfilter_viz.export.refinement import Refinement, map_of
from embfilter_viz.model import Model
from embfilter_viz.spectral.affine import AffineMap
from embfilter_viz.spectral.filters import Filter, projected
from embfilter_viz.spectral.windows import Window
from embfilter_viz.system.outputs import written_output
from embfilter_viz.system.panics import panics_raised

__all__ = [
    "FILTER_IN_FOLDER",
    "SavedFilter",
    "SavedMap",
    "filter_bytes",
    "load_filter",
    "save_filter",
]

FILTER_IN_FOLDER = "filter.safetensors"
"""Its name inside a folder with a whole model: by it ``verify`` knows what to expect."""
FORMAT = "embfilter-viz filter"
WINDOW_VERSION, MAP_VERSION = "1", "2"
_TENSORS = {WINDOW_VERSION: ("V_window",), MAP_VERSION: ("matrix", "offset")}
_CHECKED = 64
_AGAIN = "export it again with `embfilter-viz export MODEL --format filter`"


class _Saved(Filter):
    """A filter that came out of a file, with what it is for."""

    metadata: dict[str, str]

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


class SavedFilter(_Saved):
    """A filter that came out of a file: V_window and its metadata, without the model.

    ``transform`` takes E (n, d_model) to E V_window (n, k), or to E V_window V_windowᵀ with
    ``full``. Made by :func:`load_filter`.

    Args:
        V_window: (d_model, k) the kept directions.
        window: what the filter keeps.
        metadata: what the file says of itself.
        full: whether to give d numbers instead of k.
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
        """Return what is removed, in words for a caption."""
        return self.window.removes

    def _apply(self, E: np.ndarray) -> np.ndarray:
        return projected(E, self.V_window, self.full)

    def _names(self) -> list[str]:
        if self.full:
            return [f"h{i}" for i in range(self.window.d)]
        return [f"v{i}" for i in range(self.window.l, self.window.r)]

    def _width(self) -> int:
        return self.window.d


class SavedMap(_Saved):
    """A method that came out of a file: its matrix, its offset and its metadata.

    ``transform`` takes E (n, d_model) to E A + b (n, k). Made by :func:`load_filter`.
    """

    def __init__(self, map: AffineMap, metadata: dict[str, str]) -> None:
        self.map = map
        self.metadata = metadata
        self.checkpoint = metadata["head_hash"]

    @property
    def removes(self) -> str:
        """Return what is removed, in words for a caption."""
        return self.metadata["removes"]

    def _apply(self, E: np.ndarray) -> np.ndarray:
        return self.map(E)

    def _names(self) -> list[str]:
        return [f"x{i}" for i in range(len(self.map.offset))]

    def _width(self) -> int:
        return len(self.map.matrix)


def filter_bytes(
    model: Model,
    what: Window | Refinement,
    *,
    prompt: str = "prompteol",
    gauge: str = "centred",
) -> bytes:
    """The filter file's content, for a download button or :func:`save_filter`.

    Args:
        model: the opened model.
        what: the window, or another method made ready.
        prompt: the prompt that the filter is meant for.
        gauge: noted in the metadata.

    Returns:
        the bytes of one safetensors file.
    """
    map = map_of(model, what)
    about = provenance(model, what, prompt=prompt, gauge=gauge)
    if isinstance(what, Window):
        return _packed(WINDOW_VERSION, (map.matrix,), about)
    return _packed(MAP_VERSION, (map.matrix, map.offset), about)


def save_filter(
    path: Path,
    model: Model,
    what: Window | Refinement,
    *,
    prompt: str = "prompteol",
    gauge: str = "centred",
    force: bool = False,
) -> Check:
    """Write the filter file, whole or not at all, and read it back.

    Args:
        path: the file.
        model: the model.
        what: the window, or another method made ready.
        prompt: how texts are put to the model.
        gauge: noted in the file.
        force: replace a foreign file.

    Returns:
        how near the vectors of the file come to ours.

    Raises:
        InputError: the place cannot be written to, or holds something that is no export of ours
            and ``force`` is not given.
    """
    with written_output(path, force=force) as file:
        file.write(filter_bytes(model, what, prompt=prompt, gauge=gauge))
    E = np.random.default_rng(0).standard_normal((_CHECKED, model.d_model), dtype=np.float32)
    ours, theirs = map_of(model, what)(E), load_filter(path, model=model).transform(E)
    return check_of(ours, theirs, f"{_CHECKED} random vectors")


def load_filter(
    path: str | Path, *, model: Model | None = None, full: bool = False
) -> SavedFilter | SavedMap:
    """The filter in a file that ``embfilter-viz export --format filter`` wrote.

    Args:
        path: the file.
        model: the model it is to be used with; another than it was made for is refused.
        full: return a window's full form, d_model numbers a text.

    Raises:
        InputError: no such file, a damaged or a foreign one, one made for another model, or a full
            form asked of a method that has none.

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
    tensors, metadata = _unpacked(path)
    found = _of_window if metadata["format_version"] == WINDOW_VERSION else _of_map
    saved = found(path, tensors, metadata, full)
    if model is not None:
        saved.check_model(model)
    return saved


def _of_window(
    path: Path, tensors: list[np.ndarray], metadata: dict[str, str], full: bool
) -> SavedFilter:
    (V,) = tensors
    try:
        window = Window(*(int(metadata[name]) for name in ("l", "r", "d_model")))
    except (KeyError, ValueError) as error:
        raise InputError(f"{path}: its metadata names no window; {_AGAIN}") from error
    if V.shape != (window.d, window.k):
        raise InputError(_damaged(path))
    return SavedFilter(V, window, metadata, full)


def _of_map(
    path: Path, tensors: list[np.ndarray], metadata: dict[str, str], full: bool
) -> SavedMap:
    matrix, offset = tensors
    if full:
        raise InputError(
            f"{path}: only a window has a full form, and this is {metadata.get('method')}; leave "
            "full out"
        )
    if matrix.ndim != 2 or offset.shape != matrix.shape[1:]:
        raise InputError(_damaged(path))
    return SavedMap(AffineMap(matrix, offset), metadata)


def _damaged(path: Path) -> str:
    return f"{path}: damaged, its content does not match its checksum; {_AGAIN}"


def _packed(version: str, tensors: tuple[np.ndarray, ...], about: Provenance) -> bytes:
    from safetensors.numpy import save

    metadata = {"format": FORMAT, "format_version": version, **about.metadata()}
    metadata["sha256"] = _digest(tensors, metadata)
    return save(dict(zip(_TENSORS[version], tensors, strict=True)), metadata=metadata)


def _unpacked(path: Path) -> tuple[list[np.ndarray], dict[str, str]]:
    """Tensors and metadata of a file of ours, its checksum verified."""
    from safetensors import safe_open

    from embfilter_viz.models.formats.schemas import FilterSaid, MapSaid, held_to

    try:
        with panics_raised(), safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            names = _names_of(path, metadata)
            tensors = [file.get_tensor(name) for name in names]
    except InputError:
        raise
    except Exception as error:  # SafetensorError, and what NumPy says of a dtype it lacks
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{path}: damaged, or no safetensors file ({reason}); {_AGAIN}") from error
    if metadata.get("sha256") != _digest(tensors, metadata):
        raise InputError(_damaged(path))
    schema = FilterSaid if metadata["format_version"] == WINDOW_VERSION else MapSaid
    held_to(schema, metadata, f"{path}: its metadata", _AGAIN)
    if not all(tensor.dtype.kind == "f" and np.isfinite(tensor).all() for tensor in tensors):
        raise InputError(f"{path}: it holds what is no finite number; {_AGAIN}")
    for tensor in tensors:
        tensor.setflags(write=False)
    return tensors, metadata


def _names_of(path: Path, metadata: dict[str, str]) -> tuple[str, ...]:
    """The tensors that a filter file of its format holds."""
    if metadata.get("format") != FORMAT:
        raise InputError(f"{path}: a safetensors file, but no filter of ours; {_AGAIN}")
    names = _TENSORS.get(metadata.get("format_version", ""))
    if names is None:
        raise InputError(
            f"{path}: written by {metadata.get('library', 'a newer release')[:60]} in a newer "
            "format; upgrade embfilter-viz"
        )
    return names


def _digest(tensors: Sequence[np.ndarray], metadata: dict[str, Any]) -> str:
    """SHA-256 over the numbers and the metadata: safetensors itself notices no flipped bit."""
    said = json.dumps({name: metadata[name] for name in sorted(metadata) if name != "sha256"})
    digest = hashlib.sha256(said.encode())
    for tensor in tensors:
        digest.update(np.ascontiguousarray(tensor).tobytes())
    return digest.hexdigest()
