"""All that strangers write, through every page in Chromium: shown as it is, and nothing else."""

import csv
import html
import io
import re
from itertools import chain
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from playwright.sync_api import expect

from tests.browser.hostile import FILE, MODEL, NAMES, NO_MODEL, STRINGS, write_hostile_checkpoint
from tests.browser.literal import Watch
from tests.browser.test_nothing_leaves import FIGURES, saved
from tests.browser.visit import Visit

LONG = max(STRINGS.values(), key=len)
TEXT = "\n".join(" ".join(one.split()) for one in STRINGS.values() if one != LONG)
"""All strings but the longest as one text, a line each."""


def as_csv(rows: list[list[str]]) -> bytes:
    out = io.StringIO()
    csv.writer(out).writerows(rows)
    return out.getvalue().encode()


TEXTS = as_csv([["text", "label"], *([one, one] for one in STRINGS.values())])
"""A table of texts with labels."""
PAIRS = as_csv([
    list(STRINGS.values()),
    *([f"A cat {i}", f"A dog {i}", str(i % 5), *["x"] * (len(STRINGS) - 3)] for i in range(12)),
])  # fmt: skip
"""A table of graded pairs, and columns beside them."""


class Stranger:
    """A reader who brings such strings to each page, and looks at all that it shows and saves."""

    def __init__(self, browser: Any, server: str, model: Path, folder: Path) -> None:
        self.browser, self.folder, self.watches = browser, folder, []
        context = self._context()
        self.watch = self._watched(context, server)
        self.reader = Visit(context, server)
        self.page = self.reader.page
        self.link = {"model": str(model), "window": f"2 {NAMES[NO_MODEL]}"}

    def _context(self) -> Any:
        return self.browser.new_context(viewport={"width": 1280, "height": 900})

    def _watched(self, context: Any, own: str) -> Watch:
        self.watches.append(Watch(context, own))
        return self.watches[-1]

    def open(self, page: str, *figures: str, **link: str) -> None:
        """Open a page by a link, wait for its figures and open all its folds."""
        self.reader.open(f"{page}?{urlencode(self.link | link)}")
        self.await_figures(*figures)
        self.unfold()

    def await_figures(self, *figures: str) -> None:
        for key in figures:
            self.page.wait_for_selector(f".st-key-{key} .chart[data-drawn]")
        self.reader.complete()

    def unfold(self) -> None:
        folds = "[data-testid=stExpander] details:not([open]) > summary"
        for _ in range(self.page.locator(folds).count()):
            self.page.locator(folds).first.click()
        self.reader.complete()

    def upload(self, key: str, data: bytes) -> None:
        """Give a file of such a name, and wait until the page has it."""
        name = f"{NAMES[FILE]}.csv"
        self.reader.key(key).locator("input[type=file]").set_input_files(
            {"name": name, "mimeType": "text/csv", "buffer": data}
        )
        self.page.get_by_role("button", name="Forget it").wait_for()
        self.reader.complete()

    def press(self, name: str) -> None:
        self.page.get_by_role("button", name=re.compile(f"^{name}")).first.click()
        self.reader.complete()

    def look(self, place: str) -> None:
        self.watch.look(self.page, place)

    def read_saved(self, place: str, kind: str, data: bytes) -> None:
        """Look at a saved file: at the cells of a table, or at what Chromium shows of it."""
        if kind == "csv":
            rows = csv.reader(io.StringIO(data.decode("utf-8-sig")))
            for cell in {*chain.from_iterable(rows)}:
                self.watch.read(f"{place}, csv", cell)
                if cell.startswith(("=", "+", "-", "@", "\t", "\r")) and not NUMBER.fullmatch(cell):
                    self.watch.faults.append(f"{place}: a spreadsheet runs {cell[:80]!r}")
            return
        path = self.folder / f"{len(self.watches)}.{kind}"
        path.write_bytes(data)
        context = self._context()
        watch = self._watched(context, path.as_uri())
        page = context.new_page()
        page.goto(path.as_uri())
        if kind == "html":
            page.wait_for_selector(".figure .modebar-btn", state="attached")
            page.evaluate("document.querySelectorAll('details').forEach((d) => (d.open = true))")
        watch.look(page, f"{place}, {kind}")
        context.close()

    def save(self, place: str, key: str, *kinds: str) -> None:
        """Have a figure saved, and look at what was."""
        for kind in kinds:
            self.read_saved(place, kind, self.reader.download(key, kind))

    @property
    def faults(self) -> list[str]:
        return [*dict.fromkeys(fault for watch in self.watches for fault in watch.faults)]


NUMBER = re.compile(r"[+-]?[\d.]+(e[+-]?\d+)?", re.IGNORECASE)


def start(one: Stranger) -> None:
    one.open("", *FIGURES["Start"], first_text=TEXT, second_text=LONG)
    one.look("Start")
    one.save("Start", "start_alike", "csv")


def spectrum(one: Stranger) -> None:
    one.open("spectrum", *FIGURES["Spectrum"], second_model=NAMES[NO_MODEL])
    one.look("Spectrum")
    one.save("Spectrum", "direction_chart", "csv", "svg")


def average_token(one: Stranger) -> None:
    one.open("average_token", *FIGURES["Average token"], language=STRINGS[12])
    one.look("Average token")


def filter_and_lens(one: Stranger) -> None:
    figures = (*FIGURES["Filter and lens"], "layers_chart_filtered")
    one.open("filter_and_lens", *figures, text=TEXT)
    one.look("Filter and lens")
    one.save("Filter and lens", "ranks_chart", "csv", "svg", "png")


def two_texts(one: Stranger) -> None:
    lines = TEXT.splitlines()
    some = {"first_text": "\n".join(lines[:12]), "second_text": "\n".join(lines[12:20])}
    one.open("two_texts", **some)
    embed = one.page.get_by_role("button", name="Embed 160")
    shown = one.page.locator(".st-key-growth_chart .chart[data-drawn]")
    embed.or_(shown).first.wait_for()
    if embed.count():
        embed.click()
    one.await_figures("growth_chart", "anatomy_chart", "matrix_before")
    one.look("Two texts")
    one.save("Two texts", "matrix_before", "csv", "svg")


def geometry(one: Stranger) -> None:
    one.open("geometry", texts="your file", own_text=STRINGS[11])
    one.upload("upload", TEXTS)
    one.press("Embed")
    one.await_figures(*FIGURES["Geometry"])
    one.unfold()
    one.look("Geometry")
    one.save("Geometry", "map_chart", "csv", "svg")
    one.reader.key("own_text").locator("input").fill("")
    one.page.keyboard.press("Enter")
    expect(one.page.get_by_text(STRINGS[11])).to_have_count(0)
    one.reader.complete()
    one.look("Geometry, a row")


def window_lab(one: Stranger) -> None:
    one.open("window_lab", data="your file")
    one.upload("task_file", PAIRS)
    one.look("Window laboratory, the columns")
    one.press("Use these columns")
    one.press("Score")
    one.await_figures("sweep_chart")
    one.unfold()
    one.look("Window laboratory")
    one.save("Window laboratory", "sweep_chart", "csv")
    one.press("Make a report")
    report = saved(one.page, "Report", one.folder)
    one.read_saved("The report", "html", report.read_bytes())


def claims(one: Stranger) -> None:
    one.open("claims", beside=f"{NAMES[NO_MODEL]} · last")
    one.look("Claims, an error")
    one.open("claims", sets="sts")
    one.page.get_by_role("button", name="Decide").click()
    one.page.wait_for_selector(".claims")
    one.look("Claims")
    table = saved(one.page, "Table as CSV", one.folder)
    one.read_saved("Claims", "csv", table.read_bytes())
    one.page.evaluate(
        "[...document.querySelectorAll('button')]"
        ".find((b) => b.innerText.includes('Cancel'))?.click()"
    )


def compare(one: Stranger) -> None:
    one.open("compare", first=f"{NAMES[NO_MODEL]} · last · 2", second=STRINGS[8])
    one.look("Compare, an error")
    one.open("compare")
    one.press("Score both")
    one.await_figures("comparison_chart")
    one.look("Compare")
    one.save("Compare", "comparison_chart", "csv", "svg")


def lesson(one: Stranger) -> None:
    one.open("lesson", first_text=TEXT, second_text=LONG, guess_1="0.5")
    one.look("Lesson")
    one.press("Make the sheet")
    one.page.get_by_role("button", name="Download the sheet").wait_for()
    sheet = saved(one.page, "Download the sheet", one.folder)
    one.read_saved("The lesson's sheet", "html", sheet.read_bytes())


def prompts(one: Stranger) -> None:
    one.open("words", prompt="own template", template=STRINGS[12])
    one.look("Words")
    one.page.goto(f"{one.reader.server}/?{urlencode({'model': NAMES[NO_MODEL], 'prompt': LONG})}")
    one.page.get_by_text("unknown model").or_(one.page.get_by_text("no such folder")).wait_for()
    one.look("Start, no such model")


PASS = (
    *(start, spectrum, average_token, filter_and_lens, two_texts, geometry, window_lab, claims),
    *(compare, lesson, prompts),
)  # fmt: skip
"""One pass over all pages."""


def test_what_strangers_write_is_shown_as_it_is_and_does_nothing(
    browser: Any, server: str, tmp_path: Path
) -> None:
    model = write_hostile_checkpoint(tmp_path / NAMES[MODEL])
    one = Stranger(browser, server, model, tmp_path)
    for visit_page in PASS:
        visit_page(one)
    assert one.faults == []
    one.reader.well()
    seen = set().union(*(watch.numbers() for watch in one.watches))
    assert seen == {*STRINGS, *NAMES}
    # Not all: of texts that lie at one place the map tells one.
    assert len(one.watch.numbers("hover")) > len(STRINGS) / 2


def test_the_watch_sees_what_becomes_of_a_string(browser: Any) -> None:
    context = browser.new_context()
    watch = Watch(context, "http://127.0.0.1:1")
    page = context.new_page()
    for text in STRINGS.values():
        page.set_content(f"<p>{html.escape(text)}</p>")
        watch.look(page, "escaped", hover=False)
        assert watch.faults == []
    markup = [text for text in STRINGS.values() if re.search(r"<[a-z]|&[a-z#]", text)]
    assert len(markup) >= 10
    for made in (*markup, *(MADE[number] for number in MADE)):
        page.set_content(f"<p>{made}</p>")
        watch.look(page, "not escaped", hover=False)
        assert watch.faults, made
        watch.faults.clear()
    context.close()


MADE = {
    7: "zq07 <strong>b</strong> i <del>d</del> <code>c</code> # h &gt; q zq07",
    10: "zq10 <a href='https://zq.example/u'>https://zq.example/u</a> zq10",
    12: "zq12 😄 r x home home zq12",
    14: "zq14 → ← ↔ — ≥ ≤ ≈ zq14",
    28: "zq28 \u202dcod.exe zq28",
    40: "1zq40",
}
"""What a page might make of strings without markup."""
