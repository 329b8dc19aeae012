"""Both themes can be read by everybody, both widths used."""

import re
from itertools import pairwise
from typing import Any

import pytest

NAMES = (
    *("Start", "Lesson", "Words", "Spectrum", "Average token", "Filter and lens", "Two texts"),
    *("Geometry", "Window laboratory", "Claims", "Compare"),
)
# Their figures show no axis, or come only once they are asked for.
WITHOUT_AXES = (*("Filter and lens", "Window laboratory", "Claims", "Compare", "Lesson", "Words"),)

# Colours of words and of what is behind them, as the reader gets them: the page, or an opaque
# button.
COLOURS = """() => {
  const back = getComputedStyle(document.querySelector(".stApp")).backgroundColor;
  const behind = (e) => {
    const button = e.closest("button");
    const colour = button ? getComputedStyle(button).backgroundColor : back;
    return colour.startsWith("rgb(") ? colour : back;
  };
  const of = (selector, style = "color") => [...document.querySelectorAll(selector)]
    .filter((e) => e.getClientRects().length && e.textContent.trim())
    .map((e) => [selector, getComputedStyle(e)[style], behind(e)]);
  return { back, words: [
    ...of("h1"), ...of("[data-testid=stMain] [data-testid=stMarkdownContainer] p"),
    ...of(".strip .words span"), ...of("[data-testid=stSidebar] p"),
    ...of(".plot .xtick text", "fill"), ...of(".plot .g-xtitle text", "fill"),
    ...of(".plot .g-ytitle text", "fill"), ...of(".chart .bar button"), ...of(".toks .tok"),
  ] };
}"""


def luminance(colour: str) -> float:
    """Relative luminance, 0 to 1 (WCAG 2.2)."""
    whole = 1 if colour.startswith("color(srgb") else 255
    parts = [float(n) / whole for n in re.findall(r"[\d.]+", colour)[:3]]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """Contrast ratio, 1 to 21 (WCAG 2.2)."""
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_contrast_of_known_colours() -> None:
    assert contrast("rgb(0, 0, 0)", "rgb(255, 255, 255)") == pytest.approx(21)
    assert contrast("color(srgb 0 0 0)", "color(srgb 1 1 1)") == pytest.approx(21)
    assert contrast("rgb(119, 119, 119)", "rgb(255, 255, 255)") == pytest.approx(4.48, abs=0.01)


def words_can_be_read(reader: Any, name: str, scheme: str) -> None:
    """Every word of the page that is open stands out from what is behind it."""
    if name not in WITHOUT_AXES:
        reader.page.wait_for_selector(".plot .xtick text")
    seen = reader.page.evaluate(COLOURS)
    assert (luminance(seen["back"]) < 0.5) == (scheme == "dark")
    kinds = {selector for selector, _, _ in seen["words"]}
    assert {"h1", ".strip .words span"} <= kinds
    for selector, colour, behind in seen["words"]:
        assert contrast(colour, behind) >= 4.5, f"{name}: {selector} {colour} on {behind}"
    barriers = "\n".join(reader.barriers)
    assert not barriers, f"{name}, {scheme}: {barriers}"


def test_a_change_of_theme_reaches_figures_and_strip(visit: Any) -> None:
    reader = visit("spectrum")
    reader.page.emulate_media(color_scheme="dark")
    reader.page.wait_for_function(
        """() => { const e = document.querySelector(".st-key-spectrum_chart .g-xtitle text");
             return e && getComputedStyle(e).fill === "rgb(231, 233, 236)"; }"""
    )
    strip, app = reader.page.evaluate(
        """() => [".st-key-window_strip", ".stApp"].map(
             (s) => getComputedStyle(document.querySelector(s)).backgroundColor)"""
    )
    assert strip == app
    reader.well()


# How far main and document reach beyond their frames, and the narrowest figure.
REACH = """() => {
  const m = document.querySelector("[data-testid=stMain]"), d = document.scrollingElement;
  const widths = [...document.querySelectorAll(".chart .plot .main-svg:first-child")]
    .map((e) => e.getBoundingClientRect().width);
  return [d.scrollWidth - innerWidth, m.scrollWidth - m.clientWidth, Math.min(...widths)];
}"""


def nothing_hangs_over_the_edge(reader: Any, width: int) -> None:
    """The page that is open fits into a window of that width, with figures wide enough to read."""
    reader.page.set_viewport_size({"width": width, "height": 900})
    reader.page.wait_for_function(f"innerWidth === {width}")
    reader.page.wait_for_function(
        f"(() => {{ const [d, m, w] = ({REACH})(); return d <= 0 && m <= 0 && w > 200; }})()"
    )


def the_keyboard_moves_the_strip(reader: Any) -> None:
    """The strip's left handle takes a key, on the page that is open, and says where it is."""
    handle = reader.page.locator(".grip-l")
    assert handle.get_attribute("role") == "slider"
    assert handle.get_attribute("aria-label")
    window = reader.move_handle("l", "PageUp")
    assert handle.get_attribute("aria-valuenow") == window.split(":")[0]
    reader.await_typed(window)
    reader.complete()


HEADINGS = """() => [...document.querySelectorAll("h1, h2, h3, h4, h5, h6")]
  .filter((h) => h.getClientRects().length)
  .map((h) => [Number(h.tagName[1]), h.innerText.trim()])"""


# Role, name and words of every chart, as a screen reader gets them.
CHARTS = """() => [...document.querySelectorAll(".chart .plot")].map((p) => [
  ...["role", "aria-label"].map((name) => p.getAttribute(name)),
  document.getElementById(p.getAttribute("aria-describedby")).textContent])"""


def title_headings_and_charts_have_names(reader: Any, name: str) -> None:
    """The page that is open says what it, its sections and its figures are."""
    reader.page.wait_for_function(
        "(title) => document.title === title", arg=f"{name} · EmbedFilter explorer"
    )
    levels = [level for level, _ in reader.page.evaluate(HEADINGS)]
    assert levels[0] == 1
    assert levels.count(1) == 1, f"{name}: {levels}"
    for before, after in pairwise(levels):
        assert after <= before + 1, f"{name}: {reader.page.evaluate(HEADINGS)}"
    for role, label, words in reader.page.evaluate(CHARTS):
        assert role in ("figure", "application")
        assert len(label) > 5, f"{name}: {label}"
        assert len(words) > 20, f"{name}: {label}: {words}"


def test_every_page_has_names_can_be_read_fits_and_is_moved_by_the_keyboard(
    visit: Any, embedded: None
) -> None:
    # Room for a move on each page, and the prompt under which the texts are embedded.
    reader = visit("?prompt=prompteol&window=10:432", scheme="light")
    themes = ["light", "dark"]
    for name in NAMES:  # every second page is drawn in the dark and then lit
        reader.go(name)
        title_headings_and_charts_have_names(reader, name)
        words_can_be_read(reader, name, themes[0])
        reader.turn_to(themes[1])
        words_can_be_read(reader, name, themes[1])
        themes.reverse()
        for width in (1280, 800):
            nothing_hangs_over_the_edge(reader, width)
        reader.page.set_viewport_size({"width": 1280, "height": 900})
        the_keyboard_moves_the_strip(reader)
    reader.well()


@pytest.mark.parametrize("width", [1280, 800])
def test_navigation_and_model_picker_are_within_reach(width: int, visit: Any) -> None:
    reader = visit("spectrum", width=width)
    if not reader.key("model").is_visible():
        reader.page.locator("[data-testid=stExpandSidebarButton]").click()
    reader.key("model").locator("input").click()
    reader.page.locator("[role=option]").first.wait_for()
    reader.page.keyboard.press("Escape")
    if width < 1280 and reader.page.locator("[data-testid=stSidebarCollapseButton]").count():
        reader.page.locator("[data-testid=stSidebar]").hover()
        reader.page.locator("[data-testid=stSidebarCollapseButton] button").click()
    reader.go("Geometry")
    assert reader.page.url.split("?")[0].endswith("/geometry")
    reader.page.evaluate("document.querySelector('[data-testid=stMain]').scrollTo(0, 1500)")
    strip = reader.page.locator(".strip").bounding_box()
    assert 0 <= strip["y"] < 300, "the strip stays in sight"
    reader.well()


# Follow a link and, while the page changes, move the handle that is there by the keyboard.
MOVE_ON_THE_WAY = """async ([name, wait]) => {
  [...document.querySelectorAll("a")].find((a) => a.innerText.includes(name)).click();
  await new Promise((done) => setTimeout(done, wait));
  const grip = () => document.querySelector(".grip-l");
  while (!grip()) await new Promise(requestAnimationFrame);
  grip().dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowRight", bubbles: true }));
  return document.querySelector(".strip .keep").textContent.split(" ")[1];
}"""


def test_a_move_made_while_the_page_changes_is_kept(visit: Any) -> None:
    reader = visit()
    pages = ("Spectrum", "Average token", "Compare")
    for name, wait in [(name, wait) for wait in (0, 20, 60, 150) for name in pages]:
        window = reader.page.evaluate(MOVE_ON_THE_WAY, [name, wait])
        reader.arrive(name)
        reader.await_typed(window)
        reader.page.wait_for_function(
            "(w) => document.querySelector('.strip .keep')?.textContent.includes(`kept ${w} `)",
            arg=window,
        )
    reader.well()


def test_a_move_that_gets_lost_on_its_way_is_sent_again(visit: Any) -> None:
    reader = visit(wait=False)
    lost: list[bytes] = []

    def lossy(socket: Any) -> None:
        server = socket.connect_to_server()

        def forward(message: Any) -> None:
            if not lost and re.search(rb'"number":[1-9]', message):  # the first move, as counted
                lost.append(message)
            else:
                server.send(message)

        socket.on_message(forward)

    reader.page.route_web_socket("**/_stcore/stream", lossy)
    reader.open()
    window = reader.move_handle("l", "PageUp")
    reader.await_typed(window)
    assert len(lost) == 1
    assert reader.window == window
    reader.well()
