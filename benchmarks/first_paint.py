"""How long a visitor waits for Start: python benchmarks/first_paint.py [--runs 6].

From ``streamlit run`` accepting connections to the page's first words in Chromium, beside an app
of one line; a fresh server and an empty browser cache every time, the two taking turns. Then, on
each of the explorer's servers, two more visitors with empty caches: from the request to all three
figures drawn, one as a reader has it, one steered by Playwright, whose debugger slows scripts down.
"""

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

from in_browser import COMPLETE, PATIENCE, READY, ROOT, chromium, complete, ratios, serving, words
from unwatched import unwatched

START = "Why do two unrelated"
ONE_LINE = f'import streamlit as st; st.title("{START}")\n'

# Notes the wall clock at the frame in which the words stand on the page.
CLOCK = f"""
(() => {{
  const look = () => document.querySelector("h1")?.textContent.includes("{START}")
    ? requestAnimationFrame(() => {{ window.read = performance.timeOrigin + performance.now(); }})
    : requestAnimationFrame(look);
  look();
}})();
"""

ALL_THREE = f"(ready) => ({COMPLETE})(ready) && document.querySelectorAll('.chart').length === 3"

ALL_DRAWN = f"""
const look = () => ({ALL_THREE})({READY!r})
  ? requestAnimationFrame(() => tell(performance.now())) : setTimeout(look, 20);
look();
"""


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--runs", type=int, default=6)
    given = arguments.parse_args()
    first: dict[str, list[float]] = {"explorer": [], "one line": []}
    second: list[float] = []
    watched: list[float] = []
    with tempfile.TemporaryDirectory() as folder, chromium() as browser:
        plain = Path(folder) / "one_line.py"
        plain.write_text(ONE_LINE, encoding="utf-8")
        scripts = {"explorer": (ROOT / "app.py", ROOT), "one line": (plain, Path(folder))}
        for run in range(given.runs):
            sides = list(scripts) if run % 2 else list(scripts)[::-1]
            for side in sides:
                script, place = scripts[side]
                reader = _reader(browser)
                with serving(script, folder=place) as (server, accepted):
                    reader.goto(server, wait_until="commit")
                    reader.wait_for_function("window.read", timeout=PATIENCE)
                    first[side].append(reader.evaluate("read") - 1000 * accepted)
                    if side == "explorer":
                        complete(reader)
                        time.sleep(5)  # the first one has settled
                        with unwatched(ALL_DRAWN) as visitor:
                            second.append(visitor.visit(server))
                        watched.append(_second(browser, server))
                reader.context.close()
    for side, found in first.items():
        print(f"{side:9} accepting to first words  {words(found)}")
    print(f"explorer / one line, run by run      {ratios(first['one line'], first['explorer'])}")
    print(f"a second visitor, Start complete     {words(second)}")
    print(f"the same with a debugger attached    {words(watched)}")


def _reader(browser: Any) -> Any:
    page = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
    page.set_default_timeout(PATIENCE)
    page.add_init_script(CLOCK)
    return page


def _second(browser: Any, server: str) -> float:
    """Milliseconds from a new visitor's request to the last figure, in Playwright's hands."""
    page = _reader(browser)
    begun = time.time()
    page.goto(server, wait_until="commit")
    page.wait_for_function(ALL_THREE, arg=READY, timeout=PATIENCE, polling=50)
    taken = 1000 * (time.time() - begun)
    page.context.close()
    return taken


if __name__ == "__main__":
    main()
