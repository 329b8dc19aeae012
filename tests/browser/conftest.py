"""One server and one Chromium for all browser tests."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from embfilter_viz.paths import CACHE_VARIABLE, cache_folder
from tests.models.tiny_checkpoints import write_checkpoint

ROOT = Path(__file__).parents[2]
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = ("--no-sandbox", "--enable-unsafe-swiftshader", "--disable-background-networking")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything here drives Chromium over the bundled model."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.real_model)


def lacking(why: str) -> None:
    """Skip, or fail where CI said that it has a browser."""
    if os.environ.get("EMBFILTER_VIZ_NEEDS_BROWSER") == "1":
        pytest.fail(f"EMBFILTER_VIZ_NEEDS_BROWSER=1, but {why}")
    pytest.skip(f"the browser tests need Chromium: {why}")


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Chromium, without a window."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        lacking("the Python package playwright is not installed")
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        lacking(f"none of {', '.join(BROWSERS)} is on the PATH")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=found, args=list(FLAGS))
        yield chromium
        chromium.close()


def free_port() -> int:
    """A port nobody listens at."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def start_server(cache: Path, log: Path) -> tuple[subprocess.Popen[bytes], str]:
    """``streamlit run app.py`` as the README has it, and its address once it is well."""
    port = free_port()
    environment = {
        **os.environ,
        CACHE_VARIABLE: str(cache),
        "STREAMLIT_SERVER_PORT": str(port),
        "STREAMLIT_SERVER_ADDRESS": "127.0.0.1",
        "STREAMLIT_SERVER_HEADLESS": "true",
    }
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "streamlit", "run", "app.py"],
            cwd=ROOT, env=environment, stdout=out, stderr=subprocess.STDOUT,
        )  # fmt: skip
    end = time.monotonic() + 60
    while time.monotonic() < end:
        assert process.poll() is None, log.read_text()
        try:
            address = f"http://127.0.0.1:{port}"
            with urllib.request.urlopen(f"{address}/_stcore/health", timeout=2) as answer:
                if answer.status == 200:
                    return process, address
        except (urllib.error.URLError, OSError):
            time.sleep(0.05)
    process.kill()
    pytest.fail(f"the server did not become well in 60 s: {log.read_text()}")


def stop_server(process: subprocess.Popen[bytes]) -> None:
    """End the server, at the latest after ten seconds."""
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache with the user's models and what takes long to find out, but no embeddings."""
    folder = tmp_path_factory.mktemp("browser") / "cache"
    (folder / "results").mkdir(parents=True)
    (folder / "models").symlink_to(cache_folder() / "models")
    for kind in ("spectrum", "frequencies"):
        known = cache_folder() / "results" / kind
        if known.is_dir():
            shutil.copytree(known, folder / "results" / kind)
    return folder


@pytest.fixture(scope="session")
def server(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the explorer all browser tests share."""
    log = tmp_path_factory.mktemp("server") / "log.txt"
    process, address = start_server(cache, log)
    yield address
    stop_server(process)
    said = log.read_text()
    assert "Traceback" not in said, said


@pytest.fixture
def visit(browser: Any, server: str) -> Iterator[Callable[..., Any]]:
    """Open a page in a session of its own: ``visit("spectrum", width=800)``."""
    from tests.browser.visit import Visit

    contexts = []

    def open_page(
        path: str = "", *, width: int = 1280, height: int = 900, scheme: str = "light",
        at: str | None = None, wait: bool = True,
    ) -> Visit:  # fmt: skip
        context = browser.new_context(
            viewport={"width": width, "height": height}, color_scheme=scheme, accept_downloads=True
        )
        contexts.append(context)
        opened = Visit(context, at or server)
        if wait:
            opened.open(path)
        return opened

    yield open_page
    for context in contexts:
        context.close()


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model the server can open by its folder."""
    return write_checkpoint(tmp_path_factory.mktemp("tiny") / "llama").folder


@pytest.fixture(scope="session")
def embedded(browser: Any, server: str) -> None:
    """The demo texts, embedded once for all tests of the Geometry page."""
    from tests.browser.visit import Visit

    context = browser.new_context()
    page = Visit(context, server).open("geometry")
    button = page.page.get_by_role("button", name="Embed 320")
    maps = page.key("map_chart").locator(".chart[data-drawn]")
    button.or_(maps).first.wait_for()
    if button.count():
        button.click()
    maps.wait_for()
    context.close()
