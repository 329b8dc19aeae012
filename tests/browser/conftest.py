"""One server and one Chromium for all browser tests."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from embfilter_viz.system.paths import cache_folder
from tests.browser.server import Server
from tests.models.tiny_checkpoints import write_checkpoint

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--no-sandbox", "--enable-unsafe-swiftshader", "--disable-background-networking",
    # Whoever else is asked for is not found, without a word to any name server.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
)  # fmt: skip


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


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache with the user's models and what takes long to find out, but no embeddings.

    Where tests run in several processes they share it: what one has had embedded is there for all.
    """
    root = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        root = root.parent
    folder = root / "browser-cache"
    with FileLock(root / "browser-cache.lock"):
        if not folder.is_dir():
            (folder / "results").mkdir(parents=True)
            (folder / "models").symlink_to(cache_folder() / "models")
            for kind in ("spectrum", "frequencies", "permuted"):
                known = cache_folder() / "results" / kind
                if known.is_dir():
                    shutil.copytree(known, folder / "results" / kind)
    return folder


@pytest.fixture(scope="session")
def server(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the explorer all browser tests share."""
    server = Server(cache, tmp_path_factory.mktemp("server"))
    yield server.address
    server.stop()


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
    Visit(context, server).open("geometry").work("Embed 320", "map_chart")
    context.close()
