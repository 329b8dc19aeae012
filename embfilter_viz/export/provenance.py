"""What every export says of itself: the window, what it removes, and what it came from."""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import embfilter_viz
from embfilter_viz.errors import InputError
from embfilter_viz.model import Model
from embfilter_viz.spectral.average_token import GAUGES
from embfilter_viz.spectral.windows import Window

__all__ = ["Check", "Provenance", "check_of", "projection", "provenance"]

_APACHE = "apache-2.0"


@dataclass(frozen=True)
class Provenance:
    """A window of one checkpoint, in words for a file's metadata and a folder's README."""

    model: str
    """The checkpoint's name, without where it lies on the disk."""
    head_hash: str
    """SHA-256 of its W_U, which is all the filter comes from."""
    content_hash: str | None
    """SHA-256 over its weights, configuration and tokenizer; None where only the head was read."""
    architecture: str
    """The class in its ``config.json``."""
    source: str
    """Where it came from, in words."""
    licence: str | None
    """Its licence as its own files state it; None where they do not."""
    window: Window
    """The directions kept."""
    prompt: str
    """How texts were put to the model."""
    gauge: str
    """The gauge that Δπ was looked at in; the filter itself does not depend on it."""

    @property
    def version(self) -> str:
        """The version of this library."""
        return embfilter_viz.__version__

    def metadata(self) -> dict[str, str]:
        """The same as strings, the only thing a safetensors file can hold beside tensors."""
        return {
            "l": str(self.window.l),
            "r": str(self.window.r),
            "d_model": str(self.window.d),
            "tau": repr(self.window.tau),
            "removes": self.window.removes,
            "checkpoint": self.model,
            "head_hash": self.head_hash,
            "content_hash": self.content_hash or "",
            "architecture": self.architecture,
            "prompt": self.prompt,
            "gauge": self.gauge,
            "library": f"embfilter-viz {self.version}",
        }

    def rows(self) -> list[tuple[str, str]]:
        """What and its value, for a reader."""
        return [
            ("Window l:r", f"{self.window} of {self.window.d} directions"),
            ("τ = d/k", f"{self.window.tau:.4g}"),
            ("Keeps", f"{self.window.k} dimensions"),
            ("Removes", self.window.removes),
            ("Checkpoint", self.model),
            ("Architecture", self.architecture),
            ("Source", self.source),
            ("Head, W_U (SHA-256)", self.head_hash),
            ("Whole checkpoint (SHA-256)", self.content_hash or "only its head was read"),
            ("Licence of the checkpoint", self.licence or "not stated in its files"),
            ("Prompt", self.prompt),
            ("Gauge", f"{self.gauge} (of the pictures; the filter does not depend on it)"),
            ("Made by", f"embfilter-viz {self.version}"),
        ]


def provenance(
    model: Model, window: Window, *, prompt: str = "prompteol", gauge: str = "paper"
) -> Provenance:
    """What an export of ``window`` of ``model`` says of itself.

    Raises:
        InputError: the window is of another width than the model, or there is no such gauge.
    """
    if window.d != model.d_model:
        raise InputError(
            f"window {window} is of {window.d} directions; {model.name} has {model.d_model}"
        )
    if gauge not in GAUGES:
        raise InputError(f"gauge {gauge!r}: unknown; take one of {', '.join(GAUGES)}")
    outline = model.outline
    local = outline.kind in ("folder", "gguf")  # a path tells of the user's disk
    return Provenance(
        model=Path(model.name).resolve().name if local else model.name,
        head_hash=model.head.digest(),
        content_hash=model.checkpoint.content_hash if model.is_whole else None,
        architecture=model.card.architecture,
        source="a local folder" if outline.kind == "folder" else outline.source,
        licence=_licence(outline.folder, outline.kind),
        window=window,
        prompt=prompt,
        gauge=gauge,
    )


def projection(model: Model, window: Window) -> np.ndarray:
    """V_window, (d_model, k) float32 in rows: the reduced form of E is ``E @ V_window``."""
    return np.ascontiguousarray(model.spectrum.V[:, window.kept], dtype=np.float32)


@dataclass(frozen=True)
class Check:
    """An export used by the library it is for, and held against our own vectors."""

    vectors: int
    """How many vectors were compared; 0: none, and ``on`` says why."""
    on: str
    """What they were of, in words."""
    cosine: float | None
    """The lowest cosine between ours and the export's."""

    @property
    def sentence(self) -> str:
        """The outcome in words."""
        if self.cosine is None:
            return f"Not compared with our own vectors: {self.on}."
        return (
            f"Compared with our own vectors when it was made, on {self.on}: the lowest of "
            f"{self.vectors} cosines is {self.cosine:.7f}."
        )


def check_of(ours: np.ndarray, theirs: np.ndarray, on: str) -> Check:
    """Row-wise cosines of two (n, k) arrays, in float64.

    >>> check_of(np.eye(2), 2 * np.eye(2), "two unit vectors").cosine
    1.0
    """
    a, b = (np.asarray(rows, dtype=np.float64) for rows in (ours, theirs))
    assert a.shape == b.shape, "an export of another width is no export"
    norms = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    return Check(len(a), on, float(np.min((a * b).sum(axis=1) / norms)))


def _licence(folder: Path, kind: str) -> str | None:
    """The licence in the front matter of the checkpoint's model card, if it has one."""
    if kind == "bundled":
        return _APACHE
    readme = folder / "README.md"
    try:
        head = readme.read_text(encoding="utf-8", errors="replace")[:8192]
    except OSError:
        return None
    front = re.match(r"---\n(.*?)\n---", head, re.DOTALL)
    found = front and re.search(r"^license:\s*([\w.+-]+)\s*$", front[1], re.MULTILINE)
    return found[1] if found else None
