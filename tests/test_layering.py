"""Imports go one way, and the heavy or visual libraries stay in their rooms."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import embfilter_viz

PACKAGE = Path(embfilter_viz.__file__).parent
ROOT = PACKAGE.parent

# Rooms in the order data flows: each imports from itself and from those before it. Pages and the
# script that routes to them stand outside of the package; nothing in it imports them.
ORDER = (
    ("errors", "wording"),
    ("system",),
    ("store", "texts", "data"),
    ("models",),
    ("spectral",),
    ("embeddings",),
    ("opened_head",),
    ("model", "engine_model", "yardstick", "layout_process"),
    ("evaluation",),
    ("analyses",),
    ("figures",),
    ("export",),
    ("vectors",),
    ("corpus",),
    ("jobs",),
    ("ui",),
    ("cli",),
    ("__main__",),
    ("pages",),
    ("app",),
)
RANK = {room: rank for rank, rooms in enumerate(ORDER) for room in rooms}
PURE = {"spectral", "embeddings"}  # arrays in and out: nothing of models
# What a page is made of. It asks a question in analyses/, draws the answer with figures/ and leaves
# state, long work and controls to ui/; names and texts may come from data/, model.py, spectral/ and
# evaluation/. How a model is read, stored or run is not its business.
PAGE_PARTS = {
    *("ui", "figures", "analyses", "export"),
    *("errors", "wording", "data", "model", "spectral", "evaluation"),
}
APP_PARTS = {"ui"}  # the router only knows the frame that all pages share
MAY = {"pages": PAGE_PARTS, "app": APP_PARTS}
ONLY = {
    "plotly": {"figures"},
    "streamlit": {"ui", "pages", "app"},
    "torch": {"models"},
    "transformers": {"models"},
    "faiss": {"export", "vectors"},
    "sentence_transformers": {"export", "models"},
    "mteb": {"evaluation"},
    "datasets": {"evaluation"},
    "ray": {"corpus"},
}
# What Streamlit promises to keep; all else of it is for the module that answers for it.
SPLIT = {"embfilter_viz", "streamlit"}  # packages whose own names are mostly modules
STREAMLIT = {"streamlit", "streamlit.errors"}
INTERNALS = "embfilter_viz.ui.streamlit_internals"


def room_of(module: str) -> str:
    """The room of a module: ``ui`` of ``embfilter_viz.ui.chart``, ``pages`` of ``pages.start``."""
    parts = module.split(".")
    if parts[0] != "embfilter_viz":
        return parts[0]
    return parts[1] if len(parts) > 1 else "__init__"


def imports_of(source: str) -> list[str]:
    """The modules that a source imports, those of ``from package import module`` too."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.append(node.module)
            if node.module in SPLIT:
                found += [f"{node.module}.{alias.name}" for alias in node.names]
    return found


def faults_of(module: str, source: str) -> list[str]:
    """What in a module's imports breaks the order of rooms or the place of a library."""
    room = room_of(module)
    faults = []
    for name in imports_of(source):
        top = name.split(".")[0]
        if top == "embfilter_viz":
            other = room_of(name)
            if other not in RANK:
                continue  # what the package itself offers, such as open_model
            if RANK[other] > RANK[room]:
                faults.append(f"{module} imports {name}, which comes after it")
            if room in PURE and other == "models":
                faults.append(f"{module} imports {name}: it must take arrays")
            if room in MAY and other not in MAY[room]:
                faults.append(f"{module} imports {name}, which is not a part of {room}")
        elif top in ONLY and room not in ONLY[top]:
            faults.append(
                f"{module} imports {top}, which belongs to {', '.join(sorted(ONLY[top]))}"
            )
        elif top == "streamlit" and name not in STREAMLIT and module != INTERNALS:
            faults.append(f"{module} imports {name}, which {INTERNALS} answers for")
    return faults


def modules() -> dict[str, str]:
    """All modules of the package, the pages and the app by name, with their source."""
    found = {}
    scripts = [ROOT / "app.py", *(ROOT / "pages").glob("*.py")]
    for path in sorted([*PACKAGE.rglob("*.py"), *scripts]):
        parts = path.relative_to(ROOT).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found[name] = path.read_text(encoding="utf-8")
    return found


def test_every_room_is_in_the_order() -> None:
    assert {room_of(name) for name in modules()} - {"__init__"} <= set(RANK)


def test_imports_go_down_the_list_only() -> None:
    faults = [
        fault
        for name, source in modules().items()
        if name != "embfilter_viz"
        for fault in faults_of(name, source)
    ]
    assert faults == []


def test_pages_and_the_app_are_looked_at() -> None:
    assert {"app", "pages.start", "pages.compare", "embfilter_viz.ui.chart"} <= set(modules())


@pytest.mark.parametrize(
    ("module", "source", "fault"),
    [
        ("embfilter_viz.spectral.x", "from embfilter_viz.figures import palette", "comes after"),
        (
            "embfilter_viz.embeddings.x",
            "import embfilter_viz.models.card",
            "must take arrays",
        ),
        (
            "embfilter_viz.analyses.x",
            "def f():\n    import streamlit as st",
            "belongs to app, pages, ui",
        ),
        ("embfilter_viz.models.x", "from plotly import graph_objects", "belongs to figures"),
        ("embfilter_viz.spectral.x", "import torch", "belongs to models"),
        ("embfilter_viz.ui.x", "def f():\n    import plotly.io", "belongs to figures"),
        ("embfilter_viz.cli.x", "from streamlit.web import cli", "belongs to app, pages, ui"),
        ("embfilter_viz.ui.x", "from streamlit.runtime import y", "answers for"),
        ("embfilter_viz.ui.x", "from streamlit import net_util", "answers for"),
        ("embfilter_viz.models.x", "from embfilter_viz import ui", "comes after"),
        ("pages.x", "import plotly.express", "belongs to figures"),
        ("pages.x", "from streamlit.proto import y", "answers for"),
        ("pages.x", "from embfilter_viz.models.card import Card", "not a part of pages"),
        ("pages.x", "def f():\n    from embfilter_viz import jobs", "not a part of pages"),
        ("app", "from embfilter_viz.analyses import lens", "not a part of app"),
    ],
)
def test_the_layering_test_can_fail(module: str, source: str, fault: str) -> None:
    assert any(fault in found for found in faults_of(module, source))


def said_by(code: str) -> list[str]:
    """The lines that a new Python prints."""
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    return run.stdout.splitlines()


def test_importing_the_package_is_light() -> None:
    heavy = [
        "torch",
        "streamlit",
        "plotly",
        "transformers",
        "sklearn",
        "scipy",
        "umap",
        "pandas",
        "numba",
    ]
    code = f"import sys, embfilter_viz; print([m for m in {heavy} if m in sys.modules])"
    assert said_by(code) == ["[]"]


def test_the_first_page_waits_for_nothing_heavy() -> None:
    code = (
        "import runpy, sys\n"
        "from embfilter_viz.ui import assets, choices, model_card, page\n"
        "page.show = lambda *words: print('shown')\n"
        "runpy.run_path('pages/start.py')\n"
        "print([m for m in 'torch transformers tokenizers sklearn scipy pandas umap wordfreq numba'"
        ".split() if m in sys.modules])"
    )
    assert said_by(code) == ["shown", "[]"]


def test_the_first_words_wait_for_streamlit_alone() -> None:
    code = (
        "import streamlit, sys\n"
        "from embfilter_viz.ui import assets, openings\n"
        "assets.style_sheet()\n"
        "print([m for m in 'numpy pandas torch embfilter_viz.ui.choices'.split()"
        " if m in sys.modules])"
    )
    assert said_by(code) == ["[]"]
