"""From a sweep to a window on the strip, a comparison, and a history that outlives the tab."""

from pathlib import Path
from typing import Any


def test_a_cell_goes_to_the_strip_and_what_was_tried_is_found_again(
    visit: Any, tiny_folder: Path
) -> None:
    reader = visit(f"window_lab?model={tiny_folder}")
    reader.page.get_by_role("button", name="Score 210 windows").click()
    reader.page.wait_for_selector(".st-key-sweep_chart .chart[data-drawn]")
    reader.complete()
    # The cell of l = 3 dropped head and 8 dropped tail, where no mark lies.
    x, y, window = reader.plot(
        "sweep_chart",
        """(() => {
          p.scrollIntoView({block: 'center'});
          const map = p._fullData.find((t) => t.type === 'heatmap'), l = p._fullLayout;
          const box = p.getBoundingClientRect(), i = 3, j = 5;
          return [box.x + l.xaxis._offset + l.xaxis.l2p(map.x[i]),
                  box.y + l.yaxis._offset + l.yaxis.l2p(map.y[j]),
                  map.customdata[j][i][0]]; })()""",
    )
    assert window != reader.window
    reader.page.mouse.move(x - 2, y)
    reader.page.mouse.move(x, y, steps=3)
    reader.page.wait_for_selector(".st-key-sweep_chart .hoverlayer .hovertext")
    reader.page.mouse.click(x, y)
    reader.await_window(window, "sweep_chart")
    assert reader.window == window
    reader.page.get_by_role("button", name="Keep the strip's window").click()
    reader.go("Compare")
    reader.page.get_by_text("Tried in this browser").wait_for()
    assert reader.page.evaluate("JSON.parse(localStorage['embfilter-viz runs']).length") >= 2

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
    again.page.get_by_text("Nothing yet.").wait_for()
    assert again.page.evaluate("localStorage['embfilter-viz runs']") == "[]"
    again.well()
