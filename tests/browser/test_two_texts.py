"""Two texts in Chromium: typed, moved, and more of them looked at by a click."""

from typing import Any
from urllib.parse import quote

from playwright.sync_api import expect

LINES = "A woman is playing the violin.\nA violinist plays beneath the train tracks."
LINK = f"two_texts?first_text={quote(LINES)}&second_text={quote('The judge dismissed the case.')}"


def click_cell(many: Any) -> None:
    """Click the cell of the texts 3 and 2, wherever the page has been scrolled to."""
    cells = many.key("matrix_after").locator(".nsewdrag").first
    cells.scroll_into_view_if_needed()
    box = cells.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] * 5 / 6
    many.page.mouse.move(x - 3, y)
    many.page.mouse.move(x, y, steps=4)
    many.page.wait_for_timeout(200)
    many.page.mouse.click(x, y)


def test_two_texts_and_more(visit: Any, embedded: None) -> None:
    reader = visit("two_texts")
    assert reader.alerts == []
    metrics = reader.page.locator("[data-testid=stMetricValue]")
    expect(metrics.first).to_have_text("0.959")
    before = metrics.nth(1).inner_text()
    window = reader.move_handle("l", "PageUp")
    reader.await_window(window, "growth_chart", "anatomy_chart")
    expect(metrics.nth(1)).not_to_have_text(before)
    expect(metrics.first).to_have_text("0.959")
    field = reader.key("second_text").locator("textarea")
    field.fill("The judge dismissed the case.")
    field.press("Control+Enter")
    reader.page.wait_for_function(
        "document.querySelector('[data-testid=stMetricValue]')?.innerText === '0.892'"
    )
    reader.complete()
    reader.await_link("second_text=The+judge")
    reader.well()

    many = visit(LINK)
    many.await_value("second_text", "The judge dismissed the case.")
    shown = many.sent("growth_chart")
    click_cell(many)
    many.await_other("growth_chart", shown)
    many.await_value("one", "3")
    many.await_value("other", "2")
    shown = many.sent("growth_chart")
    many.key("matrix_after").locator(".plot").focus()
    many.page.keyboard.press("ArrowUp")  # from texts 3 and 2
    many.await_other("growth_chart", shown)
    many.await_value("one", "2")
    many.await_value("other", "2")
    many.complete()
    # A key at once after a click goes on from the cell that was clicked, answered or not.
    click_cell(many)
    many.key("matrix_after").locator(".plot").focus()
    many.page.keyboard.press("ArrowUp")
    many.page.wait_for_timeout(1500)
    many.complete()
    many.await_value("one", "2")
    table = many.download("matrix_after", "csv").decode("utf-8-sig").splitlines()
    assert table[0].startswith("first,second,raw,filtered,mean_removed,filtered_mean_removed")
    assert len(table) == 4
    many.well()
