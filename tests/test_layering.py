"""Imports go one way, and the heavy or visual libraries stay in their rooms."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import embfilter_viz

PACKAGE = Path(embfilter_viz.__file__).parent
ROOT = PACKAGE.parent

# Rooms in the order data flows: each imports from itself and from those before it.
ORDER = (
    ("errors", "progress", "paths", "files"),
    ("store", "texts", "data"),
    ("models",),
    ("spectral",),
    ("embeddings",),
    ("model", "layout_process"),
    ("evaluation",),
    ("analyses",),
    ("figures",),
    ("export",),
    ("jobs",),
    ("ui",),
    ("cli",),
    ("__main__",),
)
RANK = {room: rank for rank, rooms in enumerate(ORDER) for room in rooms}
PURE = {"spectral", "embeddings"}  # arrays in and out: nothing of models
ONLY = {
    "plotly": {"figures"},
    "streamlit": {"ui"},
    "torch": {"models"},
    "transformers": {"models"},
    "faiss": {"export"},
    "sentence_transformers": {"export"},
}
# Two that start or serve a library rather than use it.
EXCEPTIONS = {
    ("cli", "streamlit"): "`app` hands over to Streamlit's own command line",
    ("ui", "plotly"): "chart.py serialises figures, assets.py serves plotly's script",
}


def room_of(module: str) -> str:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


def imports_of(source: str) -> list[str]:
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.append(node.module)
    return found


def faults_of(module: str, source: str) -> list[str]:
    """What in a module's imports breaks the order of rooms or the place of a library."""
    room = room_of(module)
    faults = []
    for name in imports_of(source):
        top = name.split(".")[0]
        if top == "embfilter_viz" and name != "embfilter_viz":
            other = room_of(name)
            if RANK[other] > RANK[room]:
                faults.append(f"{module} imports {name}, which comes after it")
            if room in PURE and other == "models":
                faults.append(f"{module} imports {name}: it must take arrays")
        elif top in ONLY and room not in ONLY[top] and (room, top) not in EXCEPTIONS:
            faults.append(f"{module} imports {top}, which belongs to {', '.join(ONLY[top])}")
    return faults


def modules() -> dict[str, str]:
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
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


def test_only_app_pages_and_ui_import_streamlit() -> None:
    outside = {"app.py", "pages"}
    for path in ROOT.glob("*.py"):
        if path.name not in outside:
            assert "streamlit" not in {n.split(".")[0] for n in imports_of(path.read_text())}


@pytest.mark.parametrize(
    ("module", "source", "fault"),
    [
        ("embfilter_viz.spectral.x", "from embfilter_viz.figures import palette", "comes after"),
        ("embfilter_viz.embeddings.x", "import embfilter_viz.models.encoder", "must take arrays"),
        ("embfilter_viz.analyses.x", "def f():\n    import streamlit as st", "belongs to ui"),
        ("embfilter_viz.models.x", "from plotly import graph_objects", "belongs to figures"),
        ("embfilter_viz.spectral.x", "import torch", "belongs to models"),
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
