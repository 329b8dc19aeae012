"""A reader in Chromium: one page of one session, and all that went wrong on it."""

import json
import re
import time
from typing import Any
from urllib.parse import urlsplit

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import BrowserContext, Download, Locator, Page, TimeoutError, expect

READY = (
    "[data-testid=stApp][data-test-connection-state=CONNECTED][data-test-script-state=notRunning]"
)
PATIENCE = 90_000
"""Milliseconds that anything may take on a busy machine; nothing usually takes a tenth."""
expect.set_options(timeout=PATIENCE)

# Streamlit 1.67 does not know at which depth it is served and asks below the page's own path
# first; both answers are 404 and it goes on with the right address.
PROBES = re.compile(r"/[a-z_]+/_stcore/(health|host-config)$")

# Are all figures drawn from the newest data, and is nothing under way?
COMPLETE = """(ready) => {
  if (!document.querySelector(ready)) return false;
  if (document.querySelector("[data-testid=stProgress]")) return false;
  if (!document.querySelector(".strip .keep")?.textContent) return false;
  return [...document.querySelectorAll(".chart")].every(
    (c) => c.dataset.drawn && c.state && !c.state.busy
      && ["traces", "layout"].every((part) => c.state.drawn?.[part] === c.state.data[part]));
}"""

# What each figure shows, whether it is being drawn, and why it was not.
FIGURES = """() => [...document.querySelectorAll(".chart")].map((c) => [
  c.dataset.stamp, c.dataset.drawn, c.state?.busy, c.state?.data.stamp, c.state?.drawn?.stamp,
  c.querySelector(".wait")?.textContent, JSON.stringify(window.embfilterWindow)])"""


class Visit:
    """One open page."""

    def __init__(self, context: BrowserContext, server: str) -> None:
        self.server = server
        self.page: Page = context.new_page()
        self.page.set_default_timeout(PATIENCE)
        self.troubles: list[str] = []
        self.page.on("console", self._heard)
        self.page.on("pageerror", lambda error: self.troubles.append(f"uncaught: {error}"))
        self.page.on("dialog", self._dialog)
        self.page.on("requestfailed", self._failed)
        self.page.on("response", self._answered)
        context.on("request", self._asked)  # of this page and of any window it opens

    def _heard(self, message: Any) -> None:
        where = urlsplit(message.location.get("url", "")).path
        if message.type == "error" and not PROBES.search(where):
            self.troubles.append(f"console: {message.text} at {message.location}")

    def _dialog(self, dialog: Any) -> None:
        self.troubles.append(f"a script ran: {dialog.message}")
        dialog.dismiss()

    def _failed(self, request: Any) -> None:
        # A page that is left or closed takes its pending requests along.
        if request.failure != "net::ERR_ABORTED":
            self.troubles.append(f"failed: {request.url} {request.failure}")

    def _answered(self, response: Any) -> None:
        if response.status >= 400 and not PROBES.search(urlsplit(response.url).path):
            self.troubles.append(f"{response.status}: {response.url}")

    def _asked(self, request: Any) -> None:
        parts = urlsplit(request.url)
        if parts.scheme in ("data", "blob"):
            return
        if parts.hostname not in ("127.0.0.1", "localhost"):
            self.troubles.append(f"left this machine: {request.url}")

    def open(self, path: str = "") -> "Visit":
        """Open a page by its address and wait until it is complete."""
        self.page.goto(f"{self.server}/{path}")
        return self.complete()

    def complete(self) -> "Visit":
        """Wait until the script has run, no job is under way and all figures are drawn."""
        self.page.wait_for_function(COMPLETE, arg=READY, timeout=PATIENCE, polling=100)
        return self

    def go(self, name: str) -> "Visit":
        """Change the page by its link in the navigation; nothing where it is open already."""
        if not self._title(name).count():
            self.page.get_by_role("link", name=name, exact=False).first.click()
        return self.arrive(name)

    def arrive(self, name: str) -> "Visit":
        """Wait until the page of that name is the one that is open, and complete."""
        self._title(name).wait_for()
        return self.complete()

    def _title(self, name: str) -> Locator:
        return self.page.locator(
            "h1",
            has_text={"Start": "Why do two unrelated", "Lesson": "A lesson in"}.get(name, name),
        )

    def turn_to(self, scheme: str) -> "Visit":
        """Have the system ask for ``light`` or ``dark``, and wait until page and figures are it."""
        before = self.page.evaluate("getComputedStyle(document.querySelector('.stApp')).color")
        self.page.emulate_media(color_scheme=scheme)
        self.page.wait_for_function(
            """(before) => {
              const colour = getComputedStyle(document.querySelector(".stApp")).color;
              const titles = [...document.querySelectorAll(".plot :is(.g-xtitle, .g-ytitle) text")];
              return colour !== before && titles.every((e) => getComputedStyle(e).fill === colour)
                && document.getAnimations().every((a) => a.playState !== "running"); }""",
            arg=before,
            timeout=PATIENCE,
        )
        return self.complete()

    def well(self) -> None:
        """Nothing failed so far, in the page or in the browser's log."""
        assert self.troubles == [], self.troubles
        assert self.page.locator("[data-testid=stException]").count() == 0

    @property
    def barriers(self) -> list[str]:
        """What axe-core calls serious or critical: the rule, what breaks it and how."""
        found = Axe().run(self.page, options={"resultTypes": ["violations"]}).response
        return [
            f"{one['help']}: {node['html'][:160]} {node['failureSummary']}"
            for one in found["violations"]
            for node in one["nodes"]
            if node["impact"] in ("serious", "critical")
        ]

    @property
    def alerts(self) -> list[str]:
        """The coloured lines."""
        return self.page.locator("[data-testid=stAlert]").all_inner_texts()

    def key(self, key: str) -> Locator:
        """The element of a widget's key."""
        return self.page.locator(f".st-key-{key}")

    @property
    def window(self) -> str:
        """The window as the strip says it, ``l:r``."""
        said = self.page.locator(".strip .keep").inner_text()
        return said.removeprefix("kept ").split(" ")[0]

    def await_strip(self, window: str) -> None:
        """Wait until the strip says that it keeps that window."""
        expect(self.page.locator(".strip .keep")).to_contain_text(f"kept {window} ")

    def await_link(self, *parts: str) -> None:
        """Wait until the address has each of the parts, as they stand in it."""
        for part in parts:
            expect(self.page).to_have_url(re.compile(re.escape(part)))

    @property
    def typed(self) -> Locator:
        """The field of the window."""
        return self.page.locator(".window-typed input")

    def await_typed(self, words: str) -> None:
        """Wait until the window's field shows ``words``."""
        self.page.wait_for_function(
            "(words) => document.querySelector('.window-typed input')?.value === words", arg=words
        )

    def await_value(self, key: str, value: str) -> None:
        """Wait until a widget shows ``value``: the field is there before what it holds is."""
        self.page.wait_for_function(
            """([key, value]) => [...document.querySelectorAll(
                `.st-key-${key} input, .st-key-${key} textarea`)].some((f) => f.value === value)""",
            arg=[key, value],
        )

    def await_window(self, window: str, *figures: str) -> None:
        """Wait until the figures show that window."""
        for figure in figures:
            try:
                self.page.wait_for_selector(
                    f'.st-key-{figure} .chart[data-stamp$="{window}"]', timeout=PATIENCE
                )
            except TimeoutError as error:
                raise AssertionError(
                    f"{figure} does not come to {window}: {self.page.evaluate(FIGURES)}; "
                    f"alerts {self.alerts}; troubles {self.troubles}"
                ) from error
        self.complete()

    def move_handle(self, end: str, key: str) -> str:
        """Move a handle of the strip by the keyboard; the new window."""
        before = self.window
        self.page.locator(f".grip-{end}").focus()
        self.page.keyboard.press(key)
        assert self.window != before
        return self.window

    def drag_handle(self, end: str, pixels: int) -> str:
        """Drag a handle of the strip with the mouse; the new window, once it is where it belongs.

        The browser handles the mouse's way frame by frame, so the handle may still be behind.
        """
        handle = self.page.locator(f".grip-{end}")
        box, width = handle.bounding_box(), self.page.locator(".strip").bounding_box()["width"]
        assert box is not None
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        left, right = map(int, self.window.split(":"))
        moved = pixels / width * int(handle.get_attribute("aria-valuemax"))
        self.page.mouse.move(x, y)
        self.page.mouse.down()
        for step in range(1, 9):
            self.page.mouse.move(x + pixels * step / 8, y)
        self.page.mouse.up()
        self.page.wait_for_function(
            "([end, to]) => Math.abs("
            "document.querySelector(`.grip-${end}`)?.getAttribute('aria-valuenow') - to) < 1",
            arg=[end, (left if end == "l" else right) + moved],
        )
        return self.window

    def type_text(self, text: str) -> None:
        """Type the reader's text and send it."""
        field = self.key("text").locator("textarea")
        field.fill(text)
        field.press("Control+Enter")

    def work(self, button: str, figure: str) -> None:
        """Press the button that has a figure computed, unless another reader has had it done."""
        pressed = self.page.get_by_role("button", name=button)
        shown = self.key(figure).locator(".chart[data-drawn]")
        pressed.or_(shown).first.wait_for()
        if pressed.count():
            pressed.click()
        shown.wait_for(timeout=300_000)  # work, not an answer: as long as the machine takes for it
        self.complete()

    def sent(self, key: str) -> dict[str, Any] | None:
        """The figure the server sent last, as Plotly takes it; None while there is none."""
        given = self.page.evaluate(
            f"document.querySelector('.st-key-{key} .chart')?.state?.data ?? null"
        )
        if given is None:
            return None
        return {"data": json.loads(given["traces"]), "layout": json.loads(given["layout"])}

    def await_other(self, key: str, figure: dict[str, Any] | None) -> dict[str, Any]:
        """Wait until a figure differs from ``figure``; the new one."""
        end = time.monotonic() + PATIENCE / 1000
        # While what it shows is being computed, a progress bar stands in its place.
        while self.sent(key) in (None, figure):
            assert time.monotonic() < end, f"{key} stays as it was"
            self.page.wait_for_timeout(50)
        self.complete()
        shown = self.sent(key)
        assert shown is not None
        return shown

    def plot(self, key: str, expression: str) -> Any:
        """A JavaScript expression of ``p``, the Plotly element of a figure."""
        return self.page.evaluate(
            f"(() => {{ const p = document.querySelector('.st-key-{key} .plot');"
            f" return {expression}; }})()"
        )

    def download(self, key: str, kind: str) -> bytes:
        """What the button under a figure saves."""
        with self.page.expect_download(timeout=PATIENCE) as caught:
            self.key(key).locator(f".save-{kind}").click()
        saved: Download = caught.value
        # The name says the model and the prompt, and the window where there is one.
        assert re.search(rf"-[\w.]+-\w+(-\d+-\d+)?\.{kind}$", saved.suggested_filename)
        return saved.path().read_bytes()
