"""No page, button, download or report speaks to any host but the explorer's own."""

import csv
import io
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
import pytest
from playwright.sync_api import Locator

from embfilter_viz.figures import report as reports
from embfilter_viz.figures.sketch import Sketch
from tests.browser.gate import Gate, names_no_other_host

TOOLBAR = {
    "Zoom", "Pan", "Box Select", "Lasso Select", "Reset axes", "Zoom in", "Zoom out", "Autoscale",
    "Download plot as a PNG",
}  # fmt: skip
"""The buttons of Plotly's that are known to stay here; a new one wants looking at."""

UPLOAD = ".plotly-cloud-dialog-btn--confirm"
"""In Plotly's dialog before an upload, the button that begins it."""

FIGURES = {
    "Start": ("start_alike", "start_anatomy", "start_worth"),
    "Spectrum": ("spectrum_chart", "direction_chart", "energy_chart"),
    "Average token": ("shift_chart", "map_chart"),
    "Filter and lens": ("ranks_chart", "layers_chart"),
    "Geometry": ("isotropy_chart", "histogram_chart", "map_chart"),
    "Window laboratory": ("sweep_chart", "ablation_chart", "proposal_chart"),
    "Compare": ("comparison_chart",),
}
"""All figures of all pages, by their keys."""

WORK = {
    "Geometry": "Embed 320",
    "Window laboratory": "Score 210 windows",
    "Compare": "Score both",
}
"""The button without which a page has not all its figures."""


def press_toolbars(page: Any, figures: str) -> set[str]:
    """Press every button of Plotly's toolbars, and whatever comes up then; their titles."""
    titles = set()
    for figure in page.locator(figures).all():
        for button in figure.locator(".modebar-btn").all():
            titles.add(button.get_attribute("data-title"))
            button.evaluate("(b) => b.scrollIntoView({ block: 'center' })")
            button.hover(force=True)
            button.click()
            if page.locator(UPLOAD).count():
                page.locator(UPLOAD).click()
                page.wait_for_timeout(500)
            page.bring_to_front()  # whatever has opened another window
    return titles


def press_tables(page: Any) -> None:
    """Press every button over a table: its columns, download, search, full screen and back."""
    for table in page.locator("[data-testid=stDataFrame]").all():
        for button in table.locator("[data-testid=stElementToolbarButton] button").all():
            button.evaluate("(b) => b.click()")
            page.keyboard.press("Escape")
        back: Locator = page.locator("button[aria-label='Close fullscreen']")
        if back.count():
            back.evaluate("(b) => b.click()")


def take_away(reader: Any, figures: Sequence[str]) -> None:
    """Save the data of all figures, and the last one as either kind of picture."""
    for key in figures:
        table = reader.download(key, "csv").decode("utf-8-sig")
        rows = list(csv.reader(io.StringIO(table)))
        assert len(rows) > 1
        assert len({len(row) for row in rows}) == 1
        assert rows[0][-5:] == ["of_model", "of_prompt", "of_window", "of_texts", "source"]
        reader.complete()
    svg = reader.download(figures[-1], "svg")
    assert svg.startswith(b"<svg")
    assert b"</svg>" in svg
    assert re.search(rb">Model [^<]+ prompt mean", svg)
    png = reader.download(figures[-1], "png")
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    assert len(png) > 5_000


def saved(page: Any, button: str, folder: Path) -> Path:
    """What a download button saves."""
    with page.expect_download() as caught:
        page.get_by_role("button", name=button, exact=True).click()
    path = folder / caught.value.suggested_filename
    caught.value.save_as(path)
    assert path.stat().st_size > 0
    return path


@pytest.fixture
def opened_from_disk(browser: Any, tmp_path: Path) -> Any:
    """Open a report as a file, behind a gate that lets that one file through."""
    contexts = []

    def open_file(page: str | Path) -> tuple[Any, Gate]:
        path = page if isinstance(page, Path) else tmp_path / "report.html"
        if isinstance(page, str):
            path.write_text(page, encoding="utf-8")
        contexts.append(browser.new_context(accept_downloads=True))
        gate = Gate(contexts[-1], path.as_uri())
        shown = contexts[-1].new_page()
        shown.goto(path.as_uri())
        shown.wait_for_selector(".figure .modebar-btn", state="attached")
        return shown, gate

    yield open_file
    for context in contexts:
        context.close()


def test_every_button_works_and_speaks_to_its_own_server_alone(
    visit: Any, tiny_folder: Path, tmp_path: Path, opened_from_disk: Any
) -> None:
    reader = visit(wait=False)
    page, gate = reader.page, Gate(reader.page.context, reader.server)
    reader.open(f"?model={tiny_folder}")
    titles = set()
    for name, figures in FIGURES.items():
        reader.go(name)
        if name in WORK:
            reader.work(WORK[name], figures[0])
        for key in figures:
            page.wait_for_selector(f".st-key-{key} .chart[data-drawn]")
        reader.complete()
        for fold in page.locator("[data-testid=stMain] [data-testid=stExpander] summary").all():
            fold.click()
        reader.complete()
        titles |= press_toolbars(page, ".chart")
        reader.complete()
        press_tables(page)
        take_away(reader, figures)
        names_no_other_host(page, gate)
        assert gate.others == [], name
        assert page.get_by_test_id("stAppDeployButton").count() == 0
        assert page.get_by_test_id("stMainMenu").count() == 0
        if name == "Window laboratory":
            for taken in ("Filter file", "Lines of NumPy"):
                saved(page, taken, tmp_path)
            page.get_by_role("button", name="Make a report").click()
            report = saved(page, "Report", tmp_path)
    assert {"Zoom", "Pan", "Box Select", "Lasso Select", "Reset axes"} <= titles <= TOOLBAR
    assert gate.asked > 100
    assert gate.others == []
    reader.well()

    shown, gate = opened_from_disk(report)
    titles = press_toolbars(shown, ".figure")
    assert {"Zoom", "Download plot as a PNG"} <= titles <= TOOLBAR
    names_no_other_host(shown, gate)
    assert (gate.asked, gate.others) == (1, [])


def test_the_browser_itself_refuses_what_a_page_might_ask_of_others(visit: Any) -> None:
    reader = visit("spectrum")
    port = int(reader.server.rpartition(":")[2])
    refused = reader.page.evaluate(
        """async (port) => {
             const refused = [];
             document.addEventListener(
               "securitypolicyviolation", (event) => refused.push(event.blockedURI));
             const other = `http://localhost:${port}/_stcore/health`;
             await fetch(other).catch(() => {});
             document.body.append(Object.assign(new Image(), { src: `${other}?image` }));
             try { new WebSocket(`ws://localhost:${port}/_stcore/stream`); } catch {}
             await new Promise((done) => setTimeout(done, 200));
             return refused; }""",
        port,
    )
    assert len(refused) == 3
    off = reader.page.locator("meta[http-equiv='x-dns-prefetch-control']")
    assert off.get_attribute("content") == "off"


def a_figure(*, bare: bool) -> go.Figure:
    """A figure with what all of ours have, or as anyone makes one."""
    sketch = Sketch(height=200)
    sketch.add("scatter", x=[0, 1], y=[2.0, 1.0], mode="markers")
    figure = sketch.figure()
    return go.Figure(figure.data) if bare else figure


def report_of(*figures: go.Figure) -> str:
    return reports.report("t", [reports.Section("s", figures=figures)])


def test_a_bare_figure_is_caught_here_and_one_of_ours_needs_no_configuration(
    opened_from_disk: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reports, "REPORT_CONFIG", {})  # as in a notebook
    shown, gate = opened_from_disk(report_of(a_figure(bare=False), a_figure(bare=True)))
    assert "Share chart..." not in press_toolbars(shown, "#figure0")
    assert "Share chart..." in press_toolbars(shown, "#figure1")
    assert {url.partition("?")[0] for url in gate.others} == {
        "https://cloud.plotly.com/newchart",
        "https://plotly.com/",  # the logo
    }


def test_with_our_configuration_a_bare_figure_stays_here_too(opened_from_disk: Any) -> None:
    shown, gate = opened_from_disk(report_of(a_figure(bare=True)))
    assert press_toolbars(shown, ".figure") <= TOOLBAR
    assert gate.others == []
