"""Take the hostile strings through every page in Chromium, and print what was seen of them.

    python -m tests.browser
    python -m tests.browser --alone        # and each string by itself, on three pages
    python -m tests.browser --patience 600 # seconds that a page may take, on a busy machine

Exits with 1 where anything ran, was asked of another host or was not shown as it is.
"""

import argparse
import shutil
import sys
import tempfile
from collections import Counter, defaultdict
from pathlib import Path

from playwright.sync_api import sync_playwright

from embfilter_viz.system.paths import cache_folder
from tests.browser import visit
from tests.browser.conftest import BROWSERS, FLAGS
from tests.browser.hostile import MODEL, NAMES, STRINGS, write_hostile_checkpoint
from tests.browser.server import Server
from tests.browser.test_hostile import PASS, Stranger


def alone(one: Stranger) -> None:
    """Look at each string by itself: as a text, two texts, a window, a language and a model."""
    for text in STRINGS.values():
        link = {"window": text, "language": text}
        one.open("spectrum", "spectrum_chart", second_model=text, **link)
        one.watch.look(one.page, "Spectrum, alone", hover=False)
        one.open("filter_and_lens", "ranks_chart", text=text, **link)
        one.watch.look(one.page, "Filter and lens, alone", hover=False)
        one.open("", "start_alike", first_text=text, second_text="A cat.", **link)
        one.watch.look(one.page, "Start, alone", hover=False)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--alone", action="store_true", help="each string by itself too")
    parser.add_argument("--patience", type=int, default=90, help="seconds that a page may take")
    parser.add_argument("--only", nargs="*", default=(), help="pages, by the names of their steps")
    asked = parser.parse_args()
    visit.PATIENCE = 1000 * asked.patience
    with tempfile.TemporaryDirectory() as place, sync_playwright() as playwright:
        folder = Path(place)
        (folder / "cache").mkdir()
        (folder / "cache" / "models").symlink_to(cache_folder() / "models")
        server = Server(folder / "cache", folder)
        chromium = next(filter(None, map(shutil.which, BROWSERS)))
        browser = playwright.chromium.launch(executable_path=chromium, args=list(FLAGS))
        one = Stranger(
            browser, server.address, write_hostile_checkpoint(folder / NAMES[MODEL]), folder
        )
        for step in (*PASS, *([alone] if asked.alone else [])):
            if not asked.only or step.__name__ in asked.only:
                known = {*one.faults}
                step(one)
                new = (fault for fault in one.faults if fault not in known)
                print(step.__name__, *new, sep="\n  ", file=sys.stderr, flush=True)
        browser.close()
        server.stop()
    print_table(one)
    print(*one.reader.troubles, sep="\n", file=sys.stderr)
    return 1 if one.faults or one.reader.troubles else 0


def print_table(one: Stranger) -> None:
    """Print what was seen whole, by page and by what it was seen in."""
    strings, times = defaultdict(set), defaultdict(Counter)
    for watch in one.watches:
        for (number, place), many in watch.shown.items():
            page, _, kind = place.rpartition(", ")
            strings[page].add(number)
            times[page][KINDS.get(kind, "words")] += many
    columns = ("words", "figures", "hover", "tables", "fields")
    print("| page or file | strings |", " | ".join(columns), "| faults |")
    print("|---|---:|" + "---:|" * (1 + len(columns)))
    for page, found in strings.items():
        counts = [f"{times[page][column]:,}" for column in columns]
        bad = sum(fault.startswith(f"{page},") for fault in one.faults)
        print(f"| {page} | {len(found)} |", " | ".join(counts), f"| {bad} |")


KINDS = {
    **dict.fromkeys(("figure", "data-unformatted", "foot"), "figures"),
    **dict.fromkeys(("input", "value", "placeholder"), "fields"),
    "hover": "hover",
    "table": "tables",
    "csv": "csv",
}
"""What a column of the table counts; all else are words of the page."""


if __name__ == "__main__":
    sys.exit(main())
