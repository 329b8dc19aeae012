"""Own templates and layers in the browser: a link brings them, and they go along to all pages."""

from typing import Any
from urllib.parse import urlencode

from playwright.sync_api import expect

TEMPLATE = 'Passage: "{text}" & so on'


def test_a_link_brings_template_pooling_and_layer_and_they_go_along(visit: Any) -> None:
    asked = {
        "prompt": "own template", "template": TEMPLATE, "pooling": "mean", "layer": "12",
        "text": "A cat sleeps.",
    }  # fmt: skip
    reader = visit(f"filter_and_lens?{urlencode(asked)}")
    sidebar = reader.page.locator("[data-testid=stSidebar]")
    reader.await_value("template", TEMPLATE)
    reader.await_value("layer", "12")
    expect(sidebar).to_contain_text("Read after layer 12 of 30.")
    reader.page.get_by_text("after layer 12, of the top 10 tokens").wait_for()

    reader.go("Spectrum").go("Filter and lens")
    reader.page.get_by_text("after layer 12, of the top 10 tokens").wait_for()
    for key, value in asked.items():
        reader.await_link(urlencode({key: value}))

    reader.key("layer").locator("input").focus()
    reader.page.keyboard.press("ArrowRight")
    reader.page.get_by_text("after layer 13, of the top 10 tokens").wait_for()
    reader.complete()
    expect(sidebar).to_contain_text("Read after layer 13 of 30.")
    reader.await_link("layer=13")

    reader.page.reload()
    reader.complete()
    reader.await_value("layer", "13")
    reader.await_value("template", TEMPLATE)
    assert reader.barriers == []
    reader.well()
