"""What models cost a browser's tab, and the server: python benchmarks/tab.py FOLDER [FOLDER…].

Give it models as ``wide_vocabulary.py`` makes them. In one tab of Chromium every page is opened
with the first model, then, in the same session, with each of the others. Prints after each model
what the tab holds once its garbage is collected (the heap of its scripts, the memory of its
process), what was sent to it, and the memory of the server; in the end, what the server holds once
the tab has been closed for long enough.
"""

import argparse
import os
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import psutil
from in_browser import READY, ROOT, chromium, serving

from embfilter_viz.system.paths import CACHE_VARIABLE, cache_folder

PAGES = ("Spectrum", "Average token", "Filter and lens", "Two texts", "Window laboratory")
"""Those that show a model at once; Geometry, Claims and Compare wait for a button."""
WORK = 900_000
"""Milliseconds that a page may be at work: the model's own token frequencies are counted."""
CLOSED = 150
"""Seconds after which a closed tab cannot come back, and a little."""

AT_REST = """(ready) => document.querySelector(ready) && document.querySelector(".strip .keep")
  && !document.querySelector("[data-testid=stProgress]")"""


class Tab:
    """A tab, and the processes behind it."""

    def __init__(self, browser: Any, server: str) -> None:
        self.server = server
        self.page = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
        self.page.set_default_timeout(WORK)
        self._session = self.page.context.new_cdp_session(self.page)
        self._session.send("Performance.enable")
        self._session.send("Network.enable")
        self._received = 0.0
        self._session.on("Network.webSocketFrameReceived", self._frame)

    def _frame(self, event: dict[str, Any]) -> None:
        self._received += 0.75 * len(event["response"]["payloadData"]) / 1e6  # base64

    def all_pages(self) -> None:
        """Open every page and wait until nothing is under way."""
        for name in PAGES:
            self.page.get_by_role("link", name=name, exact=False).first.click()
            self.page.wait_for_timeout(1000)
            self.rest()

    def rest(self) -> None:
        """Wait until nothing is under way, what begins when the window rests included."""
        for _ in range(2):
            self.page.wait_for_function(AT_REST, arg=READY, timeout=WORK, polling=200)
            self.page.wait_for_timeout(1500)

    def choose(self, model: str) -> None:
        """Type another model into the picker of the sidebar."""
        field = self.page.locator(".st-key-model input")
        field.fill(model)
        field.press("Enter")
        self.page.wait_for_url(f"**{urlencode({'model': model})}**")
        self.rest()

    def row(self, what: str) -> None:
        """Print what is held now, in megabytes."""
        for _ in range(2):
            self._session.send("HeapProfiler.collectGarbage")
            self.page.wait_for_timeout(500)
        told = self._session.send("Performance.getMetrics")["metrics"]
        heap = next(one["value"] for one in told if one["name"] == "JSHeapUsedSize") / 1e6
        renderers = [one.memory_info().rss for one in _children("--type=renderer")]
        print(f"| {what} | {heap:,.0f} | {max(renderers) / 1e6:,.0f} | {self._received:,.1f} "
              f"| {held_by_server():,.0f} |", flush=True)  # fmt: skip
        self._received = 0.0


def held_by_server() -> float:
    """Megabytes of memory of the server."""
    return sum(one.memory_info().rss for one in _children("streamlit")) / 1e6


def _children(word: str) -> list[psutil.Process]:
    found = []
    for one in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):  # it has ended meanwhile
            if word in one.cmdline():
                found.append(one)
    return found


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    words.add_argument("models", nargs="+", help="folders, or other names of models")
    given = words.parse_args()
    with tempfile.TemporaryDirectory() as room:
        cache = Path(room, "cache")
        cache.mkdir()
        (cache / "models").symlink_to(cache_folder() / "models")
        os.environ[CACHE_VARIABLE] = str(cache)
        with serving(ROOT / "app.py") as (server, _), chromium() as browser:
            print("| | tab's heap, MB | tab's process, MB | sent, MB | server, MB |")
            print("|---|---|---|---|---|")
            tab = Tab(browser, server)
            first, *others = given.models
            tab.page.goto(f"{server}/spectrum?{urlencode({'model': first})}")
            tab.rest()
            tab.all_pages()
            tab.row(f"{Path(first).name}, every page")
            for number, model in enumerate(others, 2):
                tab.choose(model)
                tab.all_pages()
                tab.row(f"{Path(model).name}, every page, model {number} of the tab")
            tab.page.context.close()
            time.sleep(CLOSED)
            print(f"| tab closed for {CLOSED} s | | | | {held_by_server():,.0f} |")


if __name__ == "__main__":
    main()
