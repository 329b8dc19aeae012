"""What every export says of itself: the method, what it removes, and what it came from."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import embfilter_viz
from embfilter_viz.analyses.methods import METHODS, WINDOW
from embfilter_viz.errors import InputError
from embfilter_viz.export.refinement import Refinement, map_of
from embfilter_viz.model import Model
from embfilter_viz.models.encoding.prompts import find_prompt
from embfilter_viz.models.encoding.rewriting import RECIPE
from embfilter_viz.models.outline import Outline
from embfilter_viz.models.sources.names import without_place
from embfilter_viz.spectral.average_token import GAUGES
from embfilter_viz.spectral.windows import Window

__all__ = ["Check", "Provenance", "check_of", "markdown_rows", "projection", "provenance"]

_APACHE = "apache-2.0"


@dataclass(frozen=True)
class Provenance:
    """A method of one checkpoint, in words for a file's metadata and a folder's README."""

    model: str
    """The checkpoint's name, without where it lies on the disk."""
    head_hash: str
    """SHA-256 of its W_U, which is all the filter comes from."""
    content_hash: str | None
    """SHA-256 over its weights, configuration and tokenizer; None where only the head was read."""
    head_from: str | None
    """The model that lent it the head, without where that lies on the disk; None for its own."""
    architecture: str
    """The class in its ``config.json``."""
    source: str
    """Where it came from, in words."""
    licence: str | None
    """Its licence as its own files state it; None where they do not."""
    method: str
    """What is done to embeddings, by the name on the command line; a window is ``embedfilter``."""
    does: str
    """The same in words."""
    removes: str
    """What it removes, in words."""
    d_model: int
    """Numbers that go in."""
    dims: int
    """Numbers that come out."""
    window: Window | None
    """The directions kept, where it keeps a window."""
    calibration: str | None
    """Which texts it learnt from; None where it learns from none."""
    prompt: str
    """How texts were put to the model, with the layer that was read if not the last."""
    template: str
    """The text given to the model; several, one a line."""
    rewritings: str
    """How rewritings were sampled that are averaged with a text, in words; empty for none."""
    layer: int
    """After how many layers their states were read."""
    gauge: str
    """The gauge that Δπ was looked at in; the filter itself does not depend on it."""

    @property
    def words(self) -> str:
        """The prompt in a sentence."""
        return find_prompt(self.prompt).words

    @property
    def version(self) -> str:
        """The version of this library."""
        return embfilter_viz.__version__

    def metadata(self) -> dict[str, str]:
        """The same as strings, the only thing a safetensors file can hold beside tensors."""
        return {
            **(
                {}
                if self.window is None
                else {
                    "l": str(self.window.l),
                    "r": str(self.window.r),
                    "tau": repr(self.window.tau),
                }
            ),
            "method": self.method,
            "does": self.does,
            "calibration": self.calibration or "",
            "d_model": str(self.d_model),
            "dimensions": str(self.dims),
            "removes": self.removes,
            "checkpoint": self.model,
            "head_hash": self.head_hash,
            "head_from": self.head_from or "",
            "content_hash": self.content_hash or "",
            "architecture": self.architecture,
            "prompt": self.prompt,
            "template": self.template,
            **({"rewritings": self.rewritings} if self.rewritings else {}),
            "layer": str(self.layer),
            "gauge": self.gauge,
            "library": f"embfilter-viz {self.version}",
        }

    @property
    def _what(self) -> list[tuple[str, str]]:
        """The window, or whatever else is done."""
        window = []
        if self.window is not None:
            window = [
                ("Window l:r", f"{self.window} of {self.window.d} directions"),
                ("τ = d/k", f"{self.window.tau:.4g}"),
            ]
        if self.method == WINDOW:
            return [*window, ("Keeps", f"{self.dims} dimensions")]
        return [
            ("Method", f"{self.method}: {self.does}"),
            *window,
            ("Numbers", f"{self.d_model} in, {self.dims} out"),
            ("Learnt from", self.calibration or "no texts, the checkpoint alone"),
        ]

    @property
    def title(self) -> str:
        """Return what is done, short, for a heading."""
        return "EmbedFilter" if self.method == WINDOW else self.method

    def rows(self) -> list[tuple[str, str]]:
        """Return what and its value, for a reader."""
        return [
            *self._what,
            ("Removes", self.removes),
            ("Checkpoint", self.model),
            ("Architecture", self.architecture),
            ("Source", self.source),
            *([("Head lent by", self.head_from)] if self.head_from else []),
            ("Head, W_U (SHA-256)", self.head_hash),
            ("Whole checkpoint (SHA-256)", self.content_hash or "only its head was read"),
            ("Licence of the checkpoint", self.licence or "not stated in its files"),
            ("Prompt", self.words),
            *([("Averaged with", self.rewritings)] if self.rewritings else []),
            ("Read after layer", str(self.layer)),
            ("Gauge", f"{self.gauge} (of the pictures; the filter does not depend on it)"),
            ("Made by", f"embfilter-viz {self.version}"),
        ]


def provenance(
    model: Model,
    what: Window | Refinement,
    *,
    prompt: str = "prompteol",
    gauge: str = "centred",
) -> Provenance:
    """Return what an export of a window or another method of ``model`` says of itself.

    Args:
        model: the opened model.
        what: the window, or another method made ready.
        prompt: the prompt's name.
        gauge: one of ``GAUGES``.

    Returns:
        the record, checked against the model.

    Raises:
        InputError: it is of another width than the model, there is no such gauge or prompt, or
            the model has no such layer.
    """
    window: Window | None
    calibration: str | None
    if isinstance(what, Window):
        name = f"window {what} is of {what.d} directions"
        method, does, dims, width = WINDOW, METHODS[WINDOW].does, what.k, what.d
        window, calibration = what, None
    else:
        width, dims = what.map.matrix.shape
        name = f"method {what.method} was made for {width} numbers"
        method, does = what.method, what.does
        window, calibration = what.window, what.calibration
    if width != model.d_model:
        raise InputError(f"{name}; {model.name} has {model.d_model}")
    if gauge not in GAUGES:
        raise InputError(f"gauge {gauge!r}: unknown; take one of {', '.join(GAUGES)}")
    outline, asked = model.outline, model.prompt(prompt)
    return Provenance(
        model=without_place(model.name),
        head_from=None if model.head_from is None else without_place(model.head_from),
        head_hash=model.head.digest(),
        content_hash=model.checkpoint.content_hash if model.is_whole else None,
        architecture=model.card.architecture,
        source=_source(outline)
        + (f", texts read by {read_by}" if (read_by := model.read_by) else ""),
        licence=_licence(outline.folder, outline.kind),
        method=method,
        does=does,
        removes=what.removes,
        d_model=width,
        dims=dims,
        window=window,
        calibration=calibration,
        prompt=str(asked),
        template=asked.template,
        rewritings=RECIPE.sentence if asked.rewritings else "",
        layer=model.layer_read(prompt),
        gauge=gauge,
    )


def markdown_rows(rows: Iterable[tuple[str, str]]) -> str:
    r"""Rows of a table in Markdown.

    >>> markdown_rows([("Prompt", "a|b")])
    '| Prompt | a\\|b |'
    """
    return "\n".join("| {} | {} |".format(*(c.replace("|", "\\|") for c in row)) for row in rows)


def _source(outline: Outline) -> str:
    """Return where a model came from, without a path."""
    if outline.kind != "folder":
        return outline.source
    before = "" if outline.adapter is None else f"{outline.adapter.source} on "
    return f"{before}a local folder"


def projection(model: Model, window: Window) -> np.ndarray:
    """V_window, (d_model, k) float32 in rows: the reduced form of E is ``E @ V_window``."""
    return map_of(model, window).matrix


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
