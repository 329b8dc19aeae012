"""Own templates and layers in the browser: a link brings them, and they go along to all pages."""

from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

TEMPLATE = 'Passage: "{text}" & so on'


def test_a_link_brings_template_pooling_and_layer_and_they_go_along(visit: Any) -> None:
    asked = {
        "prompt": "own template", "template": TEMPLATE, "pooling": "mean", "layer": "12",
        "text": "A cat sleeps.",
    }  # fmt: skip
    reader = visit(f"filter_and_lens?{urlencode(asked)}")
    sidebar = reader.page.locator("[data-testid=stSidebar]")
    assert reader.key("template").locator("input").input_value() == TEMPLATE
    assert reader.key("layer").locator("input").input_value() == "12"
    assert "Read after layer 12 of 30." in sidebar.inner_text()
    reader.page.get_by_text("after layer 12, of the top 10 tokens").wait_for()

    reader.go("Spectrum").go("Filter and lens")
    assert {key: said(reader)[key] for key in asked} == asked
    reader.page.get_by_text("after layer 12, of the top 10 tokens").wait_for()

    reader.key("layer").locator("input").focus()
    reader.page.keyboard.press("ArrowRight")
    reader.page.get_by_text("after layer 13, of the top 10 tokens").wait_for()
    reader.complete()
    assert "Read after layer 13 of 30." in sidebar.inner_text()
    assert said(reader)["layer"] == "13"

    reader.page.reload()
    reader.complete()
    assert reader.key("layer").locator("input").input_value() == "13"
    assert reader.key("template").locator("input").input_value() == TEMPLATE
    assert reader.barriers == []
    reader.well()


def said(reader: Any) -> dict[str, str]:
    """What the address says."""
    return {key: values[0] for key, values in parse_qs(urlsplit(reader.page.url).query).items()}
