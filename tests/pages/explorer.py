"""A reader without a browser: opens a page, changes a control, reads what stands there."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

from streamlit.components.v2 import manifest_scanner
from streamlit.runtime.pages_manager import PagesManager
from streamlit.testing.v1 import AppTest

from embfilter_viz.ui.markdown import unescaped
from embfilter_viz.ui.streamlit_internals import serve_pages_by_the_router_alone

APP = Path(__file__).parents[2] / "app.py"
PAGES = ("start", "spectrum", "average_token", "filter_and_lens", "two_texts", "geometry")

FOLDS = {
    "Formula and source": "fold_formula",
    "The same in Python": "fold_code",
    "Model card": "fold_card",
}


def as_read(markdown: str) -> str:
    """Words as the reader sees them: signs that Markdown must not read have a backslash."""
    return unescaped(markdown)


@contextmanager
def as_served() -> Iterator[None]:
    """Have AppTest go on like a real server, which has had its first visitor.

    Before each run it forgets that the app has a router and would serve pages/ without it, and for
    each session it looks through all installed packages for components, which takes half a second.
    """
    start = PagesManager.__init__

    def start_with_the_router(self: PagesManager, *rest: Any, **more: Any) -> None:
        start(self, *rest, **more)
        serve_pages_by_the_router_alone()

    with (
        patch.object(PagesManager, "__init__", start_with_the_router),
        patch.object(manifest_scanner, "scan_component_manifests", _components_of_packages),
    ):
        yield


_components_of_packages = cache(manifest_scanner.scan_component_manifests)


class Explorer:
    """One session of the explorer in ``streamlit.testing``."""

    def __init__(self, page: str = "start", *, wait: bool = True, **link: str) -> None:
        self.at = AppTest.from_file(APP, default_timeout=60)
        for name, value in link.items():
            self.at.query_params[name] = value
        self.at.switch_page(f"pages/{page}.py")
        self.settle() if wait else self.run()

    def go(self, page: str) -> "Explorer":
        """Change to a page and wait until it is complete."""
        self.at.switch_page(f"pages/{page}.py")
        return self.settle()

    def settle(self, seconds: float = 240) -> "Explorer":
        """Run the page, as its own half-second fragment would, until no job is under way."""
        end = time.monotonic() + seconds
        while True:
            self.run()
            if not self.at.get("progress"):
                return self
            assert time.monotonic() < end, f"still at work: {self.progress}"
            time.sleep(0.05)

    def run(self) -> None:
        """One run of the script with the controls as they stand."""
        for box in self.at.selectbox:
            # AppTest cannot send a value typed into the box (``accept_new_options``): it looks it
            # up among the options (Streamlit 1.67).
            value = box.value
            if value is not None and box.format_func(value) not in box.options:
                box.options.append(box.format_func(value))
        self.at.run()
        problems = [f"{e.message} {''.join(e.stack_trace)}" for e in self.at.exception]
        assert not problems, "\n".join(problems)

    def change(self, key: str, value: Any) -> "Explorer":
        """Change one control, whatever its kind, and wait for the page."""
        self.control(key).set_value(value)
        return self.settle()

    def move(self, words: str) -> "Explorer":
        """Choose a window on the strip, as the browser would say it, and wait for the page."""
        state = self.at.session_state["_window"]
        self.at.session_state["_window"] = state.hears(
            {"number": state.heard + 1, "words": words, "d": state.d}
        )
        return self.settle()

    def press(self, label: str) -> "Explorer":
        """Press the button whose label begins so, and wait for the page."""
        self.button(label).click()
        return self.settle()

    def button(self, label: str) -> Any:
        """The button whose label begins so."""
        (found,) = [button for button in self.at.button if as_read(button.label).startswith(label)]
        return found

    def control(self, key: str) -> Any:
        """The widget of that key."""
        kinds = (
            *("selectbox", "text_input", "text_area", "number_input", "slider", "select_slider"),
            *("toggle", "button_group", "file_uploader"),
        )
        found = [w for kind in kinds for w in getattr(self.at, kind) if w.key == key]
        assert len(found) == 1, f"{key}: {len(found)} controls"
        return found[0]

    @property
    def progress(self) -> list[str]:
        """What the progress bars say."""
        return [bar.proto.text for bar in self.at.get("progress")]

    @property
    def errors(self) -> list[str]:
        """The red lines."""
        return [as_read(error.value) for error in self.at.error]

    @property
    def words(self) -> str:
        """All that is written on the page, sidebar included."""
        kinds = ("title", "subheader", "markdown", "caption", "text", "info", "warning", "html")
        return as_read("\n".join(str(e.value) for kind in kinds for e in self.at.get(kind)))

    @property
    def answers(self) -> list[str]:
        """The computed sentences."""
        begin = "**On this model:** "
        return [
            as_read(m.value.removeprefix(begin))
            for m in self.at.markdown
            if m.value.startswith(begin)
        ]

    def fold(self, label: str) -> Any:
        """What is behind the fold whose label begins so, which is opened."""
        key = FOLDS[label]
        if not self.at.session_state[key]:
            self.at.session_state[key] = True
            self.settle()
        (found,) = [e for e in self.at.expander if e.label.startswith(label)]
        return found

    @property
    def python(self) -> str:
        """The lines that reproduce the page."""
        return self.fold("The same in Python").code[0].value

    @property
    def command(self) -> str:
        """The same for a shell."""
        return self.fold("The same in Python").code[1].value

    @property
    def strip(self) -> dict[str, Any]:
        """What the window strip was given: l, r, d and the profile."""
        return next(data for key, data in self.parts.items() if key.startswith("strip_"))

    @property
    def window(self) -> str:
        """The window on the strip, ``l:r``."""
        return f"{self.strip['l']}:{self.strip['r']}"

    @property
    def parts(self) -> dict[str, dict[str, Any]]:
        """The data of our own components, by their keys."""
        return {part.key: json.loads(part.proto.json) for part in self.at.get("bidi_component")}

    def figure(self, key: str) -> dict[str, Any]:
        """The Plotly figure of that key, as the browser gets it."""
        part = self.parts[key]
        return {"data": json.loads(part["traces"]), "layout": json.loads(part["layout"])}

    @property
    def figures(self) -> set[str]:
        """The keys of all figures on the page."""
        return {key for key, data in self.parts.items() if "traces" in data}
