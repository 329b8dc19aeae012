"""A server of the explorer, as the README starts it, and whom its processes speak to."""

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from embfilter_viz.system.paths import CACHE_VARIABLE

__all__ = ["Server"]

ROOT = Path(__file__).parents[2]

AUDIT = """
import os, sys

def note(event, arguments):
    if event == "socket.getaddrinfo":
        host = arguments[0]
    elif event in ("socket.connect", "socket.sendto") and isinstance(arguments[1], tuple):
        host = arguments[1][0]
    else:
        return
    host = host.decode() if isinstance(host, bytes) else host
    if host not in (None, "", "localhost", "127.0.0.1", "::1", "0.0.0.0", "::"):
        with open(os.environ["EMBFILTER_VIZ_AUDIT"], "a") as notes:
            notes.write(f"{event} {host}\\n")

sys.addaudithook(note)
"""
"""A ``sitecustomize`` that notes every host but this machine that a Python process turns to."""


class Server:
    """``streamlit run app.py``, once it is well."""

    def __init__(
        self,
        cache: Path,
        folder: Path,
        *,
        address: str | None = "127.0.0.1",
        port: int | None = None,
        first: str = "",
    ) -> None:
        """Start with the user's data in ``cache`` and what is told of it in ``folder``.

        Without an ``address`` it listens everywhere, as it does when a user starts it. ``first``
        are lines of Python that each of its processes begins with.
        """
        port = free_port() if port is None else port
        self.port = port
        self.address = f"http://127.0.0.1:{port}"
        self._log, self._notes = folder / "log.txt", folder / "hosts.txt"
        (folder / "audit").mkdir(exist_ok=True)
        (folder / "audit" / "sitecustomize.py").write_text(AUDIT + first)
        path = [str(folder / "audit"), *filter(None, [os.environ.get("PYTHONPATH")])]
        environment = {
            **os.environ,
            CACHE_VARIABLE: str(cache),
            "PYTHONPATH": os.pathsep.join(path),
            "EMBFILTER_VIZ_AUDIT": str(self._notes),
            "STREAMLIT_SERVER_PORT": str(port),
            "STREAMLIT_SERVER_HEADLESS": "true",
            **({} if address is None else {"STREAMLIT_SERVER_ADDRESS": address}),
        }
        with self._log.open("wb") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "streamlit", "run", "app.py"],
                cwd=ROOT, env=environment, stdout=out, stderr=subprocess.STDOUT,
            )  # fmt: skip
        self._await()

    def _await(self) -> None:
        end = time.monotonic() + 60
        while time.monotonic() < end:
            assert self.process.poll() is None, self._log.read_text()
            try:
                with urllib.request.urlopen(f"{self.address}/_stcore/health", timeout=2) as answer:
                    if answer.status == 200:
                        return
            except (urllib.error.URLError, OSError):
                time.sleep(0.05)
        self.process.kill()
        pytest.fail(f"the server did not become well in 60 s: {self._log.read_text()}")

    def stop(self) -> None:
        """End the server, at the latest after ten seconds; it had no trouble and told nobody."""
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        said = self._log.read_text()
        assert "Traceback" not in said, said
        assert self.others == []

    @property
    def others(self) -> list[str]:
        """The hosts but this machine that the server's processes have turned to."""
        return self._notes.read_text().splitlines() if self._notes.exists() else []


def free_port() -> int:
    """A port nobody listens at."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
