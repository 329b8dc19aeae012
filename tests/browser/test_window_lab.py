"""From a sweep to a window on the strip, a comparison, and a history that outlives the tab."""

import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect


def test_a_cell_goes_to_the_strip_and_what_was_tried_is_found_again(
    visit: Any, tiny_folder: Path
) -> None:
    reader = visit(f"window_lab?model={tiny_folder}")
    reader.work("Score 210 windows", "sweep_chart")
    # The cell of l = 3 dropped at the strong end and 8 at the weak one, where no mark lies.
    cell = """(() => {
      p.scrollIntoView({block: 'center'});
      const map = p._fullData.find((t) => t.type === 'heatmap'), l = p._fullLayout;
      const box = p.getBoundingClientRect(), i = 3, j = 5;
      return [box.x + l.xaxis._offset + l.xaxis.l2p(map.x[i]),
              box.y + l.yaxis._offset + l.yaxis.l2p(map.y[j]),
              map.customdata[j][i][0]]; })()"""
    place = None
    while place != (place := reader.plot("sweep_chart", cell)):  # until the page has come to rest
        reader.page.wait_for_timeout(500)
    x, y, window = place
    assert window != reader.window
    reader.page.mouse.move(x - 2, y)
    reader.page.mouse.move(x, y, steps=3)
    reader.page.wait_for_selector(".st-key-sweep_chart .hoverlayer .hovertext")
    reader.page.mouse.click(x, y)
    reader.await_window(window, "sweep_chart")
    reader.await_strip(window)
    # By keys: up drops more of the weak end, right more of the strong one; Enter uses the cell.
    plane = reader.key("sweep_chart").locator(".plot")
    plane.focus()
    left, right = map(int, window.split(":"))
    for key in ("ArrowUp", "ArrowRight", "ArrowRight"):
        plane.press(key)
    said = reader.key("sweep_chart").locator(".unseen[role=status]").inner_text()
    assert reader.window == window, "walking moves nothing yet"
    walked = said.removeprefix("Window ").split(",")[0]
    to_left, to_right = map(int, walked.split(":"))
    assert to_left > left
    assert to_right < right
    plane.press("Enter")
    reader.await_window(walked, "sweep_chart")
    reader.await_strip(walked)
    window = walked
    for _ in range(40):  # as far as there are windows, and no further
        plane.press("ArrowRight")
    said = reader.key("sweep_chart").locator(".unseen[role=status]").inner_text()
    assert said.removeprefix("Window ").split(",")[0].endswith(f":{to_right}")
    assert said != f"Window {walked}"
    assert reader.window == window
    reader.page.get_by_role("button", name="Keep the strip's window").click()
    reader.go("Compare")
    reader.page.get_by_text("Tried in this browser").wait_for()
    reader.page.wait_for_function("JSON.parse(localStorage['embfilter-viz runs']).length >= 2")

    # Another tab of the same browser, after this one is closed.
    url = reader.page.url
    reader.well()
    context = reader.page.context
    reader.page.close()
    from tests.browser.visit import Visit

    again = Visit(context, reader.server)
    again.page.goto(url)
    again.page.get_by_role("button", name="Forget all").wait_for()
    again.page.get_by_role("button", name="Score both").click()
    again.page.wait_for_selector(".st-key-comparison_chart .chart[data-drawn]")
    again.page.get_by_role("button", name="Forget all").click()
    again.page.get_by_text("Nothing is kept yet.").wait_for()
    again.page.wait_for_function("localStorage['embfilter-viz runs'] === '[]'")
    again.well()


def test_methods_are_ranked_and_one_is_looked_at(visit: Any, tiny_folder: Path) -> None:
    reader = visit(f"window_lab?model={tiny_folder}")
    reader.work("Rank 25 methods", "leaderboard_chart")
    names = "[...new Set(p._fullData.map((t) => t.y[0]))].length"
    assert reader.plot("leaderboard_chart", names) == 26, "the methods and raw"
    box = reader.page.locator(".st-key-method input")
    box.click()
    box.fill("reweighting-window")
    box.press("Enter")
    reader.page.wait_for_selector(".st-key-weights_chart .chart[data-drawn]")
    assert reader.plot("weights_chart", "p._fullData[0].y.length") == 32
    # The same weights lie over the strip, until another page is open.
    line = reader.page.locator(".strip path.weights")
    expect(line).to_have_attribute("d", re.compile("^M0,.* L1000,"))
    weights = reader.plot("weights_chart", "[...p._fullData[0].y]")
    drawn = [float(y) for y in re.findall(r",([\d.]+)", line.get_attribute("d"))][1:-1]
    assert drawn == pytest.approx([58 * (1 - weight) + 4 for weight in weights], abs=0.05)
    reader.go("Spectrum")
    expect(line).to_have_attribute("d", "")
    reader.well()
