"""Figures in the browser: zoom, linked maps, and text that must stay text."""

from typing import Any

import pytest
from playwright.sync_api import expect


def zoom(reader: Any, key: str) -> list[float]:
    """Draw a box in the first panel with the mouse; the range of x it leaves."""
    before = reader.plot(key, "p._fullLayout.xaxis.range")
    for _ in range(5):
        # A figure that is laid out anew drops the drag that is under way: try again, as one would.
        x, y, width, height = reader.plot(
            key,
            "(() => { const d = p.querySelector('.nsewdrag'); d.scrollIntoView({block: 'center'});"
            " const b = d.getBoundingClientRect(); return [b.x, b.y, b.width, b.height]; })()",
        )
        reader.page.mouse.move(x + 0.3 * width, y + 0.3 * height)
        reader.page.mouse.down()
        reader.page.mouse.move(x + 0.5 * width, y + 0.6 * height, steps=5)
        reader.page.mouse.move(x + 0.6 * width, y + 0.7 * height, steps=5)
        reader.page.mouse.up()
        reader.page.wait_for_timeout(1000)
        after = reader.plot(key, "p._fullLayout.xaxis.range")
        if after != before:
            return after
    raise AssertionError(f"{key}: the range of x stays {before}")


@pytest.mark.parametrize(
    ("page", "key"), [("spectrum", "spectrum_chart"), ("geometry", "map_chart")]
)
def test_zoom_stays_while_the_strip_moves(page: str, key: str, visit: Any, embedded: None) -> None:
    reader = visit(page)
    zoomed = zoom(reader, key)
    for end, press in (("l", "ArrowRight"), ("r", "PageDown")):
        window = reader.move_handle(end, press)
        reader.await_window(window, key)
        assert reader.plot(key, "p._fullLayout.xaxis.range") == pytest.approx(zoomed)
    assert int(reader.key(key).locator(".chart").get_attribute("data-drawn")) > 1
    reader.well()


def test_a_fast_drag_ends_with_the_last_window_in_every_figure(visit: Any) -> None:
    reader = visit("")
    for pixels in (120, -200, 90):
        window = reader.drag_handle("l", pixels)
    reader.await_window(window, "start_alike", "start_anatomy", "start_worth")
    reader.await_strip(window)
    reader.await_typed(window)
    reader.well()


def test_moving_back_and_forth_quickly_keeps_the_page_alive(visit: Any) -> None:
    # The same few windows again and again, each before the last one is answered: where the browser
    # keeps messages to be named by their hash, it drops one that the server is just naming.
    reader = visit("filter_and_lens?window=100:480")
    reader.page.evaluate("""async () => {
      const grip = document.querySelector(".grip-l");
      const press = (key) => grip.dispatchEvent(
        new KeyboardEvent("keydown", { key, bubbles: true }));
      for (let round = 0; round < 60; round++)
        for (const key of ["ArrowRight", "ArrowRight", "ArrowLeft", "ArrowLeft"]) {
          press(key);
          await new Promise((done) => setTimeout(done, 25 + 10 * (round % 4)));
        }
      press("ArrowRight");
    }""")
    reader.await_window("101:480", "ranks_chart", "layers_chart_filtered")
    reader.await_typed("101:480")
    reader.well()


def test_a_click_on_a_point_marks_it_in_both_maps_and_lists_its_neighbours(
    visit: Any, embedded: None
) -> None:
    reader = visit("geometry", height=1400)
    before = reader.sent("map_chart")
    shown = reader.page.locator("[data-testid=stText]").inner_text()
    # Where the outermost point of the second map lies: few others are near it.
    x, y, row = reader.plot(
        "map_chart",
        """(() => {
          p.scrollIntoView({block: 'center'});
          const box = p.getBoundingClientRect(), l = p._fullLayout;
          let best = null;
          for (const t of p._fullData) {
            if (t.xaxis !== 'x2' || !t.text) continue;
            for (let i = 0; i < t.x.length; i++) {
              if (best && t.x[i] <= best[3]) continue;
              best = [box.x + l.xaxis2._offset + l.xaxis2.l2p(t.x[i]),
                      box.y + l.yaxis2._offset + l.yaxis2.l2p(t.y[i]), t.customdata[i], t.x[i]];
            }
          }
          return best; })()""",
    )[:3]
    reader.page.mouse.move(x - 3, y)
    reader.page.mouse.move(x, y, steps=4)
    reader.page.wait_for_selector(".st-key-map_chart .hoverlayer .hovertext")
    reader.page.mouse.click(x, y)
    figure = reader.await_other("map_chart", before)
    rings = [trace for trace in figure["data"] if trace["marker"]["size"] == 15]
    assert [ring["xaxis"] for ring in rings] == ["x", "x2"]
    reader.await_value("row", str(row))
    expect(reader.page.locator("[data-testid=stText]")).not_to_have_text(shown)
    expect(reader.page.locator("[data-testid=stDataFrame]")).to_have_count(2)
    # Cells of strangers that a spreadsheet would run are saved by our own buttons only.
    tools = reader.page.locator("[data-testid=stDataFrame] [data-testid=stElementToolbarButton] *")
    labels = [tool.get_attribute("aria-label") for tool in tools.all()]
    assert "Search" in labels
    assert "Download as CSV" not in labels
    reader.await_link(f"row={row}")
    reader.well()


def test_a_lasso_selects_texts_in_both_maps(visit: Any, embedded: None) -> None:
    reader = visit("geometry", height=1400)
    assert reader.key("histogram_chart").locator('[data-title="Lasso Select"]').count() == 0
    maps = reader.key("map_chart")
    maps.scroll_into_view_if_needed()
    maps.hover()
    maps.locator('[data-title="Lasso Select"]').click()
    box = maps.locator(".nsewdrag").first.bounding_box()
    corners = [(0.1, 0.1), (0.5, 0.1), (0.5, 0.6), (0.1, 0.6), (0.1, 0.1)]
    places = [(box["x"] + box["width"] * x, box["y"] + box["height"] * y) for x, y in corners]
    reader.page.mouse.move(*places[0])
    reader.page.mouse.down()
    for place in places[1:]:
        reader.page.mouse.move(*place, steps=4)
    reader.page.mouse.up()
    said = reader.page.get_by_text("texts selected")
    said.wait_for()
    reader.complete()
    counts = (
        "p.data.filter((t) => t.marker.size < 10)"  # without the rings
        ".map((t) => [t.xaxis, t.selectedpoints?.length ?? 0])"
    )
    taken = reader.plot("map_chart", counts)
    for panel in ("x", "x2"):
        assert f"{sum(n for axis, n in taken if axis == panel)} texts" in said.inner_text()
    window = reader.move_handle("l", "PageUp")
    reader.await_window(window, "map_chart")
    assert reader.plot("map_chart", counts) == taken
    reader.well()
