"""Keys of widgets: one key is one widget's, whatever page it stands on."""

import ast
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parents[2]
SCRIPTS = (ROOT / "app.py", *ROOT.glob("pages/*.py"), *ROOT.glob("embfilter_viz/ui/*.py"))
CONTAINERS = {"container", "expander", "empty", "form", "popover"}


def widgets(script: Path) -> list[tuple[str, str]]:
    """The keys written out in a script, each with the widget it is for."""
    calls = [node for node in ast.walk(ast.parse(script.read_text("utf-8")))
             if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)]  # fmt: skip
    return [
        (word.value.value, call.func.attr)
        for call in calls
        for word in call.keywords
        if word.arg == "key"
        and isinstance(word.value, ast.Constant)
        and isinstance(call.func, ast.Attribute)
        and call.func.attr not in CONTAINERS
    ]


def test_no_two_widgets_share_a_key() -> None:
    """The session and the link hold one value for a key: another widget would be given it."""
    places = defaultdict(list)
    for script in SCRIPTS:
        for key, widget in widgets(script):
            places[key].append(f"{script.relative_to(ROOT)}: {widget}")
    assert len(places) > 30
    shared = {key: where for key, where in places.items() if len(where) > 1}
    assert shared == {}
