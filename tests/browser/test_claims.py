"""Claims in Chromium: verdicts as they come, the table, and the links to other pages."""

import re
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from playwright.sync_api import expect

DECIDED = "document.querySelectorAll('.claims .verdict:not(.open)').length"


def test_claims_are_decided_downloaded_and_linked(visit: Any, tiny_folder: Path) -> None:
    asked = urlencode({"model": tiny_folder, "prompt": "mean", "sets": "Similarity"})
    reader = visit(f"claims?{asked}")
    assert reader.page.evaluate(DECIDED) == 0
    assert reader.page.locator(".claims tbody tr").count() == 12
    # The figure is there as soon as the first of claims 7 to 11 is decided.
    reader.work("Decide the claims", "claims_chart_0")
    reader.page.wait_for_function(f"{DECIDED} === 12")
    reader.complete()
    assert reader.alerts == []
    with reader.page.expect_download() as caught:
        reader.key("claims_chart_0").locator(".save-csv").click()
    # The name says the model, the prompt and the window that the claims are about.
    assert caught.value.suggested_filename == f"claims-{tiny_folder.name}-mean-8-24.csv"
    table = caught.value.path().read_text(encoding="utf-8-sig").splitlines()
    assert table[0].startswith("model,prompt,claim,title,verdict,statistic,statistic_value")
    assert len(table) == 13
    for width in (800, 390):
        reader.page.set_viewport_size({"width": width, "height": 900})
        reader.page.wait_for_function(
            "(() => { const m = document.querySelector('[data-testid=stMain]');"
            " return m.scrollWidth <= m.clientWidth; })()"
        )
    reader.page.set_viewport_size({"width": 1280, "height": 900})
    reader.well()

    link = reader.page.locator(".claims a", has_text="Average token").first
    address = link.evaluate("(a) => a.href")
    assert address.split("?")[0].endswith("/average_token")
    linked = visit(address.split("/")[-1])
    linked.await_typed("2")
    assert linked.page.locator("h1").inner_text() == "Average token"
    expect(linked.key("model").locator("input")).to_have_value(
        re.compile(re.escape(str(tiny_folder)))
    )
    linked.well()
