"""The lens by position in Chromium: a cell by a click and by keys, and a window that moves."""

from typing import Any

from playwright.sync_api import expect

LINK = (
    "filter_and_lens?text=A+violin.&window=57:547&positions=true&position_side=filtered"
    "&follow=violin"
)


def test_cells_by_click_and_by_keys_and_a_window_that_rests(visit: Any) -> None:
    reader = visit(LINK)
    reader.key("positions_chart").locator(".chart[data-drawn]").wait_for()
    reader.complete()
    assert reader.alerts == []
    reader.await_value("cell_layer", "30")
    last = reader.key("cell_token").locator("input").input_value()
    top = reader.page.locator(".toks").last
    first_seen = top.inner_text()
    reader.key("positions_chart").locator(".plot").focus()
    for key in ("ArrowUp", "ArrowUp", "ArrowLeft", "ArrowDown"):
        reader.page.keyboard.press(key)
    reader.await_value("cell_layer", "29")
    reader.await_value("cell_token", str(int(last) - 1))
    expect(top).not_to_have_text(first_seen, use_inner_text=True)
    reader.complete()

    shown = reader.sent("positions_chart")
    x, y = reader.plot(
        "positions_chart",
        "(() => { const a = p._fullLayout, b = p.getBoundingClientRect();"
        " return [b.x + a.xaxis._offset + a.xaxis.d2p(p.data[0].x.length - 3),"
        " b.y + a.yaxis._offset + a.yaxis.d2p(25)]; })()",
    )
    reader.page.mouse.move(x - 3, y)
    reader.page.mouse.move(x, y, steps=4)
    reader.page.wait_for_timeout(200)
    reader.page.mouse.click(x, y)
    reader.await_value("cell_layer", "25")
    reader.await_value("cell_token", str(int(last) - 2))
    reader.await_other("positions_chart", shown)

    window = reader.move_handle("l", "PageUp")
    reader.await_window(window, "positions_chart", "path_chart", "ranks_chart")
    assert reader.sent("positions_chart")["data"][0]["opacity"] == 1
    table = reader.download("positions_chart", "csv").decode("utf-8-sig").splitlines()
    columns = "layer,position,token,top_id,top_text,probability,entropy_bits,rank,of_model"
    assert table[0].startswith(columns)
    reader.well()
