"""The container's own steps, run without a builder, behind a proxy that ends TLS, below a path."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from embfilter_viz.system.paths import CACHE_VARIABLE
from tests.browser.conftest import BROWSERS, FLAGS
from tests.browser.server import ROOT, free_port

PREFIX = "/tools/embeddings"
HOST = "explorer.test"
DEPLOY = ROOT / "deploy"


class Container:
    """What the Containerfile's CMD starts, with nothing to write to but the volume."""

    def __init__(self, volume: Path, folder: Path) -> None:
        commands = folder / "bin"
        commands.mkdir()
        command = commands / "embfilter-viz"
        command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m embfilter_viz "$@"\n')
        command.chmod(0o755)
        self.work = folder / "work"
        self.work.mkdir()
        self.work.chmod(0o555)
        self.port = free_port()
        self.environment = {
            "PATH": f"{commands}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "PYTHONDONTWRITEBYTECODE": "1",
            "HOME": str(volume),
            CACHE_VARIABLE: str(volume),
            "EMBFILTER_VIZ_PUBLIC": "1",
            "PORT": str(self.port),
            "PREFIX": PREFIX,
        }
        self.log = folder / "log.txt"
        with self.log.open("wb") as out:
            self.process = subprocess.Popen(
                ["sh", str(DEPLOY / "start.sh")],
                cwd=self.work, env=self.environment, stdout=out, stderr=subprocess.STDOUT,
            )  # fmt: skip

    @property
    def healthy(self) -> bool:
        """What the health check says."""
        check = [sys.executable, str(DEPLOY / "healthy.py")]
        return subprocess.run(check, env=self.environment, capture_output=True).returncode == 0


@contextmanager
def tls_proxy(port: int, folder: Path) -> Iterator[int]:
    """A port that ends TLS and hands all bytes on."""
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
         "-subj", f"/CN={HOST}", "-keyout", str(key), "-out", str(certificate)],
        check=True, capture_output=True,
    )  # fmt: skip
    script = Path(__file__).with_name("tls_proxy.py")
    mine = free_port()
    proxy = subprocess.Popen(
        [sys.executable, str(script), str(mine), str(port), str(certificate), str(key)],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    with proxy:
        assert proxy.stdout is not None
        assert proxy.stdout.readline() == b"ready\n"
        yield mine
        proxy.kill()


@pytest.fixture
def container(cache: Path, tmp_path: Path) -> Iterator[Container]:
    made = Container(cache, tmp_path)
    end = time.monotonic() + 60
    while not made.healthy:
        assert made.process.poll() is None, made.log.read_text()
        assert time.monotonic() < end, made.log.read_text()
        time.sleep(0.2)
    yield made
    if made.process.poll() is None:
        made.process.kill()


@pytest.mark.skipif(shutil.which("openssl") is None, reason="makes a certificate with openssl")
def test_it_serves_strangers_by_tls_below_a_path_and_ends_when_it_is_told(
    container: Container, browser: Any, tmp_path: Path
) -> None:
    found = next(filter(None, map(shutil.which, BROWSERS)))
    flags = [flag.replace("MAP *", f"MAP {HOST} 127.0.0.1, MAP *") for flag in FLAGS]
    chromium = browser.browser_type.launch(executable_path=found, args=flags)
    with tls_proxy(container.port, tmp_path) as port:
        page = chromium.new_page(ignore_https_errors=True)
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.goto(f"https://{HOST}:{port}{PREFIX}/spectrum?window=72:504")
        page.wait_for_selector(".chart[data-drawn]", timeout=90_000)
        page.get_by_role("link", name="Geometry").click()
        page.wait_for_url(f"**{PREFIX}/geometry*")
        page.get_by_role("heading", name="Geometry", level=1).wait_for()
        page.get_by_text("kept 72:504").first.wait_for()
        here = (f"https://{HOST}:{port}{PREFIX}", "data:", "blob:")
        assert [url for url in asked if not url.startswith(here)] == []

        # Another model than the one named is not opened, and the page says so.
        page.goto(f"https://{HOST}:{port}{PREFIX}/spectrum?model=/etc")
        page.get_by_text("this public explorer opens smollm2-135m only").wait_for()
        page.wait_for_selector(".chart[data-drawn]", timeout=90_000)
    chromium.close()

    assert list(container.work.iterdir()) == []
    container.process.terminate()
    container.process.wait(20)
    assert not container.healthy
    said = container.log.read_text()
    assert "Traceback" not in said
    assert "terminate called" not in said
