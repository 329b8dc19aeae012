"""What the benchmarks in Chromium share: a server, a browser, and a reader on a page."""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).parents[1]
PATIENCE = 180_000
"""Milliseconds anything may take before the benchmark gives up."""

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = ("--no-sandbox", "--enable-unsafe-swiftshader", "--disable-background-networking")
"""As on a machine without a graphics card: with ANGLE's flags SwiftShader would paint the page too,
and keep a core busy for a quarter of a second at each move."""

READY = (
    "[data-testid=stApp][data-test-connection-state=CONNECTED][data-test-script-state=notRunning]"
)
COMPLETE = """(ready) => document.querySelector(ready)
  && !document.querySelector("[data-testid=stProgress]")
  && document.querySelector(".strip .keep")?.textContent
  && document.querySelector(".chart")
  && [...document.querySelectorAll(".chart")].every((c) => c.dataset.drawn && !c.state.busy)"""


@contextlib.contextmanager
def chromium() -> Iterator[Any]:
    """Chromium without a window, driven by Playwright."""
    from playwright.sync_api import sync_playwright

    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        raise SystemExit(f"none of {', '.join(BROWSERS)} is on the PATH: install Chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=list(FLAGS))
        yield browser
        browser.close()


@contextlib.contextmanager
def serving(script: Path, *, folder: Path = ROOT) -> Iterator[tuple[str, float]]:
    """``streamlit run script``: its address, and the time at which it accepted a connection."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {
        **os.environ,
        "STREAMLIT_SERVER_PORT": str(port),
        "STREAMLIT_SERVER_ADDRESS": "127.0.0.1",
        "STREAMLIT_SERVER_HEADLESS": "true",
        "STREAMLIT_BROWSER_GATHER_USAGE_STATS": "false",
        "PYTHONPATH": str(ROOT),
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "streamlit", "run", str(script)],
        cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        yield f"http://127.0.0.1:{port}", _accepts(process, port)
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()


def _accepts(process: subprocess.Popen[bytes], port: int) -> float:
    """Wait until the server is well; the time at which it first took a connection."""
    end, accepted = time.monotonic() + 90, None
    while time.monotonic() < end and process.poll() is None:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=2):
                accepted = accepted or time.time()
            url = f"http://127.0.0.1:{port}/_stcore/health"
            with urllib.request.urlopen(url, timeout=5):
                return accepted
        except (urllib.error.URLError, OSError):
            time.sleep(0.005)
    raise SystemExit("the server did not start")


def complete(page: Any) -> None:
    """Wait until no job is under way and all figures are drawn."""
    page.wait_for_function(COMPLETE, arg=READY, timeout=PATIENCE, polling=100)


def words(milliseconds: Sequence[float]) -> str:
    """Median, 95th percentile and span of some times, for a line of a report."""
    values = np.asarray(milliseconds)
    return (
        f"median {np.median(values):5.0f} ms, 95th percentile {np.quantile(values, 0.95):5.0f} ms "
        f"({values.min():.0f} to {values.max():.0f}, n = {len(values)})"
    )


def ratios(ours: Sequence[float], others: Sequence[float]) -> str:
    """How many times the others take, run by run: median and span."""
    values = np.asarray(others) / np.asarray(ours)
    return f"{np.median(values):.2f} x ({values.min():.2f} to {values.max():.2f})"
