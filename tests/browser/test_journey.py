"""From picking a model to a copied link that brings the same view back."""

from pathlib import Path
from typing import Any

from playwright.sync_api import expect

from tests.browser.server import Server

TEXT = "Volcanoes & earthquakes: 100 % of “them”?"


def test_the_journey(visit: Any, tiny_folder: Path, embedded: None) -> None:
    reader = visit("?prompt=prompteol")  # under which the demo texts are embedded
    # Another model by its folder, and back.
    picker = reader.key("model").locator("input")
    picker.click()
    picker.fill(str(tiny_folder))
    picker.press("Enter")
    reader.page.wait_for_function(
        "document.querySelector('.strip .keep')?.textContent.includes('of 32 directions')"
    )
    reader.complete()
    picker = reader.key("model").locator("input")
    picker.click()
    picker.fill("smollm2-135m")
    picker.press("Enter")
    reader.page.wait_for_function(
        "document.querySelector('.strip .keep')?.textContent.includes('of 576 directions')"
    )
    reader.complete()
    assert reader.alerts == []

    # A sentence changes what the two share, and goes along to the page that looks at it closely.
    shown = reader.sent("start_alike")
    field = reader.key("second_text").locator("textarea")
    field.fill(TEXT)
    field.press("Control+Enter")
    reader.await_other("start_alike", shown)

    # A handle of the strip, by the mouse.
    window = reader.drag_handle("l", -60)
    reader.await_window(window, "start_alike", "start_anatomy", "start_worth")
    reader.go("Two texts")
    reader.await_value("second_text", TEXT)
    reader.await_strip(window)

    # τ, by the keyboard.
    reader.go("Filter and lens")
    tokens = reader.sent("ranks_chart")
    reader.page.locator(".window-tau input").focus()
    reader.page.keyboard.press("ArrowRight")
    reader.await_other("ranks_chart", tokens)
    tokens = reader.sent("ranks_chart")
    reader.type_text(TEXT)
    reader.await_other("ranks_chart", tokens)  # the server has taken it
    reader.await_value("text", TEXT)
    reader.go("Spectrum")
    window = reader.drag_handle("l", -60)
    reader.await_window(window, "spectrum_chart")

    # Everything goes along to the other pages.
    reader.go("Filter and lens")
    reader.await_strip(window)
    reader.await_value("text", TEXT)
    lens = reader.download("ranks_chart", "csv")
    window = reader.move_handle("r", "PageDown")
    reader.await_window(window, "ranks_chart", "layers_chart_filtered")
    assert reader.download("ranks_chart", "csv") != lens
    lens = reader.download("ranks_chart", "csv")

    again = visit(wait=False)
    again.page.goto(reader.page.url)
    again.complete()
    again.await_strip(window)
    again.await_value("text", TEXT)
    assert again.download("ranks_chart", "csv") == lens
    assert again.sent("ranks_chart") == reader.sent("ranks_chart")
    again.well()

    # The maps move with the window; layout, scale and row are in the link too.
    reader.go("Geometry")
    reader.await_strip(window)
    maps = reader.sent("map_chart")
    window = reader.move_handle("l", "PageUp")
    reader.await_window(window, "isotropy_chart", "histogram_chart", "map_chart")
    assert reader.sent("map_chart") != maps
    maps = reader.sent("map_chart")
    reader.key("one_scale").locator("label").first.click()
    maps = reader.await_other("map_chart", maps)
    row = reader.key("row").locator("input")
    row.fill("17")
    row.press("Enter")
    maps = reader.await_other("map_chart", maps)

    again = visit(wait=False)
    again.page.goto(reader.page.url)
    again.complete()
    again.await_strip(window)
    assert again.sent("map_chart") == maps
    assert again.sent("isotropy_chart") == reader.sent("isotropy_chart")
    again.await_value("row", "17")
    expect(again.page).to_have_url(reader.page.url)
    again.well()
    reader.well()


def test_the_back_button_brings_page_window_and_text_back(visit: Any) -> None:
    reader = visit("filter_and_lens?window=100:500&text=Cats+%26+dogs")
    reader.go("Spectrum")
    reader.await_strip("100:500")
    reader.await_link("window=100%3A500")
    window = reader.move_handle("l", "ArrowRight")
    reader.await_window(window, "spectrum_chart")
    # Streamlit leaves a step or two of its own between two pages.
    for _ in range(5):
        reader.page.go_back()
        reader.page.wait_for_timeout(300)
        reader.complete()
        if "/filter_and_lens?" in reader.page.url:
            break
    reader.await_window("100:500", "ranks_chart")
    assert reader.alerts == []
    reader.await_value("text", "Cats & dogs")
    reader.await_strip("100:500")
    reader.well()


def test_umap_is_laid_out_on_demand_and_found_again_by_the_link(visit: Any, embedded: None) -> None:
    reader = visit("geometry?window=72:504")
    reader.page.get_by_text("UMAP", exact=True).first.click()
    reader.page.get_by_role("button", name="Lay out a UMAP").click()
    reader.page.wait_for_selector('.st-key-map_chart .chart[data-stamp^="UMAP"]')
    reader.complete()
    again = visit(wait=False)
    again.page.goto(reader.page.url)
    again.complete()
    assert again.sent("map_chart") == reader.sent("map_chart")
    assert "UMAP 1" in str(again.sent("map_chart")["layout"])
    again.well()
    reader.well()


def test_the_first_visitor_of_a_server_may_come_by_any_link(
    browser: Any, cache: Path, tmp_path: Path, visit: Any
) -> None:
    server = Server(cache, tmp_path, address=None)
    try:
        reader = visit("geometry?window=72:504&prompt=mean", at=server.address)
        reader.await_strip("72:504")
        assert reader.page.locator("h1").inner_text() == "Geometry"
        assert reader.key("model").is_visible()
        assert "Averages" in reader.page.locator("[data-testid=stSidebar]").inner_text()
        reader.await_link("window=72")
        reader.go("Spectrum")
        reader.await_strip("72:504")
        reader.well()
    finally:
        server.stop()
