"""The lesson in Chromium, from the first step to the last with the keyboard alone."""

from pathlib import Path
from typing import Any
from urllib.parse import quote

from playwright.sync_api import expect

FOCUSED = """() => {
  const e = document.activeElement;
  const named = e.labels?.[0]?.closest("[role=radiogroup]")?.getAttribute("aria-label") ?? "";
  return [e.tagName, e.type ?? "", e.ariaLabel || named, e.innerText || ""].join("|");
}"""


def tab_to(page: Any, *words: str, presses: int = 60) -> str:
    """Press Tab until what has the focus is described by all of the words."""
    for _ in range(presses):
        page.keyboard.press("Tab")
        found = page.evaluate(FOCUSED)
        if all(word in found for word in words):
            return found
    raise AssertionError(f"Tab does not come to {words}")


def guess(reader: Any, step: int) -> None:
    """Make a guess at a step by the keyboard, and see it in the figure."""
    page = reader.page
    if step in (4, 7):
        tab_to(page, "INPUT|radio")
        page.keyboard.press("Space")
    else:
        tab_to(page, "INPUT|number", "Your guess")
        page.keyboard.type("1")
        page.keyboard.press("Enter")
    page.wait_for_selector(".st-key-lesson_chart .chart[data-drawn]")
    reader.complete()
    figure = str(reader.sent("lesson_chart")["layout"])
    assert "your guess" in figure or "by your guess" in figure


def test_the_lesson_is_walked_with_the_keyboard_alone(visit: Any, tiny_folder: Path) -> None:
    reader = visit(f"lesson?model={quote(str(tiny_folder))}")
    page = reader.page
    page.emulate_media(reduced_motion="reduce")
    # A word opens its meaning with Enter and closes with Escape.
    tab_to(page, "SUMMARY", "embedding")
    page.keyboard.press("Enter")
    meaning = page.locator("details.term[open] .meaning")
    assert meaning.inner_text() == "The list of numbers that a model makes from a text."
    inside = meaning.bounding_box()
    assert 0 <= inside["x"] < inside["x"] + inside["width"] <= 1280
    page.keyboard.press("Escape")
    assert page.locator("details.term[open]").count() == 0

    for step in range(1, 8):
        page.locator(".step-heading", has_text=f"Step {step} of 7").wait_for()
        reader.complete()
        expect(page.locator(".st-key-lesson_chart .chart")).to_have_count(0)  # first the guess
        guess(reader, step)
        reader.await_link(f"guess_{step}=")
        if step == 7:
            break
        tab_to(page, "BUTTON", "Next step")
        page.keyboard.press("Enter")
        # The heading of the next step has the focus, so that Tab goes on from there.
        page.wait_for_function(
            "(words) => document.activeElement?.className === 'step-heading'"
            " && document.activeElement.innerText.startsWith(words)",
            arg=f"Step {step + 1} of 7",
        )
    expect(page.locator(".st-key-lesson_steps")).to_contain_text("7 of 7 guesses made")
    assert "What it does not mean" in page.locator("[data-testid=stMain]").inner_text()

    # A move of the strip reaches the figure, and the link brings all of it back.
    window = reader.move_handle("l", "PageUp")
    reader.await_window(window, "lesson_chart")
    again = visit(wait=False)
    again.page.goto(page.url)
    again.complete()
    assert again.page.locator(".step-heading").inner_text().startswith("Step 7 of 7")
    expect(again.page.locator(".st-key-lesson_steps")).to_contain_text("7 of 7 guesses made")
    assert again.sent("lesson_chart") == reader.sent("lesson_chart")
    again.well()
    reader.well()


def test_words_and_figures_light_one_another_up(visit: Any, tiny_folder: Path) -> None:
    reader = visit(f"lesson?step=1&guess_1=0.5&model={quote(str(tiny_folder))}")
    word = reader.page.locator(".see", has_text="Green")
    word.focus()
    opacities = "p.data.map((trace) => trace.opacity ?? 1)"
    reader.page.wait_for_function(
        "document.querySelector('.st-key-lesson_chart .plot').data[1].opacity < 0.5"
    )
    faded = reader.plot("lesson_chart", opacities)
    assert [faded[i] for i in (4, 5)] == [1, 1]
    assert max(faded[:4]) < 0.5
    reader.page.keyboard.press("Tab")
    reader.page.wait_for_function(
        "document.querySelector('.st-key-lesson_chart .plot').data[1].opacity === 1"
    )
    reader.well()
