"""Chromium as a reader has it: no debugger attached, which would slow the page's scripts down.

Playwright steers a page through Chromium's debugger, and with that attached Plotly's script alone
took twice as long to start (0.72 s beside 0.37 s). Here an extension of a few lines stands in for
the reader: it opens the address it is told and runs a script on the page, which reports.
"""

import contextlib
import json
import queue
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from in_browser import BROWSERS, FLAGS, PATIENCE

MANIFEST = {
    "manifest_version": 3,
    "name": "reader",
    "version": "1",
    "permissions": ["tabs"],
    "host_permissions": ["http://127.0.0.1/*"],
    "background": {"service_worker": "worker.js"},
    "content_scripts": [
        {
            "matches": ["http://127.0.0.1/*"],
            "js": ["page.js"],
            "run_at": "document_start",
            "world": "MAIN",
        },
        {
            "matches": ["http://127.0.0.1/*"],
            "js": ["bridge.js"],
            "run_at": "document_start",
        },
    ],
}
# A page's own script may ask no other host (its content security policy), so what it tells goes by
# way of the extension.
TELL = "const tell = (value) => window.postMessage({ told: value }, '*');\n"
BRIDGE = """
window.addEventListener("message", (event) => {
  if (event.data?.told !== undefined) chrome.runtime.sendMessage(event.data.told);
});
"""
WORKER = """
chrome.runtime.onMessage.addListener((told) => {
  fetch("HERE/told", { method: "POST", body: JSON.stringify(told) });
});
const look = async () => {
  const answer = await fetch("HERE/next").catch(() => null);
  if (answer?.status === 200) chrome.tabs.create({ url: (await answer.json()).url });
  setTimeout(look, 50);
};
look();
"""


@contextlib.contextmanager
def unwatched(script: str) -> Iterator["Unwatched"]:
    """A new browser with an empty cache whose pages run ``script``.

    The script may call ``tell(value)`` once with what it has found.
    """
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        raise SystemExit(f"none of {', '.join(BROWSERS)} is on the PATH: install Chromium")
    reader = Unwatched()
    server = ThreadingHTTPServer(("127.0.0.1", 0), reader.handler())
    here = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        extension = Path(folder, "extension")
        extension.mkdir()
        for name, text in (
            ("manifest.json", json.dumps(MANIFEST)),
            ("worker.js", WORKER.replace("HERE", here)),
            ("bridge.js", BRIDGE),
            ("page.js", f"(() => {{ {TELL}{script} }})();"),
        ):
            (extension / name).write_text(text, encoding="utf-8")
        process = subprocess.Popen(
            [
                found, "--headless=new", *FLAGS, f"--load-extension={extension}",
                f"--user-data-dir={folder}/profile", "--window-size=1280,987", "about:blank",
            ],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            yield reader
        finally:
            process.terminate()
            process.wait(10)
            server.shutdown()


class Unwatched:
    """The browser's other end: where it goes next, and what its pages told."""

    def __init__(self) -> None:
        self._next: queue.Queue[str] = queue.Queue()
        self._told: queue.Queue[Any] = queue.Queue()
        self.began = threading.Event()

    def visit(self, url: str, *, settle: float = 3.0, patience: float = PATIENCE / 1000) -> Any:
        """Open an address ``settle`` seconds after the browser began; what its script told."""
        if not self.began.wait(60):
            raise SystemExit("Chromium did not load the extension: try another release of it")
        time.sleep(settle)
        self._next.put(url)
        try:
            return self._told.get(timeout=patience)
        except queue.Empty:
            raise SystemExit(f"{url}: its script told nothing in {patience:.0f} s") from None

    def handler(self) -> type[BaseHTTPRequestHandler]:
        """What answers the browser."""
        reader = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                reader.began.set()
                try:
                    self._answer(200, json.dumps({"url": reader._next.get_nowait()}))
                except queue.Empty:
                    self._answer(204)

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                self._answer(204)
                reader._told.put(json.loads(body))

            def _answer(self, status: int, body: str = "") -> None:
                self.send_response(status)
                self.send_header("Access-Control-Allow-Origin", "*")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body.encode())

            def log_message(self, *_: object) -> None:
                pass

        return Handler
