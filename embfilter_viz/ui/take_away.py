"""The window to take away: downloads, a report of what was seen, a model folder."""

from collections.abc import Callable, Hashable, Sequence
from importlib.util import find_spec

import streamlit as st

from embfilter_viz.export.filter_file import filter_bytes
from embfilter_viz.export.index_transform import faiss_bytes
from embfilter_viz.export.model_folder import FolderExport, save_model_folder
from embfilter_viz.export.numpy_lines import numpy_zip
from embfilter_viz.export.session import session_report
from embfilter_viz.figures.report import Section
from embfilter_viz.models.memory import in_words
from embfilter_viz.paths import cache_folder
from embfilter_viz.progress import Progress
from embfilter_viz.ui.choices import View
from embfilter_viz.ui.services import outcome
from embfilter_viz.ui.words import escaped

__all__ = ["take_away"]


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
    model, window, prompt = view.model, view.window, view.prompt
    name = f"embfilter-{window.l}-{window.r}"
    with st.expander(f"Take the window {window} away", icon=":material/download:"):
        left, middle, right = st.columns(3)
        left.download_button(
            "Filter file", lambda: filter_bytes(model, window, prompt=prompt),
            f"{name}.safetensors", icon=":material/filter_alt:", on_click="ignore",
            help="One safetensors file; embfilter_viz.load_filter reads it.",
        )  # fmt: skip
        middle.download_button(
            "FAISS transform", lambda: faiss_bytes(model, window)[0], f"{name}.vt",
            icon=":material/manage_search:", on_click="ignore", disabled=not _is_there("faiss"),
            help="Put it in front of an index: faiss.IndexPreTransform. Needs FAISS here.",
        )  # fmt: skip
        right.download_button(
            "Lines of NumPy", lambda: numpy_zip(model, window, prompt=prompt), f"{name}.zip",
            icon=":material/code:", on_click="ignore", help="A short script and its matrix.",
        )  # fmt: skip
        _report(view, sections, about, name)
        if _is_there("sentence_transformers"):
            _folder(view)
        else:
            st.caption("A folder for sentence-transformers: pip install 'embfilter-viz[deploy]'")


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
        note="Figures, tables and sentences in one HTML file that opens without a network.",
    )
    if page is not None:
        st.download_button("Report", page, f"{name}.html", "text/html", on_click="ignore",
                           icon=":material/description:")  # fmt: skip


def _folder(view: View) -> None:
    model, window, prompt = view.model, view.window, view.prompt
    # A place of ours: whoever opens the explorer must not choose what is written where.
    place = cache_folder() / "exports" / f"{model.identity[:12]}-{window.l}-{window.r}-{prompt}"

    def work(progress: Progress) -> FolderExport:
        place.parent.mkdir(exist_ok=True)
        return save_model_folder(place, model, window, prompt=prompt, progress=progress)

    made = outcome(
        ("model folder", model.identity, str(window), prompt),
        "Writing the folder",
        work,
        button="Write a folder for sentence-transformers",
        note="The whole model with prompt, pooling and projection; it takes as much disk as the "
        "model itself.",
    )
    if made is not None:
        st.markdown(f"{in_words(made.n_bytes)} written. {escaped(made.check.sentence)}")
        st.code(
            "from sentence_transformers import SentenceTransformer\n\n"
            f"model = SentenceTransformer({str(made.path)!r})",
            language="python",
        )


def _is_there(library: str) -> bool:
    return find_spec(library) is not None
