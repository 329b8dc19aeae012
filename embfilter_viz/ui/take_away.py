"""The window to take away: downloads, a report of what was seen, a model folder."""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path

import streamlit as st

from embfilter_viz.export.filter_file import filter_bytes
from embfilter_viz.export.folder_zip import zip_folder
from embfilter_viz.export.index_transform import faiss_bytes
from embfilter_viz.export.model_folder import save_model_folder
from embfilter_viz.export.numpy_lines import numpy_zip
from embfilter_viz.export.onnx_folder import save_onnx_folder
from embfilter_viz.export.refinement import Refinement
from embfilter_viz.export.session import session_report
from embfilter_viz.export.trying import FolderExport
from embfilter_viz.figures.report import Section
from embfilter_viz.models.encoding.prompts import find_prompt
from embfilter_viz.spectral.windows import Window
from embfilter_viz.store.exports import MOST_BYTES, keep_within
from embfilter_viz.system.memory import in_words
from embfilter_viz.system.paths import cache_folder
from embfilter_viz.system.progress import Progress
from embfilter_viz.ui.access import access
from embfilter_viz.ui.choices import View
from embfilter_viz.ui.markdown import escaped
from embfilter_viz.ui.services import jobs, outcome

__all__ = ["take_away", "take_method_away"]

LARGEST_DOWNLOAD = 2 << 30
"""Bytes of a folder that are sent to a browser: Streamlit holds them in memory."""


def take_away(
    view: View, sections: Callable[[], Sequence[Section]] = tuple, *, about: Hashable = None
) -> None:
    """A fold with everything one can take of this model, window and prompt.

    Args:
        view: the page's model, prompt and window.
        sections: asked for the page's own figures and sentences when the report is made.
        about: what those sections are of: once it differs, a report made before is no longer
            offered.
    """
    name = f"embfilter-{view.window.l}-{view.window.r}"
    with st.expander(f"Take the window {view.window} away", icon=":material/download:"):
        _small_files(view, view.window, name)
        _report(view, sections, about, name)
        _folders(view, view.window, name)


def take_method_away(view: View, taken: Refinement, about: Hashable) -> None:
    """A fold with everything one can take of another method than the window.

    Args:
        view: the page's model, prompt and window.
        taken: the method made ready.
        about: what it was made of besides the view: the texts it learnt from.
    """
    # Two readers whose methods learnt from other texts must not share a folder.
    made_of = sha256(repr((str(view.window), about)).encode()).hexdigest()[:8]
    with st.expander(f"Take {taken.method} away", icon=":material/download:"):
        _small_files(view, taken, taken.method, f" of {taken.method}")
        _folders(view, taken, f"{taken.method}-{made_of}", f" of {taken.method}")


def _small_files(view: View, what: Window | Refinement, name: str, of: str = "") -> None:
    """Buttons for the files that are made in a moment.

    Args:
        view: the page's model and prompt.
        what: the window, or another method made ready.
        name: of the files, without an ending.
        of: what the buttons add to their words.
    """
    model, prompt = view.model, view.prompt
    left, middle, right = st.columns(3)
    left.download_button(
        f"Filter file{of}", lambda: filter_bytes(model, what, prompt=prompt),
        f"{name}.safetensors", icon=":material/filter_alt:", on_click="ignore",
        help="One safetensors file. embfilter_viz.load_filter reads it.",
    )  # fmt: skip
    middle.download_button(
        f"FAISS transform{of}", lambda: faiss_bytes(model, what)[0], f"{name}.vt",
        icon=":material/manage_search:", on_click="ignore", disabled=not _is_there("faiss"),
        help="Put it in front of an index with faiss.IndexPreTransform. FAISS must be "
             "installed here.",
    )  # fmt: skip
    right.download_button(
        f"Lines of NumPy{of}", lambda: numpy_zip(model, what, prompt=prompt), f"{name}.zip",
        icon=":material/code:", on_click="ignore", help="A short script and its numbers.",
    )  # fmt: skip


def _report(
    view: View, sections: Callable[[], Sequence[Section]], about: Hashable, name: str
) -> None:
    model, window, prompt = view.model, view.window, view.prompt
    page: str | None = outcome(
        ("report", model.identity, str(window), prompt, about),
        "Making the report",
        lambda progress: session_report(
            model, window, prompt=prompt, more=sections(), progress=progress
        ),
        button="Make a report",
        note="One HTML file with figures, tables and sentences. It opens without a network.",
    )
    if page is not None:
        st.download_button("Report", page, f"{name}.html", "text/html", on_click="ignore",
                           icon=":material/description:")  # fmt: skip


@dataclass(frozen=True)
class _Kind:
    """One form of a folder with the whole model."""

    reader: str
    """The library that opens it, as the buttons name it."""
    libraries: tuple[str, ...]
    """Packages that writing it needs."""
    extra: str
    """The extra that brings them."""
    save: Callable[..., FolderExport]
    """Writes it."""
    suffix: str
    """Put behind the folder's name."""
    lines: str
    """Python that opens the folder ``{name}``."""


_KINDS = (
    _Kind(
        "sentence-transformers",
        ("sentence_transformers",),
        "deploy",
        lambda *given, **more: save_model_folder(*given, **more),
        "",
        "from sentence_transformers import SentenceTransformer\n\n"
        "model = SentenceTransformer({name!r})",
    ),
    _Kind(
        "onnxruntime",
        ("onnx", "onnxscript", "onnxruntime"),
        "onnx",
        lambda *given, **more: save_onnx_folder(*given, **more),
        "-onnx",
        "from embed import Embedder  # embed.py lies in the folder\n\nmodel = Embedder({name!r})",
    ),
)


def _folders(view: View, what: Window | Refinement, name: str, of: str = "") -> None:
    """Have folders with the whole model written and packed.

    Args:
        view: the page's model and prompt.
        what: the window, or another method made ready.
        name: of the folders; it says what they are made of.
        of: what the buttons add to their words.
    """
    if access().public:
        st.caption(
            "This public explorer writes no model folder; run `embfilter-viz export` on your own "
            "machine."
        )
        return
    for kind in _KINDS:
        _folder(view, what, kind, f"{name}{kind.suffix}", of)


def _folder(view: View, what: Window | Refinement, kind: _Kind, name: str, of: str) -> None:
    """Have one folder written and packed.

    Args:
        view: the page's model and prompt.
        what: the window, or another method made ready.
        kind: its form.
        name: of the folder.
        of: what the buttons add to their words.
    """
    if not all(map(_is_there, kind.libraries)):
        st.caption(f"A folder for {kind.reader}: pip install 'embfilter-viz[{kind.extra}]'")
        return
    model, prompt = view.model, view.prompt
    # A place of ours: whoever opens the explorer must not choose what is written where.
    place = cache_folder() / "exports" / f"{model.identity[:12]}-{name}-{find_prompt(prompt).slug}"

    def work(progress: Progress) -> FolderExport:
        place.parent.mkdir(exist_ok=True)
        made = kind.save(place, model, what, prompt=prompt, progress=progress)
        keep_within(place.parent, keep=place.name)
        return made

    key = ("model folder", model.identity, name, prompt)
    _forget_what_is_gone(key, place)
    made = outcome(
        key,
        f"Writing the folder for {kind.reader}",
        work,
        button=f"Write a folder{of} for {kind.reader}",
        note="The whole model with prompt, pooling and projection. It needs as much disk space as "
        f"the model itself. Beyond {in_words(MOST_BYTES)}, the oldest exports are removed here.",
    )
    if made is not None:
        st.markdown(f"{in_words(made.n_bytes)} written. {escaped(made.check.sentence)}")
        _download(made, kind, name, of)


def _download(made: FolderExport, kind: _Kind, name: str, of: str) -> None:
    """The folder as one file for the reader's own machine, and where it lies on this one.

    Args:
        made: the folder.
        kind: its form.
        name: of the file, without an ending.
        of: what the buttons add to their words.
    """
    if made.n_bytes > LARGEST_DOWNLOAD:
        st.caption(
            f"{in_words(made.n_bytes)} are too much for a download from this page. Fetch the "
            f"folder from {escaped(str(made.path))} on this server."
        )
        return
    key = ("model zip", str(made.path), made.n_bytes)
    _forget_what_is_gone(key, made.path.with_name(f"{made.path.name}.zip"))

    def pack(progress: Progress) -> Path:
        packed = zip_folder(made.path, progress=progress)
        keep_within(packed.parent, keep=made.path.name)
        return packed

    packed: Path | None = outcome(
        key,
        "Packing the folder",
        pack,
        button=f"Pack the folder{of} for {kind.reader} into a zip to download",
        note=f"This needs {in_words(made.n_bytes)} more on this server's disk.",
    )
    if packed is not None and packed.is_file():
        st.download_button(
            f"Model folder{of} for {kind.reader}, {in_words(packed.stat().st_size)}",
            packed.read_bytes, f"{name}.zip", "application/zip", on_click="ignore",
            icon=":material/folder_zip:",
        )  # fmt: skip
    st.code(
        f"{kind.lines.format(name=made.path.name)}  # unpacked here; on this server it is\n"
        f"# {made.path}",
        language="python",
    )


def _forget_what_is_gone(key: Hashable, place: Path) -> None:
    """Forget a job whose export was removed to make room, so that it can be made again."""
    job = jobs().find(key)
    if job is not None and not job.running and job.error is None and not place.exists():
        jobs().forget(key)


def _is_there(library: str) -> bool:
    return find_spec(library) is not None
